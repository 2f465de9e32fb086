//! Processes, and the pidfiles by which they are known.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::ids::{EntryId, HostId, JobId, TaskId};
use crate::model::{Subdir, TaskKind};

/// Where a process keeps its pidfile and results, relative to the results directory. Its text is the path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

/// A text that is no execution path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no execution path: expected hosts/HOSTNAME/TASKID-task or JOBID-OWNER/SUBDIR")]
pub struct NotAnExecutionPath(pub String);

impl FromStr for ExecutionPath {
    type Err = NotAnExecutionPath;

    fn from_str(text: &str) -> Result<Self, NotAnExecutionPath> {
        let path = match text.split('/').collect::<Vec<_>>().as_slice() {
            ["hosts", hostname, task] => task.split_once('-').and_then(|(task, kind)| {
                let kind = TaskKind::ALL.iter().copied().find(|known| known.lower() == kind)?;
                Some(ExecutionPath::Task { hostname: (*hostname).into(), task: TaskId(task.parse().ok()?), kind })
            }),
            [job, subdir] => job.split_once('-').and_then(|(job, owner)| {
                let (job, subdir) = (JobId(job.parse().ok()?), Subdir::parse(subdir));
                Some(ExecutionPath::Entry { job, owner: owner.into(), subdir })
            }),
            _ => None,
        };
        path.filter(|path| path.to_string() == text).ok_or_else(|| NotAnExecutionPath(text.to_owned()))
    }
}

/// The pidfiles that the scheduler reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PidfileName {
    /// `.autoserv_execute`: a test or a special task.
    Execute,
    /// `.collect_crashinfo_execute`: the gathering of crash information.
    Gather,
    /// `.parser_execute`: the parser.
    Parse,
    /// `.handoff_execute`: the runner of a job that was handed off.
    HandOff,
}

impl PidfileName {
    const ALL: [PidfileName; 4] = [PidfileName::Execute, PidfileName::Gather, PidfileName::Parse, PidfileName::HandOff];

    /// The file's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            PidfileName::Execute => ".autoserv_execute",
            PidfileName::Gather => ".collect_crashinfo_execute",
            PidfileName::Parse => ".parser_execute",
            PidfileName::HandOff => ".handoff_execute",
        }
    }

    /// The pidfile of this name.
    pub fn parse(name: &str) -> Option<PidfileName> {
        PidfileName::ALL.into_iter().find(|known| known.as_str() == name)
    }
}

/// What a pidfile says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
        let corrupt =
            |what: &str| PidfileContents::Corrupt(format!("{what} in {:?}", text.chars().take(80).collect::<String>()));
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PidfileEvent {
    /// It has new contents.
    Changed(PidfileContents),
    /// It names a process that is gone, and, read a second time, still has no exit status.
    Vanished,
}

impl PidfileEvent {
    /// Whether it tells of a process that lives, or is about to.
    pub fn is_alive(&self) -> bool {
        matches!(self, PidfileEvent::Changed(PidfileContents::Empty | PidfileContents::Running))
    }
}

/// What a process is started for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WorkKind {
    /// A special task.
    Special(TaskKind),
    /// A test. Its control file and keyvals are written before it starts.
    Test,
    /// The gathering of crash information.
    Gather,
    /// The parsing of results.
    Parse,
    /// The rest of a job's life, by a runner that reads and writes the database itself.
    HandOff,
}
