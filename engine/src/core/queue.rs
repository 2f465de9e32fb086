//! Pending entries, arranged by what they ask for.
//!
//! Entries that name a host stand with that host. The others stand in *groups* of equal requests, and groups that ask for
//! the same labels with the same access share a *requirement*. A host that becomes idle is matched with requirements, of
//! which there are few, and not with entries, of which there may be a million.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::ids::{EntryId, JobId, LabelId};

/// The pending order: priority descending, named hosts before meta-hosts before none, suite, job, entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PendingKey {
    pub(super) priority: Reverse<i32>,
    pub(super) class: u8,
    pub(super) parent: u32,
    pub(super) job: JobId,
    pub(super) entry: EntryId,
}

/// Where a pending entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// It is not pending.
    No,
    /// With the hostless ones.
    Hostless,
    /// With the host that it names.
    Named,
    /// In this group.
    Group(u32),
}

/// What must hold of a host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct RequirementSpec {
    /// It has all these labels; ascending.
    pub(super) labels: SmallVec<[LabelId; 4]>,
    /// It is within reach of this access set.
    pub(super) access: u32,
}

/// A requirement that pending entries have.
#[derive(Debug, Clone)]
pub(super) struct Requirement {
    pub(super) spec: RequirementSpec,
    /// The label under which it is found.
    pub(super) anchor: Option<LabelId>,
    /// Its groups in the order in which they are served.
    pub(super) groups: BTreeSet<GroupOrder>,
    /// It will be looked at in the next acquisition.
    pub(super) woken: bool,
}

/// What makes requests equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct GroupSpec {
    pub(super) requirement: u32,
    pub(super) preferred: SmallVec<[LabelId; 2]>,
    pub(super) parent: Option<JobId>,
    pub(super) priority: i32,
}

/// The order in which groups are served: priority descending, suite, first entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GroupOrder {
    pub(super) priority: Reverse<i32>,
    pub(super) parent: u32,
    pub(super) first: (JobId, EntryId),
    pub(super) group: u32,
}

/// Entries with equal requests.
#[derive(Debug, Clone)]
pub(super) struct WaitGroup {
    pub(super) spec: GroupSpec,
    /// In pending order; never empty.
    pub(super) entries: BTreeSet<(JobId, EntryId)>,
    /// The first of them, kept at hand.
    first: Option<(JobId, EntryId)>,
}

impl WaitGroup {
    fn order(&self, key: u32) -> Option<GroupOrder> {
        Some(GroupOrder {
            priority: Reverse(self.spec.priority),
            parent: self.spec.parent.map_or(0, |parent| parent.0),
            first: self.first?,
            group: key,
        })
    }
}

/// Requirements to be looked at; few, at most times.
pub(super) type Woken = SmallVec<[u32; 8]>;

/// All pending entries but those that name a host.
#[derive(Debug, Clone, Default)]
pub(super) struct PendingQueue {
    pub(super) hostless: BTreeSet<PendingKey>,
    requirements: Vec<Option<Requirement>>,
    free_requirements: Vec<u32>,
    requirement_keys: FxHashMap<RequirementSpec, u32>,
    /// Requirements that name no label by which they could be found: a handful, one for each access set.
    unanchored: Vec<u32>,
    groups: Vec<Option<WaitGroup>>,
    free_groups: Vec<u32>,
    group_keys: FxHashMap<GroupSpec, u32>,
    /// The groups of every suite, in the order in which they are served.
    pub(super) suites: BTreeMap<JobId, BTreeSet<GroupOrder>>,
    /// Requirements to be looked at.
    pub(super) woken: Woken,
}

impl PendingQueue {
    pub(super) fn requirement(&self, key: u32) -> Option<&Requirement> {
        self.requirements.get(key as usize)?.as_ref()
    }

    pub(super) fn group(&self, key: u32) -> &WaitGroup {
        self.groups[key as usize].as_ref().expect("orders name live groups")
    }

    pub(super) fn wake(&mut self, key: u32) {
        if let Some(requirement) = &mut self.requirements[key as usize]
            && !requirement.woken
        {
            requirement.woken = true;
            self.woken.push(key);
        }
    }

    /// Wakes the requirements that name no label: any host may meet them.
    pub(super) fn wake_unanchored(&mut self) {
        for key in self.unanchored.clone() {
            self.wake(key);
        }
    }

