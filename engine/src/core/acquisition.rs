//! Host acquisition: which pending entries get which hosts, and when hosts are given back.
//!
//! After every pass no waiting entry has an idle host that it could use. So the next pass need look only at hosts that
//! have become idle since, and at requests that have gained an entry.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use smallvec::SmallVec;

use super::Core;
use super::host_set::{HostIndex, HostSet};
use super::queue::{GroupOrder, PendingKey, Waiting, Woken};
use super::working_set::{HostState, HostStep};
use crate::ids::{EntryId, HostId, JobId, LabelId};
use crate::model::EntryStatus;
use crate::settings::LabelUse;

/// A host chosen for an entry.
struct Assignment {
    key: PendingKey,
    host: HostId,
}

impl Core {
    /// Starts all pending entries that need no host.
    pub(super) fn schedule_hostless_entries(&mut self) {
        while let Some(key) = self.rows.queue.hostless.first().copied() {
            self.stop_waiting(key.entry);
            // The path first: whatever is found in Starting must have one.
            self.set_subdir(key.entry, crate::model::Subdir::Hostless);
            self.rows.add_group(key.job, crate::model::Subdir::Hostless, smallvec::smallvec![key.entry]);
            self.set_entry_status(key.entry, EntryStatus::Starting);
            self.adopt_entries();
        }
    }

    /// Chooses hosts for pending entries and sets the entries going.
    pub(super) fn acquire_hosts(&mut self) {
        let mut chosen = Vec::new();
        self.note_idle_hosts(&mut chosen);
        let woken = self.rows.queue.take_woken();
        if !woken.is_empty() {
            if !self.settings.inline_host_acquisition {
                self.serve_suite_minimums(&woken, &mut chosen);
            }
            self.serve_requirements(woken, &mut chosen);
        }
        chosen.sort_unstable_by_key(|assignment| assignment.key);
        self.stats.hosts_assigned += chosen.len() as u32;
        self.bring_chosen_near(&chosen);
        for assignment in chosen {
            self.assign(assignment);
        }
    }

    /// Takes in what has changed about hosts since the last pass: who is idle, and whose turn that makes it.
    fn note_idle_hosts(&mut self, chosen: &mut Vec<Assignment>) {
        let mut hosts = self.rows.take_touched(HostStep::Acquire);
        hosts.sort_unstable();
        let mut idle_hosts = Vec::new();
        for host in hosts {
            let Some(state) = self.rows.hosts.get(host) else { continue };
            let (mut idle, index) = (state.is_idle(), state.index);
            if state.is_available()
                && let Some(key) = self.first_entitled(state)
            {
                chosen.push(Assignment { key, host });
                self.rows.entries[key.entry].chosen = true;
                idle = false;
            }
            self.rows.idle.set(index, idle);
            if idle {
                idle_hosts.push(host);
            }
        }
        self.wake_requirements_of(&idle_hosts);
    }

    /// The first entry that names the host and is entitled to it. One-time hosts are exempt from ACLs.
    fn first_entitled(&self, host: &HostState) -> Option<PendingKey> {
        host.waiting.iter().copied().find(|key| self.is_entitled(key, host))
    }

    /// Whether a host has all labels of a job that restrict the choice of host.
    pub(super) fn has_required_labels(&self, job: JobId, host: &HostState) -> bool {
        let labels = &self.rows.jobs[job].row.labels;
        let mut required = labels.iter().filter(|label| self.rows.label_use(**label) == LabelUse::Restricts);
        required.all(|label| host.has_label(*label))
    }

    pub(super) fn is_entitled(&self, key: &PendingKey, host: &HostState) -> bool {
        let job = &self.rows.jobs[key.job].row;
        let has_labels = self.has_required_labels(key.job, host);
        let access = self.rows.users.get(job.owner).map(|user| user.access as usize);
        has_labels
            && (host.row.invalid || access.is_some_and(|access| self.rows.access[access].hosts.contains(host.index)))
    }

    /// Has every requirement looked at that one of these hosts meets.
    fn wake_requirements_of(&mut self, hosts: &[HostId]) {
        let labels =
            |host: &HostId| self.rows.hosts[*host].row.labels.iter().filter_map(|label| self.rows.labels.get(*label));
        let candidates: usize = hosts.iter().flat_map(labels).map(|label| label.requirements.len()).sum();
        if candidates > self.rows.queue.requirements_len() {
            // So many hosts: asking every requirement for a host is less work than asking every host for requirements.
            return self.rows.queue.wake_all();
        }
        if !hosts.is_empty() {
            self.rows.queue.wake_unanchored();
        }
        for host in hosts {
            let state = &self.rows.hosts[*host];
            for label in &state.row.labels {
                let Some(label) = self.rows.labels.get(*label) else { continue };
                for key in &label.requirements {
                    let Some(requirement) = self.rows.queue.requirement(*key).filter(|found| !found.woken) else {
                        continue;
                    };
                    let reached = self.rows.access[requirement.spec.access as usize].hosts.contains(state.index);
                    if reached && requirement.spec.labels.iter().all(|label| state.has_label(*label)) {
                        self.rows.queue.wake(*key);
                    }
                }
            }
        }
    }

