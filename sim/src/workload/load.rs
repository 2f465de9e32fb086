//! From a scenario file to a plan: one step after the other, each handing checked values to the next.

use std::path::Path;

use yardmaster_engine::{Span, Time};

use super::background;
use super::behaviour::WorkloadBehaviour;
use super::error::ScenarioError;
use super::file::File;
use super::generate::Generating;
use super::jobs::{Draft, JOBS_MAX, JobDefaults, in_order};
use super::lab::Lab;
use super::outages::Outages;
use super::plan::{JobPlan, Plan};
use super::source::Source;
use super::trace::{self, Drafting, Timescale, TraceData};

/// Reads the workload scenario at `path`. Paths within it are relative to it. The same files and the same `seed` give
/// the same plan, whose behaviour gives the same answers, on every machine.
///
/// # Errors The file, or a data file that it names, cannot be read, or something in it is wrong: the error names the
/// file, the line and the key or column.
pub fn load(path: &Path, seed: u64) -> Result<Plan, ScenarioError> {
    let source = Source::read(path)?;
    let file = source.parse()?;
    let tick = file.settings.minimum_tick_sec;
    if !(tick > 0.0 && tick <= 86_400.0) {
        let problem = format_args!("must be > 0 and at most 86400 seconds, not {tick}").to_string();
        return Err(source.wrong("settings.minimum_tick_sec", problem));
    }
    let trace = trace::read(&source, &file)?;
    let lab = Lab::new(&source, &file, trace.as_ref())?;
    let start = start(&file, trace.as_ref());
    let end = file.end.map(|end| end.time);
    if end.is_some_and(|end| end <= start) {
        return Err(source.wrong("end", "must be later than the start"));
    }
    let drafts = drafts(&source, &file, &lab, trace.as_ref(), [start, end.unwrap_or(Time::MAX)], seed)?;
    let (jobs, tests) = in_order(drafts);
    if let Some(first) = jobs.first()
        && first.submit < start
    {
        return Err(source.wrong("start", "is later than the first submission"));
    }
    let horizon = end.unwrap_or_else(|| last_moment(&jobs));
    let mut outages = Outages::default();
    for (index, spec) in file.outage.iter().enumerate() {
        outages.add_listed(&source, index, spec, &lab, seed, [start, horizon])?;
    }
    if let (Some(spec), Some(trace)) = (&file.lab.availability, &trace) {
        if file.workload.trace.as_ref().is_some_and(|spec| spec.compress.is_some_and(|factor| factor != 1.0)) {
            return Err(source.wrong("lab.availability", "cannot be inferred where time is compressed"));
        }
        outages.add_inferred(&source, spec, trace, &lab, [start, horizon])?;
    }
    let behaviour = Box::new(WorkloadBehaviour::new(&source, &file.processes, &lab, tests, seed)?);
    let outages = outages.into_list([start, horizon]);
    let unix_time = unix_time(&file, trace.as_ref());
    let File { name, about, settings, .. } = file;
    let Lab { hosts, drones, .. } = lab;
    Ok(Plan { name, about, settings, start, end, unix_time, hosts, drones, jobs, behaviour, outages })
}

/// The first tick: where the scenario says, else at the beginning of the trace's window, else at the first submission
/// of the trace, else at 0.
fn start(file: &File, trace: Option<&TraceData>) -> Time {
    let first = |trace: &TraceData| trace.window.from.or(trace.jobs.iter().map(|job| job.submit).min());
    file.start.map(|start| start.time).or(trace.and_then(first)).unwrap_or(Time(0))
}

fn unix_time(file: &File, trace: Option<&TraceData>) -> bool {
    trace.is_some_and(|trace| trace.unix_time) || file.start.is_some_and(|start| start.calendar)
}

/// When the last job will have run into its time limit: nothing can wait longer.
fn last_moment(jobs: &[JobPlan]) -> Time {
    let last = |job: &JobPlan| job.submit + job.timeout + job.max_runtime;
    jobs.iter().map(last).max().unwrap_or(Time(0)) + Span::from_hours(1)
}

fn drafts(
    source: &Source,
    file: &File,
    lab: &Lab,
    trace: Option<&TraceData>,
    [start, end]: [Time; 2],
    seed: u64,
) -> Result<Vec<Draft>, ScenarioError> {
    let workload = &file.workload;
    let defaults = JobDefaults::default().with(source, "workload.job", &workload.job)?;
    let mut drafts = Vec::new();
    if let (Some(trace), Some(spec)) = (trace, &workload.trace) {
        let origin = trace.window.from.or(trace.jobs.iter().map(|job| job.submit).min()).unwrap_or(start);
        let timescale = Timescale::new(source, spec, origin)?;
        let drafting =
            Drafting { source, spec, defaults: &defaults, lab, lab_is_traced: file.lab.from_trace, timescale };
        let (recorded, patterns) = drafting.drafts(trace)?;
        if let Some(spec) = &workload.background {
            drafts.extend(background::unseen(source, spec, seed, trace, timescale, &patterns)?);
        }
        drafts.splice(0..0, recorded);
    }
    let end = (end < Time::MAX).then_some(end);
    let generating = Generating { source, defaults: &defaults, lab, seed, start, end };
    for (index, spec) in workload.generate.iter().enumerate() {
        // The name is what its randomness hangs on: two of one name would be each other's shadows.
        if workload.generate[..index].iter().any(|earlier| earlier.name == spec.name) {
            let key = format!("workload.generate[{index}].name");
            return Err(source.wrong(&key, format_args!("there is another generator called {:?}", spec.name)));
        }
        generating.append(index, spec, &mut drafts)?;
    }
    if drafts.len() > JOBS_MAX {
        return Err(source.wrong("workload", format_args!("comes to more than {JOBS_MAX} jobs")));
    }
    if drafts.is_empty() {
        return Err(source.wrong("workload", "has no jobs: it needs a [workload.trace] or a [[workload.generate]]"));
    }
    Ok(drafts)
}
