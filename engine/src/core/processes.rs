//! Processes as their pidfiles show them.

use std::collections::VecDeque;

use super::Core;
use super::agents::{AgentKey, AgentState};
use super::strays::{Missing, Strays};
use super::table::Table;
use crate::ids::{DroneId, PidfileId};
use crate::protocol::{
    Command, DroneAnswer, DroneReport, ExecutionPath, KillOrder, Notice, PidfileContents, PidfileEvent, PidfileName,
    Work,
};
use crate::time::{Span, Time, earliest};

/// How a process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProcessState {
    /// Watched since recovery; no drone has shown a pidfile.
    Unseen,
    /// Its start was ordered; no pidfile yet.
    Ordered,
    /// It runs.
    Running,
    /// It ended by itself.
    Ended {
        /// Wait status.
        exit_status: i32,
        /// Tests that failed.
        tests_failed: u32,
    },
    /// It disappeared; `trace` says whether it had shown a pidfile.
    Lost { trace: bool },
}

impl ProcessState {
    /// Wait status and failed tests of a process that is over. A lost one counts as killed by signal 1.
    pub(super) fn end(self) -> Option<(i32, u32)> {
        match self {
            ProcessState::Unseen | ProcessState::Ordered | ProcessState::Running => None,
            ProcessState::Ended { exit_status, tests_failed } => Some((exit_status, tests_failed)),
            ProcessState::Lost { .. } => Some((1, 0)),
        }
    }

    /// Whether a pidfile was ever seen.
    pub(super) fn has_trace(self) -> bool {
        match self {
            ProcessState::Unseen | ProcessState::Ordered | ProcessState::Lost { trace: false } => false,
            ProcessState::Running | ProcessState::Ended { .. } | ProcessState::Lost { trace: true } => true,
        }
    }
}

/// Whether a wait status says that a signal ended the process: WIFSIGNALED of wait(2).
pub(super) fn is_signalled(wait_status: i32) -> bool {
    !matches!(wait_status & 0x7f, 0 | 0x7f)
}

/// For how much a process counts of which nothing but its pidfile is known.
pub(super) fn usual_weight(name: PidfileName) -> u32 {
    if name == PidfileName::Parse { 0 } else { 1 }
}

/// A process, from the order to start it until nobody needs its pidfile.
#[derive(Debug, Clone)]
pub(super) struct Process {
    path: ExecutionPath,
    name: PidfileName,
    pub(super) state: ProcessState,
    /// Where it runs, once known.
    pub(super) drone: Option<DroneId>,
    /// For how much it counts on its drone while it has not ended.
    pub(super) weight: u32,
    /// The agent that waits for its end.
    pub(super) agent: Option<AgentKey>,
    /// Nobody needs it; only its end is awaited, to know when its room is free.
    pub(super) retired: bool,
    /// To be killed when it shows: it was not to go on, and no drone had told of it yet.
    pub(super) doomed: bool,
    /// The database holds an order to kill it.
    kill_ordered: bool,
    /// Its start may have reached the drone, although nobody has confirmed it: it must not be started elsewhere.
    pub(super) in_doubt: bool,
    /// All drones were told to watch its pidfile.
    is_asked_for_everywhere: bool,
    /// It does not count: it is what this drone, which was silent, may still have of a process that was started anew elsewhere.
    pub(super) stray_on: Option<DroneId>,
}

impl Process {
    fn watched(path: ExecutionPath, name: PidfileName, weight: u32) -> Process {
        Process {
            path,
            name,
            state: ProcessState::Unseen,
            drone: None,
            weight,
            agent: None,
            retired: false,
            doomed: false,
            kill_ordered: false,
            in_doubt: false,
            is_asked_for_everywhere: false,
            stray_on: None,
        }
    }

    /// What a drone may have of a process that was started anew elsewhere.
    pub(super) fn stray(path: ExecutionPath, name: PidfileName, weight: u32, drone: DroneId) -> Process {
        Process { stray_on: Some(drone), doomed: true, retired: true, ..Process::watched(path, name, weight) }
    }

    /// Where its pidfile lies.
    pub(super) fn place(&self) -> (ExecutionPath, PidfileName) {
        (self.path.clone(), self.name)
    }

    fn kill_order(&self) -> KillOrder {
        KillOrder { path: self.path.clone(), name: self.name, drone: self.drone }
    }
}

/// A process that has until this moment to do something.
#[derive(Debug, Clone, Copy)]
struct Deadline {
    due: Time,
    pidfile: PidfileId,
}

