//! A scenario, played in the simulator and on real parts at once. After every tick all rows are compared, and why entries
//! wait; before every tick the real processes are waited for until they are where the simulated ones are.

use std::collections::BTreeSet;

use yardmaster::database::Database;
use yardmaster::drones::{Commands, Drones, Fleet};
use yardmaster::service::SqlBriefings;
use yardmaster::store::{SqlStore, StoreOptions};
use yardmaster_engine::{Clock, DroneId, Engine, EntryId, Journal, Role, Settings, Setup};
use yardmaster_sim::clock::VirtualClock;
use yardmaster_sim::drones::FakeProcess;
use yardmaster_sim::script::{Action, Player, Problem, Script, Step, tables};
use yardmaster_sim::store::{CommitFault, MemoryStore};

use super::drones::{AGENT, Process, RealDrones};
use super::rows;
use super::surroundings::{ShakyDrones, ShakyStore};
use super::tables::{copy, empty, real_time};

/// As the simulator's player has it.
const SETTLE_TICKS_MAX: u32 = 40;
const QUIET_TICKS: u32 = 3;
/// More rounds of ending everything than any scenario needs to come to rest.
const ROUNDS: u32 = 20;

type RealEngine = Engine<VirtualClock, ShakyDrones, ShakyStore>;

/// Makes the journal of every scheduler that a scenario starts.
pub(crate) type Journals = Box<dyn Fn() -> Box<dyn Journal>>;

/// Both sides.
pub(crate) struct Duel {
    simulated: Player,
    real: Option<RealEngine>,
    clock: VirtualClock,
    drones: RealDrones,
    fleet: Fleet,
    database: Database,
    jobs: BTreeSet<String>,
    journals: Option<Journals>,
}

fn problem(problem: Problem) -> String {
    match problem {
        Problem::Failed(text) => format!("the simulator: {text}"),
        Problem::BadInput(text) => format!("the scenario: {text}"),
    }
}

/// Plays a scenario to its end, ends everything that is left, and looks that nothing stays behind. Tells how many processes
/// have run. The database is emptied first.
///
/// # Errors
/// Says in which step the two sides differ, and how.
pub(crate) async fn play(script: &Script, database: Database, journals: Option<Journals>) -> Result<usize, String> {
    let mut duel = Duel::begin(script, database, journals).await?;
    for (number, step) in script.step.iter().enumerate() {
        duel.step(step).await.map_err(|problem| format!("step {} ({}): {problem}", number + 1, step.name))?;
    }
    duel.end_all(script).await.map_err(|problem| format!("after the last step: {problem}"))?;
    let Duel { real, drones, fleet, .. } = duel;
    drones.check_marks()?;
    // The agents go with their scheduler.
    drop((real, fleet));
    drones.check_empty().await?;
    Ok(drones.processes())
}

impl Duel {
    async fn begin(script: &Script, database: Database, journals: Option<Journals>) -> Result<Duel, String> {
        let lab = tables(script).map_err(problem)?;
        empty(&database).await;
        copy(&database, &MemoryStore::default(), &lab, None).await;
        let simulated = Player::new(script, false).map_err(problem)?;
        let drones = RealDrones::new(lab.drones.iter().cloned());
        let fleet = drones.fleet();
        let clock = VirtualClock::new(real_time(yardmaster_engine::Time(0)));
        let jobs = BTreeSet::new();
        let mut duel = Duel { simulated, real: None, clock, drones, fleet, database, jobs, journals };
        duel.start(script.settings.clone(), false, Vec::new()).await?;
        duel.compare().await?;
        Ok(duel)
    }

