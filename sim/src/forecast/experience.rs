//! What a lab's history says of how long its processes take, by what they do and on what.
//!
//! Of tests it is asked by profile and kind of host; where too little was seen of that pair, by profile on any host; then by
//! kind of host whatever the test; then of all tests. Of special tasks by what they do and the kind of host, then by what
//! they do. A level is taken if enough ends were seen on it and one of them took longer than the process in question has
//! lasted; if none is, then the narrowest with one that took longer. Ten are enough to tell kinds of hosts apart, four to
//! tell a test from all others: with five, forecasts from short histories were too sure of themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use yardmaster_engine::{Span, TaskKind, Time};

use super::lifetimes::{Curve, Ending, Lifetimes, Observation};
use crate::history::{HistoricJob, History, JobEnding};
use crate::workload::{Concern, Stream};

/// Wait status of a process that failed: exit 1.
const FAILED: i32 = 256;
const WELL: Ending = Ending { exit_status: 0, tests_failed: 0 };

/// What a question is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// The test of a job of this profile, on a host of this kind; a hostless one's kind is empty.
    Test { profile: Arc<str>, kind: Arc<str> },
    /// A special task on a host of this kind.
    Task { task: TaskKind, kind: Arc<str> },
}

/// What observations are kept under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    ProfileOnKind(Arc<str>, Arc<str>),
    Profile(Arc<str>),
    TestOnKind(Arc<str>),
    AnyTest,
    TaskOnKind(TaskKind, Arc<str>),
    Task(TaskKind),
}

impl Level {
    /// So many ends are enough not to ask the next level.
    fn enough(&self) -> usize {
        match self {
            Level::ProfileOnKind(..) | Level::TestOnKind(_) | Level::TaskOnKind(..) => 10,
            Level::Profile(_) => 4,
            Level::AnyTest | Level::Task(_) => 1,
        }
    }
}

impl Subject {
    /// The narrowest first.
    fn levels(&self) -> Vec<Level> {
        match self {
            Subject::Test { profile, kind } => vec![
                Level::ProfileOnKind(profile.clone(), kind.clone()),
                Level::Profile(profile.clone()),
                Level::TestOnKind(kind.clone()),
                Level::AnyTest,
            ],
            Subject::Task { task, kind } => vec![Level::TaskOnKind(*task, kind.clone()), Level::Task(*task)],
        }
    }

    /// What is assumed of a process of which nothing was ever seen: what the simulator assumes where a scenario says
    /// nothing.
    fn assumed(&self) -> Span {
        Span::from_seconds(match self {
            Subject::Test { .. } => 600,
            Subject::Task { task, .. } => match task {
                TaskKind::Verify => 30,
                TaskKind::Cleanup => 60,
                TaskKind::Reset => 90,
                TaskKind::Repair => 300,
                TaskKind::Provision => 600,
            },
        })
    }
}

/// From what a duration was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ground {
    /// From ends that were seen of exactly such processes.
    Same,
    /// From ends of similar ones, on a broader level.
    Similar,
    /// Nothing like it was ever seen to end so late: as long again, on average, as it has lasted.
    BeyondAll,
    /// Nothing like it was ever seen to end.
    Assumed,
}

/// Everything that was seen, by level.
#[derive(Debug)]
pub(super) struct Experience {
    places: BTreeMap<Level, usize>,
    lifetimes: Vec<Lifetimes>,
    /// Jobs of whose length nothing could be learned, since their hosts ran them one by one.
    pub(super) split_jobs: usize,
}

impl Experience {
    /// Learns from a history.
    pub(super) fn of(history: &History) -> Experience {
        let mut seen: BTreeMap<Level, Vec<Observation>> = BTreeMap::new();
        let mut put = |subject: Subject, observation: Observation| {
            subject.levels().into_iter().for_each(|level| seen.entry(level).or_default().push(observation));
        };
        let kind_of = |host: Option<&u32>| {
            let host = host.and_then(|host| history.hosts.get(*host as usize));
            host.map_or_else(|| Arc::from(""), |host| host.kind.clone())
        };
        let mut split_jobs = 0;
        for job in &history.jobs {
            if is_split(job) {
                split_jobs += 1;
                continue;
            }
            if let Some(observation) = observation(job, history) {
                put(Subject::Test { profile: job.profile.clone(), kind: kind_of(job.hosts.first()) }, observation);
            }
        }
        for task in &history.tasks {
            let exit_status = if task.success { 0 } else { FAILED };
            let seconds = (task.ended - task.started).as_seconds_f64();
            let ending = Some(Ending { exit_status, tests_failed: 0 });
            put(Subject::Task { task: task.kind, kind: kind_of(Some(&task.host)) }, Observation { seconds, ending });
        }
        let (mut places, mut lifetimes) = (BTreeMap::new(), Vec::with_capacity(seen.len()));
        for (level, observations) in seen {
            places.insert(level, lifetimes.len());
            lifetimes.push(Lifetimes::new(observations));
        }
        Experience { places, lifetimes, split_jobs }
    }

