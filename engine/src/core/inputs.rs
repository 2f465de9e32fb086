//! Rows that come, change or go outside of the scheduler. Nothing here can fail: a row that makes no sense is set aside,
//! counted and reported.

use smallvec::SmallVec;

use super::agents::AgentTask;
use super::entries::NO_ACCESS;
use super::host_set::HostSet;
use super::queue::Waiting;
use super::working_set::{AccessSet, EntryState, HostState, JobState, LabelState, TaskRowState, TaskState, UserState};
use super::{Core, Role};
use crate::ids::{AclGroupId, DroneId, EntryId, HostId, JobId, LabelId, PidfileId, TaskId};
use crate::model::{Entry, EntryStatus, Host, HostStatus, Ineligible, Job, Label, SpecialTask, Subdir, TaskKind, User};
use crate::protocol::{EntryColumns, EntryUpdate, Notice, PidfileName, RowChange};

impl Core {
    /// Takes in all changes, in their order.
    pub(super) fn hear_rows(&mut self, rows: Vec<RowChange>) {
        for row in rows {
            match row {
                RowChange::Host(host) => self.hear_host(host),
                RowChange::Label(label) => self.hear_label(label),
                RowChange::User(user) => self.hear_user(user),
                RowChange::Drone(drone) => {
                    self.drones.upsert(drone, false);
                    self.agents.may_start = true;
                }
                RowChange::DroneGone(drone) => self.hear_drone_gone(drone),
                RowChange::DroneSet(set) => {
                    self.rows.drone_sets.insert(set.id, set);
                    self.agents.may_start = true;
                }
                RowChange::Job(job) => self.hear_job(job),
                RowChange::Entry(entry) => self.hear_entry(entry),
                RowChange::EntryGone(entry) => {
                    let state = self.rows.entries.get(entry);
                    let job = state.map(|state| state.row.job);
                    if state.is_some_and(|state| self.is_others_business(state)) {
                        self.leave_entry(entry);
                    } else {
                        self.forget_entry(entry);
                        job.into_iter().for_each(|job| self.stop_if_necessary(job));
                    }
                    job.into_iter().for_each(|job| self.drop_job_if_ended(job));
                }
                RowChange::Task(task) => {
                    // Another process of this scheduler may create tasks for entries.
                    if let Some(entry) = task.entry.filter(|_| !self.rows.tasks.contains(task.id)) {
                        self.hear_history(entry, task.host, task.kind, 1);
                    }
                    self.hear_task(task);
                }
                RowChange::TaskGone(task) => self.hear_task_gone(task),
                RowChange::Subnets(subnets) => {
                    self.rows.subnets = subnets;
                    self.agents.may_start = true;
                }
                RowChange::Ineligible(row) => self.hear_ineligible(row),
                RowChange::IneligibleGone(row) => {
                    if let Some(job) = self.rows.jobs.get_mut(row.job) {
                        job.ineligible.retain(|host| *host != row.host);
                        self.refresh_job_waiting(row.job);
                    }
                }
            }
        }
    }

    /// Sets a row aside that makes no sense.
    pub(super) fn quarantine(&mut self, what: String) {
        self.stats.quarantined += 1;
        self.notices.push(Notice::Quarantined { what });
    }

    // ---- The lab

    pub(super) fn hear_host(&mut self, row: Host) {
        let id = row.id;
        let old = match self.rows.hosts.get_mut(id) {
            Some(state) => std::mem::replace(&mut state.row, row),
            None => {
                let index = self.rows.host_order.len() as u32;
                let in_order = self.rows.host_order.last().is_none_or(|last| *last < id);
                self.rows.host_order.push(id);
                let empty =
                    Host { labels: SmallVec::new(), acls: SmallVec::new(), status: HostStatus::Ready, ..row.clone() };
                self.rows.hosts.insert(id, HostState::new(row, index));
                if !in_order {
                    self.renumber_hosts();
                }
                empty
            }
        };
        let state = &self.rows.hosts[id];
        let (row, index) = (state.row.clone(), state.index);
        if old.shard != row.shard {
            self.refresh_all_waiting();
        }
        for label in old.labels.iter().filter(|label| !row.labels.contains(label)) {
            self.rows.labels[*label].hosts.set(index, false);
        }
        for label in &row.labels {
            self.ensure_label(*label);
            self.rows.labels[*label].hosts.set(index, true);
        }
        for access in &mut self.rows.access {
            access.hosts.set(index, reaches(&access.acls, &row.acls));
        }
        if row.status == HostStatus::RepairFailed {
            self.rows.repair_failed.insert(id);
        } else {
            self.rows.repair_failed.remove(&id);
        }
        self.rows.touch(id);
    }