    /// The lowest idle host, not below `from`, that meets a requirement.
    fn next_candidate(&self, requirement: u32, from: HostIndex) -> Option<HostIndex> {
        let spec = &self.rows.queue.requirement(requirement)?.spec;
        let mut sets: SmallVec<[&HostSet; 8]> = SmallVec::new();
        for label in &spec.labels {
            sets.push(&self.rows.labels.get(*label)?.hosts);
        }
        sets.push(&self.rows.access[spec.access as usize].hosts);
        self.rows.idle.first_common(&sets, from)
    }

    /// The second pass: requests in their order, each with what is left.
    fn serve_requirements(&mut self, woken: Woken, chosen: &mut Vec<Assignment>) {
        let mut heads: BinaryHeap<Reverse<(GroupOrder, u32)>> = BinaryHeap::new();
        for requirement in woken {
            if self.next_candidate(requirement, 0).is_none() {
                continue;
            }
            let first = self.rows.queue.requirement(requirement).and_then(|found| found.groups.first().copied());
            heads.extend(first.map(|order| Reverse((order, requirement))));
        }
        while let Some(Reverse((order, requirement))) = heads.pop() {
            self.serve_group(order, usize::MAX, chosen);
            if self.next_candidate(requirement, 0).is_some() {
                let groups = self.rows.queue.requirement(requirement).map(|found| &found.groups);
                let next = groups.and_then(|groups| {
                    groups.range((std::ops::Bound::Excluded(order), std::ops::Bound::Unbounded)).next()
                });
                heads.extend(next.map(|order| Reverse((*order, requirement))));
            }
        }
    }

    /// The first pass: suites below their minimum, before anybody else and whatever their priority.
    fn serve_suite_minimums(&mut self, woken: &[u32], chosen: &mut Vec<Assignment>) {
        let mut suites: BTreeMap<JobId, ()> = BTreeMap::new();
        for requirement in woken.iter().filter_map(|key| self.rows.queue.requirement(*key)) {
            let parents = requirement.groups.iter().filter_map(|order| self.rows.queue.group(order.group).spec.parent);
            suites.extend(parents.map(|parent| (parent, ())));
        }
        let mut asks: Vec<(GroupOrder, usize)> = Vec::new();
        for suite in suites.into_keys() {
            let Some(groups) = self.rows.queue.suites.get(&suite) else { continue };
            let minimum = groups.first().map_or(0, |order| self.rows.jobs[order.first.0].row.suite_min_hosts);
            let held = self.suite_holdings.get(&suite).copied().unwrap_or(0);
            let mut need = minimum.saturating_sub(held) as usize;
            for order in groups {
                if need == 0 {
                    break;
                }
                let ask = need.min(self.rows.queue.group(order.group).entries.len());
                need -= ask;
                asks.push((*order, ask));
            }
        }
        asks.sort_unstable();
        for (order, ask) in asks {
            self.serve_group(order, ask, chosen);
        }
    }

    /// Gives hosts to a group's entries in pending order, at most `limit`. An entry that finds none does not stop the next.
    fn serve_group(&mut self, order: GroupOrder, limit: usize, chosen: &mut Vec<Assignment>) {
        let group = self.rows.queue.group(order.group);
        let (requirement, parent, priority) = (group.spec.requirement, group.spec.parent, group.spec.priority);
        let mut candidates = Candidates::new(self, requirement, &group.spec.preferred);
        let mut taken: SmallVec<[(JobId, EntryId, HostIndex); 4]> = SmallVec::new();
        let mut barred_job = None;
        for (job, entry) in &group.entries {
            if taken.len() >= limit || candidates.is_exhausted(self) {
                break;
            }
            // Candidates only become fewer: a job that found none finds none with its next entry.
            if self.rows.entries[*entry].chosen || barred_job == Some(*job) {
                continue;
            }
            match candidates.take(self, *job) {
                Some(host) => taken.push((*job, *entry, host)),
                None => barred_job = Some(*job),
            }
        }
        for (job, entry, index) in taken {
            self.rows.idle.set(index, false);
            self.rows.entries[entry].chosen = true;
            let key = PendingKey {
                priority: Reverse(priority),
                class: 1,
                parent: parent.map_or(0, |parent| parent.0),
                job,
                entry,
            };
            chosen.push(Assignment { key, host: self.rows.host_order[index as usize] });
        }
    }

