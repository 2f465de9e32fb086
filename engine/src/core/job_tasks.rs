//! Tests of jobs, and the gathering and parsing after them: adoption by agents, start and end.

use smallvec::SmallVec;

use super::Core;
use super::agents::{Agent, AgentKey, AgentState, AgentTask};
use super::processes::{ProcessState, is_signalled};
use crate::ids::{DroneId, EntryId, HostId, JobId, PidfileId};
use crate::model::{EntryStatus, HostStatus, RebootAfter, Subdir, TaskKind};
use crate::protocol::{Command, ExecutionPath, Notice, PidfileName, ResultNote, Work, WorkKind};

impl Core {
    /// Gives an agent to every group of entries that is to run, gather or parse and has none.
    pub(super) fn adopt_entries(&mut self) {
        while let Some(entry) = self.rows.to_adopt.pop_first() {
            self.adopt(entry);
        }
    }

    pub(super) fn adopt(&mut self, entry: EntryId) {
        let Some(state) = self.rows.entries.get(entry) else { return };
        let Some(key) = state.group.filter(|_| state.agent.is_none() && state.row.status.has_group()) else { return };
        if self.is_on_shard(&state.row) {
            return;
        }
        let status = state.row.status;
        let hostless = state.row.is_hostless();
        let group = self.rows.group(key);
        // One agent serves all entries of a path, one that comes late as well.
        if let Some(agent) = group.entries.iter().find_map(|other| self.rows.entries[*other].agent) {
            return self.join_agent(entry, agent);
        }
        let (entries, count) = (group.entries.clone(), group.entries.len() as u32);
        let (task, processes) = match status {
            EntryStatus::Parsing if self.is_handed_off(group.job) => (AgentTask::HandOff(key), 0),
            _ if self.is_handed_off(group.job) => (AgentTask::HandOff(key), count),
            EntryStatus::Starting | EntryStatus::Running if hostless => (AgentTask::HostlessTest(key), 1),
            EntryStatus::Starting | EntryStatus::Running => (AgentTask::Test(key), count),
            EntryStatus::Gathering => (AgentTask::Gather(key), count),
            EntryStatus::Parsing => (AgentTask::Parse(key), 0),
            // None of these has a group.
            EntryStatus::Queued
            | EntryStatus::Resetting
            | EntryStatus::Verifying
            | EntryStatus::Provisioning
            | EntryStatus::Cleaning
            | EntryStatus::Pending
            | EntryStatus::Aborted
            | EntryStatus::Completed
            | EntryStatus::Failed
            | EntryStatus::Stopped
            | EntryStatus::Template => return,
        };
        let hosts = if status == EntryStatus::Parsing { SmallVec::new() } else { self.hosts_of(&entries) };
        let is_free = |host: &HostId| self.rows.hosts.get(*host).is_none_or(|host| host.agent.is_none());
        if let Some(busy) = hosts.iter().copied().find(|host| !is_free(host)) {
            self.rows.hosts[busy].blocked.push(entry);
            return;
        }
        self.add_agent(Agent { task, hosts, entries, processes, state: AgentState::Waiting });
    }

    fn join_agent(&mut self, entry: EntryId, key: AgentKey) {
        if let Some(agent) = self.agents.get_mut(key) {
            agent.entries.push(entry);
            self.rows.entries[entry].agent = Some(key);
        }
    }

    pub(super) fn hosts_of(&self, entries: &[EntryId]) -> SmallVec<[HostId; 1]> {
        entries
            .iter()
            .filter_map(|entry| self.rows.entries[*entry].row.host)
            .filter(|host| self.rows.hosts.contains(*host))
            .collect()
    }

    pub(super) fn add_agent(&mut self, agent: Agent) -> AgentKey {
        let (hosts, entries) = (agent.hosts.clone(), agent.entries.clone());
        let key = self.agents.add(agent);
        for host in hosts {
            self.rows.hosts[host].agent = Some(key);
            self.rows.touch(host);
        }
        for entry in entries {
            self.rows.entries[entry].agent = Some(key);
            self.rows.to_adopt.remove(&entry);
        }
        key
    }

