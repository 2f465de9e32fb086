//! Terms: who may write. The clock is the database server's.

use yardmaster_engine::Term;

use super::commit::count;
use crate::database::{Consumer, Database, DatabaseError, Transaction};

/// What a scheduler is there for. Each has a term of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TermRole {
    /// The dispatcher, or a scheduler that does everything.
    Dispatcher,
    /// A host scheduler as a process of its own.
    HostScheduler,
}

impl TermRole {
    /// Its word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            TermRole::Dispatcher => "dispatcher",
            TermRole::HostScheduler => "host scheduler",
        }
    }

    /// As whom it reads the change log.
    pub(super) const fn consumer(self) -> Consumer {
        match self {
            TermRole::Dispatcher => Consumer(1),
            TermRole::HostScheduler => Consumer(2),
        }
    }

    const fn other(self) -> TermRole {
        match self {
            TermRole::Dispatcher => TermRole::HostScheduler,
            TermRole::HostScheduler => TermRole::Dispatcher,
        }
    }
}

/// Why no term was begun or kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TermError {
    /// Another scheduler is at work.
    #[error(
        "{holder} is the {role} of this database and was heard of {age} s ago: wait until it stops, or has been silent for {limit} s"
    )]
    Held {
        /// Who.
        holder: String,
        /// As what.
        role: &'static str,
        /// Seconds since it renewed its term.
        age: i64,
        /// How long a term lasts that is not renewed, in seconds.
        limit: u32,
    },
    /// Another scheduler has begun a newer term.
    #[error("term {mine} has ended: another scheduler took over")]
    Ended {
        /// The term that has ended.
        mine: Term,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// A role of which nothing was heard for so long has its change log thrown away, in seconds.
const FORGOTTEN: i64 = 24 * 3600;

/// Standbys that try at the same moment may lock each other out: then one tries again, and finds who was faster.
pub(super) async fn begin(database: &Database, role: TermRole, holder: &str, limit: u32) -> Result<Term, TermError> {
    const ATTEMPTS: u32 = 5;
    for _ in 1..ATTEMPTS {
        match try_begin(database, role, holder, limit).await {
            Err(TermError::Database(error)) if error.is_busy() => {}
            outcome => return outcome,
        }
    }
    try_begin(database, role, holder, limit).await
}

async fn try_begin(database: &Database, role: TermRole, holder: &str, limit: u32) -> Result<Term, TermError> {
    let mut transaction = database.begin().await?;
    let dialect = transaction.dialect();
    let now = dialect.now_seconds();
    // An insertion that finds the row locks it, shared with others that try: it is for the first term alone.
    let known = "SELECT 1 FROM yardmaster_terms WHERE role = ?";
    if transaction.query(known, vec![role.as_str().into()]).await?.is_empty() {
        let first = format!(
            "{} yardmaster_terms (role, term, number, holder, held, renewed_on) VALUES (?, 0, 0, '', 0, 0)",
            dialect.insert_ignore()
        );
        transaction.execute(&first, vec![role.as_str().into()]).await?;
    }
    let sql = format!(
        "SELECT term, holder, held, {now} - renewed_on FROM yardmaster_terms WHERE role = ?{}",
        dialect.for_update()
    );
    let rows = transaction.query(&sql, vec![role.as_str().into()]).await?;
    let mut term = 0;
    if let Some(row) = rows.first() {
        let (holder, held, age): (String, bool, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
        if held && age < i64::from(limit) {
            return Err(TermError::Held { holder, role: role.as_str(), age, limit });
        }
        term = row.get::<u64>(0)?;
    }
    let term = Term(term + 1);
    take(&mut transaction, role, term, holder).await?;
    let register = format!("{} yardmaster_consumers (id, name) VALUES (?, ?)", dialect.insert_ignore());
    transaction.execute(&register, vec![role.consumer().0.into(), role.as_str().into()]).await?;
    forget_other(&mut transaction, role.other()).await?;
    transaction.commit().await?;
    Ok(term)
}

/// Writes down that the term is held, from its first tick.
pub(super) async fn take(
    transaction: &mut Transaction,
    role: TermRole,
    term: Term,
    holder: &str,
) -> Result<(), DatabaseError> {
    let sql = format!(
        "UPDATE yardmaster_terms SET term = ?, number = 0, holder = ?, held = 1, renewed_on = {} WHERE role = ? AND term < ?",
        transaction.dialect().now_seconds()
    );
    let parameters = vec![count(term.0), holder.into(), role.as_str().into(), count(term.0)];
    transaction.execute(&sql, parameters).await.map(drop)
}

/// A host scheduler that is no longer used leaves nobody who reads its log.
async fn forget_other(transaction: &mut Transaction, other: TermRole) -> Result<(), DatabaseError> {
    let sql = format!(
        "SELECT 1 FROM yardmaster_terms WHERE role = ? AND renewed_on > {} - ?",
        transaction.dialect().now_seconds()
    );
    if transaction.query(&sql, vec![other.as_str().into(), FORGOTTEN.into()]).await?.is_empty() {
        let consumer = other.consumer().0;
        transaction.execute("DELETE FROM yardmaster_consumers WHERE id = ?", vec![consumer.into()]).await?;
        transaction.execute("DELETE FROM yardmaster_changes WHERE consumer = ?", vec![consumer.into()]).await?;
    }
    Ok(())
}

pub(super) async fn end_of(database: &Database, role: TermRole, holder: &str) -> Result<(), TermError> {
    let sql = "UPDATE yardmaster_terms SET held = 0 WHERE role = ? AND holder = ?";
    database.execute(sql, vec![role.as_str().into(), holder.into()]).await?;
    Ok(())
}

pub(super) async fn renew(database: &Database, role: TermRole, term: Term) -> Result<(), TermError> {
    let sql = format!(
        "UPDATE yardmaster_terms SET renewed_on = {}, held = 1 WHERE role = ? AND term = ?",
        database.dialect().now_seconds()
    );
    match database.execute(&sql, vec![role.as_str().into(), count(term.0)]).await?.rows {
        0 => Err(TermError::Ended { mine: term }),
        _ => Ok(()),
    }
}

pub(super) async fn release(database: &Database, role: TermRole, term: Term) -> Result<(), TermError> {
    let sql = "UPDATE yardmaster_terms SET held = 0 WHERE role = ? AND term = ?";
    database.execute(sql, vec![role.as_str().into(), count(term.0)]).await?;
    Ok(())
}
