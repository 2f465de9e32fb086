//! Special tasks: which ones an entry gets, in which order they are taken up, how they start and what their end means.

use smallvec::{SmallVec, smallvec};

use super::agents::{Agent, AgentKey, AgentState, AgentTask};
use super::working_set::{HostState, HostStep, TaskRowState};
use super::{Core, Role};
use crate::ids::{DroneId, EntryId, HostId, PidfileId, TaskId, UserId};
use crate::model::{EntryStatus, HostStatus, RebootBefore, SpecialTask, TaskKind};
use crate::protocol::{Command, ExecutionPath, PidfileName, Work, WorkKind};
use crate::settings::LabelUse;

impl Core {
    /// The id of the next task. A dispatcher takes even ones and a host scheduler beside it odd ones, so that they rarely take
    /// the same; the database refuses the second of two that do.
    fn free_task_id(&self) -> TaskId {
        let next = self.rows.next_task;
        TaskId(match self.role {
            Role::Whole | Role::Runner => next,
            Role::Dispatcher => next.next_multiple_of(2),
            Role::HostScheduler => next | 1,
        })
    }

    /// Queues a new special task.
    pub(super) fn add_task(
        &mut self,
        kind: TaskKind,
        host: HostId,
        entry: Option<EntryId>,
        requested_by: Option<UserId>,
    ) {
        let row = SpecialTask::queued(self.free_task_id(), kind, host, entry, requested_by, self.now);
        if let Some(entry) = entry {
            self.hear_history(entry, host, kind, 1);
        }
        self.rows.link_task(row, TaskRowState::Inserted);
    }

    /// Creates what must be done to an entry's host before its test.
    pub(super) fn add_pre_job_tasks(&mut self, entry: EntryId, host: HostId) {
        let kinds = self.pre_job_tasks(entry, host);
        let job = self.rows.entries[entry].row.job;
        let owner = Some(self.rows.jobs[job].row.owner);
        for kind in &kinds {
            self.add_task(*kind, host, Some(entry), owner);
        }
        if kinds.is_empty() {
            self.on_pending(entry);
        }
    }

    fn pre_job_tasks(&self, entry: EntryId, host: HostId) -> SmallVec<[TaskKind; 2]> {
        let job = &self.rows.jobs[self.rows.entries[entry].row.job].row;
        let host = &self.rows.hosts[host];
        let skips = job.labels.iter().any(|label| self.rows.label_use(*label) == LabelUse::SkipProvision);
        let lacks = |label| self.rows.label_use(label) == LabelUse::Provisionable && !host.has_label(label);
        if !skips && job.labels.iter().any(|label| lacks(*label)) {
            return smallvec![TaskKind::Provision];
        }
        let can_verify = host.row.protection.can_verify();
        let wants_cleanup = match job.reboot_before {
            RebootBefore::Never => false,
            RebootBefore::IfDirty => host.row.dirty,
            RebootBefore::Always => true,
        };
        let never = job.reboot_before == RebootBefore::Never;
        let wants_verify = can_verify && (job.run_verify || (job.run_reset && never));
        let wants_reset = can_verify && !never && (job.run_reset || (wants_cleanup && wants_verify));
        if wants_reset {
            return smallvec![TaskKind::Reset];
        }
        let mut kinds = SmallVec::new();
        if wants_cleanup {
            kinds.push(TaskKind::Cleanup);
        }
        if wants_verify {
            kinds.push(TaskKind::Verify);
        }
        kinds
    }

    /// Gives an agent to queued tasks whose hosts are free for them: one a host, in the order of kinds and ids.
    pub(super) fn schedule_special_tasks(&mut self) {
        let mut chosen: Vec<(TaskKind, TaskId)> = Vec::new();
        for host in self.rows.take_touched(HostStep::Tasks) {
            chosen.extend(self.rows.hosts.get(host).and_then(|host| self.next_task(host)));
        }
        chosen.sort_unstable();
        for (_, task) in chosen {
            let row = &self.rows.tasks[task].row;
            let entry = self.entry_of_task(row).filter(|_| row.kind != TaskKind::Repair);
            let agent = Agent {
                task: AgentTask::Special(task),
                hosts: smallvec![row.host],
                entries: entry.into_iter().collect(),
                processes: 1,
                state: AgentState::Waiting,
            };
            self.add_agent(agent);
        }
    }

