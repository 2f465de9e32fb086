//! Connections to MySQL and MariaDB.
//!
//! The pool is our own, some hundred lines, because it must promise what mysql_async's does not: a connection whose statement
//! was given up (time limit, cancelled future) is never used again and its statement is ended on the server; waiting for a
//! connection has a limit; prepared statements and the session's settings outlive a transaction.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, SslOpts};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::error::shortened;
use super::handle::Executed;
use super::{DatabaseError, MySqlAddress, Row, Tls, Value, mysql_values};

/// What every session begins with. `time_zone` stays the server's own: Autotest's datetimes are its local times.
const SESSION: [&str; 4] = [
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
    "SET NAMES utf8mb4",
    "SET SESSION innodb_lock_wait_timeout = 5",
];
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const STATEMENTS_KEPT: usize = 256;
/// An idle connection older than this is asked whether it still lives.
const TRUSTED_IDLE: Duration = Duration::from_secs(20);

/// Which connection of the server ran something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionId {
    id: u32,
    opened: Instant,
}

struct Idle {
    conn: Conn,
    opened: Instant,
    since: Instant,
}

/// The connections to one server.
pub(super) struct Pool {
    options: Opts,
    address: String,
    limit: Duration,
    room: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    runtime: tokio::runtime::Handle,
}

/// One connection, for one user of it at a time.
pub(super) struct Lease {
    pool: Arc<Pool>,
    conn: Option<Conn>,
    opened: Instant,
    reused: bool,
    running: bool,
    permit: Option<OwnedSemaphorePermit>,
}

fn options(address: &MySqlAddress) -> Opts {
    let tls = match &address.tls {
        Tls::Off => None,
        Tls::Required { authorities: None } => Some(SslOpts::default()),
        Tls::Required { authorities: Some(file) } => {
            let options = SslOpts::default().with_disable_built_in_roots(true);
            Some(options.with_root_certs(vec![file.clone().into()]))
        }
    };
    let options = OptsBuilder::default()
        .ip_or_hostname(address.host.clone())
        .tcp_port(address.port)
        .socket(address.socket.as_ref().map(|path| path.to_string_lossy().into_owned()))
        .prefer_socket(false)
        .user(Some(address.user.clone()))
        .pass(address.password.clone())
        .db_name(Some(address.database.clone()))
        .client_found_rows(true)
        .tcp_keepalive(Some(Duration::from_secs(30)))
        .stmt_cache_size(STATEMENTS_KEPT)
        .ssl_opts(tls)
        .init(SESSION.to_vec());
    options.into()
}

impl Pool {
    pub(super) async fn open(address: &MySqlAddress) -> Result<Arc<Pool>, DatabaseError> {
        let pool = Arc::new(Pool {
            options: options(address),
            address: address.to_string(),
            limit: address.time_limit,
            room: Arc::new(Semaphore::new(address.connections)),
            idle: Mutex::new(Vec::new()),
            runtime: tokio::runtime::Handle::current(),
        });
        pool.lease(false).await?;
        Ok(pool)
    }

    async fn connect(&self) -> Result<Conn, DatabaseError> {
        let unreachable = |cause: String| DatabaseError::Unreachable { address: self.address.clone(), cause };
        match timeout(CONNECT_LIMIT.min(self.limit), Conn::new(self.options.clone())).await {
            Ok(Ok(conn)) => Ok(conn),
            Ok(Err(error)) => Err(match mysql_values::error(error, "connect") {
                DatabaseError::Lost { cause, .. } | DatabaseError::Other { cause, .. } => unreachable(cause),
                other => other,
            }),
            Err(_) => Err(unreachable("it does not answer".to_owned())),
        }
    }

    fn take_idle(&self) -> Option<Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// A connection; a new one if `fresh`.
    pub(super) async fn lease(self: &Arc<Pool>, fresh: bool) -> Result<Lease, DatabaseError> {
        let Ok(Ok(permit)) = timeout(self.limit, self.room.clone().acquire_owned()).await else {
            let cause = "all connections of the pool are in use: allow more of them in the database's address";
            return Err(DatabaseError::Busy { statement: "connect".to_owned(), cause: cause.to_owned() });
        };
        let mut lease = Lease {
            pool: self.clone(),
            conn: None,
            opened: Instant::now(),
            reused: false,
            running: false,
            permit: Some(permit),
        };
        while !fresh && let Some(mut idle) = self.take_idle() {
            if idle.since.elapsed() < TRUSTED_IDLE
                || matches!(timeout(Duration::from_secs(2), idle.conn.ping()).await, Ok(Ok(())))
            {
                (lease.conn, lease.opened, lease.reused) = (Some(idle.conn), idle.opened, true);
                return Ok(lease);
            }
        }
        lease.conn = Some(self.connect().await?);
        Ok(lease)
    }

