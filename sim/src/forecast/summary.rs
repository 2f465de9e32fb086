//! What all replications together say.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};
use yardmaster_engine::{EntryStatus, Job, JobId, LiveRows, Span, Time};

use super::profile::profile_of;
use super::reasons::{Unserved, unserved};
use super::replication::Course;
use super::run::{ArrivalModel, Outcomes, is_open, milliseconds};
use crate::history::History;

/// A job that starts within this has not waited: the service level that labs state.
pub(super) const PROMPT: Span = Span::from_minutes(10);

/// What to expect of a lab.
#[derive(Debug, Clone, Serialize)]
pub struct Forecast {
    /// When the snapshot was taken, in seconds of its source.
    #[serde(serialize_with = "seconds_of_moment", rename = "taken_at_seconds")]
    pub taken_at: Time,
    /// Whether moments are Unix time.
    pub unix_time: bool,
    /// How many replications there are.
    pub replications: usize,
    /// The seed.
    pub seed: u64,
    /// Whether jobs come meanwhile.
    pub arrivals: ArrivalModel,
    /// How far it looks.
    #[serde(serialize_with = "seconds", rename = "horizon_seconds")]
    pub horizon: Span,
    /// What was changed in the lab before, in words.
    pub changes: Vec<String>,
    /// When the queue is worked off.
    pub drain: Drain,
    /// Every job that has not ended, ascending.
    pub jobs: Vec<JobForecast>,
    /// Every suite with jobs that have not ended, ascending.
    pub suites: Vec<SuiteForecast>,
    /// Jobs that cannot be served as the lab is.
    pub never: Vec<Never>,
    /// What was assumed.
    pub assumptions: Vec<String>,
}

/// When the jobs of the snapshot are worked off, those left out that cannot be served.
#[derive(Debug, Clone, Serialize)]
pub struct Drain {
    /// When the last of them starts, after the snapshot.
    pub last_start: Quantiles,
    /// When the last of them ends.
    pub last_end: Quantiles,
    /// The same in each replication.
    #[serde(skip)]
    pub(super) last_ends: Vec<Option<Span>>,
}

/// Quantiles over replications, in seconds after the snapshot. Reality is as one replication more: with the chance
/// k / (R + 1) it lies below the k-th of R, and a quantile is where this is the chance that it names, between two ranks on
/// the line. `None`: in so many replications it does not happen within the horizon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// 5 %.
    #[serde(serialize_with = "perhaps_seconds")]
    pub p05: Option<Span>,
    /// Median.
    #[serde(serialize_with = "perhaps_seconds")]
    pub p50: Option<Span>,
    /// 90 %.
    #[serde(serialize_with = "perhaps_seconds")]
    pub p90: Option<Span>,
    /// 95 %: with 5 %, the ends of the 90 % interval.
    #[serde(serialize_with = "perhaps_seconds")]
    pub p95: Option<Span>,
}

/// What to expect of a job.
#[derive(Debug, Clone, Serialize)]
pub struct JobForecast {
    /// Its number.
    pub job: u32,
    /// Its name.
    pub name: String,
    /// Its profile.
    pub profile: String,
    /// Login of its owner.
    pub owner: String,
    /// Its priority.
    pub priority: i32,
    /// Its suite.
    pub suite: Option<u32>,
    /// The status of most of its entries.
    pub status: EntryStatus,
    /// Entries that have not ended.
    pub entries: u32,
    /// For how long its test has run at the snapshot, if it runs.
    #[serde(serialize_with = "perhaps_seconds", rename = "running_for_seconds")]
    pub running_for: Option<Span>,
    /// When its first test starts; `None` if it has.
    pub start: Option<Quantiles>,
    /// When it ends.
    pub end: Quantiles,
    /// Chance that it starts within ten minutes; `None` if it has started.
    pub starts_within_10_min: Option<f64>,
    /// Chance that it does not start at all, or not within the horizon; `None` if it has started.
    pub does_not_start: Option<f64>,
    /// Chance that a time limit ends it, its own or its suite's.
    pub hits_time_limit: f64,
    /// Chance that it fails.
    pub fails: f64,
}

