//! A tick's changes, written in one transaction.

use std::collections::BTreeMap;

use yardmaster_engine::{
    Changes, EntryColumns, EntryUpdate, HandOff, HandOffChange, HostColumns, HostId, HostUpdate, Ineligible, JobId,
    KillOrder, SpecialTask, Stray, StrayChange, TaskUpdate, Term, UserId,
};

use super::bulk::{self, Column, insert, integer, moment, text, update};
use super::read::by_ids;
use super::settle::as_kept;
use super::term::TermRole;
use crate::database::{CHUNK, DatabaseError, Transaction, Value, marks, padded, times};

/// Why a transaction must not go on.
#[derive(Debug)]
pub(super) enum Stopped {
    Database(DatabaseError),
    Superseded(Term),
    /// The database does not have the last commit, but this one.
    Behind(u64),
    /// The term's row is older than the term, or gone.
    TermGone,
}

impl From<DatabaseError> for Stopped {
    fn from(error: DatabaseError) -> Stopped {
        Stopped::Database(error)
    }
}

/// Lets the transaction go on only if the term still holds and the last commit of it is there; notes the new one.
pub(super) async fn guard(
    transaction: &mut Transaction,
    role: TermRole,
    term: Term,
    last: u64,
    number: u64,
) -> Result<(), Stopped> {
    let sql = format!(
        "UPDATE yardmaster_terms SET number = ?, renewed_on = {} WHERE role = ? AND term = ? AND number = ?",
        transaction.dialect().now_seconds()
    );
    let parameters = vec![count(number), role.as_str().into(), count(term.0), count(last)];
    if transaction.execute(&sql, parameters).await?.rows == 1 {
        return Ok(());
    }
    let sql = "SELECT term, number FROM yardmaster_terms WHERE role = ?";
    let rows = transaction.query(sql, vec![role.as_str().into()]).await?;
    let Some(row) = rows.first() else { return Err(Stopped::TermGone) };
    let (theirs, number) = (row.get::<u64>(0)?, row.get::<u64>(1)?);
    Err(match theirs.cmp(&term.0) {
        std::cmp::Ordering::Greater => Stopped::Superseded(Term(theirs)),
        std::cmp::Ordering::Equal => Stopped::Behind(number),
        std::cmp::Ordering::Less => Stopped::TermGone,
    })
}

