//! What a simulated run leaves behind: plain records, in the order of ids, from which every output is made.

use std::sync::Arc;

use yardmaster_engine::{EntryStatus, Span, TaskKind, Time};

/// Everything that a run recorded.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// The scenario's name, as its file gives it.
    pub scenario: String,
    /// The seed of all randomness.
    pub seed: u64,
    /// Simulated moment of the first tick.
    pub start: Time,
    /// Simulated moment at which the last job ended or the run was cut off.
    pub end: Time,
    /// The time from one tick of the scheduler to the next.
    pub tick: Span,
    /// Whether `Time` values are Unix time (a trace's) or count from the scenario's start (generated workloads).
    pub unix_time: bool,
    /// Ticks that were run (moments at which nothing could happen are jumped over and not counted).
    pub ticks: u64,
    /// The hosts, by index.
    pub hosts: Vec<HostRecord>,
    /// The drones, by index.
    pub drones: Vec<DroneRecord>,
    /// The jobs, in the order of their submission.
    pub jobs: Vec<JobRecord>,
    /// Every process that a drone ran, in the order of its start.
    pub processes: Vec<ProcessRecord>,
    /// State of the lab at every moment at which one of the figures changed, ascending in time, one row a moment.
    pub timeline: Vec<TimelinePoint>,
}

/// A host and what became of it.
#[derive(Debug, Clone)]
pub struct HostRecord {
    /// Its hostname.
    pub name: Arc<str>,
    /// Its kind, for statistics by type: its platform label or first `board:` or `type:` label, else `host`.
    pub kind: Arc<str>,
    /// Time spent in each status, in the order of `HostStatus::ALL`.
    pub time_in_status: Vec<Span>,
    /// Time in which it was Ready and locked: of its time in that status, the part in which it was out of service.
    pub locked: Span,
    /// Entries whose test ran on it.
    pub tests: u64,
    /// Special tasks that ran on it.
    pub special_tasks: u64,
    /// How often it came to Repair Failed.
    pub repair_failures: u64,
}

/// A drone and what it ran.
#[derive(Debug, Clone)]
pub struct DroneRecord {
    /// Its hostname.
    pub name: Arc<str>,
    /// Processes it may run.
    pub max_processes: u32,
    /// Processes it started.
    pub started: u64,
    /// The most that ran at once.
    pub peak: u32,
    /// Running processes, integrated over time (process · time).
    pub busy: Span,
}

/// A job from its submission to its end. One row of `jobs.csv`.
#[derive(Debug, Clone)]
pub struct JobRecord {
    /// Its id; ascending from 1 in order of submission.
    pub id: u32,
    /// Name of the workload (the trace's file stem, or the name of the generator).
    pub workload: Arc<str>,
    /// The job type within the workload (test suite, kind, SWF application …).
    pub profile: Arc<str>,
    /// The kind of host that was asked for: the type label of the request, else empty.
    pub host_kind: Arc<str>,
    /// Who submitted it.
    pub owner: Arc<str>,
    /// Its priority.
    pub priority: i32,
    /// Class for statistics (for the CIP trace: health, ci, user; else the owner or empty).
    pub class: Arc<str>,
    /// When it was submitted.
    pub submitted: Time,
    /// When its first test process started, if one did.
    pub started: Option<Time>,
    /// When a host was first assigned to it.
    pub assigned: Option<Time>,
    /// When its last entry was complete.
    pub finished: Option<Time>,
    /// Number of entries (hosts) that it asked for; 0 for a hostless job.
    pub requested_hosts: u32,
    /// The limit that it asked for (max_runtime).
    pub requested_time: Span,
    /// The worst final status of its entries, or the present one where it has not ended.
    pub final_status: EntryStatus,
    /// Indices into `Recording::hosts` of the hosts that ran it, ascending.
    pub hosts: Vec<u32>,
    /// How long its test processes ran, from the first start to the last end.
    pub execution: Option<Span>,
    /// How often one of its pre-job tasks failed.
    pub prejob_failures: u32,
    /// How often it was put back into the queue.
    pub requeues: u32,
    /// What the trace says of the same job.
    pub recorded: Option<RecordedJob>,
}

/// What really happened to a job of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordedJob {
    /// When it started.
    pub started: Time,
    /// When it ended.
    pub finished: Time,
    /// Whether it ended well.
    pub success: bool,
}

/// What kind of process a drone ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProcessKind {
    /// A special task.
    Special(TaskKind),
    /// The test of a job.
    Test,
    /// The gathering of crash information.
    Gather,
    /// The parsing of results.
    Parse,
}

impl ProcessKind {
    /// The word for it in outputs and in names of processes.
    pub fn as_str(self) -> &'static str {
        match self {
            ProcessKind::Special(kind) => kind.lower(),
            ProcessKind::Test => "job",
            ProcessKind::Gather => "gather",
            ProcessKind::Parse => "parse",
        }
    }
}

/// A process that ran on a drone. One row of `tasks.csv`.
#[derive(Debug, Clone)]
pub struct ProcessRecord {
    /// What it did.
    pub kind: ProcessKind,
    /// The job that it served, if any.
    pub job: Option<u32>,
    /// Indices into `Recording::hosts`.
    pub hosts: Vec<u32>,
    /// Index into `Recording::drones`.
    pub drone: u32,
    /// When the command was sent to the drone.
    pub started: Time,
    /// When it ended, if it did.
    pub finished: Option<Time>,
    /// Its wait status, once ended (256 = exit 1; 9 = killed by signal 9).
    pub exit_status: Option<i32>,
    /// How many of its tests failed.
    pub tests_failed: u32,
}

/// State of the lab from this moment until the next point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimelinePoint {
    /// From when on.
    pub time: Time,
    /// Entries that wait for a host.
    pub queued: u32,
    /// Entries that have a host and are being prepared, or wait for their group or for room on a drone.
    pub preparing: u32,
    /// Entries whose test runs.
    pub running: u32,
    /// Entries whose crash information is gathered or whose results are parsed.
    pub finishing: u32,
    /// Processes on all drones (a job of three hosts counts 3, a parser 1).
    pub processes: u32,
    /// Hosts that are in use: neither Ready nor Repair Failed.
    pub hosts_busy: u32,
    /// Hosts that are Repair Failed or locked.
    pub hosts_out: u32,
}
