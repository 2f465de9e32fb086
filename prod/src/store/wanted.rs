//! Names of rows that have to be looked at.

use std::collections::BTreeSet;

use yardmaster_engine::Ineligible;

/// Ids by kind of row.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) users: BTreeSet<u32>,
    pub(super) labels: BTreeSet<u32>,
    /// All hosts of these labels.
    pub(super) label_hosts: BTreeSet<u32>,
    /// All hosts of these static labels.
    pub(super) static_labels: BTreeSet<u32>,
    pub(super) drones: BTreeSet<u32>,
    pub(super) drone_sets: BTreeSet<u32>,
    pub(super) hosts: BTreeSet<u32>,
    pub(super) jobs: BTreeSet<u32>,
    /// The known children of these jobs.
    pub(super) suites: BTreeSet<u32>,
    pub(super) entries: BTreeSet<u32>,
    pub(super) tasks: BTreeSet<u32>,
    pub(super) ineligible: BTreeSet<Ineligible>,
}

impl Wanted {
    pub(super) fn is_empty(&self) -> bool {
        let sets = [
            &self.users,
            &self.labels,
            &self.label_hosts,
            &self.static_labels,
            &self.drones,
            &self.drone_sets,
            &self.hosts,
            &self.jobs,
            &self.suites,
            &self.entries,
            &self.tasks,
        ];
        sets.iter().all(|set| set.is_empty()) && self.ineligible.is_empty()
    }

    pub(super) fn add(&mut self, other: Wanted) {
        self.users.extend(other.users);
        self.labels.extend(other.labels);
        self.label_hosts.extend(other.label_hosts);
        self.static_labels.extend(other.static_labels);
        self.drones.extend(other.drones);
        self.drone_sets.extend(other.drone_sets);
        self.hosts.extend(other.hosts);
        self.jobs.extend(other.jobs);
        self.suites.extend(other.suites);
        self.entries.extend(other.entries);
        self.tasks.extend(other.tasks);
        self.ineligible.extend(other.ineligible);
    }
}

/// A set of ids as a list.
pub(super) fn list(ids: &BTreeSet<u32>) -> Vec<u32> {
    ids.iter().copied().collect()
}
