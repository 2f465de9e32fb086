//! One replication: the engine takes up the rows of a snapshot and goes on with them on virtual time.

use rustc_hash::FxHashMap;
use yardmaster_engine::{
    Changes, CommitOutcome, DroneId, Engine, EngineError, EntryColumns, EntryStatus, JobId, LiveRows, Role, RowChange,
    Setup, Span, Store, StoreError, Term, TickReport, Time,
};

use super::arrivals::Arrivals;
use super::experience::Experience;
use super::fate::{ForecastFate, Likeness};
use super::present::Present;
use crate::clock::{Ticks, VirtualClock};
use crate::drones::FakeDrones;
use crate::script::poll_now;

/// What all replications of a forecast share.
pub(super) struct Stage<'a> {
    pub(super) rows: &'a LiveRows,
    pub(super) settings: &'a yardmaster_engine::Settings,
    pub(super) taken_at: Time,
    pub(super) horizon: Span,
    pub(super) present: &'a [Present],
    pub(super) experience: &'a Experience,
    pub(super) likeness: &'a Likeness,
    pub(super) arrivals: Option<&'a Arrivals>,
    /// Places of the jobs that are watched.
    pub(super) jobs: &'a FxHashMap<JobId, u32>,
    /// Entries of each of them that have not ended.
    pub(super) open_entries: &'a [u32],
    pub(super) seed: u64,
}

/// What became of a job in one replication. Moments are milliseconds after the snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Course {
    /// When its first test started, if it had not before.
    pub(super) started: Option<u32>,
    /// When its last entry ended.
    pub(super) ended: Option<u32>,
    /// An entry of it failed.
    pub(super) failed: bool,
    /// An entry of it was aborted.
    pub(super) aborted: bool,
}

/// Rows that are there from the beginning, and those that come later. Nobody reads what the engine writes.
#[derive(Debug, Default)]
struct ForecastStore {
    rows: LiveRows,
    inbox: Vec<RowChange>,
}

impl Store for ForecastStore {
    async fn load(&mut self) -> Result<LiveRows, StoreError> {
        Ok(std::mem::take(&mut self.rows))
    }

    async fn poll(&mut self) -> Result<Vec<RowChange>, StoreError> {
        Ok(std::mem::take(&mut self.inbox))
    }

    async fn commit(&mut self, _term: Term, _number: u64, _changes: &Changes) -> CommitOutcome {
        CommitOutcome::Committed
    }

    async fn last_commit(&mut self, _term: Term) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }
}

struct Replication<'a> {
    stage: &'a Stage<'a>,
    engine: Engine<VirtualClock, FakeDrones<ForecastFate<'a>>, ForecastStore>,
    ticks: Ticks,
    arriving: Option<super::arrivals::Stream<'a>>,
    courses: Vec<Course>,
    open: Vec<u32>,
    unfinished: usize,
}

/// Plays one replication until every job of the snapshot has ended, or the horizon is reached.
///
/// # Errors
/// If the engine gives up, which on these surroundings would be a defect.
pub(super) fn play(stage: &Stage<'_>, number: u64) -> Result<Vec<Course>, EngineError> {
    let clock = VirtualClock::new(stage.taken_at);
    let ids: Vec<DroneId> = stage.rows.drones.iter().map(|drone| drone.id).collect();
    let fate = ForecastFate::new(stage.experience, stage.likeness, stage.seed, number);
    let mut drones = FakeDrones::new(clock.clone(), ids, fate, false);
    for process in stage.present {
        let earlier = drones.fate.go_on(process, stage.taken_at);
        let file = (process.path.clone(), process.pidfile);
        drones.put_earlier(process.drone, file, process.work.clone(), process.processes, earlier);
    }
    let store = ForecastStore { rows: stage.rows.clone(), inbox: Vec::new() };
    // What a runner does is what the scheduler would do; here it is left to the scheduler.
    let hand_off_level = yardmaster_engine::HandOffLevel::Off;
    let settings = yardmaster_engine::Settings { die_on_orphans: false, hand_off_level, ..stage.settings.clone() };
    let setup = Setup { settings, role: Role::Whole, term: Term(1), recover_hosts: false, journal: None };
    let engine = poll_now(Engine::start(clock, drones, store, setup))?;
    let open = stage.open_entries.to_vec();
    let mut replication = Replication {
        stage,
        engine,
        ticks: Ticks::after(stage.taken_at, stage.settings.tick()),
        arriving: stage.arrivals.map(|arrivals| arrivals.stream(stage.seed, number)),
        courses: vec![Course::default(); open.len()],
        unfinished: open.len(),
        open,
    };
    while replication.step()? {}
    Ok(replication.courses)
}

impl Replication<'_> {
    /// Jumps to the next tick that can do anything and runs it. Says whether there was one.
    fn step(&mut self) -> Result<bool, EngineError> {
        if self.unfinished == 0 {
            return Ok(false);
        }
        let Some(now) = self.next_tick() else { return Ok(false) };
        if now > self.stage.taken_at + self.stage.horizon {
            return Ok(false);
        }
        self.ticks.jump_to(now, &mut self.engine);
        self.let_arrive(now);
        let report = poll_now(self.engine.tick())?;
        if let TickReport::Done(output) = report {
            self.take_changes(now, &output.changes);
        }
        Ok(true)
    }

    fn next_tick(&self) -> Option<Time> {
        let arrival = self.arriving.as_ref().and_then(|arriving| arriving.next_moment());
        self.ticks.next(&self.engine, !self.engine.store().inbox.is_empty(), &[arrival])
    }

    fn let_arrive(&mut self, now: Time) {
        let Some(arriving) = &mut self.arriving else { return };
        while let Some(arrival) = arriving.take_due(now) {
            self.engine.drones_mut().fate.add_job(arrival.job, arrival.profile);
            self.engine.store_mut().inbox.extend(arrival.rows);
        }
    }

    fn take_changes(&mut self, now: Time, changes: &Changes) {
        let moment = u32::try_from((now - self.stage.taken_at).0 / 1000).unwrap_or(u32::MAX);
        for update in changes.entries.iter().filter(|update| update.columns.contains(EntryColumns::STATUS)) {
            let Some(place) = self.stage.jobs.get(&update.entry.job).map(|place| *place as usize) else { continue };
            let course = &mut self.courses[place];
            let status = update.entry.status;
            if status == EntryStatus::Running {
                course.started.get_or_insert(moment);
            }
            course.failed |= status == EntryStatus::Failed;
            course.aborted |= status == EntryStatus::Aborted;
            if status.is_complete() && self.open[place] > 0 {
                self.open[place] -= 1;
                if self.open[place] == 0 {
                    course.ended = Some(moment);
                    self.unfinished -= 1;
                }
            }
        }
    }
}
