//! Jobs that were handed off: from a configured level on, the rest of a job's life is the business of a runner, a process
//! on a drone that reads and writes the database by itself.
//!
//! A hand-off is decided where the next process of the job would start: the runner starts in its stead, on the same drone.
//! While it runs, its agent keeps the job's hosts and entries from everything else; whatever the runner writes is followed.
//! When its process is over, or the job is aborted, the job is *recalled*: the store is told that the runner writes nothing
//! more, and by the next tick everything that it has written is heard. If the job has not ended then, it is *taken back*: a
//! test that runs, or has ended, goes on as after a restart of the scheduler; one that has left no trace has failed, and is
//! never started again.

use smallvec::SmallVec;

use super::agents::{AgentKey, AgentState, AgentTask};
use super::processes::ProcessState;
use super::{Core, Role};
use crate::ids::{DroneId, EntryId, HostId, JobId, PidfileId};
use crate::model::{Entry, EntryStatus, HandOffLevel};
use crate::protocol::{Command, HandOff, HandOffChange, Notice, PidfileName, ResultNote, WorkKind};

/// A hand-off as far as it has come.
#[derive(Debug, Clone)]
pub(super) struct HandOffState {
    row: HandOff,
    /// The job is the scheduler's own again.
    taken_back: bool,
}

impl Core {
    // ---- Handing off

    /// Whether a job is its runner's.
    pub(super) fn is_handed_off(&self, job: JobId) -> bool {
        self.rows.hand_offs.get(&job).is_some_and(|hand_off| !hand_off.taken_back)
    }

    /// An agent's turn has come: a job that is to be handed off now is, and one that was taken back without a trace of its
    /// test ends. `false`: neither; the agent goes on with its task.
    pub(super) fn hand_off_instead(&mut self, agent: AgentKey, task: AgentTask, drone: DroneId) -> bool {
        let (group, level) = match task {
            AgentTask::Test(group) | AgentTask::HostlessTest(group) => (group, HandOffLevel::Starting),
            AgentTask::Gather(group) => (group, HandOffLevel::Gathering),
            AgentTask::Parse(group) => (group, HandOffLevel::Parsing),
            AgentTask::Special(_) | AgentTask::HandOff(_) => return false,
        };
        let job = self.rows.group(group).job;
        if self.rows.hand_offs.contains_key(&job) {
            let is_test = level == HandOffLevel::Starting;
            if is_test {
                self.remove_agent(agent);
                self.give_up_test(group);
            }
            return is_test;
        }
        let drone = if level == HandOffLevel::Starting { Some(drone) } else { self.drone_of_results(group) };
        let Some(drone) = drone.filter(|_| self.is_to_be_handed_off(group, level)) else { return false };
        self.agents.set_task(agent, AgentTask::HandOff(group));
        self.start_hand_off(agent, group, drone);
        true
    }

    /// Where the database says that a job was handed to.
    pub(super) fn drone_of_runner(&self, task: AgentTask) -> Option<DroneId> {
        let AgentTask::HandOff(group) = task else { return None };
        self.rows.hand_offs.get(&self.rows.group(group).job).map(|hand_off| hand_off.row.drone)
    }

    /// The drone that has the results of a group's test.
    pub(super) fn drone_of_results(&self, group: u32) -> Option<DroneId> {
        self.processes.process_drone(self.rows.group(group).test).map(|(_, drone)| drone)
    }

    /// A job is handed off as a whole: one whose entries run apart from each other is not, nor one that is being aborted.
    fn is_to_be_handed_off(&self, group: u32, level: HandOffLevel) -> bool {
        let group = self.rows.group(group);
        let is_ours = matches!(self.role, Role::Whole | Role::Dispatcher);
        let is_fresh = |entry: &EntryId| {
            let row = &self.rows.entries[*entry].row;
            !row.aborted && (level != HandOffLevel::Starting || row.status == EntryStatus::Starting)
        };
        is_ours
            && self.settings.hand_off_level == level
            && self.rows.jobs[group.job].entries == group.entries
            && group.entries.iter().all(is_fresh)
    }

