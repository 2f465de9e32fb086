//! Old results on drones are deleted, where the settings say after how many days.

use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::drones::{DroneAddress, DroneState, Fleet};

/// The first look, after a start: everything that is still needed is watched by then.
const FIRST: Duration = Duration::from_secs(600);
/// How often is looked at most; results that are to be kept for less than that, as often as they may get too old.
const EVERY: Duration = Duration::from_secs(86_400);

/// The task that sees to it.
#[derive(Debug)]
pub(super) struct Cleaning {
    task: AbortHandle,
}

impl Drop for Cleaning {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Cleaning {
    /// Starts it; `None` where nothing is to be deleted.
    pub(super) fn start(fleet: Fleet, after_days: f64) -> Option<Cleaning> {
        let age = Duration::try_from_secs_f64(after_days * 86_400.0).ok().filter(|age| !age.is_zero())?;
        let task = tokio::spawn(clean_for_ever(fleet, age));
        Some(Cleaning { task: task.abort_handle() })
    }
}

async fn clean_for_ever(fleet: Fleet, age: Duration) {
    let mut pause = age.min(FIRST);
    loop {
        sleep(pause).await;
        pause = age.min(EVERY);
        for (drone, health) in fleet.health() {
            if health.state == DroneState::Up && !fleet.keeps_repository(&drone) {
                clean(&fleet, &drone, age).await;
            }
        }
    }
}

async fn clean(fleet: &Fleet, drone: &DroneAddress, age: Duration) {
    let name = &drone.name;
    match fleet.clean(drone.id, age).await {
        Ok(cleaned) if cleaned.deleted.is_empty() && cleaned.failed.is_empty() => {}
        Ok(cleaned) => {
            let (deleted, failed, first) = (cleaned.deleted.len(), cleaned.failed.len(), cleaned.failed.first());
            info!(drone = name, deleted, failed, first, "old results were deleted on the drone");
        }
        Err(reason) => warn!(drone = name, reason, "old results could not be deleted on the drone"),
    }
}
