//! `yardmaster-sim plan` on a Slurm cluster: `--emit`, `--part`, `--merge`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use yardmaster_sim::planning::Study;
use yardmaster_sim::planning::slurm::{Finished, JobArray, shell_quoted};

use super::plan::Plan;

/// Options of `plan` for a cluster.
#[derive(Debug, Args)]
#[command(next_help_heading = "On a cluster")]
pub(super) struct Cluster {
    /// Into how many elements the replications are split, at most.
    #[arg(long, value_name = "N", requires = "emit", value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    jobs: Option<u32>,
    /// Simulate nothing here: write a job array for a Slurm cluster to a new folder. With --merge: of what is still missing.
    #[arg(long, num_args = 2, value_names = ["slurm", "DIR"], requires = "jobs",
          conflicts_with_all = ["out", "json", "no_cache"])]
    emit: Option<Vec<PathBuf>>,
    /// Do the part of one element of a job array. This is what the elements run.
    #[arg(long, value_name = "DIR",
          conflicts_with_all = ["plan", "jobs", "emit", "merge", "seed", "out", "json", "no_cache"])]
    part: Option<PathBuf>,
    /// Which element's part [default: what SLURM_ARRAY_TASK_ID says].
    #[arg(long, value_name = "K", requires = "part")]
    element: Option<u32>,
    /// Carry out the plan of a job array from the results of its elements.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["plan", "seed"])]
    merge: Option<PathBuf>,
}

/// What is to be done with a job array.
enum Task<'a> {
    Emit { plan: &'a Path, target: Target<'a> },
    Element { folder: &'a Path, element: u32 },
    Merge { folder: &'a Path },
    EmitRest { folder: &'a Path, target: Target<'a> },
}

/// The array to be written.
struct Target<'a> {
    folder: &'a Path,
    elements: u32,
}

impl Cluster {
    fn task<'a>(&'a self, plan: Option<&'a Path>) -> anyhow::Result<Option<Task<'a>>> {
        if let Some(folder) = &self.part {
            let element = self.element.map_or_else(element_of_slurm, Ok)?;
            return Ok(Some(Task::Element { folder, element }));
        }
        Ok(match (self.target()?, &self.merge, plan) {
            (Some(target), Some(folder), _) => Some(Task::EmitRest { folder, target }),
            (Some(target), None, Some(plan)) => Some(Task::Emit { plan, target }),
            (None, Some(folder), _) => Some(Task::Merge { folder }),
            (_, None, _) => None,
        })
    }

    fn target(&self) -> anyhow::Result<Option<Target<'_>>> {
        let (Some(emit), Some(elements)) = (&self.emit, self.jobs) else { return Ok(None) };
        match &emit[..] {
            [scheduler, folder] if scheduler == Path::new("slurm") => Ok(Some(Target { folder, elements })),
            [scheduler, ..] => {
                anyhow::bail!("--emit {}: only slurm is known, as --emit slurm DIR", scheduler.display())
            }
            [] => Ok(None),
        }
    }
}

fn element_of_slurm() -> anyhow::Result<u32> {
    let number = std::env::var("SLURM_ARRAY_TASK_ID").map_err(|_| {
        anyhow::anyhow!("which element? sbatch sets SLURM_ARRAY_TASK_ID, which is not set here; --element names one")
    })?;
    number.parse().with_context(|| format!("SLURM_ARRAY_TASK_ID={number} is no number of an element"))
}

/// Does what was asked of a job array, if anything was.
pub(super) fn run(options: &Plan) -> anyhow::Result<Option<ExitCode>> {
    let Some(task) = options.cluster.task(options.plan.as_deref())? else { return Ok(None) };
    let status = match task {
        Task::Emit { plan, target } => {
            let study = options.study(plan)?;
            let array = JobArray::write(&study, target.elements, target.folder, &std::env::current_exe()?)?;
            tell_array(&array)?
        }
        Task::Element { folder, element } => simulate(options, folder, element)?,
        Task::Merge { folder } => merge(options, folder)?,
        Task::EmitRest { folder, target } => emit_rest(folder, &target)?,
    };
    Ok(Some(status))
}

fn tell_array(array: &JobArray) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let folder = array.folder().to_string_lossy();
    writeln!(out, "{} replications in {} elements", array.replications(), array.elements())?;
    writeln!(out, "to start them   sbatch {}", shell_quoted(&array.script().to_string_lossy()))?;
    writeln!(out, "once they end   yardmaster-sim plan --merge {}", shell_quoted(&folder))?;
    Ok(ExitCode::SUCCESS)
}

fn simulate(options: &Plan, folder: &Path, element: u32) -> anyhow::Result<ExitCode> {
    let array = JobArray::read(folder)?;
    let bar = options.progress_bar();
    let finished = array.simulate(element, &|progress| super::plan::show(&bar, progress));
    bar.finish_and_clear();
    let words = match finished? {
        Finished::Simulated => "done",
        Finished::Already => "had been done",
    };
    println!("element {element}: {words}");
    Ok(ExitCode::SUCCESS)
}

/// The array, its plan, and whether all of its elements are done; says which are not.
fn read_whole(folder: &Path) -> anyhow::Result<(JobArray, Study, bool)> {
    let array = JobArray::read(folder)?;
    let study = array.study()?;
    let unfinished = array.unfinished(&study)?;
    for part in &unfinished {
        let script = part.script.to_string_lossy();
        eprintln!(
            "yardmaster-sim: results of {} of {} elements are missing or incomplete; to simulate them:\n  sbatch --array={} {}",
            part.elements.count(),
            part.of,
            part.elements,
            shell_quoted(&script)
        );
    }
    Ok((array, study, unfinished.is_empty()))
}

fn merge(options: &Plan, folder: &Path) -> anyhow::Result<ExitCode> {
    let (array, study, is_whole) = read_whole(folder)?;
    if !is_whole {
        return Ok(ExitCode::from(1));
    }
    let directory = options.directory(array.plan_given());
    let mut result = options.carry_out(&study, &directory, array.results()?)?;
    array.name_as_given(&mut result);
    options.tell(&result, &directory)
}

fn emit_rest(folder: &Path, target: &Target<'_>) -> anyhow::Result<ExitCode> {
    let (array, study, is_whole) = read_whole(folder)?;
    if !is_whole {
        return Ok(ExitCode::from(1));
    }
    let missing = yardmaster_sim::planning::missing(&study, &array.results()?)?;
    if missing.is_empty() {
        println!("nothing is missing   yardmaster-sim plan --merge {}", shell_quoted(&folder.to_string_lossy()));
        return Ok(ExitCode::SUCCESS);
    }
    let program = std::env::current_exe()?;
    tell_array(&array.write_next(&study, missing, target.elements, target.folder, &program)?)
}
