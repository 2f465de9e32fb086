//! Fake drones.
//!
//! The fault model. A fake drone may: stop answering and come back, during which its processes go on; reboot, after which
//! its processes are gone without an exit status; show pidfiles late; show a corrupt pidfile; take its time to kill; carry out a
//! batch and lose the reply; answer, and then not be there for the commands. It never: starts a process twice for the same path
//! and pidfile, invents an exit status, forgets a pidfile that is being watched, or carries out a command of an older fence than
//! it has seen.
//!
//! A drone that answers again is first told what to watch, and shows that in its first refresh: so do real ones.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};
use yardmaster_engine::{
    ActOutcome, ActReport, Clock, Command, DroneAnswer, DroneBackend, DroneBatch, DroneId, DroneReport, ExecutionPath,
    Fence, PidfileContents, PidfileEvent, PidfileId, PidfileName, Span, Time, Work, WorkKind,
};

use crate::clock::VirtualClock;

mod earlier;

pub use earlier::Earlier;

/// Wait status of a process that was killed: signal 15.
const KILLED: i32 = 271;

/// How a process will go if nobody interferes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    /// From its start until its pidfile shows a pid.
    pub startup: Span,
    /// From then until its end.
    pub runtime: Span,
    /// Its wait status.
    pub exit_status: i32,
    /// How many of its tests will fail.
    pub tests_failed: u32,
}

/// Decides how processes go. `None`: it runs until somebody ends it.
pub trait Fate {
    /// Asked once for every process, when it starts.
    fn course(&mut self, work: &Work, now: Time) -> Option<Course>;

    /// Asked when a process ends by itself, with the wait status and failed tests that were planned for it.
    fn verdict(&mut self, _work: &Work, planned: (i32, u32)) -> (i32, u32) {
        planned
    }

    /// Told of every process that ends, when, with its wait status and failed tests; `None` if it vanished.
    fn ended(&mut self, _process: ProcessKey, _end: Option<(i32, u32)>, _at: Time) {}

    /// Told of every process that starts, where, and for how many it counts.
    fn started(&mut self, _process: ProcessKey, _work: &Work, _drone: DroneId, _processes: u32, _now: Time) {}
}

/// Processes run until a scenario ends them.
#[derive(Debug, Clone, Copy, Default)]
pub struct UntilTold;

impl Fate for UntilTold {
    fn course(&mut self, _work: &Work, _now: Time) -> Option<Course> {
        None
    }
}

/// Names a process of the fake drones.
pub type ProcessKey = u32;

/// What a fake process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Started; its pidfile is empty.
    Silent,
    Running,
    Ended {
        exit_status: i32,
        tests_failed: u32,
    },
    Vanished,
    Corrupt,
}

impl Stage {
    fn is_over(self) -> bool {
        match self {
            Stage::Silent | Stage::Running => false,
            Stage::Ended { .. } | Stage::Vanished | Stage::Corrupt => true,
        }
    }

    fn events(self) -> impl Iterator<Item = PidfileEvent> {
        let (first, second) = match self {
            Stage::Silent => (Some(PidfileEvent::Changed(PidfileContents::Empty)), None),
            Stage::Running => (Some(PidfileEvent::Changed(PidfileContents::Running)), None),
            Stage::Ended { exit_status, tests_failed } => {
                (Some(PidfileEvent::Changed(PidfileContents::Ended { exit_status, tests_failed })), None)
            }
            Stage::Vanished => (Some(PidfileEvent::Changed(PidfileContents::Running)), Some(PidfileEvent::Vanished)),
            Stage::Corrupt => (Some(PidfileEvent::Changed(PidfileContents::parse("not a pid"))), None),
        };
        first.into_iter().chain(second)
    }
}

