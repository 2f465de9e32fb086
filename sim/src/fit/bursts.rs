//! Which jobs came together: pushes, and within a push the parts that belong together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yardmaster_engine::{Span, Time};

use super::group::{Group, Job};
use super::model::Arrivals;
use super::sample::Fitted;

/// Two profiles of one group belong together if they share at least this part of the bursts in which either is.
const TOGETHER: f64 = 0.5;

/// The moments at which bursts begin, and in which burst each job is.
pub(super) struct Bursts {
    pub(super) moments: Vec<Time>,
    /// By the job's number in the history.
    of_job: BTreeMap<u64, usize>,
}

impl Bursts {
    /// Jobs that the history says came with something, and that follow each other within `gap`, are one burst: what was pushed
    /// at the same time, be it to several branches, meets the lab at the same time.
    pub(super) fn of(jobs: &[Job<'_>], gap: Span) -> Bursts {
        let mut bursts = Bursts { moments: Vec::new(), of_job: BTreeMap::new() };
        let mut last: Option<Time> = None;
        for job in jobs {
            if last.is_none_or(|last| job.job.submitted - last > gap) {
                bursts.moments.push(job.job.submitted);
            }
            last = Some(job.job.submitted);
            bursts.of_job.insert(job.job.id, bursts.moments.len() - 1);
        }
        bursts
    }

    fn which(&self, job: &Job<'_>) -> Option<usize> {
        self.of_job.get(&job.job.id).copied()
    }
}

/// The parts of a group whose profiles come with the same bursts: a boot test and its smaller brother always, a family of long
/// tests with one push in ten. What is fitted for each part keeps that a push is either short or long.
pub(super) fn parts<'a>(group: &Group<'a>, bursts: &Bursts) -> Vec<Group<'a>> {
    let mut met: BTreeMap<Arc<str>, BTreeSet<usize>> = BTreeMap::new();
    for job in &group.jobs {
        if let Some(burst) = bursts.which(job) {
            met.entry(job.job.profile.clone()).or_default().insert(burst);
        }
    }
    let profiles: Vec<(Arc<str>, BTreeSet<usize>)> = met.into_iter().collect();
    let mut part: Vec<usize> = (0..profiles.len()).collect();
    for (index, (_, one)) in profiles.iter().enumerate() {
        for (other, (_, another)) in profiles.iter().enumerate().take(index) {
            let (both, either) = (one.intersection(another).count(), one.union(another).count());
            if both as f64 >= TOGETHER * either as f64 {
                let (from, to) = (part[index], part[other]);
                part.iter_mut().filter(|place| **place == from).for_each(|place| *place = to);
            }
        }
    }
    let mut parts: BTreeMap<usize, Group<'a>> = BTreeMap::new();
    let part_of: BTreeMap<Arc<str>, usize> = profiles.into_iter().map(|(name, _)| name).zip(part).collect();
    for job in &group.jobs {
        if let Some(part) = part_of.get(&job.job.profile) {
            let empty = || Group { place: group.place.clone(), class: group.class.clone(), jobs: Vec::new() };
            parts.entry(*part).or_insert_with(empty).jobs.push(*job);
        }
    }
    parts.into_values().collect()
}

/// How such a part comes with bursts.
pub(super) fn arrivals(part: &Group<'_>, bursts: &Bursts) -> Option<Arrivals> {
    let mut by_burst: BTreeMap<usize, Vec<Time>> = BTreeMap::new();
    for job in &part.jobs {
        by_burst.entry(bursts.which(job)?).or_default().push(job.job.submitted);
    }
    let (mut sizes, mut delays, mut spreads) = (Vec::new(), Vec::new(), Vec::new());
    for (burst, times) in &by_burst {
        let first = times.iter().copied().min()?;
        sizes.push(times.len() as f64);
        delays.push((first - bursts.moments[*burst]).as_seconds_f64());
        spreads.extend(times.iter().map(|time| (*time - first).as_seconds_f64()));
    }
    Some(Arrivals::OnBursts {
        chance: by_burst.len() as f64 / bursts.moments.len() as f64,
        met: by_burst.len(),
        size: Fitted::of(&sizes, 1.0)?,
        delay: Fitted::of(&delays, 1.0)?,
        spread: Fitted::of(&spreads, 1.0)?,
    })
}
