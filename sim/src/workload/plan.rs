//! What a workload scenario comes to once it is read: a lab, the jobs that will be submitted to it, and a model of how
//! processes behave. Everything random is drawn from streams named by what they are for.

use std::hash::Hasher;
use std::sync::Arc;

use yardmaster_engine::{RebootAfter, RebootBefore, Settings, Span, Time};

use crate::recording::{ProcessKind, RecordedJob};

/// A workload scenario, ready to be simulated.
pub struct Plan {
    /// The scenario's name.
    pub name: String,
    /// What it is about, one sentence.
    pub about: String,
    /// The scheduler's settings; `minimum_tick_sec` is the simulated tick.
    pub settings: Settings,
    /// The moment of the first tick.
    pub start: Time,
    /// When to stop although jobs are left; `None` = run until every job has ended.
    pub end: Option<Time>,
    /// Whether times are Unix time.
    pub unix_time: bool,
    /// The hosts.
    pub hosts: Vec<HostPlan>,
    /// The drones.
    pub drones: Vec<DronePlan>,
    /// The jobs, ascending by submission.
    pub jobs: Vec<JobPlan>,
    /// How processes behave.
    pub behaviour: Arc<dyn Behaviour>,
    /// Moments at which a host breaks or comes back, ascending in time.
    pub outages: Vec<Outage>,
}

impl Plan {
    /// How many processes all drones together may run.
    pub fn room(&self) -> u64 {
        self.drones.iter().map(|drone| u64::from(drone.max_processes)).sum()
    }
}

/// A host of the lab.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPlan {
    /// Its hostname.
    pub name: Arc<str>,
    /// Its kind, for statistics and for behaviour by host type.
    pub kind: Arc<str>,
    /// Its labels.
    pub labels: Vec<Arc<str>>,
    /// Locked from the start.
    pub locked: bool,
    /// Dirty from the start.
    pub dirty: bool,
    /// Protection level.
    pub protection: yardmaster_engine::Protection,
    /// Its ACL groups by name; empty = `everyone`.
    pub acls: Vec<Arc<str>>,
}

/// A drone of the lab.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DronePlan {
    /// Its hostname.
    pub name: Arc<str>,
    /// Processes it may run.
    pub max_processes: u32,
}

/// A job that will be submitted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobPlan {
    /// When.
    pub submit: Time,
    /// Its name.
    pub name: Arc<str>,
    /// Which workload it comes from.
    pub workload: Arc<str>,
    /// Its type within the workload.
    pub profile: Arc<str>,
    /// Its class, for statistics.
    pub class: Arc<str>,
    /// Login of its owner.
    pub owner: Arc<str>,
    /// Its priority, higher first.
    pub priority: i32,
    /// On what it runs.
    pub placement: Placement,
    /// How many hosts run it together.
    pub synch_count: u32,
    /// Dependency labels beyond those of the placement.
    pub labels: Vec<Arc<str>>,
    /// Its suite: index into `Plan::jobs` of an earlier job.
    pub parent: Option<u32>,
    /// As a suite: how many hosts its children get at least (keyval `suite_min_duts`); 0 = none.
    pub suite_min_hosts: u32,
    /// Verify hosts before the test.
    pub run_verify: bool,
    /// Reset hosts before the test.
    pub run_reset: bool,
    /// When to clean before the test.
    pub reboot_before: RebootBefore,
    /// When to clean after the test.
    pub reboot_after: RebootAfter,
    /// Aborted this long after submission.
    pub timeout: Span,
    /// Aborted this long after its start.
    pub max_runtime: Span,
    /// What the trace says of it.
    pub recorded: Option<RecordedJob>,
}

/// The hosts that a job asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Placement {
    /// These hosts: indices into `Plan::hosts`.
    Hosts(Vec<u32>),
    /// This many hosts, each any with this label.
    Any {
        /// How many.
        count: u32,
        /// With which label.
        label: Arc<str>,
    },
    /// None.
    Hostless,
}

impl Placement {
    /// How many entries the job has.
    pub fn entries(&self) -> u32 {
        match self {
            Placement::Hosts(hosts) => hosts.len() as u32,
            Placement::Any { count, .. } => *count,
            Placement::Hostless => 1,
        }
    }
}

/// The question that the simulator puts to the behaviour model whenever a process starts.
#[derive(Debug, Clone, Copy)]
pub struct ProcessStart<'a> {
    /// What is started.
    pub kind: ProcessKind,
    /// Index into `Plan::jobs` of the job that it serves, if any; a Repair serves its host.
    pub job: Option<u32>,
    /// Which of the job's entries it serves, the first one if several; counted from 0.
    pub entry: u32,
    /// Index into `Plan::hosts` of its (first) host, if any.
    pub host: Option<u32>,
    /// Kind of that host.
    pub host_kind: &'a str,
    /// How many processes of this kind ran before for this entry, or, where there is no job, on this host.
    pub attempt: u32,
    /// The moment of the start.
    pub now: Time,
}

/// How a process will end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// From the command's arrival at the drone until the pidfile shows a pid.
    pub startup: Span,
    /// From then until the process ends.
    pub runtime: Span,
    /// Wait status: 0 = success, 256 = exit 1, 9 = killed by signal 9.
    pub exit_status: i32,
    /// How many tests failed.
    pub tests_failed: u32,
}

/// Decides how processes go. Answers depend only on the seed and on the question, never on the order of questions, so
/// that two schedulers meet the same luck.
pub trait Behaviour: Send + Sync {
    /// How this process will end.
    fn ending(&self, start: &ProcessStart<'_>) -> Ending;

    /// Feeds into a hasher by what the model knows this job of the plan: jobs of the same plan, or of others with the same model, that
    /// are alike in that meet the same luck. As a rule that is the job's number.
    fn identify(&self, job: u32, state: &mut dyn Hasher) {
        state.write_u32(job);
    }
}

/// A host breaks or comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Outage {
    /// When.
    pub time: Time,
    /// Index into `Plan::hosts`.
    pub host: u32,
    /// `true`: the outage begins; `false`: it is over. A host is well when every outage that began is over.
    pub broken: bool,
    /// What it does while it lasts.
    pub effect: OutageEffect,
}

/// What an outage does to its host while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutageEffect {
    /// Every special task on it fails and tests on it fail; the scheduler has to find out.
    Fails,
    /// Its operators know: the host is locked, and what runs on it goes on.
    Locked,
    /// The same, inferred from a host's silence after a job. It does not begin before every job that asks for this very
    /// host, and was submitted by then, has started: the trace shows that they ran before the silence. If it would be
    /// over by then, it never begins.
    Silent,
}
