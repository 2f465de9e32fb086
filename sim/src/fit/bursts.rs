//! Which jobs came together: pushes, and within a push the parts that belong together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yardmaster_engine::{Span, Time};

use super::group::{Group, Job};
use super::model::Arrivals;
use super::sample::Fitted;

/// Two profiles of one group belong together if they share at least this part of the bursts in which either is.
const TOGETHER: f64 = 0.5;

/// With fewer bursts in each, kinds of bursts are not told apart.
const BURSTS_ENOUGH: usize = 20;
/// What kinds of bursts are called where three are told apart.
const KINDS: [&str; 3] = ["small pushes", "middling pushes", "large pushes"];
/// And where not.
const ONE_KIND: [&str; 1] = ["pushes"];

/// Which jobs came together.
pub(super) struct Bursts {
    /// When each burst begins.
    moments: Vec<Time>,
    /// The kind of each, an index into `kinds`.
    kind: Vec<usize>,
    /// The kinds' names.
    kinds: &'static [&'static str],
    /// By the job's number in the history.
    of_job: BTreeMap<u64, usize>,
}

impl Bursts {
    /// Jobs that the history says came with something, and that follow each other within `gap`, are one burst: what was pushed
    /// at the same time, be it to several branches, meets the lab at the same time. A burst is small, middling or large, so
    /// that each kind has a third of all jobs: a push that is large for one type of host is so for the others, too.
    pub(super) fn of(jobs: &[Job<'_>], gap: Span) -> Bursts {
        let mut bursts = Bursts { moments: Vec::new(), kind: Vec::new(), kinds: &ONE_KIND, of_job: BTreeMap::new() };
        let (mut sizes, mut last): (Vec<usize>, Option<Time>) = (Vec::new(), None);
        for job in jobs {
            if last.is_none_or(|last| job.job.submitted - last > gap) {
                bursts.moments.push(job.job.submitted);
                sizes.push(0);
            }
            last = Some(job.job.submitted);
            let burst = sizes.len() - 1;
            sizes[burst] += 1;
            bursts.of_job.insert(job.job.id, burst);
        }
        bursts.kind = kinds(&sizes);
        let count = |kind| bursts.kind.iter().filter(|of| **of == kind).count();
        if (0..KINDS.len()).all(|kind| count(kind) >= BURSTS_ENOUGH) {
            bursts.kinds = &KINDS;
        } else {
            bursts.kind = vec![0; sizes.len()];
        }
        bursts
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.moments.len()
    }

    /// The moments of each kind of burst, by its name.
    pub(super) fn moments(&self) -> Vec<(&'static str, Vec<Time>)> {
        let of_kind = |kind: usize| {
            self.moments.iter().zip(&self.kind).filter(|(_, of)| **of == kind).map(|(moment, _)| *moment).collect()
        };
        self.kinds.iter().enumerate().map(|(kind, name)| (*name, of_kind(kind))).collect()
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

/// How such a part comes with each kind of burst that it comes with.
pub(super) fn arrivals(part: &Group<'_>, bursts: &Bursts) -> Vec<Arrivals> {
    let mut by_burst: BTreeMap<usize, Vec<Time>> = BTreeMap::new();
    for job in &part.jobs {
        if let Some(burst) = bursts.which(job) {
            by_burst.entry(burst).or_default().push(job.job.submitted);
        }
    }
    let of_kind = |(kind, name): (usize, &&'static str)| {
        let all = bursts.kind.iter().filter(|of| **of == kind).count();
        let (mut sizes, mut delays, mut spreads) = (Vec::new(), Vec::new(), Vec::new());
        for (burst, times) in by_burst.iter().filter(|(burst, _)| bursts.kind[**burst] == kind) {
            let first = times.iter().copied().min()?;
            sizes.push(times.len() as f64);
            delays.push((first - bursts.moments[*burst]).as_seconds_f64());
            spreads.extend(times.iter().map(|time| (*time - first).as_seconds_f64()));
        }
        Some(Arrivals::OnBursts {
            bursts: name,
            chance: sizes.len() as f64 / all as f64,
            met: sizes.len(),
            size: Fitted::of(&sizes, 1.0)?,
            delay: Fitted::of(&delays, 1.0)?,
            spread: Fitted::of(&spreads, 1.0)?,
        })
    };
    bursts.kinds.iter().enumerate().filter_map(of_kind).collect()
}

/// For each size whether it is small, middling or large, so that each has about a third of the sum.
fn kinds(sizes: &[usize]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|burst| sizes[*burst]);
    let total: usize = sizes.iter().sum();
    let mut kinds = vec![0; sizes.len()];
    let (mut seen, mut last) = (0, None);
    for burst in order {
        // Equal sizes are of one kind.
        let kind = match last {
            Some((size, kind)) if size == sizes[burst] => kind,
            _ => (seen * KINDS.len() / total.max(1)).min(KINDS.len() - 1),
        };
        seen += sizes[burst];
        last = Some((sizes[burst], kind));
        kinds[burst] = kind;
    }
    kinds
}
