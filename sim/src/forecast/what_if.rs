//! Changes to a lab whose consequences somebody wants to know: made in the rows before the forecast begins.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use yardmaster_engine::{Host, HostId, HostStatus, JobId, LiveRows};

use super::ForecastError;
use super::fate::Likeness;
use crate::host_list::host_list;
use crate::workload::nearest;

/// A change of the lab, made at the moment of the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Hosts are locked; what runs on them goes on.
    Lock(String),
    /// Hosts are unlocked.
    Unlock(String),
    /// Hosts are added: Ready, and with the labels and ACL groups that most hosts of their kind have.
    AddHosts {
        /// Of which kind.
        kind: String,
        /// How many.
        count: u32,
    },
    /// Every enabled drone may run so many processes.
    DroneProcesses(u32),
    /// A job is aborted, and its children are.
    Abort(JobId),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Lock(hosts) => write!(f, "lock {hosts}"),
            Change::Unlock(hosts) => write!(f, "unlock {hosts}"),
            Change::AddHosts { kind, count } => write!(f, "add {count} hosts of kind {kind}"),
            Change::DroneProcesses(count) => write!(f, "let every drone run {count} processes"),
            Change::Abort(job) => write!(f, "abort job {job}"),
        }
    }
}

impl Change {
    /// Makes the change.
    ///
    /// # Errors
    /// If it speaks of a host, a kind or a job that is not there.
    pub(super) fn make(&self, rows: &mut LiveRows) -> Result<(), ForecastError> {
        match self {
            Change::Lock(hosts) => edit(rows, hosts, |host| {
                host.locked = true;
                // A person who locks a host may use it by hand.
                host.dirty = true;
            }),
            Change::Unlock(hosts) => edit(rows, hosts, |host| host.locked = false),
            Change::AddHosts { kind, count } => add_hosts(rows, kind, *count),
            Change::DroneProcesses(count) => {
                rows.drones.iter_mut().filter(|drone| drone.enabled).for_each(|drone| drone.max_processes = *count);
                Ok(())
            }
            Change::Abort(job) => abort(rows, *job),
        }
    }
}

fn edit(rows: &mut LiveRows, hosts: &str, change: impl Fn(&mut Host)) -> Result<(), ForecastError> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (place, host) in rows.hosts.iter().enumerate().filter(|(_, host)| !host.invalid) {
        places.insert(host.name.to_string(), place);
    }
    for name in host_list(hosts)? {
        let place = *places.get(&name).ok_or_else(|| ForecastError::UnknownHost {
            suggestion: nearest(&name, places.keys().map(String::as_str)),
            name: name.clone(),
        })?;
        change(&mut rows.hosts[place]);
    }
    Ok(())
}

fn add_hosts(rows: &mut LiveRows, kind: &str, count: u32) -> Result<(), ForecastError> {
    let likeness = Likeness::of(rows);
    let mut patterns: BTreeMap<(Vec<_>, Vec<_>), (usize, &Host)> = BTreeMap::new();
    let of_kind = |host: &&Host| !host.invalid && likeness.kind(host.id).is_some_and(|known| &**known == kind);
    for host in rows.hosts.iter().filter(of_kind) {
        patterns.entry((host.labels.to_vec(), host.acls.to_vec())).or_insert((0, host)).0 += 1;
    }
    let usual = patterns.values().max_by_key(|(count, host)| (*count, std::cmp::Reverse(host.id)));
    let Some(usual) = usual.map(|(_, host)| (*host).clone()) else {
        let kinds: BTreeSet<_> = rows.hosts.iter().filter_map(|host| likeness.kind(host.id)).collect();
        let suggestion = nearest(kind, kinds.iter().map(|kind| &***kind));
        return Err(ForecastError::UnknownKind { kind: kind.to_owned(), suggestion });
    };
    let first = 1 + rows.hosts.iter().map(|host| host.id.0).max().unwrap_or(0);
    let host = |number: u32| Host {
        id: HostId(first + number),
        name: format!("new-{kind}-{}", number + 1).into(),
        status: HostStatus::Ready,
        locked: false,
        leased: false,
        // As a new row has it.
        dirty: true,
        shard: None,
        ..usual.clone()
    };
    let hosts: Vec<Host> = (0..count).map(host).collect();
    rows.hosts.extend(hosts);
    Ok(())
}

fn abort(rows: &mut LiveRows, job: JobId) -> Result<(), ForecastError> {
    if !rows.jobs.iter().any(|row| row.id == job || row.parent == Some(job)) {
        return Err(ForecastError::UnknownJob { job: job.0 });
    }
    let mut aborted = BTreeSet::from([job]);
    let mut before = 0;
    while aborted.len() > before {
        before = aborted.len();
        let children = rows.jobs.iter().filter(|row| row.parent.is_some_and(|parent| aborted.contains(&parent)));
        let children: Vec<JobId> = children.map(|row| row.id).collect();
        aborted.extend(children);
    }
    let of_them = |entry: &&mut yardmaster_engine::Entry| aborted.contains(&entry.job) && !entry.status.is_complete();
    rows.entries.iter_mut().filter(of_them).for_each(|entry| entry.aborted = true);
    Ok(())
}