/// All processes.
#[derive(Debug, Clone, Default)]
pub(super) struct Processes {
    pub(super) by_pidfile: Table<PidfileId, Process>,
    pub(super) missing: Missing,
    pub(super) strays: Strays,
    next: u32,
    /// Ordered processes, by when a pidfile must have appeared. The time-out is the same for all: first in, first out.
    appear_by: VecDeque<Deadline>,
    /// Retired processes, by when they are forgotten.
    forget_by: VecDeque<Deadline>,
    /// Those that the last tick ordered: until it is committed, no drone has heard of them.
    pub(super) ordered_now: Vec<PidfileId>,
    /// Those that the last tick let go: until it is committed, they are not over.
    pub(super) dropped_now: Vec<Process>,
}

impl Processes {
    /// No processes, but no number will be given again.
    pub(super) fn numbered_on(&self) -> Processes {
        Processes { next: self.next, ..Processes::default() }
    }

    /// A new tick is decided: the one before stands.
    pub(super) fn begin_tick(&mut self) {
        self.ordered_now.clear();
        self.dropped_now.clear();
    }

    /// Starts to keep a process.
    pub(super) fn add(&mut self, process: Process) -> PidfileId {
        let id = PidfileId(self.next);
        self.next += 1;
        self.by_pidfile.insert(id, process);
        id
    }

    pub(super) fn state(&self, pidfile: PidfileId) -> ProcessState {
        self.by_pidfile.get(pidfile).map_or(ProcessState::Unseen, |process| process.state)
    }

    /// A process that has left a trace, with the drone on which it ran: where whatever follows it must run.
    pub(super) fn process_drone(&self, pidfile: Option<PidfileId>) -> Option<(PidfileId, DroneId)> {
        let pidfile = pidfile?;
        let process = self.by_pidfile.get(pidfile)?;
        Some((pidfile, process.drone.filter(|_| process.state.has_trace())?))
    }

    /// The next moment at which a process has waited too long.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        let appear = self.appear_by.front().map(|deadline| deadline.due);
        let forget = self.forget_by.front().map(|deadline| deadline.due);
        earliest(&[appear, forget])
    }

    /// The time-out has changed: what waits has so much longer, or less.
    pub(super) fn move_deadlines(&mut self, by: Span) {
        for deadline in &mut self.appear_by {
            deadline.due += by;
        }
    }

    /// Sets for how much a watched process will count.
    pub(super) fn set_weight(&mut self, pidfile: PidfileId, weight: u32) {
        if let Some(process) = self.by_pidfile.get_mut(pidfile) {
            process.weight = weight;
        }
    }

    /// Drops deadlines at the front that were met, so that the next one is real.
    fn drop_met_deadlines(&mut self) {
        let processes = &self.by_pidfile;
        let is = |deadline: &Deadline, state: fn(&Process) -> bool| processes.get(deadline.pidfile).is_some_and(state);
        while let Some(deadline) = self.appear_by.front()
            && !is(deadline, |process| process.state == ProcessState::Ordered)
        {
            self.appear_by.pop_front();
        }
        while let Some(deadline) = self.forget_by.front()
            && !is(deadline, |process| process.retired)
        {
            self.forget_by.pop_front();
        }
    }
}

impl Core {
    /// Orders a process to be started for an agent.
    pub(super) fn start_process(
        &mut self,
        agent: AgentKey,
        drone: DroneId,
        path: ExecutionPath,
        name: PidfileName,
        work: Work,
        processes: u32,
    ) -> PidfileId {
        let pidfile = self.processes.add(Process {
            state: ProcessState::Ordered,
            drone: Some(drone),
            agent: Some(agent),
            ..Process::watched(path.clone(), name, processes)
        });
        self.processes.ordered_now.push(pidfile);
        self.note_started_anew(&path, name);
        self.expect_pidfile(pidfile);
        self.drones.add_active(drone, processes);
        self.stats.processes_started += processes;
        self.drones.send(drone, Command::Start { pidfile, path, name, work, processes });
        self.agents.set_state(agent, AgentState::Started(pidfile));
        pidfile
    }

    /// From now on a pidfile has so long to show its process.
    fn expect_pidfile(&mut self, pidfile: PidfileId) {
        let due = self.now + self.pidfile_timeout();
        self.processes.appear_by.push_back(Deadline { due, pidfile });
    }

    pub(super) fn pidfile_timeout(&self) -> Span {
        Span::from_minutes(i64::from(self.settings.pidfile_timeout_mins))
    }

