//! The database of a simulated lab, in memory.
//!
//! The fault model. A commit may be refused, or land while its reply is lost; the store may not answer at all. It never
//! commits in part, and never reports what the scheduler itself committed.

use std::collections::{BTreeMap, BTreeSet};

use yardmaster_engine::{
    AclGroupId, Changes, CommitOutcome, Drone, DroneId, DroneSet, Entry, EntryId, EntryStatus, ExecutionPath, HandOff,
    HandOffChange, Host, HostId, Ineligible, Job, JobId, KillOrder, Label, LabelId, LiveRows, PidfileName, RowChange,
    SpecialTask, Store, StoreError, Stray, StrayChange, Subdir, Subnets, TaskHistory, TaskId, TaskKind, TaskUpdate,
    Term, User,
};

/// Rows numbered from 1, as a database numbers them.
#[derive(Debug, Clone)]
pub struct Rows<R> {
    rows: Vec<Option<R>>,
}

impl<R> Default for Rows<R> {
    fn default() -> Self {
        Rows { rows: Vec::new() }
    }
}

impl<R> Rows<R> {
    /// The number that the next row gets.
    pub fn next_id(&self) -> u32 {
        self.rows.len() as u32 + 1
    }

    /// Adds a row under [`Rows::next_id`], or under a higher number.
    pub fn put(&mut self, id: u32, row: R) {
        let place = id.saturating_sub(1) as usize;
        while self.rows.len() <= place {
            self.rows.push(None);
        }
        self.rows[place] = Some(row);
    }

    /// The row of this number.
    pub fn get(&self, id: u32) -> Option<&R> {
        self.rows.get(id.checked_sub(1)? as usize)?.as_ref()
    }

    /// The row of this number, to be changed.
    pub fn get_mut(&mut self, id: u32) -> Option<&mut R> {
        self.rows.get_mut(id.checked_sub(1)? as usize)?.as_mut()
    }

    /// Takes a row out; its number is not given again.
    pub fn remove(&mut self, id: u32) -> Option<R> {
        self.rows.get_mut(id.checked_sub(1)? as usize)?.take()
    }

    /// All rows in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.rows.iter().flatten()
    }
}

/// A commit that will go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFault {
    /// It is refused: nothing is written.
    Refused,
    /// The reply is lost; whether it landed is for the scheduler to find out.
    ReplyLost {
        /// Whether it did.
        landed: bool,
    },
}

/// The tables, and whatever a scheduler has yet to hear of.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    /// `afe_hosts`
    pub hosts: Rows<Host>,
    /// `afe_labels`
    pub labels: Rows<Label>,
    /// `afe_users`
    pub users: Rows<User>,
    /// Names of ACL groups.
    pub acl_groups: Rows<(AclGroupId, String)>,
    /// `afe_drones`
    pub drones: Rows<Drone>,
    /// `afe_drone_sets`
    pub drone_sets: Rows<DroneSet>,
    /// `afe_jobs`
    pub jobs: Rows<Job>,
    /// `afe_host_queue_entries`
    pub entries: Rows<Entry>,
    /// `afe_special_tasks`
    pub tasks: Rows<SpecialTask>,
    /// `afe_ineligible_host_queues`
    pub ineligible: BTreeSet<Ineligible>,
    /// Kills that were decided and not yet seen to have worked.
    pub kills: BTreeMap<(ExecutionPath, PidfileName), Option<DroneId>>,
    /// Jobs that were handed off.
    pub hand_offs: BTreeMap<JobId, HandOff>,
    /// What drones that were silent may still have of processes that were started anew.
    pub strays: BTreeSet<Stray>,
    /// Which restricted subnets hosts and drones are in.
    pub subnets: Subnets,
    /// The keyval `suite_min_duts` of every job.
    pub(crate) suite_minimums: BTreeMap<JobId, u32>,
    inbox: Vec<RowChange>,
    /// Commits that will go wrong, the next one first.
    pub faults: Vec<CommitFault>,
    term: Term,
    last_commit: Option<u64>,
}

impl MemoryStore {
    /// Lets the scheduler hear of a row with its next poll.
    pub fn tell(&mut self, change: RowChange) {
        self.inbox.push(change);
    }

