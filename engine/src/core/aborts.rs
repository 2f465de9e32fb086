//! Aborts: of entries, and of special tasks.

use std::collections::BTreeSet;

use smallvec::SmallVec;

use super::Core;
use super::agents::{AgentKey, AgentState, AgentTask};
use crate::ids::{EntryId, JobId, PidfileId};
use crate::model::{EntryStatus, HostStatus, TaskKind};
use crate::protocol::EntryColumns;
use crate::time::Span;

impl Core {
    /// Asks for the abort of a job, as a person would: its incomplete entries are marked, and those of its children.
    pub(super) fn request_abort(&mut self, job: JobId) {
        let Some(state) = self.rows.jobs.get(job) else { return };
        let entries: SmallVec<[EntryId; 4]> =
            state.entries.iter().copied().filter(|entry| !self.rows.entries[*entry].row.aborted).collect();
        let children = if entries.is_empty() { Vec::new() } else { state.children.clone() };
        for entry in entries {
            self.mark_aborted(entry);
            self.rows.note_entry(entry, EntryColumns::ABORTED);
        }
        for child in children {
            self.request_abort(child);
        }
    }

    /// Asks for the abort of one entry, and passes it on to the job's children.
    pub(super) fn request_entry_abort(&mut self, entry: EntryId) {
        let Some(state) = self.rows.entries.get(entry) else { return };
        if state.row.aborted {
            return;
        }
        let job = state.row.job;
        self.mark_aborted(entry);
        self.rows.note_entry(entry, EntryColumns::ABORTED);
        for child in self.rows.jobs[job].children.clone() {
            self.request_abort(child);
        }
    }

    /// An entry's *aborted* column is set, by whomever.
    pub(super) fn mark_aborted(&mut self, entry: EntryId) {
        self.rows.entries[entry].row.aborted = true;
        self.refresh_waiting(entry);
        self.rows.to_abort.insert(entry);
    }

    /// Deals with every aborted entry.
    pub(super) fn abort_entries(&mut self) {
        if self.rows.to_abort.is_empty() {
            return;
        }
        let entries = std::mem::take(&mut self.rows.to_abort);
        let mut jobs = BTreeSet::new();
        for entry in entries {
            let Some(state) = self.rows.entries.get(entry) else { continue };
            let (job, live) = (state.row.job, state.row.aborted && !state.row.status.is_complete());
            if !live || !self.may_abort(job) {
                continue;
            }
            if self.abort_runner_of(entry) {
                continue;
            }
            jobs.insert(job);
            self.cancel_queued_tasks(entry);
            self.abort_agent_of(entry);
            self.abort_entry(entry);
        }
        for job in jobs {
            self.stop_if_necessary(job);
        }
    }

    /// An aborted job of a shard is the shard's business until an hour past its time limit.
    fn may_abort(&mut self, job: JobId) -> bool {
        let row = &self.rows.jobs[job].row;
        if row.shard.is_none() {
            return true;
        }
        let due = row.created_on + row.timeout + Span::from_hours(1);
        if due < self.now {
            return true;
        }
        self.upkeep.shard_aborts.insert((due, job));
        false
    }

    fn abort_agent_of(&mut self, entry: EntryId) {
        let Some(key) = self.rows.entries[entry].agent else { return };
        let Some(agent) = self.agents.get(key) else { return };
        let (task, state) = (agent.task, agent.state);
        match task {
            AgentTask::Gather(_) | AgentTask::Parse(_) | AgentTask::HandOff(_) => {}
            AgentTask::Special(id) => {
                let process = self.kill_of(key, state);
                self.close_task(id, false, process);
                if let Some(process) = process {
                    self.retire_process(process);
                }
                self.remove_agent(key);
            }
            AgentTask::Test(group) | AgentTask::HostlessTest(group) => {
                self.kill_of(key, state);
                self.note_abort(group);
                self.remove_agent(key);
                self.end_test(group);
            }
        }
    }

    /// Kills an agent's process, if it has one or a drone that keeps silent may be running one for it.
    pub(super) fn kill_of(&mut self, agent: AgentKey, state: AgentState) -> Option<PidfileId> {
        let process = match state {
            AgentState::Waiting => self.processes.missing_of(agent),
            AgentState::Held => self.recovery.as_ref().and_then(|recovery| recovery.pidfile_of(agent)),
            AgentState::Started(pidfile) => Some(pidfile),
        };
        if let Some(pidfile) = process {
            self.kill_process(pidfile);
        }
        process
    }

    /// What the abort means for the entry and its host, now that no agent serves them.
    fn abort_entry(&mut self, entry: EntryId) {
        let row = &self.rows.entries[entry].row;
        let (status, host) = (row.status, row.host);
        let owner = Some(self.rows.jobs[row.job].row.owner);
        match status {
            // They finish, and the entry becomes Aborted then.
            EntryStatus::Gathering | EntryStatus::Parsing => return,
            EntryStatus::Starting | EntryStatus::Running | EntryStatus::Pending => {
                if let Some(host) = host {
                    self.rows.set_host_status(host, HostStatus::Ready);
                }
            }
            EntryStatus::Verifying | EntryStatus::Resetting | EntryStatus::Cleaning => {
                if let Some(host) = host {
                    self.add_task(TaskKind::Cleanup, host, None, owner);
                }
            }
            EntryStatus::Provisioning => {
                if let Some(host) = host {
                    self.add_task(TaskKind::Repair, host, None, owner);
                }
            }
            EntryStatus::Queued => {}
            EntryStatus::Aborted
            | EntryStatus::Completed
            | EntryStatus::Failed
            | EntryStatus::Stopped
            | EntryStatus::Template => return,
        }
        self.set_entry_status(entry, EntryStatus::Aborted);
    }

    /// Ends active special tasks that somebody aborted: they count as failed, and their processes are killed.
    pub(super) fn abort_tasks(&mut self) {
        for id in std::mem::take(&mut self.rows.tasks_to_abort) {
            let Some(task) = self.rows.tasks.get(id) else { continue };
            let agent: Option<AgentKey> = self.rows.hosts.get(task.row.host).and_then(|host| host.agent);
            let Some(key) = agent else { continue };
            let Some(agent) = self.agents.get(key).filter(|agent| agent.task == AgentTask::Special(id)) else {
                continue;
            };
            let process = self.kill_of(key, agent.state);
            self.end_special_task(id, false, process);
            self.remove_agent(key);
        }
    }
}
