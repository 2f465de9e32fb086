//! Labels: what hosts have and jobs ask for.

use yardmaster_engine::LabelId;

use super::transaction::{new_id, transact};
use super::{FrontendError, Thing, lookup};
use crate::database::{Database, Transaction};

/// Adds a label; one of that name that was deleted comes back.
///
/// # Errors
/// If there is one already, or the name makes no sense.
pub async fn add(database: &Database, name: &str, platform: bool) -> Result<LabelId, FrontendError> {
    if name.trim() != name || name.is_empty() || name.contains([',', '*']) || name.chars().count() > 750 {
        let why =
            format!("{name:?} cannot be a label: it has up to 750 characters, no comma, no * and no blanks around it");
        return Err(FrontendError::Senseless(why));
    }
    transact!(database, |transaction| async {
        lookup::lock_names(transaction).await?;
        add_in(transaction, name, platform).await
    }
    .await)
}

async fn add_in(transaction: &mut Transaction, name: &str, platform: bool) -> Result<LabelId, FrontendError> {
    if lookup::find(transaction, Thing::Label, name).await?.is_some() {
        return Err(FrontendError::Exists { thing: Thing::Label, name: name.to_owned() });
    }
    let sql = "SELECT id FROM afe_labels WHERE name = ?";
    let deleted: Option<u32> =
        transaction.query(sql, vec![name.into()]).await?.first().map(|row| row.get(0)).transpose()?;
    if let Some(id) = deleted {
        let sql = "UPDATE afe_labels SET invalid = 0, platform = ? WHERE id = ?";
        transaction.execute(sql, vec![platform.into(), id.into()]).await?;
        return Ok(LabelId(id));
    }
    let sql = "INSERT INTO afe_labels (name, kernel_config, platform, invalid, only_if_needed) VALUES (?, '', ?, 0, 0)";
    let inserted = transaction.execute(sql, vec![name.into(), platform.into()]).await?;
    new_id(inserted).map(LabelId)
}

/// The ids of these labels, in their order; those that do not exist are added.
///
/// # Errors
/// If a name makes no sense.
pub async fn ensure(database: &Database, names: &[String]) -> Result<Vec<LabelId>, FrontendError> {
    transact!(database, |transaction| async {
        lookup::lock_names(transaction).await?;
        let mut ids = Vec::with_capacity(names.len());
        for name in names {
            ids.push(match lookup::find(transaction, Thing::Label, name).await? {
                Some(id) => LabelId(id),
                None => add_in(transaction, name, false).await?,
            });
        }
        Ok(ids)
    }
    .await)
}

/// Deletes a label: it is marked invalid and taken from all hosts. Jobs that ask for it find no host any more.
///
/// # Errors
/// If it does not exist.
pub async fn delete(database: &Database, name: &str) -> Result<(), FrontendError> {
    transact!(database, |transaction| async {
        let label = lookup::need(transaction, Thing::Label, name).await?;
        transaction.execute("DELETE FROM afe_hosts_labels WHERE label_id = ?", vec![label.into()]).await?;
        transaction.execute("UPDATE afe_labels SET invalid = 1 WHERE id = ?", vec![label.into()]).await?;
        Ok(())
    }
    .await)
}
