//! What holds after every tick.

use std::collections::{BTreeMap, BTreeSet};

use yardmaster_engine::{DroneId, EntryStatus, ExecutionPath, HostId, HostStatus, Stray, Work, WorkKind};
use yardmaster_sim::drones::FakeProcess;
use yardmaster_sim::script::{Action, FakeEngine};

use crate::transitions::{of_entry, of_host, reachable};

/// Steps of the rules that the first tick after a start may take at once: recovery, and then an ordinary tick.
const STEPS_OF_A_FIRST_TICK: u32 = 3;

/// Keeps what has to be known of earlier ticks.
pub(crate) struct Watcher {
    entries: BTreeMap<u32, EntryStatus>,
    hosts: BTreeMap<u32, HostStatus>,
    /// A scheduler has begun, or begun anew from the database, since the last decision that was committed.
    fresh: bool,
    /// Processes on which a scheduler stopped before it could have them killed. Nobody knows of them any more: they are
    /// what the rules call orphans.
    orphans: BTreeSet<u32>,
    /// How many kills there have been.
    kills: usize,
    /// What ran when a pidfile was spoilt: one of these is killed for that.
    spoilt: Vec<Work>,
    /// All processes that were ever seen.
    started: BTreeMap<u32, Work>,
    /// The test that was started last for each entry.
    last_tests: BTreeMap<u32, u32>,
    /// By drone: the highest limit since what it runs was last known to be within its limit.
    limits: BTreeMap<u32, u32>,
    /// Whether the tick begins with a decision that was not committed: it may only carry it out, and hear nobody.
    was_uncommitted: bool,
    /// Drones that answer again and may not have been heard since.
    back: BTreeSet<DroneId>,
}

impl Watcher {
    pub(crate) fn new(engine: &FakeEngine) -> Watcher {
        let mut watcher = Watcher {
            entries: BTreeMap::new(),
            hosts: BTreeMap::new(),
            fresh: true,
            orphans: BTreeSet::new(),
            kills: 0,
            spoilt: Vec::new(),
            started: BTreeMap::new(),
            last_tests: BTreeMap::new(),
            limits: BTreeMap::new(),
            was_uncommitted: false,
            back: BTreeSet::new(),
        };
        watcher.remember(engine);
        watcher
    }

    fn remember(&mut self, engine: &FakeEngine) {
        let store = engine.store();
        self.entries = store.entries.iter().map(|entry| (entry.id.0, entry.status)).collect();
        self.hosts = store.hosts.iter().map(|host| (host.id.0, host.status)).collect();
    }

    /// Something is about to happen.
    pub(crate) fn before(&mut self, engine: &FakeEngine, action: &Action) {
        if let Action::DroneUp { drone } = action {
            self.back.extend(engine.store().drones.iter().find(|row| *row.name == **drone).map(|row| row.id));
        }
        if let Action::CorruptPidfile { .. } = action {
            self.spoilt.extend(engine.drones().running().into_iter().map(|(_, process)| process.work.clone()));
        }
        if let Action::Restart { .. } = action {
            self.fresh = true;
            let drones = engine.drones();
            // One that no row explains by now was to be killed; of one without a pidfile nobody knows.
            let unsure = |process: &FakeProcess| process.is_hidden() || a_row_explains(engine, process).is_err();
            self.orphans.extend(drones.running().iter().filter(|(_, process)| unsure(process)).map(|(key, _)| *key));
        }
    }

    pub(crate) fn before_tick(&mut self, engine: &FakeEngine) {
        self.remember(engine);
        self.fresh |= engine.has_backlog();
        self.was_uncommitted = engine.is_uncommitted();
        for drone in engine.store().drones.iter() {
            let limit = self.limits.entry(drone.id.0).or_default();
            *limit = (*limit).max(drone.max_processes);
        }
    }

    /// # Errors
    /// Says what does not hold.
    pub(crate) fn after_tick(&mut self, engine: &FakeEngine) -> Result<(), String> {
        self.statuses_follow_the_rules(engine)?;
        entries_do_not_share_hosts(engine)?;
        // What a tick decided and could not commit, or does not know to be committed, has not been carried out yet.
        if engine.is_uncommitted() {
            return Ok(());
        }
        self.no_test_is_over_that_runs(engine)?;
        let known: Vec<&FakeProcess> = self.known_processes(engine);
        processes_do_not_share_hosts(&known)?;
        known.iter().try_for_each(|process| a_row_explains(engine, process))?;
        self.kills_have_reasons(engine)?;
        self.drones_keep_their_limits(engine, &self.known_processes(engine))?;
        self.lower_limits(engine);
        self.fresh = false;
        if !self.was_uncommitted {
            self.back.clear();
        }
        Ok(())
    }

