//! What a plan needs of one replication: a summary that is small, can be kept in a file, and can be added up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use yardmaster_engine::{Span, Time};

use super::objective::JobGroup;
use super::statistics::Waits;
use crate::run::{Grid, HostUse, Measurement};
use crate::workload::Plan;

/// Hours of a week.
pub(super) const WEEK: usize = 168;
const HOUR_MICROS: i64 = 3_600_000_000;
const HOURS_OF_DAY: usize = 24;

/// One replication of one plan, summed up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Observation {
    /// The jobs of the window, by what objectives can tell apart, ascending.
    pub(super) groups: Vec<(JobGroup, JobTimes)>,
    /// The suites among them: until the last of their jobs had ended.
    pub(super) suites: Vec<(JobGroup, Waits)>,
    /// What jobs ask for: kinds of host, and labels that no single kind has.
    pub(super) kinds: Vec<KindObservation>,
    /// Processes over room for processes, all drones together (process · s).
    pub(super) drones: [f64; 2],
    /// The most processes that ran on all drones at once is at most this.
    pub(super) processes_peak: u32,
    /// The most parsers that ran at once is at most this.
    pub(super) parsers_peak: u32,
    /// Mean number of entries whose results are parsed or wait for that, by whole day.
    pub(super) results_backlog: Vec<f64>,
    pub(super) week: Week,
}

/// Times of alike jobs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct JobTimes {
    /// From submission to the start of the test.
    pub(super) waits: Waits,
    /// From submission to the end.
    pub(super) turnarounds: Waits,
}

/// One kind of host, or label that is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct KindObservation {
    pub(super) name: String,
    /// Hosts of the kind; 0 for what is no kind.
    pub(super) hosts: u32,
    /// Host · seconds spent so, in the order of [`HostUse::ALL`].
    pub(super) spent: Vec<f64>,
    /// Jobs that asked for it in whole days.
    pub(super) arrived: u64,
    /// Mean number of waiting entries, by whole day.
    pub(super) backlog: Vec<f64>,
}

/// A typical week, summed up by hour from Monday 0:00 on (UTC; where times are no dates: from the start on).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Week {
    /// How many hours were added up, by hour of the week.
    pub hours: Vec<u32>,
    /// Jobs submitted.
    pub arrived: Vec<f64>,
    /// Mean entries that waited for a host, added up.
    pub waiting: Vec<f64>,
    /// Mean processes on all drones, added up.
    pub processes: Vec<f64>,
    /// Mean hosts in use, added up, by kind of host.
    pub busy: BTreeMap<String, Vec<f64>>,
    /// Hosts there are, by kind of host.
    pub hosts: BTreeMap<String, u32>,
}

fn add(into: &mut Vec<f64>, from: &[f64]) {
    into.resize(into.len().max(from.len()), 0.0);
    into.iter_mut().zip(from).for_each(|(sum, value)| *sum += value);
}

impl Week {
    /// Adds another one's hours.
    pub(super) fn merge(&mut self, other: &Week) {
        self.hours.resize(WEEK, 0);
        self.hours.iter_mut().zip(&other.hours).for_each(|(sum, count)| *sum += count);
        add(&mut self.arrived, &other.arrived);
        add(&mut self.waiting, &other.waiting);
        add(&mut self.processes, &other.processes);
        for (kind, busy) in &other.busy {
            add(self.busy.entry(kind.clone()).or_default(), busy);
        }
        self.hosts.extend(other.hosts.iter().map(|(kind, hosts)| (kind.clone(), *hosts)));
    }

    /// The mean of a figure in each hour of the week; 0 where nothing was seen.
    pub fn mean(&self, sums: &[f64]) -> Vec<f64> {
        let mean = |(sum, hours): (&f64, &u32)| if *hours > 0 { sum / f64::from(*hours) } else { 0.0 };
        sums.iter().zip(&self.hours).map(mean).collect()
    }
}

/// Monday's first hour is 0; 1970-01-01 was a Thursday.
fn hour_of_week(time: Time) -> usize {
    (time.0.div_euclid(HOUR_MICROS) + 3 * HOURS_OF_DAY as i64).rem_euclid(WEEK as i64) as usize
}

impl JobGroup {
    /// The group of a job that asks for this kind.
    pub(super) fn of(plan: &Plan, measured: &Measurement, job: u32, kind: u32) -> JobGroup {
        let row = &plan.jobs[job as usize];
        JobGroup {
            host_kind: measured.kinds[kind as usize].name.clone(),
            class: row.class.clone(),
            workload: row.workload.clone(),
            profile: row.profile.clone(),
            priority: row.priority,
        }
    }
}

