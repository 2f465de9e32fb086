//! The store itself.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use yardmaster_engine::{
    Changes, CommitOutcome, HandOffChange, Host, LiveRows, RowChange, Store, StoreError, Subnets, Term, UserId,
};

use super::commit::{self, Stopped};
use super::hear::Hearing;
use super::look::{Heights, look};
use super::quarantine::{Quarantine, Quarantined};
use super::shadow::Shadow;
use super::term::{self, Held, TermError, TermRole};
use super::wanted::Wanted;
use super::{load, log};
use crate::database::{ConnectionId, Database, DatabaseError, Transaction};

/// How a store behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// What the scheduler is there for.
    pub role: TermRole,
    /// Whether a dispatcher gives out hosts itself. It then holds the host scheduler's term, too, so that there is no other.
    pub gives_hosts: bool,
    /// Processes that a drone may run which says nothing about it: `max_processes_per_drone`.
    pub usual_room: u32,
    /// How long a term lasts that is not renewed, in seconds.
    pub term_limit: u32,
    /// How often everything is compared where triggers tell what changes.
    pub reconcile: Duration,
    /// How often everything is compared where there are no triggers.
    pub reconcile_without_triggers: Duration,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            role: TermRole::Dispatcher,
            gives_hosts: false,
            usual_room: 1000,
            term_limit: 30,
            reconcile: Duration::from_secs(600),
            reconcile_without_triggers: Duration::from_secs(30),
        }
    }
}

/// A commit whose reply was lost.
#[derive(Debug)]
struct InDoubt {
    number: u64,
    changes: Changes,
}

/// A full look at the database, under way.
type Reconciliation = JoinHandle<Result<(LiveRows, Quarantine), DatabaseError>>;

/// The engine's store on a database.
#[derive(Debug)]
pub struct SqlStore {
    database: Database,
    options: StoreOptions,
    term: Option<Held>,
    /// The last tick of the term that the database is known to have.
    committed: u64,
    in_doubt: Option<InDoubt>,
    /// Connections that were lost in the middle of a transaction, and may still hold locks on the server.
    lost: Vec<ConnectionId>,
    shadow: Shadow,
    quarantine: Quarantine,
    /// Names taken out of the log whose rows were not read yet.
    pending: Wanted,
    /// What was read and could not be told yet.
    untold: Vec<RowChange>,
    triggers: bool,
    can_skip: bool,
    heights: Heights,
    /// Which restricted subnets hosts and drones are in, if anybody finds out.
    subnets: Option<watch::Receiver<Subnets>>,
    reconciliation: Option<Reconciliation>,
    reconcile_at: Instant,
    /// No attempt before, after the server went away; and how long to wait next time.
    outage: Option<(Instant, Duration)>,
}

