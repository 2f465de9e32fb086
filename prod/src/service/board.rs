//! What only the running scheduler knows, written where everybody can read it: how each drone is, and which entries under way
//! do not get on. A task of its own writes it, so that no tick waits for it; it is news for people, and nothing depends on it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::debug;
use yardmaster_engine::{Core, DroneId, WaitReason};

use crate::database::{CHUNK, Database, DatabaseError, Transaction, Value, marks, padded};
use crate::drones::{DroneHealth, Fleet};

/// The board is looked over so often …
const EVERY: Duration = Duration::from_secs(3);
/// … and written again after so long, though nothing has changed, to show that somebody looks.
const AT_LEAST_EVERY: Duration = Duration::from_secs(15);
/// Rows of one insertion.
const ROWS: usize = 64;

/// A drone as the scheduler knows it.
#[derive(Debug, Clone)]
struct Standing {
    processes: u32,
    health: DroneHealth,
}

impl Standing {
    /// Whether people would read the same. How fast it answers and how much room it has always changes a little.
    fn reads_like(&self, other: &Standing) -> bool {
        let (mine, theirs) = (&self.health, &other.health);
        self.processes == other.processes
            && (mine.state, mine.since, mine.transfers) == (theirs.state, theirs.since, theirs.transfers)
            && mine.last_error == theirs.last_error
    }
}

/// Everything that is on the board.
#[derive(Debug, Clone, Default)]
struct Notes {
    drones: BTreeMap<DroneId, Standing>,
    /// By entry: the reason's word, and the drone.
    waits: BTreeMap<u32, (&'static str, Option<u32>)>,
}

/// The way to the task that writes.
#[derive(Debug)]
pub(super) struct Board {
    notes: watch::Sender<Notes>,
    looked: Option<Instant>,
    task: AbortHandle,
}

impl Drop for Board {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Board {
    /// Starts the task.
    pub(super) fn start(database: Database) -> Board {
        let (notes, inbox) = watch::channel(Notes::default());
        let task = tokio::spawn(write_all(database, inbox)).abort_handle();
        Board { notes, looked: None, task }
    }

