//! The store of a runner: one job that was handed off, and nothing else.
//!
//! The hand-off's rows say whether the job is still the runner's. Every commit locks them first, and counts itself there, as
//! a scheduler's commits do in its term: once the job was taken back, or given to another runner, nothing is written.

use std::collections::BTreeMap;
use std::time::Duration;

use yardmaster_engine::{
    Changes, CommitOutcome, Drone, DroneId, Entry, EntryId, JobId, LiveRows, RowChange, Store, StoreError, Term, UserId,
};

use super::commit::{self, count};
use super::quarantine::Quarantine;
use super::read::Which;
use super::read_lab::{self, Logins};
use super::read_work::{self, Entries};
use crate::database::times::to_the_second;
use crate::database::{ConnectionId, Database, DatabaseError, Transaction};

/// How the job stands with its runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is to be seen to its end.
    Ours,
    /// It has ended, and everybody knows.
    Finished,
    /// It was taken back, or given to another runner.
    NotOurs,
}

/// The engine's store for the runner of one job.
#[derive(Debug)]
pub struct JobStore {
    database: Database,
    job: JobId,
    drone: Drone,
    standing: Standing,
    /// The last commit that the database is known to have.
    committed: u64,
    in_doubt: Option<(u64, Changes)>,
    /// Connections that were lost in the middle of a transaction, and may still hold locks on the server.
    lost: Vec<ConnectionId>,
    known: BTreeMap<EntryId, Entry>,
    system: Option<UserId>,
}

const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// How an attempt to commit failed.
enum Attempt {
    Database(DatabaseError),
    InDoubt(DatabaseError),
    NotOurs,
}

impl From<DatabaseError> for Attempt {
    fn from(error: DatabaseError) -> Attempt {
        Attempt::Database(error)
    }
}

impl JobStore {
    /// The store of a job that was handed off to this drone. There is always room for it there.
    pub fn new(database: Database, job: JobId, drone: DroneId, drone_name: &str) -> JobStore {
        let drone =
            Drone { id: drone, name: drone_name.into(), enabled: true, max_processes: u32::MAX, users: Vec::new() };
        JobStore {
            database,
            job,
            drone,
            standing: Standing::Ours,
            committed: 0,
            in_doubt: None,
            lost: Vec::new(),
            known: BTreeMap::new(),
            system: None,
        }
    }

    /// How the job stands.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// The number of the runner's last commit, if the job is still its own. Others wait until the transaction has ended.
    async fn lock(&self, transaction: &mut Transaction) -> Result<Option<u64>, DatabaseError> {
        let lock = transaction.dialect().for_update();
        let sql = format!("SELECT completed FROM afe_job_handoffs WHERE job_id = ?{lock}");
        let rows = transaction.query(&sql, vec![self.job.0.into()]).await?;
        if rows.first().map(|row| row.get::<bool>(0)).transpose()? != Some(false) {
            return Ok(None);
        }
        let sql = format!("SELECT number FROM yardmaster_handoffs WHERE job_id = ? AND drone_id = ?{lock}");
        let rows = transaction.query(&sql, vec![self.job.0.into(), self.drone.id.0.into()]).await?;
        rows.first().map(|row| row.get(0)).transpose()
    }

    fn not_ours(&mut self) -> DatabaseError {
        self.standing = Standing::NotOurs;
        let cause = format!("job {} is not this runner's any more", self.job);
        DatabaseError::Other { statement: "SELECT … FROM afe_job_handoffs".to_owned(), cause }
    }

    async fn end_lost(&mut self) -> Result<(), DatabaseError> {
        while let Some(connection) = self.lost.last() {
            self.database.end_connection(*connection).await?;
            self.lost.pop();
        }
        Ok(())
    }

    async fn try_load(&mut self) -> Result<LiveRows, DatabaseError> {
        self.end_lost().await?;
        let mut transaction = self.database.begin().await?;
        let Some(number) = self.lock(&mut transaction).await? else {
            transaction.rollback().await?;
            return Err(self.not_ours());
        };
        let rows = self.read(&mut transaction).await?;
        transaction.rollback().await?;
        self.committed = number;
        self.in_doubt = None;
        self.known = rows.entries.iter().map(|entry| (entry.id, entry.clone())).collect();
        let named = rows.users.iter().find(|user| &*user.login == "autotest_system");
        self.system = named.or(rows.users.first()).map(|user| user.id);
        Ok(rows)
    }

