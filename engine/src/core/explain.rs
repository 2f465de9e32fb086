//! Why an entry waits: every decision not to start something, as a value that people can be told.

use std::cmp::Reverse;

use smallvec::SmallVec;

use super::Core;
use super::agents::{AgentState, AgentTask};
use super::host_set::{HostIndex, HostSet};
use super::queue::Waiting;
use super::working_set::HostState;
use crate::ids::{DroneId, EntryId, HostId, JobId};
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
    /// Of the hosts that it could use some are locked, and all others are in other hands.
    AllBusy {
        /// Those in other hands, and what they do.
        busy: Vec<BusyHost>,
        /// Those that are locked.
        locked: Vec<HostId>,
    },
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
    /// No drone may drive its hosts: they are in different restricted subnets, or no drone is in theirs.
    NoDrone(Vec<HostId>),
}

/// An entry that is under way and does not get on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldUp {
    /// The entry.
    pub entry: EntryId,
    /// Why: [`WaitReason::DronesFull`], [`WaitReason::ParseLimit`] or [`WaitReason::DroneSilent`].
    pub reason: WaitReason,
    /// The drone that it waits for, where it is one.
    pub drone: Option<DroneId>,
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

/// Where a pending entry stands: what keeps one entry there from getting a host keeps all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaitPlace {
    /// It names a host that it is entitled to.
    Host {
        /// The host.
        host: HostId,
        /// The priority of its job.
        priority: i32,
    },
    /// It is one of equal requests: for the same labels, with the same access, priority and suite. The number is given
    /// again once nobody stands there any more.
    Requests(u32),
}

/// Hosts named in an answer; more would not help anybody.
const HOSTS_NAMED_MAX: usize = 20;

impl WaitReason {
    /// The same, naming no more hosts than a person would read.
    fn with_few_hosts(mut self) -> WaitReason {
        match &mut self {
            WaitReason::Locked(hosts) | WaitReason::NoDrone(hosts) => hosts.truncate(HOSTS_NAMED_MAX),
            WaitReason::AllBusy { busy, locked } => {
                busy.truncate(HOSTS_NAMED_MAX);
                locked.truncate(HOSTS_NAMED_MAX);
            }
            WaitReason::Nothing
            | WaitReason::Ended
            | WaitReason::NoSuchHost
            | WaitReason::AccessDenied
            | WaitReason::BehindOthers { .. }
            | WaitReason::WaitsForTask(_)
            | WaitReason::DronesFull
            | WaitReason::WaitsForGroup { .. }
            | WaitReason::ParseLimit
            | WaitReason::OnShard
            | WaitReason::DroneSilent => {}
        }
        self
    }
}

