//! How processes go in one replication of a forecast.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use yardmaster_engine::{HostId, JobId, LiveRows, Span, Time, Work, WorkKind};

use super::experience::{Belief, Experience, Subject};
use super::lifetimes::Ending;
use super::present::{Present, Standing};
use super::profile::{kind_of_host, profile_of};
use crate::drones::{Course, Earlier, Fate};
use crate::workload::Concern;

/// How long gathering takes of which nothing is known: as in a scenario that says nothing of it.
pub(super) const GATHER: Span = Span::from_seconds(10);
/// How long parsing takes of which nothing is known.
pub(super) const PARSE: Span = Span::from_seconds(5);

/// What jobs and hosts are alike, by their ids.
#[derive(Debug, Default)]
pub(super) struct Likeness {
    kinds: BTreeMap<HostId, Arc<str>>,
    profiles: BTreeMap<JobId, Arc<str>>,
}

impl Likeness {
    /// Of the hosts and jobs of these rows.
    pub(super) fn of(rows: &LiveRows) -> Likeness {
        let labels: BTreeMap<_, _> = rows.labels.iter().map(|label| (label.id, label)).collect();
        let kind =
            |host: &yardmaster_engine::Host| (host.id, kind_of_host(&host.labels, |label| labels.get(&label).copied()));
        Likeness {
            kinds: rows.hosts.iter().map(kind).collect(),
            profiles: rows.jobs.iter().map(|job| (job.id, profile_of(&job.name))).collect(),
        }
    }

    /// The profile of a job.
    pub(super) fn profile(&self, job: JobId) -> Option<&Arc<str>> {
        self.profiles.get(&job)
    }

    /// The kind of a host.
    pub(super) fn kind(&self, host: HostId) -> Option<&Arc<str>> {
        self.kinds.get(&host)
    }
}

/// Draws how processes go. The answer depends on the seed, the replication and the question alone, never on the order of
/// the questions: forecasts of a lab as it is and of the same lab with a change meet the same luck.
pub(super) struct ForecastFate<'a> {
    likeness: &'a Likeness,
    /// Profiles of jobs that arrive.
    arrived: FxHashMap<JobId, Arc<str>>,
    belief: Belief<'a>,
    luck: Concern,
    replication: u64,
    attempts: FxHashMap<(u8, u64), u32>,
}

impl<'a> ForecastFate<'a> {
    pub(super) fn new(experience: &'a Experience, likeness: &'a Likeness, seed: u64, replication: u64) -> Self {
        ForecastFate {
            likeness,
            arrived: FxHashMap::default(),
            belief: Belief::new(experience, seed, replication),
            luck: Concern::new(seed, "forecast luck"),
            replication,
            attempts: FxHashMap::default(),
        }
    }

    /// A job of this profile has come.
    pub(super) fn add_job(&mut self, job: JobId, profile: Arc<str>) {
        self.arrived.insert(job, profile);
    }

    /// How a process goes on that runs already.
    pub(super) fn go_on(&mut self, process: &Present, now: Time) -> Earlier {
        match process.standing {
            Standing::Ended { exit_status } => {
                Earlier::Ended { exit_status, tests_failed: u32::from(exit_status != 0) }
            }
            Standing::Runs { since } => {
                let (remaining, ending) = self.draw(&process.work, Some(since.map_or(Span::ZERO, |since| now - since)));
                Earlier::Runs { remaining, exit_status: ending.exit_status, tests_failed: ending.tests_failed }
            }
        }
    }

    fn draw(&mut self, work: &Work, age: Option<Span>) -> (Span, Ending) {
        let well = Ending { exit_status: 0, tests_failed: 0 };
        let Some(subject) = self.subject(work) else {
            return (if work.kind == WorkKind::Gather { GATHER } else { PARSE }, well);
        };
        let question = question(work);
        let attempt = self.attempts.entry(question).or_default();
        let numbers = [self.replication, question.1 << 8 | u64::from(question.0), u64::from(*attempt)];
        *attempt += 1;
        self.belief.draw(&subject, age, &mut self.luck.stream(numbers))
    }

    /// What history is asked about; nothing of gathering and parsing, of which it knows nothing.
    fn subject(&self, work: &Work) -> Option<Subject> {
        let kind = work.hosts.first().and_then(|host| self.likeness.kinds.get(host));
        let kind = kind.map_or_else(|| Arc::from(""), Arc::clone);
        match work.kind {
            WorkKind::Special(task) => Some(Subject::Task { task, kind }),
            // A runner stands for its test.
            WorkKind::Test | WorkKind::HandOff => {
                let job = work.job?;
                let profile = self.likeness.profiles.get(&job).or_else(|| self.arrived.get(&job));
                Some(Subject::Test { profile: profile.map_or_else(|| Arc::from(""), Arc::clone), kind })
            }
            WorkKind::Gather | WorkKind::Parse => None,
        }
    }
}

/// Which kind of process, for which entry or else on which host.
fn question(work: &Work) -> (u8, u64) {
    let kind = match work.kind {
        WorkKind::Special(kind) => kind as u8,
        WorkKind::Test | WorkKind::HandOff => 5,
        WorkKind::Gather => 6,
        WorkKind::Parse => 7,
    };
    let whom = match (work.entries.first(), work.hosts.first()) {
        (Some(entry), _) => u64::from(entry.0) << 1,
        (None, Some(host)) => u64::from(host.0) << 1 | 1,
        (None, None) => 1,
    };
    (kind, whom)
}

impl Fate for ForecastFate<'_> {
    fn course(&mut self, work: &Work, _now: Time) -> Option<Course> {
        let (runtime, Ending { exit_status, tests_failed }) = self.draw(work, None);
        Some(Course { startup: Span::ZERO, runtime, exit_status, tests_failed })
    }
}
