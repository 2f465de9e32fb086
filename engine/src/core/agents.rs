//! Agents: the tasks that the scheduler is busy with, in the order in which they were added.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use smallvec::SmallVec;

use crate::ids::{EntryId, HostId, PidfileId, TaskId};

/// Names an agent; keys order agents by when they were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct AgentKey {
    sequence: NonZeroU64,
    slot: u32,
}

/// What an agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AgentTask {
    /// A special task.
    Special(TaskId),
    /// The test of a group of entries.
    Test(u32),
    /// The test of a hostless entry.
    HostlessTest(u32),
    /// The gathering of a group's crash information.
    Gather(u32),
    /// The parsing of a group's results.
    Parse(u32),
    /// The runner of a group's job, which was handed off.
    HandOff(u32),
}

/// How far an agent has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AgentState {
    /// Recovered, but a drone that may run its process has not answered yet.
    Held,
    /// Waits for room; a parser, for its turn.
    Waiting,
    /// Its process was started, or found.
    Started(PidfileId),
}

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Agent {
    pub(super) task: AgentTask,
    pub(super) hosts: SmallVec<[HostId; 1]>,
    pub(super) entries: SmallVec<[EntryId; 1]>,
    /// Processes for which it counts; 0 = it always starts.
    pub(super) processes: u32,
    pub(super) state: AgentState,
}

impl Agent {
    /// The hosts that its process will drive from whichever drone it is given. What is paired with an earlier process
    /// runs where that ran: `None`.
    pub(super) fn driven_hosts(&self) -> Option<SmallVec<[HostId; 1]>> {
        match self.task {
            AgentTask::Special(_) | AgentTask::Test(_) | AgentTask::HostlessTest(_) | AgentTask::HandOff(_) => {
                Some(self.hosts.clone())
            }
            AgentTask::Gather(_) | AgentTask::Parse(_) => None,
        }
    }

    /// Its process, once started.
    pub(super) fn process(&self) -> Option<PidfileId> {
        match self.state {
            AgentState::Held | AgentState::Waiting => None,
            AgentState::Started(pidfile) => Some(pidfile),
        }
    }
}

/// All agents.
#[derive(Debug, Clone, Default)]
pub(super) struct Agents {
    slots: Vec<Option<(NonZeroU64, Agent)>>,
    free: Vec<u32>,
    added: u64,
    /// Agents of at least one process that have not started.
    pub(super) waiting: BTreeSet<AgentKey>,
    /// Parsers that have not started.
    pub(super) parsers: BTreeSet<AgentKey>,
    /// Agents whose process has news.
    pub(super) news: SmallVec<[AgentKey; 4]>,
    /// Parsers that run.
    pub(super) running_parsers: u32,
    /// Something has happened since the agents' last turn that may let one start that waits.
    pub(super) may_start: bool,
}

impl Agents {
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn get(&self, key: AgentKey) -> Option<&Agent> {
        let (sequence, agent) = self.slots.get(key.slot as usize)?.as_ref()?;
        (*sequence == key.sequence).then_some(agent)
    }

    pub(super) fn get_mut(&mut self, key: AgentKey) -> Option<&mut Agent> {
        let (sequence, agent) = self.slots.get_mut(key.slot as usize)?.as_mut()?;
        (*sequence == key.sequence).then_some(agent)
    }

    pub(super) fn add(&mut self, agent: Agent) -> AgentKey {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        let sequence = NonZeroU64::MIN.saturating_add(self.added);
        self.added += 1;
        let key = AgentKey { sequence, slot };
        let state = agent.state;
        self.slots[slot as usize] = Some((key.sequence, agent));
        self.set_state(key, state);
        key
    }

    /// An agent that has not started gets another task, and another place in the line if that goes with it.
    pub(super) fn set_task(&mut self, key: AgentKey, task: AgentTask) {
        self.waiting.remove(&key);
        self.parsers.remove(&key);
        let Some(agent) = self.get_mut(key) else { return };
        agent.task = task;
        let state = agent.state;
        self.set_state(key, state);
    }

    pub(super) fn set_state(&mut self, key: AgentKey, state: AgentState) {
        let Some(agent) = self.get_mut(key) else { return };
        agent.state = state;
        let parser = matches!(agent.task, AgentTask::Parse(_));
        let places = if parser { &mut self.parsers } else { &mut self.waiting };
        match state {
            AgentState::Waiting => {
                places.insert(key);
                self.may_start = true;
            }
            AgentState::Held => {
                places.remove(&key);
            }
            AgentState::Started(_) => {
                places.remove(&key);
                self.running_parsers += u32::from(parser);
            }
        }
    }

    pub(super) fn remove(&mut self, key: AgentKey) -> Option<Agent> {
        self.get(key)?;
        let (_, agent) = self.slots[key.slot as usize].take()?;
        self.free.push(key.slot);
        // A refused agent that goes may have stood in others' way.
        self.may_start |= self.waiting.remove(&key) | self.parsers.remove(&key);
        if matches!((agent.task, agent.state), (AgentTask::Parse(_), AgentState::Started(_))) {
            self.running_parsers -= 1;
            self.may_start |= !self.parsers.is_empty();
        }
        Some(agent)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (AgentKey, &Agent)> {
        self.slots.iter().enumerate().filter_map(|(slot, place)| {
            let (sequence, agent) = place.as_ref()?;
            Some((AgentKey { sequence: *sequence, slot: slot as u32 }, agent))
        })
    }
}
