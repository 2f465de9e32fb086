//! What a trace tells of the past: the same reading as for a run, and then not a plan but a history.

use std::path::Path;

use yardmaster_engine::{Span, Time};

use super::error::ScenarioError;
use super::file::{File, Moment, calendar_time};
use super::jobs::JobDefaults;
use super::lab::Lab;
use super::outages::OutagePlan;
use super::source::Source;
use super::trace::{self, TraceData, TraceJob};
use crate::history::{HistoricDrone, HistoricHost, HistoricJob, HistoricOutage, HistoricRequest, History, JobEnding};

/// What happened, and what the source says besides of how processes go.
#[derive(Debug, Clone)]
pub struct Past {
    /// What happened.
    pub history: History,
    /// `[processes]` as the source writes it, for kinds of process of which the history holds none; may be empty.
    pub processes: toml::Table,
}

impl From<History> for Past {
    fn from(history: History) -> Past {
        Past { history, processes: toml::Table::new() }
    }
}

impl Past {
    /// The past that the trace of the scenario at `path` tells. `from` and `to` replace the scenario's own.
    ///
    /// # Errors
    /// As for [`super::Scenario::read`]; the scenario has no trace.
    pub fn of_scenario(path: &Path, from: Option<Time>, to: Option<Time>) -> Result<Past, ScenarioError> {
        let source = Source::read(path)?;
        let file = source.parse()?;
        let processes = source.table().get("processes").and_then(toml::Value::as_table).cloned().unwrap_or_default();
        Ok(Past { history: history(&source, file, from, to)?, processes })
    }

    /// The same for a scenario that a program has made; `path` is what its paths are relative to.
    ///
    /// # Errors
    /// As for [`super::Scenario::from_table`]; the scenario has no trace.
    pub fn of_table(
        table: toml::Table,
        path: &Path,
        from: Option<Time>,
        to: Option<Time>,
    ) -> Result<Past, ScenarioError> {
        let source = Source::of_table(path);
        let file = source.parse_table(table)?;
        Ok(Past::from(history(&source, file, from, to)?))
    }
}

/// The moment that a text names: an ISO date or date-time (UTC where it names no offset), or whole seconds.
pub fn moment(text: &str) -> Option<Time> {
    calendar_time(text).or_else(|| text.parse().ok().map(Time::from_seconds))
}

fn history(source: &Source, mut file: File, from: Option<Time>, to: Option<Time>) -> Result<History, ScenarioError> {
    let Some(spec) = &mut file.workload.trace else {
        return Err(source.wrong("workload.trace", "is missing: only a scenario with a trace has a past"));
    };
    let given = |time| Moment { time, calendar: true };
    spec.from = from.map(given).or(spec.from);
    spec.to = to.map(given).or(spec.to);
    // All boards belong to the past, whatever the scenario leaves of them.
    file.lab.pool = file.lab.pool.map(|_| 1.0);
    let shorten = trace::shorten(source, spec)?;
    let Some(trace) = trace::read(source, &file)? else {
        return Err(source.wrong("workload.trace", "is missing"));
    };
    let lab = Lab::new(source, &file, Some(&trace))?;
    let defaults = JobDefaults::default().with(source, "workload.job", &file.workload.job)?;
    let last = trace.jobs.iter().map(|job| job.submit).max().unwrap_or(Time(0));
    let start = trace.window.from.or(trace.jobs.iter().map(|job| job.submit).min()).unwrap_or(Time(0));
    let outages = OutagePlan::checked(source, &file, &lab, Some(&trace), start)?;
    let mut remarks = remarks(&file, &trace, shorten);
    let mut jobs: Vec<HistoricJob> = Vec::with_capacity(trace.jobs.len());
    for job in &trace.jobs {
        jobs.push(historic_job(job, &trace, &lab, &defaults, shorten));
    }
    jobs.sort_by_key(|job| (job.submitted, job.id));
    if trace.jobs.iter().any(|job| job.runtime.is_some() && job.ended.is_none()) {
        remarks.push("where a job's start is not known, it is taken to have started when it was submitted".to_owned());
    }
    let of_host = |(host, spans): (u32, Vec<(Time, Time)>)| {
        spans.into_iter().map(move |(from, to)| HistoricOutage { host, from, to: (to < Time::MAX).then_some(to) })
    };
    let mut outages: Vec<HistoricOutage> = outages.inferred().by_host().into_iter().flat_map(of_host).collect();
    outages.sort_by_key(|outage| (outage.from, outage.host));
    Ok(History {
        source: trace.file.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        from: start,
        to: trace.window.to.unwrap_or(last + Span::from_seconds(1)),
        unix_time: trace.unix_time,
        settings: file.settings,
        hosts: lab.hosts.iter().map(historic_host).collect(),
        drones: lab
            .drones
            .iter()
            .map(|drone| HistoricDrone { name: drone.name.clone(), max_processes: drone.max_processes })
            .collect(),
        jobs,
        tasks: Vec::new(),
        outages,
        remarks,
    })
}

