//! The agents' turn: those with news are polled, those that wait are started while there is room, all in the order in which
//! they were added.

use super::Core;
use super::agents::{AgentKey, AgentState, AgentTask};
use super::subnets::Reach;
use crate::ids::{DroneId, PidfileId, UserId};
use crate::model::TaskKind;
use crate::protocol::Notice;

impl Core {
    /// Handles all agents that can make progress.
    pub(super) fn handle_agents(&mut self) {
        let mut news = std::mem::take(&mut self.agents.news);
        news.sort_unstable();
        news.dedup();
        self.bring_near(&news);
        let mut news = news.as_slice();
        self.agents.may_start = false;
        self.settle_held_agents();
        let mut refused = false;
        let mut after: Option<AgentKey> = None;
        loop {
            let waiting = if refused { None } else { next_after(&self.agents.waiting, after) };
            let parser_may_start = self.agents.running_parsers < self.settings.max_parse_processes;
            let parser = if parser_may_start { next_after(&self.agents.parsers, after) } else { None };
            let Some(key) = news.first().copied().into_iter().chain(waiting).chain(parser).min() else { break };
            after = Some(key);
            if let Some(rest) = news.strip_prefix(&[key]) {
                news = rest;
                self.poll_agent(key);
            } else if Some(key) == parser {
                self.start_parser(key);
            } else {
                refused = !self.start_agent_if_room(key);
            }
        }
        self.stats.throttled |= refused;
        // A slot that came free behind the back of a waiting parser is for the next tick; so is what stood in others' way and went.
        self.agents.may_start |=
            self.agents.running_parsers < self.settings.max_parse_processes && !self.agents.parsers.is_empty();
    }

    /// Reads a little of everything that the agents' ends will touch. In a large lab none of it is in the processor's caches;
    /// these reads do not depend on each other from agent to agent, so that their delays overlap, and what follows, which
    /// does depend, finds the rows at hand. Measured with 100,000 hosts and 1,000,000 entries: half the tick's time.
    fn bring_near(&self, agents: &[AgentKey]) {
        let mut sum = 0u32;
        for agent in agents.iter().filter_map(|key| self.agents.get(*key)) {
            for host in agent.hosts.iter().filter_map(|host| self.rows.hosts.get(*host)) {
                sum = sum.wrapping_add(host.row.status as u32 + host.tasks.len() as u32);
            }
            for entry in agent.entries.iter().filter_map(|entry| self.rows.entries.get(*entry)) {
                sum = sum.wrapping_add(entry.row.status as u32 + entry.tasks.len() as u32);
                let job = self.rows.jobs.get(entry.row.job);
                sum = sum.wrapping_add(job.map_or(0, |job| job.row.priority as u32 + job.entries.len() as u32));
            }
            if let AgentTask::Special(id) = agent.task {
                sum = sum.wrapping_add(self.rows.tasks.get(id).map_or(0, |task| u32::from(task.row.success)));
            }
        }
        std::hint::black_box(sum);
    }

    /// An agent whose process has ended: draws the conclusions and takes the agent off the list.
    fn poll_agent(&mut self, key: AgentKey) {
        let Some(agent) = self.agents.get(key) else { return };
        let AgentState::Started(pidfile) = agent.state else { return };
        let task = agent.task;
        let Some((exit_status, _)) = self.processes.state(pidfile).end() else { return };
        if let AgentTask::HandOff(group) = task {
            // What the runner has written last may not have been heard yet: the agent stays until it has.
            return self.recall(self.rows.group(group).job);
        }
        self.finish_agent(key, task, exit_status == 0, Some(pidfile));
    }

    fn finish_agent(&mut self, key: AgentKey, task: AgentTask, success: bool, process: Option<PidfileId>) {
        match task {
            AgentTask::Special(id) => self.end_special_task(id, success, process),
            AgentTask::Test(group) | AgentTask::HostlessTest(group) => self.end_test(group),
            AgentTask::Gather(group) => self.end_gather(group),
            AgentTask::Parse(group) => self.end_parse(group),
            AgentTask::HandOff(_) => {}
        }
        if let (AgentTask::Gather(_) | AgentTask::Parse(_), Some(process)) = (task, process) {
            self.retire_process(process);
        }
        self.remove_agent(key);
    }

