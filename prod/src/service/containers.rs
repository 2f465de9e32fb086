//! Orphaned containers on drones are cleaned now and then, where that is enabled. It has no part in scheduling: it takes no
//! room, and when it fails people are told and nothing else happens.

use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::sleep;
use tracing::warn;

use super::config::Config;
use crate::drones::Fleet;

/// Drones are asked so often; each knows by itself when it is its time, and how it went.
const ASK_EVERY: Duration = Duration::from_secs(30);

/// Asks drones to clean as long as it lives.
#[derive(Debug)]
pub(super) struct ContainerCleaning {
    task: AbortHandle,
}

impl ContainerCleaning {
    /// Begins; `None` where the configuration does not enable it.
    pub(super) fn begin(config: &Config, fleet: &Fleet) -> Option<ContainerCleaning> {
        let every = Duration::try_from_secs_f64(config.drones.clean_containers_hours * 3600.0).ok();
        let every = every.filter(|every| !every.is_zero())?;
        let (fleet, template) = (fleet.clone(), config.commands.clean_containers.clone());
        let task = tokio::spawn(async move {
            loop {
                for (drone, cause) in fleet.clean_containers(&template, every).await {
                    warn!(drone, cause, "orphaned containers could not be cleaned");
                }
                // A drone need not be asked more often than it would do anything.
                sleep(ASK_EVERY.min(every)).await;
            }
        });
        Some(ContainerCleaning { task: task.abort_handle() })
    }
}

impl Drop for ContainerCleaning {
    fn drop(&mut self) {
        self.task.abort();
    }
}
