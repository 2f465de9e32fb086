//! Plays scripted scenarios through the engine.

use std::collections::BTreeMap;

use yardmaster_engine::{
    Clock, DroneId, DroneSetId, Engine, EngineError, EntryId, HostId, JobId, Journal, Settings, Span, TaskKind,
    TickReport, Time, UserId, Work,
};

use super::expect::{Difference, expand};
use super::format::{Expect, Script, Step};
use super::lab::{poll_now, start_engine, tables};
use super::problem::{At, Problem, bad};
use super::view::{EntryNames, View, process_name};
use super::why::Why;
use crate::clock::VirtualClock;
use crate::drones::{FakeDrones, ProcessKey, UntilTold};
use crate::store::MemoryStore;

/// Ticks after which a scenario that still changes is given up.
const SETTLE_TICKS_MAX: u32 = 40;
/// So many ticks without a change, and it has settled.
const QUIET_TICKS: u32 = 3;

/// The engine on virtual time, with drones whose processes run until they are told to end.
pub type FakeEngine = Engine<VirtualClock, FakeDrones<UntilTold>, MemoryStore>;

/// A scenario being played.
pub struct Player {
    pub(super) engine: Option<FakeEngine>,
    pub(super) clock: VirtualClock,
    tick: Span,
    pub(super) settings: Settings,
    pub(super) jobs: BTreeMap<String, JobId>,
    pub(super) entries: EntryNames,
    pub(super) entry_ids: BTreeMap<String, EntryId>,
    trace: Option<Vec<String>>,
    /// Checks the core's own consistency after every tick.
    validate: bool,
    journals: Option<Journals>,
}

/// Gives every scheduler of a scenario its journal.
type Journals = Box<dyn Fn() -> Box<dyn Journal>>;

/// Plays a scenario to its end or to its first failing step.
///
/// # Errors
/// Says in which step what was expected and what was found.
pub fn play(script: &Script) -> Result<(), Problem> {
    let mut player = Player::new(script, false)?;
    script.step.iter().enumerate().try_for_each(|(number, step)| player.step(number, step))
}

impl Player {
    /// Sets the lab up and starts the scheduler. With `trace`, every change is noted down, for [`Player::take_trace`].
    ///
    /// # Errors
    /// If the lab makes no sense.
    pub fn new(script: &Script, trace: bool) -> Result<Player, Problem> {
        Player::begin(script, trace, None)
    }

