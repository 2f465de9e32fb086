//! `yardmaster-sim forecast`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use yardmaster_sim::forecast::{ForecastArgs, read_snapshot};

#[derive(Debug, Args)]
pub(crate) struct Forecast {
    /// The snapshot, as `yardmaster snapshot` writes it.
    #[arg(long, value_name = "FILE")]
    snapshot: PathBuf,
    #[command(flatten)]
    forecast: ForecastArgs,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// No progress bar.
    #[arg(long, short)]
    quiet: bool,
}

impl Forecast {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let snapshot = read_snapshot(&self.snapshot)?;
        let target = if self.quiet || self.json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let style = "{wide_bar} {pos}/{len} replications, {eta} left";
        let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        let text = self.forecast.run(&snapshot, None, self.json, |done, all| {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        });
        bar.finish_and_clear();
        std::io::stdout().lock().write_all(text?.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}
