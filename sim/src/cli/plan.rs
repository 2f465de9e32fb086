//! `yardmaster-sim plan`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use yardmaster_sim::planning::{self, Answer, Carried, Carrying, PlanProgress, Study};

#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// The plan, a TOML file.
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// Seed of all randomness, in place of the plan's.
    #[arg(long)]
    seed: Option<u64>,
    /// Where to put the report, pictures, tables and the cache [default: out/NAME, after the plan's file].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Keep no results of replications, and take none from earlier runs.
    #[arg(long)]
    no_cache: bool,
    /// So many threads [default: one for each processor].
    #[arg(long)]
    threads: Option<usize>,
    /// Write no pictures as files of their own; the report shows them all the same.
    #[arg(long)]
    no_plots: bool,
    /// Print the result as JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// No progress bar.
    #[arg(long, short)]
    quiet: bool,
}

impl Plan {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().context("failed to start threads")?;
        }
        let mut study = Study::read(&self.plan)?;
        study.seed = self.seed.unwrap_or(study.seed);
        let directory = self.directory();
        let how = Carrying { cache: (!self.no_cache).then(|| directory.join("cache")), ..Carrying::default() };
        if !self.quiet && !self.json {
            eprintln!("{}: {}", study.name, study.about);
        }
        let bar = self.progress_bar();
        let carried = planning::carry_out(&study, &how, &|progress| show(&bar, progress));
        bar.finish_and_clear();
        let result = match carried? {
            Carried::Done(result) => result,
            Carried::Missing(parts) => anyhow::bail!("{} replications are missing", parts.len()),
        };
        let written = planning::write_all(&result, &directory, !self.no_plots);
        written.with_context(|| format!("failed to write the outputs to {}", directory.display()))?;
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&result)?)?;
        } else {
            writeln!(out, "{}", planning::terminal_tables(&result))?;
            writeln!(out, "outputs  {}", directory.display())?;
            writeln!(out, "report   {}", directory.join("report.html").display())?;
        }
        Ok(match result.answer {
            Answer::AsItIs | Answer::Cheapest(_) => ExitCode::SUCCESS,
            Answer::None { .. } => ExitCode::from(1),
        })
    }

    fn directory(&self) -> PathBuf {
        let stem = self.plan.file_stem().map(PathBuf::from).unwrap_or_else(|| PathBuf::from("plan"));
        self.out.clone().unwrap_or_else(|| PathBuf::from("out").join(stem))
    }

    fn progress_bar(&self) -> ProgressBar {
        let target = if self.quiet || self.json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let style = "{msg} {wide_bar} {pos}/{len} replications, {per_sec}, {eta} left";
        let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::with_draw_target(Some(0), target).with_style(style)
    }
}

fn show(bar: &ProgressBar, progress: PlanProgress) {
    bar.set_message(format!("{} plans", progress.points));
    bar.set_length(progress.needed);
    bar.set_position(progress.done);
}
