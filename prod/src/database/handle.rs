//! The handle through which everything speaks to a database.

use std::fmt;
use std::sync::Arc;

use super::mysql::{self, ConnectionId};
use super::{DatabaseAddress, DatabaseError, Dialect, Row, Value, sqlite};

/// A database, to be cloned freely: all clones share its connections.
#[derive(Clone)]
pub struct Database {
    server: Server,
}

#[derive(Clone)]
enum Server {
    MySql(Arc<mysql::Pool>),
    Sqlite(Arc<sqlite::Worker>),
}

/// What a statement that returns no rows did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Executed {
    /// How many rows it found, changed or not; or inserted, or deleted.
    pub rows: u64,
    /// The id that the database gave to the row it inserted.
    pub last_id: u64,
}

/// Who reads the change log. What a transaction begun as a consumer changes is not logged for that consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Consumer(pub u32);

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("dialect", &self.dialect()).finish_non_exhaustive()
    }
}

impl Database {
    /// Connects. A SQLite file is made if there is none.
    ///
    /// # Errors
    /// If there is no connection to be had, or the server refuses.
    pub async fn open(address: &DatabaseAddress) -> Result<Database, DatabaseError> {
        let server = match address {
            DatabaseAddress::MySql(address) => Server::MySql(mysql::Pool::open(address).await?),
            DatabaseAddress::Sqlite(path) => Server::Sqlite(sqlite::Worker::open(path).await?),
        };
        Ok(Database { server })
    }

