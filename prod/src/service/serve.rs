//! The service itself: one scheduler on one database, from its start to its end.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tracing::{error, info, warn};
use yardmaster_engine::{Clock, Engine, EngineError, Journal, Role, Setup, Term, TickReport};
use yardmaster_sim::replay::JournalWriter;

use super::announce::{announce, describe};
use super::board::Board;
use super::briefings::SqlBriefings;
use super::cleaning::Cleaning;
use super::config::{Config, Sources, load};
use super::containers::ContainerCleaning;
use super::holder;
use super::mail::{Mailer, News};
use super::metrics::Metrics;
use super::roster::Roster;
use super::subnets::SubnetWatch;
use super::trouble::Trouble;
use super::{SystemClock, logging};
use crate::database::{Database, DatabaseAddress, schema};
use crate::drones::{Drones, Fleet};
use crate::store::{SqlStore, StoreOptions, TermError, TermRole};

/// A term is renewed so often; it lasts for 30 s.
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// A standby looks so often whether its turn has come.
const STANDBY_LOOKS_EVERY: Duration = Duration::from_secs(1);
/// First and longest pause between two attempts to reach a database that is down.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// How one run of the service differs from what the configuration says.
#[derive(Debug, Clone, Default)]
pub struct ServeOptions {
    /// Write everything that the scheduler takes in and decides to this file.
    pub record: Option<PathBuf>,
    /// Only the host scheduler.
    pub host_scheduler: bool,
}

/// Runs the service until a signal, its lifetime, or another scheduler ends it.
///
/// # Errors
/// If it cannot start, or cannot go on; the text says what would help.
pub async fn serve(sources: Sources, options: ServeOptions) -> anyhow::Result<Ending> {
    let config = load(&sources)?.config;
    logging::start(&config.log).map_err(anyhow::Error::msg)?;
    let mut signals = Signals::new()?;
    let address = config.database_address()?;
    info!(database = %address, "starting");
    let database = tokio::select! {
        database = open_database(&address) => database?,
        () = signals.stop() => return Ok(Ending::Asked("a signal")),
    };
    schema::require(&database).await?;
    if options.host_scheduler && config.scheduler.inline_host_acquisition {
        bail!(
            "a host scheduler of its own needs scheduler.inline_host_acquisition = false, for the dispatcher too: two that \
             give hosts to jobs would give one host twice"
        );
    }
    let repository = config.results_repository();
    std::fs::create_dir_all(&repository)
        .with_context(|| format!("the results repository {} cannot be made", repository.display()))?;
    let mut service = Service::new(sources, config, options, database)?;
    let outcome = service.run(&mut signals).await;
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    if let Some(mailer) = service.mailer.take() {
        mailer.stop().await;
    }
    match &outcome {
        Ok(Ending::Asked(why)) => info!(why, "stopped; processes go on, and the next scheduler takes them up"),
        Ok(Ending::Superseded) => error!("another scheduler has taken over this database"),
        Err(_) => {}
    }
    outcome
}

/// A service that has its database.
pub(super) struct Service {
    pub(super) sources: Sources,
    pub(super) config: Config,
    options: ServeOptions,
    pub(super) database: Database,
    holder: String,
    pub(super) mailer: Option<Mailer>,
    trouble: Trouble,
    /// Where old results are to be deleted.
    pub(super) cleaning: Option<Cleaning>,
    /// Where an address for them is set.
    metrics: Option<Metrics>,
    journal: Option<JournalWriter<File>>,
    /// Orphaned containers are cleaned as long as there is this.
    pub(super) containers: Option<ContainerCleaning>,
    /// Not for a host scheduler of its own.
    pub(super) subnets: Option<SubnetWatch>,
}

impl Service {
    fn new(sources: Sources, config: Config, options: ServeOptions, database: Database) -> anyhow::Result<Service> {
        let mailer = Mailer::start(&config, database.clone())?;
        let journal = options.record.as_deref().map(open_journal).transpose()?;
        Ok(Service {
            sources,
            config,
            options,
            database,
            holder: holder::this_process(),
            mailer,
            trouble: Trouble::default(),
            cleaning: None,
            metrics: None,
            journal,
            containers: None,
            subnets: None,
        })
    }

    async fn run(&mut self, signals: &mut Signals) -> anyhow::Result<Ending> {
        if !self.options.host_scheduler {
            let watched = SubnetWatch::begin(self.database.clone(), self.config.clone());
            self.subnets = tokio::select! {
                subnets = watched => Some(subnets),
                () = signals.stop() => return Ok(Ending::Asked("a signal")),
            };
        }
        let started = tokio::select! {
            started = self.start() => started?,
            () = signals.stop() => return Ok(Ending::Asked("a signal")),
        };
        if let Some(address) = self.config.service.metrics_address {
            let metrics = Metrics::new();
            metrics.serve(address).await?;
            self.metrics = Some(metrics);
        }
        let Some((mut engine, mut roster)) = started else { return Ok(Ending::Superseded) };
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        info!("scheduling");
        self.containers = ContainerCleaning::begin(&self.config, engine.drones().fleet());
        let ending = self.schedule(&mut engine, roster.as_mut(), signals).await;
        self.containers = None;
        if let Err(cause) = engine.store_mut().release_term().await {
            warn!(%cause, "the term could not be given back: the next scheduler has to wait for its end");
        }
        ending
    }