    /// The entry that a task is there for. Where the rows make no sense (an entry whose test has begun or is over, or that
    /// is on another host), the task belongs to nobody. A Repair may outlive its entry's stay on the host.
    pub(super) fn entry_of_task(&self, task: &SpecialTask) -> Option<EntryId> {
        let id = task.entry?;
        let row = &self.rows.entries.get(id)?.row;
        let fits = task.kind == TaskKind::Repair || (!row.status.has_group() && row.host == Some(task.host));
        (fits && !row.status.is_complete()).then_some(id)
    }

    /// The queued task that a host will be given to now, if any.
    pub(super) fn next_task(&self, host: &HostState) -> Option<(TaskKind, TaskId)> {
        let free = host.agent.is_none() && !host.row.locked && host.row.shard.is_none();
        let leased_enough = self.settings.inline_host_acquisition || host.row.leased;
        if !free || !leased_enough {
            return None;
        }
        let tasks = host.tasks.iter().filter_map(|id| Some(&self.rows.tasks.get(*id)?.row));
        let eligible = tasks.filter(|row| row.is_queued() && host.active.iter().all(|entry| Some(*entry) == row.entry));
        eligible.map(|row| (row.kind, row.id)).min()
    }

    /// Host scheduler: leases the hosts of queued tasks that belong to no entry.
    pub(super) fn lease_for_requested_tasks(&mut self) {
        for host in self.rows.take_touched(HostStep::Lease) {
            if self.rows.hosts.get(host).is_some_and(|host| self.asks_for_lease(host)) {
                self.rows.set_leased(host, true);
            }
        }
    }

    /// Whether a host that is not leased has a queued task that belongs to no entry.
    pub(super) fn asks_for_lease(&self, host: &HostState) -> bool {
        let requested = |id: &TaskId| {
            let row = &self.rows.tasks[*id].row;
            row.is_queued() && row.entry.is_none()
        };
        let free = !host.row.locked && !host.row.leased && host.active.is_empty() && host.row.shard.is_none();
        free && host.tasks.iter().any(requested)
    }

    pub(super) fn task_path(&self, task: &SpecialTask) -> Option<ExecutionPath> {
        let hostname = self.rows.hosts.get(task.host)?.row.name.clone();
        Some(ExecutionPath::Task { hostname, task: task.id, kind: task.kind })
    }

    /// Starts a special task on a drone.
    pub(super) fn start_special_task(&mut self, agent: AgentKey, id: TaskId, drone: DroneId) {
        let now = self.now;
        let state = &mut self.rows.tasks[id];
        state.row.active = true;
        state.row.started_at = Some(now);
        let row = state.row.clone();
        self.rows.note_task(id);
        if row.aborted {
            self.rows.tasks_to_abort.insert(id);
        }
        self.rows.set_host_status(row.host, row.kind.host_status());
        let entry = self.entry_of_task(&row);
        if let (Some(entry), Some(status)) = (entry, row.kind.entry_status()) {
            self.set_entry_status(entry, status);
        }
        match row.kind {
            TaskKind::Verify => self.rows.delete_requested_tasks(row.host, TaskKind::Verify, id),
            TaskKind::Reset => {
                for kind in [TaskKind::Cleanup, TaskKind::Verify, TaskKind::Reset] {
                    self.rows.delete_requested_tasks(row.host, kind, id);
                }
            }
            TaskKind::Cleanup | TaskKind::Repair | TaskKind::Provision => {}
        }
        let Some(path) = self.task_path(&row) else { return };
        let work = Work {
            kind: WorkKind::Special(row.kind),
            job: entry.map(|entry| self.rows.entries[entry].row.job),
            entries: entry.into_iter().collect(),
            hosts: smallvec![row.host],
        };
        self.start_process(agent, drone, path, PidfileName::Execute, work, 1);
    }

    /// Writes the end of a task into its row, copies its results and lets go of its pidfile. `success` is what the row says.
    pub(super) fn close_task(&mut self, id: TaskId, success: bool, process: Option<PidfileId>) {
        let now = self.now;
        let state = &mut self.rows.tasks[id];
        state.row.active = false;
        state.row.complete = true;
        state.row.success = success;
        state.row.finished_at = Some(now);
        let row = state.row.clone();
        self.rows.note_task(id);
        self.rows.unlink_task(id);
        self.rows.ended_tasks.push(id);
        if let Some((_, drone)) = self.processes.process_drone(process)
            && let Some(path) = self.task_path(&row)
        {
            self.drones.send(drone, Command::CopyToRepository { path });
        }
    }