    /// The SQL it speaks.
    pub fn dialect(&self) -> Dialect {
        match &self.server {
            Server::MySql(_) => Dialect::MySql,
            Server::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// Reads. `?` stands for a parameter. A connection that had died while idle is replaced.
    ///
    /// # Errors
    /// As the server has it.
    pub async fn query(&self, sql: &str, parameters: Vec<Value>) -> Result<Vec<Row>, DatabaseError> {
        match &self.server {
            Server::Sqlite(worker) => worker.lease().await?.run(sql, parameters).await.map(|(rows, _)| rows),
            Server::MySql(pool) => {
                let mut lease = pool.lease(false).await?;
                match lease.run(sql, parameters.clone()).await {
                    Err(error) if error.is_lost() && lease.reused() => {
                        drop(lease);
                        pool.lease(true).await?.run(sql, parameters).await.map(|(rows, _)| rows)
                    }
                    outcome => outcome.map(|(rows, _)| rows),
                }
            }
        }
    }

    /// Writes, as a transaction of its own.
    ///
    /// # Errors
    /// As the server has it. After [`DatabaseError::Lost`] it is not known whether it was done.
    pub async fn execute(&self, sql: &str, parameters: Vec<Value>) -> Result<Executed, DatabaseError> {
        match &self.server {
            Server::Sqlite(worker) => worker.lease().await?.run(sql, parameters).await.map(|(_, done)| done),
            Server::MySql(pool) => pool.lease(false).await?.run(sql, parameters).await.map(|(_, done)| done),
        }
    }

    /// Begins a transaction: READ COMMITTED on MySQL, alone on SQLite. Until it ends, SQLite serves nobody else: do not use
    /// the handle meanwhile.
    ///
    /// # Errors
    /// If there is no connection to be had.
    pub async fn begin(&self) -> Result<Transaction, DatabaseError> {
        self.start(&["START TRANSACTION"], "BEGIN IMMEDIATE").await
    }

    /// Begins a transaction whose changes are not logged for a consumer of the change log.
    ///
    /// # Errors
    /// If there is no connection to be had, or the schema is not there.
    pub async fn begin_as(&self, consumer: Consumer) -> Result<Transaction, DatabaseError> {
        let mut transaction = self.begin().await?;
        transaction.marked = true;
        let mark = match self.dialect() {
            Dialect::MySql => "SET @yardmaster_consumer = ?",
            Dialect::Sqlite => "INSERT INTO yardmaster_writer (consumer) VALUES (?)",
        };
        transaction.execute(mark, vec![consumer.0.into()]).await?;
        Ok(transaction)
    }

    /// Begins a transaction that only reads, and sees the database as it is at this moment all the time.
    ///
    /// # Errors
    /// If there is no connection to be had.
    pub async fn begin_snapshot(&self) -> Result<Transaction, DatabaseError> {
        let isolation = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";
        self.start(&[isolation, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"], "BEGIN").await
    }

    async fn start(&self, mysql: &[&str], sqlite: &str) -> Result<Transaction, DatabaseError> {
        match &self.server {
            Server::Sqlite(worker) => {
                let mut transaction = Transaction::of(Lease::Sqlite(worker.lease().await?));
                transaction.execute(sqlite, Vec::new()).await?;
                Ok(transaction)
            }
            Server::MySql(pool) => {
                let lease = pool.lease(false).await?;
                let reused = lease.reused();
                match start_mysql(lease, mysql).await {
                    Err(error) if error.is_lost() && reused => start_mysql(pool.lease(true).await?, mysql).await,
                    outcome => outcome,
                }
            }
        }
    }

    /// A handle for long reading beside the others' work: on SQLite a connection of its own, since one serves one at a time.
    pub(crate) async fn companion(&self) -> Result<Database, DatabaseError> {
        let server = match &self.server {
            Server::MySql(pool) => Server::MySql(pool.clone()),
            Server::Sqlite(worker) => Server::Sqlite(sqlite::Worker::open(worker.path()).await?),
        };
        Ok(Database { server })
    }

    /// Ends a connection on the server, so that nothing that was sent on it can take effect after it has let go of its
    /// locks. On SQLite there is nothing to end.
    pub(crate) async fn end_connection(&self, connection: ConnectionId) -> Result<(), DatabaseError> {
        match &self.server {
            Server::MySql(pool) => pool.kill(connection).await,
            Server::Sqlite(_) => Ok(()),
        }
    }
}

async fn start_mysql(lease: mysql::Lease, statements: &[&str]) -> Result<Transaction, DatabaseError> {
    let mut transaction = Transaction::of(Lease::MySql(lease));
    for statement in statements {
        transaction.execute(statement, Vec::new()).await?;
    }
    Ok(transaction)
}

enum Lease {
    MySql(mysql::Lease),
    Sqlite(sqlite::Lease),
}

/// Statements that take effect together or not at all. Dropped without [`Transaction::commit`], it is rolled back before
/// anybody else uses its connection.
pub struct Transaction {
    /// Gone once it has ended.
    lease: Option<Lease>,
    marked: bool,
    /// After a deadlock the server has rolled back already, and would take further statements for transactions of their own.
    broken: Option<DatabaseError>,
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("broken", &self.broken).finish_non_exhaustive()
    }
}

impl Transaction {
    fn of(lease: Lease) -> Transaction {
        Transaction { lease: Some(lease), marked: false, broken: None }
    }

    /// The SQL it is written in.
    pub fn dialect(&self) -> Dialect {
        match &self.lease {
            Some(Lease::MySql(_)) => Dialect::MySql,
            Some(Lease::Sqlite(_)) | None => Dialect::Sqlite,
        }
    }

    /// Which of the server's connections it runs on, if there is such a thing.
    pub(crate) fn connection(&self) -> Option<ConnectionId> {
        match &self.lease {
            Some(Lease::MySql(lease)) => Some(lease.id()),
            Some(Lease::Sqlite(_)) | None => None,
        }
    }

    async fn run(&mut self, sql: &str, parameters: Vec<Value>) -> Result<(Vec<Row>, Executed), DatabaseError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let outcome = match &mut self.lease {
            Some(Lease::MySql(lease)) => lease.run(sql, parameters).await,
            Some(Lease::Sqlite(lease)) => lease.run(sql, parameters).await,
            None => {
                Err(DatabaseError::Other { statement: sql.to_owned(), cause: "the transaction has ended".to_owned() })
            }
        };
        if let Err(error) = &outcome
            && (error.is_busy() || error.is_lost())
        {
            self.broken = Some(error.clone());
        }
        outcome
    }

    /// Reads.
    ///
    /// # Errors
    /// As the server has it. After [`DatabaseError::Busy`] or [`DatabaseError::Lost`] the transaction is over.
    pub async fn query(&mut self, sql: &str, parameters: Vec<Value>) -> Result<Vec<Row>, DatabaseError> {
        self.run(sql, parameters).await.map(|(rows, _)| rows)
    }

    /// Writes.
    ///
    /// # Errors
    /// As [`Transaction::query`].
    pub async fn execute(&mut self, sql: &str, parameters: Vec<Value>) -> Result<Executed, DatabaseError> {
        self.run(sql, parameters).await.map(|(_, done)| done)
    }

    /// Changes the schema. MySQL does that in a transaction of its own, so that a table which was not free breaks nothing here.
    ///
    /// # Errors
    /// As the server has it.
    pub(crate) async fn alter(&mut self, sql: &str) -> Result<(), DatabaseError> {
        let outcome = self.execute(sql, Vec::new()).await;
        if outcome.as_ref().is_err_and(DatabaseError::is_busy) && self.dialect() == Dialect::MySql {
            self.broken = None;
        }
        outcome.map(drop)
    }

    /// Takes back the mark of [`Database::begin_as`]: the last thing before COMMIT.
    pub(crate) async fn unmark(&mut self) -> Result<(), DatabaseError> {
        if std::mem::take(&mut self.marked) {
            let unmark = match self.dialect() {
                Dialect::MySql => "SET @yardmaster_consumer = NULL",
                Dialect::Sqlite => "DELETE FROM yardmaster_writer",
            };
            self.execute(unmark, Vec::new()).await?;
        }
        Ok(())
    }

    /// Makes it all take effect.
    ///
    /// # Errors
    /// As the server has it. Only [`DatabaseError::Lost`] leaves open whether it did take effect.
    pub async fn commit(mut self) -> Result<(), DatabaseError> {
        self.unmark().await?;
        self.execute("COMMIT", Vec::new()).await?;
        self.lease = None;
        Ok(())
    }

    /// Forgets it all.
    ///
    /// # Errors
    /// As the server has it; it is forgotten all the same.
    pub async fn rollback(mut self) -> Result<(), DatabaseError> {
        self.execute("ROLLBACK", Vec::new()).await?;
        if self.marked && self.dialect() == Dialect::MySql {
            self.unmark().await?;
        }
        self.lease = None;
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        match self.lease.take() {
            Some(Lease::MySql(lease)) => lease.roll_back_later(),
            Some(Lease::Sqlite(lease)) => lease.roll_back_later(),
            None => {}
        }
    }
}
