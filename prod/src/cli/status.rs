//! `yardmaster status`.

use std::io::{IsTerminal, stdout};
use std::time::Duration;

use clap::Args;

use super::Outcome;
use super::context::Context;
use super::output::{Table, or_dash, print, readable_seconds};
use super::{drones, tasks};
use crate::frontend::view::{self, LabView};

/// What moves a terminal's cursor home and clears what is below: a new picture over the old one, without flicker.
const REDRAW: &str = "\x1b[H\x1b[J";

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  yardmaster status
  yardmaster status --watch 5
  yardmaster status --json | jq .oldest_waiting")]
pub(crate) struct StatusArgs {
    /// Show it again every so many seconds, until interrupted.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    watch: Option<u64>,
}

impl StatusArgs {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        context.with_database(async |database, _| {
            loop {
                let lab = view::lab(&database).await?;
                if self.watch.is_some() && stdout().is_terminal() && !context.output.is_json() {
                    print(&format!("{REDRAW}{}", screen(&lab)))?;
                } else {
                    context.output.one(&lab, || screen(&lab))?;
                }
                match self.watch {
                    Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
                    None => return Ok(Outcome::Done),
                }
            }
        })
    }
}

fn screen(lab: &LabView) -> String {
    let mut text = format!("{}\n", lab.at);
    if lab.schedulers.is_empty() {
        text += "no scheduler has ever worked here: `yardmaster serve` starts one\n";
    }
    for scheduler in &lab.schedulers {
        let state = if scheduler.at_work { "heard of" } else { "ended" };
        let age = readable_seconds(scheduler.silent_for);
        let (role, term, tick, holder) = (&scheduler.role, scheduler.term, scheduler.tick, &scheduler.holder);
        text += &format!("{role}: {holder}, term {term}, tick {tick}, {state} {age} ago\n");
    }
    let mut section = |title: &str, table: Table| {
        if !table.is_empty() {
            text += &format!("\n{title}\n{}", table.aligned());
        }
    };
    section("Hosts", platforms(lab));
    let mut entries = Table::new(&["status", "entries"]);
    lab.entries.iter().for_each(|count| entries.row([count.status.clone(), count.count.to_string()]));
    section("Entries that have not ended", entries);
    let mut waiting = Table::new(&["waiting", "job", "name", "owner", "entry"]);
    for entry in &lab.oldest_waiting {
        let age = entry.created.map(|created| readable_seconds(created.seconds_before(lab.at)));
        let (job, id) = (entry.job.to_string(), entry.entry.to_string());
        waiting.row([or_dash(age.as_ref()), job, entry.name.clone(), entry.owner.clone(), id]);
    }
    section("Waiting longest: `yardmaster why JOB` says why", waiting);
    section("Drones", drones::table(&lab.drones));
    section("Special tasks", tasks::table(&lab.tasks));
    let mut failures = Table::new(&["finished", "job", "name", "host", "status"]);
    for failure in &lab.last_failures {
        let (finished, host) = (or_dash(failure.finished.as_ref()), or_dash(failure.host.as_ref()));
        failures.row([finished, failure.job.to_string(), failure.name.clone(), host, failure.status.clone()]);
    }
    section("Last failures", failures);
    text
}

fn platforms(lab: &LabView) -> Table {
    let mut table = Table::new(&["platform", "hosts", "by status"]);
    for platform in &lab.platforms {
        let counts = platform.hosts.iter().map(|(status, count)| format!("{count} {status}"));
        let all: u32 = platform.hosts.values().sum();
        let counts = counts.collect::<Vec<_>>().join(", ");
        table.row([or_dash(platform.platform.as_ref()), all.to_string(), counts]);
    }
    table
}
