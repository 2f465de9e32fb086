//! SIGHUP: the settings are read again, and what may change while a scheduler runs is changed.

use tracing::{error, info, warn};

use super::cleaning::Cleaning;
use super::config::{Change, load};
use super::logging;
use super::mail::Mailer;
use super::serve::{Scheduler, Service};

impl Service {
    /// Reads the settings again. Mistakes leave those in force as they are.
    pub(super) fn reload(&mut self, engine: &mut Scheduler) {
        let read = match load(&self.sources) {
            Ok(loaded) => loaded.config,
            Err(cause) => return error!("the settings stay as they are: {cause:#}"),
        };
        let changes = self.config.changes(&read);
        let new = read.for_a_scheduler_of(&self.config);
        if let Err(cause) = std::fs::create_dir_all(new.results_repository()) {
            let repository = new.results_repository().display().to_string();
            return error!(repository, %cause, "the settings stay as they are: the results repository cannot be made");
        }
        if let Err(cause) = self.replace_mailer(&new) {
            return error!("the settings stay as they are: {cause:#}");
        }
        engine.set_settings(new.scheduler.clone());
        engine.store_mut().set_usual_room(new.scheduler.max_processes_per_drone);
        engine.drones_mut().set_commands(new.commands.clone());
        engine.drones().fleet().set_settings(new.drone_settings());
        if let Err(cause) = logging::set_filter(&new.log.filter) {
            warn!(cause, "the log goes on as before");
        }
        if self.cleaning.is_some() || new.drones.clean_after_days != self.config.drones.clean_after_days {
            self.cleaning = Cleaning::start(engine.drones().fleet().clone(), new.drones.clean_after_days);
        }
        self.config = new;
        tell(&changes);
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
    let waiting = changes.iter().filter(|change| change.waits).count();
    info!(changed = changes.len(), waiting, "settings read again");
}
