//! `yardmaster fit`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use yardmaster_sim::fit::{FitOptions, fit, pseudonymised};
use yardmaster_sim::workload::{Past, load};

use super::Outcome;
use super::context::Context;
use super::snapshot::taken;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  yardmaster fit -o lab.toml && yardmaster-sim run lab.toml
  yardmaster fit -o lab.toml --days 180 --pseudonyms --salt 'a secret'

Learns the lab from its own history, read as `yardmaster snapshot` reads it, and writes a scenario that can be run, edited and
planned with. `yardmaster-sim fit` does the same from a file and has more options.")]
pub(crate) struct FitArgs {
    /// Where to write the scenario.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// How many days of history to learn from.
    #[arg(long, default_value_t = 90, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// Call people user1 …, hosts host1 …, drones drone1 … and places site1 ….
    #[arg(long)]
    pseudonyms: bool,
    /// A secret that decides who gets which number; the same one gives the same names.
    #[arg(long, default_value = "", requires = "pseudonyms")]
    salt: String,
}

impl FitArgs {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let snapshot =
            context.with_database(async |database, loaded| taken(&database, &loaded, self.days, false).await)?;
        let mut history = snapshot.history;
        if self.pseudonyms {
            history = pseudonymised(&history, &self.salt);
        }
        let name = self.output.file_stem().map_or_else(|| "lab".into(), |stem| stem.to_string_lossy());
        let learned_from = history.jobs.len();
        let lab = fit(&Past::from(history), &FitOptions::named(&name))?;
        let file = self.output.display();
        let text = format!("# Learned by `yardmaster fit`; what the figures mean is said in docs/fit.md.\n{lab}");
        std::fs::write(&self.output, text).with_context(|| format!("cannot write {file}"))?;
        // What has been written must be readable; if it is not, names in the database are such that no scenario can have them, or its
        // jobs are too many.
        let plan = load(&self.output, 1).context(
            "the learned lab cannot be run as it is written: a nearer `end` or fewer arrivals in the file may help",
        )?;
        let value = json!({
            "file": self.output, "hosts": plan.hosts.len(), "jobs": plan.jobs.len(), "learned_from_jobs": learned_from
        });
        context.output.one(&value, || {
            let (hosts, jobs) = (plan.hosts.len(), plan.jobs.len());
            format!(
                "{file}: learned from {learned_from} jobs; {hosts} hosts, {jobs} jobs of its own. Try it:  yardmaster-sim run {file}"
            )
        })
    }
}