    /// Begins to watch a pidfile that may lie on any drone.
    pub(super) fn watch_process(&mut self, path: ExecutionPath, name: PidfileName, weight: u32) -> PidfileId {
        let process = Process::watched(path.clone(), name, weight);
        let pidfile = self.processes.add(Process { is_asked_for_everywhere: true, ..process });
        self.drones.send_all(&Command::Watch { pidfile, path, name });
        pidfile
    }

    /// From now on a process counts for so much on its drone.
    pub(super) fn weigh_process(&mut self, pidfile: PidfileId, weight: u32) {
        let Some(process) = self.processes.by_pidfile.get_mut(pidfile) else { return };
        let old = std::mem::replace(&mut process.weight, weight);
        if let (Some(drone), None) = (process.drone, process.state.end()) {
            self.drones.add_active(drone, weight);
            self.drones.remove_active(drone, old);
        }
    }

    /// Keeps a process from ever being started on a drone, or ends it should it be there already.
    pub(super) fn forbid_process(&mut self, pidfile: PidfileId, drone: DroneId) {
        if self.processes.state(pidfile).end().is_none() {
            self.send_kill(pidfile, drone);
        }
    }

    /// Hands a process to the agent that waits for its end.
    pub(super) fn attach_process(&mut self, pidfile: PidfileId, agent: AgentKey) {
        if let Some(process) = self.processes.by_pidfile.get_mut(pidfile) {
            process.agent = Some(agent);
            if process.state.end().is_some() {
                self.agents.news.push(agent);
            }
        }
    }

    /// Sends a kill, if the process may still run; should it only show later, then.
    pub(super) fn kill_process(&mut self, pidfile: PidfileId) {
        let Some(process) = self.processes.by_pidfile.get_mut(pidfile) else { return };
        match (process.state.end(), process.drone) {
            (None, Some(drone)) => self.send_kill(pidfile, drone),
            (None, None) => {
                process.doomed = true;
                self.processes.remove_missing(pidfile);
                self.record_kill(pidfile);
            }
            (Some(_), _) => {}
        }
    }

    pub(super) fn send_kill(&mut self, pidfile: PidfileId, drone: DroneId) {
        self.record_kill(pidfile);
        self.drones.send(drone, Command::Kill { pidfile });
    }

    /// Has the database keep the order to kill until it has worked.
    fn record_kill(&mut self, pidfile: PidfileId) {
        let Some(process) = self.processes.by_pidfile.get_mut(pidfile) else { return };
        // What is known of a stray is kept as such: an order would name the path of the process that counts.
        if process.stray_on.is_none() && !std::mem::replace(&mut process.kill_ordered, true) {
            self.changes.kills_added.push(process.kill_order());
        }
    }

    /// The process is known to be over, or given up: the order to kill it has served.
    fn close_kill_order(&mut self, pidfile: PidfileId) {
        let Some(process) = self.processes.by_pidfile.get_mut(pidfile) else { return };
        if std::mem::take(&mut process.kill_ordered) {
            self.changes.kills_removed.push(process.kill_order());
        }
    }

    /// Takes up an order to kill that a scheduler before this one may not have delivered.
    pub(super) fn recover_kill(&mut self, order: KillOrder) {
        let KillOrder { path, name, drone } = order;
        let is_it = |process: &Process| process.stray_on.is_none() && process.name == name && process.path == path;
        let known = self.processes.by_pidfile.iter().find(|(_, process)| is_it(process)).map(|(id, _)| id);
        let pidfile = known.unwrap_or_else(|| {
            let watched = Process::watched(path.clone(), name, usual_weight(name));
            let retired = Process { retired: true, is_asked_for_everywhere: drone.is_none(), ..watched };
            let pidfile = self.processes.add(retired);
            let watch = Command::Watch { pidfile, path, name };
            match drone {
                Some(drone) => self.drones.send(drone, watch),
                None => self.drones.send_all(&watch),
            }
            self.forget_later(pidfile);
            pidfile
        });
        if let Some(process) = self.processes.by_pidfile.get_mut(pidfile) {
            process.kill_ordered = true;
            process.doomed = true;
        }
    }

    /// Nobody needs the process's pidfile any more.
    pub(super) fn retire_process(&mut self, pidfile: PidfileId) {
        let Some(process) = self.processes.by_pidfile.get_mut(pidfile) else { return };
        process.agent = None;
        let nowhere = process.drone.is_none();
        let over = process.state.end().is_some() || (nowhere && !process.doomed);
        if over {
            self.drop_process(pidfile);
        } else if !process.retired {
            process.retired = true;
            self.forget_later(pidfile);
        }
    }

