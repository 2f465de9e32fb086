//! What passes between the core and the world: reports of drones in, commands for drones and changes of rows out. All of
//! it is plain data that can be compared, recorded and replayed.

use std::fmt;
use std::sync::Arc;

use bitflags::bitflags;
use smallvec::SmallVec;

use crate::ids::{DroneId, EntryId, HostId, JobId, PidfileId, TaskId};
use crate::model::{
    Drone, DroneSet, Entry, EntryStatus, Host, HostStatus, Ineligible, Job, Label, SpecialTask, Subdir, TaskKind, User,
};
use crate::time::Time;

// ---- Processes and their pidfiles

/// Where a process keeps its pidfile and results, relative to the results directory. Its text is the path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExecutionPath {
    /// `hosts/HOSTNAME/TASKID-task`
    Task {
        /// The host's name.
        hostname: Arc<str>,
        /// The task.
        task: TaskId,
        /// Its kind.
        kind: TaskKind,
    },
    /// `JOBID-OWNER/EXECUTION_SUBDIR`
    Entry {
        /// The job.
        job: JobId,
        /// Login of its owner.
        owner: Arc<str>,
        /// The subdirectory that the group of entries shares.
        subdir: Subdir,
    },
}

impl fmt::Display for ExecutionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExecutionPath::Task { hostname, task, kind } => write!(f, "hosts/{hostname}/{task}-{}", kind.lower()),
            ExecutionPath::Entry { job, owner, subdir } => write!(f, "{job}-{owner}/{subdir}"),
        }
    }
}

/// The three pidfiles that the scheduler reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PidfileName {
    /// `.autoserv_execute`: a test or a special task.
    Execute,
    /// `.collect_crashinfo_execute`: the gathering of crash information.
    Gather,
    /// `.parser_execute`: the parser.
    Parse,
}

impl PidfileName {
    /// The file's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            PidfileName::Execute => ".autoserv_execute",
            PidfileName::Gather => ".collect_crashinfo_execute",
            PidfileName::Parse => ".parser_execute",
        }
    }
}

/// What a pidfile says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PidfileContents {
    /// Nothing: the process has not come to writing it.
    Empty,
    /// A pid; or two of three lines, which is a file being written.
    Running,
    /// Pid, exit status and number of failed tests.
    Ended {
        /// As wait(2) gives it: 256 = exit 1, 9 = killed by signal 9.
        exit_status: i32,
        /// How many tests failed.
        tests_failed: u32,
    },
    /// Something else; the text says what.
    Corrupt(String),
}

impl PidfileContents {
    /// Reads the text of a pidfile. Never fails: what makes no sense is `Corrupt`.
    pub fn parse(text: &str) -> PidfileContents {
        let corrupt = |what: &str| PidfileContents::Corrupt(format!("{what} in {:?}", text.chars().take(80).collect::<String>()));
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let number = |line: &str| line.parse::<i32>().ok();
        match lines.as_slice() {
            [] | [""] => PidfileContents::Empty,
            [pid] | [pid, _] => match number(pid) {
                Some(pid) if pid > 0 => PidfileContents::Running,
                _ => corrupt("no pid in the first line"),
            },
            [pid, status, failed] => match (number(pid), number(status), failed.parse()) {
                (Some(pid), Some(exit_status), Ok(tests_failed)) if pid > 0 => {
                    PidfileContents::Ended { exit_status, tests_failed }
                }
                _ => corrupt("not three numbers"),
            },
            _ => corrupt("more than three lines"),
        }
    }
}

/// News of one pidfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PidfileEvent {
    /// It has new contents.
    Changed(PidfileContents),
    /// It names a process that is gone, and, read a second time, still has no exit status.
    Vanished,
}

/// What one drone had to say in a refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroneReport {
    /// Which drone.
    pub drone: DroneId,
    /// Its answer.
    pub answer: DroneAnswer,
}

/// How a drone answered a refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DroneAnswer {
    /// It answered in time.
    News {
        /// The news of its watched pidfiles since the last answer, in the order in which they came about.
        pidfiles: Vec<(PidfileId, PidfileEvent)>,
        /// Processes of test drivers that no watched pidfile claims, described for people. Asked for at recovery only.
        unclaimed: Vec<String>,
    },
    /// It gave none in time. Its processes are not taken for lost because of that.
    Silent {
        /// What went wrong, for people.
        reason: String,
    },
}

/// What a process is started for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// What it does.
    pub kind: WorkKind,
    /// The job that it serves.
    pub job: Option<JobId>,
    /// The entries that it serves, ascending.
    pub entries: SmallVec<[EntryId; 1]>,
    /// The hosts that it works on, in the order of the entries.
    pub hosts: SmallVec<[HostId; 1]>,
}

