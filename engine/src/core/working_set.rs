//! The live rows and everything that is derived from them, kept so that a tick finds its work without looking for it.

use std::collections::{BTreeMap, BTreeSet};

use smallvec::SmallVec;

use super::agents::AgentKey;
use super::hand_offs::HandOffState;
use super::host_set::{HostIndex, HostSet};
use super::queue::{PendingKey, PendingQueue, Waiting};
use super::table::Table;
use super::time_limits::TimeLimits;
use crate::ids::{DroneSetId, EntryId, HostId, JobId, LabelId, PidfileId, TaskId, UserId};
use crate::model::{DroneSet, Entry, Host, HostStatus, Job, Label, SpecialTask, Subdir, TaskKind, User};
use crate::protocol::{EntryColumns, HostColumns, Subnets};
use crate::settings::LabelUse;

/// Steps of a tick that look only at hosts about which something has changed since they looked last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostStep {
    /// Leases for requested tasks (host scheduler).
    Lease,
    /// Taking up queued special tasks.
    Tasks,
    /// Host acquisition.
    Acquire,
    /// Release of leases.
    Release,
}

impl HostStep {
    const ALL: [HostStep; 4] = [HostStep::Lease, HostStep::Tasks, HostStep::Acquire, HostStep::Release];
}

/// A host with what is known of it.
#[derive(Debug, Clone)]
pub(super) struct HostState {
    pub(super) row: Host,
    /// Its position in host sets.
    pub(super) index: HostIndex,
    /// The agent that works on it.
    pub(super) agent: Option<AgentKey>,
    /// Entries that occupy it: one at the most, unless the database says otherwise.
    pub(super) active: SmallVec<[EntryId; 1]>,
    /// Its incomplete special tasks.
    pub(super) tasks: SmallVec<[TaskId; 2]>,
    /// Pending entries that name it.
    pub(super) waiting: BTreeSet<PendingKey>,
    /// The suite that holds it.
    pub(super) suite: Option<JobId>,
    /// Entries that could not be adopted because it has an agent.
    pub(super) blocked: SmallVec<[EntryId; 1]>,
    pub(super) changed: HostColumns,
    touched: u8,
}

/// A label with the hosts that have it.
#[derive(Debug, Clone)]
pub(super) struct LabelState {
    pub(super) row: Label,
    pub(super) usage: LabelUse,
    pub(super) hosts: HostSet,
    /// Requirements that are looked up by this, their rarest, label.
    pub(super) requirements: Vec<u32>,
}

/// A user with the hosts within reach.
#[derive(Debug, Clone)]
pub(super) struct UserState {
    pub(super) row: User,
    /// Which of the access sets is theirs.
    pub(super) access: u32,
}

/// A job with its live entries.
#[derive(Debug, Clone)]
pub(super) struct JobState {
    pub(super) row: Job,
    pub(super) entries: SmallVec<[EntryId; 1]>,
    pub(super) children: Vec<JobId>,
    /// Hosts that it is not to be given, whether or not a row says so yet.
    pub(super) ineligible: SmallVec<[HostId; 2]>,
    /// Whether any of those is a row in the database.
    pub(super) has_ineligible_rows: bool,
}

/// An entry with what is known of it.
#[derive(Debug, Clone)]
pub(super) struct EntryState {
    pub(super) row: Entry,
    pub(super) agent: Option<AgentKey>,
    pub(super) group: Option<u32>,
    pub(super) waiting: Waiting,
    /// A host has been chosen for it in this pass of acquisition.
    pub(super) chosen: bool,
    pub(super) tasks: SmallVec<[TaskId; 2]>,
    /// Provisions that it has had.
    pub(super) provisions: u16,
    /// Repairs that it has had, by host.
    pub(super) repairs: Vec<(HostId, u16)>,
    pub(super) changed: EntryColumns,
}

/// What will be written of a special task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TaskRowState {
    Unchanged,
    Inserted,
    Updated,
}

/// A special task with what is known of it.
#[derive(Debug, Clone)]
pub(super) struct TaskState {
    pub(super) row: SpecialTask,
    pub(super) changed: TaskRowState,
}

/// Entries that share an execution path: those that run together.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) job: JobId,
    pub(super) subdir: Subdir,
    /// Its incomplete entries, ascending.
    pub(super) entries: SmallVec<[EntryId; 1]>,
    /// The pidfile of its test.
    pub(super) test: Option<PidfileId>,
}

