//! Jobs that come while those of the snapshot are at work: days of the history, played again.
//!
//! The time ahead is cut into days that begin at the hour of the snapshot. For each, one of the days of the history is
//! drawn that lies whole weeks before it, and the jobs submitted on it come again at the same time of day. Where the history
//! is shorter than a week, any whole day of it may be drawn.

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;
use yardmaster_engine::{
    Entry, EntryId, HostId, Ineligible, Job, JobId, LabelId, LiveRows, RowChange, Span, Time, UserId,
};

use super::ForecastError;
use crate::frontend::sorted;
use crate::history::{HistoricJob, HistoricRequest, History};
use crate::workload::Concern;

const DAY: Span = Span::from_hours(24);

/// The jobs that may come.
pub(super) struct Arrivals {
    taken_at: Time,
    /// Ascending by submission.
    patterns: Vec<Pattern>,
    /// How many days before the snapshot the days begin from which the one that follows it may be drawn.
    days_back: Vec<i64>,
    /// From one such day to the one before it.
    pub(super) period: i64,
    first_job: u32,
    first_entry: u32,
    /// Jobs of the history that ask for what is not there any more.
    pub(super) dropped: usize,
}

/// A job of the history in terms of the live rows.
struct Pattern {
    id: u64,
    submitted: Time,
    profile: Arc<str>,
    /// Its ids, and moments, are yet to be set.
    job: Job,
    parent: Option<u64>,
    /// As a suite: how many hosts its children get at least.
    minimum: u32,
    targets: Vec<Target>,
}

#[derive(Debug, Clone, Copy)]
enum Target {
    Host(HostId),
    Any(LabelId),
    None,
}

/// A job that comes.
pub(super) struct Arrival {
    pub(super) job: JobId,
    pub(super) profile: Arc<str>,
    pub(super) rows: Vec<RowChange>,
}

impl Arrivals {
    /// From the jobs of a history.
    ///
    /// # Errors
    /// If the history is shorter than a day.
    pub(super) fn of(history: &History, rows: &LiveRows, taken_at: Time) -> Result<Arrivals, ForecastError> {
        let days = (history.to - history.from).0.div_euclid(DAY.0);
        let period = if days >= 7 { 7 } else { 1 };
        let days_back: Vec<i64> = (1..=days / period).map(|number| number * period).collect();
        if days_back.is_empty() {
            return Err(ForecastError::HistoryTooShort {
                hours: (history.to - history.from).as_seconds_f64() / 3600.0,
            });
        }
        let translator = Translator::of(history, rows);
        let patterns: Vec<Pattern> = history.jobs.iter().filter_map(|job| translator.pattern(job)).collect();
        let dropped = history.jobs.len() - patterns.len();
        let first_job = 1 + rows.jobs.iter().map(|job| job.id.0).max().unwrap_or(0);
        let first_entry = 1 + rows.entries.iter().map(|entry| entry.id.0).max().unwrap_or(0);
        Ok(Arrivals { taken_at, patterns, days_back, period, first_job, first_entry, dropped })
    }

    /// The jobs that come in one replication.
    pub(super) fn stream(&self, seed: u64, replication: u64) -> Stream<'_> {
        let mut stream = Stream {
            arrivals: self,
            choice: Concern::new(seed, "forecast arrivals"),
            replication,
            day: -1,
            shift: Span::ZERO,
            next: 0,
            end: 0,
            ids: BTreeMap::new(),
            next_job: self.first_job,
            next_entry: self.first_entry,
        };
        stream.begin_days();
        stream
    }
}

/// Days ahead that may be empty in a row before it is believed that nothing comes any more.
const EMPTY_DAYS_MAX: usize = 400;

/// The jobs of one replication, as time goes on.
pub(super) struct Stream<'a> {
    arrivals: &'a Arrivals,
    choice: Concern,
    replication: u64,
    day: i64,
    shift: Span,
    /// Patterns of this day that have not come.
    next: usize,
    end: usize,
    /// Ids of this day's jobs, and the minima of those that are suites.
    ids: BTreeMap<u64, (JobId, u32)>,
    next_job: u32,
    next_entry: u32,
}