/// The kinds of process that drones run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkKind {
    /// A special task.
    Special(TaskKind),
    /// A test. Its control file and keyvals are written before it starts.
    Test,
    /// The gathering of crash information.
    Gather,
    /// The parsing of results.
    Parse,
}

/// A file that the scheduler itself writes beside a process's results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResultNote {
    /// The keyval `job_queued`, where no test has written it: the moment of the job's creation.
    JobQueued(Time),
    /// The keyval `job_finished`.
    JobFinished(Time),
    /// The keyvals `aborted_by` and `aborted_on`, and an INFO line in status.log, for these entries.
    Aborted(SmallVec<[EntryId; 1]>),
    /// A `job_failure` file that explains that the process disappeared.
    LostProcess,
}

/// Something that a drone is to do. Commands for one drone are carried out in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Report this pidfile from now on: at first its contents, then every change.
    Watch {
        /// Under this number.
        pidfile: PidfileId,
        /// It lies here …
        path: ExecutionPath,
        /// … under this name.
        name: PidfileName,
    },
    /// Start a process, and watch its pidfile; never twice for the same path and name.
    Start {
        /// Report under this number.
        pidfile: PidfileId,
        /// Its results directory.
        path: ExecutionPath,
        /// Its pidfile.
        name: PidfileName,
        /// What it is for.
        work: Work,
        /// How many processes it counts for.
        processes: u32,
    },
    /// Kill the process of this pidfile, also should it appear later.
    Kill {
        /// Which.
        pidfile: PidfileId,
    },
    /// Stop watching this pidfile.
    Forget {
        /// Which.
        pidfile: PidfileId,
    },
    /// Write a note of the scheduler's into a results directory.
    Write {
        /// Which directory.
        path: ExecutionPath,
        /// What.
        note: ResultNote,
    },
    /// Copy results from one path to another on the drone, but not the pidfiles: no process has run at the other path.
    CopyOnDrone {
        /// From here.
        from: ExecutionPath,
        /// To there.
        to: ExecutionPath,
    },
    /// Copy a results directory to the results repository.
    CopyToRepository {
        /// Which directory.
        path: ExecutionPath,
    },
}

/// What became of the commands sent to one drone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActReport {
    /// Which drone.
    pub drone: DroneId,
    /// What became of them.
    pub outcome: ActOutcome,
    /// Those whose effect is not certain, in order. Sent again: each of them may be carried out twice without harm.
    pub undelivered: Vec<Command>,
}

/// Three outcomes, not two, for anything remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActOutcome {
    /// All carried out.
    Done,
    /// None of the undelivered ones was carried out.
    NotDone(String),
    /// The undelivered ones may or may not have been carried out.
    Unknown(String),
}

// ---- Rows

/// A row that came, changed or went outside of the scheduler, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowChange {
    /// A host came or changed.
    Host(Host),
    /// A label came or changed.
    Label(Label),
    /// A user came or changed.
    User(User),
    /// A drone came or changed.
    Drone(Drone),
    /// A drone is no longer part of the lab.
    DroneGone(DroneId),
    /// A set of drones came or changed.
    DroneSet(DroneSet),
    /// A job came or changed.
    Job(Job),
    /// An entry came or changed.
    Entry(Entry),
    /// An entry was deleted.
    EntryGone(EntryId),
    /// A special task came or changed.
    Task(SpecialTask),
    /// A special task was deleted.
    TaskGone(TaskId),
    /// A job is not to be given a host.
    Ineligible(Ineligible),
    /// A job may be given a host again.
    IneligibleGone(Ineligible),
}

/// Everything that is alive in the database.
#[derive(Debug, Clone, Default)]
pub struct LiveRows {
    /// All labels.
    pub labels: Vec<Label>,
    /// All users.
    pub users: Vec<User>,
    /// All hosts that are valid, or named by a live entry or task.
    pub hosts: Vec<Host>,
    /// All drones.
    pub drones: Vec<Drone>,
    /// All sets of drones.
    pub drone_sets: Vec<DroneSet>,
    /// The jobs of live entries.
    pub jobs: Vec<Job>,
    /// All incomplete entries.
    pub entries: Vec<Entry>,
    /// All incomplete special tasks.
    pub tasks: Vec<SpecialTask>,
    /// The ineligible rows of live jobs.
    pub ineligible: Vec<Ineligible>,
    /// What live entries have had of special tasks that count against a limit.
    pub history: Vec<TaskHistory>,
    /// Above every id of a special task in the database.
    pub next_task: u32,
}

/// How many special tasks of a kind an entry has had on a host, ended ones included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskHistory {
    /// The entry.
    pub entry: EntryId,
    /// The host.
    pub host: HostId,
    /// Repair or Provision; other kinds are not counted.
    pub kind: TaskKind,
    /// How many.
    pub count: u32,
}

