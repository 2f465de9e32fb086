//! What the jobs of a group are: their profiles, how long they take, how often they fail, and what else jobs carry.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::history::{HistoricJob, JobEnding};

use super::group::Job;
use super::model::{JobType, Manner, Place};
use super::sample::Fitted;

/// What profiles that are too rare are called together.
pub(super) const OTHER: &str = "other";

/// The job types of these jobs. Profiles of which there are fewer than `enough` are one, called `other`; a profile is
/// divided by what else its jobs are like (priority, owner, …) where each division has as many.
pub(super) fn job_types(place: &Place, jobs: &[Job<'_>], enough: usize) -> Vec<JobType> {
    let mut by_profile: BTreeMap<Arc<str>, Vec<&HistoricJob>> = BTreeMap::new();
    for job in jobs {
        by_profile.entry(job.job.profile.clone()).or_default().push(job.job);
    }
    let rare: Vec<Arc<str>> =
        by_profile.iter().filter(|(_, jobs)| jobs.len() < enough).map(|(name, _)| name.clone()).collect();
    if rare.len() > 1 {
        let together: Vec<&HistoricJob> = rare.iter().filter_map(|name| by_profile.remove(name)).flatten().collect();
        by_profile.entry(OTHER.into()).or_default().extend(together);
    }
    let mut types = Vec::new();
    for (profile, jobs) in by_profile {
        let alike = Alike::of(&jobs);
        for (manner, count) in by_manner(&jobs, place.hosts(), enough) {
            types.push(alike.job_type(profile.clone(), place.clone(), manner, count));
        }
    }
    types
}

/// How many of the jobs, which have so many hosts, are of which manner; those too rare are counted to the most frequent one.
fn by_manner(jobs: &[&HistoricJob], hosts: u32, enough: usize) -> Vec<(Manner, usize)> {
    let mut counts: BTreeMap<Manner, usize> = BTreeMap::new();
    for job in jobs {
        *counts.entry(Manner::of(job, hosts)).or_default() += 1;
    }
    let Some(most) = most_frequent(&counts) else { return Vec::new() };
    let rare: usize =
        counts.iter().filter(|(manner, count)| **count < enough && **manner != most).map(|(_, n)| n).sum();
    counts.retain(|manner, count| *count >= enough || *manner == most);
    *counts.entry(most).or_default() += rare;
    counts.into_iter().collect()
}

/// The first of those that are most frequent.
pub(super) fn most_frequent<T: Ord + Clone>(counts: &BTreeMap<T, usize>) -> Option<T> {
    let most = counts.values().max()?;
    counts.iter().find(|(_, count)| *count == most).map(|(value, _)| value.clone())
}

/// What jobs of one profile have in common.
struct Alike {
    runtime: Option<Fitted>,
    ended: usize,
    failed: usize,
    tests_failed: Option<Fitted>,
}

impl Alike {
    /// From those that ended by themselves: how long an aborted job ran says nothing about its profile.
    fn of(jobs: &[&HistoricJob]) -> Alike {
        let by_themselves: Vec<&&HistoricJob> = jobs.iter().filter(|job| length(job).is_some()).collect();
        let counts: Vec<f64> = by_themselves.iter().map(|job| f64::from(job.tests_failed)).collect();
        Alike {
            runtime: Fitted::of(&lengths(jobs.iter().copied()), 1.0),
            ended: by_themselves.len(),
            failed: by_themselves.iter().filter(|job| job.ending == JobEnding::Failed).count(),
            tests_failed: Fitted::of(&counts, 1.0).filter(|_| counts.iter().any(|count| *count > 0.0)),
        }
    }

    fn job_type(&self, profile: Arc<str>, place: Place, manner: Manner, weight: usize) -> JobType {
        JobType {
            profile,
            place,
            weight,
            manner,
            runtime: self.runtime.clone(),
            ended: self.ended,
            failed: self.failed,
            tests_failed: self.tests_failed.clone(),
            suite: None,
        }
    }
}

/// How long jobs ran, in seconds: those that ended by themselves, and of which both ends are known.
pub(super) fn lengths<'a>(jobs: impl Iterator<Item = &'a HistoricJob>) -> Vec<f64> {
    jobs.filter_map(length).collect()
}

fn length(job: &HistoricJob) -> Option<f64> {
    match job.ending {
        JobEnding::Completed | JobEnding::Failed => Some((job.ended? - job.started?).as_seconds_f64().max(0.0)),
        JobEnding::Aborted | JobEnding::Open => None,
    }
}

impl Manner {
    /// What a job is like that has so many hosts. More than these cannot run it together, whatever its row says.
    pub(super) fn of(job: &HistoricJob, hosts: u32) -> Manner {
        Manner {
            class: job.class.clone(),
            priority: job.priority,
            owner: job.owner.clone(),
            synch_count: job.synch_count.min(hosts),
            labels: job.labels.clone(),
            run_verify: job.run_verify,
            run_reset: job.run_reset,
            reboot_before: job.reboot_before,
            reboot_after: job.reboot_after,
            timeout: job.timeout,
            max_runtime: job.max_runtime,
        }
    }
}
