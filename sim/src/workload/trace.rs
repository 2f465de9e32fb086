//! A recorded workload after reading, whatever its format, and its jobs.

use std::collections::BTreeSet;
use std::sync::Arc;

use yardmaster_engine::{Span, Time};

use super::csv_trace;
use super::error::ScenarioError;
use super::file::{BackgroundSpec, ColumnsSpec, File, Format, LabSpec, SwfSpec, TraceSpec};
use super::jobs::{Draft, JobDefaults, Names, TestRun};
use super::lab::Lab;
use super::plan::Placement;
use super::source::{DataFile, Source};
use super::swf;
use crate::recording::RecordedJob;

/// Wait status of a process that ended with exit 1.
pub(super) const EXIT_1: i32 = 256;

/// A trace, cut to its window.
pub(super) struct TraceData {
    pub(super) file: DataFile,
    /// Every host that ran a job in the window, or, where the trace names none, as many as it says the system had.
    pub(super) boards: Vec<Board>,
    /// The jobs, in the order of the file.
    pub(super) jobs: Vec<TraceJob>,
    /// Ids and submissions of all rows in the window, skipped ones included; empty where no id is mapped.
    pub(super) ids: Vec<(i64, Time)>,
    /// Rows in the window that the scenario leaves out.
    pub(super) skipped: usize,
    /// Whether times are Unix time.
    pub(super) unix_time: bool,
    /// The window that the scenario gives.
    pub(super) window: Window,
}

/// A host that a trace saw.
#[derive(Debug, Clone)]
pub(super) struct Board {
    pub(super) name: Arc<str>,
    pub(super) kind: Arc<str>,
    pub(super) labels: Vec<Arc<str>>,
}

/// A job of a trace.
#[derive(Debug, Clone)]
pub(super) struct TraceJob {
    /// Line of the file, from 1.
    pub(super) line: u64,
    pub(super) submit: Time,
    pub(super) started: Option<Time>,
    pub(super) ended: Option<Time>,
    pub(super) runtime: Option<Span>,
    /// Index into `TraceData::boards` of the host that ran it.
    pub(super) board: Option<u32>,
    /// It may run on that host only.
    pub(super) pinned: bool,
    /// The label that its hosts must have.
    pub(super) label: Arc<str>,
    pub(super) hosts: u32,
    pub(super) labels: Vec<Arc<str>>,
    pub(super) profile: Arc<str>,
    pub(super) class: Option<Arc<str>>,
    pub(super) owner: Option<Arc<str>>,
    pub(super) priority: Option<i32>,
    pub(super) success: Option<bool>,
    pub(super) tests_failed: u32,
    pub(super) time_limit: Option<Span>,
    /// What brought it together with others.
    pub(super) burst: Option<Arc<str>>,
    /// `[workload.background]` takes it as a pattern.
    pub(super) pattern: bool,
}

/// Which submissions count: from the first moment up to, not including, the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: Option<Time>,
    pub(super) to: Option<Time>,
}

impl Window {
    pub(super) fn holds(&self, time: Time) -> bool {
        self.from.is_none_or(|from| from <= time) && self.to.is_none_or(|to| time < to)
    }
}

/// Reads the trace that the scenario names, if it names one.
pub(super) fn read(source: &Source, file: &File) -> Result<Option<TraceData>, ScenarioError> {
    let Some(spec) = &file.workload.trace else {
        return match file.workload.background {
            Some(_) => {
                Err(source.wrong("workload.background", "there is no [workload.trace] whose gaps it could fill"))
            }
            None => Ok(None),
        };
    };
    let window = Window { from: spec.from.map(|at| at.time), to: spec.to.map(|at| at.time) };
    if let (Some(from), Some(to)) = (window.from, window.to)
        && from >= to
    {
        return Err(source.wrong("workload.trace.to", "must be later than from"));
    }
    let background: Option<&BackgroundSpec> = file.workload.background.as_ref();
    let data = source.read_data("workload.trace.file", &spec.file)?;
    let name = spec.file.to_string_lossy();
    let by_name = if name.ends_with(".swf") || name.ends_with(".swf.gz") { Format::Swf } else { Format::Csv };
    let format = spec.format.unwrap_or(by_name);
    if let Some((key, other)) = foreign_key(spec, &file.lab, format) {
        return Err(source.wrong(key, format_args!("has a meaning for {other} traces only")));
    }
    let trace = match format {
        Format::Csv => csv_trace::read(source, spec, &file.lab, background, data, window)?,
        Format::Swf => swf::read(source, spec, background, data, window)?,
    };
    if trace.jobs.is_empty() {
        let problem = format_args!("no job of {} lies in the window and passes the filters", trace.file.path.display());
        return Err(source.wrong("workload.trace", problem));
    }
    Ok(Some(trace))
}

/// A key that is given although it has no meaning for traces of this format, and the format for which it has.
fn foreign_key(spec: &TraceSpec, lab: &LabSpec, format: Format) -> Option<(&'static str, &'static str)> {
    let given: &[_] = match format {
        Format::Csv => &[(spec.swf != SwfSpec::default(), "workload.trace.swf", "SWF")],
        Format::Swf => &[
            (spec.columns != ColumnsSpec::default(), "workload.trace.columns", "CSV"),
            (spec.pinned.is_some(), "workload.trace.pinned", "CSV"),
            (spec.success.is_some(), "workload.trace.success", "CSV"),
            (!spec.job_labels.is_empty(), "workload.trace.job_labels", "CSV"),
            (!lab.host_labels.is_empty(), "lab.host_labels", "CSV"),
            (lab.availability.is_some(), "lab.availability", "CSV"),
        ],
    };
    given.iter().find_map(|(given, key, other)| given.then_some((*key, *other)))
}

