//! Recovery: what a scheduler that stopped, however it stopped, has left behind is taken up again.

use smallvec::{SmallVec, smallvec};

use super::agents::{Agent, AgentKey, AgentState, AgentTask};
use super::delivery::{MayRun, Whereabouts};
use super::processes::ProcessState;
use super::upkeep::Upkeep;
use super::working_set::EntryState;
use super::{Agents, Core, DroneBatch, Drones, Processes, Role, TickStats, WorkingSet};
use crate::ids::{DroneId, EntryId, HostId, JobId, PidfileId, TaskId};
use crate::model::{Entry, EntryStatus, HostStatus, SpecialTask, TaskKind};
use crate::protocol::{Changes, LiveRows, Notice, PidfileName};
use crate::settings::Settings;
use crate::time::Time;

/// What the first tick has to finish.
#[derive(Debug, Clone)]
pub(super) struct Recovery {
    recover_hosts: bool,
    agents: Vec<Recovered>,
    first_tick_done: bool,
}

/// An agent that has been recovered.
#[derive(Debug, Clone, Copy)]
struct Recovered {
    agent: AgentKey,
    /// The pidfile that would show its process.
    pidfile: PidfileId,
    /// Where it may be running, should no pidfile show it: it starts anew once these drones have been heard.
    may_be: Whereabouts,
}

impl Recovery {
    /// Whether the first tick is still to come.
    pub(super) fn is_due(&self) -> bool {
        !self.first_tick_done
    }

    /// The pidfiles of agents that are still held because some drone may be running their processes.
    fn looked_for(&self) -> impl Iterator<Item = (PidfileId, Whereabouts)> {
        self.agents.iter().map(|recovered| (recovered.pidfile, recovered.may_be))
    }

    /// The pidfile that would show the process of a recovered agent.
    pub(super) fn pidfile_of(&self, agent: AgentKey) -> Option<PidfileId> {
        self.agents.iter().find(|recovered| recovered.agent == agent).map(|recovered| recovered.pidfile)
    }
}

impl Core {
    /// Takes up the work that the database describes.
    ///
    /// The commands ask the drones for the pidfiles that recovery needs: they are to be carried out, and the drones
    /// refreshed, before the first [`Core::tick`], which finishes the recovery. With `recover_hosts`, hosts that are out
    /// of service get another chance.
    pub fn recover_from(
        settings: Settings,
        role: Role,
        rows: LiveRows,
        now: Time,
        recover_hosts: bool,
    ) -> (Core, Vec<DroneBatch>) {
        let mut core = Core::without_rows(settings, role, now, Processes::default());
        let commands = core.take_up(rows, recover_hosts, None);
        core.run_first_upkeep();
        (core, commands)
    }

    /// The same for a core that has to begin anew within its term, because its last tick's decision did not reach the
    /// database. What it has started is known: only those drones have to be heard that may run something, and nobody for
    /// what was never started. Pidfiles are numbered on: drones may have news under numbers of before, which must not be
    /// taken for others'.
    pub fn recover_again(&self, rows: LiveRows, now: Time) -> (Core, Vec<DroneBatch>) {
        let looked_for = self.recovery.iter().flat_map(Recovery::looked_for).collect();
        let may_run = self.processes.may_run(&looked_for);
        let mut core = Core::without_rows(self.settings.clone(), self.role, now, self.processes.numbered_on());
        let commands = core.take_up(rows, false, Some(&may_run));
        core.started_at = self.started_at;
        core.upkeep = self.upkeep.clone();
        (core, commands)
    }

    fn without_rows(settings: Settings, role: Role, now: Time, processes: Processes) -> Core {
        let mut core = Core {
            settings: Settings::default(),
            role,
            now,
            started_at: now,
            recovered_at: now,
            silence_is_over: false,
            rows: WorkingSet::default(),
            agents: Agents::default(),
            processes,
            drones: Drones::default(),
            notices: Vec::new(),
            changes: Changes::default(),
            stats: TickStats::default(),
            notify_statuses: Vec::new(),
            unheard: Default::default(),
            release_held_agents: false,
            orphans_found: false,
            recovery: None,
            upkeep: Upkeep::default(),
            suite_holdings: Default::default(),
            system_user: None,
        };
        core.set_settings(settings);
        core
    }