    /// Starts a group's runner, and lets the database know that the job is its from now on.
    pub(super) fn start_hand_off(&mut self, agent: AgentKey, key: u32, drone: DroneId) {
        let drone = self.drone_of_results(key).unwrap_or(drone);
        let (job, path, work) = (self.rows.group(key).job, self.group_path(key), self.work(key, WorkKind::HandOff));
        let row = HandOff { job, drone, path: path.clone(), over: false };
        self.changes.hand_offs.push(HandOffChange::Begin(row.clone()));
        self.rows.hand_offs.insert(job, HandOffState { row, taken_back: false });
        self.watch_test_of_runner(key);
        let processes = self.agents.get(agent).map_or(0, |agent| agent.processes);
        self.start_process(agent, drone, path, PidfileName::HandOff, work, processes);
    }

    /// The runner stands for everything that it starts: its test counts for nothing beside it.
    fn watch_test_of_runner(&mut self, key: u32) {
        match self.rows.group(key).test {
            Some(test) => {
                self.miss_no_longer(test);
                self.weigh_process(test, 0);
            }
            None => {
                let path = self.group_path(key);
                let test = self.watch_process(path, PidfileName::Execute, 0);
                self.rows.group_mut(key).test = Some(test);
            }
        }
    }

    /// Watches the pidfile that would show a group's runner, at recovery.
    pub(super) fn watch_runner(&mut self, key: u32) -> PidfileId {
        self.watch_test_of_runner(key);
        let path = self.group_path(key);
        let group = self.rows.group(key);
        let parses = |entry: &EntryId| self.rows.entries[*entry].row.status == EntryStatus::Parsing;
        let weight = if group.entries.iter().all(parses) { 0 } else { group.entries.len() as u32 };
        self.watch_process(path, PidfileName::HandOff, weight)
    }

    // ---- Following the runner

    /// Takes over a row that the runner of the entry's job has written. `false`: it is no runner's, or it is nothing that a
    /// runner does, and the row is to be heard as anybody else's.
    pub(super) fn follow_runner(&mut self, row: &Entry) -> bool {
        let id = row.id;
        let Some(state) = self.rows.entries.get(id).filter(|_| self.is_handed_off(row.job)) else { return false };
        let old = &state.row;
        let is_at_work = row.status.has_group() && row.subdir == old.subdir && old.status.has_group();
        if !(row.status.is_complete() || is_at_work) || row.host != old.host || row.job != old.job {
            return false;
        }
        let (was_active, was_aborted, status_changes) = (old.active, old.aborted, old.status != row.status);
        if status_changes && self.notify_statuses.contains(&row.status) {
            self.notices.push(Notice::EntryStatus { entry: id, job: row.job, status: row.status });
        }
        if row.status.is_complete() {
            self.leave_runner(id);
            self.leave_entry(id);
            self.check_complete_entry(row.clone());
            if self.rows.jobs.get(row.job).is_some_and(|job| job.entries.is_empty()) {
                self.end_job(row.job);
            }
            self.drop_job_if_ended(row.job);
            return true;
        }
        self.rows.entries[id].row = row.clone();
        if let Some(host) = row.host.filter(|_| row.active != was_active) {
            self.occupy(host, id, row.active);
        }
        if let Some(host) = row.host.filter(|_| !row.active) {
            self.leave_host_of_runner(id, host);
        }
        self.limit_runtime(id);
        if row.aborted && !was_aborted {
            self.mark_aborted(id);
        }
        true
    }