impl Stream<'_> {
    /// Goes on to the next day on which a job comes.
    fn begin_days(&mut self) {
        for _ in 0..EMPTY_DAYS_MAX {
            if self.next < self.end {
                return;
            }
            self.day += 1;
            let mut luck = self.choice.stream([self.replication, self.day.cast_unsigned(), 0]);
            let back = self.arrivals.days_back[luck.below(self.arrivals.days_back.len())];
            // The day of the week of this day, as many weeks back; days ahead of the first week wrap around.
            let day = self.day.rem_euclid(self.arrivals.period);
            let from = self.arrivals.taken_at + DAY * (day - back);
            self.shift = DAY * (self.day - day + back);
            let place = |moment| self.arrivals.patterns.partition_point(|pattern| pattern.submitted < moment);
            (self.next, self.end) = (place(from), place(from + DAY));
            self.ids.clear();
        }
    }

    /// When the next one comes.
    pub(super) fn next_moment(&self) -> Option<Time> {
        (self.next < self.end).then(|| self.arrivals.patterns[self.next].submitted + self.shift)
    }

    /// The next one, if it has come by now.
    pub(super) fn take_due(&mut self, now: Time) -> Option<Arrival> {
        let due = self.next_moment().filter(|due| *due <= now)?;
        let pattern = &self.arrivals.patterns[self.next];
        let id = JobId(self.next_job);
        self.next_job += 1;
        self.ids.insert(pattern.id, (id, pattern.minimum));
        let (parent, suite_min_hosts) = match pattern.parent.and_then(|parent| self.ids.get(&parent)) {
            Some((parent, minimum)) => (Some(*parent), *minimum),
            None => (None, 0),
        };
        let job = Job { id, parent, suite_min_hosts, created_on: due, ..pattern.job.clone() };
        let mut rows = vec![RowChange::Job(job)];
        for target in &pattern.targets {
            let (host, label) = match target {
                Target::Host(host) => (Some(*host), None),
                Target::Any(label) => (None, Some(*label)),
                Target::None => (None, None),
            };
            rows.extend(host.map(|host| RowChange::Ineligible(Ineligible { job: id, host })));
            rows.push(RowChange::Entry(Entry::queued(EntryId(self.next_entry), id, host, label)));
            self.next_entry += 1;
        }
        let profile = pattern.profile.clone();
        self.next += 1;
        self.begin_days();
        Some(Arrival { job: id, profile, rows })
    }
}

/// From the names of a history to the ids of rows.
struct Translator<'a> {
    history: &'a History,
    labels: BTreeMap<&'a str, LabelId>,
    hosts: BTreeMap<&'a str, HostId>,
    users: BTreeMap<&'a str, UserId>,
}

impl<'a> Translator<'a> {
    fn of(history: &'a History, rows: &'a LiveRows) -> Translator<'a> {
        Translator {
            history,
            labels: rows.labels.iter().map(|label| (&*label.name, label.id)).collect(),
            hosts: rows.hosts.iter().filter(|host| !host.invalid).map(|host| (&*host.name, host.id)).collect(),
            users: rows.users.iter().map(|user| (&*user.login, user.id)).collect(),
        }
    }

    /// `None`: its owner, a label or a host is not there any more.
    fn pattern(&self, job: &HistoricJob) -> Option<Pattern> {
        let mut labels: Vec<LabelId> =
            job.labels.iter().map(|label| self.labels.get(&**label).copied()).collect::<Option<_>>()?;
        let host = |host: &u32| self.hosts.get(&*self.history.hosts.get(*host as usize)?.name).copied();
        let targets = match &job.request {
            HistoricRequest::Hosts(hosts) => {
                hosts.iter().map(|index| host(index).map(Target::Host)).collect::<Option<_>>()?
            }
            HistoricRequest::Any { count, label } => {
                let label = *self.labels.get(&**label)?;
                labels.push(label);
                vec![Target::Any(label); *count as usize]
            }
            HistoricRequest::Hostless => vec![Target::None],
        };
        let labels: SmallVec<[LabelId; 4]> = sorted(&labels);
        let row = Job {
            id: JobId(0),
            owner: *self.users.get(&*job.owner)?,
            name: job.profile.clone(),
            priority: job.priority,
            synch_count: job.synch_count.max(1),
            run_verify: job.run_verify,
            run_reset: job.run_reset,
            reboot_before: job.reboot_before,
            reboot_after: job.reboot_after,
            labels,
            parent: None,
            suite_min_hosts: 0,
            timeout: job.timeout,
            max_runtime: job.max_runtime,
            created_on: job.submitted,
            drone_set: None,
            shard: None,
            next_group: 0,
        };
        let (id, submitted, parent, minimum) = (job.id, job.submitted, job.parent, job.suite_min_hosts);
        Some(Pattern { id, submitted, profile: job.profile.clone(), job: row, parent, minimum, targets })
    }
}
