//! News for people.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::process::ExecutionPath;
use crate::ids::{DroneId, EntryId, HostId, JobId, UserId};
use crate::model::{EntryStatus, HostStatus};

/// Something that people should hear of. What becomes mail is the driver's business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// A row makes no sense; it is left alone until it is told anew.
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
    /// A job, its owner or the settings name a drone set that does not exist: nothing of theirs can run. Told once.
    NoDroneSet {
        /// The job that noticed it first.
        job: Option<JobId>,
        /// On whose behalf.
        user: Option<UserId>,
    },
    /// Recovery found processes that no entry or task claims.
    Orphans {
        /// On which drone.
        drone: DroneId,
        /// What they are.
        processes: Vec<String>,
    },
}