    async fn schedule(
        &mut self,
        engine: &mut Scheduler,
        mut roster: Option<&mut Roster>,
        signals: &mut Signals,
    ) -> anyhow::Result<Ending> {
        let clock = SystemClock;
        let begun = Instant::now();
        let mut renewed = begun;
        // A host scheduler of its own has no drones to tell of.
        let mut board = roster.is_some().then(|| Board::start(self.database.clone()));
        if roster.is_some() {
            self.cleaning = Cleaning::start(engine.drones().fleet().clone(), self.config.drones.clean_after_days);
        }
        loop {
            let started = Instant::now();
            if let Some(roster) = &mut roster {
                roster.keep_up(engine, &self.config).await;
                for (id, why) in roster.take_wrong() {
                    self.trouble.row("yardmaster_drones", id.into(), &why);
                }
            }
            let report = match engine.tick().await {
                Ok(report) => report,
                Err(EngineError::Superseded { .. }) => return Ok(Ending::Superseded),
                Err(error @ (EngineError::Orphans | EngineError::Store(_))) => return Err(error.into()),
            };
            announce(&report, engine.core());
            for row in engine.store_mut().take_quarantined() {
                warn!(
                    table = row.table,
                    id = row.id,
                    why = row.why,
                    "a row makes no sense: it is set aside until it is mended"
                );
                self.trouble.row(row.table, row.id, &row.why);
            }
            self.trouble.tick(&report);
            self.tell(&report, engine);
            if let Some(board) = &mut board {
                board.look(engine.core(), engine.drones().fleet());
            }
            if let Some(metrics) = &mut self.metrics {
                metrics.note(&report, engine.times(), engine.core(), engine.drones().fleet(), clock.now());
            }
            if let Some(cause) = self.journal.as_ref().and_then(JournalWriter::failure) {
                error!(cause, "nothing more is recorded: the file cannot be written");
                self.journal = None;
            }
            if renewed.elapsed() >= RENEW_EVERY {
                renewed = Instant::now();
                // Not after every tick: whoever listens may be slow, and then the scheduler would wait.
                let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
                match engine.store_mut().renew_term().await {
                    Ok(()) => {}
                    Err(TermError::Ended { .. }) => return Ok(Ending::Superseded),
                    Err(cause @ (TermError::Held { .. } | TermError::Database(_))) => {
                        warn!(%cause, "the term could not be renewed");
                    }
                }
            }
            // The wall clock may be set; how long a pause is must not depend on it.
            let wake = started + Duration::from_micros(engine.core().settings().tick().0.unsigned_abs());
            if let Some(why) = self.pause(engine, signals, wake, begun).await {
                return Ok(Ending::Asked(why));
            }
        }
    }

