//! Suites: jobs that have children.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::group::{Group, Job, Sorted};
use super::mix::{job_types, most_frequent};
use super::model::{JobType, Place, Suite};
use super::sample::Fitted;

/// The suites of a group, and their children as job types of the same mix.
pub(super) fn mix(group: &Group<'_>, sorted: &Sorted<'_>, enough: usize) -> Vec<JobType> {
    // One manner for each profile: a suite is found by its profile.
    let mut mix: Vec<JobType> = Vec::new();
    for one in job_types(&group.place, &group.jobs, enough) {
        match mix.iter_mut().find(|known| known.profile == one.profile) {
            Some(known) => known.weight += one.weight,
            None => mix.push(one),
        }
    }
    let mut profiles: BTreeSet<Arc<str>> = mix.iter().map(|one| one.profile.clone()).collect();
    let children = children_by_place(group, sorted);
    let mut child_types: BTreeMap<(Place, Arc<str>), Arc<str>> = BTreeMap::new();
    let mut types = Vec::new();
    for (place, jobs) in &children {
        for mut one in job_types(place, jobs, enough) {
            let key = (place.clone(), one.profile.clone());
            if child_types.contains_key(&key) {
                continue;
            }
            one.profile = unique(&one.profile, &mut profiles);
            child_types.insert(key, one.profile.clone());
            one.weight = 0;
            types.push(one);
        }
    }
    let known: BTreeSet<Arc<str>> = group.jobs.iter().map(|job| job.job.profile.clone()).collect();
    for suite in &mut mix {
        let name = suite.profile.clone();
        let is_own = |job: &&Job<'_>| if known.contains(&name) { job.job.profile == name } else { true };
        let parents: Vec<&Job<'_>> = group.jobs.iter().filter(is_own).collect();
        suite.suite = children_of(&parents, sorted, &child_types);
    }
    mix.extend(types);
    mix
}

fn children_by_place<'a>(group: &Group<'_>, sorted: &Sorted<'a>) -> BTreeMap<Place, Vec<Job<'a>>> {
    let mut children: BTreeMap<Place, Vec<Job<'a>>> = BTreeMap::new();
    for parent in &group.jobs {
        for (place, child) in sorted.children.get(&parent.job.id).into_iter().flatten() {
            children.entry(place.clone()).or_default().push(*child);
        }
    }
    children
}

/// A profile that no other job type of the mix has.
fn unique(profile: &Arc<str>, taken: &mut BTreeSet<Arc<str>>) -> Arc<str> {
    let mut name = profile.clone();
    let mut number = 1;
    while !taken.insert(name.clone()) {
        number += 1;
        name = format!("{profile} {number}").into();
    }
    name
}

/// What the children of these suites have in common.
fn children_of(
    parents: &[&Job<'_>],
    sorted: &Sorted<'_>,
    names: &BTreeMap<(Place, Arc<str>), Arc<str>>,
) -> Option<Suite> {
    let (mut counts, mut delays) = (Vec::new(), Vec::new());
    let mut by_type: BTreeMap<Arc<str>, usize> = BTreeMap::new();
    let mut promised: BTreeMap<u32, usize> = BTreeMap::new();
    for parent in parents {
        let children = sorted.children.get(&parent.job.id).map_or(&[][..], Vec::as_slice);
        counts.push(children.len() as f64);
        *promised.entry(parent.job.suite_min_hosts).or_default() += 1;
        for (place, child) in children {
            delays.push((child.job.submitted - parent.job.submitted).as_seconds_f64().max(0.0));
            let own = names.get(&(place.clone(), child.job.profile.clone()));
            let pooled = || names.get(&(place.clone(), Arc::from(super::mix::OTHER)));
            if let Some(name) = own.or_else(pooled) {
                *by_type.entry(name.clone()).or_default() += 1;
            }
        }
    }
    Some(Suite {
        children: Some(by_type.into_iter().collect()).filter(|types: &Vec<_>| !types.is_empty())?,
        count: Fitted::of(&counts, 1.0)?,
        delay: Fitted::of(&delays, 1.0)?,
        min_hosts: most_frequent(&promised)?,
    })
}
