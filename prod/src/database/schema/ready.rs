//! Whether a database can be worked with.

use super::migration::{UTC_VERSION, status};
use crate::database::{Database, DatabaseError, Dialect};

/// Why a database cannot be worked with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// Tables are missing.
    #[error("the database lacks tables ({tables}): make them with `yardmaster db migrate`")]
    NotMigrated {
        /// Some of them.
        tables: String,
    },
    /// A SQLite file of an earlier version.
    #[error(
        "the moments in this file are local times, as earlier versions kept them: convert them with `yardmaster db migrate`, \
         in the time zone in which the scheduler has run"
    )]
    LocalTimes,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Makes sure that all tables are there and hold what this version expects.
///
/// # Errors
/// If not.
pub async fn require(database: &Database) -> Result<(), NotReady> {
    let found = status(database).await?;
    let is_utc = || found.applied.iter().any(|(version, _)| *version == UTC_VERSION);
    let missing = &found.missing_tables;
    if missing.is_empty() {
        return if database.dialect() == Dialect::MySql || is_utc() { Ok(()) } else { Err(NotReady::LocalTimes) };
    }
    let more = if missing.len() > 3 { ", …" } else { "" };
    let some: Vec<&str> = missing.iter().take(3).map(String::as_str).collect();
    Err(NotReady::NotMigrated { tables: some.join(", ") + more })
}

/// The name of the lab, which no other one has: an agent's results directory belongs to one lab.
///
/// # Errors
/// If the database was not migrated.
pub async fn lab(database: &Database) -> Result<String, NotReady> {
    let rows = database.query("SELECT name FROM yardmaster_lab", Vec::new()).await?;
    let missing = || NotReady::NotMigrated { tables: "yardmaster_lab has no row".to_owned() };
    Ok(rows.first().ok_or_else(missing)?.get(0)?)
}