    /// Waits for the next tick; `Some` if there is to be none, and why.
    async fn pause(
        &mut self,
        engine: &mut Scheduler,
        signals: &mut Signals,
        wake: Instant,
        begun: Instant,
    ) -> Option<&'static str> {
        let lifetime = Duration::try_from_secs_f64(self.config.service.lifetime_hours * 3600.0).unwrap_or_default();
        if !lifetime.is_zero() && begun.elapsed() >= lifetime {
            return Some("its lifetime is over");
        }
        loop {
            tokio::select! {
                // After a tick that took long it is time for the next one already: a signal comes first even so.
                biased;
                heard = signals.heard() => match heard {
                    Heard::Stop => return Some("a signal"),
                    Heard::Reload => self.reload(engine),
                },
                () = tokio::time::sleep_until(wake) => return None,
            }
        }
    }

    /// Begins a term and recovers; a database that fails meanwhile is waited for. `None`: another scheduler was quicker.
    async fn start(&mut self) -> anyhow::Result<Option<(Scheduler, Option<Roster>)>> {
        let role = role_of(&self.config, &self.options);
        let mut pause = RETRY.0;
        loop {
            let (mut store, term) = self.begin_term(role).await?;
            // A standby may have waited for days.
            self.read_again();
            store.set_usual_room(self.config.scheduler.max_processes_per_drone);
            if let Some(subnets) = &self.subnets {
                store.listen_for_subnets(subnets.found());
            }
            let setup = Setup {
                settings: self.config.scheduler.clone(),
                role,
                term,
                recover_hosts: self.config.service.recover_hosts,
                journal: self.journal.as_ref().map(|journal| Box::new(journal.clone()) as Box<dyn Journal>),
            };
            // A host scheduler of its own has nothing to do with drones.
            let mut roster = (role != Role::HostScheduler).then(|| Roster::new(self.database.clone(), &self.config));
            let drones = self.drones(roster.as_mut()).await?;
            let cause = match Engine::start(SystemClock, drones, store, setup).await {
                Ok(engine) => return Ok(Some((engine, roster))),
                Err(EngineError::Store(cause)) => cause,
                Err(EngineError::Superseded { .. }) => return Ok(None),
                Err(error @ EngineError::Orphans) => return Err(error.into()),
            };
            warn!(%cause, "not started yet");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
        }
    }

    /// Begins a term; while another scheduler holds one, waits as a standby as long as the configuration says.
    async fn begin_term(&self, role: Role) -> anyhow::Result<(SqlStore, Term)> {
        let (role, gives_hosts) = match role {
            Role::Whole => (TermRole::Dispatcher, true),
            Role::Dispatcher | Role::Runner => (TermRole::Dispatcher, false),
            Role::HostScheduler => (TermRole::HostScheduler, true),
        };
        let usual_room = self.config.scheduler.max_processes_per_drone;
        let options = StoreOptions { role, gives_hosts, usual_room, ..StoreOptions::default() };
        let mut store = SqlStore::new(self.database.clone(), options);
        let patience = Instant::now() + Duration::from_secs(self.config.service.standby_seconds.into());
        let mut told = false;
        loop {
            match store.begin_term(&self.holder).await {
                Ok(term) => {
                    info!(term = term.0, "this scheduler's term begins");
                    return Ok((store, term));
                }
                // Its own: the reply to its beginning was lost, or what followed failed.
                Err(TermError::Held { holder, .. }) if holder == self.holder => {
                    store.end_term_of(&holder).await?;
                    continue;
                }
                Err(TermError::Held { holder, .. }) if holder::has_ended(&holder) => {
                    warn!(holder, "the scheduler before this one has ended without a word: taking over");
                    store.end_term_of(&holder).await?;
                    continue;
                }
                Err(cause @ TermError::Held { .. }) if Instant::now() < patience => {
                    if !std::mem::replace(&mut told, true) {
                        info!(%cause, "standing by");
                    }
                }
                Err(TermError::Database(cause)) if cause.is_outage() => warn!(%cause, "the database does not answer"),
                Err(cause) => return Err(cause.into()),
            }
            tokio::time::sleep(STANDBY_LOOKS_EVERY).await;
        }
    }

    async fn drones(&self, roster: Option<&mut Roster>) -> anyhow::Result<Drones<SqlBriefings>> {
        let lab = schema::lab(&self.database).await?;
        let fleet = Fleet::new(&lab, self.config.drone_settings())?;
        if let Some(roster) = roster {
            fleet.sweep_repository();
            roster.read(&fleet).await?;
        }
        Ok(Drones::new(fleet, SqlBriefings::new(self.database.clone()), self.config.commands.clone()))
    }

    fn tell(&mut self, report: &TickReport, engine: &Scheduler) {
        let Some(mailer) = &self.mailer else { return };
        mailer.tell(self.trouble.letters().into_iter().map(News::Trouble).collect());
        let TickReport::Done(output) = report else { return };
        let news = output.notices.iter().map(|notice| News::of(notice, || describe(notice, engine.core())));
        mailer.tell(news.collect());
    }
}

/// The engine on the real world.
pub(super) type Scheduler = Engine<SystemClock, Drones<SqlBriefings>, SqlStore>;

/// Why a scheduler ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was asked to, or its lifetime was over.
    Asked(&'static str),
    /// Another scheduler has taken over.
    Superseded,
}

fn role_of(config: &Config, options: &ServeOptions) -> Role {
    match (options.host_scheduler, config.scheduler.inline_host_acquisition) {
        (true, _) => Role::HostScheduler,
        (false, true) => Role::Whole,
        (false, false) => Role::Dispatcher,
    }
}

/// Connects; a database that cannot be reached is waited for, one that refuses is not.
///
/// # Errors
/// If it refuses.
pub(crate) async fn open_database(address: &DatabaseAddress) -> anyhow::Result<Database> {
    let mut pause = RETRY.0;
    loop {
        match Database::open(address).await {
            Ok(database) => return Ok(database),
            Err(cause) if cause.is_outage() => warn!(%cause, "the database does not answer: trying again"),
            Err(cause) => return Err(cause).with_context(|| format!("cannot use the database {address}")),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY.1);
    }
}

fn open_journal(path: &Path) -> anyhow::Result<JournalWriter<File>> {
    let file = File::create(path).with_context(|| format!("cannot record to {}", path.display()))?;
    Ok(JournalWriter::new(file))
}

/// The signals that a service listens to.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    reload: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Signals> {
        let listen = |kind| signal(kind).context("cannot listen to signals");
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            reload: listen(SignalKind::hangup())?,
        })
    }

    async fn heard(&mut self) -> Heard {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Heard::Stop,
            _ = self.terminate.recv() => Heard::Stop,
            _ = self.reload.recv() => Heard::Reload,
        }
    }

    /// Returns when the service is asked to stop. Settings are read again anyway once its term has begun.
    async fn stop(&mut self) {
        while let Heard::Reload = self.heard().await {}
    }
}

/// What a signal asks for.
enum Heard {
    Stop,
    Reload,
}
