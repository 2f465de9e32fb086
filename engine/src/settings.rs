//! The scheduler's settings, under the names an Autotest installation knows them by.

use serde::{Deserialize, Serialize};

use crate::model::HandOffLevel;
use crate::time::Span;

/// What an operator can set. Every field has the original's default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Processes that a drone may run where its own limit is not given.
    pub max_processes_per_drone: u32,
    /// Parsers that may run at a time, on all drones together.
    pub max_parse_processes: u32,
    /// Result transfers that may run at a time, on all drones together.
    pub max_transfer_processes: u32,
    /// The shortest time from the start of one tick to the start of the next, in seconds.
    pub minimum_tick_sec: f64,
    /// Accepted for compatibility, without effect.
    pub tick_pause_sec: f64,
    /// How often time limits are enforced and rows tidied up, in minutes.
    pub clean_interval_minutes: u32,
    /// How often Repair Failed hosts are verified again, in minutes; 0 = never.
    pub reverify_period_minutes: u32,
    /// How many hosts are verified again at once; 0 = all.
    pub reverify_max_hosts_at_once: u32,
    /// How many Repairs an entry may cause on one host.
    pub max_repair_limit: u32,
    /// How many failed Provisions an entry may have and still be tried again.
    pub max_provision_retries: u32,
    /// A process that has written no pidfile for so long counts as lost, in minutes.
    pub pidfile_timeout_mins: u32,
    /// A pidfile that nobody asked about for so many refreshes is dropped.
    pub max_pidfile_refreshes: u32,
    /// The dispatcher gives hosts to entries itself; otherwise a host scheduler of its own does.
    pub inline_host_acquisition: bool,
    /// Processes that nobody claims at the start are fatal, not only reported.
    pub die_on_orphans: bool,
    /// Jobs and users may be bound to sets of drones.
    pub drone_sets_enabled: bool,
    /// The set for jobs and users that name none.
    pub default_drone_set: Option<String>,
    /// From where on jobs are given to a runner of their own; the original's `lucifer_level`.
    pub hand_off_level: HandOffLevel,
    /// Mail is sent when an entry comes to one of these statuses; comma-separated.
    pub notify_email_statuses: String,
    /// Label names before their first `:` for which a host can be provisioned.
    pub provisionable_labels: Vec<String>,
    /// Label names before their first `:` that ask for something in a Cleanup and do not restrict the choice of host.
    pub cleanup_labels: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            max_processes_per_drone: 1000,
            max_parse_processes: 100,
            max_transfer_processes: 50,
            minimum_tick_sec: 0.5,
            tick_pause_sec: 5.0,
            clean_interval_minutes: 5,
            reverify_period_minutes: 30,
            reverify_max_hosts_at_once: 30,
            max_repair_limit: 2,
            max_provision_retries: 0,
            pidfile_timeout_mins: 300,
            max_pidfile_refreshes: 2000,
            inline_host_acquisition: true,
            die_on_orphans: false,
            drone_sets_enabled: false,
            default_drone_set: None,
            hand_off_level: HandOffLevel::Off,
            notify_email_statuses: "Completed,Failed,Aborted".to_owned(),
            provisionable_labels: ["cros-version", "cheets-version", "fwrw-version", "fwro-version"]
                .map(str::to_owned)
                .to_vec(),
            cleanup_labels: vec!["cleanup-reboot".to_owned()],
        }
    }
}

/// What a label's name says about how it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LabelUse {
    /// A job that depends on it runs only on hosts that have it.
    Restricts,
    /// A host that lacks it is provisioned for it; a host that has it is preferred.
    Provisionable,
    /// The job takes hosts as they are, without provisioning.
    SkipProvision,
    /// Asks for something in a Cleanup.
    CleanupAction,
}

impl Settings {
    /// How a label of this name is used.
    pub fn label_use(&self, name: &str) -> LabelUse {
        let kind = name.split(':').next().unwrap_or(name);
        if name == "skip_provision" {
            LabelUse::SkipProvision
        } else if self.provisionable_labels.iter().any(|known| known == kind) {
            LabelUse::Provisionable
        } else if self.cleanup_labels.iter().any(|known| known == kind) {
            LabelUse::CleanupAction
        } else {
            LabelUse::Restricts
        }
    }

    /// The shortest time between the starts of two ticks; never less than a microsecond.
    pub fn tick(&self) -> Span {
        Span::from_seconds_f64(self.minimum_tick_sec).max(Span(1))
    }
}
