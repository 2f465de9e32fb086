//! Bringing a database to this program's version, and taking ours away again.

use std::time::Duration;

use super::tables::{Column, ColumnType, Table, autotest_tables, own_tables};
use super::{create, triggers};
use crate::database::{Database, DatabaseError, Dialect, Transaction, Value};

/// The tables are there.
const TABLES_VERSION: u32 = 1;
/// The triggers are there: changes are found by the log. Without, by polling.
pub(crate) const TRIGGERS_VERSION: u32 = 2;
/// An expression: the name of the lock, which has at most 64 characters. MySQL 9.6 and later have no MD5 any more.
const LOCK_NAME: &str = "CONCAT('yardmaster ', LEFT(SHA2(DATABASE(), 256), 32))";
/// Moments in SQLite are UTC. Before, they were local times of whichever process wrote them.
pub(super) const UTC_VERSION: u32 = 3;
/// Others may hold the lock so long, in seconds.
const LOCK_LIMIT: u32 = 60;
/// How long a change of the schema waits for its table, in seconds: whoever else wants the table waits behind it.
const TABLE_LIMIT: u32 = 2;
const TABLE_ATTEMPTS: u32 = 5;
/// Those who waited behind it go first.
const TABLE_PAUSE: Duration = Duration::from_secs(1);
/// A scheduler that has renewed its term so lately is at work, in seconds.
const FRESH: u32 = 30;

/// Why a migration stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigrationError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Another migration is under way.
    #[error("another migration of this database is under way: wait for it and try again")]
    Locked,
    /// Somebody's transaction keeps a table.
    #[error(
        "table {table} is kept by a transaction that does not end: look for it in information_schema.INNODB_TRX, wait for it or \
         KILL its connection, and try again: what is done stays done"
    )]
    TableKept {
        /// Its name.
        table: String,
    },
    /// A table of Autotest's lacks columns.
    #[error(
        "the database's tables are older than Autotest's schema migration 129: {missing} is missing; upgrade it with Autotest's own database/migrate.py first"
    )]
    TooOld {
        /// `table.column`, the first of them.
        missing: String,
    },
    /// A scheduler is at work.
    #[error("the scheduler {} works on this database (term {} of the {}): stop it first, or force the removal", .0.holder, .0.term, .0.role)]
    InUse(TermHeld),
}

/// What a migration did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Tables that were made.
    pub tables: Vec<String>,
    /// Triggers that were made.
    pub triggers: usize,
    /// Why changes will be found by polling: the account may not create triggers.
    pub polling: Option<String>,
}

/// A scheduler that holds a term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermHeld {
    /// `dispatcher` or `host scheduler`.
    pub role: String,
    /// The number of its reign.
    pub term: u64,
    /// Its machine and process.
    pub holder: String,
    /// The number of its last committed tick.
    pub number: u64,
    /// Seconds since it was renewed.
    pub age: i64,
    /// It has not been given back.
    pub held: bool,
}

/// Where a database stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Migrations that were applied, with the moment in epoch seconds.
    pub applied: Vec<(u32, i64)>,
    /// Tables that are missing, of Autotest's and ours.
    pub missing_tables: Vec<String>,
    /// Whether changes are found by triggers; else by polling.
    pub triggers: bool,
    /// Triggers that were made and are gone.
    pub missing_triggers: Vec<String>,
    /// Rows of the change log that nobody has read yet.
    pub unread_changes: u64,
    /// The schedulers that have held terms.
    pub terms: Vec<TermHeld>,
}

/// Creates whatever is missing. Can be run again at any time, also while schedulers and frontends work.
///
/// # Errors
/// If the database refuses, or is older than what Yardmaster understands.
pub async fn migrate(database: &Database) -> Result<Report, MigrationError> {
    let mut session = lock(database).await?;
    let mut report = Report::default();
    let outcome = migrate_locked(&mut session, &mut report).await;
    unlock(session, outcome).await?;
    Ok(report)
}

