//! `yardmaster-sim run`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use yardmaster_engine::{Span, Time};
use yardmaster_sim::{Progress, output, simulate, workload};

use super::stopwatch::Stopwatch;

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The workload scenario, a TOML file.
    #[arg(value_name = "SCENARIO")]
    scenario: PathBuf,
    /// Seed of all randomness.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to put tables, plots and the report [default: out/NAME, after the scenario's file].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Leave out the plots and the report's pictures; tables and summary are written as ever.
    #[arg(long)]
    no_plots: bool,
    /// Print the summary as JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// No progress bar.
    #[arg(long, short)]
    quiet: bool,
}

impl Run {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let stopwatch = Stopwatch::start();
        let plan = match workload::load(&self.scenario, self.seed) {
            Err(_) if super::has_key(&self.scenario, "step") => {
                let file = self.scenario.display();
                anyhow::bail!("{file}: is a scripted scenario; to play it: yardmaster-sim check {file}");
            }
            plan => plan?,
        };
        let loaded = stopwatch.elapsed();
        if !self.quiet && !self.json {
            let (jobs, hosts, drones) = (plan.jobs.len(), plan.hosts.len(), plan.drones.len());
            eprintln!("{}: {}", plan.name, plan.about);
            eprintln!("{jobs} jobs for {hosts} hosts, driven from {drones} drones; seed {}", self.seed);
        }
        let bar = self.progress_bar(plan.jobs.len() as u64);
        let start = plan.start;
        let recording = simulate(&plan, self.seed, |progress| show(&bar, start, progress))?;
        bar.finish_and_clear();
        let simulated = stopwatch.elapsed();
        let directory = self.directory();
        let written = output::write_all(&recording, &directory, !self.no_plots, |file| bar.println(file));
        let run = written.with_context(|| format!("failed to write the outputs to {}", directory.display()))?;
        let performance = output::Performance::of(&recording, simulated - loaded);
        output::write_performance(&performance, &directory)?;
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&run.summary)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        writeln!(out, "{}", output::terminal_table(&run.summary))?;
        writeln!(
            out,
            "speed    {:.2} s to load, {:.2} s to simulate {}, {:.2} s to write",
            loaded.as_secs_f64(),
            (simulated - loaded).as_secs_f64(),
            days(recording.end - recording.start),
            (stopwatch.elapsed() - simulated).as_secs_f64(),
        )?;
        writeln!(out, "outputs  {}", directory.display())?;
        if !self.no_plots {
            writeln!(out, "report   {}", directory.join("report.html").display())?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn directory(&self) -> PathBuf {
        let stem = self.scenario.file_stem().map(PathBuf::from).unwrap_or_else(|| PathBuf::from("run"));
        self.out.clone().unwrap_or_else(|| PathBuf::from("out").join(stem))
    }

    fn progress_bar(&self, jobs: u64) -> ProgressBar {
        let target = if self.quiet || self.json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let style = "{msg} {wide_bar} {pos}/{len} jobs, {per_sec}";
        let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::with_draw_target(Some(jobs), target).with_style(style)
    }
}

fn show(bar: &ProgressBar, start: Time, progress: Progress) {
    bar.set_message(format!("simulated {:>9}", days(progress.now - start)));
    bar.set_position(progress.jobs_ended as u64);
}

fn days(span: Span) -> String {
    let seconds = span.as_seconds_f64();
    if seconds >= 172_800.0 { format!("{:.1} days", seconds / 86_400.0) } else { format!("{:.1} h", seconds / 3600.0) }
}