    /// A retired process has so long to end.
    fn forget_later(&mut self, pidfile: PidfileId) {
        let due = self.now + self.settings.tick() * i64::from(self.settings.max_pidfile_refreshes);
        self.processes.forget_by.push_back(Deadline { due, pidfile });
    }

    /// Whether a process is to be killed and may be on a drone that does not answer: it may live as long as that.
    fn awaits_silent_drone(&self, pidfile: PidfileId) -> bool {
        let is_it = |process: &&Process| process.kill_ordered || process.doomed;
        let Some(process) = self.processes.by_pidfile.get(pidfile).filter(is_it) else { return false };
        let may_run_it = |drone: &DroneId| process.drone.is_none_or(|known| known == *drone);
        self.drones.by_id.iter().any(|(drone, state)| may_run_it(drone) && !state.answers)
    }

    pub(super) fn drop_process(&mut self, pidfile: PidfileId) {
        // Of one that was given up it is not known whether the kill has reached it: the order stays for the next recovery.
        if !matches!(self.processes.state(pidfile), ProcessState::Lost { .. }) {
            self.close_kill_order(pidfile);
        }
        self.processes.remove_missing(pidfile);
        let Some(process) = self.processes.by_pidfile.remove(pidfile) else { return };
        self.processes.strays.settle(&process);
        if let Some(drone) = process.drone.filter(|_| process.state.end().is_none()) {
            self.free_room(drone, process.weight);
        }
        // As long as a drone watches it, what it has there counts as somebody's.
        let forget = Command::Forget { pidfile };
        match process.drone.or(process.stray_on).filter(|_| !process.is_asked_for_everywhere) {
            Some(drone) => self.drones.send(drone, forget),
            None => self.drones.send_all(&forget),
        }
        self.processes.dropped_now.push(process);
    }

    pub(super) fn free_room(&mut self, drone: DroneId, weight: u32) {
        self.drones.remove_active(drone, weight);
        self.stats.processes_ended += weight;
        self.agents.may_start |= weight > 0;
    }

    /// Takes in what the drones report.
    pub(super) fn hear_drones(&mut self, reports: Vec<DroneReport>) {
        let (mut ends, mut back) = (Vec::new(), Vec::new());
        for DroneReport { drone, answer } in reports {
            let Some(state) = self.drones.by_id.get_mut(&drone) else { continue };
            let answered_before = state.answers;
            match answer {
                DroneAnswer::News { pidfiles, unclaimed } => {
                    state.answers = true;
                    let is_heard_first = self.unheard.remove(&drone);
                    self.release_held_agents |= is_heard_first;
                    if is_heard_first || !answered_before {
                        back.push(drone);
                    }
                    if !answered_before {
                        self.agents.may_start = true;
                        self.notices.push(Notice::DroneBack { drone });
                    }
                    if !unclaimed.is_empty() {
                        self.notices.push(Notice::Orphans { drone, processes: unclaimed });
                        self.orphans_found = true;
                    }
                    for (pidfile, event) in pidfiles {
                        if self.recovery.is_some() && !event.is_alive() {
                            ends.push((drone, pidfile, event));
                        } else {
                            self.hear_pidfile(drone, pidfile, event);
                        }
                    }
                }
                DroneAnswer::Silent { reason } => {
                    state.answers = false;
                    if answered_before {
                        self.notices.push(Notice::DroneSilent { drone, reason });
                    }
                }
            }
        }
        // Recovery asks all drones for a process. What was killed on one of them has been started anew on another: that counts.
        for (drone, pidfile, event) in ends {
            self.hear_pidfile(drone, pidfile, event);
        }
        for drone in back {
            self.drop_unseen_strays(drone);
        }
    }

