//! Everything about a scripted lab that an expectation can show, under the names that scenarios use.

use std::collections::BTreeMap;

use yardmaster_engine::{EntryStatus, HostId, HostStatus, Work, WorkKind};

use crate::drones::{FakeDrones, FakeProcess, UntilTold};
use crate::store::MemoryStore;

/// The state of the lab. Equal views cannot be told apart by any expectation but `killed`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct View {
    /// Status and host of every entry.
    pub(super) entries: BTreeMap<String, (String, String)>,
    /// Status of every host, and whether it is locked, leased, dirty.
    pub(super) hosts: BTreeMap<String, (HostStatus, [bool; 3])>,
    /// Processes that run, with their drones; sorted.
    pub(super) running: Vec<(String, String)>,
    /// Queued special tasks; sorted.
    pub(super) tasks: Vec<String>,
}

/// How entries are called: `JOB#N`, by entry id.
pub(super) type EntryNames = BTreeMap<u32, String>;

fn host_name(store: &MemoryStore, host: HostId) -> String {
    store.hosts.get(host.0).map_or_else(|| format!("host {host}"), |host| host.name.to_string())
}

/// The name of the process that does this work: `verify host1`, `job sync#0`.
pub(super) fn process_name(store: &MemoryStore, names: &EntryNames, work: &Work) -> String {
    let first_host = || work.hosts.first().map_or_else(String::new, |host| host_name(store, *host));
    let group = || work.entries.iter().min().and_then(|entry| names.get(&entry.0)).cloned().unwrap_or_default();
    match work.kind {
        WorkKind::Special(kind) => format!("{} {}", kind.lower(), first_host()),
        WorkKind::Test => format!("job {}", group()),
        WorkKind::Gather => format!("gather {}", group()),
        WorkKind::Parse => format!("parse {}", group()),
        WorkKind::HandOff => format!("runner {}", group()),
    }
}

impl View {
    /// Looks at the lab.
    pub(super) fn of(store: &MemoryStore, drones: &FakeDrones<UntilTold>, names: &EntryNames) -> View {
        let mut view = View::default();
        for entry in store.entries.iter() {
            let Some(name) = names.get(&entry.id.0) else { continue };
            let star = if entry.status == EntryStatus::Queued && entry.active { "*" } else { "" };
            let host = entry.host.map_or_else(String::new, |host| host_name(store, host));
            view.entries.insert(name.clone(), (format!("{}{star}", entry.status), host));
        }
        for host in store.hosts.iter() {
            view.hosts.insert(host.name.to_string(), (host.status, [host.locked, host.leased, host.dirty]));
        }
        for (_, process) in drones.running() {
            let FakeProcess { work, drone, .. } = process;
            let drone = store.drones.get(drone.0).map_or_else(String::new, |drone| drone.name.to_string());
            view.running.push((process_name(store, names, work), drone));
        }
        view.running.sort();
        for task in store.tasks.iter().filter(|task| task.is_queued()) {
            view.tasks.push(format!("{} {}", task.kind.lower(), host_name(store, task.host)));
        }
        view.tasks.sort();
        view
    }

    /// What is different in `later`, a line each.
    pub(super) fn changes(&self, later: &View) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, (status, host)) in &later.entries {
            let before = self.entries.get(name);
            if before.map(|(status, _)| status) != Some(status) {
                let old = before.map_or("", |(status, _)| status.as_str());
                lines.push(format!("entry   {name:<12} {old:>12} → {status}"));
            }
            if let Some((_, old)) = before.filter(|(_, old)| old != host) {
                let show = |name: &str| if name.is_empty() { "no host".to_owned() } else { name.to_owned() };
                lines.push(format!("entry   {name:<12} {:>12} → {}", show(old), show(host)));
            }
        }
        for (name, (status, flags)) in &later.hosts {
            let Some((old_status, old_flags)) = self.hosts.get(name) else { continue };
            if old_status != status {
                lines.push(format!("host    {name:<12} {old_status:>12} → {status}"));
            }
            for ((flag, old), new) in ["locked", "leased", "dirty"].iter().zip(old_flags).zip(flags) {
                if old != new {
                    lines.push(format!("host    {name:<12} {:>12} → {}{flag}", "", if *new { "" } else { "not " }));
                }
            }
        }
        lines.extend(changes_of_list(
            "process",
            "starts on",
            "is gone",
            &self.running,
            &later.running,
            |(name, drone)| (name.clone(), drone.clone()),
        ));
        lines.extend(changes_of_list("task", "is queued", "is taken up or gone", &self.tasks, &later.tasks, |name| {
            (name.clone(), String::new())
        }));
        lines
    }
}

/// Comings and goings between two sorted lists, repeats counted.
fn changes_of_list<T: Ord + Clone>(
    what: &str,
    comes: &str,
    goes: &str,
    before: &[T],
    after: &[T],
    show: impl Fn(&T) -> (String, String),
) -> Vec<String> {
    let mut counts: BTreeMap<&T, i64> = BTreeMap::new();
    for item in before {
        *counts.entry(item).or_default() -= 1;
    }
    for item in after {
        *counts.entry(item).or_default() += 1;
    }
    let mut lines = Vec::new();
    for (item, count) in counts {
        let (name, place) = show(item);
        for _ in 0..count.abs() {
            let verb = if count > 0 { format!("{comes} {place}") } else { goes.to_owned() };
            lines.push(format!("{what:<7} {name} {}", verb.trim_end()));
        }
    }
    lines
}
