//! The special tasks of a history.

use std::collections::BTreeMap;

use yardmaster_engine::{HostId, Span, TaskKind, Time};
use yardmaster_sim::history::HistoricTask;

use crate::database::{CHUNK, DatabaseError, Transaction};
use crate::store::{Quarantine, keep};

/// Tasks are numbered in the order in which they were asked for, to within this.
const MARGIN: Span = Span::from_hours(24);

/// A task whose host is known by its id yet.
pub(super) struct PastTask {
    pub(super) host: HostId,
    kind: TaskKind,
    requested: Time,
    started: Time,
    ended: Time,
    success: bool,
    job: Option<u64>,
}

impl PastTask {
    /// The task, its host being at one of these places.
    pub(super) fn into_history(self, places: &BTreeMap<HostId, u32>) -> Option<HistoricTask> {
        let PastTask { host, kind, requested, started, ended, success, job } = self;
        Some(HistoricTask { kind, host: *places.get(&host)?, requested, started, ended, success, job })
    }
}

/// Reads the tasks that started from a moment on and have ended, in the order of their start. An aborted one is left out:
/// its length says nothing.
pub(super) async fn read(
    transaction: &mut Transaction,
    from: Time,
    entries: &BTreeMap<u32, u32>,
    quarantine: &mut Quarantine,
) -> Result<Vec<PastTask>, DatabaseError> {
    let dialect = transaction.dialect();
    let [requested, started, finished] =
        ["time_requested", "time_started", "time_finished"].map(|column| dialect.seconds_of(column));
    let sql = format!(
        "SELECT id, task, host_id, queue_entry_id, {requested}, {started}, {finished}, success, is_complete, is_aborted \
         FROM afe_special_tasks WHERE id > ? ORDER BY id LIMIT {CHUNK}"
    );
    let mut last = last_before(transaction, from - MARGIN).await?;
    let mut tasks = Vec::new();
    loop {
        let rows = transaction.query(&sql, vec![last.into()]).await?;
        let found = keep(&rows, "afe_special_tasks", quarantine, |row, _| {
            let moment = |column, name| Ok::<_, String>(row.get::<Option<i64>>(column, name)?.map(Time::from_seconds));
            let ended = row.flag(8, "is_complete", false)? && !row.flag(9, "is_aborted", false)?;
            let (started, finished) = (moment(5, "time_started")?, moment(6, "time_finished")?);
            let (Some(started), Some(ended), true) = (started, finished, ended) else { return Ok(None) };
            let entry: Option<u32> = row.get(3, "queue_entry_id")?;
            Ok(Some(PastTask {
                kind: row.word(1, "task")?,
                host: HostId(row.get(2, "host_id")?),
                requested: Time::from_seconds(row.get(4, "time_requested")?),
                started,
                ended,
                success: row.flag(7, "success", false)?,
                job: entry.and_then(|entry| entries.get(&entry)).map(|job| u64::from(*job)),
            }))
        });
        tasks.extend(found.into_iter().flatten().filter(|task: &PastTask| task.started >= from));
        match rows.last() {
            Some(row) if rows.len() == CHUNK => last = row.get(0)?,
            Some(_) | None => break,
        }
    }
    tasks.sort_by_key(|task| task.started);
    Ok(tasks)
}

/// An id below all tasks that were asked for from a moment on. No index is on the moments, and millions of rows may lie
/// before: it is found by bisection over the ids.
async fn last_before(transaction: &mut Transaction, from: Time) -> Result<u32, DatabaseError> {
    let requested = transaction.dialect().seconds_of("time_requested");
    let sql = format!("SELECT id, {requested} FROM afe_special_tasks WHERE id > ? ORDER BY id LIMIT 1");
    let rows = transaction.query("SELECT COALESCE(MAX(id), 0) FROM afe_special_tasks", Vec::new()).await?;
    let (mut low, mut high) = (0_u32, rows.first().map_or(Ok(0), |row| row.get::<u32>(0))?);
    while low < high {
        let middle = low + (high - low) / 2;
        let rows = transaction.query(&sql, vec![middle.into()]).await?;
        let early = match rows.first() {
            Some(row) => row.get::<i64>(1)? < from.as_seconds(),
            None => false,
        };
        if early { low = middle + 1 } else { high = middle }
    }
    Ok(low.saturating_sub(1))
}
