//! Special tasks that people ask for.

use yardmaster_engine::{HostId, TaskId, TaskKind};

use super::transaction::{new_id, transact};
use super::{FrontendError, Thing, lookup};
use crate::database::{Database, Transaction};

/// A request that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Requested {
    /// The task.
    pub task: TaskId,
    /// Its host.
    pub host: HostId,
    /// Whether it is new; otherwise somebody had asked for the same before, and it has not started.
    pub new: bool,
}

/// Asks for a task on each of these hosts. Where such a task is queued already, that one is returned.
///
/// # Errors
/// If a host or the user does not exist, or the task is a Provision, which only jobs can ask for.
pub async fn request(
    database: &Database,
    login: &str,
    kind: TaskKind,
    hosts: &[String],
) -> Result<Vec<Requested>, FrontendError> {
    match kind {
        TaskKind::Repair | TaskKind::Cleanup | TaskKind::Verify | TaskKind::Reset => {}
        TaskKind::Provision => {
            let why = "a Provision belongs to a job: submit one that depends on the label".to_owned();
            return Err(FrontendError::Senseless(why));
        }
    }
    transact!(database, |transaction| async {
        let user = lookup::user(transaction, login).await?;
        let mut requested = Vec::with_capacity(hosts.len());
        for host in lookup::hosts(transaction, hosts).await? {
            requested.push(request_one(transaction, user.0, kind, host).await?);
        }
        Ok(requested)
    }
    .await)
}

async fn request_one(
    transaction: &mut Transaction,
    user: u32,
    kind: TaskKind,
    host: HostId,
) -> Result<Requested, FrontendError> {
    // Whoever asks for the same at this moment waits here, and then finds ours.
    let lock = format!("SELECT id FROM afe_hosts WHERE id = ?{}", transaction.dialect().for_update());
    transaction.query(&lock, vec![host.0.into()]).await?;
    let sql = "SELECT id FROM afe_special_tasks WHERE host_id = ? AND task = ? AND queue_entry_id IS NULL \
               AND is_active = 0 AND is_complete = 0 AND is_aborted = 0 ORDER BY id LIMIT 1";
    let rows = transaction.query(sql, vec![host.0.into(), kind.as_str().into()]).await?;
    if let Some(row) = rows.first() {
        return Ok(Requested { task: TaskId(row.get(0)?), host, new: false });
    }
    let sql = format!(
        "INSERT INTO afe_special_tasks \
         (host_id, task, time_requested, is_active, is_complete, success, requested_by_id, is_aborted) \
         VALUES (?, ?, {}, 0, 0, 0, ?, 0)",
        transaction.dialect().now()
    );
    let inserted = transaction.execute(&sql, vec![host.0.into(), kind.as_str().into(), user.into()]).await?;
    Ok(Requested { task: TaskId(new_id(inserted)?), host, new: true })
}

/// Marks tasks that have not ended aborted; the scheduler ends them. Returns those that were marked.
///
/// # Errors
/// If a task does not exist; then none is marked.
pub async fn abort(database: &Database, tasks: &[TaskId]) -> Result<Vec<TaskId>, FrontendError> {
    transact!(database, |transaction| async {
        let mut marked = Vec::new();
        for task in tasks {
            lookup::need(transaction, Thing::Task, &task.to_string()).await?;
            let sql = "UPDATE afe_special_tasks SET is_aborted = 1 WHERE id = ? AND is_complete = 0 AND is_aborted = 0";
            if transaction.execute(sql, vec![task.0.into()]).await?.rows > 0 {
                marked.push(*task);
            }
        }
        Ok(marked)
    }
    .await)
}