/// What to expect of a suite.
#[derive(Debug, Clone, Serialize)]
pub struct SuiteForecast {
    /// The suite's own job.
    pub suite: u32,
    /// Its name, where it is known.
    pub name: Option<String>,
    /// Its jobs that have not ended.
    pub jobs: u32,
    /// When the last of them ends.
    pub end: Quantiles,
    /// When it is to be done, after the snapshot: the time limit of the suite's own job, where it is known.
    #[serde(serialize_with = "perhaps_seconds", rename = "deadline_seconds")]
    pub deadline: Option<Span>,
    /// Chance that it is not done by then.
    pub misses_deadline: Option<f64>,
}

/// A job that cannot be served.
#[derive(Debug, Clone, Serialize)]
pub struct Never {
    /// Its number.
    pub job: u32,
    /// Its name.
    pub name: String,
    /// How many of its entries.
    pub entries: u32,
    /// Why.
    pub reason: Unserved,
}

fn seconds<S: Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(span.as_seconds_f64())
}

fn seconds_of_moment<S: Serializer>(moment: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(moment.as_seconds_f64())
}

pub(super) fn perhaps_seconds<S: Serializer>(span: &Option<Span>, serializer: S) -> Result<S::Ok, S::Error> {
    span.map(Span::as_seconds_f64).serialize(serializer)
}

impl Quantiles {
    /// Of one value from each replication.
    pub fn of(values: impl IntoIterator<Item = Option<Span>>) -> Quantiles {
        let mut values: Vec<Option<Span>> = values.into_iter().collect();
        // What does not happen comes last.
        values.sort_unstable_by_key(|value| (value.is_none(), *value));
        let at = |percent: usize| {
            let hundredths = (percent * (values.len() + 1)).clamp(100, (100 * values.len()).max(100));
            let low = values.get(hundredths / 100 - 1).copied().flatten()?;
            match hundredths % 100 {
                0 => Some(low),
                rest => values.get(hundredths / 100).copied().flatten().map(|high| between(low, high, rest)),
            }
        };
        Quantiles { p05: at(5), p50: at(50), p90: at(90), p95: at(95) }
    }
}

/// So many hundredths of the way from one to the other.
fn between(low: Span, high: Span, hundredths: usize) -> Span {
    low + Span((high.0 - low.0) * hundredths as i64 / 100)
}

/// The live rows by what is asked of them.
struct Rows<'a> {
    jobs: BTreeMap<JobId, &'a Job>,
    owners: BTreeMap<yardmaster_engine::UserId, &'a str>,
    entries: BTreeMap<JobId, Vec<&'a yardmaster_engine::Entry>>,
}

impl<'a> Rows<'a> {
    fn of(rows: &'a LiveRows) -> Rows<'a> {
        let mut entries: BTreeMap<JobId, Vec<_>> = BTreeMap::new();
        for entry in rows.entries.iter().filter(|entry| is_open(entry)) {
            entries.entry(entry.job).or_default().push(entry);
        }
        Rows {
            jobs: rows.jobs.iter().map(|job| (job.id, job)).collect(),
            owners: rows.users.iter().map(|user| (user.id, &*user.login)).collect(),
            entries,
        }
    }

    /// When the first test of a job started.
    fn started(&self, job: JobId) -> Option<Time> {
        self.entries.get(&job).into_iter().flatten().filter_map(|entry| entry.started_on).min()
    }
}

impl Forecast {
    /// What the outcomes say of the lab of which this is the history.
    pub fn of(outcomes: &Outcomes, history: &History) -> Forecast {
        let rows = Rows::of(&outcomes.rows);
        let never = unserved(&outcomes.rows, &outcomes.settings, outcomes.taken_at);
        let hopeless: BTreeSet<JobId> = never.iter().map(|(job, _, _)| *job).collect();
        let places = outcomes.jobs.iter().enumerate();
        let jobs = places.map(|(place, job)| job_forecast(outcomes, &rows, place, *job)).collect();
        let name = |job: JobId| rows.jobs.get(&job).map_or_else(String::new, |job| job.name.to_string());
        let never = never.iter().map(|&(job, reason, entries)| Never { job: job.0, name: name(job), entries, reason });
        Forecast {
            taken_at: outcomes.taken_at,
            unix_time: outcomes.unix_time,
            replications: outcomes.replications(),
            seed: outcomes.options.seed,
            arrivals: outcomes.options.arrivals,
            horizon: outcomes.options.horizon,
            changes: outcomes.options.changes.iter().map(ToString::to_string).collect(),
            drain: drain(outcomes, &rows, &hopeless),
            suites: suites(outcomes, &rows, history),
            jobs,
            never: never.collect(),
            assumptions: outcomes.assumptions.clone(),
        }
    }

