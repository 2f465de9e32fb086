//! `yardmaster snapshot`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use yardmaster_sim::forecast::write_snapshot;

use super::Outcome;
use super::context::Context;
use crate::database::Database;
use crate::service::config::Loaded;
use crate::snapshot::{SnapshotOptions, take};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  yardmaster snapshot -o now.json.gz
  yardmaster snapshot -o for-the-vendor.json.gz --days 30 --pseudonyms
  yardmaster-sim forecast --snapshot now.json.gz

Everything is read in one transaction that locks nothing: a running scheduler does not notice. Autotest's own database is
read as it is; Yardmaster's tables need not be there.")]
pub(crate) struct SnapshotArgs {
    /// Where to write it; compressed if the name ends in .gz, and readable for you alone.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// How many days of history.
    #[arg(long, default_value_t = 90, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// Replace logins by pseudonyms, and names of jobs by their profiles.
    #[arg(long)]
    pseudonyms: bool,
}

/// Reads the database of the configuration.
pub(super) async fn taken(
    database: &Database,
    loaded: &Loaded,
    days: u32,
    pseudonyms: bool,
) -> anyhow::Result<yardmaster_sim::history::Snapshot> {
    let settings = loaded.config.scheduler.clone();
    let source = loaded.config.address();
    Ok(take(database, &SnapshotOptions { days, pseudonyms, settings, source }).await?)
}

impl SnapshotArgs {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        context.with_database(async |database, loaded| {
            let snapshot = taken(&database, &loaded, self.days, self.pseudonyms).await?;
            write_snapshot(&snapshot, &self.output)?;
            let (live, history) = (&snapshot.live, &snapshot.history);
            let value = json!({
                "file": self.output,
                "entries": live.entries.len(),
                "hosts": live.hosts.len(),
                "jobs_of_history": history.jobs.len(),
                "tasks_of_history": history.tasks.len(),
                "remarks": history.remarks,
            });
            context.output.one(&value, || {
                let mut text = format!(
                    "{}: {} live entries on {} hosts; {} jobs and {} special tasks of {} days",
                    self.output.display(),
                    live.entries.len(),
                    live.hosts.len(),
                    history.jobs.len(),
                    history.tasks.len(),
                    self.days
                );
                history.remarks.iter().for_each(|remark| text += &format!("\nnote: {remark}"));
                text
            })?;
            Ok(Outcome::Done)
        })
    }
}