impl Observation {
    /// Sums up a measurement.
    pub(super) fn of(plan: &Plan, measured: &Measurement) -> Observation {
        type Times = (Vec<Option<Span>>, Vec<Option<Span>>);
        let mut groups: BTreeMap<JobGroup, Times> = BTreeMap::new();
        let mut kind_of_job = BTreeMap::new();
        for outcome in &measured.jobs {
            let times = groups.entry(JobGroup::of(plan, measured, outcome.job, outcome.kind)).or_default();
            times.0.push(outcome.wait.started());
            times.1.push(outcome.turnaround);
            kind_of_job.insert(outcome.job, outcome.kind);
        }
        let mut suites: BTreeMap<JobGroup, Vec<Option<Span>>> = BTreeMap::new();
        for suite in &measured.suites {
            let kind = kind_of_job.get(&suite.job).copied().unwrap_or_default();
            suites.entry(JobGroup::of(plan, measured, suite.job, kind)).or_default().push(suite.turnaround);
        }
        let times = |(waits, turnarounds): Times| JobTimes {
            waits: waits.into_iter().collect(),
            turnarounds: turnarounds.into_iter().collect(),
        };
        let seconds = measured.window.length().as_seconds_f64();
        let room: f64 = plan.drones.iter().map(|drone| f64::from(drone.max_processes)).sum();
        let processes: f64 = measured.drones.iter().map(|drone| drone.processes.as_seconds_f64()).sum();
        Observation {
            groups: groups.into_iter().map(|(group, of_group)| (group, times(of_group))).collect(),
            suites: suites.into_iter().map(|(group, ends)| (group, ends.into_iter().collect())).collect(),
            kinds: (0..measured.kinds.len()).map(|kind| kind_observation(measured, kind)).collect(),
            drones: [processes, room * seconds],
            processes_peak: measured.drones.iter().map(|drone| drone.peak).sum(),
            parsers_peak: measured.drones.iter().map(|drone| drone.parsers_peak).sum(),
            results_backlog: means_by_day(&measured.hourly.parsing, 0),
            week: week(plan, measured),
        }
    }
}

/// The means of a column of levels, by whole day: a part of a day has another mean than a day, night or noon.
fn means_by_day(levels: &Grid, column: usize) -> Vec<f64> {
    let hours: Vec<f64> = levels.hours().map(|hour| hour[column] as f64 / HOUR_MICROS as f64).collect();
    hours.chunks_exact(HOURS_OF_DAY).map(|day| day.iter().sum::<f64>() / day.len() as f64).collect()
}

fn kind_observation(measured: &Measurement, kind: usize) -> KindObservation {
    let of_kind = &measured.kinds[kind];
    let backlog = means_by_day(&measured.hourly.waiting, kind);
    let whole_days = backlog.len() * HOURS_OF_DAY;
    KindObservation {
        name: of_kind.name.to_string(),
        hosts: of_kind.hosts,
        spent: HostUse::ALL.iter().map(|spends| of_kind.spent(*spends).as_seconds_f64()).collect(),
        arrived: measured.hourly.arrived.hours().take(whole_days).map(|hour| hour[kind] as u64).sum(),
        backlog,
    }
}

fn week(plan: &Plan, measured: &Measurement) -> Week {
    let start = if plan.unix_time { measured.window.from } else { Time(measured.window.from.0 - plan.start.0) };
    let first = if plan.unix_time { hour_of_week(start) } else { (start.0 / HOUR_MICROS) as usize % WEEK };
    let hourly = &measured.hourly;
    let mut week = Week { hours: vec![0; WEEK], ..Week::default() };
    let place = |hour: usize| (first + hour) % WEEK;
    (0..hourly.arrived.hours().len()).for_each(|hour| week.hours[place(hour)] += 1);
    let sums = |grid: &Grid, columns: std::ops::Range<usize>, unit: i64| {
        let mut sums = vec![0.0; WEEK];
        for (hour, cells) in grid.hours().enumerate() {
            sums[place(hour)] += cells[columns.clone()].iter().sum::<i64>() as f64 / unit as f64;
        }
        sums
    };
    week.arrived = sums(&hourly.arrived, 0..hourly.arrived.columns(), 1);
    week.waiting = sums(&hourly.waiting, 0..hourly.waiting.columns(), HOUR_MICROS);
    week.processes = sums(&hourly.processes, 0..hourly.processes.columns(), HOUR_MICROS);
    for (kind, of_kind) in measured.kinds.iter().enumerate().filter(|(_, of_kind)| of_kind.hosts > 0) {
        if kind < hourly.busy.columns() {
            week.busy.insert(of_kind.name.to_string(), sums(&hourly.busy, kind..kind + 1, HOUR_MICROS));
        }
        week.hosts.insert(of_kind.name.to_string(), of_kind.hosts);
    }
    week
}
