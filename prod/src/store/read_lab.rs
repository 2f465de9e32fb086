//! Reading what a lab consists of: labels, users, drones, hosts.

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;
use yardmaster_engine::{
    AclGroupId, Drone, DroneId, DroneSet, DroneSetId, Host, HostId, Label, LabelId, Protection, ShardId, User, UserId,
};

use super::quarantine::Quarantine;
use super::read::{Columns, Which, by_ids, pairs};
use crate::database::{DatabaseError, Dialect, Row, Transaction};

/// Logins and whose they are.
pub(super) type Logins = BTreeMap<Arc<str>, UserId>;

/// Whose login a text is. MySQL compares texts without regard to case, and so does everybody there who looks an owner up.
pub(super) fn whose(text: &str, logins: &Logins, dialect: Dialect) -> Option<UserId> {
    let same = |(login, _): &(&Arc<str>, &UserId)| match dialect {
        Dialect::MySql => login.eq_ignore_ascii_case(text),
        Dialect::Sqlite => false,
    };
    logins.get(text).or_else(|| logins.iter().find(same).map(|(_, user)| user)).copied()
}

/// Rows read one by one: good ones are kept, others set aside.
pub(crate) fn keep<T>(
    rows: &[Row],
    table: &'static str,
    quarantine: &mut Quarantine,
    mut read: impl FnMut(&Columns<'_>, u32) -> Result<T, String>,
) -> Vec<T> {
    let mut kept = Vec::with_capacity(rows.len());
    for row in rows {
        let columns = Columns(row);
        let outcome = columns.get::<u32>(0, "id").and_then(|id| Ok((id, read(&columns, id)?)));
        match outcome {
            Ok((id, value)) => {
                quarantine.mended(table, id);
                kept.push(value);
            }
            Err(why) => quarantine.put(table, columns.get(0, "id").unwrap_or(-1), why),
        }
    }
    kept
}

/// Second ids by first id, ascending, each once.
pub(crate) fn grouped<I: From<u32> + Ord>(mut pairs: Vec<(u32, u32)>) -> BTreeMap<u32, Vec<I>> {
    pairs.sort_unstable();
    pairs.dedup();
    let mut groups: BTreeMap<u32, Vec<I>> = BTreeMap::new();
    for (first, second) in pairs {
        groups.entry(first).or_default().push(second.into());
    }
    groups
}

async fn select(
    transaction: &mut Transaction,
    sql: &str,
    which: Which<'_>,
    column: &str,
    all: &str,
) -> Result<Vec<Row>, DatabaseError> {
    match which {
        Which::All => transaction.query(&format!("{sql} WHERE {all} ORDER BY {column}"), Vec::new()).await,
        Which::Ids(ids) => by_ids(transaction, &format!("{sql} WHERE"), column, ids, "").await,
    }
}

pub(super) async fn labels(
    transaction: &mut Transaction,
    which: Which<'_>,
    quarantine: &mut Quarantine,
) -> Result<Vec<Label>, DatabaseError> {
    let sql = "SELECT l.id, l.name, l.platform, l.invalid, s.shard_id FROM afe_labels l \
               LEFT JOIN afe_shards_labels s ON s.label_id = l.id";
    let rows = select(transaction, sql, which, "l.id", "1 = 1").await?;
    Ok(keep(&rows, "afe_labels", quarantine, |row, id| {
        Ok(Label {
            id: LabelId(id),
            name: row.get::<String>(1, "name")?.into(),
            platform: row.flag(2, "platform", false)?,
            invalid: row.flag(3, "invalid", false)?,
            shard: row.get::<Option<u32>>(4, "shard_id")?.map(ShardId),
        })
    }))
}

pub(super) async fn users(
    transaction: &mut Transaction,
    which: Which<'_>,
    quarantine: &mut Quarantine,
) -> Result<Vec<User>, DatabaseError> {
    let rows = select(transaction, "SELECT id, login, drone_set_id FROM afe_users", which, "id", "1 = 1").await?;
    let acls = "SELECT user_id, aclgroup_id FROM afe_acl_groups_users WHERE";
    let mut acls = grouped::<AclGroupId>(pairs(transaction, acls, "user_id", which).await?);
    Ok(keep(&rows, "afe_users", quarantine, |row, id| {
        Ok(User {
            id: UserId(id),
            login: row.get::<String>(1, "login")?.into(),
            acls: SmallVec::from_vec(acls.remove(&id).unwrap_or_default()),
            drone_set: row.get::<Option<u32>>(2, "drone_set_id")?.map(DroneSetId),
        })
    }))
}

/// What is wrong with rows of ours beside drones.
const DRONE_ROWS: &str = "yardmaster_drones";

/// A drone that has no row of ours is enabled and has the usual room. One whose row makes no sense is disabled, and not left
/// out: recovery must ask every drone for what runs there.
pub(super) async fn drones(
    transaction: &mut Transaction,
    which: Which<'_>,
    logins: &Logins,
    usual_room: u32,
    quarantine: &mut Quarantine,
) -> Result<Vec<Drone>, DatabaseError> {
    let sql = "SELECT d.id, d.hostname, y.enabled, y.max_processes, y.users FROM afe_drones d \
               LEFT JOIN yardmaster_drones y ON y.drone_id = d.id";
    let rows = select(transaction, sql, which, "d.id", "1 = 1").await?;
    let (mut wrong, dialect) = (Vec::new(), transaction.dialect());
    let drones = keep(&rows, "afe_drones", quarantine, |row, id| {
        let name = row.get::<String>(1, "hostname")?.into();
        let limits = || {
            let users: Option<String> = row.get(4, "users")?;
            let users = allowed_users(users.as_deref().unwrap_or(""), logins, dialect)?;
            let room = row.get::<Option<u32>>(3, "max_processes")?.unwrap_or(usual_room);
            Ok((row.flag(2, "enabled", true)?, room, users))
        };
        let limits: Result<_, String> = limits();
        wrong.push((id, limits.as_ref().err().cloned()));
        let (enabled, max_processes, users) = limits.unwrap_or((false, 0, Vec::new()));
        Ok(Drone { id: DroneId(id), name, enabled, max_processes, users })
    });
    for (id, why) in wrong {
        match why {
            Some(why) => quarantine.put(DRONE_ROWS, i64::from(id), format!("{why}; the drone counts as disabled")),
            None => quarantine.mended(DRONE_ROWS, id),
        }
    }
    Ok(drones)
}

/// Drones as Autotest's own table has them: enabled, with the usual room, and everybody's.
pub(super) async fn plain_drones(
    transaction: &mut Transaction,
    usual_room: u32,
    quarantine: &mut Quarantine,
) -> Result<Vec<Drone>, DatabaseError> {
    let rows = transaction.query("SELECT id, hostname FROM afe_drones ORDER BY id", Vec::new()).await?;
    Ok(keep(&rows, "afe_drones", quarantine, |row, id| {
        let name = row.get::<String>(1, "hostname")?.into();
        Ok(Drone { id: DroneId(id), name, enabled: true, max_processes: usual_room, users: Vec::new() })
    }))
}

/// Nobody is left out by mistake: a drone whose only user is unknown would else be everybody's.
fn allowed_users(text: &str, logins: &Logins, dialect: Dialect) -> Result<Vec<UserId>, String> {
    let words = text.split([',', ' ', '\n']).filter(|word| !word.is_empty());
    let mut users: Vec<UserId> = words
        .map(|login| {
            whose(login, logins, dialect).ok_or_else(|| format!("users names {login:?}, who has no row in afe_users"))
        })
        .collect::<Result<_, _>>()?;
    users.sort_unstable();
    users.dedup();
    Ok(users)
}

pub(super) async fn drone_sets(
    transaction: &mut Transaction,
    which: Which<'_>,
    quarantine: &mut Quarantine,
) -> Result<Vec<DroneSet>, DatabaseError> {
    let rows = select(transaction, "SELECT id, name FROM afe_drone_sets", which, "id", "1 = 1").await?;
    let members = "SELECT droneset_id, drone_id FROM afe_drone_sets_drones WHERE";
    let members = grouped::<DroneId>(pairs(transaction, members, "droneset_id", which).await?);
    Ok(keep(&rows, "afe_drone_sets", quarantine, |row, id| {
        let drones = members.get(&id).cloned().unwrap_or_default();
        Ok(DroneSet { id: DroneSetId(id), name: row.get::<String>(1, "name")?.into(), drones })
    }))
}

/// All valid hosts, or those of these ids.
pub(crate) async fn hosts(
    transaction: &mut Transaction,
    which: Which<'_>,
    quarantine: &mut Quarantine,
) -> Result<Vec<Host>, DatabaseError> {
    let sql = "SELECT id, hostname, status, locked, leased, invalid, dirty, protection, shard_id FROM afe_hosts";
    let rows = select(transaction, sql, which, "id", "COALESCE(invalid, 0) = 0").await?;
    let mut labels = host_labels(transaction, which).await?;
    let acls = "SELECT host_id, aclgroup_id FROM afe_acl_groups_hosts WHERE";
    let mut acls = grouped::<AclGroupId>(pairs(transaction, acls, "host_id", which).await?);
    Ok(keep(&rows, "afe_hosts", quarantine, |row, id| {
        Ok(Host {
            id: HostId(id),
            name: row.get::<String>(1, "hostname")?.into(),
            status: row.word(2, "status")?,
            locked: row.flag(3, "locked", false)?,
            leased: row.flag(4, "leased", true)?,
            invalid: row.flag(5, "invalid", false)?,
            dirty: row.flag(6, "dirty", false)?,
            protection: row.level(7, "protection", Protection::ALL)?,
            labels: SmallVec::from_vec(labels.remove(&id).unwrap_or_default()),
            acls: SmallVec::from_vec(acls.remove(&id).unwrap_or_default()),
            shard: row.get::<Option<u32>>(8, "shard_id")?.map(ShardId),
        })
    }))
}

/// A host's labels: those that no static label of the same name replaces, and its static ones under their usual ids.
pub(crate) async fn host_labels(
    transaction: &mut Transaction,
    which: Which<'_>,
) -> Result<BTreeMap<u32, Vec<LabelId>>, DatabaseError> {
    let plain = "SELECT host_id, label_id FROM afe_hosts_labels WHERE \
                 label_id NOT IN (SELECT label_id FROM afe_replaced_labels WHERE label_id IS NOT NULL) AND";
    let fixed = "SELECT h.host_id, l.id FROM afe_static_hosts_labels h \
                 JOIN afe_static_labels s ON s.id = h.staticlabel_id JOIN afe_labels l ON l.name = s.name WHERE";
    let mut all = pairs(transaction, plain, "host_id", which).await?;
    all.extend(pairs(transaction, fixed, "h.host_id", which).await?);
    Ok(grouped(all))
}

/// The hosts of labels, and of static labels.
pub(super) async fn hosts_of_labels(
    transaction: &mut Transaction,
    labels: &[u32],
    static_labels: &[u32],
) -> Result<Vec<u32>, DatabaseError> {
    let plain = "SELECT label_id, host_id FROM afe_hosts_labels WHERE";
    let fixed = "SELECT staticlabel_id, host_id FROM afe_static_hosts_labels WHERE";
    let mut found = pairs(transaction, plain, "label_id", Which::Ids(labels)).await?;
    found.extend(pairs(transaction, fixed, "staticlabel_id", Which::Ids(static_labels)).await?);
    Ok(found.into_iter().map(|(_, host)| host).collect())
}
