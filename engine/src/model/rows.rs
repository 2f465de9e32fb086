//! The rows that the scheduler works on, as typed values. Columns that never matter to a decision stay in the store.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::words::{EntryStatus, HostStatus, Protection, RebootAfter, RebootBefore, TaskKind};
use crate::ids::{AclGroupId, DroneId, DroneSetId, EntryId, HostId, JobId, LabelId, ShardId, TaskId, UserId};
use crate::time::{Span, Time};

/// A device under test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its id.
    pub id: HostId,
    /// Its hostname; part of execution paths.
    pub name: Arc<str>,
    /// What it is doing.
    pub status: HostStatus,
    /// A person keeps it from the scheduler.
    pub locked: bool,
    /// Given to an entry or task, or not yet released since.
    pub leased: bool,
    /// Deleted; as a one-time host it may still be named by a job.
    pub invalid: bool,
    /// Used since the last Cleanup or Reset.
    pub dirty: bool,
    /// What may be done to it.
    pub protection: Protection,
    /// Its labels, ascending.
    pub labels: SmallVec<[LabelId; 4]>,
    /// The ACL groups that may use it, ascending.
    pub acls: SmallVec<[AclGroupId; 2]>,
    /// Another scheduler that owns it; the main one leaves it alone.
    pub shard: Option<ShardId>,
}

/// A property of hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Its id.
    pub id: LabelId,
    /// Its name, as `board:eve`.
    pub name: Arc<str>,
    /// It names the kind of device; a host should have exactly one such label.
    pub platform: bool,
    /// Deleted.
    pub invalid: bool,
    /// The shard that schedules entries whose meta-host it is.
    pub shard: Option<ShardId>,
}

/// A request to run one test program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Who asked for it.
    pub owner: UserId,
    /// Its name.
    pub name: Arc<str>,
    /// Higher first; names for levels are Weekly 10 … Super 80, the default is 40.
    pub priority: i32,
    /// How many hosts run it together; at least 1.
    pub synch_count: u32,
    /// Verify hosts before the test.
    pub run_verify: bool,
    /// Reset hosts before the test.
    pub run_reset: bool,
    /// When to clean hosts before the test.
    pub reboot_before: RebootBefore,
    /// When to clean hosts after the test.
    pub reboot_after: RebootAfter,
    /// Its dependency labels, ascending.
    pub labels: SmallVec<[LabelId; 4]>,
    /// The suite that it belongs to.
    pub parent: Option<JobId>,
    /// The keyval `suite_min_duts` of its suite: so many hosts the suite's jobs get before others of higher priority, also
    /// when the suite's own job has ended. 0 = no minimum.
    pub suite_min_hosts: u32,
    /// Aborted this long after its creation.
    pub timeout: Span,
    /// Its entries are aborted this long after their start.
    pub max_runtime: Span,
    /// When it was created.
    pub created_on: Time,
    /// The drones it may run on, where drone sets are enabled.
    pub drone_set: Option<DroneSetId>,
    /// Another scheduler that runs it.
    pub shard: Option<ShardId>,
    /// The first `groupN` of it that is free: one more than the highest N among all its entries, ended ones included.
    pub next_group: u32,
}

/// The last part of an entry's execution path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subdir {
    /// Not decided: the entry has not come to its test.
    Unset,
    /// `hostless`.
    Hostless,
    /// `groupN`, for a group of several hosts.
    Group(u32),
    /// The hostname, for one host; or anything else that the database held.
    Named(Arc<str>),
}

impl Subdir {
    /// Reads the database's column.
    pub fn parse(text: &str) -> Subdir {
        match text {
            "" => Subdir::Unset,
            "hostless" => Subdir::Hostless,
            _ => match text.strip_prefix("group").map(str::parse) {
                Some(Ok(number)) if format!("group{number}") == text => Subdir::Group(number),
                _ => Subdir::Named(text.into()),
            },
        }
    }
}

