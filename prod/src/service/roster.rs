//! Which drones there are and how they are reached, read from the database again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use tracing::{info, warn};
use yardmaster_engine::{Clock, Span, Time};

use super::SystemClock;
use super::config::Config;
use super::serve::Scheduler;
use crate::database::{Database, DatabaseError};
use crate::drones::{DroneAddress, Fleet};
use crate::frontend::view::{self, DroneView};

/// Addresses are read again so often, and at once when the scheduler has heard of another drone.
const EVERY: Duration = Duration::from_secs(10);

/// Keeps the fleet's addresses as the database has them.
#[derive(Debug)]
pub(super) struct Roster {
    database: Database,
    config: Config,
    known: Vec<DroneAddress>,
    /// What was told of rows that make no sense.
    wrong: BTreeMap<u32, String>,
    /// The same, for the operators.
    untold: Vec<(u32, String)>,
    read_at: Option<Time>,
}

impl Roster {
    pub(super) fn new(database: Database, config: &Config) -> Roster {
        Roster {
            database,
            config: config.clone(),
            known: Vec::new(),
            wrong: BTreeMap::new(),
            untold: Vec::new(),
            read_at: None,
        }
    }

    /// Reads the addresses and tells the fleet.
    pub(super) async fn read(&mut self, fleet: &Fleet) -> Result<(), DatabaseError> {
        let drones = view::drones(&self.database).await?;
        self.complain(&drones);
        let mut known: Vec<DroneAddress> = drones.iter().map(|drone| drone.address(&self.config)).collect();
        known.sort_by_key(|drone| drone.id);
        self.read_at = Some(SystemClock.now());
        if known != self.known {
            let names: Vec<&str> = known.iter().map(|drone| drone.name.as_str()).collect();
            info!(drones = names.join(", "), "the drones of this lab");
            fleet.set_drones(known.clone());
            self.known = known;
        }
        Ok(())
    }

    /// Rows of `yardmaster_drones` that make no sense, and why, since the last call.
    pub(super) fn take_wrong(&mut self) -> Vec<(u32, String)> {
        std::mem::take(&mut self.untold)
    }

    /// Tells of rows that make no sense, once each.
    fn complain(&mut self, drones: &[DroneView]) {
        let lost = drones.iter().filter(|drone| drone.is_lost);
        let wrong: BTreeMap<u32, String> = lost.filter_map(|drone| Some((drone.id, drone.wrong.clone()?))).collect();
        for (id, why) in wrong.iter().filter(|(id, why)| self.wrong.get(id) != Some(why)) {
            let table = "yardmaster_drones";
            warn!(table, id, why, "a row makes no sense: it is set aside until it is mended");
            self.untold.push((*id, why.clone()));
        }
        self.wrong = wrong;
    }

    /// The same, when it is time, when the settings are others, or when the scheduler knows other drones than these.
    pub(super) async fn keep_up(&mut self, scheduler: &Scheduler, config: &Config) {
        let is_changed = *config != self.config;
        if is_changed {
            self.config = config.clone();
        }
        let known = self.known.iter().map(|drone| drone.id);
        let others = !known.eq(scheduler.core().drones().map(|drone| drone.id));
        let every = Span::from_seconds_f64(EVERY.as_secs_f64());
        let is_time = self.read_at.is_none_or(|read_at| read_at + every <= SystemClock.now());
        if (others || is_time || is_changed)
            && let Err(cause) = self.read(scheduler.drones().fleet()).await
        {
            warn!(%cause, "the addresses of the drones could not be read: those known are kept");
        }
    }
}