async fn migrate_locked(session: &mut Transaction, report: &mut Report) -> Result<(), MigrationError> {
    let dialect = session.dialect();
    let there = table_names(session).await?;
    let had_autotest = there.iter().any(|name| name == "afe_hosts");
    for (tables, charset) in [(autotest_tables(), "utf8"), (own_tables(), "utf8mb4 COLLATE=utf8mb4_bin")] {
        for table in tables.iter().filter(|table| !there.iter().any(|name| name == table.name)) {
            for statement in create::statements(table, dialect, charset) {
                alter(session, table.name, &statement).await?;
            }
            report.tables.push(table.name.to_owned());
        }
    }
    check_columns(session).await?;
    if dialect == Dialect::Sqlite {
        moments_to_utc(session).await?;
    }
    if !had_autotest {
        seed(session).await?;
    }
    name_lab(session).await?;
    record(session, TABLES_VERSION).await?;
    match create_triggers(session).await {
        Ok(made) => {
            report.triggers = made;
            record(session, TRIGGERS_VERSION).await?;
        }
        Err(MigrationError::Database(DatabaseError::Refused { cause, advice })) => {
            report.polling = Some(format!("{cause}: {advice}"));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Where the database stands.
///
/// # Errors
/// If it cannot be read.
pub async fn status(database: &Database) -> Result<Status, DatabaseError> {
    let mut session = database.begin_snapshot().await?;
    let there = table_names(&mut session).await?;
    let is_there = |name: &str| there.iter().any(|known| known == name);
    let all = autotest_tables().iter().chain(own_tables());
    let missing_tables = all.filter(|table| !is_there(table.name)).map(|table| table.name.to_owned()).collect();
    let mut status = Status { missing_tables, ..Status::default() };
    if is_there("yardmaster_schema") {
        let when = session.dialect().seconds_of("applied_on");
        let sql = format!("SELECT version, {when} FROM yardmaster_schema ORDER BY version");
        for row in session.query(&sql, Vec::new()).await? {
            status.applied.push((row.get(0)?, row.get(1)?));
        }
        let made = status.applied.iter().any(|(version, _)| *version == TRIGGERS_VERSION);
        if made {
            status.missing_triggers = missing_triggers(&mut session).await?;
        }
        status.triggers = made && status.missing_triggers.is_empty();
    }
    if is_there("yardmaster_changes") {
        let rows = session.query("SELECT COUNT(*) FROM yardmaster_changes", Vec::new()).await?;
        status.unread_changes = rows.first().map_or(Ok(0), |row| row.get(0))?;
    }
    if is_there("yardmaster_terms") {
        status.terms = terms(&mut session).await?;
    }
    session.rollback().await?;
    Ok(status)
}

/// Takes away our triggers and tables, and nothing else.
///
/// # Errors
/// If a scheduler is at work and `force` is not set, or the database refuses.
pub async fn remove(database: &Database, force: bool) -> Result<(), MigrationError> {
    let mut session = lock(database).await?;
    let outcome = remove_locked(&mut session, force).await;
    unlock(session, outcome).await
}

async fn remove_locked(session: &mut Transaction, force: bool) -> Result<(), MigrationError> {
    let there = table_names(session).await?;
    if !force && there.iter().any(|name| name == "yardmaster_terms") {
        let terms = terms(session).await?;
        if let Some(term) = terms.into_iter().find(|term| term.held && term.age < i64::from(FRESH)) {
            return Err(MigrationError::InUse(term));
        }
    }
    for trigger in triggers::triggers(session.dialect()) {
        alter(session, trigger.table, &format!("DROP TRIGGER IF EXISTS `{}`", trigger.name)).await?;
    }
    for table in own_tables() {
        alter(session, table.name, &format!("DROP TABLE IF EXISTS `{}`", table.name)).await?;
    }
    Ok(())
}

/// A change of the schema, which tries again as long as others keep its table.
async fn alter(session: &mut Transaction, table: &str, sql: &str) -> Result<(), MigrationError> {
    for attempt in 1..=TABLE_ATTEMPTS {
        match session.alter(sql).await {
            Err(error) if error.is_busy() => tracing::debug!(%error, attempt, table, "the table is not free"),
            outcome => return outcome.map_err(Into::into),
        }
        tokio::time::sleep(TABLE_PAUSE).await;
    }
    Err(MigrationError::TableKept { table: table.to_owned() })
}

/// One migration at a time. On MySQL, where DDL commits by itself, a named lock of the session; on SQLite the transaction.
async fn lock(database: &Database) -> Result<Transaction, MigrationError> {
    let mut session = database.begin().await?;
    if session.dialect() == Dialect::MySql {
        let rows = session.query(&format!("SELECT GET_LOCK({LOCK_NAME}, ?)"), vec![LOCK_LIMIT.into()]).await?;
        let got: Option<i64> = rows.first().map_or(Ok(None), |row| row.get(0))?;
        if got != Some(1) {
            return Err(MigrationError::Locked);
        }
        session.execute(&format!("SET SESSION lock_wait_timeout = {TABLE_LIMIT}"), Vec::new()).await?;
    }
    Ok(session)
}

async fn unlock(mut session: Transaction, outcome: Result<(), MigrationError>) -> Result<(), MigrationError> {
    if session.dialect() == Dialect::MySql {
        session.execute("SET SESSION lock_wait_timeout = DEFAULT", Vec::new()).await?;
        session.query(&format!("DO RELEASE_LOCK({LOCK_NAME})"), Vec::new()).await?;
    }
    match outcome {
        Ok(()) => session.commit().await.map_err(Into::into),
        Err(error) => {
            session.rollback().await?;
            Err(error)
        }
    }
}

async fn table_names(session: &mut Transaction) -> Result<Vec<String>, DatabaseError> {
    let sql = match session.dialect() {
        Dialect::MySql => "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()",
        Dialect::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
    };
    session.query(sql, Vec::new()).await?.iter().map(|row| row.get(0)).collect()
}

async fn trigger_names(session: &mut Transaction) -> Result<Vec<String>, DatabaseError> {
    let sql = match session.dialect() {
        Dialect::MySql => "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()",
        Dialect::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    };
    session.query(sql, Vec::new()).await?.iter().map(|row| row.get(0)).collect()
}

/// Triggers that should be there and are not. An account that may not see any cannot tell, and is told of none.
pub(crate) async fn missing_triggers(session: &mut Transaction) -> Result<Vec<String>, DatabaseError> {
    let there = trigger_names(session).await?;
    let wanted = triggers::triggers(session.dialect()).into_iter().map(|trigger| trigger.name);
    let missing: Vec<String> = wanted.filter(|name| !there.contains(name)).collect();
    let sees_none = session.dialect() == Dialect::MySql && !there.iter().any(|name| name.starts_with("yardmaster_"));
    if sees_none && !may_see_triggers(session).await? {
        return Ok(Vec::new());
    }
    Ok(missing)
}

/// MySQL shows triggers to those only who may make them.
async fn may_see_triggers(session: &mut Transaction) -> Result<bool, DatabaseError> {
    let rows = session.query("SELECT DATABASE()", Vec::new()).await?;
    let database: String = rows.first().map_or(Ok(String::new()), |row| row.get(0))?;
    let rows = session.query("SHOW GRANTS", Vec::new()).await?;
    let grants = rows.iter().filter_map(|row| row.get::<String>(0).ok()).map(|grant| grant.replace('\\', ""));
    let is_here = |grant: &str| grant.contains(" ON *.*") || grant.contains(&format!(" ON `{database}`.*"));
    let may = |grant: &str| grant.contains("TRIGGER") || grant.contains("ALL PRIVILEGES");
    Ok(grants.into_iter().any(|grant| is_here(&grant) && may(&grant)))
}

/// Every column that Autotest's tables should have is there.
async fn check_columns(session: &mut Transaction) -> Result<(), MigrationError> {
    let tables: Vec<&Table> = autotest_tables().iter().chain(own_tables()).collect();
    let sql = match session.dialect() {
        Dialect::MySql => {
            "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
        }
        Dialect::Sqlite => {
            "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
        }
    };
    let rows = session.query(sql, Vec::new()).await?;
    let there: Vec<(String, String)> =
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect::<Result<_, DatabaseError>>()?;
    let there: std::collections::BTreeSet<(&str, &str)> = there.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    for table in tables {
        for column in &table.columns {
            if !there.contains(&(table.name, column.name)) {
                return Err(MigrationError::TooOld { missing: format!("{}.{}", table.name, column.name) });
            }
        }
    }
    Ok(())
}

/// What Autotest expects in a new database.
async fn seed(session: &mut Transaction) -> Result<(), DatabaseError> {
    let user = "INSERT INTO afe_users (login, access_level, reboot_before, reboot_after) VALUES (?, ?, ?, ?)";
    let parameters = vec!["autotest_system".into(), 0.into(), 1.into(), 0.into()];
    let user = session.execute(user, parameters).await?.last_id;
    let group = "INSERT INTO afe_acl_groups (name, description) VALUES (?, ?)";
    let group = session.execute(group, vec!["Everyone".into(), "".into()]).await?.last_id;
    let member = "INSERT INTO afe_acl_groups_users (aclgroup_id, user_id) VALUES (?, ?)";
    session.execute(member, vec![Value::Integer(group as i64), Value::Integer(user as i64)]).await?;
    Ok(())
}

/// A name that no other lab has: results directories of drones are marked with it.
async fn name_lab(session: &mut Transaction) -> Result<(), DatabaseError> {
    if session.query("SELECT name FROM yardmaster_lab", Vec::new()).await?.is_empty() {
        let name = uuid::Uuid::new_v4().to_string();
        session.execute("INSERT INTO yardmaster_lab (name) VALUES (?)", vec![name.into()]).await?;
    }
    Ok(())
}

/// Takes the moments of an earlier version's file for local times of this process.
async fn moments_to_utc(session: &mut Transaction) -> Result<(), DatabaseError> {
    let rows = session.query("SELECT version FROM yardmaster_schema", Vec::new()).await?;
    let applied: Vec<u32> = rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
    if applied.contains(&TABLES_VERSION) && !applied.contains(&UTC_VERSION) {
        for table in autotest_tables().iter().chain(own_tables()) {
            let moments = table.columns.iter().filter(|column| matches!(column.kind, ColumnType::Moment(_)));
            for Column { name, .. } in moments {
                let sql = format!("UPDATE `{}` SET `{name}` = datetime(`{name}`, 'utc')", table.name);
                session.execute(&sql, Vec::new()).await?;
            }
        }
    }
    record(session, UTC_VERSION).await
}

async fn record(session: &mut Transaction, version: u32) -> Result<(), DatabaseError> {
    let dialect = session.dialect();
    let sql =
        format!("{} yardmaster_schema (version, applied_on) VALUES (?, {})", dialect.insert_ignore(), dialect.now());
    session.execute(&sql, vec![version.into()]).await.map(drop)
}

async fn create_triggers(session: &mut Transaction) -> Result<usize, MigrationError> {
    let there = trigger_names(session).await?;
    let mut made = 0;
    for trigger in triggers::triggers(session.dialect()) {
        if !there.contains(&trigger.name) {
            alter(session, trigger.table, &trigger.create).await?;
            made += 1;
        }
    }
    Ok(made)
}

async fn terms(session: &mut Transaction) -> Result<Vec<TermHeld>, DatabaseError> {
    let now = session.dialect().now_seconds();
    let sql =
        format!("SELECT role, term, holder, number, {now} - renewed_on, held FROM yardmaster_terms ORDER BY role");
    let rows = session.query(&sql, Vec::new()).await?;
    let term = |row: &crate::database::Row| {
        Ok(TermHeld {
            role: row.get(0)?,
            term: row.get(1)?,
            holder: row.get(2)?,
            number: row.get(3)?,
            age: row.get(4)?,
            held: row.get(5)?,
        })
    };
    rows.iter().map(term).collect()
}
