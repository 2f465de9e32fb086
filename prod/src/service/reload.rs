//! SIGHUP: the settings are read again, and what may change while a scheduler runs is changed.

use tracing::{error, info, warn};

use super::cleaning::Cleaning;
use super::config::{Change, load};
use super::containers::ContainerCleaning;
use super::logging;
use super::mail::Mailer;
use super::serve::{Scheduler, Service};

impl Service {
    /// Reads the settings again, and has the scheduler go by them.
    pub(super) fn reload(&mut self, engine: &mut Scheduler) {
        let Some(changes) = self.read_again() else { return };
        let waiting = changes.iter().filter(|change| change.waits).count();
        info!(changed = changes.len(), waiting, "settings read again");
        let new = &self.config;
        engine.set_settings(new.scheduler.clone());
        engine.store_mut().set_usual_room(new.scheduler.max_processes_per_drone);
        engine.drones_mut().set_commands(new.commands.clone());
        let fleet = engine.drones().fleet();
        fleet.set_settings(new.drone_settings());
        let is_changed = |paths: &[&str]| changes.iter().any(|change| paths.contains(&change.key.path().as_str()));
        if is_changed(&["drones.clean_after_days"]) {
            self.cleaning = Cleaning::start(fleet.clone(), new.drones.clean_after_days);
        }
        if is_changed(&["drones.clean_containers_hours", "commands.clean_containers"]) {
            self.containers = ContainerCleaning::begin(new, fleet);
        }
    }

    /// Reads the settings again and tells what is new. `None`: mistakes leave those in force as they are.
    pub(super) fn read_again(&mut self) -> Option<Vec<Change>> {
        let read = match load(&self.sources) {
            Ok(loaded) => loaded.config,
            Err(cause) => {
                error!("the settings stay as they are: {cause:#}");
                return None;
            }
        };
        let changes = self.config.changes(&read);
        let new = read.for_a_scheduler_of(&self.config);
        if let Err(cause) = std::fs::create_dir_all(new.results_repository()) {
            let repository = new.results_repository().display().to_string();
            error!(repository, %cause, "the settings stay as they are: the results repository cannot be made");
            return None;
        }
        if let Err(cause) = self.replace_mailer(&new) {
            error!("the settings stay as they are: {cause:#}");
            return None;
        }
        if let Err(cause) = logging::set_filter(&new.log.filter) {
            warn!(cause, "the log goes on as before");
        }
        if let Some(subnets) = &self.subnets {
            subnets.set_config(new.clone());
        }
        self.config = new;
        tell(&changes);
        Some(changes)
    }

    /// Letters are written by the new settings from now on; those that wait get a moment to go by the old ones.
    fn replace_mailer(&mut self, new: &super::config::Config) -> anyhow::Result<()> {
        if new.notify == self.config.notify {
            return Ok(());
        }
        let mailer = Mailer::start(new, self.database.clone())?;
        if let Some(old) = std::mem::replace(&mut self.mailer, mailer) {
            tokio::spawn(old.stop());
        }
        Ok(())
    }
}

/// Says of each setting that has changed from when on it counts.
fn tell(changes: &[Change]) {
    for change in changes {
        let key = change.key.path();
        if change.waits {
            warn!(key, "changed: it counts from the next start");
        } else {
            info!(key, "changed: it counts from now on");
        }
    }
}