    /// Puts positions back into the order of ids, after a host came whose id is not the highest.
    fn renumber_hosts(&mut self) {
        self.rows.host_order.sort_unstable();
        self.rows.idle = HostSet::default();
        let labels: Vec<LabelId> = self.rows.labels.ids().collect();
        for label in labels {
            self.rows.labels[label].hosts = HostSet::default();
        }
        for access in &mut self.rows.access {
            access.hosts = HostSet::default();
        }
        for (index, id) in self.rows.host_order.clone().into_iter().enumerate() {
            let index = index as u32;
            let state = &mut self.rows.hosts[id];
            state.index = index;
            let row = state.row.clone();
            for label in &row.labels {
                if let Some(label) = self.rows.labels.get_mut(*label) {
                    label.hosts.set(index, true);
                }
            }
            for access in &mut self.rows.access {
                access.hosts.set(index, reaches(&access.acls, &row.acls));
            }
            self.rows.touch(id);
        }
    }

    pub(super) fn hear_label(&mut self, row: Label) {
        let usage = self.settings.label_use(&row.name);
        match self.rows.labels.get_mut(row.id) {
            Some(state) => {
                let changes_requests = state.usage != usage || state.row.shard != row.shard;
                state.row = row;
                state.usage = usage;
                if changes_requests {
                    self.refresh_all_waiting();
                }
            }
            None => self.add_label(row),
        }
    }

    /// Makes a place for a label of which only the id is known so far.
    pub(super) fn ensure_label(&mut self, id: LabelId) {
        if !self.rows.labels.contains(id) {
            self.add_label(Label { id, name: "".into(), platform: false, invalid: false, shard: None });
        }
    }

    fn add_label(&mut self, row: Label) {
        let usage = self.settings.label_use(&row.name);
        self.rows.labels.insert(row.id, LabelState { row, usage, hosts: HostSet::default(), requirements: Vec::new() });
    }

    pub(super) fn hear_user(&mut self, row: User) {
        let access = self.access_of(&row.acls);
        let id = row.id;
        if &*row.login == SYSTEM_LOGIN || self.system_user.is_none() {
            self.system_user = Some(id);
        }
        let old = self.rows.users.insert(id, UserState { row, access });
        if old.is_none_or(|old| old.access != access) && self.rows.jobs.len() > 0 {
            let jobs: Vec<JobId> =
                self.rows.jobs.iter().filter(|(_, job)| job.row.owner == id).map(|(id, _)| id).collect();
            for job in jobs {
                self.refresh_job_waiting(job);
            }
        }
        self.agents.may_start = true;
    }

    /// The access set of this combination of groups; made when first needed.
    fn access_of(&mut self, acls: &[AclGroupId]) -> u32 {
        if self.rows.access.is_empty() {
            self.rows.access.push(AccessSet { acls: SmallVec::new(), hosts: HostSet::default() });
        }
        if acls.is_empty() {
            return NO_ACCESS;
        }
        if let Some(known) = self.rows.access.iter().position(|access| access.acls.as_slice() == acls) {
            return known as u32;
        }
        let mut hosts = HostSet::default();
        for (_, state) in self.rows.hosts.iter() {
            hosts.set(state.index, reaches(acls, &state.row.acls));
        }
        self.rows.access.push(AccessSet { acls: SmallVec::from_slice(acls), hosts });
        self.rows.access.len() as u32 - 1
    }

    fn hear_drone_gone(&mut self, drone: DroneId) {
        self.drones.remove(drone);
        if self.unheard.remove(&drone) {
            self.release_held_agents = true;
        }
        self.drop_strays_of(drone);
        let there = self.processes.by_pidfile.iter().filter(|(_, process)| process.drone == Some(drone));
        let lost: Vec<PidfileId> = there.map(|(id, _)| id).collect();
        for pidfile in lost {
            self.lose_process(pidfile);
        }
    }

    // ---- Jobs and entries

