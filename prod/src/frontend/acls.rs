//! ACL groups: which users may use which hosts.

use yardmaster_engine::{AclGroupId, HostId};

use super::transaction::{CHUNK, insert_rows, transact};
use super::{FrontendError, Thing, lookup};
use crate::database::{Database, Transaction, Value, marks};

/// The group of all users, and of all hosts that belong to no other.
pub const EVERYONE: &str = "Everyone";

/// Adds a group without members.
///
/// # Errors
/// If there is one already.
pub async fn add(database: &Database, name: &str, description: &str) -> Result<AclGroupId, FrontendError> {
    if name.trim().is_empty() {
        return Err(FrontendError::Senseless("an ACL group needs a name".to_owned()));
    }
    transact!(database, |transaction| async {
        lookup::lock_names(transaction).await?;
        if lookup::find(transaction, Thing::AclGroup, name).await?.is_some() {
            return Err(FrontendError::Exists { thing: Thing::AclGroup, name: name.to_owned() });
        }
        let sql = "INSERT INTO afe_acl_groups (name, description) VALUES (?, ?)";
        transaction.execute(sql, vec![name.into(), description.into()]).await?;
        lookup::acl_group(transaction, name).await
    }
    .await)
}

/// Deletes a group. Hosts that belong to no other are for everybody then.
///
/// # Errors
/// If it does not exist, or is the one of everybody.
pub async fn delete(database: &Database, name: &str) -> Result<(), FrontendError> {
    refuse_everyone(name, "be deleted")?;
    transact!(database, |transaction| async {
        let group = lookup::acl_group(transaction, name).await?;
        let sql = "SELECT host_id FROM afe_acl_groups_hosts WHERE aclgroup_id = ? AND host_id IS NOT NULL";
        let rows = transaction.query(sql, vec![group.0.into()]).await?;
        let hosts = rows.iter().map(|row| row.get(0).map(HostId)).collect::<Result<Vec<_>, _>>()?;
        for sql in [
            "DELETE FROM afe_acl_groups_hosts WHERE aclgroup_id = ?",
            "DELETE FROM afe_acl_groups_users WHERE aclgroup_id = ?",
            "DELETE FROM afe_acl_groups WHERE id = ?",
        ] {
            transaction.execute(sql, vec![group.0.into()]).await?;
        }
        tidy_everyone(transaction, &hosts).await
    }
    .await)
}

/// Adds users to a group.
///
/// # Errors
/// If the group or a user does not exist.
pub async fn add_users(database: &Database, group: &str, logins: &[String]) -> Result<(), FrontendError> {
    transact!(database, |transaction| async {
        let group = lookup::acl_group(transaction, group).await?;
        let users = lookup::need_all(transaction, Thing::User, logins).await?;
        let rows = users.into_iter().map(|user| vec![group.0.into(), user.into()]).collect();
        insert_rows(transaction, "afe_acl_groups_users", &["aclgroup_id", "user_id"], rows, true).await
    }
    .await)
}

/// Removes users from a group.
///
/// # Errors
/// If the group or a user does not exist, or the group is the one of everybody.
pub async fn remove_users(database: &Database, group: &str, logins: &[String]) -> Result<(), FrontendError> {
    refuse_everyone(group, "lose users")?;
    transact!(database, |transaction| async {
        let group = lookup::acl_group(transaction, group).await?;
        for user in lookup::need_all(transaction, Thing::User, logins).await? {
            let sql = "DELETE FROM afe_acl_groups_users WHERE aclgroup_id = ? AND user_id = ?";
            transaction.execute(sql, vec![group.0.into(), user.into()]).await?;
        }
        Ok(())
    }
    .await)
}

/// Adds hosts to a group. In any group but that of everybody, they are for its users alone.
///
/// # Errors
/// If the group or a host does not exist.
pub async fn add_hosts(database: &Database, group: &str, names: &[String]) -> Result<(), FrontendError> {
    transact!(database, |transaction| async {
        let group = lookup::acl_group(transaction, group).await?;
        let hosts = lookup::hosts(transaction, names).await?;
        let rows = hosts.iter().map(|host| vec![group.0.into(), host.0.into()]).collect();
        insert_rows(transaction, "afe_acl_groups_hosts", &["aclgroup_id", "host_id"], rows, true).await?;
        tidy_everyone(transaction, &hosts).await
    }
    .await)
}

/// Removes hosts from a group. Hosts that belong to no other are for everybody then.
///
/// # Errors
/// If the group or a host does not exist.
pub async fn remove_hosts(database: &Database, group: &str, names: &[String]) -> Result<(), FrontendError> {
    refuse_everyone(group, "lose hosts: add them to another group instead")?;
    transact!(database, |transaction| async {
        let group = lookup::acl_group(transaction, group).await?;
        let hosts = lookup::hosts(transaction, names).await?;
        for chunk in hosts.chunks(CHUNK) {
            let places = marks(chunk.len());
            let sql = format!("DELETE FROM afe_acl_groups_hosts WHERE aclgroup_id = ? AND host_id IN ({places})");
            let ids = chunk.iter().map(|host| Value::from(host.0));
            transaction.execute(&sql, std::iter::once(group.0.into()).chain(ids).collect()).await?;
        }
        tidy_everyone(transaction, &hosts).await
    }
    .await)
}

fn refuse_everyone(name: &str, what: &str) -> Result<(), FrontendError> {
    if name == EVERYONE {
        return Err(FrontendError::Senseless(format!("the ACL group {EVERYONE:?} cannot {what}")));
    }
    Ok(())
}

/// Hosts in no other group belong to that of everybody, and no others do: as Autotest has it.
pub(super) async fn tidy_everyone(transaction: &mut Transaction, hosts: &[HostId]) -> Result<(), FrontendError> {
    let everyone = lookup::acl_group(transaction, EVERYONE).await?;
    let sql = "SELECT COUNT(*) FROM afe_acl_groups_hosts WHERE host_id = ? AND aclgroup_id <> ?";
    for host in hosts {
        let rows = transaction.query(sql, vec![host.0.into(), everyone.0.into()]).await?;
        let others: i64 = rows.first().map(|row| row.get(0)).transpose()?.unwrap_or(0);
        let row: Vec<Value> = vec![everyone.0.into(), host.0.into()];
        if others > 0 {
            let sql = "DELETE FROM afe_acl_groups_hosts WHERE aclgroup_id = ? AND host_id = ?";
            transaction.execute(sql, row).await?;
        } else {
            let columns = ["aclgroup_id", "host_id"];
            insert_rows(transaction, "afe_acl_groups_hosts", &columns, vec![row], true).await?;
        }
    }
    Ok(())
}
