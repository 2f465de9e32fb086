//! Special tasks.

use std::collections::BTreeSet;

use serde::Serialize;
use yardmaster_engine::TaskKind;

use super::Moment;
use crate::database::{Database, DatabaseError, Row, Value, marks};

/// A special task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskView {
    /// Its id.
    pub id: u32,
    /// What is done: the database's word.
    pub task: String,
    /// To which host.
    pub host: String,
    /// For which entry.
    pub entry: Option<u32>,
    /// `queued`, `active`, `succeeded`, `failed` or `aborted`.
    pub state: &'static str,
    /// Who asked for it.
    pub requested_by: Option<String>,
    /// When.
    pub requested: Option<Moment>,
    /// When it started.
    pub started: Option<Moment>,
    /// When it ended.
    pub finished: Option<Moment>,
}

/// Which tasks are wanted. What is empty does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// Those of these hosts.
    pub hosts: BTreeSet<String>,
    /// Those of this kind.
    pub kind: Option<TaskKind>,
    /// Those that have ended, too.
    pub ended: bool,
    /// At most so many, the latest.
    pub limit: u32,
}

/// The tasks that pass a filter, the latest first.
///
/// # Errors
/// As the database has it.
pub async fn tasks(database: &Database, filter: &TaskFilter) -> Result<Vec<TaskView>, DatabaseError> {
    let seconds = |column| database.dialect().seconds_of(column);
    let mut conditions = vec!["1 = 1".to_owned()];
    let mut parameters: Vec<Value> = Vec::new();
    if !filter.ended {
        conditions.push("t.is_complete = 0".to_owned());
    }
    if let Some(kind) = filter.kind {
        conditions.push("t.task = ?".to_owned());
        parameters.push(kind.as_str().into());
    }
    if !filter.hosts.is_empty() {
        conditions.push(format!("h.hostname IN ({})", marks(filter.hosts.len())));
        parameters.extend(filter.hosts.iter().map(Value::from));
    }
    let sql = format!(
        "SELECT t.id, t.task, h.hostname, t.queue_entry_id, t.is_active, t.is_complete, t.is_aborted, t.success, \
         u.login, {}, {}, {} FROM afe_special_tasks t LEFT JOIN afe_hosts h ON h.id = t.host_id \
         LEFT JOIN afe_users u ON u.id = t.requested_by_id WHERE {} ORDER BY t.id DESC LIMIT {}",
        seconds("t.time_requested"),
        seconds("t.time_started"),
        seconds("t.time_finished"),
        conditions.join(" AND "),
        filter.limit,
    );
    database.query(&sql, parameters).await?.iter().map(view).collect()
}

fn view(row: &Row) -> Result<TaskView, DatabaseError> {
    let (active, complete, aborted, success): (bool, bool, bool, bool) =
        (row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?);
    let state = match (complete, success, aborted, active) {
        (true, true, _, _) => "succeeded",
        (true, false, true, _) => "aborted",
        (true, false, false, _) => "failed",
        (false, _, _, true) => "active",
        (false, _, _, false) => "queued",
    };
    Ok(TaskView {
        id: row.get(0)?,
        task: row.get(1)?,
        host: row.get::<Option<String>>(2)?.unwrap_or_default(),
        entry: row.get(3)?,
        state,
        requested_by: row.get(8)?,
        requested: Moment::read(row, 9)?,
        started: Moment::read(row, 10)?,
        finished: Moment::read(row, 11)?,
    })
}
