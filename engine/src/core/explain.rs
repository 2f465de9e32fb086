//! Why an entry waits: every decision not to start something, as a value that people can be told.

use std::cmp::Reverse;

use super::Core;
use super::agents::{AgentState, AgentTask};
use super::queue::Waiting;
use crate::ids::{EntryId, HostId, JobId};
use crate::model::{EntryStatus, HostStatus};

/// Why an entry does not go on at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitReason {
    /// It does not wait: its process runs, or it will move in the next tick.
    Nothing,
    /// The entry is unknown, or has ended.
    Ended,
    /// No valid host has all the labels that it asks for.
    NoSuchHost,
    /// Hosts have the labels, but its owner's ACL groups reach none of them.
    AccessDenied,
    /// All hosts that it could use are locked.
    Locked(Vec<HostId>),
    /// All hosts that it could use are in other hands; these, and what they do.
    AllBusy(Vec<BusyHost>),
    /// A host that it could use is, or will be, given to entries before it; this is the first of them.
    BehindOthers {
        /// The entry that comes first.
        entry: EntryId,
        /// Its priority.
        priority: i32,
    },
    /// It has a host; a special task of that host comes first.
    WaitsForTask(HostId),
    /// Its process waits for room on a drone.
    DronesFull,
    /// Its host is prepared; so many entries of its job are, of so many that it needs.
    WaitsForGroup {
        /// The job.
        job: JobId,
        /// Entries that are Pending.
        ready: usize,
        /// Entries that must be.
        needed: u32,
    },
    /// As many parsers run as may.
    ParseLimit,
    /// Another scheduler is responsible for it.
    OnShard,
    /// A recovered process is looked for on drones that do not answer.
    DroneSilent,
}

/// A host that an entry could use, were it free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BusyHost {
    /// Which host.
    pub host: HostId,
    /// What it does.
    pub status: HostStatus,
    /// For whom, if for an entry.
    pub entry: Option<EntryId>,
}

/// Hosts named in an answer; more would not help anybody.
const HOSTS_NAMED_MAX: usize = 20;

impl Core {
    /// Why an entry waits.
    pub fn why(&self, entry: EntryId) -> WaitReason {
        let Some(state) = self.rows.entries.get(entry) else { return WaitReason::Ended };
        match self.waiting(entry) {
            Waiting::Hostless => return WaitReason::Nothing,
            Waiting::Named => return self.why_named(entry),
            Waiting::Group(group) => return self.why_in_group(entry, group),
            Waiting::No => {}
        }
        if let Some(agent) = state.agent.and_then(|key| self.agents.get(key)) {
            return match (agent.state, agent.task) {
                (AgentState::Started(_), _) => WaitReason::Nothing,
                (AgentState::Held, _) => WaitReason::DroneSilent,
                (AgentState::Waiting, AgentTask::Parse(_)) => WaitReason::ParseLimit,
                (AgentState::Waiting, _) => WaitReason::DronesFull,
            };
        }
        match (state.row.status, state.row.host) {
            (EntryStatus::Queued, _) if !state.row.active && !state.row.aborted => WaitReason::OnShard,
            (EntryStatus::Pending, _) => {
                let job = &self.rows.jobs[state.row.job];
                let ready = job.entries.iter().filter(|other| self.is_status(**other, EntryStatus::Pending)).count();
                WaitReason::WaitsForGroup { job: state.row.job, ready, needed: job.row.synch_count }
            }
            (EntryStatus::Queued, Some(host)) => WaitReason::WaitsForTask(host),
            _ => WaitReason::Nothing,
        }
    }

    fn busy(&self, host: HostId) -> BusyHost {
        let state = &self.rows.hosts[host];
        BusyHost { host, status: state.row.status, entry: state.active.first().copied() }
    }

    fn why_named(&self, entry: EntryId) -> WaitReason {
        let row = &self.rows.entries[entry].row;
        let Some(host) = row.host.and_then(|host| self.rows.hosts.get(host)) else { return WaitReason::NoSuchHost };
        let Some(key) = host.waiting.iter().find(|key| key.entry == entry) else { return WaitReason::Nothing };
        if !self.is_entitled(key, host) {
            return if self.has_required_labels(row.job, host) {
                WaitReason::AccessDenied
            } else {
                WaitReason::NoSuchHost
            };
        }
        if host.row.locked {
            return WaitReason::Locked(vec![host.row.id]);
        }
        let before = host.waiting.iter().take_while(|other| *other < key).find(|other| self.is_entitled(other, host));
        match before {
            Some(first) => WaitReason::BehindOthers { entry: first.entry, priority: first.priority.0 },
            None if host.is_available() => WaitReason::Nothing,
            None => WaitReason::AllBusy(vec![self.busy(host.row.id)]),
        }
    }

    fn why_in_group(&self, entry: EntryId, group: u32) -> WaitReason {
        let spec = &self.rows.queue.group(group).spec;
        let Some(requirement) = self.rows.queue.requirement(spec.requirement) else { return WaitReason::NoSuchHost };
        let has_labels = |host: &&HostId| {
            let state = &self.rows.hosts[**host];
            !state.row.invalid && requirement.spec.labels.iter().all(|label| state.has_label(*label))
        };
        let access = &self.rows.access[requirement.spec.access as usize].hosts;
        let barred = &self.rows.jobs[self.rows.entries[entry].row.job].ineligible;
        let fitting: Vec<HostId> = self.rows.host_order.iter().filter(has_labels).copied().collect();
        if fitting.is_empty() {
            return WaitReason::NoSuchHost;
        }
        let reached: Vec<HostId> = fitting
            .into_iter()
            .filter(|host| access.contains(self.rows.hosts[*host].index) && !barred.contains(host))
            .collect();
        if reached.is_empty() {
            return WaitReason::AccessDenied;
        }
        let (locked, unlocked): (Vec<HostId>, Vec<HostId>) =
            reached.into_iter().partition(|host| self.rows.hosts[*host].row.locked);
        if unlocked.is_empty() {
            return WaitReason::Locked(locked.into_iter().take(HOSTS_NAMED_MAX).collect());
        }
        // Somebody before it asks for the very same hosts: those who come first are what a person would look at.
        let first = requirement.groups.first().map(|order| (order.priority, order.first));
        if let Some((Reverse(priority), (_, before))) = first
            && priority > spec.priority
            && before != entry
        {
            return WaitReason::BehindOthers { entry: before, priority };
        }
        if unlocked.iter().any(|host| self.rows.hosts[*host].is_idle()) {
            return WaitReason::Nothing;
        }
        WaitReason::AllBusy(unlocked.into_iter().take(HOSTS_NAMED_MAX).map(|host| self.busy(host)).collect())
    }
}