    /// The job with all that it refers to. Special tasks are the dispatcher's: none is known here.
    async fn read(&self, transaction: &mut Transaction) -> Result<LiveRows, DatabaseError> {
        let mut quarantine = Quarantine::default();
        let users = read_lab::users(transaction, Which::All, &mut quarantine).await?;
        let logins: Logins = users.iter().map(|user| (user.login.clone(), user.id)).collect();
        let labels = read_lab::labels(transaction, Which::All, &mut quarantine).await?;
        let ids = [self.job.0];
        let jobs = read_work::jobs(transaction, &ids, &logins, &mut quarantine).await?;
        let entries = read_work::entries(transaction, Entries::LiveOfJobs(&ids), &mut quarantine).await?;
        let mut entries: Vec<Entry> = entries.into_iter().map(|row| row.entry).collect();
        entries.sort_unstable_by_key(|entry| entry.id);
        let hosts: Vec<u32> = entries.iter().filter_map(|entry| entry.host).map(|host| host.0).collect();
        let mut hosts = read_lab::hosts(transaction, Which::Ids(&hosts), &mut quarantine).await?;
        hosts.sort_unstable_by_key(|host| host.id);
        let prefix = format!("{}-", self.job);
        let mut kills = read_work::kills(transaction, &mut quarantine).await?;
        kills.retain(|order| order.path.to_string().starts_with(&prefix));
        let next_task = read_work::next_task(transaction).await?;
        for row in quarantine.take_untold() {
            tracing::warn!(table = row.table, id = row.id, why = row.why, "a row makes no sense");
        }
        let drones = vec![self.drone.clone()];
        Ok(LiveRows { users, labels, jobs, entries, hosts, drones, kills, next_task, ..LiveRows::default() })
    }

    /// What others have done to the entries.
    async fn try_poll(&mut self) -> Result<Vec<RowChange>, DatabaseError> {
        let mut transaction = self.database.begin_snapshot().await?;
        let sql = "SELECT f.completed FROM afe_job_handoffs f JOIN yardmaster_handoffs y ON y.job_id = f.job_id \
                   WHERE f.job_id = ? AND y.drone_id = ?";
        let rows = transaction.query(sql, vec![self.job.0.into(), self.drone.id.0.into()]).await?;
        if rows.first().map(|row| row.get::<bool>(0)).transpose()? != Some(false) {
            transaction.rollback().await?;
            return Err(self.not_ours());
        }
        let ids: Vec<u32> = self.known.keys().map(|id| id.0).collect();
        let mut quarantine = Quarantine::default();
        let rows = read_work::entries(&mut transaction, Entries::Ids(&ids), &mut quarantine).await?;
        transaction.rollback().await?;
        let mut changes = Vec::new();
        let mut there: Vec<EntryId> = rows.iter().map(|row| row.entry.id).collect();
        // One that makes no sense is left as it was known.
        there.extend(quarantine.ids_of("afe_host_queue_entries").into_iter().map(EntryId));
        for row in rows {
            let id = row.entry.id;
            if !row.is_live() {
                self.known.remove(&id);
                let is_ended = !row.deleted && row.entry.status.is_complete();
                changes.push(if is_ended { RowChange::Entry(row.entry) } else { RowChange::EntryGone(id) });
            } else if self.known.insert(id, row.entry.clone()).as_ref() != Some(&row.entry) {
                changes.push(RowChange::Entry(row.entry));
            }
        }
        let gone: Vec<EntryId> = self.known.keys().filter(|id| !there.contains(id)).copied().collect();
        for id in gone {
            self.known.remove(&id);
            changes.push(RowChange::EntryGone(id));
        }
        Ok(changes)
    }

    async fn try_commit(&mut self, number: u64, changes: &Changes) -> Result<(), Attempt> {
        let mut transaction = self.database.begin().await?;
        let connection = transaction.connection();
        let outcome = match self.write(&mut transaction, number, changes).await {
            Ok(()) => match transaction.commit().await {
                Err(error) if error.is_lost() => Err(Attempt::InDoubt(error)),
                outcome => outcome.map_err(Attempt::Database),
            },
            Err(failed) => Err(failed),
        };
        if let Err(Attempt::Database(error) | Attempt::InDoubt(error)) = &outcome
            && error.is_lost()
        {
            self.lost.extend(connection);
        }
        outcome
    }

