//! SQLite, on a thread of its own. Whoever holds the [`Lease`] is alone with the connection; statements of a lease run in
//! their order, so that a rollback that is only sent is certain to come before the next user's first statement.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, InterruptHandle, params_from_iter};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};
use tokio::time::timeout;

use super::error::shortened;
use super::handle::Executed;
use super::{DatabaseError, Row, Value};

const STATEMENTS_KEPT: usize = 256;
const BUSY_LIMIT: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(60);

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// The file, and the thread that works on it.
pub(super) struct Worker {
    jobs: Sender<Job>,
    interrupt: InterruptHandle,
    turn: Arc<Mutex<()>>,
    path: PathBuf,
}

/// A turn on the connection.
pub(super) struct Lease {
    worker: Arc<Worker>,
    _turn: OwnedMutexGuard<()>,
}

impl Worker {
    pub(super) async fn open(path: &Path) -> Result<Arc<Worker>, DatabaseError> {
        let (jobs, work) = channel::<Job>();
        let (opened, open) = oneshot::channel();
        let file = path.to_owned();
        let thread = std::thread::Builder::new().name("sqlite".to_owned()).spawn(move || match connect(&file) {
            Ok(connection) => {
                if opened.send(Ok(connection.get_interrupt_handle())).is_ok() {
                    work.into_iter().for_each(|job| job(&connection));
                }
            }
            Err(error) => drop(opened.send(Err(error))),
        });
        let unreachable =
            |cause: String| DatabaseError::Unreachable { address: format!("sqlite:{}", path.display()), cause };
        thread.map_err(|error| unreachable(error.to_string()))?;
        let interrupt = match open.await {
            Ok(Ok(handle)) => handle,
            Ok(Err(error)) => return Err(unreachable(error.to_string())),
            Err(_) => return Err(unreachable("its thread ended".to_owned())),
        };
        Ok(Arc::new(Worker { jobs, interrupt, turn: Arc::new(Mutex::new(())), path: path.to_owned() }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) async fn lease(self: &Arc<Worker>) -> Result<Lease, DatabaseError> {
        match timeout(LIMIT, self.turn.clone().lock_owned()).await {
            Ok(turn) => Ok(Lease { worker: self.clone(), _turn: turn }),
            Err(_) => Err(DatabaseError::Busy {
                statement: "begin".to_owned(),
                cause: "another transaction of this process does not end".to_owned(),
            }),
        }
    }
}

impl Lease {
    pub(super) async fn run(&self, sql: &str, parameters: Vec<Value>) -> Result<(Vec<Row>, Executed), DatabaseError> {
        let (answer, mut answered) = oneshot::channel();
        let text = sql.to_owned();
        let job: Job = Box::new(move |connection| {
            // Nobody may be waiting any more.
            let _ = answer.send(statement(connection, &text, parameters));
        });
        let gone = || DatabaseError::Lost { statement: shortened(sql), cause: "SQLite's thread has ended".to_owned() };
        self.worker.jobs.send(job).map_err(|_| gone())?;
        let outcome = match timeout(LIMIT, &mut answered).await {
            Ok(outcome) => outcome,
            Err(_) => {
                self.worker.interrupt.interrupt();
                answered.await
            }
        };
        outcome.map_err(|_| gone())?.map_err(|error| self::error(error, sql))
    }

    /// Rolls back whatever is open.
    pub(super) fn roll_back_later(&self) {
        let job: Job = Box::new(|connection| {
            if !connection.is_autocommit()
                && let Err(error) = connection.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "SQLite could not roll back");
            }
        });
        // If the thread is gone, so is the transaction.
        let _ = self.worker.jobs.send(job);
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_LIMIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

fn statement(connection: &Connection, sql: &str, parameters: Vec<Value>) -> rusqlite::Result<(Vec<Row>, Executed)> {
    let mut statement = connection.prepare_cached(sql)?;
    let parameters = params_from_iter(parameters.into_iter().map(|value| match value {
        Value::Null => rusqlite::types::Value::Null,
        Value::Integer(number) => rusqlite::types::Value::Integer(number),
        Value::Text(text) => rusqlite::types::Value::Text(text),
    }));
    let columns = statement.column_count();
    if columns == 0 {
        let rows = statement.execute(parameters)? as u64;
        let last_id = u64::try_from(connection.last_insert_rowid()).unwrap_or(0);
        return Ok((Vec::new(), Executed { rows, last_id }));
    }
    let mut found = Vec::new();
    let mut rows = statement.query(parameters)?;
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|column| row.get_ref(column).map(read));
        found.push(Row(values.collect::<rusqlite::Result<_>>()?));
    }
    Ok((found, Executed { rows: 0, last_id: 0 }))
}

fn read(value: rusqlite::types::ValueRef<'_>) -> Value {
    use rusqlite::types::ValueRef;
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Text(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
    }
}

fn error(error: rusqlite::Error, sql: &str) -> DatabaseError {
    const UNIQUE: i32 = 2067;
    const PRIMARY_KEY: i32 = 1555;
    let (cause, statement) = (error.to_string(), shortened(sql));
    let rusqlite::Error::SqliteFailure(failure, _) = &error else { return DatabaseError::Other { statement, cause } };
    match failure.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => DatabaseError::Busy { statement, cause },
        ErrorCode::ConstraintViolation if matches!(failure.extended_code, UNIQUE | PRIMARY_KEY) => {
            DatabaseError::Duplicate { statement, cause }
        }
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
            DatabaseError::Refused { cause, advice: "give the account write access to the file and its directory" }
        }
        ErrorCode::NotADatabase => {
            DatabaseError::Refused { cause, advice: "name another file: this one is no database" }
        }
        ErrorCode::DiskFull => DatabaseError::Refused { cause, advice: "free some space on the file's disk" },
        _ => DatabaseError::Other { statement, cause },
    }
}