/// Hosts within reach of the users with this combination of ACL groups.
#[derive(Debug, Clone)]
pub(super) struct AccessSet {
    pub(super) acls: SmallVec<[crate::ids::AclGroupId; 2]>,
    pub(super) hosts: HostSet,
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub(super) struct WorkingSet {
    pub(super) hosts: Table<HostId, HostState>,
    /// Host ids by position; ascending.
    pub(super) host_order: Vec<HostId>,
    /// Hosts that acquisition may give away, as of the last look.
    pub(super) idle: HostSet,
    pub(super) repair_failed: BTreeSet<HostId>,
    pub(super) labels: Table<LabelId, LabelState>,
    pub(super) users: Table<UserId, UserState>,
    pub(super) access: Vec<AccessSet>,
    pub(super) drone_sets: BTreeMap<DroneSetId, DroneSet>,
    pub(super) subnets: Subnets,
    pub(super) jobs: Table<JobId, JobState>,
    pub(super) entries: Table<EntryId, EntryState>,
    pub(super) tasks: Table<TaskId, TaskState>,
    /// Jobs that were handed off.
    pub(super) hand_offs: BTreeMap<JobId, HandOffState>,
    /// Of those, the ones that were recalled in the last tick.
    pub(super) recalled: Vec<JobId>,
    pub(super) groups: Vec<Option<Group>>,
    pub(super) free_groups: Vec<u32>,
    pub(super) queue: PendingQueue,
    /// Entries in Starting, Running, Gathering or Parsing without an agent.
    pub(super) to_adopt: BTreeSet<EntryId>,
    /// Aborted entries that have yet to be dealt with.
    pub(super) to_abort: BTreeSet<EntryId>,
    /// Active tasks that somebody aborted.
    pub(super) tasks_to_abort: BTreeSet<TaskId>,
    /// When jobs reach their time limit.
    pub(super) job_limits: TimeLimits<JobId>,
    /// When running entries reach theirs.
    pub(super) run_limits: TimeLimits<EntryId>,
    pub(super) next_task: u32,
    touched: [Touched; 4],
    pub(super) changed_hosts: Vec<HostId>,
    pub(super) changed_entries: Vec<EntryId>,
    pub(super) changed_tasks: Vec<TaskId>,
    pub(super) deleted_tasks: Vec<TaskId>,
    pub(super) ended_entries: Vec<EntryId>,
    /// Jobs of which somebody else took the last entry.
    pub(super) ended_jobs: Vec<JobId>,
    pub(super) ended_tasks: Vec<TaskId>,
}

/// Hosts about which something has changed: few, but in a large lab.
pub(super) type Touched = SmallVec<[HostId; 8]>;

impl HostState {
    pub(super) fn new(row: Host, index: HostIndex) -> HostState {
        HostState {
            row,
            index,
            agent: None,
            active: SmallVec::new(),
            tasks: SmallVec::new(),
            waiting: BTreeSet::new(),
            suite: None,
            blocked: SmallVec::new(),
            changed: HostColumns::empty(),
            touched: 0,
        }
    }

    /// Whether a named entry may be given it, labels and access apart. One-time hosts are invalid.
    pub(super) fn is_available(&self) -> bool {
        !self.row.leased
            && !self.row.locked
            && self.row.status == HostStatus::Ready
            && self.agent.is_none()
            && self.row.shard.is_none()
    }

    /// Whether acquisition by label may give it away.
    pub(super) fn is_idle(&self) -> bool {
        self.is_available() && !self.row.invalid
    }

    /// Whether it is leased and nobody needs it.
    pub(super) fn is_leased_in_vain(&self) -> bool {
        let unused = self.active.is_empty() && self.tasks.is_empty();
        let ready = self.row.status == HostStatus::Ready && !self.row.locked;
        self.row.leased && ready && unused && self.row.shard.is_none()
    }

    pub(super) fn has_label(&self, label: LabelId) -> bool {
        self.row.labels.binary_search(&label).is_ok()
    }
}

impl WorkingSet {
    /// Notes that something about a host has changed, for every step that may care.
    pub(super) fn touch(&mut self, host: HostId) {
        let Some(state) = self.hosts.get_mut(host) else { return };
        for step in HostStep::ALL {
            let bit = 1 << step as u8;
            if state.touched & bit == 0 {
                state.touched |= bit;
                self.touched[step as usize].push(host);
            }
        }
    }

    /// Takes [`WorkingSet::touched`].
    pub(super) fn take_touched(&mut self, step: HostStep) -> Touched {
        let touched = &mut self.touched[step as usize];
        if touched.is_empty() {
            return Touched::new();
        }
        // As many will be touched the next time, more or less: one allocation instead of several.
        let room = Touched::with_capacity(touched.len());
        let hosts = std::mem::replace(touched, room);
        for host in &hosts {
            if let Some(state) = self.hosts.get_mut(*host) {
                state.touched &= !(1 << step as u8);
            }
        }
        hosts
    }

    /// The hosts about which something has changed since this step took them last.
    pub(super) fn touched(&self, step: HostStep) -> &[HostId] {
        &self.touched[step as usize]
    }

    pub(super) fn set_host_status(&mut self, host: HostId, status: HostStatus) {
        let Some(state) = self.hosts.get_mut(host) else { return };
        if state.row.status == status {
            return;
        }
        if state.row.status == HostStatus::RepairFailed {
            self.repair_failed.remove(&host);
        }
        if status == HostStatus::RepairFailed {
            self.repair_failed.insert(host);
        }
        state.row.status = status;
        self.note_host(host, HostColumns::STATUS);
        self.touch(host);
    }