fn historic_host(host: &super::plan::HostPlan) -> HistoricHost {
    HistoricHost {
        name: host.name.clone(),
        kind: host.kind.clone(),
        labels: host.labels.clone(),
        locked: host.locked,
        since: None,
        until: None,
    }
}

fn historic_job(job: &TraceJob, trace: &TraceData, lab: &Lab, defaults: &JobDefaults, shorten: Span) -> HistoricJob {
    let host = job.board.and_then(|board| lab.host(&trace.boards[board as usize].name));
    let started = job.started.or(job.runtime.map(|_| job.submit));
    let runtime = job.runtime.map(|runtime| Span((runtime.0 - shorten.0).max(0)));
    let ended = started.zip(runtime).map(|(started, runtime)| started + runtime);
    let mut labels = defaults.labels.clone();
    labels.extend(job.labels.iter().cloned());
    HistoricJob {
        id: job.line,
        submitted: job.submit,
        started,
        ended,
        ending: match (ended, job.success) {
            (None, _) => JobEnding::Open,
            (Some(_), Some(false)) => JobEnding::Failed,
            (Some(_), Some(true) | None) => JobEnding::Completed,
        },
        tests_failed: job.tests_failed,
        hosts: host.into_iter().collect(),
        request: match (job.pinned, host) {
            (true, Some(host)) => HistoricRequest::Hosts(vec![host]),
            _ => HistoricRequest::Any { count: job.hosts, label: job.label.clone() },
        },
        synch_count: job.hosts,
        labels,
        profile: job.profile.clone(),
        class: job.class.clone().unwrap_or_else(|| defaults.class.clone()),
        owner: job.owner.clone().unwrap_or_else(|| defaults.owner.clone()),
        priority: job.priority.unwrap_or(defaults.priority),
        parent: None,
        burst: job.burst.clone(),
        run_verify: defaults.run_verify,
        run_reset: defaults.run_reset,
        reboot_before: defaults.reboot_before,
        reboot_after: defaults.reboot_after,
        suite_min_hosts: 0,
        timeout: defaults.timeout,
        max_runtime: job.time_limit.unwrap_or(defaults.max_runtime),
    }
}

fn remarks(file: &File, trace: &TraceData, shorten: Span) -> Vec<String> {
    let mut remarks = Vec::new();
    if trace.skipped > 0 {
        remarks.push(format!("{} rows are left out by the scenario's `skip`", trace.skipped));
    }
    if shorten > Span::ZERO {
        let seconds = shorten.as_seconds_f64();
        remarks.push(format!(
            "tests are {seconds} s shorter than recorded, as `shorten_sec` says: the scheduler adds as much around them"
        ));
    }
    if let Some(availability) = &file.lab.availability {
        let hours = availability.silence_hours;
        remarks.push(format!(
            "a host that ran nothing for {hours} h is taken to have been out of service (`silence_hours`)"
        ));
    }
    if file.workload.background.is_some() {
        remarks.push("jobs that the trace does not show ([workload.background]) are not in the history".to_owned());
    }
    if !file.workload.generate.is_empty() {
        remarks.push("what the scenario generates besides its trace is not in the history".to_owned());
    }
    remarks
}
