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
        "{holder} is the {role} of this database and was heard of {age} s ago: wait until it stops, or has been silent for {limit} s{}",
        rivalry(.role)
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

/// The host scheduler's term is held by whoever gives out hosts.
fn rivalry(role: &str) -> &'static str {
    if role == TermRole::HostScheduler.as_str() {
        ". A dispatcher whose file says scheduler.inline_host_acquisition = true gives out hosts itself and holds this term, \
         too: beside a host scheduler both files must say false"
    } else {
        ""
    }
}

/// What a scheduler holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// The term of its role, which guards its commits.
    pub(super) term: Term,
    /// That of the host scheduler's, if it gives out hosts in its place.
    pub(super) hosts: Option<Term>,
    /// Who it is.
    pub(super) holder: String,
}

impl Held {
    /// The roles that it fills, with their terms.
    fn terms(&self, role: TermRole) -> impl Iterator<Item = (TermRole, Term)> {
        std::iter::once((role, self.term)).chain(self.hosts.map(|term| (TermRole::HostScheduler, term)))
    }
}

/// A role of which nothing was heard for so long has its change log thrown away, in seconds.
const FORGOTTEN: i64 = 24 * 3600;

/// Standbys that try at the same moment may lock each other out: then one tries again, and finds who was faster.
pub(super) async fn begin(
    database: &Database,
    role: TermRole,
    gives_hosts: bool,
    holder: &str,
    limit: u32,
) -> Result<Held, TermError> {
    const ATTEMPTS: u32 = 5;
    for _ in 1..ATTEMPTS {
        match try_begin(database, role, gives_hosts, holder, limit).await {
            Err(TermError::Database(error)) if error.is_busy() => {}
            outcome => return outcome,
        }
    }
    try_begin(database, role, gives_hosts, holder, limit).await
}

async fn try_begin(
    database: &Database,
    role: TermRole,
    gives_hosts: bool,
    holder: &str,
    limit: u32,
) -> Result<Held, TermError> {
    let mut transaction = database.begin().await?;
    let term = next_term(&mut transaction, role, limit).await?;
    let hosts = match gives_hosts && role != TermRole::HostScheduler {
        true => Some(next_term(&mut transaction, TermRole::HostScheduler, limit).await?),
        false => None,
    };
    let held = Held { term, hosts, holder: holder.to_owned() };
    for (role, term) in held.terms(role) {
        take(&mut transaction, role, term, holder).await?;
    }
    register(&mut transaction, role).await?;
    // Nobody reads the log of a host scheduler that there must not be.
    if hosts.is_some() {
        forget(&mut transaction, TermRole::HostScheduler).await?;
    }
    forget_silent(&mut transaction, role.other()).await?;
    transaction.commit().await?;
    Ok(held)
}

/// The changes of others are logged for this role from now on.
pub(super) async fn register(transaction: &mut Transaction, role: TermRole) -> Result<(), DatabaseError> {
    let sql = format!("{} yardmaster_consumers (id, name) VALUES (?, ?)", transaction.dialect().insert_ignore());
    transaction.execute(&sql, vec![role.consumer().0.into(), role.as_str().into()]).await.map(drop)
}

/// The number of a role's next term, which nobody else may begin until this transaction ends.
async fn next_term(transaction: &mut Transaction, role: TermRole, limit: u32) -> Result<Term, TermError> {
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
    Ok(Term(term + 1))
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
pub(super) async fn forget_silent(transaction: &mut Transaction, other: TermRole) -> Result<(), DatabaseError> {
    let sql = format!(
        "SELECT 1 FROM yardmaster_terms WHERE role = ? AND renewed_on > {} - ?",
        transaction.dialect().now_seconds()
    );
    if transaction.query(&sql, vec![other.as_str().into(), FORGOTTEN.into()]).await?.is_empty() {
        forget(transaction, other).await?;
    }
    Ok(())
}

/// Nothing is logged for a role any more, and what was is thrown away.
async fn forget(transaction: &mut Transaction, role: TermRole) -> Result<(), DatabaseError> {
    unregister(transaction, role).await?;
    let sql = "DELETE FROM yardmaster_changes WHERE consumer = ?";
    transaction.execute(sql, vec![role.consumer().0.into()]).await.map(drop)
}

/// Nothing is logged for a role any more.
async fn unregister(transaction: &mut Transaction, role: TermRole) -> Result<(), DatabaseError> {
    let sql = "DELETE FROM yardmaster_consumers WHERE id = ?";
    transaction.execute(sql, vec![role.consumer().0.into()]).await.map(drop)
}

pub(super) async fn end_of(database: &Database, holder: &str) -> Result<(), TermError> {
    let sql = "UPDATE yardmaster_terms SET held = 0 WHERE holder = ?";
    database.execute(sql, vec![holder.into()]).await?;
    Ok(())
}

pub(super) async fn renew(database: &Database, role: TermRole, held: &Held) -> Result<(), TermError> {
    let sql = format!(
        "UPDATE yardmaster_terms SET renewed_on = {}, held = 1 WHERE role = ? AND term = ?",
        database.dialect().now_seconds()
    );
    for (role, term) in held.terms(role) {
        if database.execute(&sql, vec![role.as_str().into(), count(term.0)]).await?.rows == 0 {
            return Err(TermError::Ended { mine: term });
        }
    }
    Ok(())
}

pub(super) async fn release(database: &Database, role: TermRole, held: &Held) -> Result<(), TermError> {
    let sql = "UPDATE yardmaster_terms SET held = 0 WHERE role = ? AND term = ?";
    let mut transaction = database.begin().await?;
    for (filled, term) in held.terms(role) {
        let given_back = transaction.execute(sql, vec![filled.as_str().into(), count(term.0)]).await?.rows > 0;
        // Nobody reads what would be logged until the next one of this role begins, and reads everything.
        if given_back && filled == role {
            unregister(&mut transaction, role).await?;
        }
    }
    Ok(transaction.commit().await?)
}

/// Looks whether the terms are as they were begun; what a failover has lost of them is written again. Gives the number of
/// the last tick that was committed.
pub(super) async fn confirm(database: &Database, role: TermRole, held: &Held) -> Result<u64, DatabaseError> {
    let mut transaction = database.begin().await?;
    let mut numbers = Vec::new();
    for (role, term) in held.terms(role) {
        let sql = format!(
            "SELECT number FROM yardmaster_terms WHERE role = ? AND term >= ?{}",
            transaction.dialect().for_update()
        );
        let rows = transaction.query(&sql, vec![role.as_str().into(), count(term.0)]).await?;
        let number = match rows.first() {
            Some(row) => row.get(0)?,
            None => {
                let first = format!(
                    "{} yardmaster_terms (role, term, number, holder, held, renewed_on) VALUES (?, 0, 0, '', 0, 0)",
                    transaction.dialect().insert_ignore()
                );
                transaction.execute(&first, vec![role.as_str().into()]).await?;
                take(&mut transaction, role, term, &held.holder).await?;
                0
            }
        };
        numbers.push(number);
    }
    transaction.commit().await?;
    Ok(numbers.first().copied().unwrap_or(0))
}

/// What has to be seen to now and then: the log is kept for this role, and for nobody who is gone.
pub(super) async fn tidy(database: &Database, role: TermRole) -> Result<(), DatabaseError> {
    let mut transaction = database.begin().await?;
    register(&mut transaction, role).await?;
    forget_silent(&mut transaction, role.other()).await?;
    transaction.commit().await
}
