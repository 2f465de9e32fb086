//! `yardmaster`, the production scheduler and its command line.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    yardmaster::cli::Cli::parse().run()
}