bitflags! {
    /// Columns of a host that the scheduler writes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct HostColumns: u8 {
        /// `status`
        const STATUS = 1;
        /// `leased`
        const LEASED = 2;
        /// `dirty`
        const DIRTY = 4;
    }

    /// Columns of an entry that the scheduler writes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct EntryColumns: u8 {
        /// `status`, `active`, `complete`
        const STATUS = 1;
        /// `host_id`
        const HOST = 2;
        /// `execution_subdir`
        const SUBDIR = 4;
        /// `started_on`
        const STARTED = 8;
        /// `finished_on`
        const FINISHED = 16;
        /// `aborted`, and a row that says that the scheduler did it
        const ABORTED = 32;
    }
}

/// New values of some columns of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostUpdate {
    /// Which host.
    pub id: HostId,
    /// Which columns are to be written; the others' values here are for information.
    pub columns: HostColumns,
    /// Its status.
    pub status: HostStatus,
    /// Whether it is leased.
    pub leased: bool,
    /// Whether it is dirty.
    pub dirty: bool,
}

/// New values of some columns of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryUpdate {
    /// Which columns are to be written; the others' values here are for information.
    pub columns: EntryColumns,
    /// The entry as it is now.
    pub entry: Entry,
}

/// What is to become of the row of a special task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskUpdate {
    /// A new row, with this id.
    Insert(SpecialTask),
    /// New values of `is_active`, `is_complete`, `success`, `time_started` and `time_finished`.
    Update(SpecialTask),
    /// The row goes.
    Delete(TaskId),
}

/// Everything that a tick changes in the database: one transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Hosts, each at most once.
    pub hosts: Vec<HostUpdate>,
    /// Entries, each at most once.
    pub entries: Vec<EntryUpdate>,
    /// Special tasks, each at most once.
    pub tasks: Vec<TaskUpdate>,
    /// New ineligible rows.
    pub ineligible_added: Vec<Ineligible>,
    /// Ineligible rows that go.
    pub ineligible_removed: Vec<Ineligible>,
    /// Complete jobs all of whose ineligible rows go.
    pub ineligible_swept: Vec<JobId>,
}

impl Changes {
    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
            && self.entries.is_empty()
            && self.tasks.is_empty()
            && self.ineligible_added.is_empty()
            && self.ineligible_removed.is_empty()
            && self.ineligible_swept.is_empty()
    }
}

// ---- News for people

/// Something that people should hear of. What becomes mail is the driver's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An entry came to a status about which its owner wants mail.
    EntryStatus {
        /// The entry.
        entry: EntryId,
        /// Its job.
        job: JobId,
        /// Its new status.
        status: EntryStatus,
    },
    /// The last entry of a job has ended.
    JobEnded {
        /// The job.
        job: JobId,
    },
    /// An entry or its host was not in a status from which a test may start; the job is aborted.
    StartRefused {
        /// The entry.
        entry: EntryId,
        /// Its status.
        status: EntryStatus,
        /// Its host's status.
        host_status: Option<HostStatus>,
    },
    /// A job's process left nothing from which results could be made.
    NoResults {
        /// The job.
        job: JobId,
        /// The entries concerned.
        entries: SmallVec<[EntryId; 1]>,
    },
    /// A pidfile makes no sense; its process counts as lost.
    CorruptPidfile {
        /// Its results directory, where known.
        path: Option<ExecutionPath>,
        /// On which drone.
        drone: DroneId,
        /// What is wrong with it.
        what: String,
    },
    /// A process disappeared without an exit status, or never appeared.
    LostProcess {
        /// Its results directory, where known.
        path: Option<ExecutionPath>,
        /// On which drone.
        drone: DroneId,
    },
    /// A drone stopped answering.
    DroneSilent {
        /// Which.
        drone: DroneId,
        /// What went wrong.
        reason: String,
    },
    /// A drone answers again.
    DroneBack {
        /// Which.
        drone: DroneId,
    },
    /// A row makes no sense and is left alone until it changes.
    Quarantined {
        /// Which row and why.
        what: String,
    },
    /// The 24-hour check found an entry that is active and complete.
    ActiveAndComplete {
        /// The entry.
        entry: EntryId,
    },
    /// The 24-hour check found a host that has not exactly one platform label.
    PlatformCount {
        /// The host.
        host: HostId,
        /// How many it has.
        platforms: usize,
    },
    /// Recovery gave a host that was left without a task a Reset.
    HostRecovered {
        /// The host.
        host: HostId,
        /// The status it was found in.
        status: HostStatus,
    },
    /// A named drone set or its default does not exist.
    NoDroneSet {
        /// The job or user that names it.
        what: String,
    },
    /// Recovery found processes that no entry or task claims.
    Orphans {
        /// On which drone.
        drone: DroneId,
        /// What they are.
        processes: Vec<String>,
    },
}