    /// How many jobs do not start, or not within the horizon, on average over the replications.
    pub fn not_started(&self) -> f64 {
        self.jobs.iter().filter_map(|job| job.does_not_start).sum()
    }

    /// What to expect of one job.
    pub fn job(&self, job: u32) -> Option<&JobForecast> {
        self.jobs.iter().find(|known| known.job == job)
    }
}

/// The last of the jobs that can be served. `None` where one is not through within the horizon.
fn drain(outcomes: &Outcomes, rows: &Rows<'_>, hopeless: &BTreeSet<JobId>) -> Drain {
    let servable: Vec<(usize, bool)> = outcomes
        .jobs
        .iter()
        .enumerate()
        .filter(|(_, job)| !hopeless.contains(job))
        .map(|(place, job)| (place, rows.started(*job).is_some()))
        .collect();
    let last = |moment: &dyn Fn(&Course, bool) -> Option<u32>| {
        let of_one = |courses: &Vec<Course>| {
            let moments = servable.iter().map(|(place, started)| moment(&courses[*place], *started));
            moments.last_of_all().map(milliseconds)
        };
        outcomes.courses.iter().map(of_one).collect::<Vec<Option<Span>>>()
    };
    // What ends without a start is not the last to start, nor waited for.
    let start =
        |course: &Course, started: bool| if started { Some(0) } else { course.started.or(course.ended.map(|_| 0)) };
    let last_ends = last(&|course, _| course.ended);
    Drain { last_start: Quantiles::of(last(&start)), last_end: Quantiles::of(last_ends.iter().copied()), last_ends }
}

/// The greatest of moments; `None` if one of them never comes.
trait LastOfAll {
    fn last_of_all(self) -> Option<u32>;
}

impl<I: Iterator<Item = Option<u32>>> LastOfAll for I {
    fn last_of_all(self) -> Option<u32> {
        self.into_iter().try_fold(0, |last, moment| Some(moment?.max(last)))
    }
}

fn job_forecast(outcomes: &Outcomes, rows: &Rows<'_>, place: usize, job: JobId) -> JobForecast {
    let row = rows.jobs.get(&job);
    let entries = rows.entries.get(&job).map_or(&[][..], Vec::as_slice);
    let mut counts: BTreeMap<EntryStatus, u32> = BTreeMap::new();
    entries.iter().for_each(|entry| *counts.entry(entry.status).or_default() += 1);
    let status = counts.iter().max_by_key(|(_, count)| **count).map_or(EntryStatus::Queued, |(status, _)| *status);
    let started = rows.started(job);
    let asked = entries.iter().any(|entry| entry.aborted);
    let courses = || outcomes.courses.iter().map(|courses| &courses[place]);
    let share = |holds: &dyn Fn(&Course) -> bool| {
        courses().filter(|course| holds(course)).count() as f64 / outcomes.replications() as f64
    };
    let prompt = u32::try_from(PROMPT.0 / 1000).unwrap_or(u32::MAX);
    let waits = started.is_none();
    JobForecast {
        job: job.0,
        name: row.map_or_else(String::new, |row| row.name.to_string()),
        profile: row.map_or_else(String::new, |row| profile_of(&row.name).to_string()),
        owner: row.and_then(|row| rows.owners.get(&row.owner)).map_or_else(String::new, |owner| (*owner).to_owned()),
        priority: row.map_or(0, |row| row.priority),
        suite: row.and_then(|row| row.parent).map(|parent| parent.0),
        status,
        entries: entries.len() as u32,
        running_for: started.map(|started| outcomes.taken_at - started),
        start: waits.then(|| Quantiles::of(courses().map(|course| course.started.map(milliseconds)))),
        end: Quantiles::of(courses().map(|course| course.ended.map(milliseconds))),
        starts_within_10_min: waits.then(|| share(&|course| course.started.is_some_and(|started| started <= prompt))),
        does_not_start: waits.then(|| share(&|course| course.started.is_none())),
        hits_time_limit: if asked { 0.0 } else { share(&|course| course.aborted) },
        fails: share(&|course| course.failed),
    }
}

fn suites(outcomes: &Outcomes, rows: &Rows<'_>, history: &History) -> Vec<SuiteForecast> {
    let mut members: BTreeMap<JobId, Vec<usize>> = BTreeMap::new();
    for (place, job) in outcomes.jobs.iter().enumerate() {
        if let Some(parent) = rows.jobs.get(job).and_then(|job| job.parent) {
            members.entry(parent).or_default().push(place);
        }
    }
    let forecast = |(suite, members): (JobId, Vec<usize>)| {
        let past = history.jobs.iter().find(|job| job.id == u64::from(suite.0));
        let deadline = match rows.jobs.get(&suite) {
            Some(job) => Some(job.created_on + job.timeout),
            None => past.map(|job| job.submitted + job.timeout),
        };
        let deadline = deadline.map(|deadline| deadline - outcomes.taken_at);
        let end =
            |courses: &Vec<Course>| members.iter().map(|place| courses[*place].ended).last_of_all().map(milliseconds);
        let ends: Vec<Option<Span>> = outcomes.courses.iter().map(end).collect();
        let misses = deadline.map(|deadline| {
            let missed = ends.iter().filter(|end| end.is_none_or(|end| end > deadline)).count();
            missed as f64 / ends.len() as f64
        });
        let name = rows.jobs.get(&suite).map(|job| job.name.to_string());
        SuiteForecast {
            suite: suite.0,
            name: name.or_else(|| past.map(|job| job.profile.to_string())),
            jobs: members.len() as u32,
            end: Quantiles::of(ends),
            deadline,
            misses_deadline: misses,
        }
    };
    members.into_iter().map(forecast).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_happens_is_later_than_everything() {
        let seconds = |values: &[Option<i64>]| Quantiles::of(values.iter().map(|value| value.map(Span::from_seconds)));
        let quantiles = seconds(&[None, Some(3), Some(1), Some(2)]);
        assert_eq!(quantiles.p05, Some(Span::from_seconds(1)));
        assert_eq!(quantiles.p50, Some(Span::from_seconds_f64(2.5)));
        assert_eq!((quantiles.p90, quantiles.p95), (None, None));
        assert_eq!(Quantiles::of([]).p50, None);
    }

    #[test]
    fn reality_is_one_replication_more() {
        let quantiles = Quantiles::of((1..=99).map(|second| Some(Span::from_seconds(second))));
        let seconds =
            [quantiles.p05, quantiles.p50, quantiles.p90, quantiles.p95].map(|q| q.expect("it happens").0 / 1_000_000);
        assert_eq!(seconds, [5, 50, 90, 95]);
        assert_eq!(Quantiles::of([Some(Span::from_seconds(7))]).p95, Some(Span::from_seconds(7)));
    }
}