    /// Takes an agent off the list; whoever waited for its host or entries gets another look.
    pub(super) fn remove_agent(&mut self, key: AgentKey) {
        let Some(agent) = self.agents.remove(key) else { return };
        self.stats.agents_ended += 1;
        if let Some(missing) = self.processes.missing_of(key) {
            self.retire_process(missing);
        }
        for host in agent.hosts {
            let Some(state) = self.rows.hosts.get_mut(host) else { continue };
            if state.agent == Some(key) {
                state.agent = None;
                let blocked = std::mem::take(&mut state.blocked);
                self.rows.to_adopt.extend(blocked);
                self.rows.touch(host);
            }
        }
        for entry in agent.entries {
            let Some(state) = self.rows.entries.get_mut(entry) else { continue };
            if state.agent == Some(key) {
                state.agent = None;
                if state.row.status.has_group() {
                    self.rows.to_adopt.insert(entry);
                }
            }
        }
    }

    pub(super) fn entry_path(&self, job: JobId, subdir: Subdir) -> ExecutionPath {
        let owner = self.rows.jobs[job].row.owner;
        let owner = self.rows.users.get(owner).map_or_else(|| "unknown".into(), |user| user.row.login.clone());
        ExecutionPath::Entry { job, owner, subdir }
    }

    pub(super) fn group_path(&self, key: u32) -> ExecutionPath {
        let group = self.rows.group(key);
        self.entry_path(group.job, group.subdir.clone())
    }

    pub(super) fn write_note(&mut self, drone: DroneId, path: &ExecutionPath, note: ResultNote) {
        self.drones.send(drone, Command::Write { path: path.clone(), note });
    }

    pub(super) fn work(&self, key: u32, kind: WorkKind) -> Work {
        let group = self.rows.group(key);
        Work { kind, job: Some(group.job), hosts: self.hosts_of(&group.entries), entries: group.entries.clone() }
    }

    // ---- Tests

    /// Starts a group's test. Where entries or hosts are not ready for it, asks for the job's abort instead.
    pub(super) fn start_test(&mut self, agent: AgentKey, key: u32, drone: DroneId) {
        let entries = self.rows.group(key).entries.clone();
        let refused = entries.iter().copied().find(|entry| !self.may_start(*entry));
        if let Some(entry) = refused {
            let row = &self.rows.entries[entry].row;
            let host_status = row.host.and_then(|host| self.host(host)).map(|host| host.status);
            self.notices.push(Notice::StartRefused { entry, status: row.status, host_status });
            self.request_abort(self.rows.group(key).job);
            return;
        }
        for entry in &entries {
            self.set_entry_status(*entry, EntryStatus::Running);
            self.set_started(*entry);
            if let Some(host) = self.rows.entries[*entry].row.host {
                self.rows.set_host_status(host, HostStatus::Running);
                self.rows.set_dirty(host, true);
            }
        }
        let (path, work) = (self.group_path(key), self.work(key, WorkKind::Test));
        let pidfile = self.start_process(agent, drone, path, PidfileName::Execute, work, entries.len() as u32);
        if let Some(old) = self.rows.group_mut(key).test.replace(pidfile) {
            self.retire_process(old);
        }
    }

    fn may_start(&self, entry: EntryId) -> bool {
        let row = &self.rows.entries[entry].row;
        let status_fits = matches!(row.status, EntryStatus::Starting | EntryStatus::Running);
        let host_fits =
            |host| self.host(host).is_some_and(|host| matches!(host.status, HostStatus::Pending | HostStatus::Running));
        status_fits && row.host.is_none_or(host_fits)
    }

    /// The test of a group is over, or was aborted.
    pub(super) fn end_test(&mut self, key: u32) {
        let group = self.rows.group(key);
        let (entries, test) = (group.entries.clone(), group.test);
        if let Some((pidfile, drone)) = self.processes.process_drone(test) {
            let path = self.group_path(key);
            self.write_note(drone, &path, ResultNote::JobFinished(self.now));
            if matches!(self.processes.state(pidfile), ProcessState::Lost { .. }) {
                self.write_note(drone, &path, ResultNote::LostProcess);
            }
        }
        for entry in entries {
            let row = &self.rows.entries[entry].row;
            match row.host {
                Some(host) => {
                    self.set_entry_status(entry, EntryStatus::Gathering);
                    self.rows.set_host_status(host, HostStatus::Running);
                }
                // A hostless test that never started has nothing to parse.
                None if row.status == EntryStatus::Starting => {}
                None => self.set_entry_status(entry, EntryStatus::Parsing),
            }
        }
    }