    /// Builds the working set from the database's rows, and the agents of what they say is under way. `may_run`: what is
    /// known from before, if anything is. The commands ask the drones for the pidfiles of these agents.
    fn take_up(&mut self, mut rows: LiveRows, recover_hosts: bool, may_run: Option<&MayRun>) -> Vec<DroneBatch> {
        let (kills, strays) = (std::mem::take(&mut rows.kills), std::mem::take(&mut rows.strays));
        if matches!(self.role, Role::Whole | Role::Dispatcher) {
            self.load_hand_offs(std::mem::take(&mut rows.hand_offs));
        }
        self.load(rows);
        let mut agents = Vec::new();
        if self.role != Role::HostScheduler {
            agents = self.recover_agents(may_run);
            strays.into_iter().for_each(|stray| self.recover_stray(stray));
            kills.into_iter().for_each(|order| self.recover_kill(order));
        }
        self.recovery = Some(Recovery { recover_hosts, agents, first_tick_done: false });
        self.drones.take_batches()
    }

    fn load(&mut self, rows: LiveRows) {
        rows.drones.into_iter().for_each(|drone| {
            self.unheard.insert(drone.id);
            self.drones.upsert(drone, true);
        });
        self.rows.drone_sets = rows.drone_sets.into_iter().map(|set| (set.id, set)).collect();
        self.rows.subnets = rows.subnets;
        rows.labels.into_iter().for_each(|label| self.hear_label(label));
        rows.users.into_iter().for_each(|user| self.hear_user(user));
        let mut hosts = rows.hosts;
        hosts.sort_unstable_by_key(|host| host.id);
        hosts.into_iter().for_each(|host| self.hear_host(host));
        let mut jobs = rows.jobs;
        jobs.sort_unstable_by_key(|job| job.id);
        jobs.into_iter().for_each(|job| self.hear_job(job));
        rows.ineligible.into_iter().for_each(|row| self.hear_ineligible(row));
        let mut entries = rows.entries;
        entries.sort_unstable_by_key(|entry| entry.id);
        entries.into_iter().for_each(|entry| self.hear_entry(entry));
        rows.tasks.into_iter().for_each(|task| self.hear_task(task));
        for history in rows.history {
            self.hear_history(history.entry, history.host, history.kind, history.count);
        }
        self.rows.next_task = self.rows.next_task.max(rows.next_task);
        self.rebuild_suite_holdings();
    }

    pub(super) fn rebuild_suite_holdings(&mut self) {
        self.suite_holdings.clear();
        for host in &self.rows.host_order {
            self.rows.hosts[*host].suite = None;
        }
        let suite_of = |job: JobId| self.rows.jobs[job].row.parent;
        let is_ours = |row: &Entry| row.active && !self.is_on_shard(row);
        let active = self.rows.entries.iter().filter(|(_, entry)| is_ours(&entry.row));
        let holdings: Vec<(HostId, JobId)> =
            active.filter_map(|(_, entry)| Some((entry.row.host?, suite_of(entry.row.job)?))).collect();
        for (host, suite) in holdings {
            self.rows.hosts[host].suite = Some(suite);
            *self.suite_holdings.entry(suite).or_default() += 1;
        }
    }

    /// Builds the agents of entries, then those of active special tasks, each held until the drones have told of its process.
    /// `may_run`: what is known from before, if anything is.
    fn recover_agents(&mut self, may_run: Option<&MayRun>) -> Vec<Recovered> {
        self.adopt_entries();
        let mut agents: Vec<(AgentKey, AgentTask)> = self.agents.iter().map(|(key, agent)| (key, agent.task)).collect();
        agents.sort_unstable_by_key(|(key, _)| *key);
        let active: Vec<TaskId> = {
            let on_shard = |task: &SpecialTask| self.rows.hosts[task.host].row.shard.is_some();
            let active = self.rows.tasks.iter().filter(|(_, task)| task.row.active && !on_shard(&task.row));
            active.map(|(id, _)| id).collect()
        };
        for id in active {
            let row = &self.rows.tasks[id].row;
            let host = row.host;
            if self.rows.hosts[host].agent.is_some() {
                let what = format!("special task {id} is active on host {host}, on which something else is");
                self.quarantine(what);
                self.close_task(id, false, None);
                continue;
            }
            let entry = self.entry_of_task(row).filter(|_| row.kind != TaskKind::Repair);
            let (task, entries) = (AgentTask::Special(id), entry.into_iter().collect());
            let agent = Agent { task, hosts: smallvec![host], entries, processes: 1, state: AgentState::Held };
            agents.push((self.add_agent(agent), task));
        }
        let mut recovered = Vec::with_capacity(agents.len());
        for (agent, task) in agents {
            let Some(pidfile) = self.watch_for(agent, task) else { continue };
            let may_be = match may_run {
                Some(may_run) => self.whereabouts(task, pidfile, may_run),
                None => self.drone_of_runner(task).map_or(Whereabouts::Anywhere, Whereabouts::On),
            };
            recovered.push(Recovered { agent, pidfile, may_be });
        }
        recovered
    }