    pub(super) fn set_leased(&mut self, host: HostId, leased: bool) {
        let Some(state) = self.hosts.get_mut(host) else { return };
        if state.row.leased != leased {
            state.row.leased = leased;
            self.note_host(host, HostColumns::LEASED);
            self.touch(host);
        }
    }

    pub(super) fn set_dirty(&mut self, host: HostId, dirty: bool) {
        let Some(state) = self.hosts.get_mut(host) else { return };
        if state.row.dirty != dirty {
            state.row.dirty = dirty;
            self.note_host(host, HostColumns::DIRTY);
        }
    }

    fn note_host(&mut self, host: HostId, columns: HostColumns) {
        let state = &mut self.hosts[host];
        if state.changed.is_empty() {
            self.changed_hosts.push(host);
        }
        state.changed |= columns;
    }

    pub(super) fn note_entry(&mut self, entry: EntryId, columns: EntryColumns) {
        let state = &mut self.entries[entry];
        if state.changed.is_empty() {
            self.changed_entries.push(entry);
        }
        state.changed |= columns;
    }

    pub(super) fn note_task(&mut self, task: TaskId) {
        let state = &mut self.tasks[task];
        if state.changed == TaskRowState::Unchanged {
            state.changed = TaskRowState::Updated;
            self.changed_tasks.push(task);
        }
    }

    /// Registers a task that is not complete with its host and entry.
    pub(super) fn link_task(&mut self, row: SpecialTask, changed: TaskRowState) {
        let id = row.id;
        self.next_task = self.next_task.max(id.0.saturating_add(1));
        if let Some(host) = self.hosts.get_mut(row.host) {
            host.tasks.push(id);
        }
        if let Some(entry) = row.entry.and_then(|entry| self.entries.get_mut(entry)) {
            entry.tasks.push(id);
        }
        if row.active && row.aborted {
            self.tasks_to_abort.insert(id);
        }
        self.touch(row.host);
        self.tasks.insert(id, TaskState { row, changed });
        if changed == TaskRowState::Inserted {
            self.changed_tasks.push(id);
        }
    }

    /// Takes a task that has ended, or goes, from its host and entry. The row stays until the tick's changes are drained.
    pub(super) fn unlink_task(&mut self, id: TaskId) {
        let (host, entry) = {
            let row = &self.tasks[id].row;
            (row.host, row.entry)
        };
        if let Some(host) = self.hosts.get_mut(host) {
            host.tasks.retain(|task| *task != id);
        }
        if let Some(entry) = entry.and_then(|entry| self.entries.get_mut(entry)) {
            entry.tasks.retain(|task| *task != id);
        }
        self.tasks_to_abort.remove(&id);
        self.touch(host);
    }

    /// A queued task: marks it complete without having run.
    pub(super) fn close_queued_task(&mut self, id: TaskId) {
        let state = &mut self.tasks[id];
        state.row.active = false;
        state.row.complete = true;
        state.row.success = false;
        self.note_task(id);
        self.unlink_task(id);
        self.ended_tasks.push(id);
    }

    /// Removes the queued tasks of a host that belong to no entry and are of this kind, except `keep`.
    pub(super) fn delete_requested_tasks(&mut self, host: HostId, kind: TaskKind, keep: TaskId) {
        let doomed: SmallVec<[TaskId; 4]> = self.hosts[host]
            .tasks
            .iter()
            .copied()
            .filter(|id| {
                let row = &self.tasks[*id].row;
                *id != keep && row.kind == kind && row.entry.is_none() && row.is_queued()
            })
            .collect();
        for id in doomed {
            self.unlink_task(id);
            let inserted = self.tasks[id].changed == TaskRowState::Inserted;
            if !inserted {
                self.deleted_tasks.push(id);
            }
            self.tasks.remove(id);
        }
    }

    pub(super) fn group(&self, key: u32) -> &Group {
        self.groups[key as usize].as_ref().expect("groups live as long as an entry of them does")
    }

    pub(super) fn group_mut(&mut self, key: u32) -> &mut Group {
        self.groups[key as usize].as_mut().expect("groups live as long as an entry of them does")
    }

    /// Binds entries, ascending, into a new group.
    pub(super) fn add_group(&mut self, job: JobId, subdir: Subdir, entries: SmallVec<[EntryId; 1]>) -> u32 {
        let group = Group { job, subdir, entries: entries.clone(), test: None };
        let key = match self.free_groups.pop() {
            Some(key) => {
                self.groups[key as usize] = Some(group);
                key
            }
            None => {
                self.groups.push(Some(group));
                self.groups.len() as u32 - 1
            }
        };
        for entry in entries {
            self.entries[entry].group = Some(key);
        }
        key
    }

    /// How requests use a label; one that is not known restricts.
    pub(super) fn label_use(&self, label: LabelId) -> LabelUse {
        self.labels.get(label).map_or(LabelUse::Restricts, |label| label.usage)
    }
}