    /// Looks at the scheduler, if it is time to.
    pub(super) fn look(&mut self, core: &Core, fleet: &Fleet) {
        if self.looked.is_some_and(|looked| looked.elapsed() < EVERY) {
            return;
        }
        self.looked = Some(Instant::now());
        let processes: BTreeMap<DroneId, u32> =
            core.processes_by_drone().map(|(drone, processes)| (drone.id, processes)).collect();
        let standing = |id: DroneId, health| Standing { processes: processes.get(&id).copied().unwrap_or(0), health };
        let drones = fleet.health().into_iter().map(|(drone, health)| (drone.id, standing(drone.id, health))).collect();
        let held_up = core.held_up().into_iter();
        let waits =
            held_up.filter_map(|held| Some((held.entry.0, (word(&held.reason)?, held.drone.map(|drone| drone.0)))));
        self.notes.send_replace(Notes { drones, waits: waits.collect() });
    }
}

/// The word for a reason, if it is one that only the running scheduler knows.
fn word(reason: &WaitReason) -> Option<&'static str> {
    match reason {
        WaitReason::DronesFull => Some("drones_full"),
        WaitReason::ParseLimit => Some("parse_limit"),
        WaitReason::DroneSilent => Some("drone_silent"),
        WaitReason::Nothing
        | WaitReason::Ended
        | WaitReason::NoSuchHost
        | WaitReason::AccessDenied
        | WaitReason::Locked(_)
        | WaitReason::AllBusy { .. }
        | WaitReason::BehindOthers { .. }
        | WaitReason::WaitsForTask(_)
        | WaitReason::WaitsForGroup { .. }
        | WaitReason::NoDrone(_)
        | WaitReason::OnShard => None,
    }
}

async fn write_all(database: Database, mut inbox: watch::Receiver<Notes>) {
    let mut written: Option<(Notes, Instant)> = None;
    while inbox.changed().await.is_ok() {
        let notes = inbox.borrow_and_update().clone();
        if written.as_ref().is_some_and(|(last, at)| at.elapsed() < AT_LEAST_EVERY && reads_like(last, &notes)) {
            continue;
        }
        let before = written.take().map(|(last, _)| last);
        match write(&database, before.as_ref(), &notes).await {
            Ok(()) => written = Some((notes, Instant::now())),
            Err(error) => debug!(%error, "how the drones are was not written for others to read"),
        }
    }
}

fn reads_like(last: &Notes, notes: &Notes) -> bool {
    let alike =
        |(one, other): ((&DroneId, &Standing), (&DroneId, &Standing))| one.0 == other.0 && one.1.reads_like(other.1);
    last.waits == notes.waits
        && last.drones.len() == notes.drones.len()
        && last.drones.iter().zip(&notes.drones).all(alike)
}

/// Writes what is new. Without `before`, nothing is known of what is there.
async fn write(database: &Database, before: Option<&Notes>, notes: &Notes) -> Result<(), DatabaseError> {
    let mut transaction = database.begin().await?;
    transaction.execute("DELETE FROM yardmaster_drone_states", Vec::new()).await?;
    for (drone, standing) in &notes.drones {
        write_drone(&mut transaction, *drone, standing).await?;
    }
    let known = before.map(|notes| &notes.waits);
    match known {
        None => drop(transaction.execute("DELETE FROM yardmaster_waits", Vec::new()).await?),
        Some(known) => {
            let stale = known.iter().filter(|(entry, wait)| notes.waits.get(entry) != Some(wait));
            let stale: Vec<u32> = stale.map(|(entry, _)| *entry).collect();
            for chunk in stale.chunks(CHUNK) {
                let ids = padded(chunk);
                let sql = format!("DELETE FROM yardmaster_waits WHERE entry_id IN ({})", marks(ids.len()));
                transaction.execute(&sql, ids).await?;
            }
        }
    }
    let is_new =
        |(entry, wait): &(&u32, &(&'static str, Option<u32>))| known.and_then(|known| known.get(entry)) != Some(wait);
    let fresh: Vec<_> = notes.waits.iter().filter(is_new).collect();
    for chunk in fresh.chunks(ROWS) {
        let values = vec!["(?, ?, ?)"; chunk.len()].join(", ");
        let sql = format!("INSERT INTO yardmaster_waits (entry_id, reason, drone_id) VALUES {values}");
        let row = |(entry, (reason, drone)): &(&u32, &(&'static str, Option<u32>))| {
            [Value::from(**entry), Value::from(*reason), Value::from(*drone)]
        };
        transaction.execute(&sql, chunk.iter().flat_map(row).collect()).await?;
    }
    transaction.commit().await
}

async fn write_drone(transaction: &mut Transaction, id: DroneId, standing: &Standing) -> Result<(), DatabaseError> {
    let Standing { processes, health } = standing;
    let whole = |number: Option<u64>| {
        number.map_or(Value::Null, |number| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX)))
    };
    let latency = health.latency.map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX));
    let (error_on, error) = match &health.last_error {
        Some((on, error)) => (Value::Integer(on.as_seconds()), error.as_str().into()),
        None => (Value::Null, Value::Null),
    };
    let sql = format!(
        "INSERT INTO yardmaster_drone_states (drone_id, state, since, processes, free_disk, transfers, latency_ms, agent, \
         error, error_on, told_on) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, {})",
        transaction.dialect().now_seconds()
    );
    let values = vec![
        id.0.into(),
        health.state.as_str().into(),
        Value::Integer(health.since.as_seconds()),
        (*processes).into(),
        whole(health.free_disk),
        health.transfers.into(),
        whole(latency.map(|latency| latency.min(i32::MAX as u64))),
        health.agent.as_ref().map_or(Value::Null, |agent| agent.version.as_str().into()),
        error,
        error_on,
    ];
    transaction.execute(&sql, values).await.map(drop)
}
