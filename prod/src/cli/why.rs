//! `yardmaster why`.

use std::collections::BTreeSet;

use clap::Args;
use serde::Serialize;
use yardmaster_engine::{Clock, Entry, EntryStatus, HostId, JobId, LiveRows};

use super::Outcome;
use super::arguments::job_id;
use super::context::Context;
use super::estimate::{Estimate, Estimates};
use super::output::print;
use crate::frontend::view::{self, JobDetail};
use crate::frontend::why::{Explained, explain};

use crate::frontend::{FrontendError, Thing};
use crate::service::{Places, SystemClock, Whereabouts};
use crate::store::{Quarantined, snapshot};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  yardmaster why 1234
  yardmaster why 1234 --no-estimate                 without looking ahead
  yardmaster why --json | jq 'group_by(.reason) | map({(.[0].reason): length}) | add'

Reads the database beside the running scheduler, which does not notice. When a job will start and end is estimated from what
is there now and two weeks of history, in some seconds; `yardmaster forecast --job 1234` takes more time and says more.

Exit status: 0 reasons were found, 3 the job does not exist or has ended.")]
pub(crate) struct WhyArgs {
    /// The job's number; without one, all jobs that have not ended.
    #[arg(value_name = "JOB", value_parser = job_id)]
    job: Option<JobId>,
    /// Do not estimate when jobs will start and end.
    #[arg(long)]
    no_estimate: bool,
}

impl WhyArgs {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        context.with_database(async |database, loaded| {
            let detail = match self.job {
                Some(job) => Some(view::job(&database, job).await?.ok_or_else(|| FrontendError::Unknown {
                    thing: Thing::Job,
                    name: job.to_string(),
                    suggestion: None,
                })?),
                None => None,
            };
            let settings = &loaded.config.scheduler;
            let mut found = snapshot(&database, settings.max_processes_per_drone).await?;
            let restricted = &loaded.config.drones.restricted_subnets;
            if !restricted.is_empty() {
                let mut places = Places::of_drones(&database, &loaded.config).await?;
                places.hosts = about_to_start(&found.rows, self.job);
                found.rows.subnets = Whereabouts::new(restricted).find(&places).await;
            }
            set_aside(&found.quarantined, detail.as_ref());
            let explained = explain(found.rows, settings, SystemClock.now(), self.job, &view::live(&database).await?);
            let estimates = match explained.is_empty() || self.no_estimate {
                true => Estimates::default(),
                false => Estimates::make(&database, &loaded).await,
            };
            if context.output.is_json() {
                let with = |explained| Told { explained, estimate: estimates.of(explained.job) };
                context.output.print_json(&explained.iter().map(with).collect::<Vec<_>>())?;
                return Ok(if explained.is_empty() { Outcome::NothingFound } else { Outcome::Done });
            }
            match (explained.is_empty(), self.job) {
                (true, Some(job)) => print(&format!("job {job} has ended: `yardmaster job show {job}` shows how"))?,
                (true, None) => print("no job waits")?,
                (false, _) => print(&described(&explained, &estimates))?,
            }
            Ok(if explained.is_empty() { Outcome::NothingFound } else { Outcome::Done })
        })
    }
}

/// The hosts of entries that wait for a drone, by name: where others are does not matter.
fn about_to_start(rows: &LiveRows, job: Option<JobId>) -> Vec<(HostId, String)> {
    let is_wanted = |entry: &&Entry| entry.status == EntryStatus::Starting && job.is_none_or(|job| entry.job == job);
    let wanted: BTreeSet<HostId> = rows.entries.iter().filter(is_wanted).filter_map(|entry| entry.host).collect();
    let hosts = rows.hosts.iter().filter(|host| wanted.contains(&host.id));
    hosts.map(|host| (host.id, host.name.to_string())).collect()
}

/// A reason with the estimate of its job.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    explained: &'a Explained,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate: Option<Estimate>,
}

/// Says of rows that make no sense that the scheduler leaves them alone: of a job's own, or of all.
fn set_aside(quarantined: &[Quarantined], detail: Option<&JobDetail>) {
    let is_of = |row: &Quarantined, detail: &JobDetail| match row.table {
        "afe_jobs" => row.id == i64::from(detail.job.id),
        "afe_host_queue_entries" => detail.host_queue_entries.iter().any(|entry| i64::from(entry.id) == row.id),
        _ => false,
    };
    for row in quarantined.iter().filter(|row| detail.is_none_or(|detail| is_of(row, detail))) {
        eprintln!("yardmaster: the scheduler leaves {} {} alone: {}", row.table, row.id, row.why);
    }
}

/// A paragraph for each reason: entries that wait for the same thing are told together.
fn described(explained: &[Explained], estimates: &Estimates) -> String {
    let mut groups: Vec<(&Explained, Vec<&Explained>)> = Vec::new();
    for entry in explained {
        match groups.iter_mut().find(|(first, _)| first.job == entry.job && first.text == entry.text) {
            Some((_, members)) => members.push(entry),
            None => groups.push((entry, vec![entry])),
        }
    }
    let mut text = String::new();
    // The estimate is of the job, and stands below its first reason.
    let mut told = BTreeSet::new();
    for (first, members) in groups {
        let one = |entry: &&Explained| match &entry.host {
            Some(host) => format!("{} ({host})", entry.entry),
            None => entry.entry.to_string(),
        };
        let entries = members.iter().map(one).collect::<Vec<_>>().join(", ");
        let word = if members.len() == 1 { "entry" } else { "entries" };
        text += &format!("job {}, {word} {entries}: {}\n  {}\n", first.job, first.status, first.text);
        if let Some(help) = &first.help {
            text += &format!("  {help}\n");
        }
        if let Some(estimate) = estimates.of(first.job).filter(|_| told.insert(first.job)) {
            text += &format!("  {estimate}\n");
        }
    }
    text
}
