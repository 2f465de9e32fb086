//! An entry's way through its statuses, and the groups of synchronous jobs.

use std::cmp::Reverse;

use smallvec::SmallVec;

use super::Core;
use super::agents::AgentTask;
use super::queue::{GroupSpec, PendingKey, RequirementSpec, Waiting};
use super::working_set::EntryState;
use crate::ids::{EntryId, HostId, JobId, LabelId, TaskId};
use crate::model::{Entry, EntryStatus, HostStatus, Ineligible, Subdir, TaskKind};
use crate::protocol::{Command, EntryColumns, Notice, ResultNote};
use crate::settings::LabelUse;

impl Core {
    /// Gives an entry a new status, with everything that hangs on it.
    pub(super) fn set_entry_status(&mut self, id: EntryId, status: EntryStatus) {
        let entry = &mut self.rows.entries[id];
        let job = entry.row.job;
        let old = entry.row.status;
        if old == status && entry.row.active == status.is_active() {
            return;
        }
        entry.row.status = status;
        self.rows.note_entry(id, EntryColumns::STATUS);
        self.set_active(id, status.is_active());
        self.refresh_waiting(id);
        if status.has_group() && self.rows.entries[id].agent.is_none() {
            self.rows.to_adopt.insert(id);
        }
        if self.rows.entries[id].row.aborted {
            self.rows.to_abort.insert(id);
        }
        if (old.is_pre_job() && !status.is_pre_job()) || status.is_idle_pre_job() {
            self.look_at_aborts_of(job);
        }
        if self.notify_statuses.contains(&status) {
            self.notices.push(Notice::EntryStatus { entry: id, job, status });
        }
        if status.is_complete() {
            self.complete_entry(id, status);
        }
    }

    /// As long as an aborted entry of a job gathers or parses, every tick asks whether those before their test can still
    /// make a group (behaviour, sections 2 and 5). The answer may be another once one of them has left, or waits again.
    fn look_at_aborts_of(&mut self, job: JobId) {
        let state = &self.rows.jobs[job];
        // A single entry is a group.
        if state.row.synch_count <= 1 {
            return;
        }
        let is_ending = |entry: &EntryId| {
            let row = &self.rows.entries[*entry].row;
            row.aborted && matches!(row.status, EntryStatus::Gathering | EntryStatus::Parsing)
        };
        let ending: SmallVec<[EntryId; 4]> = state.entries.iter().copied().filter(is_ending).collect();
        self.rows.to_abort.extend(ending);
    }

    /// Sets the *active* column: whether the entry occupies its host.
    pub(super) fn set_active(&mut self, id: EntryId, active: bool) {
        let entry = &mut self.rows.entries[id];
        if entry.row.active == active {
            return;
        }
        entry.row.active = active;
        let host = entry.row.host;
        self.rows.note_entry(id, EntryColumns::STATUS);
        if let Some(host) = host {
            self.occupy(host, id, active);
        }
        self.refresh_waiting(id);
    }

    pub(super) fn occupy(&mut self, host: HostId, entry: EntryId, occupied: bool) {
        if let Some(state) = self.rows.hosts.get_mut(host) {
            state.active.retain(|other| *other != entry);
            if occupied {
                state.active.push(entry);
            }
            self.rows.touch(host);
        }
    }

    /// Gives an entry a host, or takes it back, with the job's ineligible row.
    pub(super) fn set_entry_host(&mut self, id: EntryId, host: Option<HostId>) {
        self.stop_waiting(id);
        let entry = &mut self.rows.entries[id];
        let (job, old, active) = (entry.row.job, entry.row.host, entry.row.active);
        entry.row.host = host;
        self.rows.note_entry(id, EntryColumns::HOST);
        if let Some(old) = old {
            self.occupy(old, id, false);
            let state = &mut self.rows.jobs[job];
            state.ineligible.retain(|ineligible| *ineligible != old);
            self.changes.ineligible_added.retain(|row| *row != Ineligible { job, host: old });
            self.changes.ineligible_removed.push(Ineligible { job, host: old });
        }
        if let Some(host) = host {
            if active {
                self.occupy(host, id, true);
            }
            let state = &mut self.rows.jobs[job];
            if !state.ineligible.contains(&host) {
                state.ineligible.push(host);
            }
            state.has_ineligible_rows = true;
            self.changes.ineligible_added.push(Ineligible { job, host });
        }
        self.refresh_waiting(id);
    }

