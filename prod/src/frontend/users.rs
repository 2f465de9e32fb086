//! Users: who owns jobs, locks hosts and asks for tasks.

use yardmaster_engine::{RebootAfter, RebootBefore, UserId};

use super::acls::EVERYONE;
use super::jobs::code;
use super::transaction::{insert_rows, transact};
use super::{FrontendError, Thing, lookup};
use crate::database::{Database, Value};

/// Adds a user, who belongs to everybody's group from then on.
///
/// # Errors
/// If there is one already, or the login makes no sense.
pub async fn add(database: &Database, login: &str, access_level: u32) -> Result<UserId, FrontendError> {
    // It becomes part of paths and of command lines.
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_@+".contains(c);
    if login.is_empty() || login.len() > 255 || !login.chars().all(fits) || login.starts_with(['.', '-']) {
        let why = format!(
            "{login:?} cannot be a login: it has letters, digits and . - _ @ +, and does not begin with . or -"
        );
        return Err(FrontendError::Senseless(why));
    }
    transact!(database, |transaction| async {
        lookup::lock_names(transaction).await?;
        if lookup::find(transaction, Thing::User, login).await?.is_some() {
            return Err(FrontendError::Exists { thing: Thing::User, name: login.to_owned() });
        }
        let sql = "INSERT INTO afe_users (login, access_level, reboot_before, reboot_after, show_experimental) \
                   VALUES (?, ?, ?, ?, 0)";
        let before = code(RebootBefore::ALL, RebootBefore::IfDirty);
        let after = code(RebootAfter::ALL, RebootAfter::Never);
        let values = vec![login.into(), access_level.into(), before.into(), after.into()];
        transaction.execute(sql, values).await?;
        let user = lookup::user(transaction, login).await?;
        let everyone = lookup::acl_group(transaction, EVERYONE).await?;
        let rows: Vec<Vec<Value>> = vec![vec![everyone.0.into(), user.0.into()]];
        insert_rows(transaction, "afe_acl_groups_users", &["aclgroup_id", "user_id"], rows, true).await?;
        Ok(user)
    }
    .await)
}

/// Binds a user's jobs to a set of drones, or frees them of one.
///
/// # Errors
/// If the user or the set does not exist.
pub async fn set_drone_set(database: &Database, login: &str, set: Option<&str>) -> Result<(), FrontendError> {
    transact!(database, |transaction| async {
        let user = lookup::user(transaction, login).await?;
        let set = lookup::drone_set(transaction, set).await?;
        let values = vec![set.map(|set| set.0).into(), user.0.into()];
        transaction.execute("UPDATE afe_users SET drone_set_id = ? WHERE id = ?", values).await?;
        Ok(())
    }
    .await)
}

/// Removes a user who has left no trace: no jobs, locks, aborts or tasks.
///
/// # Errors
/// If the user does not exist, or has left traces.
pub async fn delete(database: &Database, login: &str) -> Result<(), FrontendError> {
    transact!(database, |transaction| {
        async {
        let user = lookup::user(transaction, login).await?;
        let id = Value::from(user.0);
        for (what, sql, value) in [
            ("owns jobs", "SELECT COUNT(*) FROM afe_jobs WHERE owner = ?", Value::from(login)),
            ("has locked hosts", "SELECT COUNT(*) FROM afe_hosts WHERE locked_by_id = ?", id.clone()),
            ("has asked for special tasks", "SELECT COUNT(*) FROM afe_special_tasks WHERE requested_by_id = ?", id.clone()),
            ("has aborted entries", "SELECT COUNT(*) FROM afe_aborted_host_queue_entries WHERE aborted_by_id = ?", id.clone()),
        ] {
            let rows = transaction.query(sql, vec![value]).await?;
            if rows.first().map(|row| row.get::<i64>(0)).transpose()?.unwrap_or(0) > 0 {
                let why = format!("user {login:?} {what} and stays on record; `yardmaster acl remove-user` takes away what they may use");
                return Err(FrontendError::Senseless(why));
            }
        }
        transaction.execute("DELETE FROM afe_acl_groups_users WHERE user_id = ?", vec![id.clone()]).await?;
        transaction.execute("DELETE FROM afe_users WHERE id = ?", vec![id]).await?;
        Ok(())
    }.await
    })
}