    fn hear_pidfile(&mut self, drone: DroneId, pidfile: PidfileId, event: PidfileEvent) {
        let Some(process) = self.processes.by_pidfile.get(pidfile) else { return };
        if process.stray_on.is_none() && self.processes.strays.is_on(drone, process) {
            return;
        }
        if process.drone.is_some_and(|known| known != drone) {
            // Two drones have it, which nobody has known: one of them is enough.
            if event.is_alive() {
                self.drones.send(drone, Command::Kill { pidfile });
            }
            return;
        }
        if process.state.end().is_some() {
            return;
        }
        let state = match event {
            // Somebody has started it already: it is only slow to say so.
            PidfileEvent::Changed(PidfileContents::Empty) if process.state == ProcessState::Unseen => {
                ProcessState::Ordered
            }
            PidfileEvent::Changed(PidfileContents::Empty) => return,
            PidfileEvent::Changed(PidfileContents::Running) => ProcessState::Running,
            PidfileEvent::Changed(PidfileContents::Ended { exit_status, tests_failed }) => {
                self.close_kill_order(pidfile);
                ProcessState::Ended { exit_status, tests_failed }
            }
            PidfileEvent::Changed(PidfileContents::Corrupt(what)) => {
                let path = Some(process.path.clone());
                self.notices.push(Notice::CorruptPidfile { path, drone, what });
                self.send_kill(pidfile, drone);
                ProcessState::Lost { trace: true }
            }
            PidfileEvent::Vanished => {
                // One that was killed may go without a word, and of one that nobody needs none is lost.
                if !process.kill_ordered && !process.retired {
                    self.notices.push(Notice::LostProcess { path: Some(process.path.clone()), drone });
                }
                self.close_kill_order(pidfile);
                ProcessState::Lost { trace: true }
            }
        };
        let Some(process) = self.processes.by_pidfile.get_mut(pidfile) else { return };
        let counted = process.drone.is_some();
        process.drone = Some(drone);
        process.state = state;
        let (agent, weight, retired, doomed) = (process.agent, process.weight, process.retired, process.doomed);
        if !counted {
            // An agent that recovery has held back may go on now.
            self.release_held_agents |= self.recovery.is_some();
            if state == ProcessState::Ordered {
                self.expect_pidfile(pidfile);
            }
        }
        if doomed && self.processes.remove_missing(pidfile) {
            self.find_missing(drone, pidfile);
        }
        let Some(process) = self.processes.by_pidfile.get_mut(pidfile) else { return };
        if state.end().is_none() {
            if std::mem::take(&mut process.doomed) {
                self.send_kill(pidfile, drone);
            }
            if !counted {
                self.drones.add_active(drone, weight);
            }
            return;
        }
        if counted {
            self.free_room(drone, weight);
        }
        match agent {
            Some(agent) => self.agents.news.push(agent),
            None if retired => self.drop_process(pidfile),
            None => {}
        }
    }

    /// Gives up processes that have kept the scheduler waiting for too long.
    pub(super) fn check_process_deadlines(&mut self) {
        if self.silence_limit().is_some_and(|limit| limit < self.now) {
            self.release_held_agents = true;
            self.silence_is_over = true;
        }
        self.processes.drop_met_deadlines();
        while let Some(deadline) = self.processes.appear_by.front().copied()
            && deadline.due < self.now
        {
            self.processes.appear_by.pop_front();
            self.give_up_unseen(deadline.pidfile);
            self.processes.drop_met_deadlines();
        }
        while let Some(deadline) = self.processes.forget_by.front().copied()
            && deadline.due < self.now
        {
            self.processes.forget_by.pop_front();
            if self.awaits_silent_drone(deadline.pidfile) {
                self.forget_later(deadline.pidfile);
            } else {
                self.drop_process(deadline.pidfile);
            }
            self.processes.drop_met_deadlines();
        }
    }

    /// The drone on which it ran, or may run, is no longer part of the lab.
    pub(super) fn lose_process(&mut self, pidfile: PidfileId) {
        let Some(process) = self.processes.by_pidfile.get_mut(pidfile) else { return };
        process.drone = None;
        if process.retired {
            self.drop_process(pidfile);
        } else if process.state.end().is_none() {
            process.state = ProcessState::Lost { trace: false };
            self.agents.news.extend(process.agent);
        }
    }

    /// No pidfile in time: the process is lost. Should it appear late it is killed, since its host may serve others by then.
    fn give_up_unseen(&mut self, pidfile: PidfileId) {
        let Some(process) = self.processes.by_pidfile.get_mut(pidfile) else { return };
        process.state = ProcessState::Lost { trace: false };
        let (agent, drone, weight, retired) = (process.agent, process.drone, process.weight, process.retired);
        if let Some(drone) = drone {
            let path = Some(process.path.clone());
            self.free_room(drone, weight);
            self.send_kill(pidfile, drone);
            self.notices.push(Notice::LostProcess { path, drone });
        }
        if retired {
            self.drop_process(pidfile);
        }
        self.agents.news.extend(agent);
    }
}
