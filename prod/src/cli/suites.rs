//! `yardmaster suite`.

use std::path::PathBuf;

use clap::Subcommand;

use super::Outcome;
use super::arguments::Actor;
use super::context::Context;
use crate::frontend::suites::{SuiteRequest, submit_suite};

#[derive(Debug, Subcommand)]
pub(crate) enum SuiteCommand {
    /// Submit a suite with all its jobs, or nothing of it.
    #[command(after_help = "\
A suite's file, in TOML; what a job does not say, it has from [suite]:

  min_duts = 4                    # so many hosts before others of higher priority
  [suite]
  name = \"bvt\"
  priority = \"Build\"
  control = \"# the suite's own control file\"
  [[job]]
  name = \"boot\"
  control_path = \"boot.py\"        # seen from this file
  labels = [\"board:eve*3\"]
  dependencies = [\"pool:bvt\"]
  [[job]]
  name = \"login\"
  control_path = \"login.py\"
  hosts = [\"dut[001-004]\"]

Also: control_type, hostless, synch_count, reboot_before, reboot_after, run_verify, run_reset, timeout_mins,
max_runtime_mins, keyvals, drone_set, email, test_retry, require_ssp.

Example:
  yardmaster suite submit bvt.toml --as alice")]
    Submit {
        /// The suite's file.
        file: PathBuf,
        #[command(flatten)]
        actor: Actor,
    },
}

impl SuiteCommand {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let SuiteCommand::Submit { file, actor } = self;
        let request = SuiteRequest::read(&file, &actor.login()?)?;
        context.with_database(async |database, _| {
            let submitted = submit_suite(&database, &request).await?;
            context.output.one(&submitted, || {
                let entries: usize = submitted.children.iter().map(|child| child.entries.len()).sum();
                format!("suite {}: {} jobs, {entries} entries", submitted.suite, submitted.children.len())
            })
        })
    }
}
