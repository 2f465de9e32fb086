//! What is certain of orders that are on their way to drones: which starts must be sent again, which may be given to another
//! drone, and, for a core that begins anew, what may run and where.

use std::collections::{BTreeMap, BTreeSet};

use super::Core;
use super::agents::{AgentState, AgentTask};
use super::processes::{Process, ProcessState, Processes};
use crate::ids::{DroneId, PidfileId};
use crate::protocol::{ActOutcome, ActReport, Command, ExecutionPath, PidfileName};

/// Where a process may run of which no pidfile has told yet: whom a core that begins anew has to hear before it may start
/// the process again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// Nothing was started, or it was looked for in vain.
    Nowhere,
    /// On this drone, or nowhere.
    On(DroneId),
    /// On any drone that has not been heard yet, or nowhere.
    Anywhere,
}

impl Whereabouts {
    /// Where one of two processes may run.
    pub(super) fn or(self, other: Whereabouts) -> Whereabouts {
        match (self, other) {
            (Whereabouts::Nowhere, known) | (known, Whereabouts::Nowhere) => known,
            (Whereabouts::On(drone), Whereabouts::On(same)) if drone == same => Whereabouts::On(drone),
            (Whereabouts::On(_) | Whereabouts::Anywhere, _) => Whereabouts::Anywhere,
        }
    }
}

/// The processes that may run, by the place of their pidfile; all others are nowhere.
pub(super) type MayRun = BTreeMap<(ExecutionPath, PidfileName), Whereabouts>;

impl Process {
    /// Where it may run, as far as is known.
    fn whereabouts(&self, looked_for: Whereabouts) -> Whereabouts {
        match (self.drone, self.state) {
            (Some(drone), _) => Whereabouts::On(drone),
            (None, ProcessState::Unseen) if !self.doomed => looked_for,
            (None, _) => Whereabouts::Anywhere,
        }
    }
}

impl Processes {
    /// What may run as of the tick before the last, whose decision never was. `looked_for`: pidfiles that drones
    /// have yet to answer for. Strays count for nothing.
    pub(super) fn may_run(&self, looked_for: &BTreeMap<PidfileId, Whereabouts>) -> MayRun {
        let unheard_of: BTreeSet<PidfileId> = self.ordered_now.iter().copied().collect();
        let kept = self.by_pidfile.iter().filter(|(id, _)| !unheard_of.contains(id));
        let kept = kept.map(|(id, process)| (process, looked_for.get(&id).copied().unwrap_or(Whereabouts::Nowhere)));
        let dropped = self.dropped_now.iter().map(|process| (process, Whereabouts::Nowhere));
        let all = kept.chain(dropped).filter(|(process, _)| process.stray_on.is_none());
        let all = all.map(|(process, looked_for)| (process.place(), process.whereabouts(looked_for)));
        all.filter(|(_, whereabouts)| *whereabouts != Whereabouts::Nowhere).collect()
    }
}

impl Core {
    /// Keeps what a drone did not carry out for certain, to be sent again before anything else. Not so what has been
    /// overtaken: the start of a process that was heard of or given up since (its pidfile may be forgotten by then, and it
    /// would start anew), or a watch for one of which is known by now how it stands.
    /// And not so a start that is certain never to have reached its drone: others may have room.
    pub(super) fn hear_acts(&mut self, reports: Vec<ActReport>) {
        self.drones.pass_over_none();
        let mut again: BTreeMap<DroneId, Vec<Command>> = BTreeMap::new();
        for ActReport { drone, outcome, undelivered } in reports {
            let is_certain = match outcome {
                ActOutcome::NotDone(_) => true,
                ActOutcome::Done | ActOutcome::Unknown(_) => false,
            };
            let undelivered = undelivered.into_iter().filter(|command| self.is_still_wanted(command, is_certain));
            let undelivered: Vec<Command> = undelivered.collect();
            again.entry(drone).or_default().extend(undelivered);
        }
        for (drone, commands) in again {
            self.drones.send_first(drone, commands);
        }
    }

    /// Whether a command that was not done, or perhaps not, is to be sent to its drone again.
    fn is_still_wanted(&mut self, command: &Command, is_certain: bool) -> bool {
        match command {
            Command::Start { pidfile, .. } => {
                let is_ordered = |process: &&mut Process| process.state == ProcessState::Ordered;
                let Some(process) = self.processes.by_pidfile.get_mut(*pidfile).filter(is_ordered) else {
                    return false;
                };
                process.in_doubt |= !is_certain;
                let is_free = !process.in_doubt;
                !(is_free && self.give_back(*pidfile))
            }
            Command::Watch { pidfile, .. } => {
                let process = self.processes.by_pidfile.get(*pidfile);
                process.is_some_and(|process| process.state == ProcessState::Unseen)
            }
            Command::Kill { .. }
            | Command::Forget { .. }
            | Command::Write { .. }
            | Command::CopyOnDrone { .. }
            | Command::CopyToRepository { .. } => true,
        }
    }

    /// Lets an agent wait for room again whose process was certainly not started, and looks for another drone first. Not one
    /// that must run where the test ran, or where the database says that a runner is: it stays in line there. Tells whether it was one.
    fn give_back(&mut self, pidfile: PidfileId) -> bool {
        let Some(process) = self.processes.by_pidfile.get(pidfile) else { return false };
        let (agent, drone, weight) = (process.agent, process.drone, process.weight);
        let (Some(key), Some(drone)) = (agent, drone) else { return false };
        match self.agents.get(key).filter(|agent| agent.process() == Some(pidfile)).map(|agent| agent.task) {
            // A runner that is given to another drone gets another row with it.
            Some(AgentTask::Special(_) | AgentTask::HandOff(_)) => {}
            Some(AgentTask::Test(group) | AgentTask::HostlessTest(group)) => self.rows.group_mut(group).test = None,
            Some(AgentTask::Gather(_) | AgentTask::Parse(_)) | None => return false,
        }
        self.processes.by_pidfile.remove(pidfile);
        self.free_room(drone, weight);
        self.drones.send(drone, Command::Forget { pidfile });
        self.drones.pass_over(drone);
        self.agents.set_state(key, AgentState::Waiting);
        true
    }
}
