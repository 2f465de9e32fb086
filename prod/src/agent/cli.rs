//! The command line of `yardmaster-drone`. People need it rarely: schedulers start the agent.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::{Results, launch, practice, serve, transfer};

/// The agent of the Yardmaster scheduler on a drone: starts processes, watches their pidfiles, ends them.
#[derive(Debug, Parser)]
#[command(name = "yardmaster-drone", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Debug, Args)]
struct ResultsArgument {
    /// The results directory.
    #[arg(long)]
    results: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Serve a scheduler on standard input and output.
    Serve {
        #[command(flatten)]
        results: ResultsArgument,
        /// Seconds between SIGTERM and SIGKILL.
        #[arg(long, default_value_t = 10.0)]
        kill_grace: f64,
        /// Serve the runner of a job that was handed off, which outlives the scheduler's terms: none is asked for, and none
        /// begins. What was claimed or is to be killed is not started, as ever.
        #[arg(long, hide = true)]
        for_runner: bool,
    },
    /// Become a process that a scheduler has ordered; the agent calls this.
    #[command(hide = true)]
    Launch {
        #[command(flatten)]
        results: ResultsArgument,
    },
    /// Write the results of a path to standard output, as a tar stream.
    Send {
        #[command(flatten)]
        results: ResultsArgument,
        /// The results path.
        path: String,
    },
    /// List the processes that were started here and still run: path, pidfile, pid, command.
    List {
        #[command(flatten)]
        results: ResultsArgument,
    },
    /// A test driver for trying things out: takes the command lines of autoserv and the parser.
    #[command(hide = true)]
    Practice {
        /// A command line, program first.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        line: Vec<OsString>,
    },
}

/// Runs `yardmaster-drone`.
pub fn main() -> ExitCode {
    let outcome = match CommandLine::parse().command {
        Subcommands::Serve { results, kill_grace, for_runner } => {
            let grace = Duration::try_from_secs_f64(kill_grace).unwrap_or(Duration::from_secs(10));
            serve::run(&results.results, grace, !for_runner).map(|()| ExitCode::SUCCESS)
        }
        Subcommands::Launch { results } => {
            open(&results).and_then(|results| Ok(launch::run(&results)?)).map(|()| ExitCode::SUCCESS)
        }
        Subcommands::Send { results, path } => send(&results, &path).map(|()| ExitCode::SUCCESS),
        Subcommands::List { results } => list(&results).map(|()| ExitCode::SUCCESS),
        Subcommands::Practice { line } => practice::run(&line),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("yardmaster-drone: {error:#}");
        ExitCode::FAILURE
    })
}

fn open(argument: &ResultsArgument) -> Result<Results, anyhow::Error> {
    Ok(Results::open(&argument.results)?)
}

fn send(results: &ResultsArgument, path: &str) -> Result<(), anyhow::Error> {
    let place = open(results)?.place(path)?;
    let missing = transfer::send(&place, io::stdout().lock())?;
    if let Some(first) = missing.first() {
        // Not all of them: whoever reads this is no further than a pipe, and has a list among the results.
        eprintln!("{} of the results could not be read, the first {first}", missing.len());
    }
    Ok(())
}

fn list(results: &ResultsArgument) -> Result<(), anyhow::Error> {
    let mut out = io::stdout().lock();
    for line in serve::list(&open(results)?) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}