    /// The level to be asked about a process of this age, and whether it is the narrowest.
    fn level(&self, subject: &Subject, age: Option<f64>) -> Option<(usize, Ground)> {
        let levels = subject.levels();
        let known = levels.iter().enumerate().filter_map(|(rank, level)| {
            let place = *self.places.get(level)?;
            let lifetimes = &self.lifetimes[place];
            let ground = if rank == 0 { Ground::Same } else { Ground::Similar };
            let longest = lifetimes.longest()?;
            let enough = lifetimes.events() >= level.enough();
            age.is_none_or(|age| age < longest).then_some((place, ground, enough))
        });
        let known: Vec<(usize, Ground, bool)> = known.collect();
        let enough = known.iter().find(|(_, _, enough)| *enough);
        enough.or(known.first()).map(|(place, ground, _)| (*place, *ground))
    }

    /// Whether any test was seen to its end; of this profile, if one is given.
    pub(super) fn knows_tests(&self, profile: Option<&Arc<str>>) -> bool {
        let level = profile.map_or(Level::AnyTest, |profile| Level::Profile(profile.clone()));
        self.places.get(&level).is_some_and(|place| self.lifetimes[*place].events() > 0)
    }

    /// From what the length of such a process of this age is drawn.
    pub(super) fn ground(&self, subject: &Subject, age: Option<f64>) -> Ground {
        match self.level(subject, age) {
            Some((_, ground)) => ground,
            None if age.is_some() && self.level(subject, None).is_some() => Ground::BeyondAll,
            None => Ground::Assumed,
        }
    }
}

/// Whether its hosts run a job one by one: some of its tests have ended while others are to come, or came later.
fn is_split(job: &HistoricJob) -> bool {
    let between = job.ending == JobEnding::Open && job.ended.is_some();
    job.started.is_some() && (between || job.hosts.len() > job.synch_count.max(1) as usize)
}

fn observation(job: &HistoricJob, history: &History) -> Option<Observation> {
    let started = job.started?;
    let lasted = |end: Time| (end - started).as_seconds_f64();
    let ending = |exit_status| Some(Ending { exit_status, tests_failed: job.tests_failed });
    Some(match (job.ending, job.ended) {
        (JobEnding::Completed, Some(end)) => Observation { seconds: lasted(end), ending: ending(0) },
        (JobEnding::Failed, Some(end)) => Observation { seconds: lasted(end), ending: ending(FAILED) },
        (JobEnding::Aborted, Some(end)) => Observation { seconds: lasted(end), ending: None },
        (JobEnding::Open, Some(_)) | (_, None) => Observation { seconds: lasted(history.to), ending: None },
    })
}

/// What one replication believes: the experience under its own weights. Curves are made when first needed.
#[derive(Debug)]
pub(super) struct Belief<'a> {
    experience: &'a Experience,
    curves: Vec<Option<Curve>>,
    weights: Concern,
    replication: u64,
}

impl<'a> Belief<'a> {
    pub(super) fn new(experience: &'a Experience, seed: u64, replication: u64) -> Belief<'a> {
        let curves = vec![None; experience.lifetimes.len()];
        Belief { experience, curves, weights: Concern::new(seed, "forecast weights"), replication }
    }

    /// How long a process lasts from now on that has lasted `age`, or starts now, and how it ends.
    pub(super) fn draw(&mut self, subject: &Subject, age: Option<Span>, luck: &mut Stream) -> (Span, Ending) {
        let age = age.map(|age| age.as_seconds_f64().max(0.0));
        let luck = luck.unit();
        let level = self.experience.level(subject, age);
        let drawn = level.and_then(|(place, _)| self.curve(place).draw(age, luck));
        let (seconds, ending) = match (drawn, age) {
            (Some(drawn), _) => drawn,
            (None, Some(age)) => {
                let mean = age.max(subject.assumed().as_seconds_f64());
                (age - libm::log(luck) * mean, WELL)
            }
            (None, None) => (subject.assumed().as_seconds_f64(), WELL),
        };
        (Span::from_seconds_f64(seconds - age.unwrap_or(0.0)), ending)
    }

    fn curve(&mut self, place: usize) -> &Curve {
        let (experience, weights, replication) = (self.experience, &self.weights, self.replication);
        self.curves[place].get_or_insert_with(|| {
            experience.lifetimes[place].curve(&mut weights.stream([replication, place as u64, 0]))
        })
    }
}
