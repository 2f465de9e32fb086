//! `yardmaster serve`, `host-scheduler`, `run-job` and `quickstart`.

use std::path::PathBuf;

use clap::Args;

use super::Outcome;
use super::context::Context;
use crate::quickstart::Quickstart;
use crate::runner::{self, RunJob, RunnerEnding};
use crate::service::{self, Ending, ServeOptions};

/// How the scheduler is run.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  yardmaster serve --config /etc/yardmaster/yardmaster.toml
  yardmaster serve --recover-hosts --lifetime-hours 24
  YARDMASTER_LOG__FORMAT=json yardmaster serve

SIGTERM and SIGINT end it after the tick that runs; processes on drones go on. SIGHUP reads the settings again.")]
pub struct ServeArgs {
    /// End after so many hours; overrides service.lifetime_hours.
    #[arg(long, value_name = "HOURS")]
    pub lifetime_hours: Option<f64>,
    /// Give hosts in Repair Failed another chance; overrides service.recover_hosts.
    #[arg(long)]
    pub recover_hosts: bool,
    /// Write down what every tick hears, for `yardmaster-sim replay`.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

/// How the host scheduler is run.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  yardmaster host-scheduler --config /etc/yardmaster/yardmaster.toml

The scheduler must then run with scheduler.inline_host_acquisition = false.")]
pub struct HostSchedulerArgs {
    /// End after so many hours; overrides service.lifetime_hours.
    #[arg(long, value_name = "HOURS")]
    pub lifetime_hours: Option<f64>,
}

/// Which job is run.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  yardmaster run-job 1234 --drone drone1

The scheduler has it started on a drone where scheduler.hand_off_level says so and commands.handoff names it. It reads the
configuration of the drone that it runs on, needs the database there, and ends with the job: 0 the job has ended, 1 the job
is not its own any more.")]
pub struct RunJobArgs {
    /// The job, which was handed off.
    #[arg(value_name = "JOB")]
    pub job: u32,
    /// The drone that this is; the job must have been handed off to it.
    #[arg(long, value_name = "NAME")]
    pub drone: Option<String>,
}

/// How the demonstration is run.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  yardmaster quickstart
  yardmaster quickstart --hosts 50 --jobs 200 --keep ./lab")]
pub struct QuickstartArgs {
    /// How many hosts the lab has.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub hosts: u32,
    /// How many jobs are run.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub jobs: u32,
    /// Keep the database and the results in this folder.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// Runs the scheduler.
pub(crate) fn serve(context: &Context, args: ServeArgs) -> anyhow::Result<Outcome> {
    let lifetime = args.lifetime_hours.map(|hours| format!("service.lifetime_hours={hours}"));
    let recover = args.recover_hosts.then(|| "service.recover_hosts=true".to_owned());
    let options = ServeOptions { record: args.record, host_scheduler: false };
    run(context, lifetime.into_iter().chain(recover), options)
}

/// Runs the host scheduler.
pub(crate) fn host_scheduler(context: &Context, args: HostSchedulerArgs) -> anyhow::Result<Outcome> {
    let lifetime = args.lifetime_hours.map(|hours| format!("service.lifetime_hours={hours}"));
    run(context, lifetime, ServeOptions { record: None, host_scheduler: true })
}

fn run(
    context: &Context,
    overrides: impl IntoIterator<Item = String>,
    options: ServeOptions,
) -> anyhow::Result<Outcome> {
    let mut sources = context.sources.clone();
    sources.settings.extend(overrides);
    match runtime()?.block_on(service::serve(sources, options))? {
        Ending::Asked(_) => Ok(Outcome::Done),
        Ending::Superseded => Ok(Outcome::Wrong),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Sees a job to its end.
pub(crate) fn run_job(context: &Context, args: RunJobArgs) -> anyhow::Result<Outcome> {
    let which = RunJob { job: args.job, drone: args.drone };
    match runtime()?.block_on(runner::run_job(context.sources.clone(), which))? {
        RunnerEnding::Finished => Ok(Outcome::Done),
        RunnerEnding::NotOurs => Ok(Outcome::Wrong),
    }
}

/// Runs the demonstration.
pub(crate) fn quickstart(context: &Context, args: QuickstartArgs) -> anyhow::Result<Outcome> {
    let quickstart = Quickstart { hosts: args.hosts, jobs: args.jobs, folder: args.keep };
    runtime()?.block_on(quickstart.run(context.output.is_json()))?;
    Ok(Outcome::Done)
}
