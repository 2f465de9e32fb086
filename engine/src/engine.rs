//! The loop that connects the core to a clock, to drones and to a store.

use std::future::Future;

use futures_util::future::join;

use crate::core::{Core, DroneBatch, Role, TickInput, TickOutput};
use crate::ids::{Fence, Term};
use crate::protocol::{ActReport, Changes, Command, DroneReport, LiveRows, RowChange};
use crate::settings::Settings;
use crate::time::{Span, Time};

/// Where the time comes from: the system's clock in production, a jumping one in simulations.
pub trait Clock {
    /// This moment.
    fn now(&self) -> Time;

    /// Returns at `until`, or at once if that has passed.
    fn sleep_until(&mut self, until: Time) -> impl Future<Output = ()>;
}

/// The drones, all of them. One drone's trouble is that drone's result, never an error of the call, and delays no other.
pub trait DroneBackend {
    /// What the drones have to say since the last call. One that is not named has no news, and answers, or does not, as before.
    /// After the first call of a newer fence (see below) each is named once.
    fn refresh(&mut self) -> impl Future<Output = Vec<DroneReport>>;

    /// Has batches carried out, drones in parallel, commands of one drone in order. Reports only what was not done for
    /// certain; several reports of one drone follow the order of its commands.
    ///
    /// Drones refuse commands of an older fence than they have seen: once one has answered a refresh after the first call of
    /// a newer fence, nothing that was ordered under an older one starts there. The numbers of pidfiles belong to a fence:
    /// with the first call of a newer one, those of older ones mean nothing, and nothing is reported under them.
    fn act(&mut self, fence: Fence, batches: Vec<DroneBatch>) -> impl Future<Output = Vec<ActReport>>;
}

/// The database.
pub trait Store {
    /// Everything that is alive, and a fresh start for [`Store::poll`].
    fn load(&mut self) -> impl Future<Output = Result<LiveRows, StoreError>>;

    /// Rows that others have changed since the last call, as they are now. What this scheduler committed is not reported.
    fn poll(&mut self) -> impl Future<Output = Result<Vec<RowChange>, StoreError>>;

    /// Writes a tick's changes in one transaction, together with the tick's number, unless a newer term has begun.
    fn commit(&mut self, term: Term, number: u64, changes: &Changes) -> impl Future<Output = CommitOutcome>;

    /// The number of the last tick of this term whose changes were committed. Answers whether a commit landed whose reply
    /// was lost. One that had not landed by then must never land later: the store ends its transaction first.
    fn last_commit(&mut self, term: Term) -> impl Future<Output = Result<Option<u64>, StoreError>>;
}

/// The store could not be reached or could not make sense of what it found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store failed to {operation}: {cause}")]
pub struct StoreError {
    /// What it was to do.
    pub operation: &'static str,
    /// What went wrong, with whatever helps to mend it.
    pub cause: String,
}

/// How a commit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitOutcome {
    /// It is in the database.
    Committed,
    /// It is not in the database, and never will be. The text says why.
    Refused(String),
    /// The reply was lost. The text says how.
    Unknown(String),
    /// A newer scheduler has taken over; this one must stop.
    Superseded(Term),
}

/// Why a scheduler cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The live rows could not be loaded.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another scheduler has begun a newer term on the same database.
    #[error("term {mine} was superseded by term {theirs}: another scheduler works on this database")]
    Superseded {
        /// The term that has ended.
        mine: Term,
        /// The one that counts now.
        theirs: Term,
    },
    /// Processes were found that nobody claims, and the settings forbid to go on then.
    #[error("recovery found processes that no entry or task claims (die_on_orphans is set): end them and start again")]
    Orphans,
}

/// How a tick went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TickReport {
    /// Decided, committed and carried out. The commands are given away in the course of it.
    Done(Box<TickOutput>),
    /// Nothing was decided, because the store did not answer. What the drones reported is kept for the next tick.
    Skipped(StoreError),
    /// The decision did not reach the database, or it is not known whether it did. Nothing was carried out; the next tick
    /// finds out, and decides anew if need be.
    NotCommitted(String),
}

/// A decision of which it is not known whether it was committed.
#[derive(Debug)]
struct InDoubt {
    number: u64,
    output: Box<TickOutput>,
    /// What earlier ticks had ordered and drones had not done, before this one.
    undelivered: Vec<ActReport>,
}

/// What has to be done of undelivered commands although their scheduler's core begins anew from the database: starts and
/// watches are decided again, kills are kept in the database, and what was to be forgotten is forgotten with its number.
fn still_to_do(mut acts: Vec<ActReport>) -> Vec<ActReport> {
    let is_to_do = |command: &Command| match command {
        Command::Start { .. } | Command::Watch { .. } | Command::Kill { .. } | Command::Forget { .. } => false,
        Command::Write { .. } | Command::CopyOnDrone { .. } | Command::CopyToRepository { .. } => true,
    };
    acts.iter_mut().for_each(|act| act.undelivered.retain(is_to_do));
    acts
}

