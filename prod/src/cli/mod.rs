//! The command line.
//!
//! * Each group of commands has a file: its flags and what it does with the frontend's functions.
//! * `context` opens the configuration and the database, `output` prints for people and for programs.

mod access;
mod arguments;
mod configuration;
mod context;
mod databases;
mod drones;
mod estimate;
mod failure;
mod fit;
mod forecast;
mod host_names;
mod hosts;
mod jobs;
mod manual;
mod output;
mod services;
mod snapshot;
mod status;
mod suites;
mod tasks;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use context::Context;
pub use services::{HostSchedulerArgs, QuickstartArgs, RunJobArgs, ServeArgs};

/// The scheduler of a hardware test lab, and the commands of those who work in it.
#[derive(Debug, Parser)]
#[command(name = "yardmaster", version, about, max_term_width = 110)]
#[command(after_help = "\
Examples:
  yardmaster quickstart                                      a lab on this machine, with jobs, in a minute
  yardmaster db migrate && yardmaster serve                  the service on the database of the configuration
  yardmaster host add 'dut[001-100]' --label board:eve
  yardmaster job submit --name smoke --control smoke.py --label board:eve*3
  yardmaster status --watch
  yardmaster why 1234                                        why does job 1234 wait?
  yardmaster forecast --lock 'dut[01-10]'                    what if these hosts are locked now?

Configuration: --config FILE, else $YARDMASTER_CONFIG, ./yardmaster.toml, /etc/yardmaster/yardmaster.toml; without any of
them an embedded SQLite database under $XDG_STATE_HOME/yardmaster. `yardmaster config example` shows all settings.

Host lists are written as dut[001-100],spare7.

Exit status: 0 done, 1 failed, 2 the command line makes no sense, 3 nothing found.")]
pub struct Cli {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Override a setting, as scheduler.max_parse_processes=50; may be given several times.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Print JSON instead of tables; the names of its fields stay the same between versions.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make, look at or remove Yardmaster's tables.
    #[command(subcommand)]
    Db(databases::DbCommand),
    /// Check, show or explain the configuration.
    #[command(subcommand)]
    Config(configuration::ConfigCommand),
    /// Run the scheduler.
    Serve(ServeArgs),
    /// Run the host scheduler, which gives hosts to jobs where the scheduler does not.
    HostScheduler(HostSchedulerArgs),
    /// See a job to its end that was handed off to this drone; the scheduler starts it.
    RunJob(RunJobArgs),
    /// Show everything at work on this machine: an embedded database, a local drone, a lab and jobs.
    Quickstart(QuickstartArgs),
    /// Submit, look at or abort jobs.
    #[command(subcommand)]
    Job(jobs::JobCommand),
    /// Submit suites: jobs that belong together.
    #[command(subcommand)]
    Suite(suites::SuiteCommand),
    /// Add, look at, lock, label or delete hosts.
    #[command(subcommand)]
    Host(hosts::HostCommand),
    /// Add, look at or delete labels.
    #[command(subcommand)]
    Label(access::LabelCommand),
    /// Say which users may use which hosts.
    #[command(subcommand)]
    Acl(access::AclCommand),
    /// Add, look at or delete users.
    #[command(subcommand)]
    User(access::UserCommand),
    /// Add, look at or change drones, the machines that run processes.
    #[command(subcommand)]
    Drone(drones::DroneCommand),
    /// Ask for, look at or abort special tasks: Verify, Cleanup, Reset, Repair.
    #[command(subcommand)]
    Task(tasks::TaskCommand),
    /// The lab now.
    Status(status::StatusArgs),
    /// Why a job waits.
    Why(why::WhyArgs),
    /// When jobs will start and end, which suites will be late, and what if.
    Forecast(forecast::ForecastCommand),
    /// Learn the lab from its history, as a scenario to simulate and plan with.
    Fit(fit::FitArgs),
    /// Write the lab as it is, and its history, to a file to forecast or learn from.
    Snapshot(snapshot::SnapshotArgs),
    /// Print a shell's completions.
    Completions(manual::CompletionsArgs),
    /// Write man pages.
    Man(manual::ManArgs),
}

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It did what it was asked to.
    Done,
    /// It looked and found something wrong.
    Wrong,
    /// There was nothing to show.
    NothingFound,
}

impl Cli {
    /// Does what the command line asks for, and says on standard error what went wrong.
    pub fn run(self) -> ExitCode {
        let context = Context::new(self.config, self.settings, self.json);
        let outcome = match self.command {
            Command::Db(command) => command.run(&context),
            Command::Config(command) => command.run(&context),
            Command::Serve(args) => services::serve(&context, args),
            Command::HostScheduler(args) => services::host_scheduler(&context, args),
            Command::RunJob(args) => services::run_job(&context, args),
            Command::Quickstart(args) => services::quickstart(&context, args),
            Command::Job(command) => command.run(&context),
            Command::Suite(command) => command.run(&context),
            Command::Host(command) => command.run(&context),
            Command::Label(command) => command.run(&context),
            Command::Acl(command) => command.run(&context),
            Command::User(command) => command.run(&context),
            Command::Drone(command) => command.run(&context),
            Command::Task(command) => command.run(&context),
            Command::Status(args) => args.run(&context),
            Command::Why(args) => args.run(&context),
            Command::Forecast(args) => args.run(&context),
            Command::Fit(args) => args.run(&context),
            Command::Snapshot(args) => args.run(&context),
            Command::Completions(args) => args.run(),
            Command::Man(args) => args.run(),
        };
        match outcome {
            Ok(Outcome::Done) => ExitCode::SUCCESS,
            Ok(Outcome::Wrong) => ExitCode::from(1),
            Ok(Outcome::NothingFound) => ExitCode::from(3),
            Err(error) => failure::report(&error),
        }
    }
}