    pub(super) fn hear_job(&mut self, row: Job) {
        let id = row.id;
        let limit = row.created_on + row.timeout;
        match self.rows.jobs.get(id) {
            Some(state) => {
                let entries = state.entries.clone();
                for entry in &entries {
                    self.stop_waiting(*entry);
                }
                let next_group = self.rows.jobs[id].row.next_group.max(row.next_group);
                self.rows.jobs[id].row = Job { next_group, ..row };
                for entry in &entries {
                    self.limit_runtime(*entry);
                }
                self.refresh_job_waiting(id);
                self.rows.job_limits.set(limit, id);
                // It may have been bound to other drones.
                self.agents.may_start = true;
            }
            None => {
                if let Some(parent) = row.parent.and_then(|parent| self.rows.jobs.get_mut(parent)) {
                    parent.children.push(id);
                }
                let state = JobState {
                    row,
                    entries: SmallVec::new(),
                    children: Vec::new(),
                    ineligible: SmallVec::new(),
                    has_ineligible_rows: false,
                };
                self.rows.jobs.insert(id, state);
            }
        }
    }

    pub(super) fn hear_entry(&mut self, row: Entry) {
        let id = row.id;
        if let Some(state) = self.rows.entries.get(id) {
            let old = &state.row;
            let as_known = (old.status, old.active, old.host, old.meta_host, &old.subdir)
                == (row.status, row.active, row.host, row.meta_host, &row.subdir);
            if as_known {
                if row.aborted && !old.aborted {
                    self.mark_aborted(id);
                }
                return;
            }
            if self.is_others_business(state) || (state.agent.is_none() && self.is_on_shard(&row)) {
                return self.follow_entry(row);
            }
            if self.follow_runner(&row) {
                return;
            }
            let had = self.rows.entries.get(id).map(|state| (state.provisions, state.repairs.clone()));
            let (job, has_ended) = (row.job, row.status.is_complete() && row.status != EntryStatus::Aborted);
            self.forget_entry(id);
            self.hear_new_entry(row);
            if has_ended {
                self.stop_if_necessary(job);
            }
            if let (Some(state), Some(had)) = (self.rows.entries.get_mut(id), had) {
                (state.provisions, state.repairs) = had;
            }
            return;
        }
        self.hear_new_entry(row);
    }

    /// Whether somebody else does what there is to do about an entry: the dispatcher beside a host scheduler, or the shard
    /// that has it. Not if something of ours is at work on it.
    fn is_others_business(&self, state: &EntryState) -> bool {
        self.role == Role::HostScheduler || (state.agent.is_none() && self.is_on_shard(&state.row))
    }

    fn hear_new_entry(&mut self, row: Entry) {
        let id = row.id;
        if row.status.is_complete() {
            let job = row.job;
            self.check_complete_entry(row);
            return self.drop_job_if_ended(job);
        }
        let Some(job) = self.rows.jobs.get(row.job) else {
            return self.quarantine(format!("entry {id} belongs to job {}, which does not exist", row.job));
        };
        if let Some(host) = row.host.filter(|host| !self.rows.hosts.contains(*host)) {
            return self.quarantine(format!("entry {id} is on host {host}, which does not exist"));
        }
        if row.status.has_group() && row.subdir == Subdir::Unset {
            return self.quarantine(format!("entry {id} is {} and has no execution subdirectory", row.status));
        }
        if row.status.is_active() && row.host.is_none() && row.meta_host.is_some() {
            return self.quarantine(format!("entry {id} is {} and has no host", row.status));
        }
        let first = job.entries.is_empty();
        self.add_entry(row, first);
    }

    fn add_entry(&mut self, row: Entry, first_of_job: bool) {
        let (id, job_id, host, active, aborted) = (row.id, row.job, row.host, row.active, row.aborted);
        let (status, subdir) = (row.status, row.subdir.clone());
        let state = EntryState {
            row,
            agent: None,
            group: None,
            waiting: Waiting::No,
            chosen: false,
            tasks: SmallVec::new(),
            provisions: 0,
            repairs: Vec::new(),
            changed: EntryColumns::empty(),
        };
        self.rows.entries.insert(id, state);
        let job = &mut self.rows.jobs[job_id];
        let place = job.entries.binary_search(&id).unwrap_or_else(|place| place);
        job.entries.insert(place, id);
        if let Some(host) = host.filter(|host| !job.ineligible.contains(host)) {
            job.ineligible.push(host);
        }
        if first_of_job {
            self.rows.job_limits.set(job.row.created_on + job.row.timeout, job_id);
        }
        if let Some(host) = host.filter(|_| active) {
            self.rows.hosts[host].active.push(id);
            self.rows.touch(host);
        }
        if status.has_group() {
            self.join_group(id, job_id, subdir);
            self.rows.to_adopt.insert(id);
        }
        if aborted {
            self.rows.to_abort.insert(id);
        }
        self.limit_runtime(id);
        self.refresh_waiting(id);
    }

