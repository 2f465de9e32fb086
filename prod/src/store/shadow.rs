//! What the engine knows: the rows that it was told, with what it has committed since.

use std::collections::{BTreeMap, BTreeSet};

use yardmaster_engine::{
    Drone, DroneId, DroneSet, DroneSetId, Entry, EntryId, Host, HostId, Ineligible, Job, JobId, Label, LabelId,
    LiveRows, SpecialTask, TaskId, User, UserId,
};

use super::read_lab::Logins;
use super::wanted::Wanted;

/// A copy of the rows that the engine knows.
#[derive(Debug, Clone, Default)]
pub(super) struct Shadow {
    pub(super) users: BTreeMap<UserId, User>,
    pub(super) logins: Logins,
    pub(super) labels: BTreeMap<LabelId, Label>,
    pub(super) drones: BTreeMap<DroneId, Drone>,
    pub(super) drone_sets: BTreeMap<DroneSetId, DroneSet>,
    pub(super) hosts: BTreeMap<HostId, Host>,
    pub(super) jobs: BTreeMap<JobId, Job>,
    pub(super) entries: BTreeMap<EntryId, Entry>,
    /// How many entries each known job has.
    living: BTreeMap<JobId, u32>,
    pub(super) tasks: BTreeMap<TaskId, SpecialTask>,
    pub(super) ineligible: BTreeSet<Ineligible>,
}

impl Shadow {
    pub(super) fn of(rows: &LiveRows) -> Shadow {
        let mut shadow = Shadow {
            users: rows.users.iter().map(|row| (row.id, row.clone())).collect(),
            logins: rows.users.iter().map(|row| (row.login.clone(), row.id)).collect(),
            labels: rows.labels.iter().map(|row| (row.id, row.clone())).collect(),
            drones: rows.drones.iter().map(|row| (row.id, row.clone())).collect(),
            drone_sets: rows.drone_sets.iter().map(|row| (row.id, row.clone())).collect(),
            hosts: rows.hosts.iter().map(|row| (row.id, row.clone())).collect(),
            jobs: rows.jobs.iter().map(|row| (row.id, row.clone())).collect(),
            tasks: rows.tasks.iter().map(|row| (row.id, row.clone())).collect(),
            ineligible: rows.ineligible.iter().copied().collect(),
            ..Shadow::default()
        };
        for entry in &rows.entries {
            shadow.put_entry(entry.clone());
        }
        shadow
    }

    pub(super) fn put_entry(&mut self, entry: Entry) {
        let job = entry.job;
        let old = self.entries.insert(entry.id, entry);
        *self.living.entry(job).or_default() += 1;
        if let Some(old) = old {
            self.leave_job(old.job);
        }
    }

    pub(super) fn remove_entry(&mut self, id: EntryId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.leave_job(entry.job);
        Some(entry)
    }

    /// A job is known as long as an entry of it lives.
    fn leave_job(&mut self, job: JobId) {
        if let Some(living) = self.living.get_mut(&job) {
            *living -= 1;
            if *living == 0 {
                self.living.remove(&job);
                self.jobs.remove(&job);
            }
        }
    }

    /// The known entries of a job, and their hosts.
    pub(super) fn rows_of_job(&self, job: JobId) -> Wanted {
        let entries = || self.entries.values().filter(|entry| entry.job == job);
        Wanted {
            entries: entries().map(|entry| entry.id.0).collect(),
            hosts: entries().filter_map(|entry| entry.host).map(|host| host.0).collect(),
            ..Wanted::default()
        }
    }

    /// The known children of a suite.
    pub(super) fn children(&self, suites: &BTreeSet<u32>) -> Vec<u32> {
        if suites.is_empty() {
            return Vec::new();
        }
        let of = |job: &&Job| job.parent.is_some_and(|parent| suites.contains(&parent.0));
        self.jobs.values().filter(of).map(|job| job.id.0).collect()
    }

    /// The rows in which a fresh look at the database differs from what the engine knows. The look may be older than the
    /// last commits, so the rows have to be read again.
    pub(super) fn differences(&self, fresh: &LiveRows) -> Wanted {
        let same_job = |old: &Job, new: &Job| Job { next_group: old.next_group, ..new.clone() } == *old;
        Wanted {
            users: differing(&self.users, &fresh.users, |row| row.id, User::eq),
            labels: differing(&self.labels, &fresh.labels, |row| row.id, Label::eq),
            drones: differing(&self.drones, &fresh.drones, |row| row.id, Drone::eq),
            drone_sets: differing(&self.drone_sets, &fresh.drone_sets, |row| row.id, DroneSet::eq),
            hosts: differing(&self.hosts, &fresh.hosts, |row| row.id, Host::eq),
            jobs: differing(&self.jobs, &fresh.jobs, |row| row.id, same_job),
            entries: differing(&self.entries, &fresh.entries, |row| row.id, Entry::eq),
            tasks: differing(&self.tasks, &fresh.tasks, |row| row.id, SpecialTask::eq),
            ineligible: self
                .ineligible
                .symmetric_difference(&fresh.ineligible.iter().copied().collect())
                .copied()
                .collect(),
            ..Wanted::default()
        }
    }
}

fn differing<I: Ord + Copy + Into<u32>, R>(
    known: &BTreeMap<I, R>,
    fresh: &[R],
    id: impl Fn(&R) -> I,
    same: impl Fn(&R, &R) -> bool,
) -> BTreeSet<u32> {
    let changed = fresh.iter().filter(|row| known.get(&id(row)).is_none_or(|old| !same(old, row)));
    let mut ids: BTreeSet<u32> = changed.map(|row| id(row).into()).collect();
    if known.len() + ids.len() != fresh.len() || !ids.is_empty() {
        let there: BTreeSet<I> = fresh.iter().map(&id).collect();
        ids.extend(known.keys().filter(|id| !there.contains(id)).map(|id| (*id).into()));
    }
    ids
}