    /// Ends a connection on the server, whatever it is doing, unless the server has begun anew since.
    pub(super) async fn kill(self: &Arc<Pool>, target: ConnectionId) -> Result<(), DatabaseError> {
        let mut conn = self.connect().await?;
        let failed = |error| mysql_values::error(error, "KILL");
        let uptime: Option<(String, u64)> =
            conn.query_first("SHOW GLOBAL STATUS LIKE 'Uptime'").await.map_err(failed)?;
        // Connections are numbered from 1 again by a server that was restarted: the number would be somebody else's.
        let outlived = uptime.is_some_and(|(_, seconds)| Duration::from_secs(seconds + 1) < target.opened.elapsed());
        if !outlived {
            match conn.query_drop(format!("KILL {}", target.id)).await {
                // There is no such connection, or it was this one.
                Err(mysql_async::Error::Server(error)) if matches!(error.code, 1094 | 1095 | 1317) => {}
                other => other.map_err(failed)?,
            }
        }
        self.runtime.spawn(conn.disconnect());
        Ok(())
    }
}

impl Lease {
    pub(super) fn id(&self) -> ConnectionId {
        let id = self.conn.as_ref().map_or(0, Conn::id);
        ConnectionId { id, opened: self.opened }
    }

    /// Whether others have used it before.
    pub(super) fn reused(&self) -> bool {
        self.reused
    }

    /// Runs one statement. With parameters it is prepared, once a connection; without, it is sent as text, since not every
    /// statement can be prepared.
    pub(super) async fn run(
        &mut self,
        sql: &str,
        parameters: Vec<Value>,
    ) -> Result<(Vec<Row>, Executed), DatabaseError> {
        let lost = |cause: &str| DatabaseError::Lost { statement: shortened(sql), cause: cause.to_owned() };
        let Some(conn) = self.conn.as_mut() else { return Err(lost("it was lost before")) };
        self.running = true;
        let outcome = timeout(self.pool.limit, statement(conn, sql, parameters)).await;
        let Ok(outcome) = outcome else {
            self.discard();
            return Err(lost(&format!("no answer within {:?}", self.pool.limit)));
        };
        self.running = false;
        outcome.map_err(|error| {
            let error = mysql_values::error(error, sql);
            if error.is_lost() {
                self.conn = None;
            }
            error
        })
    }

    /// Lets the connection go and has the server end what it may still be doing.
    fn discard(&mut self) {
        let id = self.id();
        if self.conn.take().is_some() {
            let (pool, permit) = (self.pool.clone(), self.permit.take());
            self.pool.runtime.spawn(async move {
                if let Err(error) = pool.kill(id).await {
                    tracing::warn!(%error, "a statement that was given up may still run on the database server");
                }
                drop(permit);
            });
        }
    }

    /// Rolls back what is open, and only then lets anybody else have the connection.
    pub(super) fn roll_back_later(mut self) {
        if self.running || self.conn.is_none() {
            return;
        }
        let runtime = self.pool.runtime.clone();
        runtime.spawn(async move {
            let rolled_back = match self.run("ROLLBACK", Vec::new()).await {
                Ok(_) => self.run("SET @yardmaster_consumer = NULL", Vec::new()).await,
                Err(error) => Err(error),
            };
            if rolled_back.is_err() {
                self.discard();
            }
        });
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.running {
            self.discard();
        } else if let Some(conn) = self.conn.take() {
            let idle = Idle { conn, opened: self.opened, since: Instant::now() };
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
        }
    }
}

async fn statement(
    conn: &mut Conn,
    sql: &str,
    parameters: Vec<Value>,
) -> Result<(Vec<Row>, Executed), mysql_async::Error> {
    let rows: Vec<mysql_async::Row> = if parameters.is_empty() {
        conn.query(sql).await?
    } else {
        conn.exec(sql, mysql_values::parameters(parameters)).await?
    };
    let executed = Executed { rows: conn.affected_rows(), last_id: conn.last_insert_id().unwrap_or(0) };
    Ok((rows.into_iter().map(mysql_values::row).collect(), executed))
}