/// A process on a fake drone.
#[derive(Debug, Clone)]
pub struct FakeProcess {
    /// Where its results go.
    pub path: ExecutionPath,
    /// Its pidfile.
    pub name: PidfileName,
    /// What it is for.
    pub work: Work,
    /// Where it runs.
    pub drone: DroneId,
    /// For how many it counts.
    pub processes: u32,
    stage: Stage,
    /// Its pidfile is there but not shown yet.
    hidden: bool,
    /// It was sent a kill and takes its time.
    dying: bool,
    /// Who watches its pidfile: whoever was told to, each under a number of its own.
    watched_as: SmallVec<[PidfileId; 1]>,
}

impl FakeProcess {
    fn place(&self) -> Place {
        (self.drone, self.path.clone(), self.name)
    }

    /// Whether its pidfile has yet to be shown: nobody but its drone knows then that it runs.
    pub fn is_hidden(&self) -> bool {
        self.hidden
    }

    /// Whether it was sent a kill that has yet to work.
    pub fn is_dying(&self) -> bool {
        self.dying
    }
}

#[derive(Debug, Clone, Default)]
struct FakeDrone {
    silent: bool,
    late_pidfiles: bool,
    slow_kills: bool,
    lose_replies: u32,
    miss_batches: u32,
    /// It did not get the last one that was sent.
    has_missed: bool,
    news: Vec<(PidfileId, PidfileEvent)>,
    /// Some of the news is more than that a process runs that was started just now, or it answers again.
    news_is_pressing: bool,
    /// What it was to watch while it did not answer.
    missed_watches: Vec<(PidfileId, ExecutionPath, PidfileName)>,
}