    /// Where an agent's process may be, given what may run. Gathering and parsing also need to know where the test has run.
    fn whereabouts(&self, task: AgentTask, pidfile: PidfileId, may_run: &MayRun) -> Whereabouts {
        let of = |pidfile: PidfileId| {
            let place = self.processes.by_pidfile.get(pidfile).map(|process| process.place());
            place.and_then(|place| may_run.get(&place).copied()).unwrap_or(Whereabouts::Nowhere)
        };
        match task {
            AgentTask::Special(_) | AgentTask::Test(_) | AgentTask::HostlessTest(_) | AgentTask::HandOff(_) => {
                of(pidfile)
            }
            AgentTask::Gather(group) | AgentTask::Parse(group) => {
                self.rows.group(group).test.map_or(Whereabouts::Nowhere, of).or(of(pidfile))
            }
        }
    }

    /// Watches the pidfile that would show an agent's process.
    fn watch_for(&mut self, key: AgentKey, task: AgentTask) -> Option<PidfileId> {
        self.agents.set_state(key, AgentState::Held);
        match task {
            AgentTask::Special(id) => {
                let path = self.task_path(&self.rows.tasks[id].row)?;
                Some(self.watch_process(path, PidfileName::Execute, 1))
            }
            AgentTask::Test(group) | AgentTask::HostlessTest(group) => {
                let (test, weight) = (self.rows.group(group).test?, self.rows.group(group).entries.len() as u32);
                self.processes.set_weight(test, weight);
                Some(test)
            }
            AgentTask::Gather(group) => {
                let (path, weight) = (self.group_path(group), self.rows.group(group).entries.len() as u32);
                Some(self.watch_process(path, PidfileName::Gather, weight))
            }
            AgentTask::Parse(group) => {
                let path = self.group_path(group);
                Some(self.watch_process(path, PidfileName::Parse, 0))
            }
            AgentTask::HandOff(group) => Some(self.watch_runner(group)),
        }
    }

    /// In the first tick: finishes what [`Core::recover_from`] began, now that the drones have been heard.
    pub(super) fn finish_recovery(&mut self) {
        let Some(recovery) = &mut self.recovery else { return };
        recovery.first_tick_done = true;
        let recover_hosts = recovery.recover_hosts;
        self.settle_agents();
        match self.role {
            Role::Whole | Role::Dispatcher => self.close_finished_hand_offs(),
            Role::HostScheduler | Role::Runner => return,
        }
        let of_status = |status| {
            let is_idle = |(_, entry): &(EntryId, &EntryState)| entry.row.status == status && entry.agent.is_none();
            let entries = self.rows.entries.iter().filter(is_idle).filter(|(_, entry)| !self.is_on_shard(&entry.row));
            entries.map(|(id, _)| id).collect::<Vec<EntryId>>()
        };
        let (pending, resetting) = (of_status(EntryStatus::Pending), of_status(EntryStatus::Resetting));
        for entry in pending {
            // An earlier one may have started or stopped it.
            if self.is_status(entry, EntryStatus::Pending) && self.rows.entries[entry].agent.is_none() {
                self.on_pending(entry);
            }
        }
        for entry in resetting {
            self.recover_resetting(entry);
        }
        self.kill_ended_tests();
        self.recover_hosts_in_use();
        if recover_hosts {
            self.reset_hosts(|status| status == HostStatus::RepairFailed);
        }
    }

    /// A test that is over for the database but still runs was to be killed when the scheduler stopped.
    fn kill_ended_tests(&mut self) {
        let ended = |status| matches!(status, EntryStatus::Gathering | EntryStatus::Parsing);
        let is_ours = |row: &Entry| !self.is_handed_off(row.job) && !self.is_on_shard(row);
        let entries = self.rows.entries.iter();
        let entries = entries.filter(|(_, entry)| ended(entry.row.status) && is_ours(&entry.row));
        let tests: Vec<PidfileId> = entries.filter_map(|(_, entry)| self.rows.group(entry.group?).test).collect();
        for test in tests {
            self.kill_process(test);
        }
    }

    fn recover_resetting(&mut self, entry: EntryId) {
        let prepares = |task: &TaskId| match self.rows.tasks[*task].row.kind {
            TaskKind::Cleanup | TaskKind::Verify | TaskKind::Reset => true,
            TaskKind::Repair | TaskKind::Provision => false,
        };
        if self.rows.entries[entry].tasks.iter().any(prepares) {
            return;
        }
        if let Some(host) = self.rows.entries[entry].row.host {
            self.rows.set_dirty(host, true);
            self.rows.set_host_status(host, HostStatus::Ready);
        }
        self.set_entry_status(entry, EntryStatus::Queued);
    }