    /// Whether there is anything that the scheduler has not heard of.
    pub fn has_news(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Begins a new term: commits of older ones are refused from now on.
    pub fn begin_term(&mut self) -> Term {
        self.term = Term(self.term.0 + 1);
        self.last_commit = None;
        self.term
    }

    fn is_live(entry: &Entry) -> bool {
        !entry.status.is_complete()
    }

    /// Does to the hosts what a commit says of them.
    pub(crate) fn apply_to_hosts(&mut self, changes: &Changes) {
        for update in &changes.hosts {
            let Some(row) = self.hosts.get_mut(update.id.0) else { continue };
            update.apply_to(row);
        }
    }

    fn apply(&mut self, changes: &Changes) {
        self.apply_to_hosts(changes);
        for update in &changes.entries {
            let Some(row) = self.entries.get_mut(update.entry.id.0) else { continue };
            update.apply_to(row);
        }
        for update in &changes.tasks {
            match update {
                TaskUpdate::Insert(row) => self.tasks.put(row.id.0, row.clone()),
                TaskUpdate::Update(new) => {
                    if let Some(row) = self.tasks.get_mut(new.id.0) {
                        let aborted = row.aborted;
                        *row = SpecialTask { aborted, ..new.clone() };
                    }
                }
                TaskUpdate::Delete(id) => {
                    self.tasks.remove(id.0);
                }
            }
        }
        self.ineligible.extend(changes.ineligible_added.iter().copied());
        for row in &changes.ineligible_removed {
            self.ineligible.remove(row);
        }
        for order in &changes.kills_added {
            self.kills.entry((order.path.clone(), order.name)).or_insert(order.drone);
        }
        for order in &changes.kills_removed {
            self.kills.remove(&(order.path.clone(), order.name));
        }
        for change in &changes.strays {
            match change {
                StrayChange::Add(stray) => drop(self.strays.insert(stray.clone())),
                StrayChange::Forget(stray) => drop(self.strays.remove(stray)),
            }
        }
        for change in &changes.hand_offs {
            match change {
                HandOffChange::Begin(hand_off) => drop(self.hand_offs.insert(hand_off.job, hand_off.clone())),
                HandOffChange::End(job) => {
                    if let Some(hand_off) = self.hand_offs.get_mut(job) {
                        hand_off.over = true;
                    }
                }
                HandOffChange::Forget(job) => drop(self.hand_offs.remove(job)),
            }
        }
        for job in &changes.ineligible_swept {
            let first = Ineligible { job: *job, host: HostId(0) };
            let last = Ineligible { job: *job, host: HostId(u32::MAX) };
            let swept: Vec<Ineligible> = self.ineligible.range(first..=last).copied().collect();
            for row in swept {
                self.ineligible.remove(&row);
            }
        }
    }

    fn live_jobs(&self, entries: &[Entry]) -> Vec<Job> {
        // Groups are numbered over all entries of a job, ended ones too.
        let mut next_groups: BTreeMap<JobId, u32> = entries.iter().map(|entry| (entry.job, 0)).collect();
        for entry in self.entries.iter() {
            if let Subdir::Group(number) = entry.subdir
                && let Some(next) = next_groups.get_mut(&entry.job)
            {
                *next = number.saturating_add(1).max(*next);
            }
        }
        let job = |(id, next_group): (JobId, u32)| Some(Job { next_group, ..self.jobs.get(id.0)?.clone() });
        next_groups.into_iter().filter_map(job).collect()
    }

    fn kill_orders(&self) -> Vec<KillOrder> {
        let order = |((path, name), drone): (&(ExecutionPath, PidfileName), &Option<DroneId>)| KillOrder {
            path: path.clone(),
            name: *name,
            drone: *drone,
        };
        self.kills.iter().map(order).collect()
    }

    fn history(&self) -> Vec<TaskHistory> {
        let mut counts: BTreeMap<(EntryId, HostId, TaskKind), u32> = BTreeMap::new();
        for task in self.tasks.iter() {
            if let (Some(entry), TaskKind::Repair | TaskKind::Provision) = (task.entry, task.kind) {
                *counts.entry((entry, task.host, task.kind)).or_default() += 1;
            }
        }
        let history = |((entry, host, kind), count)| TaskHistory { entry, host, kind, count };
        counts.into_iter().map(history).collect()
    }

    /// Every label under its name.
    pub fn label_id(&self, name: &str) -> Option<LabelId> {
        self.labels.iter().find(|label| &*label.name == name).map(|label| label.id)
    }

    /// The task of this number.
    pub fn task(&self, id: TaskId) -> Option<&SpecialTask> {
        self.tasks.get(id.0)
    }

    /// Entries that have not ended.
    pub fn live_entries(&self) -> usize {
        self.entries
            .iter()
            .filter(|entry| !matches!(entry.status, EntryStatus::Template) && Self::is_live(entry))
            .count()
    }
}

impl Store for MemoryStore {
    async fn load(&mut self) -> Result<LiveRows, StoreError> {
        self.inbox.clear();
        let entries: Vec<Entry> = self.entries.iter().filter(|entry| Self::is_live(entry)).cloned().collect();
        Ok(LiveRows {
            labels: self.labels.iter().cloned().collect(),
            users: self.users.iter().cloned().collect(),
            hosts: self.hosts.iter().cloned().collect(),
            drones: self.drones.iter().cloned().collect(),
            drone_sets: self.drone_sets.iter().cloned().collect(),
            jobs: self.live_jobs(&entries),
            tasks: self.tasks.iter().filter(|task| !task.complete).cloned().collect(),
            ineligible: self.ineligible.iter().copied().collect(),
            history: self.history(),
            next_task: self.tasks.next_id(),
            kills: self.kill_orders(),
            strays: self.strays.iter().cloned().collect(),
            hand_offs: self.hand_offs.values().cloned().collect(),
            subnets: self.subnets.clone(),
            entries,
        })
    }

    async fn poll(&mut self) -> Result<Vec<RowChange>, StoreError> {
        Ok(std::mem::take(&mut self.inbox))
    }

    async fn commit(&mut self, term: Term, number: u64, changes: &Changes) -> CommitOutcome {
        if term < self.term {
            return CommitOutcome::Superseded(self.term);
        }
        let fault = if self.faults.is_empty() { None } else { Some(self.faults.remove(0)) };
        match fault {
            Some(CommitFault::Refused) => return CommitOutcome::Refused("refused by the scenario".to_owned()),
            Some(CommitFault::ReplyLost { landed: false }) => {
                return CommitOutcome::Unknown("the connection broke".to_owned());
            }
            Some(CommitFault::ReplyLost { landed: true }) | None => {}
        }
        self.apply(changes);
        self.last_commit = Some(number);
        match fault {
            None => CommitOutcome::Committed,
            Some(_) => CommitOutcome::Unknown("the connection broke".to_owned()),
        }
    }

    async fn last_commit(&mut self, _term: Term) -> Result<Option<u64>, StoreError> {
        Ok(self.last_commit)
    }
}
