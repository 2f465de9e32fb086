//! From the names that people use to the ids that rows have.

use std::collections::BTreeMap;

use yardmaster_engine::{AclGroupId, DroneSetId, HostId, LabelId, UserId};

use super::transaction::CHUNK;
use super::{FrontendError, Thing};
use crate::database::{DatabaseError, Transaction, Value, marks};
use crate::suggestion::nearest;

/// Names looked through for a suggestion; more would take longer than it is worth.
const SUGGESTIONS_MAX: u32 = 20_000;

/// Where the names of a kind of thing are.
struct Names {
    table: &'static str,
    column: &'static str,
    /// Which rows count.
    valid: &'static str,
}

fn names(thing: Thing) -> Names {
    let (table, column, valid) = match thing {
        Thing::Host => ("afe_hosts", "hostname", "invalid = 0"),
        Thing::Label => ("afe_labels", "name", "invalid = 0"),
        Thing::User => ("afe_users", "login", "1 = 1"),
        Thing::AclGroup => ("afe_acl_groups", "name", "1 = 1"),
        Thing::Drone => ("afe_drones", "hostname", "1 = 1"),
        Thing::DroneSet => ("afe_drone_sets", "name", "1 = 1"),
        Thing::Job => ("afe_jobs", "id", "1 = 1"),
        Thing::Entry => ("afe_host_queue_entries", "id", "1 = 1"),
        Thing::Task => ("afe_special_tasks", "id", "1 = 1"),
    };
    Names { table, column, valid }
}

/// The id of the thing of this name, if there is one.
pub(super) async fn find(
    transaction: &mut Transaction,
    thing: Thing,
    name: &str,
) -> Result<Option<u32>, DatabaseError> {
    let Names { table, column, valid } = names(thing);
    let sql = format!("SELECT id FROM {table} WHERE {column} = ? AND {valid} ORDER BY id LIMIT 1");
    transaction.query(&sql, vec![name.into()]).await?.first().map(|row| row.get(0)).transpose()
}

/// The id of the thing of this name.
pub(super) async fn need(transaction: &mut Transaction, thing: Thing, name: &str) -> Result<u32, FrontendError> {
    match find(transaction, thing, name).await? {
        Some(id) => Ok(id),
        None => Err(unknown(transaction, thing, name).await?),
    }
}

/// The ids of the things of these names, in their order.
pub(super) async fn need_all(
    transaction: &mut Transaction,
    thing: Thing,
    wanted: &[String],
) -> Result<Vec<u32>, FrontendError> {
    let Names { table, column, valid } = names(thing);
    let mut known: BTreeMap<String, u32> = BTreeMap::new();
    for chunk in wanted.chunks(CHUNK) {
        let places = marks(chunk.len());
        // The highest id comes last and is overwritten by the lowest, as `find` has it.
        let sql = format!("SELECT {column}, id FROM {table} WHERE {column} IN ({places}) AND {valid} ORDER BY id DESC");
        for row in transaction.query(&sql, chunk.iter().map(Value::from).collect()).await? {
            known.insert(row.get::<String>(0)?, row.get(1)?);
        }
    }
    let mut ids = Vec::with_capacity(wanted.len());
    for name in wanted {
        match known.get(name) {
            Some(id) => ids.push(*id),
            // MySQL finds names without regard to case; what it finds then goes by another spelling.
            None => ids.push(need(transaction, thing, name).await?),
        }
    }
    Ok(ids)
}

async fn unknown(transaction: &mut Transaction, thing: Thing, name: &str) -> Result<FrontendError, DatabaseError> {
    let Names { table, column, valid } = names(thing);
    let suggestion = match thing {
        Thing::Host | Thing::Label | Thing::User | Thing::AclGroup | Thing::Drone | Thing::DroneSet => {
            let sql = format!("SELECT {column} FROM {table} WHERE {valid} ORDER BY id LIMIT {SUGGESTIONS_MAX}");
            let rows = transaction.query(&sql, Vec::new()).await?;
            let known = rows.iter().filter_map(|row| row.get::<String>(0).ok()).collect::<Vec<_>>();
            nearest(name, known.iter().map(String::as_str)).map(str::to_owned)
        }
        Thing::Job | Thing::Entry | Thing::Task => None,
    };
    Ok(FrontendError::Unknown { thing, name: name.to_owned(), suggestion })
}

/// A user by login.
pub(super) async fn user(transaction: &mut Transaction, login: &str) -> Result<UserId, FrontendError> {
    need(transaction, Thing::User, login).await.map(UserId)
}

/// A login as its row spells it: MySQL finds a user whatever the case, and what is kept as text has to name the row.
pub(super) async fn login(transaction: &mut Transaction, login: &str) -> Result<String, FrontendError> {
    let sql = "SELECT login FROM afe_users WHERE login = ? ORDER BY id LIMIT 1";
    match transaction.query(sql, vec![login.into()]).await?.first() {
        Some(row) => Ok(row.get(0)?),
        None => Err(unknown(transaction, Thing::User, login).await?),
    }
}

/// Hosts by name, in the order of the names.
pub(super) async fn hosts(transaction: &mut Transaction, names: &[String]) -> Result<Vec<HostId>, FrontendError> {
    Ok(need_all(transaction, Thing::Host, names).await?.into_iter().map(HostId).collect())
}

/// Labels by name, in the order of the names.
pub(super) async fn labels(transaction: &mut Transaction, names: &[String]) -> Result<Vec<LabelId>, FrontendError> {
    Ok(need_all(transaction, Thing::Label, names).await?.into_iter().map(LabelId).collect())
}

/// An ACL group by name.
pub(super) async fn acl_group(transaction: &mut Transaction, name: &str) -> Result<AclGroupId, FrontendError> {
    need(transaction, Thing::AclGroup, name).await.map(AclGroupId)
}

/// Makes others who would change rows after the same look wait until this transaction ends: what is not there cannot be
/// locked, so that two could both find a name free. Everybody who adds things by name takes this lock first.
pub(super) async fn lock_names(transaction: &mut Transaction) -> Result<(), FrontendError> {
    let sql = format!("SELECT id FROM afe_acl_groups WHERE name = ?{}", transaction.dialect().for_update());
    transaction.query(&sql, vec![super::acls::EVERYONE.into()]).await?;
    Ok(())
}

/// A drone set by name, if one is named.
pub(super) async fn drone_set(
    transaction: &mut Transaction,
    name: Option<&str>,
) -> Result<Option<DroneSetId>, FrontendError> {
    match name {
        Some(name) => need(transaction, Thing::DroneSet, name).await.map(|id| Some(DroneSetId(id))),
        None => Ok(None),
    }
}
