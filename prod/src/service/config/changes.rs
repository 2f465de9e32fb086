//! What differs between two configurations, and from when on it counts.

use super::keys::{KEYS, Key};
use super::load::as_tables;
use super::sections::Config;

/// Settings that are read when a scheduler starts, and not again.
const AT_THE_START: [&str; 7] = [
    "database.address",
    "database.password_file",
    "scheduler.inline_host_acquisition",
    "log.format",
    "service.recover_hosts",
    "service.standby_seconds",
    "service.metrics_address",
];

/// A setting that has changed.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// Which.
    pub key: &'static Key,
    /// Whether it counts from the next start only.
    pub waits: bool,
}

impl Config {
    /// What is different in another configuration, in the order of the example file.
    pub fn changes(&self, other: &Config) -> Vec<Change> {
        let (mine, theirs) = (as_tables(self), as_tables(other));
        let value =
            |tables: &toml::Table, key: &Key| tables.get(key.section).and_then(|table| table.get(key.name)).cloned();
        let differs = |key: &&'static Key| value(&mine, key) != value(&theirs, key);
        let change = |key: &'static Key| Change { key, waits: AT_THE_START.contains(&key.path().as_str()) };
        KEYS.iter().filter(differs).map(change).collect()
    }

    /// This configuration as far as it may change while a scheduler runs that was started with another.
    #[must_use]
    pub fn for_a_scheduler_of(mut self, started: &Config) -> Config {
        self.database.clone_from(&started.database);
        self.scheduler.inline_host_acquisition = started.scheduler.inline_host_acquisition;
        self.log.format = started.log.format;
        let service = &started.service;
        self.service.recover_hosts = service.recover_hosts;
        self.service.standby_seconds = service.standby_seconds;
        self.service.metrics_address = service.metrics_address;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::{AT_THE_START, KEYS};

    #[test]
    fn what_waits_for_a_start_is_a_setting() {
        let known: Vec<String> = KEYS.iter().map(super::Key::path).collect();
        assert!(AT_THE_START.iter().all(|path| known.iter().any(|known| known == path)));
    }
}