impl Core {
    /// Why an entry waits.
    pub fn why(&self, entry: EntryId) -> WaitReason {
        let Some(state) = self.rows.entries.get(entry) else { return WaitReason::Ended };
        match self.waiting(entry) {
            Waiting::Hostless => return WaitReason::Nothing,
            Waiting::Named => return self.why_named(entry),
            Waiting::Group(group) => {
                return self.why_at(WaitPlace::Requests(group), Some(state.row.job)).with_few_hosts();
            }
            Waiting::No => {}
        }
        if let Some((key, agent)) = state.agent.and_then(|key| Some((key, self.agents.get(key)?))) {
            if agent.process().is_none()
                && let Some(hosts) = self.out_of_reach(key)
            {
                return WaitReason::NoDrone(hosts).with_few_hosts();
            }
            return match (agent.state, agent.task) {
                (AgentState::Started(_), _) => WaitReason::Nothing,
                (AgentState::Held, _) => WaitReason::DroneSilent,
                (AgentState::Waiting, task) => self.why_not_started(task),
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

    /// This core as the next acquisition of hosts will leave it, so that [`Core::why`] tells of an entry that idle hosts will be
    /// given to others before it. For questions: it must not tick.
    pub fn after_acquisition(&self) -> Core {
        let mut next = self.clone();
        next.acquire_hosts();
        next
    }

    /// The entries with an agent that does not get on: one that waits for its turn or for room, and one whose process runs,
    /// or may run, on a drone that does not answer. A pass over the agents.
    pub fn held_up(&self) -> Vec<HeldUp> {
        let mut held_up = Vec::new();
        for (key, agent) in self.agents.iter() {
            let (reason, drone) = match (agent.state, agent.task) {
                (AgentState::Held, _) => (WaitReason::DroneSilent, self.awaited_drone(key)),
                (AgentState::Waiting, task) => (self.why_not_started(task), None),
                (AgentState::Started(pidfile), _) => {
                    let drone = self.processes.by_pidfile.get(pidfile).and_then(|process| process.drone);
                    let is_silent = |drone: &DroneId| self.drones.by_id.get(drone).is_some_and(|state| !state.answers);
                    match drone.filter(is_silent) {
                        Some(drone) => (WaitReason::DroneSilent, Some(drone)),
                        None => continue,
                    }
                }
            };
            held_up.extend(agent.entries.iter().map(|entry| HeldUp { entry: *entry, reason: reason.clone(), drone }));
        }
        held_up
    }

    fn why_not_started(&self, task: AgentTask) -> WaitReason {
        match task {
            AgentTask::Parse(_) => WaitReason::ParseLimit,
            _ if self.drones.are_all_barred(None, None, &self.drones_with_strays(task)) => WaitReason::DroneSilent,
            _ => WaitReason::DronesFull,
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
            None => WaitReason::AllBusy { busy: vec![self.busy(host.row.id)], locked: Vec::new() },
        }
    }

    /// Where an entry stands, if it waits for a host that it may be given.
    pub fn wait_place(&self, entry: EntryId) -> Option<WaitPlace> {
        match self.waiting(entry) {
            Waiting::No | Waiting::Hostless => None,
            Waiting::Group(group) => Some(WaitPlace::Requests(group)),
            Waiting::Named => {
                let host = self.rows.hosts.get(self.rows.entries[entry].row.host?)?;
                let key = host.waiting.iter().find(|key| key.entry == entry)?;
                self.is_entitled(key, host).then_some(WaitPlace::Host { host: host.row.id, priority: key.priority.0 })
            }
        }
    }

    /// Why entries at a place wait, with all hosts that have to do with it. Entries of equal priority are not in each
    /// other's way: they all wait for hosts. Of a job with several entries, hosts that others of them have do not count.
    pub fn why_at(&self, place: WaitPlace, job: Option<JobId>) -> WaitReason {
        match place {
            WaitPlace::Host { host, priority } => {
                let Some(host) = self.rows.hosts.get(host) else { return WaitReason::NoSuchHost };
                let mut before = host.waiting.iter().take_while(|other| other.priority.0 > priority);
                if let Some(first) = before.find(|other| self.is_entitled(other, host)) {
                    return WaitReason::BehindOthers { entry: first.entry, priority: first.priority.0 };
                }
                self.why_not_free(vec![host.row.id], HostState::is_available)
            }
            WaitPlace::Requests(group) => self.why_in_group(group, job),
        }
    }

    fn why_in_group(&self, group: u32, job: Option<JobId>) -> WaitReason {
        let spec = &self.rows.queue.group(group).spec;
        let Some(requirement) = self.rows.queue.requirement(spec.requirement) else { return WaitReason::NoSuchHost };
        let labels = requirement.spec.labels.iter().map(|label| Some(&self.rows.labels.get(*label)?.hosts));
        let Some(mut sets) = labels.collect::<Option<SmallVec<[&HostSet; 8]>>>() else { return WaitReason::NoSuchHost };
        let access = &self.rows.access[requirement.spec.access as usize].hosts;
        let barred = job.and_then(|job| self.rows.jobs.get(job)).map_or(&[][..], |job| &job.ineligible);
        let host = |index: HostIndex| &self.rows.hosts[self.rows.host_order[index as usize]].row;
        sets.push(access);
        let reached = access.all_common(&sets).map(host).filter(|host| !host.invalid && !barred.contains(&host.id));
        let reached: Vec<HostId> = reached.map(|host| host.id).collect();
        if reached.is_empty() {
            sets.pop();
            let fits = |host: &HostState| !host.row.invalid && sets.iter().all(|hosts| hosts.contains(host.index));
            let is_there = self.rows.hosts.iter().any(|(_, host)| fits(host));
            return if is_there { WaitReason::AccessDenied } else { WaitReason::NoSuchHost };
        }
        let is_locked = |host: &HostId| self.rows.hosts[*host].row.locked;
        // Somebody before it asks for the very same hosts: those who come first are what a person would look at.
        let first = requirement.groups.first().map(|order| (order.priority, order.first));
        if let Some((Reverse(priority), (_, entry))) = first
            && priority > spec.priority
            && !reached.iter().all(is_locked)
        {
            return WaitReason::BehindOthers { entry, priority };
        }
        self.why_not_free(reached, HostState::is_idle)
    }

    /// What keeps hosts from being given to somebody who may have any of them.
    fn why_not_free(&self, hosts: Vec<HostId>, is_free: fn(&HostState) -> bool) -> WaitReason {
        if hosts.iter().any(|host| is_free(&self.rows.hosts[*host])) {
            return WaitReason::Nothing;
        }
        let (locked, busy): (Vec<HostId>, Vec<HostId>) =
            hosts.into_iter().partition(|host| self.rows.hosts[*host].row.locked);
        if busy.is_empty() {
            return WaitReason::Locked(locked);
        }
        WaitReason::AllBusy { busy: busy.into_iter().map(|host| self.busy(host)).collect(), locked }
    }
}
