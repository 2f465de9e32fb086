//! `yardmaster-sim plan`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use yardmaster_sim::planning::{self, Answer, Carrying, PlanProgress, PlanResult, Study};

use super::slurm::Cluster;

/// The exit status of a program that SIGINT has ended, as shells have it.
const INTERRUPTED: i32 = 130;

#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// The plan, a TOML file.
    #[arg(value_name = "PLAN", required_unless_present_any = ["part", "merge"])]
    pub(super) plan: Option<PathBuf>,
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
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Write no pictures as files of their own; the report shows them all the same.
    #[arg(long)]
    no_plots: bool,
    /// Print the result as JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// No progress bar.
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    pub(super) cluster: Cluster,
}

impl Plan {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads.into())
                .build_global()
                .context("failed to start threads")?;
        }
        if let Some(status) = super::slurm::run(&self)? {
            return Ok(status);
        }
        let plan = self.plan.as_deref().context("no plan is given")?;
        let study = self.study(plan)?;
        let directory = self.directory(plan);
        let result = self.carry_out(&study, &directory, Vec::new())?;
        self.tell(&result, &directory)
    }

    pub(super) fn study(&self, plan: &Path) -> anyhow::Result<Study> {
        let mut study = Study::read(plan)?;
        study.seed = self.seed.unwrap_or(study.seed);
        Ok(study)
    }

    /// Carries the plan out; results that others have come to are found in `parts`.
    pub(super) fn carry_out(
        &self,
        study: &Study,
        directory: &Path,
        parts: Vec<PathBuf>,
    ) -> anyhow::Result<Box<PlanResult>> {
        let cache = (!self.no_cache).then(|| directory.join("cache"));
        let how = Carrying { cache, parts };
        if !self.quiet && !self.json {
            eprintln!("{}: {}", study.name, study.about);
        }
        let bar = self.progress_bar();
        self.explain_interruption(bar.clone())?;
        let carried = planning::carry_out(study, &how, &|progress| show(&bar, progress));
        bar.finish_and_clear();
        Ok(carried?)
    }

    /// Lets whoever interrupts the plan know what becomes of the work done.
    fn explain_interruption(&self, bar: ProgressBar) -> anyhow::Result<()> {
        let outlook = if self.no_cache {
            "nothing is kept, since there is no cache (--no-cache)"
        } else {
            "those that are in the cache are kept: the same command goes on from there"
        };
        ctrlc::set_handler(move || {
            // To clear it sets it to its end.
            let done = bar.position();
            bar.finish_and_clear();
            eprintln!("interrupted after {done} replications; {outlook}");
            std::process::exit(INTERRUPTED);
        })
        .context("failed to wait for signals")
    }

    /// Writes the outputs, and tells the result.
    pub(super) fn tell(&self, result: &PlanResult, directory: &Path) -> anyhow::Result<ExitCode> {
        let written = planning::write_all(result, directory, !self.no_plots);
        written.with_context(|| format!("failed to write the outputs to {}", directory.display()))?;
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(result)?)?;
        } else {
            writeln!(out, "{}", planning::terminal_tables(result))?;
            writeln!(out, "outputs  {}", directory.display())?;
            writeln!(out, "report   {}", directory.join("report.html").display())?;
        }
        Ok(match result.answer {
            Answer::AsItIs | Answer::Cheapest(_) => ExitCode::SUCCESS,
            Answer::None { .. } => ExitCode::from(1),
        })
    }

    pub(super) fn directory(&self, plan: &Path) -> PathBuf {
        let stem = plan.file_stem().map(PathBuf::from).unwrap_or_else(|| PathBuf::from("plan"));
        self.out.clone().unwrap_or_else(|| PathBuf::from("out").join(stem))
    }

    pub(super) fn progress_bar(&self) -> ProgressBar {
        let target = if self.quiet || self.json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let style = "{msg} {wide_bar} {pos}/{len} replications, {per_sec}, {eta} left";
        let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::with_draw_target(Some(0), target).with_style(style)
    }
}

pub(super) fn show(bar: &ProgressBar, progress: PlanProgress) {
    bar.set_message(format!("{} plans", progress.points));
    bar.set_length(progress.needed);
    bar.set_position(progress.done);
}
