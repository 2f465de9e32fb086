//! The whole lab at one glance.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{DroneView, HostFilter, Moment, TaskFilter, TaskView, drones, hosts, tasks};
use crate::database::{Database, DatabaseError};

/// Lines of each list that a screen has room for.
const SHOWN: u32 = 8;

/// A scheduler, as its term in the database shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchedulerView {
    /// What it does: `dispatcher` or `host scheduler`.
    pub role: String,
    /// The number of its reign.
    pub term: i64,
    /// The number of its last committed tick.
    pub tick: i64,
    /// The machine and process that has it, or had it last.
    pub holder: String,
    /// Whether it still has it; false once it has ended well.
    pub at_work: bool,
    /// Seconds since it last said that it lives, by the database server's clock.
    pub silent_for: i64,
}

/// How many entries are in a status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntryCount {
    /// The status: the database's word.
    pub status: String,
    /// How many.
    pub count: u32,
}

/// The hosts of a platform.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PlatformView {
    /// Its name; null = hosts without one.
    pub platform: Option<String>,
    /// Its hosts by status; locked ones under `locked`.
    pub hosts: BTreeMap<String, u32>,
}

/// An entry that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The entry.
    pub entry: u32,
    /// Its job.
    pub job: u32,
    /// The job's name.
    pub name: String,
    /// The job's owner.
    pub owner: String,
    /// When the job was submitted.
    pub created: Option<Moment>,
}

/// An entry that did not end well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The entry.
    pub entry: u32,
    /// Its job.
    pub job: u32,
    /// The job's name.
    pub name: String,
    /// The host.
    pub host: Option<String>,
    /// How it ended.
    pub status: String,
    /// When.
    pub finished: Option<Moment>,
}

/// A lab at one glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LabView {
    /// When this was.
    pub at: Moment,
    /// Its schedulers, by role.
    pub schedulers: Vec<SchedulerView>,
    /// Its hosts by platform and status.
    pub platforms: Vec<PlatformView>,
    /// Entries that have not ended, by status.
    pub entries: Vec<EntryCount>,
    /// The entries that have waited longest.
    pub oldest_waiting: Vec<Waiting>,
    /// Its drones.
    pub drones: Vec<DroneView>,
    /// Special tasks that have not ended, the latest first.
    pub tasks: Vec<TaskView>,
    /// What failed last.
    pub last_failures: Vec<Failure>,
}

/// The lab now.
///
/// # Errors
/// As the database has it.
pub async fn lab(database: &Database) -> Result<LabView, DatabaseError> {
    let mut platforms: BTreeMap<Option<String>, BTreeMap<String, u32>> = BTreeMap::new();
    for host in hosts(database, &HostFilter::default()).await? {
        let word = if host.locked { "locked".to_owned() } else { host.status };
        *platforms.entry(host.platform).or_default().entry(word).or_default() += 1;
    }
    Ok(LabView {
        at: Moment::now(),
        schedulers: schedulers(database).await?,
        platforms: platforms.into_iter().map(|(platform, hosts)| PlatformView { platform, hosts }).collect(),
        entries: entries(database).await?,
        oldest_waiting: oldest_waiting(database).await?,
        drones: drones(database).await?,
        tasks: tasks(database, &TaskFilter { limit: SHOWN, ..TaskFilter::default() }).await?,
        last_failures: last_failures(database).await?,
    })
}

async fn schedulers(database: &Database) -> Result<Vec<SchedulerView>, DatabaseError> {
    let sql = format!(
        "SELECT role, term, number, holder, held, {} - renewed_on FROM yardmaster_terms ORDER BY role",
        database.dialect().now_seconds(),
    );
    let rows = database.query(&sql, Vec::new()).await?;
    let view = |row: &crate::database::Row| {
        Ok(SchedulerView {
            role: row.get(0)?,
            term: row.get(1)?,
            tick: row.get(2)?,
            holder: row.get(3)?,
            at_work: row.get(4)?,
            silent_for: row.get(5)?,
        })
    };
    rows.iter().map(view).collect()
}

async fn entries(database: &Database) -> Result<Vec<EntryCount>, DatabaseError> {
    let sql = "SELECT status, COUNT(*) FROM afe_host_queue_entries WHERE complete = 0 GROUP BY status ORDER BY status";
    let rows = database.query(sql, Vec::new()).await?;
    let view = |row: &crate::database::Row| {
        Ok(EntryCount { status: row.get::<Option<String>>(0)?.unwrap_or_default(), count: row.get(1)? })
    };
    rows.iter().map(view).collect()
}

async fn oldest_waiting(database: &Database) -> Result<Vec<Waiting>, DatabaseError> {
    let sql = format!(
        "SELECT e.id, j.id, j.name, j.owner, {} FROM afe_host_queue_entries e JOIN afe_jobs j ON j.id = e.job_id \
         WHERE e.complete = 0 AND e.active = 0 AND e.status = 'Queued' ORDER BY e.id LIMIT {SHOWN}",
        database.dialect().seconds_of("j.created_on")
    );
    let rows = database.query(&sql, Vec::new()).await?;
    let view = |row: &crate::database::Row| {
        Ok(Waiting {
            entry: row.get(0)?,
            job: row.get(1)?,
            name: row.get::<Option<String>>(2)?.unwrap_or_default(),
            owner: row.get::<Option<String>>(3)?.unwrap_or_default(),
            created: Moment::read(row, 4)?,
        })
    };
    rows.iter().map(view).collect()
}

async fn last_failures(database: &Database) -> Result<Vec<Failure>, DatabaseError> {
    let sql = format!(
        "SELECT e.id, j.id, j.name, h.hostname, e.status, {} FROM afe_host_queue_entries e \
         JOIN afe_jobs j ON j.id = e.job_id LEFT JOIN afe_hosts h ON h.id = e.host_id \
         WHERE e.complete = 1 AND e.status IN ('Failed', 'Aborted') AND e.finished_on IS NOT NULL \
         ORDER BY e.finished_on DESC, e.id DESC LIMIT {SHOWN}",
        database.dialect().seconds_of("e.finished_on")
    );
    let rows = database.query(&sql, Vec::new()).await?;
    let view = |row: &crate::database::Row| {
        Ok(Failure {
            entry: row.get(0)?,
            job: row.get(1)?,
            name: row.get::<Option<String>>(2)?.unwrap_or_default(),
            host: row.get(3)?,
            status: row.get::<Option<String>>(4)?.unwrap_or_default(),
            finished: Moment::read(row, 5)?,
        })
    };
    rows.iter().map(view).collect()
}