    fn join_group(&mut self, id: EntryId, job: JobId, subdir: Subdir) {
        let mut groups = self.rows.jobs[job].entries.iter().filter_map(|entry| self.rows.entries[*entry].group);
        match groups.find(|key| self.rows.group(*key).subdir == subdir) {
            Some(key) => {
                let group = self.rows.group_mut(key);
                let place = group.entries.binary_search(&id).unwrap_or_else(|place| place);
                group.entries.insert(place, id);
                self.rows.entries[id].group = Some(key);
            }
            None => {
                let key = self.rows.add_group(job, subdir, SmallVec::from_elem(id, 1));
                // A host scheduler has no drones to ask.
                if self.role != Role::HostScheduler {
                    let path = self.group_path(key);
                    let pidfile = self.watch_process(path, PidfileName::Execute, 1);
                    self.rows.group_mut(key).test = Some(pidfile);
                }
            }
        }
    }

    /// For a host scheduler: the dispatcher has moved an entry on; or a shard has moved one of its own. The row is taken over;
    /// what is to be done about it is their business.
    fn follow_entry(&mut self, row: Entry) {
        let id = row.id;
        let tasks = std::mem::take(&mut self.rows.entries[id].tasks);
        self.leave_entry(id);
        if row.status.is_complete() {
            return self.drop_job_if_ended(row.job);
        }
        self.hear_new_entry(row);
        if let Some(state) = self.rows.entries.get_mut(id) {
            state.tasks = tasks;
        }
    }

    /// Lets go of an entry, and does nothing about it.
    pub(super) fn leave_entry(&mut self, id: EntryId) {
        let Some(state) = self.rows.entries.get(id) else { return };
        let (job, host) = (state.row.job, state.row.host);
        self.stop_waiting(id);
        if let Some(host) = host {
            self.rows.hosts[host].active.retain(|entry| *entry != id);
            self.rows.touch(host);
        }
        self.leave_group(id);
        self.rows.to_adopt.remove(&id);
        self.rows.to_abort.remove(&id);
        self.rows.entries.remove(id);
        self.rows.jobs[job].entries.retain(|entry| *entry != id);
    }

    /// An entry that is complete and active at once is reported; an aborted one is mended.
    pub(super) fn check_complete_entry(&mut self, row: Entry) {
        if !row.active {
            return;
        }
        self.notices.push(Notice::ActiveAndComplete { entry: row.id });
        if row.status == EntryStatus::Aborted {
            let entry = Entry { active: false, ..row };
            self.changes.entries.push(EntryUpdate { columns: EntryColumns::STATUS, entry });
        }
    }

    /// An entry that was deleted, or that somebody else took over: whatever served it is stopped, and a host that it left in
    /// the middle of something is cleaned.
    fn forget_entry(&mut self, id: EntryId) {
        let Some(state) = self.rows.entries.get(id) else { return };
        let (job, agent) = (state.row.job, state.agent);
        let in_use = state.row.host.filter(|_| state.row.active && state.row.status != EntryStatus::Queued);
        self.cancel_queued_tasks(id);
        if let Some(key) = agent {
            let at_work = self.agents.get(key).map(|agent| (agent.task, agent.state));
            let task = at_work.map(|(task, _)| task);
            let process = at_work.and_then(|(_, state)| self.kill_of(key, state));
            if let Some(AgentTask::Special(task)) = task {
                self.close_task(task, false, process);
            }
            if let Some(AgentTask::HandOff(group)) = task {
                self.cancel_hand_off(group);
            }
            if let Some(process) = process {
                self.retire_process(process);
            }
            self.remove_agent(key);
        }
        self.leave_entry(id);
        if let Some(host) = in_use {
            let owner = Some(self.rows.jobs[job].row.owner);
            self.add_task(TaskKind::Cleanup, host, None, owner);
        }
    }