/// A count as a value. Terms and ticks do not come near the limit.
pub(super) fn count(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Writes the rows: hand-offs, hosts, entries, tasks, ineligible rows, kills, strays, each table in the order of ids where it can be.
///
/// `is_locked` says which hosts were locked when this was decided.
pub(super) async fn write(
    transaction: &mut Transaction,
    changes: &Changes,
    system: UserId,
    is_locked: impl Fn(HostId) -> bool,
) -> Result<(), DatabaseError> {
    // First of all: a runner that is writing at this moment comes to its end before its job's rows are touched.
    hand_offs(transaction, &changes.hand_offs).await?;
    hosts(transaction, changes).await?;
    clean_hosts(transaction, changes, is_locked).await?;
    entries(transaction, &changes.entries).await?;
    aborts(transaction, &changes.entries, system).await?;
    tasks(transaction, &changes.tasks, system).await?;
    ineligible(transaction, changes).await?;
    kills(transaction, &changes.kills_added, &changes.kills_removed).await?;
    strays(transaction, &changes.strays).await
}

/// Hosts that are clean now. A host that somebody has locked since this was decided stays dirty: who locks a host makes it
/// dirty, and that must not be lost.
async fn clean_hosts(
    transaction: &mut Transaction,
    changes: &Changes,
    is_locked: impl Fn(HostId) -> bool,
) -> Result<(), DatabaseError> {
    let cleaned = changes.hosts.iter().filter(|host| is_cleaned(host)).map(|host| host.id);
    let (locked, unlocked): (Vec<HostId>, Vec<HostId>) = cleaned.partition(|host| is_locked(*host));
    for (hosts, condition) in [(locked, ""), (unlocked, " AND locked = 0")] {
        let ids: Vec<u32> = hosts.into_iter().map(|host| host.0).collect();
        for chunk in ids.chunks(CHUNK) {
            let ids = padded(chunk);
            let sql = format!("UPDATE afe_hosts SET dirty = 0 WHERE id IN ({}){condition}", marks(ids.len()));
            transaction.execute(&sql, ids).await?;
        }
    }
    Ok(())
}

fn is_cleaned(host: &HostUpdate) -> bool {
    host.columns.contains(HostColumns::DIRTY) && !host.dirty
}

async fn hosts(transaction: &mut Transaction, changes: &Changes) -> Result<(), DatabaseError> {
    let mut sets: BTreeMap<u8, Vec<(u32, Vec<Value>)>> = BTreeMap::new();
    for host in &changes.hosts {
        let columns = if is_cleaned(host) { host.columns - HostColumns::DIRTY } else { host.columns };
        let mut values = Vec::new();
        if columns.contains(HostColumns::STATUS) {
            values.push(host.status.as_str().into());
        }
        if columns.contains(HostColumns::LEASED) {
            values.push(host.leased.into());
        }
        if columns.contains(HostColumns::DIRTY) {
            values.push(host.dirty.into());
        }
        sets.entry(columns.bits()).or_default().push((host.id.0, values));
    }
    for (bits, rows) in sets {
        let columns = HostColumns::from_bits_truncate(bits);
        let all = [
            (HostColumns::STATUS, text("status")),
            (HostColumns::LEASED, integer("leased")),
            (HostColumns::DIRTY, integer("dirty")),
        ];
        let columns: Vec<Column> =
            all.into_iter().filter(|(bit, _)| columns.contains(*bit)).map(|(_, column)| column).collect();
        if !columns.is_empty() {
            update(transaction, "afe_hosts", &columns, rows).await?;
        }
    }
    Ok(())
}

/// The columns that each bit stands for.
const ENTRY_COLUMNS: [(EntryColumns, &[Column]); 6] = [
    (EntryColumns::STATUS, &[text("status"), integer("active"), integer("complete")]),
    (EntryColumns::HOST, &[integer("host_id")]),
    (EntryColumns::SUBDIR, &[text("execution_subdir")]),
    (EntryColumns::STARTED, &[moment("started_on")]),
    (EntryColumns::FINISHED, &[moment("finished_on")]),
    (EntryColumns::ABORTED, &[integer("aborted")]),
];

async fn entries(transaction: &mut Transaction, updates: &[EntryUpdate]) -> Result<(), DatabaseError> {
    let mut sets: BTreeMap<u8, Vec<(u32, Vec<Value>)>> = BTreeMap::new();
    for EntryUpdate { columns, entry } in updates {
        let mut values: Vec<Value> = Vec::new();
        for (bit, _) in ENTRY_COLUMNS.iter().filter(|(bit, _)| columns.contains(*bit)) {
            match *bit {
                EntryColumns::STATUS => {
                    values.extend([
                        entry.status.as_str().into(),
                        entry.active.into(),
                        entry.status.is_complete().into(),
                    ]);
                }
                EntryColumns::HOST => values.push(entry.host.map(|host| host.0).into()),
                EntryColumns::SUBDIR => values.push(entry.subdir.to_string().into()),
                EntryColumns::STARTED => values.push(entry.started_on.map_or(Value::Null, times::to_value)),
                EntryColumns::FINISHED => values.push(entry.finished_on.map_or(Value::Null, times::to_value)),
                _ => values.push(entry.aborted.into()),
            }
        }
        sets.entry(columns.bits()).or_default().push((entry.id.0, values));
    }
    for (bits, rows) in sets {
        let set = EntryColumns::from_bits_truncate(bits);
        let columns = ENTRY_COLUMNS.iter().filter(|(bit, _)| set.contains(*bit)).flat_map(|(_, columns)| *columns);
        let columns: Vec<Column> = columns.copied().collect();
        if !columns.is_empty() {
            update(transaction, "afe_host_queue_entries", &columns, rows).await?;
        }
    }
    Ok(())
}

/// The scheduler itself aborted them; where somebody else did, their row stays.
async fn aborts(transaction: &mut Transaction, updates: &[EntryUpdate], system: UserId) -> Result<(), DatabaseError> {
    let aborted =
        updates.iter().filter(|update| update.columns.contains(EntryColumns::ABORTED) && update.entry.aborted);
    let ids: Vec<u32> = aborted.map(|update| update.entry.id.0).collect();
    record_aborts(transaction, &ids, system).await
}

/// Writes down who aborted entries, and when: now. The record of an earlier abort stays.
///
/// # Errors
/// As the database has it.
pub(crate) async fn record_aborts(
    transaction: &mut Transaction,
    entries: &[u32],
    user: UserId,
) -> Result<(), DatabaseError> {
    let dialect = transaction.dialect();
    for chunk in entries.chunks(CHUNK) {
        let ids = padded(chunk);
        let sql = format!(
            "{} afe_aborted_host_queue_entries (queue_entry_id, aborted_by_id, aborted_on) \
             SELECT id, {}, {} FROM afe_host_queue_entries WHERE id IN ({})",
            dialect.insert_ignore(),
            dialect.integer_parameter(),
            dialect.now(),
            marks(ids.len())
        );
        let parameters = std::iter::once(Value::from(user.0)).chain(ids).collect();
        transaction.execute(&sql, parameters).await?;
    }
    Ok(())
}

const NEW_TASK: [Column; 12] = [
    integer("id"),
    integer("host_id"),
    text("task"),
    moment("time_requested"),
    integer("is_active"),
    integer("is_complete"),
    moment("time_started"),
    integer("queue_entry_id"),
    integer("success"),
    integer("requested_by_id"),
    integer("is_aborted"),
    moment("time_finished"),
];
const TASK: [Column; 5] =
    [integer("is_active"), integer("is_complete"), integer("success"), moment("time_started"), moment("time_finished")];

async fn tasks(transaction: &mut Transaction, updates: &[TaskUpdate], system: UserId) -> Result<(), DatabaseError> {
    let moment = |time: Option<yardmaster_engine::Time>| time.map_or(Value::Null, times::to_value);
    let (mut new, mut changed, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for change in updates {
        match change {
            TaskUpdate::Insert(task) => new.push(new_task(task, system)),
            TaskUpdate::Update(task) => changed.push((
                task.id.0,
                vec![
                    task.active.into(),
                    task.complete.into(),
                    task.success.into(),
                    moment(task.started_at),
                    moment(task.finished_at),
                ],
            )),
            TaskUpdate::Delete(id) => gone.push(id.0),
        }
    }
    delete(transaction, "DELETE FROM afe_special_tasks WHERE id", &gone).await?;
    insert(transaction, "INSERT INTO", "afe_special_tasks", &NEW_TASK, &new).await?;
    update(transaction, "afe_special_tasks", &TASK, changed).await
}

fn new_task(task: &SpecialTask, system: UserId) -> Vec<Value> {
    let task = as_kept(task, Some(system));
    vec![
        task.id.0.into(),
        task.host.0.into(),
        task.kind.as_str().into(),
        times::to_value(task.requested_at),
        task.active.into(),
        task.complete.into(),
        task.started_at.map_or(Value::Null, times::to_value),
        task.entry.map(|entry| entry.0).into(),
        task.success.into(),
        task.requested_by.map(|user| user.0).into(),
        task.aborted.into(),
        task.finished_at.map_or(Value::Null, times::to_value),
    ]
}

/// Deletes rows by ids, or by another column that `sql` ends with.
async fn delete(transaction: &mut Transaction, sql: &str, ids: &[u32]) -> Result<(), DatabaseError> {
    by_ids(transaction, sql, "", ids, "").await.map(drop)
}

async fn ineligible(transaction: &mut Transaction, changes: &Changes) -> Result<(), DatabaseError> {
    /// Pairs that one statement names.
    const PAIRS: usize = 64;
    for chunk in changes.ineligible_removed.chunks(PAIRS) {
        let mut values = Vec::new();
        for Ineligible { job, host } in chunk {
            values.extend([Value::from(job.0), Value::from(host.0)]);
        }
        let one = "(job_id = ? AND host_id = ?)";
        let sql = format!("DELETE FROM afe_ineligible_host_queues WHERE {}", vec![one; chunk.len()].join(" OR "));
        transaction.execute(&sql, values).await?;
    }
    let jobs: Vec<u32> = changes.ineligible_swept.iter().map(|JobId(job)| *job).collect();
    delete(transaction, "DELETE FROM afe_ineligible_host_queues WHERE job_id", &jobs).await?;
    let rows: Vec<Vec<Value>> =
        changes.ineligible_added.iter().map(|row| vec![row.job.0.into(), row.host.0.into()]).collect();
    let verb = transaction.dialect().insert_ignore();
    let columns = [integer("job_id"), integer("host_id")];
    insert(transaction, verb, "afe_ineligible_host_queues", &columns, &rows).await
}

async fn kills(transaction: &mut Transaction, added: &[KillOrder], removed: &[KillOrder]) -> Result<(), DatabaseError> {
    let row = |kill: &KillOrder| {
        vec![kill.path.to_string().into(), kill.name.as_str().into(), kill.drone.map(|drone| drone.0).into()]
    };
    let rows: Vec<Vec<Value>> = added.iter().map(row).collect();
    let columns = [text("path"), text("pidfile"), integer("drone_id")];
    let verb = transaction.dialect().insert_ignore();
    bulk::insert(transaction, verb, "yardmaster_kills", &columns, &rows).await?;
    for kill in removed {
        let sql = "DELETE FROM yardmaster_kills WHERE path = ? AND pidfile = ?";
        transaction.execute(sql, vec![kill.path.to_string().into(), kill.name.as_str().into()]).await?;
    }
    Ok(())
}

async fn strays(transaction: &mut Transaction, changes: &[StrayChange]) -> Result<(), DatabaseError> {
    let row = |stray: &Stray| -> Vec<Value> {
        vec![stray.path.to_string().into(), stray.name.as_str().into(), stray.drone.0.into()]
    };
    let added = changes.iter().filter_map(|change| match change {
        StrayChange::Add(stray) => Some(row(stray)),
        StrayChange::Forget(_) => None,
    });
    let columns = [text("path"), text("pidfile"), integer("drone_id")];
    let verb = transaction.dialect().insert_ignore();
    bulk::insert(transaction, verb, "yardmaster_strays", &columns, &added.collect::<Vec<_>>()).await?;
    for change in changes {
        if let StrayChange::Forget(stray) = change {
            let sql = "DELETE FROM yardmaster_strays WHERE path = ? AND pidfile = ? AND drone_id = ?";
            transaction.execute(sql, row(stray)).await?;
        }
    }
    Ok(())
}

/// The row in Autotest's table marks the job for everybody; ours says what only schedulers need to know.
async fn hand_offs(transaction: &mut Transaction, changes: &[HandOffChange]) -> Result<(), DatabaseError> {
    const OVER: &str = "UPDATE afe_job_handoffs SET completed = 1 WHERE job_id = ? AND completed = 0";
    for change in changes {
        match change {
            HandOffChange::Begin(HandOff { job, drone, path, over: _ }) => {
                let sql = format!(
                    "REPLACE INTO afe_job_handoffs (job_id, created, completed, drone) \
                     SELECT id, {}, 0, (SELECT hostname FROM afe_drones WHERE id = ?) FROM afe_jobs WHERE id = ?",
                    transaction.dialect().now()
                );
                transaction.execute(&sql, vec![drone.0.into(), job.0.into()]).await?;
                let sql = "REPLACE INTO yardmaster_handoffs (job_id, drone_id, path, number) VALUES (?, ?, ?, 0)";
                transaction.execute(sql, vec![job.0.into(), drone.0.into(), path.to_string().into()]).await?;
            }
            HandOffChange::End(job) => drop(transaction.execute(OVER, vec![job.0.into()]).await?),
            HandOffChange::Forget(job) => {
                transaction.execute(OVER, vec![job.0.into()]).await?;
                let sql = "DELETE FROM yardmaster_handoffs WHERE job_id = ?";
                transaction.execute(sql, vec![job.0.into()]).await?;
            }
        }
    }
    Ok(())
}

/// New special tasks that somebody else is to run: the database numbers them.
pub(super) async fn request_tasks(
    transaction: &mut Transaction,
    updates: &[TaskUpdate],
    system: UserId,
) -> Result<(), DatabaseError> {
    let new = updates.iter().filter_map(|update| match update {
        TaskUpdate::Insert(task) => Some(new_task(task, system).split_off(1)),
        TaskUpdate::Update(_) | TaskUpdate::Delete(_) => None,
    });
    insert(transaction, "INSERT INTO", "afe_special_tasks", &NEW_TASK[1..], &new.collect::<Vec<_>>()).await
}
