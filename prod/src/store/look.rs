//! Looking for changes without triggers: what indexes give cheaply. The rest is the reconciliation's.

use std::collections::BTreeMap;

use yardmaster_engine::{HostStatus, LiveRows};

use super::shadow::Shadow;
use super::wanted::Wanted;
use crate::database::{DatabaseError, Row, Transaction};

/// The highest id of an entry that was seen.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Heights {
    entries: u32,
}

impl Heights {
    /// Those of what was loaded.
    pub(super) fn of(rows: &LiveRows) -> Heights {
        Heights { entries: rows.entries.last().map_or(0, |entry| entry.id.0) }
    }
}

/// Ids are given before they become visible: so many below the highest seen are looked at again.
const LATE: u32 = 200;

/// New entries and tasks, aborts, and hosts whose own columns changed.
pub(super) async fn look(
    transaction: &mut Transaction,
    shadow: &Shadow,
    heights: &mut Heights,
) -> Result<Wanted, DatabaseError> {
    let mut wanted = Wanted::default();
    let fresh = "SELECT id FROM afe_host_queue_entries WHERE id > ? AND deleted = 0 AND (complete = 0 OR active = 1)";
    let rows = transaction.query(fresh, vec![heights.entries.saturating_sub(LATE).into()]).await?;
    for id in ids(&rows) {
        heights.entries = heights.entries.max(id);
        if !shadow.entries.contains_key(&id.into()) {
            wanted.entries.insert(id);
        }
    }
    let aborted = "SELECT id FROM afe_host_queue_entries WHERE aborted = 1 AND complete = 0";
    for id in ids(&transaction.query(aborted, Vec::new()).await?) {
        if shadow.entries.get(&id.into()).is_some_and(|entry| !entry.aborted) {
            wanted.entries.insert(id);
        }
    }
    let tasks = "SELECT id, is_active, is_aborted FROM afe_special_tasks WHERE is_active IN (0, 1) AND is_complete = 0";
    for row in transaction.query(tasks, Vec::new()).await? {
        let Ok(id) = row.get::<u32>(0) else { continue };
        let flags = (row.get::<bool>(1).unwrap_or(false), row.get::<bool>(2).unwrap_or(false));
        if shadow.tasks.get(&id.into()).is_none_or(|task| (task.active, task.aborted) != flags) {
            wanted.tasks.insert(id);
        }
    }
    wanted.hosts = hosts(transaction, shadow).await?;
    Ok(wanted)
}

async fn hosts(
    transaction: &mut Transaction,
    shadow: &Shadow,
) -> Result<std::collections::BTreeSet<u32>, DatabaseError> {
    let sql = "SELECT id, status, locked, leased, dirty FROM afe_hosts WHERE invalid = 0";
    let statuses: BTreeMap<&str, HostStatus> =
        HostStatus::ALL.iter().map(|status| (status.as_str(), *status)).collect();
    let mut changed = std::collections::BTreeSet::new();
    for row in transaction.query(sql, Vec::new()).await? {
        let Ok(id) = row.get::<u32>(0) else { continue };
        let flag = |column| row.get::<Option<bool>>(column).ok().flatten();
        let status = row.get::<String>(1).ok();
        let status = status.as_deref().and_then(|word| statuses.get(word).copied());
        let as_known = shadow.hosts.get(&id.into()).is_some_and(|host| {
            Some(host.status) == status
                && Some(host.locked) == flag(2)
                && Some(host.leased) == flag(3)
                && Some(host.dirty) == flag(4)
                && !host.invalid
        });
        if !as_known {
            changed.insert(id);
        }
    }
    Ok(changed)
}

fn ids(rows: &[Row]) -> impl Iterator<Item = u32> {
    rows.iter().filter_map(|row| row.get(0).ok())
}
