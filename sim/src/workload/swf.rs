//! Traces in the Standard Workload Format of the Parallel Workloads Archive: one job a line, 18 numbers, -1 = unknown;
//! `;` opens a comment, and comments at the top are a header.
//!
//! A parallel job on `p` processors becomes a synchronous job on `ceil(p / processors_per_host)` hosts of one pool: the
//! scheduler gives it hosts one by one, as they become free, and starts it when it has them all. There is no
//! backfilling round it, so waits are not those of the recorded batch system, and are not meant to be.

use std::collections::BTreeMap;
use std::sync::Arc;

use yardmaster_engine::{Span, Time};

use super::error::{ScenarioError, nearest};
use super::file::{BackgroundSpec, MatchSpec, SECONDS_MAX, TraceSpec};
use super::jobs::{JOBS_MAX, Names};
use super::source::{DataFile, Source};
use super::trace::{Board, TraceData, TraceJob, Window};
use crate::host_list::EXPANSION_LIMIT;

/// The fields of a line, in their order, by the names that `skip` knows them by.
const FIELDS: [&str; 18] = [
    "job",
    "submit",
    "wait",
    "runtime",
    "processors",
    "cpu_time",
    "memory",
    "requested_processors",
    "requested_time",
    "requested_memory",
    "status",
    "user",
    "group",
    "application",
    "queue",
    "partition",
    "preceding_job",
    "think_time",
];

/// The label of the hosts of the pool where the scenario gives no other.
const LABEL: &str = "pool:swf";

/// Checked `[workload.trace.swf]`, and what the header says.
struct Reading<'a> {
    file: &'a DataFile,
    spec: &'a TraceSpec,
    /// Unix time of second 0, where the header gives it.
    origin: Option<i64>,
    processors_per_host: u32,
    processors: Option<u32>,
    label: Arc<str>,
    skip: Vec<(usize, &'a MatchSpec)>,
    names: Names,
}

/// Reads a log.
pub(super) fn read(
    source: &Source,
    spec: &TraceSpec,
    background: Option<&BackgroundSpec>,
    file: DataFile,
    window: Window,
) -> Result<TraceData, ScenarioError> {
    if background.is_some() {
        return Err(source.wrong("workload.background", "needs a CSV trace: SWF logs show every job"));
    }
    let text = std::str::from_utf8(&file.bytes).map_or_else(|_| String::from_utf8_lossy(&file.bytes), Into::into);
    let mut reading = Reading::new(source, spec, &file, &text)?;
    let (mut jobs, mut skipped, mut widest) = (Vec::new(), 0, 1);
    for (line, row) in (1..).zip(text.lines()) {
        let row = row.trim();
        if row.is_empty() || row.starts_with(';') {
            continue;
        }
        let fields = reading.fields(line, row)?;
        if reading.is_filtered(&fields, window) {
            skipped += 1;
        }
        if let Some(job) = reading.job(line, &fields, window) {
            if jobs.len() == JOBS_MAX {
                return Err(file.wrong(line, "row", "", format_args!("the trace has more than {JOBS_MAX} jobs")));
            }
            widest = job.hosts.max(widest);
            jobs.push(job);
        }
    }
    let hosts = reading.processors.map_or(widest, |processors| processors.div_ceil(reading.processors_per_host));
    let boards = reading.pool(source, hosts)?;
    let unix_time = reading.origin.is_some();
    Ok(TraceData { boards, jobs, ids: Vec::new(), skipped, unix_time, window, file })
}