    /// Those since the last look.
    pub(crate) fn kills_have_reasons(&mut self, engine: &FakeEngine) -> Result<(), String> {
        for (key, process) in engine.drones().running() {
            self.started.entry(key).or_insert_with(|| process.work.clone());
        }
        let kills = &engine.drones().killed;
        for (key, process) in &kills[self.kills..] {
            let work = &process.work;
            let is_stray = |stray: &Stray| stray.path == process.path && stray.drone == process.drone;
            let is_superseded = self.started.range(key + 1..).any(|(_, other)| other == work);
            if !is_superseded && !self.spoilt.contains(work) && !engine.store().strays.iter().any(is_stray) {
                a_row_explains_the_kill(engine, work)?;
            }
        }
        self.kills = kills.len();
        Ok(())
    }

    /// An entry whose test is over has none that runs where somebody can see it: what was started last is what counts, whatever
    /// drones still have of what was started before.
    fn no_test_is_over_that_runs(&mut self, engine: &FakeEngine) -> Result<(), String> {
        let drones = engine.drones();
        let reachable = self.reachable(engine);
        for (key, process) in drones.running() {
            if process.work.kind != WorkKind::Test {
                continue;
            }
            for id in &process.work.entries {
                let last = self.last_tests.entry(id.0).or_default();
                *last = (*last).max(key);
                let Some(entry) = engine.store().entries.get(id.0) else { continue };
                let was_running = self.entries.get(&id.0) == Some(&EntryStatus::Running);
                let is_seen = !process.is_hidden() && !process.is_dying() && reachable.contains(&process.drone);
                let is_over = matches!(entry.status, EntryStatus::Gathering | EntryStatus::Parsing);
                if was_running && is_over && is_seen && *last == key && !entry.aborted && !self.orphans.contains(&key) {
                    return Err(format!("entry {id} is {}, and its test runs", entry.status));
                }
            }
        }
        Ok(())
    }

    /// The drones that the scheduler has heard of, and that have got what it sent.
    fn reachable(&self, engine: &FakeEngine) -> BTreeSet<DroneId> {
        let drones = engine.drones();
        let has_heard = |drone: &DroneId| !drones.is_silent(*drone) && !self.back.contains(drone);
        let ids = engine.store().drones.iter().map(|drone| drone.id);
        ids.filter(|drone| has_heard(drone) && !drones.has_missed_a_batch(*drone)).collect()
    }

    /// Processes that the scheduler can know of and reach.
    fn known_processes<'a>(&self, engine: &'a FakeEngine) -> Vec<&'a FakeProcess> {
        let drones = self.reachable(engine);
        let running = engine.drones().running().into_iter();
        let reachable = |(key, process): (u32, &'a FakeProcess)| {
            let is_shown = !process.is_hidden() && !process.is_dying();
            let known = is_shown && drones.contains(&process.drone) && !self.orphans.contains(&key);
            known.then_some(process)
        };
        running.filter_map(reachable).collect()
    }

    fn statuses_follow_the_rules(&self, engine: &FakeEngine) -> Result<(), String> {
        // A host scheduler has its turn, and then the dispatcher, in the same tick.
        let usual = if engine.core().settings().inline_host_acquisition { 1 } else { 2 };
        let steps = if self.fresh { STEPS_OF_A_FIRST_TICK } else { usual };
        for (id, from) in &self.entries {
            let Some(entry) = engine.store().entries.get(*id) else { return Err(format!("entry {id} is gone")) };
            if !reachable(*from, entry.status, steps, of_entry) {
                return Err(format!("entry {id} went from {from} to {}", entry.status));
            }
            if entry.active != entry.status.is_active() && entry.status != EntryStatus::Queued {
                return Err(format!("entry {id} is {} and active = {}", entry.status, entry.active));
            }
        }
        for (id, from) in &self.hosts {
            let Some(host) = engine.store().hosts.get(*id) else { return Err(format!("host {id} is gone")) };
            // A restart finds hosts in whatever state they were left in, and resets those of which nobody knows why.
            if !self.fresh && !reachable(*from, host.status, usual, of_host) {
                return Err(format!("host {id} went from {from} to {}", host.status));
            }
        }
        Ok(())
    }

    fn drones_keep_their_limits(&self, engine: &FakeEngine, known: &[&FakeProcess]) -> Result<(), String> {
        for drone in engine.store().drones.iter() {
            // Gathering has to run where its test ran, and is admitted if there is room anywhere; parsers do not count.
            let counts = |process: &&&FakeProcess| process.drone == drone.id && process.work.kind != WorkKind::Gather;
            let there: u32 = known.iter().filter(counts).map(|process| process.processes).sum();
            let limit = self.limits.get(&drone.id.0).copied().unwrap_or(drone.max_processes);
            if there > limit {
                return Err(format!("{} runs {there} processes; its limit is {limit}", drone.name));
            }
        }
        Ok(())
    }

    fn lower_limits(&mut self, engine: &FakeEngine) {
        let drones = engine.drones();
        if engine.has_backlog() {
            return;
        }
        for drone in engine.store().drones.iter().filter(|drone| !drones.is_silent(drone.id)) {
            let running = drones.running();
            let there: u32 = running
                .iter()
                .filter(|(_, process)| process.drone == drone.id)
                .map(|(_, process)| process.processes)
                .sum();
            if there <= drone.max_processes {
                self.limits.insert(drone.id.0, drone.max_processes);
            }
        }
    }
}