impl fmt::Display for Subdir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subdir::Unset => Ok(()),
            Subdir::Hostless => f.write_str("hostless"),
            Subdir::Group(number) => write!(f, "group{number}"),
            Subdir::Named(name) => f.write_str(name),
        }
    }
}

/// A host queue entry: one job on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// Its job.
    pub job: JobId,
    /// The host it names or was given.
    pub host: Option<HostId>,
    /// "Any host with this label."
    pub meta_host: Option<LabelId>,
    /// Where it stands.
    pub status: EntryStatus,
    /// It occupies its host. Follows the status, but for a Queued entry that has been given a host.
    pub active: bool,
    /// Somebody asked for its abort.
    pub aborted: bool,
    /// The last part of its execution path.
    pub subdir: Subdir,
    /// When its test started.
    pub started_on: Option<Time>,
    /// When it ended.
    pub finished_on: Option<Time>,
}

impl Entry {
    /// A new entry, as whoever submits a job writes it.
    pub fn queued(id: EntryId, job: JobId, host: Option<HostId>, meta_host: Option<LabelId>) -> Entry {
        Entry {
            id,
            job,
            host,
            meta_host,
            status: EntryStatus::Queued,
            active: false,
            aborted: false,
            subdir: Subdir::Unset,
            started_on: None,
            finished_on: None,
        }
    }

    /// An entry that needs no host: a suite's own job, as a rule.
    pub fn is_hostless(&self) -> bool {
        self.host.is_none() && self.meta_host.is_none()
    }
}

/// A Verify, Cleanup, Reset, Repair or Provision on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecialTask {
    /// Its id; part of its execution path.
    pub id: TaskId,
    /// What is to be done.
    pub kind: TaskKind,
    /// To which host.
    pub host: HostId,
    /// On whose behalf; `None` when a person or the scheduler's upkeep asked for it.
    pub entry: Option<EntryId>,
    /// The user in whose name it was asked for.
    pub requested_by: Option<UserId>,
    /// When it was asked for.
    pub requested_at: Time,
    /// It runs.
    pub active: bool,
    /// It has ended.
    pub complete: bool,
    /// Somebody asked for its abort.
    pub aborted: bool,
    /// It ended well.
    pub success: bool,
    /// When it started.
    pub started_at: Option<Time>,
    /// When it ended.
    pub finished_at: Option<Time>,
}

impl SpecialTask {
    /// A new task, as whoever asks for one writes it.
    pub fn queued(
        id: TaskId,
        kind: TaskKind,
        host: HostId,
        entry: Option<EntryId>,
        requested_by: Option<UserId>,
        requested_at: Time,
    ) -> SpecialTask {
        SpecialTask {
            id,
            kind,
            host,
            entry,
            requested_by,
            requested_at,
            active: false,
            complete: false,
            aborted: false,
            success: false,
            started_at: None,
            finished_at: None,
        }
    }

    /// Neither started nor ended.
    pub fn is_queued(&self) -> bool {
        !self.active && !self.complete
    }
}

/// Somebody who owns jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their login name.
    pub login: Arc<str>,
    /// The ACL groups they belong to, ascending.
    pub acls: SmallVec<[AclGroupId; 2]>,
    /// The drones for their jobs that name no set, where drone sets are enabled.
    pub drone_set: Option<DroneSetId>,
}

/// A machine that runs processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drone {
    /// Its id.
    pub id: DroneId,
    /// Its hostname.
    pub name: Arc<str>,
    /// Whether new processes may be started there.
    pub enabled: bool,
    /// How many processes it may run.
    pub max_processes: u32,
    /// Whose jobs it runs; empty = everybody's.
    pub users: Vec<UserId>,
}

/// A named set of drones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroneSet {
    /// Its id.
    pub id: DroneSetId,
    /// Its name.
    pub name: Arc<str>,
    /// Its members.
    pub drones: Vec<DroneId>,
}

/// "This job is not given that host": an ineligible host queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ineligible {
    /// The job.
    pub job: JobId,
    /// The host.
    pub host: HostId,
}