/// Adds what has come to what was there before: nothing, unless a tick was skipped.
fn add_all<T>(all: &mut Vec<T>, mut more: Vec<T>) {
    if all.is_empty() {
        *all = more;
    } else {
        all.append(&mut more);
    }
}

/// Is shown everything that goes into the core, before it does, and what comes out: enough to decide it all again elsewhere.
pub trait Journal: Send {
    /// A core begins from these rows; one that begins `again` in its term numbers its pidfiles on.
    fn begun(&mut self, beginning: &Beginning<'_>);

    /// A tick took this in.
    fn heard(&mut self, now: Time, input: &TickInput);

    /// The same tick decided this.
    fn decided(&mut self, output: &TickOutput);

    /// The settings changed between two ticks.
    fn settings_changed(&mut self, settings: &Settings);
}

/// From what a core begins.
#[derive(Debug, Clone, Copy)]
pub struct Beginning<'a> {
    /// Its settings.
    pub settings: &'a Settings,
    /// What it is there for.
    pub role: Role,
    /// The live rows.
    pub rows: &'a LiveRows,
    /// When.
    pub now: Time,
    /// Whether hosts that are out of service get another chance.
    pub recover_hosts: bool,
    /// Whether it follows a core of the same term whose decision did not reach the database.
    pub again: bool,
}

/// What a scheduler is made of, besides its clock, drones and store.
pub struct Setup {
    /// Its settings.
    pub settings: Settings,
    /// What it is there for.
    pub role: Role,
    /// Its term, which the caller has begun.
    pub term: Term,
    /// Whether hosts that are out of service get another chance.
    pub recover_hosts: bool,
    /// Whom to show what goes in and comes out, if anybody.
    pub journal: Option<Box<dyn Journal>>,
}

/// A scheduler at work.
pub struct Engine<C, D, S> {
    clock: C,
    drones: D,
    store: S,
    core: Core,
    fence: Fence,
    number: u64,
    input: TickInput,
    in_doubt: Option<InDoubt>,
    must_reload: bool,
    journal: Option<Box<dyn Journal>>,
    times: TickTimes,
}

/// How long the parts of a tick took, by the engine's clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TickTimes {
    /// Polling the store and refreshing the drones, at the same time.
    pub hear: Span,
    /// Deciding.
    pub decide: Span,
    /// Committing.
    pub commit: Span,
    /// Having the drones act.
    pub act: Span,
}

impl<C: Clock, D: DroneBackend, S: Store> Engine<C, D, S> {
    /// Takes up what the database describes. The caller has begun `term` and is sure to be alone in it.
    ///
    /// # Errors
    /// Fails if the store cannot be loaded, or as [`Engine::tick`].
    pub async fn start(clock: C, mut drones: D, mut store: S, setup: Setup) -> Result<Self, EngineError> {
        let Setup { settings, role, term, recover_hosts, mut journal } = setup;
        let rows = store.load().await?;
        let now = clock.now();
        if let Some(journal) = &mut journal {
            journal.begun(&Beginning { settings: &settings, role, rows: &rows, now, recover_hosts, again: false });
        }
        let (core, commands) = Core::recover_from(settings, role, rows, now, recover_hosts);
        let fence = Fence::first(term);
        let acts = drones.act(fence, commands).await;
        let input = TickInput { acts, ..TickInput::default() };
        let (number, in_doubt, must_reload, times) = (0, None, false, TickTimes::default());
        let mut engine =
            Engine { clock, drones, store, core, fence, number, input, in_doubt, must_reload, journal, times };
        // Recovery comes before whatever people do next. Should it not reach the database, the next tick begins it anew.
        engine.tick().await?;
        Ok(engine)
    }

    /// One tick: poll the store and refresh the drones together, decide, commit, and only then act.
    ///
    /// # Errors
    /// Those after which the scheduler must not go on.
    pub async fn tick(&mut self) -> Result<TickReport, EngineError> {
        if let Some(report) = self.resolve_doubt().await? {
            return Ok(report);
        }
        if self.must_reload
            && let Err(error) = self.reload().await
        {
            return Ok(TickReport::Skipped(error));
        }
        self.times = TickTimes::default();
        let begun = self.clock.now();
        let (rows, reports) = join(self.store.poll(), self.drones.refresh()).await;
        add_all(&mut self.input.drones, reports);
        match rows {
            Ok(rows) => add_all(&mut self.input.rows, rows),
            Err(error) => return Ok(TickReport::Skipped(error)),
        }
        let input = std::mem::take(&mut self.input);
        let undelivered = input.acts.clone();
        let now = self.clock.now();
        self.times.hear = now - begun;
        if let Some(journal) = &mut self.journal {
            journal.heard(now, &input);
        }
        // It is large, and handed on several times.
        let output = Box::new(self.core.tick(now, input));
        if let Some(journal) = &mut self.journal {
            journal.decided(&output);
        }
        if output.must_stop {
            return Err(EngineError::Orphans);
        }
        self.number += 1;
        let decided = self.clock.now();
        self.times.decide = decided - now;
        let outcome = if output.changes.is_empty() {
            CommitOutcome::Committed
        } else {
            self.store.commit(self.fence.term, self.number, &output.changes).await
        };
        self.times.commit = self.clock.now() - decided;
        match outcome {
            CommitOutcome::Committed => Ok(self.act(output).await),
            CommitOutcome::Refused(reason) => {
                self.must_reload = true;
                self.input.acts = still_to_do(undelivered);
                Ok(TickReport::NotCommitted(reason))
            }
            CommitOutcome::Unknown(reason) => {
                self.in_doubt = Some(InDoubt { number: self.number, output, undelivered });
                Ok(TickReport::NotCommitted(reason))
            }
            CommitOutcome::Superseded(theirs) => Err(EngineError::Superseded { mine: self.fence.term, theirs }),
        }
    }