const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl SqlStore {
    /// A store on a database that has been migrated.
    pub fn new(database: Database, options: StoreOptions) -> SqlStore {
        SqlStore {
            database,
            options,
            term: None,
            committed: 0,
            in_doubt: None,
            lost: Vec::new(),
            shadow: Shadow::default(),
            quarantine: Quarantine::default(),
            pending: Wanted::default(),
            untold: Vec::new(),
            triggers: false,
            can_skip: true,
            heights: Heights::default(),
            subnets: None,
            reconciliation: None,
            reconcile_at: Instant::now(),
            outage: None,
        }
    }

    /// From the next load on, tells what is known of restricted subnets.
    pub fn listen_for_subnets(&mut self, subnets: watch::Receiver<Subnets>) {
        self.subnets = Some(subnets);
    }

    /// Begins a term, unless another scheduler has renewed its own lately. `holder` names this one for people: machine and
    /// process.
    ///
    /// # Errors
    /// [`TermError::Held`] if another is at work; wait as a standby and try again.
    pub async fn begin_term(&mut self, holder: &str) -> Result<Term, TermError> {
        let StoreOptions { role, gives_hosts, term_limit, .. } = self.options;
        let held = term::begin(&self.database, role, gives_hosts, holder, term_limit).await?;
        let term = held.term;
        self.term = Some(held);
        self.committed = 0;
        self.in_doubt = None;
        Ok(term)
    }

    /// Gives back the term of another scheduler, which the caller knows to have ended: the next one need not wait.
    ///
    /// # Errors
    /// If the database failed.
    pub async fn end_term_of(&self, holder: &str) -> Result<(), TermError> {
        term::end_of(&self.database, holder).await
    }

    /// Tells the database that this scheduler lives. Every commit does so, too.
    ///
    /// # Errors
    /// If another scheduler has taken over, or the database failed.
    pub async fn renew_term(&mut self) -> Result<(), TermError> {
        match &self.term {
            Some(held) => term::renew(&self.database, self.options.role, held).await,
            None => Ok(()),
        }
    }

    /// Renews the term in the middle of what may last longer than it. Whether it still holds, the next commit finds out.
    async fn keep_term(&mut self) {
        if let Err(error) = self.renew_term().await {
            tracing::debug!(%error, "the term was not renewed in between");
        }
    }

    /// Gives the term back, so that the next scheduler need not wait.
    ///
    /// # Errors
    /// If the database failed.
    pub async fn release_term(&mut self) -> Result<(), TermError> {
        match self.term.take() {
            Some(held) => term::release(&self.database, self.options.role, &held).await,
            None => Ok(()),
        }
    }

    /// Another number of processes for drones that say nothing about it; with the next poll everything is compared.
    pub fn set_usual_room(&mut self, usual_room: u32) {
        if std::mem::replace(&mut self.options.usual_room, usual_room) != usual_room {
            self.reconcile_at = Instant::now();
        }
    }

    /// Rows that were set aside since the last call.
    pub fn take_quarantined(&mut self) -> Vec<Quarantined> {
        self.quarantine.take_untold()
    }

    /// How many rows are set aside now.
    pub fn quarantined(&self) -> usize {
        self.quarantine.len()
    }

    /// Whether changes are found by triggers; else by polling.
    pub fn has_triggers(&self) -> bool {
        self.triggers
    }

    /// In whose name the scheduler asks for tasks and aborts.
    fn system_user(&self) -> Option<UserId> {
        let named = self.shadow.logins.get("autotest_system").copied();
        named.or_else(|| self.shadow.users.keys().next().copied())
    }

    /// What was committed is known. What a runner has written of a job is read before the next tick, triggers or not.
    fn settle(&mut self, changes: &Changes) {
        let system = self.system_user();
        self.shadow.settle(changes, system);
        for change in &changes.hand_offs {
            if let HandOffChange::End(job) = change {
                self.pending.add(self.shadow.rows_of_job(*job));
            }
        }
    }

    /// After an outage, the server is left alone for a while.
    fn check_outage(&self, operation: &'static str) -> Result<(), StoreError> {
        match self.outage {
            Some((until, _)) if Instant::now() < until => Err(StoreError {
                operation,
                cause: "the database cannot be reached; it is tried again in a moment".to_owned(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    fn note<T>(&mut self, operation: &'static str, outcome: Result<T, DatabaseError>) -> Result<T, StoreError> {
        match &outcome {
            Ok(_) => self.outage = None,
            Err(error) if error.is_outage() => {
                let pause = self.outage.map_or(FIRST_PAUSE * 5, |(_, pause)| (pause * 2).min(LONGEST_PAUSE));
                self.outage = Some((Instant::now() + pause, pause));
            }
            Err(_) => {}
        }
        outcome.map_err(|error| StoreError { operation, cause: error.to_string() })
    }

    /// Ends what lost connections may still be doing on the server.
    async fn end_lost(&mut self) -> Result<(), DatabaseError> {
        while let Some(connection) = self.lost.last() {
            self.database.end_connection(*connection).await?;
            self.lost.pop();
        }
        Ok(())
    }

    async fn try_load(&mut self) -> Result<LiveRows, DatabaseError> {
        self.end_lost().await?;
        if let Some(held) = &self.term {
            self.committed = term::confirm(&self.database, self.options.role, held).await?;
        }
        let consumer = self.options.role.consumer();
        self.triggers = log::triggers_work(&self.database, consumer).await?;
        if self.triggers {
            while log::forget_some(&self.database, consumer, &mut self.can_skip).await? {
                self.keep_term().await;
            }
        }
        let (mut rows, quarantine) = load::read(&self.database, self.options.usual_room).await?;
        if let Some(subnets) = &mut self.subnets {
            rows.subnets = subnets.borrow_and_update().clone();
        }
        self.quarantine.replace_with(quarantine);
        self.shadow = Shadow::of(&rows);
        (self.pending, self.untold, self.in_doubt) = (Wanted::default(), Vec::new(), None);
        self.heights = Heights::of(&rows);
        if let Some(running) = self.reconciliation.take() {
            running.abort();
        }
        // A transaction of somebody else that is older than this scheduler's registration logs nothing for it.
        self.reconcile_at = Instant::now() + self.period().min(self.options.reconcile_without_triggers);
        rows.ineligible.extend(load::taken_hosts(&self.database, &rows).await?);
        Ok(rows)
    }

    fn period(&self) -> Duration {
        if self.triggers { self.options.reconcile } else { self.options.reconcile_without_triggers }
    }

    /// Begins a comparison of everything when it is due, and takes over what the last one found.
    async fn reconcile(&mut self) -> Result<(), DatabaseError> {
        if self.reconciliation.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(finished) = self.reconciliation.take()
            && let Ok(outcome) = finished.await
        {
            let (rows, quarantine) = outcome?;
            let differences = self.shadow.differences(&rows);
            self.quarantine.replace_with(quarantine);
            self.pending.add(differences);
        }
        if self.reconciliation.is_none() && Instant::now() >= self.reconcile_at {
            self.reconcile_at = Instant::now() + self.period();
            if let Err(error) = term::tidy(&self.database, self.options.role).await {
                tracing::debug!(%error, "nobody looked whether the change log is kept for the right schedulers");
            }
            let (database, usual_room) = (self.database.clone(), self.options.usual_room);
            self.reconciliation = Some(tokio::spawn(async move {
                let database = database.companion().await?;
                load::read(&database, usual_room).await
            }));
        }
        Ok(())
    }

    async fn try_poll(&mut self) -> Result<(), DatabaseError> {
        self.reconcile().await?;
        let consumer = self.options.role.consumer();
        let mut transaction = if self.triggers {
            if self.pending.is_empty() && !log::has_news(&self.database, consumer).await? {
                return Ok(());
            }
            let mut transaction = self.database.begin_as(consumer).await?;
            log::take(&mut transaction, consumer, &mut self.can_skip, &mut self.pending).await?;
            transaction
        } else {
            let mut transaction = self.database.begin_snapshot().await?;
            let found = look(&mut transaction, &self.shadow, &mut self.heights).await?;
            self.pending.add(found);
            transaction
        };
        self.hear(&mut transaction).await?;
        // Everything is read; should the log not be shortened, its rows are read again and found as they are known.
        if let Err(error) = transaction.commit().await {
            tracing::debug!(%error, "the change log was read but not shortened");
        }
        Ok(())
    }

    async fn hear(&mut self, transaction: &mut Transaction) -> Result<(), DatabaseError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let hearing = Hearing {
            transaction,
            shadow: &mut self.shadow,
            quarantine: &mut self.quarantine,
            usual_room: self.options.usual_room,
            told: &mut self.untold,
        };
        hearing.hear(self.pending.clone()).await?;
        self.pending = Wanted::default();
        Ok(())
    }

    /// One attempt. The transaction is given back if the last thing was its COMMIT.
    async fn try_commit(&mut self, term: Term, number: u64, changes: &Changes) -> Result<(), Attempt> {
        let system = self.system_user().ok_or(Attempt::NoUser)?;
        let mut transaction = self.database.begin_as(self.options.role.consumer()).await.map_err(Stopped::from)?;
        let connection = transaction.connection();
        let written = async {
            commit::guard(&mut transaction, self.options.role, term, self.committed, number).await?;
            let is_locked = |host| self.shadow.hosts.get(&host).is_some_and(|row: &Host| row.locked);
            commit::write(&mut transaction, changes, system, is_locked).await?;
            transaction.unmark().await.map_err(Stopped::from)
        };
        if let Err(stopped) = written.await {
            if matches!(&stopped, Stopped::Database(error) if error.is_lost()) {
                self.lost.extend(connection);
            }
            return Err(stopped.into());
        }
        match transaction.commit().await {
            Err(error) if error.is_lost() => {
                self.lost.extend(connection);
                Err(Attempt::InDoubt(error))
            }
            outcome => outcome.map_err(|error| Stopped::from(error).into()),
        }
    }

    async fn try_last_commit(&mut self, term: Term) -> Result<Option<u64>, DatabaseError> {
        self.end_lost().await?;
        let mut transaction = self.database.begin().await?;
        let sql = format!(
            "SELECT number FROM yardmaster_terms WHERE role = ? AND term = ?{}",
            transaction.dialect().for_update()
        );
        let parameters = vec![self.options.role.as_str().into(), commit::count(term.0)];
        let rows = transaction.query(&sql, parameters).await?;
        transaction.rollback().await?;
        rows.first().map(|row| row.get(0)).transpose()
    }
}

/// How one attempt to commit failed.
enum Attempt {
    Stopped(Stopped),
    InDoubt(DatabaseError),
    NoUser,
}

impl From<Stopped> for Attempt {
    fn from(stopped: Stopped) -> Attempt {
        Attempt::Stopped(stopped)
    }
}

impl Store for SqlStore {
    async fn load(&mut self) -> Result<LiveRows, StoreError> {
        const OPERATION: &str = "load what is alive";
        self.check_outage(OPERATION)?;
        let outcome = self.try_load().await;
        self.note(OPERATION, outcome)
    }

    async fn poll(&mut self) -> Result<Vec<RowChange>, StoreError> {
        const OPERATION: &str = "look for changes";
        self.check_outage(OPERATION)?;
        match self.try_poll().await {
            // Somebody holds what was wanted for a moment; the next poll finds it.
            Err(error) if error.is_busy() => tracing::debug!(%error, "changes are read with the next poll"),
            outcome => self.note(OPERATION, outcome)?,
        }
        if let Some(subnets) = &mut self.subnets
            && subnets.has_changed().unwrap_or(false)
        {
            self.untold.push(RowChange::Subnets(subnets.borrow_and_update().clone()));
        }
        Ok(std::mem::take(&mut self.untold))
    }

    async fn commit(&mut self, term: Term, number: u64, changes: &Changes) -> CommitOutcome {
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=ATTEMPTS {
            let failed = match self.try_commit(term, number, changes).await {
                Ok(()) => {
                    self.committed = number;
                    self.settle(changes);
                    return CommitOutcome::Committed;
                }
                Err(failed) => failed,
            };
            return match failed {
                Attempt::Stopped(Stopped::Database(error)) if error.is_busy() && attempt < ATTEMPTS => {
                    tracing::debug!(%error, attempt, "the commit is tried again");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                    self.keep_term().await;
                    continue;
                }
                Attempt::Stopped(Stopped::Database(error)) => CommitOutcome::Refused(error.to_string()),
                Attempt::Stopped(Stopped::Superseded(theirs)) => CommitOutcome::Superseded(theirs),
                Attempt::Stopped(Stopped::Behind(found)) => {
                    let lost = self.committed;
                    self.committed = found;
                    CommitOutcome::Refused(format!(
                        "the database lost tick {lost}: its last one of term {term} is {found}; was it restored, or has a replica taken over?"
                    ))
                }
                Attempt::Stopped(Stopped::TermGone) => CommitOutcome::Refused(format!(
                    "the database does not know term {term}: was it restored, or has a replica taken over?"
                )),
                Attempt::InDoubt(error) => {
                    self.in_doubt = Some(InDoubt { number, changes: changes.clone() });
                    CommitOutcome::Unknown(error.to_string())
                }
                Attempt::NoUser => CommitOutcome::Refused(
                    "afe_users is empty: add the user autotest_system, in whose name the scheduler acts".to_owned(),
                ),
            };
        }
        CommitOutcome::Refused("the database stayed busy".to_owned())
    }

    async fn last_commit(&mut self, term: Term) -> Result<Option<u64>, StoreError> {
        const OPERATION: &str = "find out whether a commit landed";
        self.check_outage(OPERATION)?;
        let outcome = self.try_last_commit(term).await;
        let last = self.note(OPERATION, outcome)?;
        if let (Some(number), Some(doubt)) = (last, self.in_doubt.take()) {
            self.committed = number;
            if doubt.number == number {
                self.settle(&doubt.changes);
            }
        }
        Ok(last.filter(|number| *number > 0))
    }
}
