//! Aborting: entries are marked, with who and when; the scheduler does the rest.

use std::collections::BTreeSet;

use yardmaster_engine::{EntryId, JobId, UserId};

use super::transaction::{CHUNK, transact};
use super::{FrontendError, Thing, lookup};
use crate::database::{Database, Transaction, Value, marks};
use crate::store::record_aborts;

/// What is to be aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AbortRequest {
    /// Whole jobs.
    Jobs(Vec<JobId>),
    /// Single entries.
    Entries(Vec<EntryId>),
}

/// Marks entries that are neither complete nor aborted. Jobs of which an entry was marked pass it on to their children, and
/// these to theirs. Returns the entries that were marked, in ascending order.
///
/// # Errors
/// If a job, an entry or the user does not exist; then nothing is marked.
pub async fn abort(database: &Database, login: &str, request: &AbortRequest) -> Result<Vec<EntryId>, FrontendError> {
    transact!(database, |transaction| async {
        let user = lookup::user(transaction, login).await?;
        let (column, ids) = match request {
            AbortRequest::Jobs(jobs) => {
                need(transaction, Thing::Job, jobs.iter().map(|job| job.0)).await?;
                ("job_id", jobs.iter().map(|job| job.0).collect::<BTreeSet<u32>>())
            }
            AbortRequest::Entries(entries) => {
                need(transaction, Thing::Entry, entries.iter().map(|entry| entry.0)).await?;
                ("id", entries.iter().map(|entry| entry.0).collect())
            }
        };
        let mut marked = BTreeSet::new();
        let mut jobs = mark(transaction, column, &ids, user.0, &mut marked).await?;
        // A row that is its own ancestor must not keep this going: each job is gone through once.
        let mut visited = BTreeSet::new();
        while !jobs.is_empty() {
            let parents: BTreeSet<u32> = jobs.difference(&visited).copied().collect();
            visited.extend(parents.iter().copied());
            let children = children(transaction, &parents).await?;
            jobs = mark(transaction, "job_id", &children, user.0, &mut marked).await?;
        }
        Ok(marked.into_iter().map(EntryId).collect())
    }
    .await)
}

async fn need(
    transaction: &mut Transaction,
    thing: Thing,
    ids: impl Iterator<Item = u32>,
) -> Result<(), FrontendError> {
    let names: Vec<String> = ids.map(|id| id.to_string()).collect();
    lookup::need_all(transaction, thing, &names).await.map(drop)
}

/// Marks what can be marked of the rows whose `column` is one of `ids`; returns their jobs.
async fn mark(
    transaction: &mut Transaction,
    column: &str,
    ids: &BTreeSet<u32>,
    user: u32,
    marked: &mut BTreeSet<u32>,
) -> Result<BTreeSet<u32>, FrontendError> {
    let mut jobs = BTreeSet::new();
    for chunk in ids.iter().copied().collect::<Vec<u32>>().chunks(CHUNK) {
        let sql = format!(
            "SELECT id, job_id FROM afe_host_queue_entries \
             WHERE {column} IN ({}) AND complete = 0 AND aborted = 0 ORDER BY id{}",
            marks(chunk.len()),
            transaction.dialect().for_update(),
        );
        let mut entries: Vec<u32> = Vec::new();
        for row in transaction.query(&sql, values(chunk)).await? {
            entries.push(row.get(0)?);
            jobs.extend(row.get::<Option<u32>>(1)?);
        }
        for entries in entries.chunks(CHUNK) {
            let sql = format!("UPDATE afe_host_queue_entries SET aborted = 1 WHERE id IN ({})", marks(entries.len()));
            transaction.execute(&sql, values(entries)).await?;
        }
        record_aborts(transaction, &entries, UserId(user)).await?;
        marked.extend(entries);
    }
    Ok(jobs)
}

async fn children(transaction: &mut Transaction, jobs: &BTreeSet<u32>) -> Result<BTreeSet<u32>, FrontendError> {
    let mut children = BTreeSet::new();
    for chunk in jobs.iter().copied().collect::<Vec<u32>>().chunks(CHUNK) {
        let sql = format!("SELECT id FROM afe_jobs WHERE parent_job_id IN ({})", marks(chunk.len()));
        for row in transaction.query(&sql, values(chunk)).await? {
            children.insert(row.get(0)?);
        }
    }
    Ok(children)
}

fn values(ids: &[u32]) -> Vec<Value> {
    ids.iter().map(|id| Value::from(*id)).collect()
}