    async fn act(&mut self, mut output: Box<TickOutput>) -> TickReport {
        let commands = std::mem::take(&mut output.commands);
        if !commands.is_empty() {
            let begun = self.clock.now();
            self.input.acts = self.drones.act(self.fence, commands).await;
            self.times.act = self.clock.now() - begun;
        }
        TickReport::Done(output)
    }

    /// Finds out whether the last decision was committed: then it is carried out now, else it is forgotten.
    async fn resolve_doubt(&mut self) -> Result<Option<TickReport>, EngineError> {
        let Some(doubt) = self.in_doubt.take() else { return Ok(None) };
        match self.store.last_commit(self.fence.term).await {
            Err(error) => {
                self.in_doubt = Some(doubt);
                Ok(Some(TickReport::Skipped(error)))
            }
            Ok(Some(number)) if number == doubt.number => Ok(Some(self.act(doubt.output).await)),
            Ok(_) => {
                self.must_reload = true;
                self.input.acts = still_to_do(doubt.undelivered);
                Ok(None)
            }
        }
    }

    /// Begins again from the database, as after a crash, but for what the core of before knows of processes.
    async fn reload(&mut self) -> Result<(), StoreError> {
        let rows = self.store.load().await?;
        let now = self.clock.now();
        if let Some(journal) = &mut self.journal {
            let (settings, role) = (self.core.settings(), self.core.role());
            journal.begun(&Beginning { settings, role, rows: &rows, now, recover_hosts: false, again: true });
        }
        let (core, commands) = self.core.recover_again(rows, now);
        self.core = core;
        self.must_reload = false;
        self.fence = self.fence.next();
        let mut acts = std::mem::take(&mut self.input.acts);
        acts.extend(self.drones.act(self.fence, commands).await);
        self.input = TickInput { acts, ..TickInput::default() };
        Ok(())
    }

    /// Ticks at most once every `minimum_tick_sec` until `stop` says so; it is shown every tick's report.
    ///
    /// # Errors
    /// As [`Engine::tick`].
    pub async fn run(&mut self, mut stop: impl FnMut(&TickReport) -> bool) -> Result<(), EngineError> {
        loop {
            let started = self.clock.now();
            let report = self.tick().await?;
            if stop(&report) {
                return Ok(());
            }
            self.clock.sleep_until(started + self.core.settings().tick()).await;
        }
    }

    /// How long the parts of the last tick took.
    pub fn times(&self) -> TickTimes {
        self.times
    }

    /// The core, for questions.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// The core, for questions, beside the drones, to be interfered with.
    pub fn core_and_drones(&mut self) -> (&Core, &mut D) {
        (&self.core, &mut self.drones)
    }

    /// Changes the settings between two ticks.
    pub fn set_settings(&mut self, settings: Settings) {
        if let Some(journal) = &mut self.journal {
            journal.settings_changed(&settings);
        }
        self.core.set_settings(settings);
    }

    /// The clock.
    pub fn clock_mut(&mut self) -> &mut C {
        &mut self.clock
    }

    /// The drones.
    pub fn drones(&self) -> &D {
        &self.drones
    }

    /// The drones, to be interfered with.
    pub fn drones_mut(&mut self) -> &mut D {
        &mut self.drones
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The store, to be written to as others do.
    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// Takes the ticks up to this moment as done, of which the core says that they would find nothing to do
    /// ([`Core::next_wake`]): for simulations that jump over them.
    pub fn pass_idle_ticks(&mut self, until: Time) {
        self.core.pass_idle_ticks(until);
    }

    /// Whether a tick right now would have something to do of which the loop knows and the core does not.
    pub fn has_backlog(&self) -> bool {
        self.is_uncommitted() || !self.input.acts.is_empty()
    }

    /// Whether the last tick's decision was refused by the database, or is not known to have been committed: nothing of it has been
    /// carried out.
    pub fn is_uncommitted(&self) -> bool {
        self.must_reload || self.in_doubt.is_some()
    }

    /// Stops, leaving processes running; gives back what it was made of, for another start.
    pub fn into_parts(self) -> (C, D, S) {
        (self.clock, self.drones, self.store)
    }
}
