//! From a scenario file to a checked scenario: one step after the other, each handing checked values to the next.

use std::path::Path;

use yardmaster_engine::{Span, Time};

use super::background::Background;
use super::behaviour::Habits;
use super::error::ScenarioError;
use super::file::{File, SharedBurstsSpec};
use super::generate::{Generator, Surroundings};
use super::jobs::{Draft, JobDefaults};
use super::lab::Lab;
use super::outages::OutagePlan;
use super::plan::Plan;
use super::rates::Rates;
use super::scenario::{Scenario, SharedBursts};
use super::source::Source;
use super::trace::{self, Drafting, Timescale, TraceData};

/// Reads the workload scenario at `path` and draws the plan of this seed: [`Scenario::read`] and [`Scenario::plan`] in a
/// row. The same files and the same `seed` give the same plan, whose behaviour gives the same answers, on every machine.
///
/// # Errors
/// The file, or a data file that it names, cannot be read, or something in it is wrong: the error names the file, the
/// line and the key or column.
pub fn load(path: &Path, seed: u64) -> Result<Plan, ScenarioError> {
    Scenario::read(path)?.plan(seed)
}

/// What the file comes to, as far as no luck is needed; `lasting` so long, whatever the file says of its end.
pub(super) fn check(source: Source, file: File, lasting: Option<Span>) -> Result<Scenario, ScenarioError> {
    let tick = file.settings.minimum_tick_sec;
    if !(tick > 0.0 && tick <= 86_400.0) {
        let problem = format_args!("must be > 0 and at most 86400 seconds, not {tick}").to_string();
        return Err(source.wrong("settings.minimum_tick_sec", problem));
    }
    let trace = trace::read(&source, &file)?;
    let lab = Lab::new(&source, &file, trace.as_ref())?;
    let start = start(&file, trace.as_ref());
    let end = lasting.map(|span| start + span).or(file.end.map(|end| end.time));
    if end.is_some_and(|end| end <= start) {
        return Err(source.wrong("end", "must be later than the start"));
    }
    let defaults = JobDefaults::default().with(&source, "workload.job", &file.workload.job)?;
    let (recorded, background) = recorded(&source, &file, &defaults, &lab, trace.as_ref(), start)?;
    let bursts = bursts(&source, &file)?;
    let generators = generators(&source, &file, &defaults, &lab, start, end)?;
    let outages = OutagePlan::checked(&source, &file, &lab, trace.as_ref(), start)?;
    let habits = Habits::checked(&source, &file.processes, &lab)?;
    let unix_time = unix_time(&file, trace.as_ref());
    let File { name, about, settings, .. } = file;
    let Lab { hosts, drones, .. } = lab;
    Ok(Scenario {
        source,
        name,
        about,
        settings,
        start,
        end,
        unix_time,
        hosts,
        drones,
        recorded,
        background,
        bursts,
        generators,
        outages,
        habits,
    })
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

/// The jobs that the trace shows, and what is known of those that it does not show.
fn recorded(
    source: &Source,
    file: &File,
    defaults: &JobDefaults,
    lab: &Lab,
    trace: Option<&TraceData>,
    start: Time,
) -> Result<(Vec<Draft>, Option<Background>), ScenarioError> {
    let (Some(trace), Some(spec)) = (trace, &file.workload.trace) else { return Ok((Vec::new(), None)) };
    let origin = trace.window.from.or(trace.jobs.iter().map(|job| job.submit).min()).unwrap_or(start);
    let timescale = Timescale::new(source, spec, origin)?;
    let drafting = Drafting { source, spec, defaults, lab, lab_is_traced: file.lab.from_trace, timescale };
    let (recorded, patterns) = drafting.drafts(trace)?;
    let background = match &file.workload.background {
        Some(spec) => Some(Background::checked(source, spec, trace, timescale, patterns)?),
        None => None,
    };
    Ok((recorded, background))
}

/// The rates of the shared bursts.
fn bursts(source: &Source, file: &File) -> Result<Vec<SharedBursts>, ScenarioError> {
    let specs = &file.workload.bursts;
    let checked = |(index, spec): (usize, &SharedBurstsSpec)| {
        let key = format!("workload.bursts[{index}]");
        if specs[..index].iter().any(|earlier| earlier.name == spec.name) {
            let problem = format_args!("there are other bursts called {:?}", spec.name);
            return Err(source.wrong(&format!("{key}.name"), problem));
        }
        let rates = match &spec.per_hour.0[..] {
            [one] => Rates::even(source, &key, *one, spec.day_factor.as_ref())?,
            many => Rates::by_hour(source, &key, many, spec.day_factor.as_ref())?,
        };
        Ok(SharedBursts { key, name: spec.name.clone(), rates })
    };
    specs.iter().enumerate().map(checked).collect()
}

fn generators(
    source: &Source,
    file: &File,
    defaults: &JobDefaults,
    lab: &Lab,
    start: Time,
    end: Option<Time>,
) -> Result<Vec<Generator>, ScenarioError> {
    let (specs, bursts) = (&file.workload.generate, &file.workload.bursts);
    let surroundings = Surroundings { source, defaults, lab, bursts, start, end };
    let mut generators = Vec::with_capacity(specs.len());
    for (index, spec) in specs.iter().enumerate() {
        // The name is what its randomness hangs on: two of one name would be each other's shadows.
        if specs[..index].iter().any(|earlier| earlier.name == spec.name) {
            let key = format!("workload.generate[{index}].name");
            return Err(source.wrong(&key, format_args!("there is another generator called {:?}", spec.name)));
        }
        generators.push(Generator::checked(&surroundings, index, spec)?);
    }
    Ok(generators)
}
