//! `yardmaster`, the production scheduler and its command line.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // Under the agent's name this program is the agent: see `service::agent_program`.
    let name = std::env::args_os().next().map(std::path::PathBuf::from);
    if name.is_some_and(|name| name.file_name().is_some_and(|name| name == yardmaster::agent::PROGRAM)) {
        return yardmaster::agent::main();
    }
    yardmaster::cli::Cli::parse().run()
}
