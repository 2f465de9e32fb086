//! The command line of a forecast, the same in the simulator and in production.

use std::fs::File;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use yardmaster_engine::{JobId, Settings, Span};

use super::{
    ArrivalModel, Change, Comparison, Forecast, ForecastError, Options, Outcomes, comparison_table, forecast, jobs_csv,
    one_job, table,
};
use crate::history::Snapshot;

/// What to forecast and how to show it.
#[derive(Debug, Clone, Args)]
pub struct ForecastArgs {
    /// How often to simulate the lab forward.
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    replications: u32,
    /// Seed of all randomness.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Jobs that come meanwhile: none, or those of days of the history, the same weekday where it is longer than a week.
    #[arg(long, value_enum, default_value = "none")]
    arrivals: ArrivalsArg,
    /// How far to look ahead, in hours.
    #[arg(long, default_value_t = 168, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=1000))]
    horizon: u32,
    /// Show one job in detail.
    #[arg(long, value_name = "JOB")]
    job: Option<u32>,
    /// What if these hosts were locked now?
    #[arg(long, value_name = "HOSTS")]
    lock: Vec<String>,
    /// What if these hosts were unlocked now?
    #[arg(long, value_name = "HOSTS")]
    unlock: Vec<String>,
    /// What if there were so many more hosts of a kind?
    #[arg(long, value_name = "KIND=N", value_parser = kind_and_count)]
    add_hosts: Vec<(String, u32)>,
    /// What if every drone could run so many processes?
    #[arg(long, value_name = "N")]
    drone_processes: Option<u32>,
    /// What if this job, and its children, were aborted now?
    #[arg(long, value_name = "JOB")]
    abort: Vec<u32>,
    /// Jobs shown at most.
    #[arg(long, default_value_t = 40, value_name = "N")]
    rows: usize,
    /// Write all jobs to this file as CSV, with the changes of what-if.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ArrivalsArg {
    None,
    History,
}

fn kind_and_count(text: &str) -> Result<(String, u32), String> {
    let (kind, count) = text.rsplit_once('=').ok_or("expected KIND=N, as eve=6")?;
    let count = count.parse().map_err(|_| format!("{count:?} is no number of hosts: expected KIND=N, as eve=6"))?;
    if kind.is_empty() || count > 100_000 {
        return Err("expected KIND=N with a kind of host, and N up to 100000".to_owned());
    }
    Ok((kind.to_owned(), count))
}

impl ForecastArgs {
    /// The options without any change.
    fn options(&self, settings: Option<Settings>) -> Options {
        Options {
            replications: self.replications,
            seed: self.seed,
            arrivals: match self.arrivals {
                ArrivalsArg::None => ArrivalModel::None,
                ArrivalsArg::History => ArrivalModel::History,
            },
            horizon: Span::from_hours(i64::from(self.horizon)),
            settings,
            changes: Vec::new(),
        }
    }

    fn changes(&self) -> Vec<Change> {
        let hosts = |make: fn(String) -> Change, lists: &[String]| lists.iter().cloned().map(make).collect::<Vec<_>>();
        let mut changes = hosts(Change::Lock, &self.lock);
        changes.extend(hosts(Change::Unlock, &self.unlock));
        changes
            .extend(self.add_hosts.iter().map(|(kind, count)| Change::AddHosts { kind: kind.clone(), count: *count }));
        changes.extend(self.drone_processes.map(Change::DroneProcesses));
        changes.extend(self.abort.iter().map(|job| Change::Abort(JobId(*job))));
        changes
    }

    /// Forecasts a snapshot, under other settings than its own if some are given, and says it: as JSON or as tables.
    /// `progress` is told how many replications of how many have ended.
    ///
    /// # Errors
    /// As [`forecast`], or if the CSV file cannot be written.
    pub fn run(
        &self,
        snapshot: &Snapshot,
        settings: Option<Settings>,
        json: bool,
        progress: impl Fn(usize, usize) + Sync,
    ) -> anyhow::Result<String> {
        let options = self.options(settings);
        let changes = self.changes();
        let each = options.replications as usize;
        let all = if changes.is_empty() { each } else { 2 * each };
        let tell = |done: usize| {
            progress(done, all);
            true
        };
        let before = forecast(snapshot, &options, tell)?;
        if changes.is_empty() {
            let said = Forecast::of(&before, &snapshot.history);
            self.write_csv(&said)?;
            return self.show(&said, json);
        }
        let changed = Options { changes, ..options };
        let after: Outcomes = forecast(snapshot, &changed, |done| tell(each + done))?;
        let comparison = Comparison::of(&before, &after, &snapshot.history)?;
        self.write_csv(&comparison.after)?;
        match self.job {
            _ if json => Ok(serde_json::to_string_pretty(&comparison)? + "\n"),
            Some(job) => {
                let of = |forecast: &Forecast| forecast.job(job).map(|known| one_job(forecast, known));
                let before = of(&comparison.before).ok_or(ForecastError::UnknownJob { job })?;
                let after = of(&comparison.after).ok_or(ForecastError::UnknownJob { job })?;
                Ok(format!("as it is:\n{before}\nwith the change:\n{after}"))
            }
            None => Ok(comparison_table(&comparison, self.rows)),
        }
    }

    fn show(&self, said: &Forecast, json: bool) -> anyhow::Result<String> {
        match self.job {
            None if json => Ok(serde_json::to_string_pretty(said)? + "\n"),
            None => Ok(table(said, self.rows)),
            Some(job) => {
                let known = said.job(job).ok_or(ForecastError::UnknownJob { job })?;
                Ok(if json { serde_json::to_string_pretty(known)? + "\n" } else { one_job(said, known) })
            }
        }
    }

    fn write_csv(&self, said: &Forecast) -> anyhow::Result<()> {
        let Some(file) = &self.csv else { return Ok(()) };
        let out = File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
        jobs_csv(said, out).with_context(|| format!("cannot write {}", file.display()))
    }
}
