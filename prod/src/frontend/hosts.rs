//! What people do with hosts.

use yardmaster_engine::{HostId, HostStatus, Protection};

use super::jobs::code;
use super::transaction::{CHUNK, insert_rows, new_id, transact};
use super::{FrontendError, Thing, acls, lookup};
use crate::database::{Database, Transaction, Value, marks};

/// Hosts that are to be added to a lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHosts {
    /// Their hostnames.
    pub names: Vec<String>,
    /// Labels that all of them get.
    pub labels: Vec<String>,
    /// ACL groups that may use them; without any, everybody may.
    pub acl_groups: Vec<String>,
    /// What may be done to them.
    pub protection: Protection,
}

impl NewHosts {
    /// Hosts without labels, for everybody.
    pub fn new(names: Vec<String>) -> NewHosts {
        NewHosts { names, labels: Vec::new(), acl_groups: Vec::new(), protection: Protection::None }
    }
}

/// Adds hosts: Ready, dirty, unlocked; leased, so that the scheduler's next release frees them. A host of that name that was
/// deleted comes back. Returns their ids, in the order of the names.
///
/// # Errors
/// If a host is there already, a name makes no sense, or a label or group does not exist; then none is added.
pub async fn add(database: &Database, new: &NewHosts) -> Result<Vec<HostId>, FrontendError> {
    transact!(database, |transaction| async {
        lookup::lock_names(transaction).await?;
        let mut hosts = Vec::with_capacity(new.names.len());
        for name in &new.names {
            hosts.push(add_one(transaction, name, new.protection).await?);
        }
        attach(transaction, &hosts, &new.labels).await?;
        for group in &new.acl_groups {
            let group = lookup::acl_group(transaction, group).await?;
            let rows = hosts.iter().map(|host| vec![group.0.into(), host.0.into()]).collect();
            insert_rows(transaction, "afe_acl_groups_hosts", &["aclgroup_id", "host_id"], rows, true).await?;
        }
        acls::tidy_everyone(transaction, &hosts).await?;
        Ok(hosts)
    }
    .await)
}

async fn add_one(transaction: &mut Transaction, name: &str, protection: Protection) -> Result<HostId, FrontendError> {
    // It becomes part of paths and of command lines.
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    if name.is_empty() || name.len() > 255 || !name.chars().all(fits) || name.starts_with(['.', '-']) {
        let why = format!(
            "{name:?} cannot be a hostname: it has letters, digits and . - _ : and begins with none but the first two or _"
        );
        return Err(FrontendError::Senseless(why));
    }
    if lookup::find(transaction, Thing::Host, name).await?.is_some() {
        return Err(FrontendError::Exists { thing: Thing::Host, name: name.to_owned() });
    }
    let protection = code(Protection::ALL, protection);
    let sql = "SELECT id FROM afe_hosts WHERE hostname = ? AND invalid <> 0 ORDER BY id LIMIT 1";
    let deleted: Option<u32> =
        transaction.query(sql, vec![name.into()]).await?.first().map(|row| row.get(0)).transpose()?;
    let values = vec![HostStatus::Ready.as_str().into(), protection.into()];
    if let Some(id) = deleted {
        let sql = "UPDATE afe_hosts SET invalid = 0, locked = 0, locked_by_id = NULL, lock_time = NULL, lock_reason = '', \
                   status = ?, protection = ?, dirty = 1, leased = 1, shard_id = NULL WHERE id = ?";
        transaction.execute(sql, [values, vec![id.into()]].concat()).await?;
        return Ok(HostId(id));
    }
    let sql = "INSERT INTO afe_hosts (hostname, status, protection, locked, invalid, dirty, leased, lock_reason) \
               VALUES (?, ?, ?, 0, 0, 1, 1, '')";
    let inserted = transaction.execute(sql, [vec![name.into()], values].concat()).await?;
    new_id(inserted).map(HostId)
}

/// Gives labels to hosts. A host has at most one platform.
async fn attach(transaction: &mut Transaction, hosts: &[HostId], labels: &[String]) -> Result<(), FrontendError> {
    for (label, name) in lookup::labels(transaction, labels).await?.iter().zip(labels) {
        let rows = hosts.iter().map(|host| vec![label.0.into(), host.0.into()]).collect();
        insert_rows(transaction, "afe_hosts_labels", &["label_id", "host_id"], rows, true).await?;
        refuse_second_platform(transaction, hosts, label.0, name).await?;
    }
    Ok(())
}

async fn refuse_second_platform(
    transaction: &mut Transaction,
    hosts: &[HostId],
    label: u32,
    name: &str,
) -> Result<(), FrontendError> {
    let sql = "SELECT platform FROM afe_labels WHERE id = ?";
    let platform = transaction.query(sql, vec![label.into()]).await?.first().map(|row| row.get(0)).transpose()?;
    if platform != Some(Some(true)) {
        return Ok(());
    }
    for chunk in hosts.chunks(CHUNK) {
        let sql = format!(
            "SELECT h.hostname, l.name FROM afe_hosts_labels hl JOIN afe_labels l ON l.id = hl.label_id \
             JOIN afe_hosts h ON h.id = hl.host_id \
             WHERE l.platform = 1 AND l.invalid = 0 AND l.id <> ? AND hl.host_id IN ({}) ORDER BY h.id LIMIT 1",
            marks(chunk.len())
        );
        let parameters = std::iter::once(label.into()).chain(ids(chunk)).collect();
        if let Some(row) = transaction.query(&sql, parameters).await?.first() {
            let (host, other): (String, String) = (row.get(0)?, row.get(1)?);
            let why = format!(
                "host {host:?} is of platform {other:?} and cannot be of platform {name:?} as well: \
                 `yardmaster host label {host} --remove {other}` takes the first away"
            );
            return Err(FrontendError::Senseless(why));
        }
    }
    Ok(())
}