    /// Starts a real scheduler, in a new term, with agents of its own.
    async fn start(&mut self, settings: Settings, recover_hosts: bool, faults: Vec<CommitFault>) -> Result<(), String> {
        self.fleet = self.drones.fleet();
        // Who was killed has not given its term back.
        let options = StoreOptions { term_limit: 0, ..StoreOptions::default() };
        let mut store = SqlStore::new(self.database.clone(), options);
        let (_, subnets) = tokio::sync::watch::channel(self.simulated.engine().store().subnets.clone());
        store.listen_for_subnets(subnets);
        let term = store.begin_term("a scenario").await.map_err(|error| error.to_string())?;
        let briefings = SqlBriefings::new(self.database.clone());
        let commands = Commands::practice(AGENT).expect("command lines");
        let drones = Drones::new(self.fleet.clone(), briefings, commands);
        let drones = ShakyDrones { drones, lost_replies: Default::default() };
        let journal = self.journals.as_ref().map(|journals| journals());
        let setup = Setup { settings, role: Role::Whole, term, recover_hosts, journal };
        // Not for processes: those that the simulated scheduler has started already come later here.
        let simulated = self.simulated.engine().drones();
        self.drones.reach(&self.fleet, |drone| simulated.is_silent(drone)).await?;
        let engine = Engine::start(self.clock.clone(), drones, ShakyStore { store, faults }, setup).await;
        self.real = Some(engine.map_err(|error| error.to_string())?);
        Ok(())
    }

    fn engine(&mut self) -> &mut RealEngine {
        self.real.as_mut().expect("taken out only within restart")
    }

    fn running(&self) -> Vec<Process> {
        self.simulated.engine().drones().running().into_iter().map(|(_, process)| Process::of(process)).collect()
    }

    async fn catch_up(&mut self) -> Result<(), String> {
        let running = self.running();
        let simulated = self.simulated.engine().drones();
        self.drones.catch_up(&self.fleet, &running, |drone| simulated.is_silent(drone)).await
    }

    pub(crate) async fn step(&mut self, step: &Step) -> Result<(), String> {
        for action in &step.actions {
            self.act(action).await.map_err(|problem| format!("{action}: {problem}"))?;
        }
        match step.ticks {
            Some(ticks) => {
                for _ in 0..ticks {
                    self.tick().await?;
                }
                Ok(())
            }
            None => self.settle().await,
        }
    }

    async fn settle(&mut self) -> Result<(), String> {
        let mut quiet = 0;
        for _ in 0..SETTLE_TICKS_MAX {
            quiet = if self.tick().await? { 0 } else { quiet + 1 };
            if quiet == QUIET_TICKS {
                return Ok(());
            }
        }
        Err(format!("has not settled after {SETTLE_TICKS_MAX} ticks"))
    }

    /// One tick of both; whether the simulator shows a change.
    async fn tick(&mut self) -> Result<bool, String> {
        let changed = self.simulated.tick().map_err(problem)?;
        self.follow_clock();
        self.engine().tick().await.map_err(|error| error.to_string())?;
        self.engine().core().validate().map_err(|error| format!("the core contradicts itself: {error}"))?;
        self.compare().await?;
        self.catch_up().await?;
        Ok(changed)
    }

    fn follow_clock(&mut self) {
        let now = self.simulated.engine_mut().clock_mut().now();
        self.clock.advance_to(real_time(now));
    }

    async fn compare(&mut self) -> Result<(), String> {
        let simulated = rows::of_memory(self.simulated.engine().store());
        let mut differences = rows::differences(&simulated, &rows::of_database(&self.database).await);
        let real = self.real.as_ref().expect("taken out only within restart").core();
        let store = self.simulated.engine().store();
        let live = store.entries.iter().filter(|entry| !entry.status.is_complete()).map(|entry| entry.id);
        for id in live.collect::<Vec<EntryId>>() {
            let (expected, found) = (self.simulated.engine().core().why(id), real.why(id));
            if expected != found {
                differences
                    .push_str(&format!("\n    entry {id} waits for {found:?}, in the simulator for {expected:?}"));
            }
        }
        let now = self.simulated.engine_mut().clock_mut().now();
        if differences.is_empty() { Ok(()) } else { Err(format!("at {} s:{differences}", now.as_seconds_f64())) }
    }