    /// The runner has given a host back: it is free for others while the results are parsed.
    fn leave_host_of_runner(&mut self, entry: EntryId, host: HostId) {
        let Some(key) = self.rows.entries[entry].agent else { return };
        let Some(agent) = self.agents.get_mut(key) else { return };
        agent.hosts.retain(|other| *other != host);
        let Some(state) = self.rows.hosts.get_mut(host).filter(|state| state.agent == Some(key)) else { return };
        state.agent = None;
        let blocked = std::mem::take(&mut state.blocked);
        self.rows.to_adopt.extend(blocked);
        self.rows.touch(host);
    }

    /// An entry leaves its runner's agent; with the last one the agent goes.
    fn leave_runner(&mut self, entry: EntryId) {
        if let Some(host) = self.rows.entries[entry].row.host {
            self.leave_host_of_runner(entry, host);
        }
        let Some(key) = self.rows.entries[entry].agent.take() else { return };
        let Some(agent) = self.agents.get_mut(key) else { return };
        agent.entries.retain(|other| *other != entry);
        if agent.entries.is_empty() {
            let runner = agent.process();
            self.remove_agent(key);
            if let Some(runner) = runner {
                self.retire_process(runner);
            }
        }
    }

    // ---- Taking back

    /// From now on the runner of a job writes nothing; by the next tick it is known what it has written.
    pub(super) fn recall(&mut self, job: JobId) {
        let Some(hand_off) = self.rows.hand_offs.get_mut(&job) else { return };
        if !std::mem::replace(&mut hand_off.row.over, true) {
            self.changes.hand_offs.push(HandOffChange::End(job));
            self.rows.recalled.push(job);
        }
    }

    /// Whether an agent is a runner's.
    pub(super) fn is_runner(&self, key: AgentKey) -> bool {
        self.agents.get(key).is_some_and(|agent| matches!(agent.task, AgentTask::HandOff(_)))
    }

    /// Recalls the job of a runner's agent.
    pub(super) fn recall_agent(&mut self, key: AgentKey) {
        if let Some(AgentTask::HandOff(group)) = self.agents.get(key).map(|agent| agent.task) {
            self.recall(self.rows.group(group).job);
        }
    }

    /// An entry that was handed off is aborted: its runner is killed and its job recalled, unless only its results are still
    /// to be seen to. `false`: it was not handed off.
    pub(super) fn abort_runner_of(&mut self, entry: EntryId) -> bool {
        let state = &self.rows.entries[entry];
        let (job, status, agent) = (state.row.job, state.row.status, state.agent);
        if !self.is_handed_off(job) {
            return false;
        }
        if matches!(status, EntryStatus::Starting | EntryStatus::Running)
            && let Some((key, state)) = agent.and_then(|key| Some((key, self.agents.get(key)?.state)))
        {
            self.kill_of(key, state);
            self.recall(job);
        }
        true
    }

    /// Goes on with the jobs that were recalled in the last tick and have not ended.
    pub(super) fn take_back_jobs(&mut self) {
        for job in std::mem::take(&mut self.rows.recalled) {
            let Some(hand_off) = self.rows.hand_offs.get_mut(&job) else { continue };
            hand_off.taken_back = true;
            let Some(state) = self.rows.jobs.get(job) else { continue };
            let entries = state.entries.clone();
            let aborted = entries.iter().copied().filter(|entry| self.rows.entries[*entry].row.aborted);
            self.rows.to_abort.extend(aborted.collect::<SmallVec<[EntryId; 1]>>());
            let key = entries.iter().find_map(|entry| self.rows.entries[*entry].agent);
            let Some((key, agent)) = key.and_then(|key| Some((key, self.agents.get(key)?))) else { continue };
            let AgentTask::HandOff(group) = agent.task else { continue };
            let runner = agent.process();
            self.remove_agent(key);
            if let Some(runner) = runner {
                self.retire_process(runner);
            }
            self.take_back(group);
        }
    }