    /// What its entries are asked for, or who is responsible for them, may have changed.
    fn refresh_job_waiting(&mut self, job: JobId) {
        let entries = self.rows.jobs.get(job).map(|job| job.entries.clone()).unwrap_or_default();
        for entry in entries {
            self.stop_waiting(entry);
            self.refresh_waiting(entry);
            let state = &self.rows.entries[entry];
            if state.row.status.has_group() && state.agent.is_none() {
                self.rows.to_adopt.insert(entry);
            }
            if state.row.aborted {
                self.rows.to_abort.insert(entry);
            }
        }
    }

    pub(super) fn refresh_all_waiting(&mut self) {
        let jobs: Vec<JobId> = self.rows.jobs.ids().collect();
        for job in jobs {
            self.refresh_job_waiting(job);
        }
    }

    pub(super) fn hear_ineligible(&mut self, row: Ineligible) {
        let Some(job) = self.rows.jobs.get_mut(row.job) else {
            // Of a job that has ended: its rows were to be swept.
            if self.upkeep.sweep.last() != Some(&row.job) {
                self.upkeep.sweep.push(row.job);
            }
            return;
        };
        job.has_ineligible_rows = true;
        if !job.ineligible.contains(&row.host) {
            job.ineligible.push(row.host);
        }
    }

    // ---- Special tasks

    pub(super) fn hear_task(&mut self, row: SpecialTask) {
        let id = row.id;
        self.rows.next_task = self.rows.next_task.max(id.0.saturating_add(1));
        match self.rows.tasks.get_mut(id) {
            Some(state) if row.complete => {
                let active = state.row.active;
                self.end_task_from_outside(id, active);
            }
            Some(state) => {
                state.row.aborted |= row.aborted;
                if state.row.aborted && state.row.active {
                    self.rows.tasks_to_abort.insert(id);
                }
            }
            None if row.complete => {}
            None if !self.rows.hosts.contains(row.host) => {
                self.quarantine(format!("special task {id} is for host {}, which does not exist", row.host));
            }
            None => self.rows.link_task(row, TaskRowState::Unchanged),
        }
    }

    fn hear_task_gone(&mut self, id: TaskId) {
        if let Some(TaskState { row, .. }) = self.rows.tasks.get(id) {
            let active = row.active;
            self.end_task_from_outside(id, active);
        }
    }

    /// Somebody else ended or deleted the task: an active one counts as aborted, a queued one is just gone. To a host scheduler
    /// that somebody is the dispatcher, who has done all that there is to do about it.
    fn end_task_from_outside(&mut self, id: TaskId, active: bool) {
        if active && self.role != Role::HostScheduler {
            self.rows.tasks_to_abort.insert(id);
            return;
        }
        let host = self.rows.tasks[id].row.host;
        let agent = self.rows.hosts.get(host).and_then(|host| host.agent);
        if let Some(key) = agent
            && self.agents.get(key).is_some_and(|agent| agent.task == AgentTask::Special(id))
        {
            self.remove_agent(key);
        }
        self.rows.unlink_task(id);
        self.rows.tasks.remove(id);
    }

    /// What an entry has had of tasks that count against its limits.
    pub(super) fn hear_history(&mut self, entry: EntryId, host: HostId, kind: TaskKind, count: u32) {
        let Some(state) = self.rows.entries.get_mut(entry) else { return };
        let count = count.min(u32::from(u16::MAX)) as u16;
        match kind {
            TaskKind::Provision => state.provisions = state.provisions.saturating_add(count),
            TaskKind::Repair => match state.repairs.iter_mut().find(|(repaired, _)| *repaired == host) {
                Some((_, known)) => *known = known.saturating_add(count),
                None => state.repairs.push((host, count)),
            },
            TaskKind::Cleanup | TaskKind::Verify | TaskKind::Reset => {}
        }
    }
}

/// The login in whose name the scheduler asks for tasks.
const SYSTEM_LOGIN: &str = "autotest_system";

/// Whether users of these groups may use a host of those: both ascending.
fn reaches(user: &[AclGroupId], host: &[AclGroupId]) -> bool {
    user.iter().any(|group| host.binary_search(group).is_ok())
}
