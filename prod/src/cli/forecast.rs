//! `yardmaster forecast`.

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use yardmaster_sim::forecast::ForecastArgs;

use super::Outcome;
use super::context::Context;
use super::output::print;
use super::snapshot::taken;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  yardmaster forecast                               when will everything that waits start and end?
  yardmaster forecast --job 1234 --arrivals history
  yardmaster forecast --lock 'dut[01-10]'           what if these hosts are locked for maintenance now?
  yardmaster forecast --add-hosts eve=6 --json | jq .mean_wait
  yardmaster forecast --csv jobs.csv

Reads the database as `yardmaster snapshot` does, beside a running scheduler, and changes nothing: what-if is only
calculated. What is assumed is described in docs/forecast.md.")]
pub(crate) struct ForecastCommand {
    /// How many days of history to learn from.
    #[arg(long, default_value_t = 90, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    #[command(flatten)]
    forecast: ForecastArgs,
}

impl ForecastCommand {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let json = context.output.is_json();
        let snapshot =
            context.with_database(async |database, loaded| taken(&database, &loaded, self.days, false).await)?;
        let target = if json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} replications, {eta} left");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        let text = self.forecast.run(&snapshot, None, json, |done, all| {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        });
        bar.finish_and_clear();
        print(text?.trim_end())?;
        Ok(Outcome::Done)
    }
}