    pub(super) fn set_subdir(&mut self, id: EntryId, subdir: Subdir) {
        self.rows.entries[id].row.subdir = subdir;
        self.rows.note_entry(id, EntryColumns::SUBDIR);
    }

    /// Marks an entry started.
    pub(super) fn set_started(&mut self, id: EntryId) {
        self.rows.entries[id].row.started_on = Some(self.now);
        self.rows.note_entry(id, EntryColumns::STARTED);
        self.limit_runtime(id);
    }

    /// Puts an entry back into the queue after something before its test failed.
    pub(super) fn requeue(&mut self, id: EntryId) {
        let row = &mut self.rows.entries[id].row;
        row.started_on = None;
        row.finished_on = None;
        row.subdir = Subdir::Unset;
        let by_meta_host = row.meta_host.is_some();
        self.rows.note_entry(id, EntryColumns::STARTED | EntryColumns::FINISHED | EntryColumns::SUBDIR);
        if by_meta_host {
            self.set_entry_host(id, None);
        }
        self.set_entry_status(id, EntryStatus::Queued);
    }

    fn complete_entry(&mut self, id: EntryId, status: EntryStatus) {
        let entry = &mut self.rows.entries[id];
        let job = entry.row.job;
        if entry.row.started_on.is_some() && status != EntryStatus::Stopped {
            entry.row.finished_on = Some(self.now);
            self.rows.note_entry(id, EntryColumns::FINISHED);
        }
        self.rows.to_adopt.remove(&id);
        self.rows.to_abort.remove(&id);
        self.leave_group(id);
        self.rows.ended_entries.push(id);
        let state = &mut self.rows.jobs[job];
        if let Ok(place) = state.entries.binary_search(&id) {
            state.entries.remove(place);
        }
        if state.entries.is_empty() {
            self.end_job(job);
        } else if !matches!(status, EntryStatus::Aborted | EntryStatus::Stopped) {
            self.stop_if_necessary(job);
        }
    }

    pub(super) fn end_job(&mut self, job: JobId) {
        self.close_hand_off(job);
        self.notices.push(Notice::JobEnded { job });
        if self.rows.jobs[job].has_ineligible_rows {
            self.upkeep.sweep.push(job);
        }
    }

    /// Takes an entry out of its group; the last one takes the group's pidfile with it.
    pub(super) fn leave_group(&mut self, id: EntryId) {
        let Some(key) = self.rows.entries[id].group.take() else { return };
        let group = self.rows.group_mut(key);
        group.entries.retain(|entry| *entry != id);
        if group.entries.is_empty() {
            let test = group.test;
            self.rows.groups[key as usize] = None;
            self.rows.free_groups.push(key);
            if let Some(test) = test {
                self.retire_process(test);
            }
        }
    }

    /// Lets go of rows that ended in this tick, once their last values are on their way to the store.
    pub(super) fn drop_ended_rows(&mut self) {
        let rows = &mut self.rows;
        // Somebody may have put one of them back since it ended.
        for id in rows.ended_tasks.drain(..) {
            if rows.tasks.get(id).is_some_and(|state| state.row.complete) {
                rows.tasks.remove(id);
            }
        }
        for id in rows.ended_entries.drain(..) {
            if rows.entries.get(id).is_some_and(|state| state.row.status.is_complete()) {
                rows.ended_jobs.extend(rows.entries.remove(id).map(|state| state.row.job));
            }
        }
        for job in rows.ended_jobs.drain(..) {
            if rows.jobs.get(job).is_none_or(|state| !state.entries.is_empty()) {
                continue;
            }
            let parent = rows.jobs.remove(job).and_then(|state| state.row.parent);
            if let Some(state) = parent.and_then(|parent| rows.jobs.get_mut(parent)) {
                state.children.retain(|child| *child != job);
            }
        }
    }

