//! What a plan needs of one replication: a summary that is small, can be kept in a file, and can be added up.
//!
//! It is put together from what was measured of a lab's parts, be they many or one. What adds up is kept by kind and in whole numbers
//! until then, so that not a digit depends on how many there were.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use yardmaster_engine::{Span, Time};

use super::objective::JobGroup;
use super::statistics::Waits;
use crate::run::{Grid, HostUse, Load, Measurement, Window};
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
    /// The most processes that ran on all drones at once is at most this: see [`Load`].
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

/// What was measured of a part of a lab. No kind is in two parts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PartObservation {
    window: Window,
    groups: Vec<(JobGroup, JobTimes)>,
    suites: Vec<(JobGroup, Waits)>,
    kinds: Vec<KindPart>,
    pub(super) load: Load,
}

/// One kind in one part.
#[derive(Debug, Clone, PartialEq)]
struct KindPart {
    name: String,
    hosts: u32,
    spent: [Span; HostUse::ALL.len()],
    processes: Span,
    /// Jobs in whole days.
    arrived: u64,
    /// Entries that wait, and those whose results are parsed or wait for that (entry · µs), by whole day.
    waiting: Vec<i64>,
    parsing: Vec<i64>,
    week: KindWeek,
}

/// A kind's hours, summed up by hour of the week.
#[derive(Debug, Clone, PartialEq)]
struct KindWeek {
    arrived: Vec<i64>,
    /// · µs
    waiting: Vec<i64>,
    processes: Vec<i64>,
    busy: Vec<i64>,
}

impl PartObservation {
    /// Sums up a measurement.
    pub(super) fn of(plan: &Plan, measured: &Measurement) -> PartObservation {
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
        let first = first_hour(plan, measured.window);
        PartObservation {
            window: measured.window,
            groups: groups.into_iter().map(|(group, of_group)| (group, times(of_group))).collect(),
            suites: suites.into_iter().map(|(group, ends)| (group, ends.into_iter().collect())).collect(),
            kinds: (0..measured.kinds.len()).map(|kind| KindPart::of(measured, kind, first)).collect(),
            load: measured.load.clone(),
        }
    }

    /// How much memory it takes, about (bytes).
    pub(super) fn size(&self) -> usize {
        let times = |times: &JobTimes| times.waits.counts().len() + times.turnarounds.counts().len();
        let groups: usize = self.groups.iter().map(|(_, of_group)| 256 + 16 * times(of_group)).sum();
        let suites: usize = self.suites.iter().map(|(_, ends)| 256 + 16 * ends.counts().len()).sum();
        let kinds: usize = self.kinds.iter().map(|kind| 512 + 8 * (4 * WEEK + 2 * kind.waiting.len())).sum();
        groups + suites + kinds + 12 * self.load.processes.len()
    }
}

impl KindPart {
    fn of(measured: &Measurement, kind: usize, first: usize) -> KindPart {
        let (of_kind, hourly) = (&measured.kinds[kind], &measured.hourly);
        let whole = whole_hours(measured.window);
        let waiting = by_day(&hourly.waiting, kind, whole);
        let whole_days = waiting.len() * HOURS_OF_DAY;
        let by_hour_of_week = |grid| by_hour_of_week(grid, kind, first, whole);
        KindPart {
            name: of_kind.name.to_string(),
            hosts: of_kind.hosts,
            spent: of_kind.time,
            processes: of_kind.processes,
            arrived: hourly.arrived.hours().take(whole_days).map(|hour| hour[kind] as u64).sum(),
            waiting,
            parsing: by_day(&hourly.parsing, kind, whole),
            week: KindWeek {
                arrived: by_hour_of_week(&hourly.arrived),
                waiting: by_hour_of_week(&hourly.waiting),
                processes: by_hour_of_week(&hourly.processes),
                busy: by_hour_of_week(&hourly.busy),
            },
        }
    }
}