    /// Starts an agent that is no parser if there is room for it. `false`: it is refused for lack of it.
    fn start_agent_if_room(&mut self, key: AgentKey) -> bool {
        let Some(agent) = self.agents.get(key) else { return true };
        let (task, processes, driven) = (agent.task, agent.processes, agent.driven_hosts());
        let (user, allowed) = self.user_and_drones(task);
        let allowed = match driven {
            None => allowed,
            Some(hosts) => match self.within_reach(&hosts, allowed) {
                Reach::All => None,
                Reach::Some(drones) => Some(drones),
                // No room would ever let it start: it waits, and stands in nobody's way.
                Reach::Nowhere => return true,
            },
        };
        let barred = self.drones_with_strays(task);
        let Some(drone) = self.drones.admit(user, allowed.as_deref(), &barred, processes) else {
            return self.drones.are_all_barred(user, allowed.as_deref(), &barred);
        };
        self.stats.agents_started += 1;
        if self.hand_off_instead(key, task, drone) {
            return true;
        }
        match task {
            AgentTask::Special(id) => self.start_special_task(key, id, drone),
            AgentTask::Test(group) | AgentTask::HostlessTest(group) => self.start_test(key, group, drone),
            AgentTask::HandOff(group) => self.start_hand_off(key, group, drone),
            // It is admitted as if it could run anywhere, and runs where the test ran.
            AgentTask::Gather(group) => {
                if self.start_gather(key, group).is_none() {
                    self.finish_agent(key, task, true, None);
                }
            }
            AgentTask::Parse(_) => self.start_parser(key),
        }
        true
    }

    fn start_parser(&mut self, key: AgentKey) {
        let Some(AgentTask::Parse(group)) = self.agents.get(key).map(|agent| agent.task) else { return };
        self.stats.agents_started += 1;
        if let Some(drone) = self.drone_of_results(group)
            && self.hand_off_instead(key, AgentTask::Parse(group), drone)
        {
            return;
        }
        if self.start_parse(key, group).is_none() {
            self.finish_agent(key, AgentTask::Parse(group), false, None);
        }
    }

    /// On whose behalf an agent's process runs, and on which drones it may (`None`: on all).
    fn user_and_drones(&mut self, task: AgentTask) -> (Option<UserId>, Option<Vec<DroneId>>) {
        let (user, job) = match task {
            AgentTask::Special(id) => {
                let row = &self.rows.tasks[id].row;
                let job = row.entry.and_then(|entry| self.rows.entries.get(entry)).map(|entry| entry.row.job);
                let owner = job.map(|job| self.rows.jobs[job].row.owner);
                // A Repair outlives its entry, and with it the entry's choice of drones.
                (owner.or(row.requested_by), job.filter(|_| row.kind != TaskKind::Repair))
            }
            AgentTask::Test(group)
            | AgentTask::HostlessTest(group)
            | AgentTask::Gather(group)
            | AgentTask::Parse(group)
            | AgentTask::HandOff(group) => {
                let job = self.rows.group(group).job;
                (Some(self.rows.jobs[job].row.owner), Some(job))
            }
        };
        if !self.settings.drone_sets_enabled {
            return (user, None);
        }
        let of_job = job.and_then(|job| self.rows.jobs[job].row.drone_set);
        let of_user = || user.and_then(|user| self.rows.users.get(user)?.row.drone_set);
        let default = self.settings.default_drone_set.as_deref();
        let set = match (of_job.or_else(of_user), default) {
            (None, None) => return (user, None),
            (Some(id), _) => self.rows.drone_sets.get(&id),
            (None, Some(name)) => self.rows.drone_sets.values().find(|set| &*set.name == name),
        };
        if set.is_none() && !std::mem::replace(&mut self.upkeep.told_no_drone_set, true) {
            self.notices.push(Notice::NoDroneSet { job, user });
        }
        (user, Some(set.map(|set| set.drones.clone()).unwrap_or_default()))
    }
}

fn next_after(keys: &std::collections::BTreeSet<AgentKey>, after: Option<AgentKey>) -> Option<AgentKey> {
    use std::ops::Bound::{Excluded, Unbounded};
    match after {
        None => keys.first().copied(),
        Some(after) => keys.range((Excluded(after), Unbounded)).next().copied(),
    }
}
