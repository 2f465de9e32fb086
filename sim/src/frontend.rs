//! What people and the web frontend do to the database: submit, abort, lock, ask for tasks. The scheduler hears of it with
//! its next poll.

use std::sync::Arc;

use smallvec::SmallVec;
use yardmaster_engine::{
    AclGroupId, Drone, DroneId, DroneSet, DroneSetId, Entry, EntryId, EntryStatus, Host, HostId, Ineligible, Job,
    JobId, Label, LabelId, RowChange, SpecialTask, TaskId, TaskKind, Time, User, UserId,
};

use crate::store::MemoryStore;

/// On what the entries of a job run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// This host.
    Host(HostId),
    /// Any host with this label.
    Any(LabelId),
    /// No host.
    None,
}

impl MemoryStore {
    /// The label of this name; made if there is none.
    pub fn ensure_label(&mut self, name: &str) -> LabelId {
        if let Some(id) = self.label_id(name) {
            return id;
        }
        let id = LabelId(self.labels.next_id());
        let label = Label { id, name: name.into(), platform: false, invalid: false, shard: None };
        self.labels.put(id.0, label.clone());
        self.tell(RowChange::Label(label));
        id
    }

    /// The ACL group of this name; made if there is none.
    pub fn ensure_acl_group(&mut self, name: &str) -> AclGroupId {
        if let Some((id, _)) = self.acl_groups.iter().find(|(_, known)| known == name) {
            return *id;
        }
        let id = AclGroupId(self.acl_groups.next_id());
        self.acl_groups.put(id.0, (id, name.to_owned()));
        id
    }

    /// The user of this login.
    pub fn user_id(&self, login: &str) -> Option<UserId> {
        self.users.iter().find(|user| &*user.login == login).map(|user| user.id)
    }

    /// Adds a user who belongs to these groups.
    pub fn add_user(&mut self, login: &str, acls: &[AclGroupId]) -> UserId {
        let id = UserId(self.users.next_id());
        let user = User { id, login: login.into(), acls: sorted(acls), drone_set: None };
        self.users.put(id.0, user.clone());
        self.tell(RowChange::User(user));
        id
    }

    /// Adds a host. Its id is assigned.
    pub fn add_host(&mut self, host: Host) -> HostId {
        let id = HostId(self.hosts.next_id());
        let host = Host { id, ..host };
        self.hosts.put(id.0, host.clone());
        self.tell(RowChange::Host(host));
        id
    }

    /// Adds a drone, and puts it into a set.
    pub fn add_drone(
        &mut self,
        name: &str,
        max_processes: u32,
        enabled: bool,
        users: Option<Vec<UserId>>,
        set: Option<&str>,
    ) -> DroneId {
        let id = DroneId(self.drones.next_id());
        let drone = Drone { id, name: name.into(), enabled, max_processes, users: users.unwrap_or_default() };
        self.drones.put(id.0, drone.clone());
        self.tell(RowChange::Drone(drone));
        if let Some(set) = set {
            let known = self.drone_sets.iter().find(|known| &*known.name == set).cloned();
            let fresh = || DroneSet { id: DroneSetId(self.drone_sets.next_id()), name: set.into(), drones: Vec::new() };
            let mut set = known.unwrap_or_else(fresh);
            set.drones.push(id);
            self.drone_sets.put(set.id.0, set.clone());
            self.tell(RowChange::DroneSet(set));
        }
        id
    }

    /// Submits a job, with an entry for every target, in their order. Its id is assigned; its `suite_min_hosts` is taken as
    /// its own keyval, which counts for its children.
    pub fn submit(&mut self, job: Job, targets: &[Target]) -> (JobId, Vec<EntryId>) {
        let id = JobId(self.jobs.next_id());
        let own_minimum = job.suite_min_hosts;
        let suite_min_hosts = job.parent.and_then(|parent| self.suite_minimums.get(&parent)).copied().unwrap_or(0);
        self.suite_minimums.insert(id, own_minimum);
        let job = Job { id, suite_min_hosts, ..job };
        self.jobs.put(id.0, job.clone());
        self.tell(RowChange::Job(job));
        let entries = targets.iter().map(|target| self.add_entry(id, *target)).collect();
        (id, entries)
    }

    fn add_entry(&mut self, job: JobId, target: Target) -> EntryId {
        let id = EntryId(self.entries.next_id());
        let (host, meta_host) = match target {
            Target::Host(host) => (Some(host), None),
            Target::Any(label) => (None, Some(label)),
            Target::None => (None, None),
        };
        let entry = Entry::queued(id, job, host, meta_host);
        if let Some(host) = host {
            let row = Ineligible { job, host };
            self.ineligible.insert(row);
            self.tell(RowChange::Ineligible(row));
        }
        self.entries.put(id.0, entry.clone());
        self.tell(RowChange::Entry(entry));
        id
    }

