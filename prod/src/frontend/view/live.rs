//! What the running scheduler tells of itself: how its drones are, and which entries under way do not get on.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Moment;
use crate::database::{Database, DatabaseError, Row};

/// What was told longer ago says nothing of now, in seconds: a scheduler that works tells every 15.
const FRESH: i64 = 60;

/// A drone as the running scheduler sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DroneLive {
    /// `up`, `late` (connected, and does not answer in time), `down` or `connecting`.
    pub state: String,
    /// Since when.
    pub since: Moment,
    /// Processes that count against its limit.
    pub processes: u32,
    /// Bytes that are free for its results.
    pub free_disk: Option<u64>,
    /// Results that wait to be fetched.
    pub transfers: u32,
    /// How long the last refresh took, in milliseconds.
    pub latency_ms: Option<u32>,
    /// The version of its agent.
    pub agent: Option<String>,
    /// What went wrong last.
    pub error: Option<String>,
    /// When.
    pub error_on: Option<Moment>,
    /// Seconds since the scheduler told this, by the database server's clock.
    pub told_ago: i64,
}

impl DroneLive {
    /// Whether it is news: else no scheduler has told of its drones for a while.
    pub fn is_fresh(&self) -> bool {
        self.told_ago < FRESH
    }

    /// Whether it answers.
    pub fn answers(&self) -> bool {
        self.state == "up"
    }
}

/// An entry under way that does not get on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveWait {
    /// `drones_full`, `parse_limit` or `drone_silent`.
    pub reason: String,
    /// The drone that it waits for, if it is one.
    pub drone: Option<u32>,
}

/// What the running scheduler told last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// By drone.
    pub drones: BTreeMap<u32, DroneLive>,
    /// By entry.
    pub waits: BTreeMap<u32, LiveWait>,
}

impl Live {
    /// Whether a scheduler is at work that tells.
    pub fn is_fresh(&self) -> bool {
        self.drones.values().any(DroneLive::is_fresh)
    }
}

/// How the drones are, by drone.
///
/// # Errors
/// As the database has it.
pub async fn drone_states(database: &Database) -> Result<BTreeMap<u32, DroneLive>, DatabaseError> {
    let sql = format!(
        "SELECT drone_id, state, since, processes, free_disk, transfers, latency_ms, agent, error, error_on, {} - told_on \
         FROM yardmaster_drone_states",
        database.dialect().now_seconds()
    );
    let read = |row: &Row| {
        let live = DroneLive {
            state: row.get(1)?,
            since: row.get(2)?,
            processes: row.get(3)?,
            free_disk: row.get(4)?,
            transfers: row.get(5)?,
            latency_ms: row.get(6)?,
            agent: row.get(7)?,
            error: row.get(8)?,
            error_on: row.get(9)?,
            told_ago: row.get(10)?,
        };
        Ok((row.get(0)?, live))
    };
    database.query(&sql, Vec::new()).await?.iter().map(read).collect()
}

/// Everything that the running scheduler told last.
///
/// # Errors
/// As the database has it.
pub async fn live(database: &Database) -> Result<Live, DatabaseError> {
    let rows = database.query("SELECT entry_id, reason, drone_id FROM yardmaster_waits", Vec::new()).await?;
    let read = |row: &Row| Ok((row.get(0)?, LiveWait { reason: row.get(1)?, drone: row.get(2)? }));
    let waits = rows.iter().map(read).collect::<Result<_, DatabaseError>>()?;
    Ok(Live { drones: drone_states(database).await?, waits })
}
