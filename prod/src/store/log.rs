//! The change log, consumed as a queue.

use yardmaster_engine::{HostId, Ineligible, JobId};

use super::wanted::Wanted;
use crate::database::schema::ChangeKind;
use crate::database::{Consumer, Database, DatabaseError, Dialect, Row, Transaction, Value, marks};

/// How many rows of the log one poll takes at most: more wait for the next.
const TAKEN: u32 = 4096;

/// Whether there may be anything in the log: one look into an index.
pub(super) async fn has_news(database: &Database, consumer: Consumer) -> Result<bool, DatabaseError> {
    let sql = "SELECT 1 FROM yardmaster_changes WHERE consumer = ? LIMIT 1";
    Ok(!database.query(sql, vec![consumer.0.into()]).await?.is_empty())
}

/// Takes rows out of the log. Rows of transactions that have not ended are locked and stay for later; where the server
/// cannot skip them, it waits for them.
pub(super) async fn take(
    transaction: &mut Transaction,
    consumer: Consumer,
    can_skip: &mut bool,
    wanted: &mut Wanted,
) -> Result<usize, DatabaseError> {
    let mysql = transaction.dialect() == Dialect::MySql;
    let lock = match (mysql, *can_skip) {
        (true, true) => "FOR UPDATE SKIP LOCKED",
        (true, false) => "FOR UPDATE",
        (false, _) => "",
    };
    let sql = format!(
        "SELECT id, kind, row_id, other_id FROM yardmaster_changes WHERE consumer = ? ORDER BY id LIMIT {TAKEN} {lock}"
    );
    let rows = match transaction.query(&sql, vec![consumer.0.into()]).await {
        // Servers before MariaDB 10.6 and MySQL 8 know no SKIP LOCKED.
        Err(DatabaseError::Other { .. }) if mysql && *can_skip => {
            *can_skip = false;
            transaction.query(&sql.replace(" SKIP LOCKED", ""), vec![consumer.0.into()]).await?
        }
        rows => rows?,
    };
    for row in &rows {
        name(row, wanted)?;
    }
    let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
    delete(transaction, &ids).await?;
    Ok(rows.len())
}

async fn delete(transaction: &mut Transaction, ids: &[i64]) -> Result<(), DatabaseError> {
    for chunk in ids.chunks(1024) {
        let mut values: Vec<Value> = chunk.iter().map(|id| Value::Integer(*id)).collect();
        if let Some(last) = values.last().cloned() {
            values.resize(values.len().next_power_of_two(), last);
        }
        let sql = format!("DELETE FROM yardmaster_changes WHERE id IN ({})", marks(values.len()));
        transaction.execute(&sql, values).await?;
    }
    Ok(())
}

fn name(row: &Row, wanted: &mut Wanted) -> Result<(), DatabaseError> {
    let kind = row.get::<String>(1)?.parse::<ChangeKind>();
    // A row of a newer program's log, or an id that cannot be: the reconciliation sees to it.
    let (Ok(kind), Ok(id)) = (kind, row.get::<u32>(2)) else { return Ok(()) };
    match kind {
        ChangeKind::Host => drop(wanted.hosts.insert(id)),
        ChangeKind::Label => drop(wanted.labels.insert(id)),
        ChangeKind::LabelHosts => drop(wanted.label_hosts.insert(id)),
        ChangeKind::StaticLabel => drop(wanted.static_labels.insert(id)),
        ChangeKind::User => drop(wanted.users.insert(id)),
        ChangeKind::Drone => drop(wanted.drones.insert(id)),
        ChangeKind::DroneSet => drop(wanted.drone_sets.insert(id)),
        ChangeKind::Job => drop(wanted.jobs.insert(id)),
        ChangeKind::Suite => drop(wanted.suites.insert(id)),
        ChangeKind::Entry => drop(wanted.entries.insert(id)),
        ChangeKind::Task => drop(wanted.tasks.insert(id)),
        ChangeKind::Ineligible => {
            if let Ok(host) = row.get::<u32>(3) {
                wanted.ineligible.insert(Ineligible { job: JobId(id), host: HostId(host) });
            }
        }
    }
    Ok(())
}

/// Forgets some of what is in the log, since all of it is about to be read anyway; gives whether there may be more.
pub(super) async fn forget_some(
    database: &Database,
    consumer: Consumer,
    can_skip: &mut bool,
) -> Result<bool, DatabaseError> {
    let mut transaction = database.begin_as(consumer).await?;
    let taken = take(&mut transaction, consumer, can_skip, &mut Wanted::default()).await?;
    transaction.commit().await?;
    Ok(taken == TAKEN as usize)
}

/// Whether triggers work for this account: one is tried, and taken back.
pub(super) async fn triggers_work(database: &Database, consumer: Consumer) -> Result<bool, DatabaseError> {
    let there = "SELECT 1 FROM yardmaster_schema WHERE version = ?";
    let version = crate::database::schema::TRIGGERS_VERSION;
    if database.query(there, vec![version.into()]).await?.is_empty() {
        return Ok(false);
    }
    let mut session = database.begin_snapshot().await?;
    let missing = crate::database::schema::missing_triggers(&mut session).await?;
    session.rollback().await?;
    if !missing.is_empty() {
        let (count, first) = (missing.len(), missing.first());
        tracing::warn!(
            count,
            first,
            "triggers are gone: changes are found by polling until `yardmaster db migrate` was run"
        );
        return Ok(false);
    }
    // No drone has this number.
    const NOBODY: i64 = -1;
    let mut transaction = database.begin().await?;
    let probe = "INSERT INTO yardmaster_drones (drone_id, connection) VALUES (?, ?)";
    transaction.execute(probe, vec![NOBODY.into(), "local".into()]).await?;
    let found = "SELECT 1 FROM yardmaster_changes WHERE consumer = ? AND row_id = ?";
    let works = !transaction.query(found, vec![consumer.0.into(), NOBODY.into()]).await?.is_empty();
    transaction.rollback().await?;
    Ok(works)
}