    /// Hosts that something was being done to, of which nothing is known any more.
    fn recover_hosts_in_use(&mut self) {
        self.reset_hosts(|status| match status {
            HostStatus::Repairing | HostStatus::Verifying | HostStatus::Cleaning | HostStatus::Provisioning => true,
            HostStatus::Ready
            | HostStatus::Running
            | HostStatus::RepairFailed
            | HostStatus::Pending
            | HostStatus::Resetting => false,
        });
    }

    fn reset_hosts(&mut self, wanted: impl Fn(HostStatus) -> bool) {
        let hosts: Vec<(HostId, HostStatus)> = self
            .rows
            .hosts
            .iter()
            .filter(|(_, state)| {
                let row = &state.row;
                let left_alone = row.locked || row.invalid || row.shard.is_some();
                let queued = state.tasks.iter().any(|task| self.rows.tasks[*task].row.is_queued());
                wanted(row.status) && !left_alone && state.agent.is_none() && !queued
            })
            .map(|(id, state)| (id, state.row.status))
            .collect();
        for (host, status) in hosts {
            self.notices.push(Notice::HostRecovered { host, status });
            self.add_task(TaskKind::Reset, host, None, self.system_user);
        }
    }

    /// Lets held agents go on whose fate is known by now.
    pub(super) fn settle_held_agents(&mut self) {
        if std::mem::replace(&mut self.release_held_agents, false) {
            self.settle_agents();
        }
    }

    /// A recovered agent whose process is known has started; one without starts normally, once every drone has been heard
    /// that may be running it.
    fn settle_agents(&mut self) {
        let Some(recovery) = &mut self.recovery else { return };
        let mut held = std::mem::take(&mut recovery.agents);
        held.retain(|Recovered { agent: key, pidfile, may_be }| {
            if self.agents.get(*key).is_none_or(|agent| agent.state != AgentState::Held) {
                return false;
            }
            let state = self.processes.state(*pidfile);
            if state.has_trace() || state == ProcessState::Ordered {
                self.agents.set_state(*key, AgentState::Started(*pidfile));
                self.attach_process(*pidfile, *key);
                return false;
            }
            let is_awaited = !self.awaited(*key, *may_be, *pidfile).is_empty();
            if is_awaited && !self.silence_is_over {
                return true;
            }
            if is_awaited && self.is_runner(*key) {
                // A drone that kept silent may have it: a second one must not be started beside it.
                self.recall_agent(*key);
            } else {
                self.agents.set_state(*key, AgentState::Waiting);
                let keeps_watch = matches!(
                    self.agents.get(*key).map(|agent| agent.task),
                    Some(AgentTask::Test(_) | AgentTask::HostlessTest(_))
                );
                if is_awaited {
                    self.count_as_missing(*pidfile, *key);
                } else if !keeps_watch {
                    self.retire_process(*pidfile);
                }
            }
            false
        });
        match &mut self.recovery {
            Some(recovery) if !held.is_empty() => recovery.agents = held,
            _ => self.recovery = None,
        }
    }

    /// The one drone that a held agent waits for, if it is one.
    pub(super) fn awaited_drone(&self, agent: AgentKey) -> Option<DroneId> {
        let recovered = self.recovery.as_ref()?.agents.iter().find(|recovered| recovered.agent == agent)?;
        match self.awaited(agent, recovered.may_be, recovered.pidfile)[..] {
            [drone] => Some(drone),
            _ => None,
        }
    }

    /// The drones that have not been heard and may run an agent's process.
    fn awaited(&self, agent: AgentKey, may_be: Whereabouts, pidfile: PidfileId) -> SmallVec<[DroneId; 2]> {
        let process = self.processes.by_pidfile.get(pidfile);
        let has_stray = |drone: &DroneId| process.is_some_and(|process| self.processes.strays.is_on(*drone, process));
        let of_test = match self.agents.get(agent).map(|agent| agent.task) {
            // They run where the test ran, once it is known where that was.
            Some(AgentTask::Gather(group) | AgentTask::Parse(group)) => self.drone_of_results(group),
            _ => None,
        };
        let may_run_it = |drone: &DroneId| match (of_test, may_be) {
            (_, Whereabouts::Nowhere) => false,
            (Some(only), _) | (None, Whereabouts::On(only)) => *drone == only,
            (None, Whereabouts::Anywhere) => !has_stray(drone),
        };
        self.unheard.iter().copied().filter(may_run_it).collect()
    }

    /// Until when recovered agents wait for drones that keep silent.
    pub(super) fn silence_limit(&self) -> Option<Time> {
        let limit = self.recovered_at + self.pidfile_timeout();
        (!self.silence_is_over && !self.unheard.is_empty()).then_some(limit)
    }
}