impl FakeDrone {
    fn miss(&mut self, commands: &[Command]) {
        for command in commands {
            match command {
                Command::Watch { pidfile, path, name } => {
                    self.missed_watches.push((*pidfile, path.clone(), *name));
                }
                Command::Forget { pidfile } => self.missed_watches.retain(|(watched, ..)| watched != pidfile),
                Command::Start { .. }
                | Command::Kill { .. }
                | Command::CopyOnDrone { .. }
                | Command::Write { .. }
                | Command::CopyToRepository { .. } => {}
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Appear,
    End { exit_status: i32, tests_failed: u32 },
}

/// Where a pidfile lies.
type Place = (DroneId, ExecutionPath, PidfileName);

/// All drones of a simulated lab.
#[derive(Debug)]
pub struct FakeDrones<F> {
    clock: VirtualClock,
    /// How processes go.
    pub fate: F,
    drones: BTreeMap<DroneId, FakeDrone>,
    /// Drones of which the next refresh has something to tell.
    stirred: BTreeSet<DroneId>,
    processes: FxHashMap<ProcessKey, FakeProcess>,
    files: FxHashMap<Place, ProcessKey>,
    watched: FxHashMap<(DroneId, PidfileId), ProcessKey>,
    /// Pidfiles that are to be shown and are not there.
    awaited: FxHashMap<(DroneId, PidfileId), Place>,
    /// Kills that arrived before their process.
    doomed: FxHashSet<Place>,
    next: ProcessKey,
    sequence: u64,
    due: BinaryHeap<Reverse<(Time, u64, ProcessKey, Due)>>,
    fence: Fence,
    /// The processes that were sent a kill, in order; of drones that keep what is over.
    pub killed: Vec<(ProcessKey, FakeProcess)>,
    keeps_what_is_over: bool,
}

impl<F: Fate> FakeDrones<F> {
    /// Drones of these ids, all well, without processes. Real ones keep the pidfiles of what is over; a long run, in which no
    /// scheduler starts again, need not know them, nor who was killed.
    pub fn new(
        clock: VirtualClock,
        drones: impl IntoIterator<Item = DroneId>,
        fate: F,
        keeps_what_is_over: bool,
    ) -> Self {
        let drones: BTreeMap<DroneId, FakeDrone> = drones.into_iter().map(|id| (id, FakeDrone::default())).collect();
        FakeDrones {
            clock,
            fate,
            stirred: drones.keys().copied().collect(),
            drones,
            processes: FxHashMap::default(),
            files: FxHashMap::default(),
            watched: FxHashMap::default(),
            awaited: FxHashMap::default(),
            doomed: FxHashSet::default(),
            next: 0,
            sequence: 0,
            due: BinaryHeap::new(),
            fence: Fence::default(),
            killed: Vec::new(),
            keeps_what_is_over,
        }
    }

    /// Processes that run, in the order of their start.
    pub fn running(&self) -> Vec<(ProcessKey, &FakeProcess)> {
        let alive = self.processes.iter().filter(|(_, process)| !process.stage.is_over());
        let mut running: Vec<_> = alive.map(|(key, process)| (*key, process)).collect();
        running.sort_unstable_by_key(|(key, _)| *key);
        running
    }

    /// The next moment at which a process appears or ends by itself.
    pub fn next_event(&self) -> Option<Time> {
        self.due.peek().map(|Reverse((time, ..))| *time)
    }

    /// Whether a refresh would bring news on which a scheduler may act. That a process runs which it has just started is none:
    /// the next tick, whatever its reason, is early enough for that.
    pub fn has_pressing_news(&self) -> bool {
        let has_news = |drone: &FakeDrone| drone.news_is_pressing || !drone.missed_watches.is_empty();
        let mut stirred = self.stirred.iter().filter_map(|id| self.drones.get(id));
        stirred.any(|drone| !drone.silent && has_news(drone))
    }

    fn stir(&mut self, drone: DroneId) -> &mut FakeDrone {
        self.stirred.insert(drone);
        self.drones.entry(drone).or_default()
    }

    /// Ends a process.
    pub fn finish(&mut self, key: ProcessKey, exit_status: i32, tests_failed: u32) {
        self.end(key, Stage::Ended { exit_status, tests_failed });
    }

    /// Lets the runner of a job start the job's test beside it, unless that was started before.
    pub fn start_test_of(&mut self, runner: ProcessKey) {
        let Some(runner) = self.processes.get(&runner) else { return };
        let (drone, path, processes) = (runner.drone, runner.path.clone(), runner.processes);
        let work = Work { kind: WorkKind::Test, ..runner.work.clone() };
        let place = (drone, path.clone(), PidfileName::Execute);
        if self.files.contains_key(&place) || self.doomed.contains(&place) {
            return;
        }
        let watcher = self.awaited.iter().find(|(_, awaited)| **awaited == place).map(|((_, pidfile), _)| *pidfile);
        let Some(watcher) = watcher else { return };
        self.start(drone, watcher, path, PidfileName::Execute, work, processes);
        // The scheduler has not started it itself.
        self.stir(drone).news_is_pressing = true;
    }

    /// Lets a process vanish without an exit status.
    pub fn lose(&mut self, key: ProcessKey) {
        self.end(key, Stage::Vanished);
    }

    /// Spoils a process's pidfile. The process itself is gone with it.
    pub fn corrupt(&mut self, key: ProcessKey) {
        self.end(key, Stage::Corrupt);
    }

    /// Lets a drone stop or begin to answer.
    pub fn set_silent(&mut self, drone: DroneId, silent: bool) {
        let drone = self.stir(drone);
        // That it answers again is news.
        drone.news_is_pressing |= drone.silent && !silent;
        drone.silent = silent;
    }

    /// Whether a drone does not answer.
    pub fn is_silent(&self, drone: DroneId) -> bool {
        self.drones.get(&drone).is_some_and(|drone| drone.silent)
    }

    /// Whether a drone did not get the last batch that was sent to it.
    pub fn has_missed_a_batch(&self, drone: DroneId) -> bool {
        self.drones.get(&drone).is_some_and(|drone| drone.has_missed)
    }

    /// Reboots a drone: all of its processes vanish.
    pub fn reboot(&mut self, drone: DroneId) {
        let there = self.running().into_iter().filter(|(_, process)| process.drone == drone);
        for key in there.map(|(key, _)| key).collect::<Vec<_>>() {
            self.lose(key);
        }
    }

    /// Lets pidfiles of processes that start from now on stay away, until they are shown.
    pub fn set_late_pidfiles(&mut self, drone: DroneId, late: bool) {
        self.stir(drone).late_pidfiles = late;
    }

    /// Shows the pidfiles that have stayed away so far.
    pub fn show_pidfiles(&mut self, drone: DroneId) {
        let mut hidden: Vec<ProcessKey> = self
            .processes
            .iter()
            .filter(|(_, process)| process.hidden && process.drone == drone)
            .map(|(key, _)| *key)
            .collect();
        hidden.sort_unstable();
        for key in hidden {
            let Some(process) = self.processes.get_mut(&key) else { continue };
            process.hidden = false;
            let (stage, place) = (process.stage, process.place());
            if self.doomed.contains(&place) && !stage.is_over() {
                self.end(key, Stage::Ended { exit_status: KILLED, tests_failed: 0 });
            } else {
                self.tell(key, stage, true);
            }
        }
    }

    /// Lets processes that are killed from now on take their time, until kills are quick again.
    pub fn set_slow_kills(&mut self, drone: DroneId, slow: bool) {
        self.stir(drone).slow_kills = slow;
        if slow {
            return;
        }
        let dying = self.running().into_iter().filter(|(_, process)| process.drone == drone && process.dying);
        for key in dying.map(|(key, _)| key).collect::<Vec<_>>() {
            self.end(key, Stage::Ended { exit_status: KILLED, tests_failed: 0 });
        }
    }

    /// Lets a drone carry out its next so many batches and lose the replies.
    pub fn lose_replies(&mut self, drone: DroneId, count: u32) {
        self.stir(drone).lose_replies = count;
    }

    /// Lets a drone answer refreshes, and be gone when its next so many batches come.
    pub fn miss_batches(&mut self, drone: DroneId, count: u32) {
        self.stir(drone).miss_batches = count;
    }

    fn end(&mut self, key: ProcessKey, stage: Stage) {
        self.set_stage(key, stage, self.clock.now());
    }

    fn set_stage(&mut self, key: ProcessKey, stage: Stage, at: Time) {
        let Some(process) = self.processes.get_mut(&key) else { return };
        if process.stage.is_over() {
            return;
        }
        process.stage = stage;
        if stage.is_over() {
            let end = match stage {
                Stage::Ended { exit_status, tests_failed } => Some((exit_status, tests_failed)),
                Stage::Silent | Stage::Running | Stage::Vanished | Stage::Corrupt => None,
            };
            self.fate.ended(key, end, at);
        }
        self.tell(key, stage, stage.is_over());
    }

    /// `is_pressing`: a scheduler may act on it.
    fn tell(&mut self, key: ProcessKey, stage: Stage, is_pressing: bool) {
        let Some(process) = self.processes.get(&key) else { return };
        if process.hidden {
            return;
        }
        let Some(drone) = self.drones.get_mut(&process.drone).filter(|_| !process.watched_as.is_empty()) else {
            return;
        };
        for pidfile in &process.watched_as {
            drone.news.extend(stage.events().map(|event| (*pidfile, event)));
        }
        drone.news_is_pressing |= is_pressing;
        self.stirred.insert(process.drone);
    }

    fn pass_time(&mut self) {
        let now = self.clock.now();
        while let Some(Reverse((time, _, key, due))) = self.due.peek().copied()
            && time <= now
        {
            self.due.pop();
            match due {
                Due::Appear => self.set_stage(key, Stage::Running, time),
                Due::End { exit_status, tests_failed } => {
                    let Some(process) = self.processes.get(&key) else { continue };
                    let (exit_status, tests_failed) = self.fate.verdict(&process.work, (exit_status, tests_failed));
                    self.set_stage(key, Stage::Ended { exit_status, tests_failed }, time);
                }
            }
        }
    }

    fn carry_out(&mut self, drone: DroneId, command: Command) {
        match command {
            Command::Watch { pidfile, path, name } => self.watch(drone, pidfile, path, name),
            Command::Start { pidfile, path, name, work, processes } => {
                self.start(drone, pidfile, path, name, work, processes);
            }
            Command::Kill { pidfile } => self.kill(drone, pidfile),
            Command::Forget { pidfile } => self.forget(drone, pidfile),
            // Files other than pidfiles do not exist here.
            Command::CopyOnDrone { .. } | Command::Write { .. } | Command::CopyToRepository { .. } => {}
        }
    }

    fn watch(&mut self, drone: DroneId, pidfile: PidfileId, path: ExecutionPath, name: PidfileName) {
        let place = (drone, path, name);
        let Some(key) = self.files.get(&place).copied() else {
            self.awaited.insert((drone, pidfile), place);
            return;
        };
        let Some(process) = self.processes.get_mut(&key) else { return };
        if !process.watched_as.contains(&pidfile) {
            process.watched_as.push(pidfile);
        }
        self.watched.insert((drone, pidfile), key);
        let stage = process.stage;
        self.tell(key, stage, true);
    }

    fn start(
        &mut self,
        drone: DroneId,
        pidfile: PidfileId,
        path: ExecutionPath,
        name: PidfileName,
        work: Work,
        processes: u32,
    ) {
        let (key, now) = (self.next, self.clock.now());
        let place = (drone, path.clone(), name);
        if self.files.contains_key(&place) {
            return self.watch(drone, pidfile, path, name);
        }
        if self.doomed.contains(&place) {
            let drone = self.stir(drone);
            drone.news.push((pidfile, PidfileEvent::Vanished));
            drone.news_is_pressing = true;
            return;
        }
        let watched_as = self.watchers(pidfile, &place);
        self.watched.extend(watched_as.iter().map(|watcher| ((drone, *watcher), key)));
        self.files.insert(place, key);
        self.next += 1;
        let late = self.drones.get(&drone).is_some_and(|drone| drone.late_pidfiles);
        let course = self.fate.course(&work, now);
        self.fate.started(key, &work, drone, processes, now);
        let stage = match course {
            Some(course) if course.startup > Span::ZERO => Stage::Silent,
            _ => Stage::Running,
        };
        if let Some(course) = course {
            if stage == Stage::Silent {
                self.plan(now + course.startup, key, Due::Appear);
            }
            let end = Due::End { exit_status: course.exit_status, tests_failed: course.tests_failed };
            self.plan(now + course.startup + course.runtime, key, end);
        }
        let process = FakeProcess { path, name, work, drone, processes, stage, hidden: late, dying: false, watched_as };
        self.processes.insert(key, process);
        self.tell(key, stage, false);
    }

    /// Who watches a new pidfile: the one who has started the process, and those who were told to watch it before it was
    /// there.
    fn watchers(&mut self, starter: PidfileId, place: &Place) -> SmallVec<[PidfileId; 1]> {
        let mut watchers: SmallVec<[PidfileId; 1]> = smallvec![starter];
        if !self.awaited.is_empty() {
            let early = self.awaited.extract_if(|_, awaited| awaited == place).map(|((_, pidfile), _)| pidfile);
            watchers.extend(early.filter(|pidfile| *pidfile != starter));
            watchers[1..].sort_unstable();
        }
        watchers
    }

    fn plan(&mut self, time: Time, key: ProcessKey, due: Due) {
        self.sequence += 1;
        self.due.push(Reverse((time, self.sequence, key, due)));
    }

    fn kill(&mut self, drone: DroneId, pidfile: PidfileId) {
        if let Some(place) = self.awaited.get(&(drone, pidfile)) {
            self.doomed.insert(place.clone());
        }
        let Some(key) = self.watched.get(&(drone, pidfile)).copied() else { return };
        let slow = self.drones.get(&drone).is_some_and(|drone| drone.slow_kills);
        let Some(process) = self.processes.get_mut(&key) else { return };
        if process.hidden {
            self.doomed.insert(process.place());
        }
        process.dying |= slow && !process.hidden;
        let shown = !process.hidden && !process.dying;
        if self.keeps_what_is_over {
            self.killed.push((key, process.clone()));
        }
        if shown {
            self.end(key, Stage::Ended { exit_status: KILLED, tests_failed: 0 });
        }
    }

    /// Numbers of pidfiles belong to a fence: what they were called under an older one means nothing any more.
    fn forget_numbers(&mut self) {
        self.watched.clear();
        self.awaited.clear();
        self.processes.values_mut().for_each(|process| process.watched_as.clear());
        self.stirred.extend(self.drones.keys());
        for drone in self.drones.values_mut() {
            drone.news.clear();
            drone.news_is_pressing = false;
            drone.missed_watches.clear();
        }
    }

    /// Tells the drones that answer again what they were to watch meanwhile.
    fn catch_up(&mut self) {
        let missed = |id: &DroneId| {
            let answers = |drone: &&FakeDrone| !drone.silent && !drone.missed_watches.is_empty();
            self.drones.get(id).filter(answers).map(|_| *id)
        };
        for id in self.stirred.iter().filter_map(missed).collect::<Vec<DroneId>>() {
            let watches = std::mem::take(&mut self.stir(id).missed_watches);
            for (pidfile, path, name) in watches {
                self.watch(id, pidfile, path, name);
            }
        }
    }

    /// Pidfiles that nobody watches any more are kept only for those who look for them again.
    fn forget(&mut self, drone: DroneId, pidfile: PidfileId) {
        self.awaited.remove(&(drone, pidfile));
        let Some(key) = self.watched.remove(&(drone, pidfile)) else { return };
        let Some(process) = self.processes.get_mut(&key) else { return };
        process.watched_as.retain(|watcher| *watcher != pidfile);
        if process.stage.is_over() && process.watched_as.is_empty() && !self.keeps_what_is_over {
            let place = process.place();
            self.files.remove(&place);
            self.processes.remove(&key);
        }
    }
}

impl<F: Fate> DroneBackend for FakeDrones<F> {
    async fn refresh(&mut self) -> Vec<DroneReport> {
        self.pass_time();
        self.catch_up();
        let report = |id: DroneId| {
            let drone = self.drones.get_mut(&id)?;
            let answer = if drone.silent {
                DroneAnswer::Silent { reason: "no answer in time".to_owned() }
            } else {
                drone.news_is_pressing = false;
                DroneAnswer::News { pidfiles: std::mem::take(&mut drone.news), unclaimed: Vec::new() }
            };
            Some(DroneReport { drone: id, answer })
        };
        std::mem::take(&mut self.stirred).into_iter().filter_map(report).collect()
    }

    async fn act(&mut self, fence: Fence, batches: Vec<DroneBatch>) -> Vec<ActReport> {
        let mut reports = Vec::new();
        if fence < self.fence {
            let outcome = ActOutcome::NotDone(format!("term {fence} is over; term {} commands", self.fence));
            let refuse = |batch: DroneBatch| ActReport {
                drone: batch.drone,
                outcome: outcome.clone(),
                undelivered: batch.commands,
            };
            return batches.into_iter().map(refuse).collect();
        }
        if fence > self.fence {
            self.fence = fence;
            self.forget_numbers();
        }
        for DroneBatch { drone, commands } in batches {
            let state = self.drones.entry(drone).or_insert_with(|| {
                self.stirred.insert(drone);
                FakeDrone::default()
            });
            if state.silent || state.miss_batches > 0 {
                state.miss_batches = state.miss_batches.saturating_sub(1);
                state.has_missed = true;
                state.miss(&commands);
                self.stirred.insert(drone);
                let outcome = ActOutcome::NotDone("no answer in time".to_owned());
                reports.push(ActReport { drone, outcome, undelivered: commands });
                continue;
            }
            state.has_missed = false;
            let lost = state.lose_replies > 0;
            state.lose_replies = state.lose_replies.saturating_sub(1);
            let undelivered = if lost { commands.clone() } else { Vec::new() };
            for command in commands {
                self.carry_out(drone, command);
            }
            if lost {
                let outcome = ActOutcome::Unknown("the reply was lost".to_owned());
                reports.push(ActReport { drone, outcome, undelivered });
            }
        }
        reports
    }
}