    /// What the end of a special task means for its host and entry.
    pub(super) fn end_special_task(&mut self, id: TaskId, success: bool, process: Option<PidfileId>) {
        self.close_task(id, success, process);
        let row = self.rows.tasks[id].row.clone();
        let entry = self.entry_of_task(&row);
        let ignores_failure = self.rows.hosts.get(row.host).is_some_and(|host| !host.row.protection.can_verify())
            && row.kind != TaskKind::Repair;
        match row.kind {
            TaskKind::Repair => self.end_repair(&row, entry, success, process),
            _ if !success && !ignores_failure => self.fail_pre_job_task(&row, entry, process),
            TaskKind::Cleanup => self.end_cleanup(&row, entry),
            TaskKind::Verify | TaskKind::Reset => {
                if row.kind == TaskKind::Reset {
                    self.rows.set_dirty(row.host, false);
                }
                match entry {
                    Some(entry) if self.was_last_task(entry, row.host) => self.on_pending(entry),
                    _ => self.rows.set_host_status(row.host, HostStatus::Ready),
                }
            }
            TaskKind::Provision => {
                if let Some(entry) = entry.filter(|entry| self.was_last_task(*entry, row.host)) {
                    self.on_pending(entry);
                }
            }
        }
        if let Some(process) = process {
            self.retire_process(process);
        }
    }

    fn was_last_task(&self, entry: EntryId, host: HostId) -> bool {
        let queued_here = |task: &TaskId| {
            let row = &self.rows.tasks[*task].row;
            row.host == host && row.is_queued()
        };
        !self.rows.entries[entry].tasks.iter().any(queued_here)
    }

    fn end_cleanup(&mut self, row: &SpecialTask, entry: Option<EntryId>) {
        self.rows.set_dirty(row.host, false);
        self.rows.set_host_status(row.host, HostStatus::Ready);
        let Some(entry) = entry else { return };
        let job = &self.rows.jobs[self.rows.entries[entry].row.job].row;
        let can_verify = self.rows.hosts.get(row.host).is_some_and(|host| host.row.protection.can_verify());
        if job.run_verify && can_verify {
            let owner = Some(job.owner);
            self.add_task(TaskKind::Verify, row.host, Some(entry), owner);
        } else if self.was_last_task(entry, row.host) {
            self.on_pending(entry);
        }
    }

    fn end_repair(&mut self, row: &SpecialTask, entry: Option<EntryId>, success: bool, process: Option<PidfileId>) {
        if success {
            self.rows.set_host_status(row.host, HostStatus::Ready);
            return;
        }
        self.rows.set_host_status(row.host, HostStatus::RepairFailed);
        if let Some(entry) = entry {
            self.fail_entry_if_queued(entry, row.id, process);
        }
    }

    /// Entries by meta-host are not failed: they will be given another host.
    fn fail_entry_if_queued(&mut self, entry: EntryId, task: TaskId, process: Option<PidfileId>) {
        let row = &self.rows.entries[entry].row;
        if row.status == EntryStatus::Queued && row.meta_host.is_none() {
            self.fail_entry(entry, task, process);
        }
    }

    /// A pre-job task failed: requeue or fail its entry, and have the host repaired.
    fn fail_pre_job_task(&mut self, row: &SpecialTask, entry: Option<EntryId>, process: Option<PidfileId>) {
        if let Some(entry) = entry {
            let tasks = self.rows.entries[entry].tasks.iter().copied();
            let others = tasks
                .filter(|task| self.rows.tasks[*task].row.host == row.host && self.rows.tasks[*task].row.is_queued());
            for task in others.collect::<SmallVec<[TaskId; 2]>>() {
                self.cancel_task(task);
            }
            if u32::from(self.rows.entries[entry].provisions) > self.settings.max_provision_retries {
                self.fail_entry(entry, row.id, process);
            } else {
                self.requeue(entry);
            }
            let state = &self.rows.entries[entry];
            let repairs =
                state.repairs.iter().find(|(host, _)| *host == row.host).map_or(0, |(_, count)| u32::from(*count));
            if state.row.host == Some(row.host) && repairs >= self.settings.max_repair_limit {
                self.rows.set_host_status(row.host, HostStatus::RepairFailed);
                self.fail_entry_if_queued(entry, row.id, process);
                return;
            }
        }
        self.add_task(TaskKind::Repair, row.host, entry, row.requested_by);
    }
}