fn ids(hosts: &[HostId]) -> impl Iterator<Item = Value> {
    hosts.iter().map(|host| host.0.into())
}

/// Adds and removes labels of hosts.
///
/// # Errors
/// If a host or label does not exist, or a host would be of two platforms; then nothing changes.
pub async fn label(
    database: &Database,
    names: &[String],
    add: &[String],
    remove: &[String],
) -> Result<(), FrontendError> {
    transact!(database, |transaction| async {
        let hosts = lookup::hosts(transaction, names).await?;
        for label in lookup::labels(transaction, remove).await? {
            for chunk in hosts.chunks(CHUNK) {
                let sql =
                    format!("DELETE FROM afe_hosts_labels WHERE label_id = ? AND host_id IN ({})", marks(chunk.len()));
                transaction.execute(&sql, std::iter::once(label.0.into()).chain(ids(chunk)).collect()).await?;
            }
        }
        attach(transaction, &hosts, add).await
    }
    .await)
}

/// Keeps hosts from the scheduler: what runs there goes on, nothing new begins. They count as dirty from now on, since
/// whoever locks a host may use it by hand.
///
/// # Errors
/// If a host or the user does not exist, or a host is locked already; then none is locked.
pub async fn lock(database: &Database, names: &[String], login: &str, reason: &str) -> Result<(), FrontendError> {
    if reason.trim().is_empty() {
        return Err(FrontendError::Senseless("a lock needs a reason: others will want to know".to_owned()));
    }
    transact!(database, |transaction| async {
        let user = lookup::user(transaction, login).await?;
        let hosts = lookup::hosts(transaction, names).await?;
        let now = transaction.dialect().now();
        let update = format!(
            "UPDATE afe_hosts SET locked = 1, dirty = 1, locked_by_id = ?, lock_reason = ?, lock_time = {now} \
             WHERE id = ? AND locked = 0"
        );
        for (host, name) in hosts.iter().zip(names) {
            let values = vec![user.0.into(), reason.into(), host.0.into()];
            if transaction.execute(&update, values).await?.rows == 0 {
                return Err(already_locked(transaction, *host, name).await?);
            }
        }
        Ok(())
    }
    .await)
}

async fn already_locked(
    transaction: &mut Transaction,
    host: HostId,
    name: &str,
) -> Result<FrontendError, FrontendError> {
    let sql = "SELECT u.login, h.lock_reason FROM afe_hosts h LEFT JOIN afe_users u ON u.id = h.locked_by_id \
               WHERE h.id = ?";
    let rows = transaction.query(sql, vec![host.0.into()]).await?;
    let text = |column| rows.first().and_then(|row| row.get::<Option<String>>(column).ok().flatten());
    let (login, reason) = (text(0).unwrap_or_else(|| "somebody".to_owned()), text(1).unwrap_or_default());
    let why =
        format!("host {name:?} is locked already, by {login}: {reason:?}; ask, or `yardmaster host unlock {name}`");
    Ok(FrontendError::Senseless(why))
}

/// Gives hosts back to the scheduler. Those that are not locked stay as they are.
///
/// # Errors
/// If a host does not exist; then none is unlocked.
pub async fn unlock(database: &Database, names: &[String]) -> Result<(), FrontendError> {
    let set = "locked = 0, locked_by_id = NULL, lock_time = NULL, lock_reason = ''";
    update(database, names, set, Vec::new()).await
}

/// Says how far the scheduler may go in repairing hosts.
///
/// # Errors
/// If a host does not exist; then none changes.
pub async fn protect(database: &Database, names: &[String], protection: Protection) -> Result<(), FrontendError> {
    update(database, names, "protection = ?", vec![code(Protection::ALL, protection).into()]).await
}

async fn update(database: &Database, names: &[String], set: &str, values: Vec<Value>) -> Result<(), FrontendError> {
    transact!(database, |transaction| async {
        for chunk in lookup::hosts(transaction, names).await?.chunks(CHUNK) {
            let sql = format!("UPDATE afe_hosts SET {set} WHERE id IN ({})", marks(chunk.len()));
            transaction.execute(&sql, values.iter().cloned().chain(ids(chunk)).collect()).await?;
        }
        Ok(())
    }
    .await)
}

/// Deletes hosts: they are marked invalid and lose their labels and groups; what ran there stays on record. What runs there
/// now goes on to its end.
///
/// # Errors
/// If a host does not exist; then none is deleted.
pub async fn delete(database: &Database, names: &[String]) -> Result<(), FrontendError> {
    transact!(database, |transaction| async {
        for chunk in lookup::hosts(transaction, names).await?.chunks(CHUNK) {
            let places = marks(chunk.len());
            for sql in [
                format!("DELETE FROM afe_hosts_labels WHERE host_id IN ({places})"),
                format!("DELETE FROM afe_acl_groups_hosts WHERE host_id IN ({places})"),
                format!("UPDATE afe_hosts SET invalid = 1 WHERE id IN ({places})"),
            ] {
                transaction.execute(&sql, ids(chunk).collect()).await?;
            }
        }
        Ok(())
    }
    .await)
}