    /// A job may have lost its last entry to somebody else. Its row goes with the tick: entries that ended in it still
    /// speak of their job.
    pub(super) fn drop_job_if_ended(&mut self, job: JobId) {
        if self.rows.jobs.get(job).is_some_and(|state| state.entries.is_empty()) {
            self.close_hand_off(job);
            self.rows.ended_jobs.push(job);
        }
    }

    // ---- Pending or not

    fn pending_key(&self, id: EntryId) -> PendingKey {
        let row = &self.rows.entries[id].row;
        let job = &self.rows.jobs[row.job].row;
        PendingKey {
            priority: Reverse(job.priority),
            class: match (row.host, row.meta_host) {
                (Some(_), _) => 0,
                (None, Some(_)) => 1,
                (None, None) => 2,
            },
            parent: job.parent.map_or(0, |parent| parent.0),
            job: row.job,
            entry: id,
        }
    }

    fn is_pending(&self, state: &EntryState) -> bool {
        let row = &state.row;
        row.status == EntryStatus::Queued && !row.active && !row.aborted && !self.is_on_shard(row)
    }

    /// Whether another scheduler is responsible for an entry.
    pub(super) fn is_on_shard(&self, row: &Entry) -> bool {
        let label = row.meta_host.and_then(|label| self.rows.labels.get(label)?.row.shard);
        let host = row.host.and_then(|host| self.rows.hosts.get(host)?.row.shard);
        let job = self.rows.jobs.get(row.job).and_then(|job| job.row.shard);
        job.or(label).or(host).is_some()
    }

    /// Puts an entry among the pending ones, or takes it from there, as its row demands.
    pub(super) fn refresh_waiting(&mut self, id: EntryId) {
        let state = &self.rows.entries[id];
        let pending = self.is_pending(state);
        if pending == (state.waiting != Waiting::No) && !pending {
            return;
        }
        self.stop_waiting(id);
        if !pending {
            return;
        }
        let row = &self.rows.entries[id].row;
        let (host, job, hostless) = (row.host, row.job, row.is_hostless());
        let waiting = if hostless {
            let key = self.pending_key(id);
            self.rows.queue.hostless.insert(key);
            Waiting::Hostless
        } else if let Some(host) = host {
            let key = self.pending_key(id);
            if let Some(state) = self.rows.hosts.get_mut(host) {
                state.waiting.insert(key);
            }
            self.rows.touch(host);
            Waiting::Named
        } else {
            let spec = self.group_spec(id);
            Waiting::Group(self.rows.queue.insert(spec, job, id))
        };
        self.rows.entries[id].waiting = waiting;
    }

    /// Takes an entry from wherever it waits. To be called before anything that determines its place changes.
    pub(super) fn stop_waiting(&mut self, id: EntryId) {
        let state = &self.rows.entries[id];
        let (waiting, job) = (state.waiting, state.row.job);
        match waiting {
            Waiting::No => return,
            Waiting::Hostless => {
                let key = self.pending_key(id);
                self.rows.queue.hostless.remove(&key);
            }
            Waiting::Named => {
                let key = self.pending_key(id);
                let host = self.rows.entries[id].row.host;
                if let Some(state) = host.and_then(|host| self.rows.hosts.get_mut(host)) {
                    state.waiting.remove(&key);
                }
            }
            Waiting::Group(group) => {
                if let Some((key, requirement)) = self.rows.queue.remove(group, job, id)
                    && let Some(label) = requirement.anchor.and_then(|label| self.rows.labels.get_mut(label))
                {
                    label.requirements.retain(|other| *other != key);
                }
            }
        }
        self.rows.entries[id].waiting = Waiting::No;
    }

