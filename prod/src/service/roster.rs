//! Which drones there are and how they are reached, read from the database again and again.

use std::path::PathBuf;
use std::time::Duration;

use tracing::{info, warn};
use yardmaster_engine::{Clock, DroneId, Span, Time};

use super::SystemClock;
use super::config::Config;
use super::serve::Scheduler;
use crate::database::{Database, DatabaseError, Row};
use crate::drones::{Connection, DroneAddress, Fleet, SshAddress};

/// Addresses are read again so often, and at once when the scheduler has heard of another drone.
const EVERY: Duration = Duration::from_secs(10);

/// Where a drone's results and agent are, if its row does not say.
#[derive(Debug, Clone)]
struct Defaults {
    results: PathBuf,
    agent: PathBuf,
    local_agent: PathBuf,
}

/// Keeps the fleet's addresses as the database has them.
#[derive(Debug)]
pub(super) struct Roster {
    database: Database,
    defaults: Defaults,
    known: Vec<DroneAddress>,
    read_at: Option<Time>,
}

impl Roster {
    pub(super) fn new(database: Database, config: &Config) -> Roster {
        let defaults = Defaults {
            results: config.results_directory(),
            agent: config.drones.agent_path.clone(),
            local_agent: config.local_agent(),
        };
        Roster { database, defaults, known: Vec::new(), read_at: None }
    }

    /// Reads the addresses and tells the fleet.
    pub(super) async fn read(&mut self, fleet: &Fleet) -> Result<(), DatabaseError> {
        let known = read(&self.database, &self.defaults).await?;
        self.read_at = Some(SystemClock.now());
        if known != self.known {
            let names: Vec<&str> = known.iter().map(|drone| drone.name.as_str()).collect();
            info!(drones = names.join(", "), "the drones of this lab");
            fleet.set_drones(known.clone());
            self.known = known;
        }
        Ok(())
    }

    /// The same, when it is time or when the scheduler knows other drones than these.
    pub(super) async fn keep_up(&mut self, scheduler: &Scheduler) {
        let known = self.known.iter().map(|drone| drone.id);
        let others = !known.eq(scheduler.core().drones().map(|drone| drone.id));
        let every = Span::from_seconds_f64(EVERY.as_secs_f64());
        let is_time = self.read_at.is_none_or(|read_at| read_at + every <= SystemClock.now());
        if (others || is_time)
            && let Err(cause) = self.read(scheduler.drones().fleet()).await
        {
            warn!(%cause, "the addresses of the drones could not be read: those known are kept");
        }
    }
}

async fn read(database: &Database, defaults: &Defaults) -> Result<Vec<DroneAddress>, DatabaseError> {
    let sql = "SELECT d.id, d.hostname, y.connection, y.address, y.port, y.login, y.results_dir FROM afe_drones d \
               LEFT JOIN yardmaster_drones y ON y.drone_id = d.id ORDER BY d.id";
    let rows = database.query(sql, Vec::new()).await?;
    rows.iter().map(|row| address(row, defaults)).collect()
}

fn address(row: &Row, defaults: &Defaults) -> Result<DroneAddress, DatabaseError> {
    let name: String = row.get(1)?;
    let local = row.get::<Option<String>>(2)?.as_deref() == Some("local");
    let connection = if local {
        Connection::Local
    } else {
        let host = row.get::<Option<String>>(3)?.filter(|host| !host.is_empty()).unwrap_or_else(|| name.clone());
        let port = row.get::<Option<u32>>(4)?.and_then(|port| u16::try_from(port).ok());
        Connection::Ssh(SshAddress { host, port, login: row.get(5)? })
    };
    let results = row.get::<Option<String>>(6)?.filter(|path| !path.is_empty()).map(PathBuf::from);
    Ok(DroneAddress {
        id: DroneId(row.get(0)?),
        name,
        connection,
        results_dir: results.unwrap_or_else(|| defaults.results.clone()),
        agent: if local { defaults.local_agent.clone() } else { defaults.agent.clone() },
    })
}