impl<'a> Reading<'a> {
    fn new(source: &Source, spec: &'a TraceSpec, file: &'a DataFile, text: &str) -> Result<Reading<'a>, ScenarioError> {
        let header = header(text);
        let number = |key: &str| header.get(key).and_then(|value| value.parse::<i64>().ok());
        let per_host = spec.swf.processors_per_host.unwrap_or(1);
        if per_host == 0 || spec.swf.processors == Some(0) {
            return Err(source.wrong("workload.trace.swf", "processors and processors_per_host must be at least 1"));
        }
        let mut skip = Vec::new();
        for (index, filter) in spec.skip.iter().enumerate() {
            let field = FIELDS.iter().position(|name| *name == filter.column).ok_or_else(|| {
                let problem = format_args!("no field {:?} in the Standard Workload Format", filter.column).to_string();
                let key = format!("workload.trace.skip[{index}].column");
                source.wrong_name(&key, problem, nearest(&filter.column, FIELDS))
            })?;
            skip.push((field, filter));
        }
        let most = number("MaxProcs").or(number("MaxNodes")).and_then(|most| u32::try_from(most).ok());
        Ok(Reading {
            file,
            spec,
            origin: number("UnixStartTime").filter(|origin| origin.unsigned_abs() <= SECONDS_MAX),
            processors_per_host: per_host,
            processors: spec.swf.processors.or(most.filter(|most| *most > 0)),
            label: spec.swf.label.as_deref().unwrap_or(LABEL).into(),
            skip,
            names: Names::default(),
        })
    }

    fn fields(&self, line: u64, row: &str) -> Result<[f64; 18], ScenarioError> {
        let mut fields = [-1.0; 18];
        let mut words = row.split_ascii_whitespace();
        for (field, name) in fields.iter_mut().zip(FIELDS) {
            let word =
                words.next().ok_or_else(|| self.file.wrong(line, name, "", "the line ends before this field"))?;
            *field = word
                .parse()
                .ok()
                .filter(|number: &f64| number.abs() <= SECONDS_MAX as f64)
                .ok_or_else(|| self.file.wrong(line, name, word, format_args!("{word:?} is no number")))?;
        }
        match words.next() {
            Some(word) => Err(self.file.wrong(line, "row", word, "the line goes on after its 18 fields")),
            None => Ok(fields),
        }
    }

    /// The job of a line; `None` where it is outside the window or filtered out.
    fn job(&mut self, line: u64, fields: &[f64; 18], window: Window) -> Option<TraceJob> {
        let [_, submit, wait, runtime, processors, _, _, requested, requested_time, ..] = *fields;
        let [.., status, user, _, application, queue, _, _, _] = *fields;
        let submit = self.moment(submit);
        // Statuses 2 to 4 are parts of a checkpointed job that has a line for its whole as well.
        let part = matches!(status as i64, 2..=4);
        if part || !window.holds(submit) || self.is_skipped(fields) {
            return None;
        }
        let known = |number: f64| (number >= 0.0).then_some(number);
        let processors = if requested >= 1.0 { requested } else { processors.max(1.0) } as u32;
        let hosts = if self.spec.swf.one_host_per_job { 1 } else { processors.div_ceil(self.processors_per_host) };
        let runtime = known(runtime).map(Span::from_seconds_f64);
        let started = known(wait).map(|wait| submit + Span::from_seconds_f64(wait));
        let limit = known(requested_time).filter(|limit| *limit >= 1.0).map(Span::from_seconds_f64);
        let queue = known(queue).map(|queue| queue.to_string());
        Some(TraceJob {
            line,
            submit,
            started,
            ended: started.zip(runtime).map(|(started, runtime)| started + runtime),
            runtime,
            board: None,
            pinned: false,
            label: self.label.clone(),
            hosts,
            labels: Vec::new(),
            profile: match known(application) {
                Some(application) => self.names.get(&format!("app{application}")),
                None => self.names.get("job"),
            },
            class: queue.as_ref().map(|queue| self.names.get(&format!("queue{queue}"))),
            owner: known(user).map(|user| self.names.get(&format!("user{user}"))),
            priority: queue.and_then(|queue| self.spec.priorities.get(&queue).copied()),
            success: known(status).map(|status| status == 1.0),
            tests_failed: 0,
            time_limit: limit.filter(|_| self.spec.swf.enforce_requested_time),
            burst: None,
            pattern: false,
        })
    }

    fn moment(&self, second: f64) -> Time {
        Time::from_seconds(self.origin.unwrap_or(0)) + Span::from_seconds_f64(second.max(0.0))
    }

    /// Whether the line lies in the window and the scenario leaves it out.
    fn is_filtered(&self, fields: &[f64; 18], window: Window) -> bool {
        window.holds(self.moment(fields[1])) && self.is_skipped(fields)
    }

    fn is_skipped(&self, fields: &[f64; 18]) -> bool {
        self.skip.iter().any(|(field, filter)| {
            filter.values.iter().any(|value| value.parse::<f64>().is_ok_and(|value| value == fields[*field]))
        })
    }

    /// Hosts `node1` to `nodeN`, numbers padded to one width.
    fn pool(&self, source: &Source, hosts: u32) -> Result<Vec<Board>, ScenarioError> {
        if hosts as usize > EXPANSION_LIMIT {
            let problem = format_args!("the log speaks of {hosts} hosts; at most {EXPANSION_LIMIT} can be simulated");
            return Err(source.wrong("workload.trace.swf", problem));
        }
        let (kind, width): (Arc<str>, _) = ("node".into(), hosts.to_string().len());
        let board = |number| Board {
            name: format!("node{number:0width$}").into(),
            kind: kind.clone(),
            labels: vec![self.label.clone()],
        };
        Ok((1..=hosts).map(board).collect())
    }
}

/// The `; Key: value` comments before the first job.
fn header(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .map(str::trim)
        .take_while(|line| line.is_empty() || line.starts_with(';'))
        .filter_map(|line| line.trim_start_matches(';').split_once(':'))
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect()
}
