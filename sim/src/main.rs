//! `yardmaster-sim`: checks scripted scenarios and runs workload scenarios.

mod cli;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("yardmaster-sim: {error:#}");
            ExitCode::from(2)
        }
    }
}