    pub(super) fn wake_all(&mut self) {
        for key in 0..self.requirements.len() as u32 {
            self.wake(key);
        }
    }

    /// How many requirements there are.
    pub(super) fn requirements_len(&self) -> usize {
        self.requirement_keys.len()
    }

    /// The requirements to be looked at now.
    pub(super) fn take_woken(&mut self) -> Woken {
        let mut woken = std::mem::take(&mut self.woken);
        woken.retain(|key| match &mut self.requirements[*key as usize] {
            Some(requirement) => std::mem::replace(&mut requirement.woken, false),
            None => false,
        });
        woken
    }

    pub(super) fn find_requirement(&self, spec: &RequirementSpec) -> Option<u32> {
        self.requirement_keys.get(spec).copied()
    }

    pub(super) fn add_requirement(&mut self, spec: RequirementSpec, anchor: Option<LabelId>) -> u32 {
        let requirement = Requirement { spec: spec.clone(), anchor, groups: BTreeSet::new(), woken: false };
        let key = insert_at_free_place(&mut self.requirements, &mut self.free_requirements, requirement);
        self.requirement_keys.insert(spec, key);
        if anchor.is_none() {
            self.unanchored.push(key);
        }
        key
    }

    /// Adds an entry to the group of its request and wakes the requirement.
    pub(super) fn insert(&mut self, spec: GroupSpec, job: JobId, entry: EntryId) -> u32 {
        let key = match self.group_keys.get(&spec) {
            Some(key) => *key,
            None => {
                let group = WaitGroup { spec: spec.clone(), entries: BTreeSet::new(), first: None };
                let key = insert_at_free_place(&mut self.groups, &mut self.free_groups, group);
                self.group_keys.insert(spec, key);
                key
            }
        };
        self.reorder(key, |group| {
            group.entries.insert((job, entry));
            group.first = Some(group.first.map_or((job, entry), |first| first.min((job, entry))));
        });
        self.wake(self.group(key).spec.requirement);
        key
    }

    /// Takes an entry out. Gives back the requirement if nobody has it any longer; it is gone then.
    pub(super) fn remove(&mut self, key: u32, job: JobId, entry: EntryId) -> Option<(u32, Requirement)> {
        self.reorder(key, |group| {
            group.entries.remove(&(job, entry));
            if group.first == Some((job, entry)) {
                group.first = group.entries.first().copied();
            }
        });
        if !self.group(key).entries.is_empty() {
            return None;
        }
        let group = self.groups[key as usize].take()?;
        self.free_groups.push(key);
        self.group_keys.remove(&group.spec);
        let requirement_key = group.spec.requirement;
        let requirement = self.requirements[requirement_key as usize].take_if(|found| found.groups.is_empty())?;
        self.free_requirements.push(requirement_key);
        self.requirement_keys.remove(&requirement.spec);
        self.unanchored.retain(|other| *other != requirement_key);
        Some((requirement_key, requirement))
    }

    /// Changes a group's entries and puts the group to its new place.
    fn reorder(&mut self, key: u32, change: impl FnOnce(&mut WaitGroup)) {
        let group = self.groups[key as usize].as_mut().expect("keys name live groups");
        let before = group.order(key);
        change(group);
        let after = group.order(key);
        if before == after {
            return;
        }
        let (requirement, parent) = (group.spec.requirement, group.spec.parent);
        let places = self.requirements[requirement as usize].as_mut().map(|requirement| &mut requirement.groups);
        let places = places.expect("a group's requirement lives as long as the group");
        move_place(places, before, after);
        if let Some(parent) = parent {
            let places = self.suites.entry(parent).or_default();
            move_place(places, before, after);
            if places.is_empty() {
                self.suites.remove(&parent);
            }
        }
    }
}

fn move_place(places: &mut BTreeSet<GroupOrder>, before: Option<GroupOrder>, after: Option<GroupOrder>) {
    if let Some(before) = before {
        places.remove(&before);
    }
    if let Some(after) = after {
        places.insert(after);
    }
}

fn insert_at_free_place<T>(places: &mut Vec<Option<T>>, free: &mut Vec<u32>, value: T) -> u32 {
    match free.pop() {
        Some(key) => {
            places[key as usize] = Some(value);
            key
        }
        None => {
            places.push(Some(value));
            places.len() as u32 - 1
        }
    }
}