    /// As [`Core::bring_near`]: entries that have waited for long are far away.
    fn bring_chosen_near(&self, chosen: &[Assignment]) {
        let touch = |assignment: &Assignment| {
            let entry = self.rows.entries[assignment.key.entry].row.status as u32;
            let job = &self.rows.jobs[assignment.key.job];
            entry.wrapping_add(job.row.synch_count).wrapping_add(job.ineligible.len() as u32)
        };
        std::hint::black_box(chosen.iter().map(touch).fold(0, u32::wrapping_add));
    }

    /// Gives a host to an entry and starts the work before its test.
    fn assign(&mut self, assignment: Assignment) {
        let Assignment { key, host } = assignment;
        let entry = key.entry;
        self.rows.entries[entry].chosen = false;
        if self.waiting(entry) == Waiting::No {
            // An assignment before it has stopped it: its job could no longer bring enough hosts together.
            return self.rows.touch(host);
        }
        self.stop_waiting(entry);
        self.rows.set_leased(host, true);
        if self.rows.entries[entry].row.host.is_none() {
            self.set_entry_host(entry, Some(host));
        }
        self.set_active(entry, true);
        self.add_pre_job_tasks(entry, host);
        let suite = self.rows.jobs[key.job].row.parent.filter(|_| !self.settings.inline_host_acquisition);
        if let Some(suite) = suite.filter(|suite| self.rows.hosts[host].suite != Some(*suite)) {
            self.forget_suite_holding(host);
            self.rows.hosts[host].suite = Some(suite);
            *self.suite_holdings.entry(suite).or_default() += 1;
        }
    }

    /// Gives back the leases of hosts that nobody needs; says which.
    pub(super) fn release_hosts(&mut self) -> Vec<HostId> {
        let mut released = Vec::new();
        for host in self.rows.take_touched(HostStep::Release) {
            if self.rows.hosts.get(host).is_some_and(HostState::is_leased_in_vain) {
                self.rows.set_leased(host, false);
                released.push(host);
            }
        }
        released
    }

    pub(super) fn forget_suite_holding(&mut self, host: HostId) {
        let Some(suite) = self.rows.hosts.get_mut(host).and_then(|host| host.suite.take()) else { return };
        if let Some(count) = self.suite_holdings.get_mut(&suite) {
            *count -= 1;
            if *count == 0 {
                self.suite_holdings.remove(&suite);
            }
        }
    }

    /// Whether an entry waits for a host, and where.
    pub(super) fn waiting(&self, entry: EntryId) -> Waiting {
        self.rows.entries.get(entry).map_or(Waiting::No, |entry| entry.waiting)
    }
}

/// The hosts that a group may take, best first: those with more preferred labels, then the lowest id.
enum Candidates {
    /// Nothing is preferred: straight from the sets, from this position on, leaving out those that were taken.
    Lowest { requirement: u32, from: HostIndex, taken: SmallVec<[HostIndex; 8]> },
    /// Sorted by preference.
    Sorted(std::collections::VecDeque<HostIndex>),
}

impl Candidates {
    fn new(core: &Core, requirement: u32, preferred: &[LabelId]) -> Candidates {
        if preferred.is_empty() {
            return Candidates::Lowest { requirement, from: 0, taken: SmallVec::new() };
        }
        let mut hosts: Vec<(Reverse<usize>, HostIndex)> = Vec::new();
        let mut from = 0;
        while let Some(index) = core.next_candidate(requirement, from) {
            from = index + 1;
            let has = |label: &&LabelId| core.rows.labels.get(**label).is_some_and(|label| label.hosts.contains(index));
            hosts.push((Reverse(preferred.iter().filter(has).count()), index));
        }
        hosts.sort_unstable();
        Candidates::Sorted(hosts.into_iter().map(|(_, index)| index).collect())
    }

    fn is_exhausted(&mut self, core: &Core) -> bool {
        match self {
            Candidates::Sorted(hosts) => hosts.is_empty(),
            Candidates::Lowest { requirement, from, taken } => loop {
                match core.next_candidate(*requirement, *from) {
                    None => return true,
                    Some(index) => {
                        *from = index;
                        match taken.binary_search(&index) {
                            Err(_) => return false,
                            Ok(_) => *from = index + 1,
                        }
                    }
                }
            },
        }
    }

    /// Takes the best host that is not barred to the job.
    fn take(&mut self, core: &Core, job: JobId) -> Option<HostIndex> {
        let barred = &core.rows.jobs[job].ineligible;
        let may_use = |index: HostIndex| !barred.contains(&core.rows.host_order[index as usize]);
        match self {
            Candidates::Sorted(hosts) => {
                let place = hosts.iter().position(|index| may_use(*index))?;
                hosts.remove(place)
            }
            Candidates::Lowest { requirement, from, taken } => {
                let mut at = *from;
                loop {
                    let index = core.next_candidate(*requirement, at)?;
                    at = index + 1;
                    match taken.binary_search(&index) {
                        Ok(_) => {}
                        Err(place) if may_use(index) => {
                            taken.insert(place, index);
                            return Some(index);
                        }
                        Err(_) => {}
                    }
                }
            }
        }
    }
}
