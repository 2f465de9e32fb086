//! What hosts, drones and processes did in a run.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::output::decimal::Decimal;
use crate::output::derived::HostUse;
use crate::recording::{HostRecord, Recording};

/// What hosts, drones and processes did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Lab {
    /// All hosts together.
    pub hosts: HostsOfKind,
    /// The hosts of each kind.
    pub hosts_by_kind: BTreeMap<String, HostsOfKind>,
    /// The drones.
    pub drones: DroneUse,
    /// Processes by kind: special tasks by their names, `job`, `gather`, `parse`.
    pub processes: BTreeMap<&'static str, ProcessCount>,
    /// The most entries that waited for a host at once.
    pub queue_peak: u32,
    /// Entries that waited for a host, in the mean over the run.
    pub queue_mean: Decimal,
}

/// Hosts and what their time went to. Shares are of the sum of their time, 0 to 1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HostsOfKind {
    /// How many there are.
    pub hosts: u64,
    /// Tests that ran on them.
    pub tests: u64,
    /// Special tasks that ran on them.
    pub special_tasks: u64,
    /// How often one came to Repair Failed.
    pub repair_failures: u64,
    /// Share of time in which a host was in use: the sum of the next three.
    pub utilisation: Decimal,
    /// Share of time in which tests ran or crash information was gathered.
    pub running_tests: Decimal,
    /// Share of time in which special tasks ran.
    pub running_special_tasks: Decimal,
    /// Share of time in which a host was prepared and held for the other hosts of its job.
    pub held: Decimal,
    /// Share of time in which a host was Repair Failed, or Ready but locked.
    pub out_of_service: Decimal,
    /// Share of time in which a host was Ready and not locked, with nothing to do.
    pub idle: Decimal,
}

/// Drones and the processes that they ran.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DroneUse {
    /// How many there are.
    pub drones: u64,
    /// Processes that all may run at once.
    pub max_processes: u64,
    /// Processes that they started.
    pub started_processes: u64,
    /// The most processes that ran at once, on all drones together.
    pub peak_processes: u64,
    /// Running processes, on all drones together, in the mean over the run.
    pub mean_processes: Decimal,
}

/// Processes of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ProcessCount {
    /// How many were started.
    pub started: u64,
    /// How many ended with another wait status than 0.
    pub failed: u64,
}

impl Lab {
    pub(super) fn of(recording: &Recording) -> Lab {
        let mut by_kind: BTreeMap<&str, Vec<&HostRecord>> = BTreeMap::new();
        for host in &recording.hosts {
            by_kind.entry(&host.kind).or_default().push(host);
        }
        let mut processes: BTreeMap<&'static str, ProcessCount> = BTreeMap::new();
        for process in &recording.processes {
            let count = processes.entry(process.kind.as_str()).or_default();
            count.started += 1;
            count.failed += u64::from(process.exit_status.is_some_and(|status| status != 0));
        }
        Lab {
            hosts: HostsOfKind::of(&recording.hosts.iter().collect::<Vec<_>>()),
            hosts_by_kind: by_kind
                .into_iter()
                .map(|(kind, hosts)| (kind.to_owned(), HostsOfKind::of(&hosts)))
                .collect(),
            drones: DroneUse::of(recording),
            processes,
            queue_peak: recording.timeline.iter().map(|point| point.queued).max().unwrap_or(0),
            queue_mean: queue_mean(recording),
        }
    }
}

impl HostsOfKind {
    fn of(hosts: &[&HostRecord]) -> HostsOfKind {
        let mut time_in_use = [0_i128; HostUse::ALL.len()];
        for host in hosts {
            for (sum, span) in time_in_use.iter_mut().zip(host.time_in_use()) {
                *sum += i128::from(span.0);
            }
        }
        let total: i128 = time_in_use.iter().sum();
        let share = |time: i128| Decimal::ratio(time, total).unwrap_or_default();
        let [tests, special_tasks, held, out_of_service, idle] = time_in_use;
        HostsOfKind {
            hosts: hosts.len() as u64,
            tests: hosts.iter().map(|host| host.tests).sum(),
            special_tasks: hosts.iter().map(|host| host.special_tasks).sum(),
            repair_failures: hosts.iter().map(|host| host.repair_failures).sum(),
            utilisation: share(tests + special_tasks + held),
            running_tests: share(tests),
            running_special_tasks: share(special_tasks),
            held: share(held),
            out_of_service: share(out_of_service),
            idle: share(idle),
        }
    }

    /// The shares of time, in the order of `HostUse::ALL`.
    pub(in crate::output) fn shares(&self) -> [Decimal; HostUse::ALL.len()] {
        [self.running_tests, self.running_special_tasks, self.held, self.out_of_service, self.idle]
    }
}

impl DroneUse {
    fn of(recording: &Recording) -> DroneUse {
        let busy: i128 = recording.drones.iter().map(|drone| i128::from(drone.busy.0)).sum();
        let length = i128::from((recording.end - recording.start).0);
        DroneUse {
            drones: recording.drones.len() as u64,
            max_processes: recording.drones.iter().map(|drone| u64::from(drone.max_processes)).sum(),
            started_processes: recording.drones.iter().map(|drone| drone.started).sum(),
            peak_processes: recording.timeline.iter().map(|point| u64::from(point.processes)).max().unwrap_or(0),
            mean_processes: Decimal::ratio(busy, length).unwrap_or_default(),
        }
    }
}

fn queue_mean(recording: &Recording) -> Decimal {
    let ends = recording.timeline.iter().skip(1).map(|point| point.time).chain([recording.end]);
    let waited: i128 = recording
        .timeline
        .iter()
        .zip(ends)
        .map(|(point, end)| i128::from(point.queued) * i128::from((end - point.time).0.max(0)))
        .sum();
    Decimal::ratio(waited, i128::from((recording.end - recording.start).0)).unwrap_or_default()
}