/// How the moments of a trace become moments of the plan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timescale {
    origin: Time,
    compress: f64,
}

impl Timescale {
    /// From `[workload.trace]`; the origin stays where it is.
    pub(super) fn new(source: &Source, spec: &TraceSpec, origin: Time) -> Result<Timescale, ScenarioError> {
        let compress = spec.compress.unwrap_or(1.0);
        if !(0.001..=1000.0).contains(&compress) {
            let problem = format_args!("must lie within 0.001 and 1000, not {compress}");
            return Err(source.wrong("workload.trace.compress", problem));
        }
        Ok(Timescale { origin, compress })
    }

    /// Whether times stay as they were recorded.
    pub(super) fn is_real(&self) -> bool {
        self.compress == 1.0
    }

    pub(super) fn time(&self, time: Time) -> Time {
        if self.is_real() {
            return time;
        }
        self.origin + Span(((time - self.origin).0 as f64 / self.compress).round() as i64)
    }
}

/// What is taken off every runtime.
pub(super) fn shorten(source: &Source, spec: &TraceSpec) -> Result<Span, ScenarioError> {
    let shorten = spec.shorten_sec.unwrap_or(0.0);
    if !(0.0..=1e9).contains(&shorten) {
        return Err(source.wrong("workload.trace.shorten_sec", "must be a number ≥ 0"));
    }
    Ok(Span::from_seconds_f64(shorten))
}

/// A label, how many hosts with it, and the labels that they must have besides.
type Request = (Arc<str>, u32, Vec<Arc<str>>);

/// What turns recorded jobs into drafts.
pub(super) struct Drafting<'a> {
    pub(super) source: &'a Source,
    pub(super) spec: &'a TraceSpec,
    pub(super) defaults: &'a JobDefaults,
    pub(super) lab: &'a Lab,
    pub(super) lab_is_traced: bool,
    pub(super) timescale: Timescale,
}

impl Drafting<'_> {
    /// A draft for each job, and again those of the jobs that `[workload.background]` takes as patterns. Jobs pinned to
    /// a board that `lab.pool` left out are left out, too.
    pub(super) fn drafts(&self, trace: &TraceData) -> Result<(Vec<Draft>, Vec<Draft>), ScenarioError> {
        let shorten = shorten(self.source, self.spec)?;
        let (mut drafts, mut patterns) = (Vec::with_capacity(trace.jobs.len()), Vec::new());
        let mut checked = BTreeSet::new();
        let workload: Arc<str> = trace.file.stem().into();
        let mut names = Names::default();
        for job in &trace.jobs {
            if let Some(placement) = self.placement(trace, job, &mut checked)? {
                let name = names.get(&job.profile);
                let draft = self.draft(job, name, &workload, placement, shorten);
                if job.pattern {
                    patterns.push(draft.clone());
                }
                drafts.push(draft);
            }
        }
        Ok((drafts, patterns))
    }

    fn draft(&self, job: &TraceJob, name: Arc<str>, workload: &Arc<str>, on: Placement, shorten: Span) -> Draft {
        let submit = self.timescale.time(job.submit);
        let mut plan = self.defaults.job(submit, name, workload.clone(), job.profile.clone(), on);
        plan.synch_count = job.hosts;
        plan.labels.extend(job.labels.iter().cloned());
        plan.class = job.class.clone().unwrap_or(plan.class);
        plan.owner = job.owner.clone().unwrap_or(plan.owner);
        plan.priority = job.priority.unwrap_or(plan.priority);
        plan.max_runtime = job.time_limit.unwrap_or(plan.max_runtime);
        plan.recorded = match (job.started, job.ended) {
            (Some(started), Some(finished)) if self.timescale.is_real() => {
                Some(RecordedJob { started, finished, success: job.success.unwrap_or(true) })
            }
            _ => None,
        };
        let test = TestRun {
            runtime: job.runtime.map(|runtime| Span((runtime.0 - shorten.0).max(0))),
            exit_status: job.success.map(|success| if success { 0 } else { EXIT_1 }),
            tests_failed: job.tests_failed,
        };
        Draft { job: plan, test, number: job.line }
    }

    /// The hosts that a job asks for; `None` where they are left out. `checked` remembers requests that can be served.
    fn placement(
        &self,
        trace: &TraceData,
        job: &TraceJob,
        checked: &mut BTreeSet<Request>,
    ) -> Result<Option<Placement>, ScenarioError> {
        if let (true, Some(board)) = (job.pinned, job.board) {
            let name = &trace.boards[board as usize].name;
            return match self.lab.host(name) {
                Some(host) => Ok(Some(Placement::Hosts(vec![host]))),
                None if self.lab_is_traced => Ok(None),
                None => {
                    let (problem, like) = (format!("the lab has no host {name:?}"), self.lab.host_like(name));
                    Err(trace.file.wrong_name(job.line, "host", name, problem, like))
                }
            };
        }
        let labels = [&self.defaults.labels[..], &job.labels[..]].concat();
        let request = (job.label.clone(), job.hosts, labels);
        if !checked.contains(&request) {
            let (label, hosts, labels) = &request;
            self.lab
                .check_request(*hosts, label, labels)
                .map_err(|(problem, like)| trace.file.wrong_name(job.line, "label", label, problem, like))?;
            checked.insert(request);
        }
        Ok(Some(Placement::Any { count: job.hosts, label: job.label.clone() }))
    }
}