    /// What an entry without a host asks for.
    fn group_spec(&mut self, id: EntryId) -> GroupSpec {
        let row = &self.rows.entries[id].row;
        let job = &self.rows.jobs[row.job].row;
        let (mut labels, mut preferred) = (SmallVec::<[LabelId; 4]>::new(), SmallVec::<[LabelId; 2]>::new());
        let wanted: SmallVec<[LabelId; 6]> = job.labels.iter().chain(row.meta_host.iter()).copied().collect();
        let (parent, priority, owner) = (job.parent, job.priority, job.owner);
        for label in &wanted {
            self.ensure_label(*label);
            match self.rows.label_use(*label) {
                LabelUse::Restricts => labels.push(*label),
                // The meta-host is, as a rule, one of the job's labels as well, and counts once.
                LabelUse::Provisionable if preferred.contains(label) => {}
                LabelUse::Provisionable => preferred.push(*label),
                LabelUse::SkipProvision | LabelUse::CleanupAction => {}
            }
        }
        labels.sort_unstable();
        labels.dedup();
        let access = self.rows.users.get(owner).map_or(NO_ACCESS, |user| user.access);
        let spec = RequirementSpec { labels, access };
        let requirement = match self.rows.queue.find_requirement(&spec) {
            Some(key) => key,
            None => self.add_requirement(spec),
        };
        GroupSpec { requirement, preferred, parent, priority }
    }

    fn add_requirement(&mut self, spec: RequirementSpec) -> u32 {
        let hosts = |label: &LabelId| self.rows.labels.get(*label).map_or(0, |label| label.hosts.len());
        let anchor = spec.labels.iter().copied().min_by_key(hosts);
        let key = self.rows.queue.add_requirement(spec, anchor);
        if let Some(label) = anchor.and_then(|label| self.rows.labels.get_mut(label)) {
            label.requirements.push(key);
        }
        key
    }

    // ---- Synchronous jobs

    /// The entry's host is prepared: run the job if enough of its hosts are.
    pub(super) fn on_pending(&mut self, id: EntryId) {
        self.set_entry_status(id, EntryStatus::Pending);
        let (job, host) = {
            let row = &self.rows.entries[id].row;
            (row.job, row.host)
        };
        if let Some(host) = host {
            self.rows.set_host_status(host, HostStatus::Pending);
        }
        let state = &self.rows.jobs[job];
        let wanted = state.row.synch_count.max(1) as usize;
        let is_other = |other: &EntryId| *other != id && self.is_status(*other, EntryStatus::Pending);
        let others: Vec<EntryId> = match wanted {
            1 => Vec::new(),
            _ => state.entries.iter().copied().filter(is_other).collect(),
        };
        if others.len() + 1 >= wanted {
            self.start_group(id, others, wanted);
        } else {
            self.stop_if_necessary(job);
        }
    }

    pub(super) fn is_status(&self, entry: EntryId, status: EntryStatus) -> bool {
        self.rows.entries.get(entry).is_some_and(|entry| entry.row.status == status)
    }

    /// Starts the entry with as many of the other pending ones as the job wants, chosen by hostname.
    fn start_group(&mut self, id: EntryId, mut others: Vec<EntryId>, wanted: usize) {
        others
            .sort_by_cached_key(|entry| (hostname_order(self.entry_hostname(*entry).as_deref().unwrap_or("")), *entry));
        others.truncate(wanted - 1);
        let mut entries: SmallVec<[EntryId; 1]> = SmallVec::from_vec(others);
        entries.push(id);
        entries.sort_unstable();
        let job = self.rows.entries[id].row.job;
        let subdir = if entries.len() == 1 {
            self.entry_hostname(id).map_or(Subdir::Hostless, Subdir::Named)
        } else {
            let row = &mut self.rows.jobs[job].row;
            let number = row.next_group;
            row.next_group = number.saturating_add(1);
            Subdir::Group(number)
        };
        self.rows.add_group(job, subdir.clone(), entries.clone());
        for entry in entries {
            self.set_subdir(entry, subdir.clone());
            self.set_entry_status(entry, EntryStatus::Starting);
        }
    }

    pub(super) fn entry_hostname(&self, entry: EntryId) -> Option<std::sync::Arc<str>> {
        let host = self.rows.entries[entry].row.host?;
        Some(self.rows.hosts.get(host)?.row.name.clone())
    }