    /// Writes down who aborted a test.
    pub(super) fn note_abort(&mut self, key: u32) {
        let group = self.rows.group(key);
        let entries = group.entries.clone();
        if let Some((_, drone)) = self.processes.process_drone(group.test) {
            let path = self.group_path(key);
            self.write_note(drone, &path, ResultNote::Aborted(entries));
        }
    }

    // ---- Gathering

    /// Starts to gather, if the test ended in a way that calls for it. `None`: there is nothing to do or nothing to be had.
    pub(super) fn start_gather(&mut self, agent: AgentKey, key: u32) -> Option<PidfileId> {
        let group = self.rows.group(key);
        let (job, entries) = (group.job, group.entries.clone());
        let state = group.test.map_or(ProcessState::Unseen, |test| self.processes.state(test));
        if let ProcessState::Ended { exit_status, .. } = state
            && !is_signalled(exit_status)
        {
            return None;
        }
        let Some((_, drone)) = self.processes.process_drone(group.test) else {
            self.notices.push(Notice::NoResults { job, entries });
            return None;
        };
        let (path, work) = (self.group_path(key), self.work(key, WorkKind::Gather));
        Some(self.start_process(agent, drone, path, PidfileName::Gather, work, entries.len() as u32))
    }

    /// Gathering is over: the hosts are given back, after whatever the job wants done to them.
    pub(super) fn end_gather(&mut self, key: u32) {
        let group = self.rows.group(key);
        let (job, entries) = (group.job, group.entries.clone());
        let aborted = self.is_group_aborted(key);
        let end = group.test.and_then(|test| self.processes.state(test).end());
        let success = !aborted && matches!(end, Some((0, _)));
        let tests_failed = end.map_or(0, |(_, failed)| failed);
        let row = &self.rows.jobs[job].row;
        let owner = Some(row.owner);
        let reset = !row.run_reset && (!success || tests_failed > 0);
        let reboot = aborted
            || match row.reboot_after {
                RebootAfter::Always => true,
                RebootAfter::IfAllTestsPassed => success && tests_failed == 0,
                RebootAfter::Never => false,
            }
            || (tests_failed > 0 && !reset);
        for entry in &entries {
            self.set_entry_status(*entry, EntryStatus::Parsing);
        }
        for host in self.hosts_of(&entries) {
            if reboot {
                self.add_task(TaskKind::Cleanup, host, None, owner);
            } else {
                self.rows.set_host_status(host, HostStatus::Ready);
            }
            if reset {
                self.add_task(TaskKind::Reset, host, None, owner);
            }
        }
    }

    fn is_group_aborted(&self, key: u32) -> bool {
        self.rows.group(key).entries.iter().any(|entry| self.rows.entries[*entry].row.aborted)
    }

    // ---- Parsing

    /// Starts a parser on the drone that has the results. `None`: there are no results.
    pub(super) fn start_parse(&mut self, agent: AgentKey, key: u32) -> Option<PidfileId> {
        let group = self.rows.group(key);
        let (job, entries) = (group.job, group.entries.clone());
        let Some((_, drone)) = self.processes.process_drone(group.test) else {
            if group.test.is_some() {
                self.notices.push(Notice::NoResults { job, entries });
            }
            return None;
        };
        let (path, work) = (self.group_path(key), self.work(key, WorkKind::Parse));
        Some(self.start_process(agent, drone, path, PidfileName::Parse, work, 0))
    }

    /// Parsing is over: the entries have ended.
    pub(super) fn end_parse(&mut self, key: u32) {
        let group = self.rows.group(key);
        let (test, entries) = (group.test, group.entries.clone());
        let end = test.and_then(|test| self.processes.state(test).end());
        let status = match end {
            _ if self.is_group_aborted(key) => EntryStatus::Aborted,
            Some((0, _)) => EntryStatus::Completed,
            Some(_) | None => EntryStatus::Failed,
        };
        if let Some((_, drone)) = self.processes.process_drone(test) {
            let path = self.group_path(key);
            self.drones.send(drone, Command::CopyToRepository { path });
        }
        for entry in entries {
            // An earlier entry's end may have stopped a later one.
            if self.rows.entries[entry].group == Some(key) {
                self.set_entry_status(entry, status);
            }
        }
    }
}