    /// The test goes on under an agent of its own if it has left a trace; else it has failed. Gathering and parsing are
    /// taken up as those of any other job: what already runs is not started twice.
    fn take_back(&mut self, key: u32) {
        let (entries, test) = (self.rows.group(key).entries.clone(), self.rows.group(key).test);
        let is_before_gathering = |entry: &EntryId| {
            matches!(self.rows.entries[*entry].row.status, EntryStatus::Starting | EntryStatus::Running)
        };
        let Some(first) = entries.first().copied().filter(is_before_gathering) else {
            return self.finish_end_of_test(key);
        };
        let found = test.filter(|test| {
            let state = self.processes.state(*test);
            state.has_trace() || state == ProcessState::Ordered
        });
        let Some(test) = found else { return self.give_up_test(key) };
        self.weigh_process(test, entries.len() as u32);
        self.adopt(first);
        if let Some(agent) = self.rows.entries[first].agent {
            self.agents.set_state(agent, AgentState::Started(test));
            self.attach_process(test, agent);
        }
    }

    /// The runner has written that the test is over, and may have died before it did what goes with that.
    fn finish_end_of_test(&mut self, key: u32) {
        let group = self.rows.group(key);
        let (test, entries) = (group.test, group.entries.clone());
        let Some((test, drone)) = self.processes.process_drone(test) else { return };
        self.kill_process(test);
        if entries.iter().any(|entry| self.rows.entries[*entry].row.aborted) {
            self.note_abort(key);
        }
        let path = self.group_path(key);
        self.write_note(drone, &path, ResultNote::JobFinished(self.now));
    }

    /// A job was taken back and nothing is known of its test: it has failed, and should it still appear, it is killed.
    fn give_up_test(&mut self, key: u32) {
        let (entries, test, job) =
            (self.rows.group(key).entries.clone(), self.rows.group(key).test, self.rows.group(key).job);
        let drone = self.rows.hand_offs.get(&job).map(|hand_off| hand_off.row.drone);
        if let (Some(test), Some(drone)) = (test, drone) {
            self.forbid_process(test, drone);
        }
        self.end_test(key);
        for entry in entries {
            if self.is_status(entry, EntryStatus::Starting) {
                self.set_entry_status(entry, EntryStatus::Parsing);
            }
        }
    }

    /// An entry that was handed off is gone, or somebody else has moved it: nothing that its runner started may go on.
    pub(super) fn cancel_hand_off(&mut self, key: u32) {
        let (job, test) = (self.rows.group(key).job, self.rows.group(key).test);
        if let Some(test) = test {
            self.kill_process(test);
        }
        if let Some(hand_off) = self.rows.hand_offs.get_mut(&job) {
            hand_off.taken_back = true;
            if !std::mem::replace(&mut hand_off.row.over, true) {
                self.changes.hand_offs.push(HandOffChange::End(job));
            }
        }
    }

    // ---- Beginning and end

    /// Takes up the hand-offs that the database knows of.
    pub(super) fn load_hand_offs(&mut self, rows: Vec<HandOff>) {
        let state = |row: HandOff| (row.job, HandOffState { taken_back: row.over, row });
        self.rows.hand_offs = rows.into_iter().map(state).collect();
    }

    /// A job has ended. If its runner has brought it there, its results are fetched now.
    pub(super) fn close_hand_off(&mut self, job: JobId) {
        let Some(hand_off) = self.rows.hand_offs.remove(&job) else { return };
        let HandOff { drone, path, .. } = hand_off.row;
        if !hand_off.taken_back {
            self.drones.send(drone, Command::CopyToRepository { path });
        }
        self.changes.hand_offs.push(HandOffChange::Forget(job));
    }

    /// Runners may have ended their jobs while no scheduler was at work.
    pub(super) fn close_finished_hand_offs(&mut self) {
        let is_over = |job: &JobId| self.rows.jobs.get(*job).is_none_or(|state| state.entries.is_empty());
        let finished: Vec<JobId> = self.rows.hand_offs.keys().copied().filter(is_over).collect();
        for job in finished {
            // Taken back or not, its end has not been told.
            self.close_hand_off(job);
            self.notices.push(Notice::JobEnded { job });
        }
    }
}
