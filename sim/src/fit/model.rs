//! A fitted lab as data: what `text` writes down, and what a program may look at.

use std::sync::Arc;

use yardmaster_engine::{RebootAfter, RebootBefore, Span, TaskKind, Time};

use super::rates::Rate;
use super::sample::Fitted;

/// A lab learned from its history.
#[derive(Debug, Clone)]
pub struct FittedLab {
    /// The scenario's name.
    pub name: String,
    /// One sentence.
    pub about: String,
    /// What it rests on, what was assumed and what was dropped: sentences.
    pub notes: Vec<String>,
    /// The first moment of the scenario …
    pub start: Time,
    /// … and its last.
    pub end: Time,
    /// Whether these are Unix time.
    pub unix_time: bool,
    /// The scheduler's settings that are not as usual.
    pub settings: toml::Table,
    /// The hosts.
    pub hosts: Vec<HostGroup>,
    /// The drones: name and processes.
    pub drones: Vec<(Arc<str>, u32)>,
    /// What most jobs are like.
    pub usual: Manner,
    /// How often something is pushed, by the name of each kind of push; empty if nothing is.
    pub bursts: Vec<(&'static str, Rate)>,
    /// The jobs.
    pub generators: Vec<Generator>,
    /// All tests together, for jobs of which no length is known.
    pub tests: Option<Fitted>,
    /// Special tasks.
    pub tasks: Vec<Tasks>,
    /// `[processes]` that the source gave and nothing was learned of.
    pub processes: toml::Table,
    /// Hosts out of service.
    pub outages: Vec<Outages>,
}

/// Hosts that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostGroup {
    /// Their names.
    pub names: Vec<Arc<str>>,
    /// Their kind.
    pub kind: Arc<str>,
    /// Their labels.
    pub labels: Vec<Arc<str>>,
    /// Locked from the start.
    pub locked: bool,
}

/// What a job is like besides its profile.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Manner {
    /// Its class.
    pub class: Arc<str>,
    /// Its priority.
    pub priority: i32,
    /// Who submits it.
    pub owner: Arc<str>,
    /// How many hosts run it together.
    pub synch_count: u32,
    /// Dependency labels.
    pub labels: Vec<Arc<str>>,
    /// Verify hosts before.
    pub run_verify: bool,
    /// Reset hosts before.
    pub run_reset: bool,
    /// Clean hosts before.
    pub reboot_before: RebootBefore,
    /// Clean hosts after.
    pub reboot_after: RebootAfter,
    /// Aborted so long after submission.
    pub timeout: Span,
    /// Aborted so long after its start.
    pub max_runtime: Span,
}

/// The hosts that jobs ask for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// So many hosts, each any with this label.
    Any {
        /// With which label.
        label: Arc<str>,
        /// How many.
        count: u32,
    },
    /// One certain host of this kind, each its own jobs.
    EachOfKind(Arc<str>),
    /// This host.
    Host(Arc<str>),
    /// None.
    Hostless,
}

impl Place {
    /// How many hosts a job has.
    pub(super) fn hosts(&self) -> u32 {
        match self {
            Place::Any { count, .. } => *count,
            // A job without a host is one process.
            Place::EachOfKind(_) | Place::Host(_) | Place::Hostless => 1,
        }
    }
}

/// Jobs that come together, or in the same rhythm, and ask for the same hosts.
#[derive(Debug, Clone)]
pub struct Generator {
    /// Its name.
    pub name: String,
    /// When its jobs come; never empty.
    pub arrivals: Vec<Arrivals>,
    /// What they are.
    pub mix: Vec<JobType>,
}

/// When jobs come.
#[derive(Debug, Clone)]
pub enum Arrivals {
    /// One by one, at random.
    Single(Rate),
    /// With some of the pushes.
    OnBursts {
        /// With which kind of push.
        bursts: &'static str,
        /// The share of pushes.
        chance: f64,
        /// With how many pushes they came.
        met: usize,
        /// How many jobs.
        size: Fitted,
        /// From the push to the first of them, in seconds.
        delay: Fitted,
        /// From the first of them to each, in seconds.
        spread: Fitted,
    },
    /// Again and again for every host that is in service: minutes from one to the next.
    EachHostEvery(Fitted),
    /// At random for every host that is in service.
    EachHostAtRandom {
        /// Times an hour, for one host.
        per_hour: f64,
        /// How many jobs it rests on.
        jobs: usize,
    },
}

/// A job type of a generator.
#[derive(Debug, Clone)]
pub struct JobType {
    /// Its profile.
    pub profile: Arc<str>,
    /// Which hosts.
    pub place: Place,
    /// How many jobs of it there were; 0 for types that are only children.
    pub weight: usize,
    /// What it is like.
    pub manner: Manner,
    /// How long its test takes, in seconds.
    pub runtime: Option<Fitted>,
    /// Of how many tests …
    pub ended: usize,
    /// … how many failed.
    pub failed: usize,
    /// How many tests fail within a job, where any do.
    pub tests_failed: Option<Fitted>,
    /// Its children, if it is a suite.
    pub suite: Option<Suite>,
}

/// The children of a suite.
#[derive(Debug, Clone)]
pub struct Suite {
    /// Their profiles, which are names of job types of the same mix, and how many of each there were.
    pub children: Vec<(Arc<str>, usize)>,
    /// How many a suite has.
    pub count: Fitted,
    /// Seconds from the suite's submission to each child's.
    pub delay: Fitted,
    /// How many hosts they are promised.
    pub min_hosts: u32,
}

/// How special tasks of a kind go.
#[derive(Debug, Clone)]
pub struct Tasks {
    /// What they do.
    pub kind: TaskKind,
    /// On all hosts.
    pub usual: TaskHabit,
    /// On hosts of kinds that differ from the rest.
    pub by_host_kind: Vec<(Arc<str>, TaskHabit)>,
}

/// How special tasks go.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskHabit {
    /// How long they take, in seconds.
    pub runtime: Fitted,
    /// How many there were …
    pub ended: usize,
    /// … and how many of them failed.
    pub failed: usize,
}

/// Hosts out of service.
#[derive(Debug, Clone)]
pub struct Outages {
    /// Of which hosts.
    pub of: OutageOf,
    /// When, and for how long.
    pub when: OutageTimes,
}

/// When hosts are out of service, and for how long.
#[derive(Debug, Clone, PartialEq)]
pub enum OutageTimes {
    /// Again and again.
    Again {
        /// From the end of one to the beginning of the next, in hours.
        between: Fitted,
        /// How long each lasts, in hours.
        lasting: Fitted,
    },
    /// As they were: hour of the week, from Monday, UTC, and hours that it lasted.
    AsTheyWere {
        /// The outages.
        outages: Vec<[f64; 2]>,
        /// How many weeks they were seen in.
        weeks: f64,
    },
}

/// Which hosts an outage concerns.
#[derive(Debug, Clone, PartialEq)]
pub enum OutageOf {
    /// Each host of a kind, at its own times.
    Kind {
        /// The kind.
        kind: Arc<str>,
        /// Hosts that are not like it.
        except: Vec<Arc<str>>,
    },
    /// A host that is not like its kind.
    Host(Arc<str>),
    /// Hosts at the same times: those with a label, or all.
    Together {
        /// With which label; `None` = all hosts.
        label: Option<Arc<str>>,
        /// The share of them that is out.
        share: f64,
    },
}
