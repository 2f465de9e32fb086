//! Rows that changed outside, and changes of rows to be committed.

use std::collections::BTreeMap;

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use super::process::{ExecutionPath, PidfileName};
use crate::ids::{DroneId, EntryId, HostId, JobId, SubnetId, TaskId};
use crate::model::{Drone, DroneSet, Entry, Host, HostStatus, Ineligible, Job, Label, SpecialTask, TaskKind, User};

/// A row that came, changed or went outside of the scheduler, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Hosts or drones are in other restricted subnets than before.
    Subnets(Subnets),
}

/// Which restricted subnets hosts and drones are in; those in none are not named. A host is driven only from drones in its
/// own subnet, and one in none only from drones in none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnets {
    /// Where hosts are.
    pub hosts: BTreeMap<HostId, SubnetId>,
    /// Where drones are.
    pub drones: BTreeMap<DroneId, SubnetId>,
}

impl Subnets {
    /// Whether no host and no drone is in any.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.drones.is_empty()
    }
}

/// Everything that is alive in the database.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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
    /// All incomplete entries; and those that are complete and active at once, which is reported.
    pub entries: Vec<Entry>,
    /// All incomplete special tasks.
    pub tasks: Vec<SpecialTask>,
    /// All ineligible rows. Those of complete jobs are swept.
    pub ineligible: Vec<Ineligible>,
    /// What live entries have had of special tasks that count against a limit.
    pub history: Vec<TaskHistory>,
    /// Above every id of a special task in the database.
    pub next_task: u32,
    /// Kills that were decided and not yet seen to have worked.
    pub kills: Vec<KillOrder>,
    /// What drones that were silent may still have of processes that were started anew elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strays: Vec<Stray>,
    /// Jobs that this scheduler handed off and has not seen the end of; some may have ended meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hand_offs: Vec<HandOff>,
    /// Which restricted subnets hosts and drones are in.
    #[serde(default, skip_serializing_if = "Subnets::is_empty")]
    pub subnets: Subnets,
}

/// A job whose remaining life was given to a runner on a drone. While it stands, the rows of the job's entries and hosts are
/// the runner's to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOff {
    /// The job.
    pub job: JobId,
    /// Where its runner is.
    pub drone: DroneId,
    /// Where the runner keeps its pidfile: the execution path of the job's entries.
    pub path: ExecutionPath,
    /// The runner has nothing to write any more: it has finished the job, or the job was taken back.
    pub over: bool,
}

/// What becomes of a hand-off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HandOffChange {
    /// The job is its runner's from now on; an older hand-off of the same job is replaced.
    Begin(HandOff),
    /// The runner writes nothing more, whether or not it is done. What it has written is told before the next tick.
    End(JobId),
    /// The job has ended; nothing need be known of the hand-off any more.
    Forget(JobId),
}

/// A kill that was decided. It is kept in the database until the process is known to have ended: should the scheduler stop
/// before the drone has heard of it, the next one gives the order again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KillOrder {
    /// Where the process keeps its pidfile.
    pub path: ExecutionPath,
    /// Which pidfile.
    pub name: PidfileName,
    /// The drone that runs it; `None`: any that may, since nobody has heard of it yet.
    pub drone: Option<DroneId>,
}

/// A drone was silent for so long that a process that it may have was started anew on another: whatever the silent one has at
/// that place is not the process that counts, and is killed if it runs. It is kept in the database until the drone has been
/// heard and the work is over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stray {
    /// Where the process keeps its pidfile.
    pub path: ExecutionPath,
    /// Which pidfile.
    pub name: PidfileName,
    /// The drone that was silent.
    pub drone: DroneId,
}

/// What becomes of what is known of a stray.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StrayChange {
    /// It has to be known from now on; it may be already.
    Add(Stray),
    /// Nothing need be known of it any more.
    Forget(Stray),
}

/// How many special tasks of a kind an entry has had on a host, ended ones included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
    pub struct HostColumns: u8 {
        /// `status`
        const STATUS = 1;
        /// `leased`
        const LEASED = 2;
        /// `dirty`
        const DIRTY = 4;
    }

    /// Columns of an entry that the scheduler writes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

impl HostUpdate {
    /// Does to a row what the update says, as a database does.
    pub fn apply_to(&self, row: &mut Host) {
        if self.columns.contains(HostColumns::STATUS) {
            row.status = self.status;
        }
        if self.columns.contains(HostColumns::LEASED) {
            row.leased = self.leased;
        }
        if self.columns.contains(HostColumns::DIRTY) {
            row.dirty = self.dirty;
        }
    }
}

/// New values of some columns of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryUpdate {
    /// Which columns are to be written; the others' values here are for information.
    pub columns: EntryColumns,
    /// The entry as it is now.
    pub entry: Entry,
}

impl EntryUpdate {
    /// Does to a row what the update says, as a database does.
    pub fn apply_to(&self, row: &mut Entry) {
        let new = &self.entry;
        if self.columns.contains(EntryColumns::STATUS) {
            (row.status, row.active) = (new.status, new.active);
        }
        if self.columns.contains(EntryColumns::HOST) {
            row.host = new.host;
        }
        if self.columns.contains(EntryColumns::SUBDIR) {
            row.subdir = new.subdir.clone();
        }
        if self.columns.contains(EntryColumns::STARTED) {
            row.started_on = new.started_on;
        }
        if self.columns.contains(EntryColumns::FINISHED) {
            row.finished_on = new.finished_on;
        }
        if self.columns.contains(EntryColumns::ABORTED) {
            row.aborted = new.aborted;
        }
    }
}

/// What is to become of the row of a special task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskUpdate {
    /// A new row, with this id.
    Insert(SpecialTask),
    /// New values of `is_active`, `is_complete`, `success`, `time_started` and `time_finished`.
    Update(SpecialTask),
    /// The row goes.
    Delete(TaskId),
}

/// Everything that a tick changes in the database: one transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Kills that were decided, known by path and name: one that is there already stays.
    pub kills_added: Vec<KillOrder>,
    /// Kills that have worked, or came too late, known by path and name; some may have been added in the same tick.
    pub kills_removed: Vec<KillOrder>,
    /// Strays that have to be known, and then those no longer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strays: Vec<StrayChange>,
    /// What becomes of hand-offs, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hand_offs: Vec<HandOffChange>,
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
            && self.kills_added.is_empty()
            && self.kills_removed.is_empty()
            && self.strays.is_empty()
            && self.hand_offs.is_empty()
    }
}
