//! What drones report, and what they are told to do.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::process::{ExecutionPath, PidfileEvent, PidfileName, Work};
use crate::ids::{DroneId, EntryId, PidfileId};
use crate::time::Time;

/// What one drone had to say in a refresh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroneReport {
    /// Which drone.
    pub drone: DroneId,
    /// Its answer.
    pub answer: DroneAnswer,
}

/// How a drone answered a refresh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// A file that the scheduler itself writes beside a process's results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActReport {
    /// Which drone.
    pub drone: DroneId,
    /// What became of them.
    pub outcome: ActOutcome,
    /// Those whose effect is not certain, in order. Sent again: each of them may be carried out twice without harm.
    pub undelivered: Vec<Command>,
}

/// Three outcomes, not two, for anything remote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActOutcome {
    /// All carried out.
    Done,
    /// None of the undelivered ones was carried out.
    NotDone(String),
    /// The undelivered ones may or may not have been carried out.
    Unknown(String),
}
