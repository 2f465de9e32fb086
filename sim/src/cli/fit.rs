//! `yardmaster-sim fit`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use yardmaster_engine::{Span, Time};
use yardmaster_sim::fit::{FitOptions, fit, pseudonymised, read};
use yardmaster_sim::workload::{Scenario, moment};

#[derive(Debug, Args)]
pub(crate) struct Fit {
    /// What to learn from: a scenario with a trace (.toml), a trace (.csv, .swf), or a snapshot of a lab (.json); each
    /// gzipped or not.
    #[arg(value_name = "SOURCE")]
    source: PathBuf,
    /// Where to write the scenario [default: standard output].
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only jobs submitted from this moment on: a date, a date and time (UTC), or seconds.
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment)]
    from: Option<Time>,
    /// Only jobs submitted before this moment; the scenario begins there.
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment)]
    to: Option<Time>,
    /// The scenario's name [default: after the file that is written].
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    name: Option<String>,
    /// How many days the scenario lasts.
    #[arg(long, default_value_t = 28, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Profiles with fewer jobs in a group become one, "other".
    #[arg(long, default_value_t = 20, value_name = "JOBS")]
    min_jobs: usize,
    /// Jobs of pushes that follow each other within so many minutes are one push.
    #[arg(long, default_value_t = 10, value_name = "MINUTES")]
    burst_gap: u32,
    /// Outages of more days are left out: the host was not broken but gone.
    #[arg(long, default_value_t = 30, value_name = "DAYS")]
    longest_outage: u32,
    /// Call people user1 …, hosts host1 …, drones drone1 … and places site1 ….
    #[arg(long)]
    pseudonyms: bool,
    /// A secret that decides who gets which number; the same one gives the same names.
    #[arg(long, default_value = "", requires = "pseudonyms")]
    salt: String,
}

fn parse_moment(text: &str) -> Result<Time, String> {
    moment(text)
        .ok_or_else(|| "expected a date or time such as 2022-07-01 or 2022-07-01T12:00:00Z, or seconds".to_owned())
}

impl Fit {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        if let (Some(from), Some(to)) = (self.from, self.to) {
            anyhow::ensure!(from < to, "--to must be later than --from");
        }
        let mut past = read(&self.source, self.from, self.to)?;
        if self.pseudonyms {
            past.history = pseudonymised(&past.history, &self.salt);
        }
        let lab = fit(&past, &self.options())?;
        let text = format!("{}{lab}", self.header());
        let file = self.out.as_deref().unwrap_or(Path::new("lab.toml"));
        // What has been written must be readable; if it is not, names in the source are such that no scenario can have them.
        let table: toml::Table = text.parse().context("the learned lab cannot be written as a scenario")?;
        let scenario = Scenario::from_table(table, file)
            .context("the learned lab makes no scenario that can be run; with fewer --days it may")?;
        let Some(out) = &self.out else {
            std::io::stdout().lock().write_all(text.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        };
        std::fs::write(out, &text).with_context(|| format!("cannot write {}", out.display()))?;
        let jobs = scenario.plan(1)?.jobs.len();
        println!("{}: {} hosts, {jobs} jobs in {} days", out.display(), scenario.hosts().len(), self.days);
        println!("try it:  yardmaster-sim run {}", out.display());
        Ok(ExitCode::SUCCESS)
    }

    fn options(&self) -> FitOptions {
        let stem = |path: &PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let name = self.name.clone().or_else(|| self.out.as_ref().and_then(stem));
        FitOptions {
            days: self.days,
            enough: self.min_jobs.max(1),
            burst_gap: Span::from_minutes(self.burst_gap.into()),
            longest_outage: Span::from_hours(24 * i64::from(self.longest_outage)),
            ..FitOptions::named(&name.unwrap_or_else(|| "lab".to_owned()))
        }
    }

    /// How the file came about.
    fn header(&self) -> String {
        let source = match (self.pseudonyms, self.source.file_name()) {
            (false, Some(name)) => format!(" from {}", name.to_string_lossy()),
            (true, _) | (false, None) => String::new(),
        };
        format!("# Learned by `yardmaster-sim fit`{source}; what the figures mean is said in docs/fit.md.\n")
    }
}