    async fn write(&self, transaction: &mut Transaction, number: u64, changes: &Changes) -> Result<(), Attempt> {
        if self.lock(transaction).await? != Some(self.committed) {
            return Err(Attempt::NotOurs);
        }
        let sql = "UPDATE yardmaster_handoffs SET number = ? WHERE job_id = ?";
        transaction.execute(sql, vec![count(number), self.job.0.into()]).await?;
        let system = self.system.unwrap_or(UserId(1));
        let rows = Changes { tasks: Vec::new(), ..changes.clone() };
        // A test makes hosts dirty and none clean.
        commit::write(transaction, &rows, system, |_| false).await?;
        commit::request_tasks(transaction, &changes.tasks, system).await?;
        if self.would_finish(changes) {
            let sql = "UPDATE afe_job_handoffs SET completed = 1 WHERE job_id = ?";
            transaction.execute(sql, vec![self.job.0.into()]).await?;
        }
        Ok(())
    }

    /// Whether no entry of the job is left to do after these changes.
    fn would_finish(&self, changes: &Changes) -> bool {
        let ends = |id: &EntryId| {
            changes.entries.iter().any(|update| update.entry.id == *id && update.entry.status.is_complete())
        };
        self.known.keys().all(ends)
    }

    fn settle(&mut self, number: u64, changes: &Changes) {
        self.committed = number;
        if self.would_finish(changes) {
            self.standing = Standing::Finished;
        }
        for update in &changes.entries {
            let Some(row) = self.known.get_mut(&update.entry.id) else { continue };
            update.apply_to(row);
            row.started_on = row.started_on.map(to_the_second);
            row.finished_on = row.finished_on.map(to_the_second);
            if row.status.is_complete() {
                self.known.remove(&update.entry.id);
            }
        }
    }

    async fn try_last_commit(&mut self) -> Result<Option<u64>, DatabaseError> {
        self.end_lost().await?;
        let sql = "SELECT number FROM yardmaster_handoffs WHERE job_id = ? AND drone_id = ?";
        let rows = self.database.query(sql, vec![self.job.0.into(), self.drone.id.0.into()]).await?;
        rows.first().map(|row| row.get(0)).transpose()
    }
}

fn failed<T>(operation: &'static str, outcome: Result<T, DatabaseError>) -> Result<T, StoreError> {
    outcome.map_err(|error| StoreError { operation, cause: error.to_string() })
}

impl Store for JobStore {
    async fn load(&mut self) -> Result<LiveRows, StoreError> {
        let outcome = self.try_load().await;
        failed("load the job", outcome)
    }

    async fn poll(&mut self) -> Result<Vec<RowChange>, StoreError> {
        if self.standing == Standing::Finished {
            return Ok(Vec::new());
        }
        match self.try_poll().await {
            Err(error) if error.is_busy() => Ok(Vec::new()),
            outcome => failed("look for changes", outcome),
        }
    }

    async fn commit(&mut self, term: Term, number: u64, changes: &Changes) -> CommitOutcome {
        if self.standing == Standing::Finished {
            // Nothing that is left to write matters to anybody: the job has ended.
            return CommitOutcome::Committed;
        }
        // Numbers go on where the runner before this one, or this one before it began anew, has stopped.
        let number = number.max(self.committed + 1);
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=ATTEMPTS {
            match self.try_commit(number, changes).await {
                Ok(()) => {
                    self.settle(number, changes);
                    return CommitOutcome::Committed;
                }
                Err(Attempt::NotOurs) => {
                    self.standing = Standing::NotOurs;
                    return CommitOutcome::Superseded(Term(term.0 + 1));
                }
                Err(Attempt::InDoubt(error)) => {
                    self.in_doubt = Some((number, changes.clone()));
                    return CommitOutcome::Unknown(error.to_string());
                }
                Err(Attempt::Database(error)) if error.is_busy() && attempt < ATTEMPTS => {
                    tracing::debug!(%error, attempt, "the commit is tried again");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Err(Attempt::Database(error)) => return CommitOutcome::Refused(error.to_string()),
            }
        }
        CommitOutcome::Refused("the database stayed busy".to_owned())
    }

    async fn last_commit(&mut self, _term: Term) -> Result<Option<u64>, StoreError> {
        let outcome = self.try_last_commit().await;
        let last = failed("find out whether a commit landed", outcome)?;
        match (last, self.in_doubt.take()) {
            (Some(last), Some((number, changes))) if last == number => self.settle(number, &changes),
            (Some(last), _) => self.committed = last,
            (None, _) => {}
        }
        Ok(last)
    }
}