fn entries_do_not_share_hosts(engine: &FakeEngine) -> Result<(), String> {
    let mut used: BTreeMap<HostId, u32> = BTreeMap::new();
    for entry in engine.store().entries.iter().filter(|entry| entry.active) {
        let Some(host) = entry.host else { continue };
        if let Some(other) = used.insert(host, entry.id.0) {
            return Err(format!("host {host} is used by the entries {other} and {}", entry.id));
        }
    }
    Ok(())
}

fn processes_do_not_share_hosts(known: &[&FakeProcess]) -> Result<(), String> {
    let mut used: BTreeMap<HostId, &FakeProcess> = BTreeMap::new();
    for process in known.iter().filter(|process| process.work.kind != WorkKind::Parse) {
        for host in &process.work.hosts {
            if let Some(other) = used.insert(*host, process) {
                return Err(format!("host {host} is used by {} and {}", other.path, process.path));
            }
        }
    }
    Ok(())
}

/// A process runs because a row says so.
fn a_row_explains(engine: &FakeEngine, process: &FakeProcess) -> Result<(), String> {
    let store = engine.store();
    let wrong = |what: String| Err(format!("{:?} of {} runs: {what}", process.work.kind, process.path));
    let entry_status = match process.work.kind {
        WorkKind::Special(kind) => {
            let ExecutionPath::Task { task, .. } = process.path else { return wrong("at an entry's path".to_owned()) };
            let Some(row) = store.task(task) else { return wrong("its task does not exist".to_owned()) };
            let host = store.hosts.get(row.host.0).map(|host| host.status);
            if !row.active || row.complete || row.kind != kind {
                return wrong(format!("its task is not active: {row:?}"));
            }
            if host != Some(kind.host_status()) {
                return wrong(format!("its host is {host:?}"));
            }
            kind.entry_status()
        }
        WorkKind::Test => Some(EntryStatus::Running),
        WorkKind::Gather => Some(EntryStatus::Gathering),
        WorkKind::Parse => Some(EntryStatus::Parsing),
        // Its entries are wherever it has brought them.
        WorkKind::HandOff => None,
    };
    let entries = process.work.entries.iter().filter_map(|id| store.entries.get(id.0));
    match entry_status.and_then(|status| entries.into_iter().find(|entry| entry.status != status)) {
        Some(entry) => wrong(format!("entry {} is {}", entry.id, entry.status)),
        None => Ok(()),
    }
}

/// A process in whose place no other was started is killed because a row says that it is not to go on.
fn a_row_explains_the_kill(engine: &FakeEngine, work: &Work) -> Result<(), String> {
    let store = engine.store();
    let goes_on = match work.kind {
        WorkKind::Special(kind) => {
            let mut alike = store.tasks.iter().filter(|task| work.hosts.contains(&task.host) && task.kind == kind);
            // Of several, nobody knows here which one it was.
            matches!((alike.next(), alike.next()), (Some(task), None) if task.active && !task.aborted)
        }
        WorkKind::Test => {
            let mut entries = work.entries.iter().filter_map(|id| store.entries.get(id.0));
            entries.all(|entry| entry.status == EntryStatus::Running && !entry.aborted)
        }
        WorkKind::Gather | WorkKind::Parse | WorkKind::HandOff => false,
    };
    if goes_on { Err(format!("{work:?} was killed, and its row says that it goes on")) } else { Ok(()) }
}