    /// Lets the same happen on both sides.
    async fn act(&mut self, action: &Action) -> Result<(), String> {
        let before = self.simulated.engine().store().clone();
        let running = self.running();
        self.simulated.act(action).map_err(problem)?;
        self.follow_clock();
        let left = self.running();
        let ended: Vec<&Process> = running.iter().filter(|process| !left.contains(process)).collect();
        match action {
            Action::Submit(submit) => {
                self.jobs.insert(submit.job.clone());
                copy(&self.database, &before, self.simulated.engine().store(), Some(&submit.keyvals)).await;
            }
            Action::Abort { .. }
            | Action::RequestTask { .. }
            | Action::AbortTask { .. }
            | Action::SetDrone { .. }
            | Action::SetHost { .. }
            | Action::SetJob { .. }
            | Action::SetEntry { .. } => copy(&self.database, &before, self.simulated.engine().store(), None).await,
            Action::StartTest { .. } => {
                let fresh = self.simulated.engine().drones().running().into_iter().map(|(_, process)| process);
                let fresh: Vec<FakeProcess> =
                    fresh.filter(|process| !running.contains(&Process::of(process))).cloned().collect();
                self.drones.start_as_runner(&fresh, SqlBriefings::new(self.database.clone())).await?;
            }
            Action::Finish { exit, tests_failed, .. } => {
                let how = format!("status {exit} {tests_failed}");
                ended.iter().for_each(|process| self.drones.finish(process, &how));
            }
            Action::Lose { .. } => ended.iter().for_each(|process| self.drones.kill(process)),
            Action::CorruptPidfile { .. } => ended.iter().for_each(|process| self.drones.finish(process, "corrupt")),
            Action::Set(_) => {
                let settings = self.simulated.engine().core().settings().clone();
                self.engine().set_settings(settings);
            }
            Action::Advance { .. } => {}
            Action::Restart { recover_hosts } => self.restart(*recover_hosts).await?,
            Action::DroneDown { drone } => self.drones.cut_off(self.drone(drone)),
            Action::DroneUp { drone } => self.drones.reconnect(self.drone(drone)),
            Action::RebootDrone { drone } => {
                ended.iter().for_each(|process| self.drones.kill(process));
                self.drones.restart_agent(&self.fleet, self.drone(drone)).await?;
            }
            Action::LoseReplies { drone, count } => {
                let drone = self.drone(drone);
                self.engine().drones_mut().lost_replies.insert(drone, *count);
            }
            Action::ShowPidfiles { .. } => return Err("has no real counterpart".to_owned()),
            Action::RefuseCommit { .. } => {
                let faults = self.simulated.engine().store().faults.clone();
                self.engine().store_mut().faults = faults;
            }
        }
        self.catch_up().await
    }

    fn drone(&self, name: &str) -> DroneId {
        let mut drones = self.simulated.engine().store().drones.iter();
        drones.find(|drone| *drone.name == *name).map(|drone| drone.id).expect("the simulator knows it")
    }

    async fn restart(&mut self, recover_hosts: bool) -> Result<(), String> {
        let (_, _, store) = self.real.take().expect("put back at once").into_parts();
        let settings = self.simulated.engine().core().settings().clone();
        self.start(settings, recover_hosts, store.faults).await?;
        self.compare().await
    }

    /// Lets everything come to its end: all drones have room, all jobs are aborted, all processes end well.
    async fn end_all(&mut self, script: &Script) -> Result<(), String> {
        let named: Vec<String> = script.drone.iter().map(|drone| drone.name.clone()).collect();
        let drones = if named.is_empty() { vec!["drone1".to_owned()] } else { named };
        for drone in drones {
            self.act(&Action::DroneUp { drone: drone.clone() }).await?;
            let (enabled, max_processes) = (Some(true), Some(1000));
            self.act(&Action::SetDrone { drone, max_processes, enabled, users: None, late_pidfiles: None }).await?;
        }
        for job in self.jobs.clone() {
            self.act(&Action::Abort { job: Some(job), entry: None }).await?;
        }
        for _ in 0..ROUNDS {
            self.settle().await?;
            let running = self.simulated.running();
            if running.is_empty() {
                return self.check_rest().await;
            }
            for process in running {
                self.act(&Action::Finish { process, exit: 0, tests_failed: 0 }).await?;
            }
        }
        Err(format!("processes run still after {ROUNDS} rounds: {:?}", self.simulated.running()))
    }

    /// No entry is left, and so no host is held.
    async fn check_rest(&self) -> Result<(), String> {
        let left = rows::held(&self.database).await;
        if left.is_empty() { Ok(()) } else { Err(format!("is held still: {}", left.join(", "))) }
    }
}