impl Observation {
    /// Puts the parts of a plan together: all of them.
    pub(super) fn of(plan: &Plan, parts: &[impl Borrow<PartObservation>]) -> Observation {
        let parts = || parts.iter().map(Borrow::borrow);
        let mut kinds: Vec<&KindPart> = parts().flat_map(|part| &part.kinds).collect();
        kinds.sort_by(|one, other| one.name.cmp(&other.name));
        let mut groups: Vec<(JobGroup, JobTimes)> = parts().flat_map(|part| part.groups.iter().cloned()).collect();
        groups.sort_by(|one, other| one.0.cmp(&other.0));
        let mut suites: Vec<(JobGroup, Waits)> = parts().flat_map(|part| part.suites.iter().cloned()).collect();
        suites.sort_by(|one, other| one.0.cmp(&other.0));
        let window = parts().next().map_or(Window { from: plan.start, to: plan.start }, |part| part.window);
        let seconds = window.length().as_seconds_f64();
        let processes = kinds.iter().fold(Span::ZERO, |sum, kind| sum + kind.processes);
        let peak = |which: fn(&Load) -> &[u32]| {
            let hours = Load::hours_of(plan.start, window);
            let at = |hour: usize| parts().filter_map(|part| which(&part.load).get(hour)).sum();
            hours.map(at).max().unwrap_or(0)
        };
        Observation {
            groups,
            suites,
            kinds: kinds.iter().map(|kind| KindObservation::of(kind)).collect(),
            drones: [processes.as_seconds_f64(), plan.room() as f64 * seconds],
            processes_peak: peak(|load| &load.processes),
            parsers_peak: peak(|load| &load.parsers),
            results_backlog: means_by_day(&sum(kinds.iter().map(|kind| &*kind.parsing))),
            week: week(first_hour(plan, window), window, &kinds),
        }
    }
}

impl KindObservation {
    fn of(part: &KindPart) -> KindObservation {
        KindObservation {
            name: part.name.clone(),
            hosts: part.hosts,
            spent: part.spent.iter().map(|spent| spent.as_seconds_f64()).collect(),
            arrived: part.arrived,
            backlog: means_by_day(&part.waiting),
        }
    }
}

/// Adds up rows of numbers.
fn sum<'a>(rows: impl Iterator<Item = &'a [i64]>) -> Vec<i64> {
    let mut sums = Vec::new();
    for row in rows {
        sums.resize(sums.len().max(row.len()), 0);
        sums.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
    }
    sums
}

/// Hours of a window that it does not cut short: a part of one has another mean.
fn whole_hours(window: Window) -> usize {
    (window.length().0.max(0) / HOUR_MICROS) as usize
}

/// A column of levels, summed up by whole day: a part of a day has another mean than a day, night or noon.
fn by_day(levels: &Grid, column: usize, whole: usize) -> Vec<i64> {
    let hours: Vec<i64> = levels.hours().take(whole).map(|hour| hour[column]).collect();
    hours.chunks_exact(HOURS_OF_DAY).map(|day| day.iter().sum()).collect()
}

fn means_by_day(sums: &[i64]) -> Vec<f64> {
    sums.iter().map(|sum| *sum as f64 / (HOURS_OF_DAY as i64 * HOUR_MICROS) as f64).collect()
}

/// The hour of the week with which a window begins.
fn first_hour(plan: &Plan, window: Window) -> usize {
    match plan.unix_time {
        true => hour_of_week(window.from),
        false => ((window.from - plan.start).0 / HOUR_MICROS) as usize % WEEK,
    }
}

/// A column of numbers by hour, summed up by hour of the week; zeros where there is no such column.
fn by_hour_of_week(grid: &Grid, column: usize, first: usize, whole: usize) -> Vec<i64> {
    let mut sums = vec![0; WEEK];
    for (hour, cells) in grid.hours().take(whole).enumerate() {
        sums[(first + hour) % WEEK] += cells.get(column).copied().unwrap_or(0);
    }
    sums
}

fn week(first: usize, window: Window, kinds: &[&KindPart]) -> Week {
    let mut hours = vec![0; WEEK];
    (0..whole_hours(window)).for_each(|hour| hours[(first + hour) % WEEK] += 1);
    let means = |sums: &[i64]| sums.iter().map(|sum| *sum as f64 / HOUR_MICROS as f64).collect();
    let all = |which: fn(&KindWeek) -> &[i64]| sum(kinds.iter().map(|kind| which(&kind.week)));
    let of_hosts = || kinds.iter().filter(|kind| kind.hosts > 0);
    Week {
        hours,
        arrived: all(|week| &week.arrived).iter().map(|jobs| *jobs as f64).collect(),
        waiting: means(&all(|week| &week.waiting)),
        processes: means(&all(|week| &week.processes)),
        busy: of_hosts().map(|kind| (kind.name.clone(), means(&kind.week.busy))).collect(),
        hosts: of_hosts().map(|kind| (kind.name.clone(), kind.hosts)).collect(),
    }
}