    /// The same, with everything that every scheduler of the scenario takes in and decides written to a journal.
    ///
    /// # Errors
    /// As [`Player::new`].
    pub fn recorded<J: Journal + Clone + 'static>(script: &Script, journal: J) -> Result<Player, Problem> {
        Player::begin(script, false, Some(Box::new(move || Box::new(journal.clone()))))
    }

    fn begin(script: &Script, trace: bool, journals: Option<Journals>) -> Result<Player, Problem> {
        let clock = VirtualClock::new(Time(0));
        let store = tables(script)?;
        let drones: Vec<DroneId> = store.drones.iter().map(|drone| drone.id).collect();
        let drones = FakeDrones::new(clock.clone(), drones, UntilTold, true);
        let journal = journals.as_ref().map(|journals| journals());
        let engine = start_engine(clock.clone(), drones, store, script.settings.clone(), false, journal)?;
        Ok(Player {
            engine: Some(engine),
            clock,
            tick: Span::from_seconds_f64(script.tick_sec),
            settings: script.settings.clone(),
            jobs: BTreeMap::new(),
            entries: BTreeMap::new(),
            entry_ids: BTreeMap::new(),
            trace: trace.then(Vec::new),
            validate: true,
            journals,
        })
    }

    /// The journal of the next scheduler.
    pub(super) fn journal(&self) -> Option<Box<dyn Journal>> {
        self.journals.as_ref().map(|journals| journals())
    }

    /// What has happened since the last call, a line a change.
    pub fn take_trace(&mut self) -> Vec<String> {
        self.trace.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The scheduler with its clock, drones and store, to look at.
    pub fn engine(&self) -> &FakeEngine {
        self.engine.as_ref().expect("taken out only within restart")
    }

    /// The same, to interfere in ways that no action does.
    pub fn engine_mut(&mut self) -> &mut FakeEngine {
        self.engine.as_mut().expect("taken out only within restart")
    }

    /// Plays one step and compares. `number` counts from 0.
    ///
    /// # Errors
    /// As [`play`].
    pub fn step(&mut self, number: usize, step: &Step) -> Result<(), Problem> {
        let title = if step.name.is_empty() {
            format!("step {}", number + 1)
        } else {
            format!("step {} ({})", number + 1, step.name)
        };
        if let Some(trace) = &mut self.trace {
            trace.push(title.clone());
        }
        self.step_inner(step).at(title)
    }

    fn step_inner(&mut self, step: &Step) -> Result<(), Problem> {
        for (number, action) in step.actions.iter().enumerate() {
            let before = self.trace.is_some().then(|| self.view());
            self.act(action).at(format_args!("do {}", number + 1))?;
            let changes = before.map(|before| before.changes(&self.view()));
            if let (Some(trace), Some(changes)) = (&mut self.trace, changes) {
                trace.push(format!("  do {action}"));
                trace.extend(changes.iter().map(|line| format!("              {line}")));
            }
        }
        match step.ticks {
            Some(ticks) => (0..ticks).try_for_each(|_| self.tick().map(|_| ()))?,
            None => self.settle()?,
        }
        let differences = self.compare(step)?;
        if differences.is_empty() {
            return Ok(());
        }
        let line = |difference: &Difference| {
            format!("\n    {}: expected {}, found {}", difference.key, difference.expected, difference.found)
        };
        Err(Problem::Failed(differences.iter().map(line).collect()))
    }

    fn compare(&mut self, step: &Step) -> Result<Vec<Difference>, Problem> {
        self.check_names(&step.expect)?;
        let view = self.view();
        let engine = self.engine();
        let killed: Vec<String> = engine
            .drones()
            .killed
            .iter()
            .map(|(_, process)| process_name(engine.store(), &self.entries, &process.work))
            .collect();
        let ids = &self.entry_ids;
        let why = |name: &str| {
            let id = *ids.get(name)?;
            let named = engine.store().entries.get(id.0).is_some_and(|entry| entry.host.is_some());
            Some(Why::of(&engine.core().why(id), named))
        };
        step.expect.differences(&view, &killed, why)
    }

    /// That all processes and drones that a step expects could be there, so that no misspelt one passes for one that is not.
    fn check_names(&self, expect: &Expect) -> Result<(), Problem> {
        for (key, names) in [("running", expect.running.as_ref()), ("killed", Some(&expect.killed))] {
            for process in names.into_iter().flatten() {
                self.check_process_name(process).at(format_args!("expect.{key}"))?;
            }
        }
        for task in expect.tasks.iter().flatten() {
            self.check_task_name(task).at("expect.tasks")?;
        }
        for (process, drone) in &expect.drone_of {
            self.check_process_name(process).at("expect.drone_of")?;
            self.drone(drone).at(format_args!("expect.drone_of.{process}"))?;
        }
        Ok(())
    }

    fn view(&self) -> View {
        let engine = self.engine();
        View::of(engine.store(), engine.drones(), &self.entries)
    }

    /// Runs ticks until nothing changes any more.
    fn settle(&mut self) -> Result<(), Problem> {
        let mut quiet = 0;
        for _ in 0..SETTLE_TICKS_MAX {
            quiet = if self.tick()? { 0 } else { quiet + 1 };
            if quiet == QUIET_TICKS {
                return Ok(());
            }
        }
        Err(Problem::Failed(format!("has not settled after {SETTLE_TICKS_MAX} ticks")))
    }

    /// Runs one tick; says whether it changed anything that can be seen.
    ///
    /// # Errors
    /// If the engine gives up, or its core contradicts itself.
    pub fn tick(&mut self) -> Result<bool, Problem> {
        let before = self.view();
        let next = self.clock.now() + self.tick;
        self.clock.advance_to(next);
        let report = poll_now(self.engine_mut().tick());
        let report = report.map_err(|error: EngineError| Problem::Failed(error.to_string()))?;
        if self.validate
            && let Err(problem) = self.engine_mut().core().validate()
        {
            return Err(Problem::Failed(format!("the core contradicts itself: {problem}")));
        }
        let after = self.view();
        let changes = before.changes(&after);
        if let Some(trace) = &mut self.trace {
            let time = next.as_seconds_f64();
            trace.extend(changes.iter().map(|line| format!("  {time:>8.3} s  {line}")));
            if let TickReport::NotCommitted(reason) = &report {
                trace.push(format!("  {time:>8.3} s  commit  {reason}"));
            }
        }
        Ok(before != after || !matches!(report, TickReport::Done(_)))
    }

    /// The processes that run, as scenarios call them, in the order of their start.
    pub fn running(&self) -> Vec<String> {
        let engine = self.engine();
        let name = |work: &Work| process_name(engine.store(), &self.entries, work);
        engine.drones().running().into_iter().map(|(_, process)| name(&process.work)).collect()
    }

    pub(super) fn job(&self, name: &str) -> Result<JobId, Problem> {
        self.jobs.get(name).copied().map_or_else(|| bad(format!("no job {name:?} was submitted so far")), Ok)
    }

    pub(super) fn entry(&self, name: &str) -> Result<EntryId, Problem> {
        self.entry_ids.get(name).copied().map_or_else(|| bad(format!("there is no entry {name:?} so far")), Ok)
    }

    pub(super) fn hosts(&self, list: &str) -> Result<Vec<HostId>, Problem> {
        expand(&[list.to_owned()])?.iter().map(|name| self.host(name)).collect()
    }

    fn host(&self, name: &str) -> Result<HostId, Problem> {
        let known = self.engine().store().hosts.iter().find(|host| *host.name == *name).map(|host| host.id);
        known.map_or_else(|| bad(format!("there is no host {name:?}")), Ok)
    }

    pub(super) fn user(&self, name: &str) -> Result<UserId, Problem> {
        let known = self.engine().store().user_id(name);
        known.map_or_else(|| bad(format!("there is no user {name:?}")), Ok)
    }

    pub(super) fn drone_set(&self, name: &str) -> Result<DroneSetId, Problem> {
        let known = self.engine().store().drone_sets.iter().find(|known| *known.name == *name).map(|known| known.id);
        known.map_or_else(|| bad(format!("there is no drone set {name:?}")), Ok)
    }

    pub(super) fn drone(&self, name: &str) -> Result<DroneId, Problem> {
        let known = self.engine().store().drones.iter().find(|drone| *drone.name == *name).map(|drone| drone.id);
        known.map_or_else(|| bad(format!("there is no drone {name:?}")), Ok)
    }

    /// A process that runs.
    pub(super) fn process(&self, name: &str) -> Result<ProcessKey, Problem> {
        self.check_process_name(name)?;
        let engine = self.engine();
        let is_it = |work: &Work| process_name(engine.store(), &self.entries, work) == name;
        let found = engine.drones().running().into_iter().find(|(_, process)| is_it(&process.work));
        found.map_or_else(|| Err(Problem::Failed(format!("process {name:?} is not running"))), |(key, _)| Ok(key))
    }

    fn check_process_name(&self, name: &str) -> Result<(), Problem> {
        match (task_host(name), name.split_once(' ')) {
            (Some(host), _) => self.host(host).map(drop),
            (None, Some(("job" | "gather" | "parse" | "runner", entry))) => self.entry(entry).map(drop),
            (None, _) => bad(format!(
                "{name:?} names no process: expected verify, cleanup, reset, repair or provision and a host, \
                 or job, gather, parse or runner and an entry"
            )),
        }
    }

    fn check_task_name(&self, name: &str) -> Result<(), Problem> {
        match task_host(name) {
            Some(host) => self.host(host).map(drop),
            None => bad(format!(
                "{name:?} names no special task: expected verify, cleanup, reset, repair or provision and a host"
            )),
        }
    }
}

/// The host of a special task that is called so.
fn task_host(name: &str) -> Option<&str> {
    let (kind, host) = name.split_once(' ')?;
    TaskKind::ALL.iter().any(|known| known.lower() == kind).then_some(host)
}