    /// Marks the incomplete entries of a job aborted, and, where there were any, those of its children.
    pub fn abort_job(&mut self, job: JobId) {
        let open = |entry: &&Entry| entry.job == job && !entry.status.is_complete() && !entry.aborted;
        let entries: Vec<EntryId> = self.entries.iter().filter(open).map(|entry| entry.id).collect();
        self.mark_aborted(job, entries);
    }

    /// Marks an entry aborted, and passes it on to the job's children.
    pub fn abort_entry(&mut self, entry: EntryId) {
        let Some(row) = self.entries.get(entry.0) else { return };
        if !row.status.is_complete() && !row.aborted {
            let job = row.job;
            self.mark_aborted(job, vec![entry]);
        }
    }

    /// Somebody else than the scheduler moves an entry on, as the runner of a job does that was handed off.
    pub fn move_entry(&mut self, entry: EntryId, status: EntryStatus, now: Time) {
        let Some(row) = self.entries.get_mut(entry.0) else { return };
        row.status = status;
        row.active = status.is_active();
        if status == EntryStatus::Running {
            row.started_on = Some(now);
        }
        if status.is_complete() {
            row.finished_on = row.started_on.map(|_| now);
        }
        let row = row.clone();
        self.tell(RowChange::Entry(row));
    }

    fn mark_aborted(&mut self, job: JobId, entries: Vec<EntryId>) {
        if entries.is_empty() {
            return;
        }
        for id in entries {
            if let Some(row) = self.entries.get_mut(id.0) {
                row.aborted = true;
                let row = row.clone();
                self.tell(RowChange::Entry(row));
            }
        }
        let children: Vec<JobId> =
            self.jobs.iter().filter(|child| child.parent == Some(job)).map(|child| child.id).collect();
        for child in children {
            self.abort_job(child);
        }
    }

    /// Asks for a special task on behalf of no entry, unless one of the kind is queued for the host already, for whomever.
    pub fn request_task(&mut self, host: HostId, kind: TaskKind, now: Time) -> Option<TaskId> {
        let same = |task: &SpecialTask| task.host == host && task.kind == kind && task.is_queued();
        if self.tasks.iter().any(same) {
            return None;
        }
        let id = TaskId(self.tasks.next_id());
        let task = SpecialTask::queued(id, kind, host, None, self.users.iter().next().map(|user| user.id), now);
        self.tasks.put(id.0, task.clone());
        self.tell(RowChange::Task(task));
        Some(id)
    }

    /// Marks a special task aborted.
    pub fn abort_task(&mut self, id: TaskId) {
        if let Some(task) = self.tasks.get_mut(id.0) {
            task.aborted = true;
            let task = task.clone();
            self.tell(RowChange::Task(task));
        }
    }

    /// Edits a host.
    pub fn edit_host(&mut self, id: HostId, edit: impl FnOnce(&mut Host)) {
        if let Some(host) = self.hosts.get_mut(id.0) {
            edit(host);
            host.labels.sort_unstable();
            host.labels.dedup();
            host.acls.sort_unstable();
            let host = host.clone();
            self.tell(RowChange::Host(host));
        }
    }

    /// Edits a job.
    pub fn edit_job(&mut self, id: JobId, edit: impl FnOnce(&mut Job)) {
        if let Some(job) = self.jobs.get_mut(id.0) {
            edit(job);
            let job = job.clone();
            self.tell(RowChange::Job(job));
        }
    }

    /// Edits a drone.
    pub fn edit_drone(&mut self, id: DroneId, edit: impl FnOnce(&mut Drone)) {
        if let Some(drone) = self.drones.get_mut(id.0) {
            edit(drone);
            let drone = drone.clone();
            self.tell(RowChange::Drone(drone));
        }
    }
}

/// Ascending, each once.
pub fn sorted<I: Copy + Ord, const N: usize>(ids: &[I]) -> SmallVec<[I; N]>
where
    [I; N]: smallvec::Array<Item = I>,
{
    let mut ids = SmallVec::from_slice(ids);
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// A host as a new row has it, but Ready and not leased: as scripted scenarios want it.
pub fn new_host(name: impl Into<Arc<str>>) -> Host {
    Host {
        id: HostId(0),
        name: name.into(),
        status: yardmaster_engine::HostStatus::Ready,
        locked: false,
        leased: false,
        invalid: false,
        dirty: false,
        protection: yardmaster_engine::Protection::None,
        labels: SmallVec::new(),
        acls: SmallVec::new(),
        shard: None,
    }
}
