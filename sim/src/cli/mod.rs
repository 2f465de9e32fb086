//! The command line.

mod check;
mod fit;
mod forecast;
mod plan;
mod replay;
mod run;
mod slurm;
mod stopwatch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Plays a hardware lab's scheduler on virtual time.
#[derive(Debug, Parser)]
#[command(name = "yardmaster-sim", version, about, max_term_width = 110)]
#[command(after_help = "\
Examples:
  yardmaster-sim run scenarios/cip-lab.toml --out out/cip    a month of a real board farm, with plots and a report
  yardmaster-sim fit scenarios/cip-year.toml -o lab.toml     learn a lab from its history
  yardmaster-sim forecast --snapshot now.json.gz             when will the jobs of a real lab start and end?
  yardmaster-sim check scenarios/scripted/*.toml             does the scheduler do what the scenarios say?
  yardmaster-sim check --trace scenarios/scripted/throttling.toml

Exit status: 0 all is well, 1 a scenario failed, 2 bad input.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play scripted scenarios and compare every step with what it expects.
    #[command(after_help = "\
Prints a line for each failure, with the step, what was expected and what was found, and last `N passed, M failed`.
The format of the files (TOML; JSON Lines, plain or gzipped) is described in docs/scenario-format.md.

Exit status: 0 all passed, 1 one or more failed, 2 a file cannot be read or makes no sense.")]
    Check {
        /// Files of scenarios.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Show every change of state as it happens.
        #[arg(long)]
        trace: bool,
    },
    /// Run a workload scenario: a lab, its jobs and how processes behave.
    #[command(after_help = "\
Examples:
  yardmaster-sim run scenarios/cip-lab.toml
  yardmaster-sim run scenarios/poisson-lab.toml --seed 7 --out out/seven
  yardmaster-sim run scenarios/kth-sp2.toml --no-plots --json | jq .waiting_time

The same scenario and seed give the same digest and the same bytes in every CSV file, on any
machine. Files and columns are described in docs/outputs.md, the scenario format in
docs/workloads.md.")]
    Run(run::Run),
    /// How many hosts, drones and processes does a lab need? Try plans until the answer is certain enough.
    #[command(after_help = "\
Examples:
  yardmaster-sim plan scenarios/plan-cip.toml
  yardmaster-sim plan scenarios/plan-cip.toml --seed 7 --out out/seven
  yardmaster-sim plan scenarios/plan-cip.toml --json | jq .answer

On a Slurm cluster (the merge comes to the same bytes as the plan by itself):
  yardmaster-sim plan scenarios/plan-cip.toml --jobs 50 --emit slurm out/array
  sbatch out/array/array.sbatch
  yardmaster-sim plan --merge out/array

Results of replications are kept in DIR/cache: a changed plan only computes what changed, an
interrupted one goes on. The same plan and seed give the same numbers for any number of threads.
The format of plans is described in docs/plans.md.

Exit status: 0 a plan suffices, 1 none within the bounds does or results of elements are missing,
2 bad input.")]
    Plan(plan::Plan),
    /// Learn a lab from its history, as a scenario that `run` accepts.
    #[command(after_help = "\
Examples:
  yardmaster-sim fit scenarios/cip-year.toml --from 2022-07-01 -o cip-fitted.toml
  yardmaster-sim fit scenarios/data/KTH-SP2-1996-2.1-cln.swf.gz -o kth.toml
  yardmaster-sim fit trace.csv --days 7 --pseudonyms --salt 'a secret' -o lab.toml
  yardmaster-sim fit snapshot.json.gz -o lab.toml && yardmaster-sim run lab.toml

The file is made to be read and changed: beside each figure stands on how many observations it
rests, and how near a distribution is to them (KS: the largest difference between the two
distributions' shares, 0 is perfect). What is learned, how, and what is assumed: docs/fit.md.")]
    Fit(fit::Fit),
    /// Look ahead from a snapshot of a lab: when jobs will start and end, which suites are late, and what if.
    #[command(after_help = "\
Examples:
  yardmaster snapshot -o now.json.gz                            beside the running scheduler
  yardmaster-sim forecast --snapshot now.json.gz
  yardmaster-sim forecast --snapshot now.json.gz --job 1234 --arrivals history
  yardmaster-sim forecast --snapshot now.json.gz --lock 'dut[01-10]'   what if these are locked for maintenance now?
  yardmaster-sim forecast --snapshot now.json.gz --add-hosts eve=6 --csv jobs.csv
  yardmaster-sim forecast --snapshot now.json.gz --json | jq '.jobs[] | select(.hits_time_limit > 0.5) | .job'

The same snapshot, seed and number of replications give the same numbers on every machine. What is assumed is described
in docs/forecast.md.")]
    Forecast(forecast::Forecast),
    /// Decide again what a production scheduler decided, from the file that `yardmaster serve --record` wrote.
    #[command(after_help = "\
Exit status: 0 every decision is as recorded, 1 one differs, 2 the file cannot be read or makes no sense.")]
    Replay {
        /// The recorded file.
        file: PathBuf,
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Whether this is a TOML file with such a key at its top: scripted scenarios have `step`, those of workloads `workload`.
fn has_key(file: &Path, key: &str) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.parse::<toml::Table>().is_ok_and(|table| table.contains_key(key))
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Check { files, trace } => check::check(&files, trace),
            Command::Run(run) => run.run(),
            Command::Plan(plan) => plan.run(),
            Command::Fit(fit) => fit.run(),
            Command::Forecast(forecast) => forecast.run(),
            Command::Replay { file, json } => replay::run(&file, json),
        }
    }
}