    /// Stops the idle entries of a job that has too few left for a group.
    pub(super) fn stop_if_necessary(&mut self, job: JobId) {
        let Some(state) = self.rows.jobs.get(job) else { return };
        let status = |entry: &EntryId| self.rows.entries[*entry].row.status;
        let needed = state.row.synch_count.max(1) as usize;
        let left = state.entries.iter().filter(|entry| status(entry).is_pre_job()).take(needed).count();
        if left == needed {
            return;
        }
        let entries = state.entries.iter().copied();
        let idle: SmallVec<[EntryId; 4]> = entries.filter(|entry| status(entry).is_idle_pre_job()).collect();
        for entry in idle {
            let row = &self.rows.entries[entry].row;
            if row.status == EntryStatus::Pending
                && let Some(host) = row.host
            {
                self.rows.set_host_status(host, HostStatus::Ready);
            }
            self.cancel_queued_tasks(entry);
            self.set_entry_status(entry, EntryStatus::Stopped);
        }
    }

    /// Marks an entry's queued tasks other than Repairs complete, and drops agents that had taken them up.
    pub(super) fn cancel_queued_tasks(&mut self, entry: EntryId) {
        let doomed: SmallVec<[TaskId; 2]> = self.rows.entries[entry]
            .tasks
            .iter()
            .copied()
            .filter(|task| {
                let row = &self.rows.tasks[*task].row;
                row.is_queued() && row.kind != TaskKind::Repair
            })
            .collect();
        for task in doomed {
            self.cancel_task(task);
        }
    }

    /// Marks a queued task complete; an agent that had taken it up leaves at once.
    pub(super) fn cancel_task(&mut self, task: TaskId) {
        let host = self.rows.tasks[task].row.host;
        if let Some(key) = self.rows.hosts.get(host).and_then(|host| host.agent)
            && self.agents.get(key).is_some_and(|agent| agent.task == AgentTask::Special(task))
        {
            self.remove_agent(key);
        }
        self.rows.close_queued_task(task);
    }

    /// Fails an entry whose host could not be prepared: the failed task's results become the entry's. It has no test whose
    /// results could be parsed, so its Parsing ends at once.
    pub(super) fn fail_entry(&mut self, id: EntryId, task: TaskId, process: Option<crate::ids::PidfileId>) {
        let Some(hostname) = self.entry_hostname(id) else { return };
        let subdir = Subdir::Named(hostname);
        self.set_subdir(id, subdir.clone());
        let job = self.rows.entries[id].row.job;
        self.rows.add_group(job, subdir.clone(), SmallVec::from_elem(id, 1));
        if let Some((_, drone)) = self.processes.process_drone(process)
            && let Some(from) = self.task_path(&self.rows.tasks[task].row)
        {
            let to = self.entry_path(job, subdir);
            let queued = ResultNote::JobQueued(self.rows.jobs[job].row.created_on);
            self.drones.send(drone, Command::CopyOnDrone { from, to: to.clone() });
            self.write_note(drone, &to, queued);
            self.write_note(drone, &to, ResultNote::JobFinished(self.now));
            // Fetched here, with the notes: the end of a Parsing fetches the results of a test, and there was none.
            self.drones.send(drone, Command::CopyToRepository { path: to });
        }
        self.set_entry_status(id, EntryStatus::Parsing);
        let tasks = self.rows.entries[id].tasks.iter().copied();
        let remaining = tasks.filter(|other| *other != task && self.rows.tasks[*other].row.is_queued());
        for task in remaining.collect::<SmallVec<[TaskId; 2]>>() {
            self.cancel_task(task);
        }
    }
}

/// The access set of users that are unknown: it reaches no host.
pub(super) const NO_ACCESS: u32 = 0;

/// Orders hostnames by their letters, then by their trailing number as a number.
fn hostname_order(name: &str) -> (String, Option<u128>, String) {
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = name[letters.len()..].parse().ok();
    (letters.to_owned(), number, name.to_owned())
}
