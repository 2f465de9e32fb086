//! The jobs of a history, sorted by how they come and what they ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::history::{HistoricJob, HistoricRequest, History};

use super::model::Place;

/// A job with the hosts that it asks for, as far as it matters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) job: &'a HistoricJob,
    /// For a job that asked for one certain host: that host.
    pub(super) host: Option<u32>,
}

/// Jobs of one class for the same hosts.
#[derive(Debug, Clone)]
pub(super) struct Group<'a> {
    pub(super) place: Place,
    pub(super) class: Arc<str>,
    /// Ascending by submission.
    pub(super) jobs: Vec<Job<'a>>,
}

/// All jobs, sorted.
#[derive(Debug, Default)]
pub(super) struct Sorted<'a> {
    /// That came with something: a push, a build.
    pub(super) burst: Vec<Group<'a>>,
    /// That came by themselves.
    pub(super) single: Vec<Group<'a>>,
    /// That asked for one certain host.
    pub(super) pinned: Vec<Group<'a>>,
    /// Suites, by their children's numbers in the history.
    pub(super) suites: Vec<Group<'a>>,
    /// The children of each suite, by the suite's number in the history.
    pub(super) children: BTreeMap<u64, Vec<(Place, Job<'a>)>>,
    /// Jobs whose hosts are not in the fitted lab, or have no label in common.
    pub(super) homeless: usize,
    /// Jobs that asked for several certain hosts, and are taken to have asked for any so many of a label of these.
    pub(super) widened: usize,
}

impl<'a> Sorted<'a> {
    /// Sorts the jobs; `kept` says which hosts are in the fitted lab.
    pub(super) fn new(history: &'a History, kept: &[bool]) -> Sorted<'a> {
        let mut sorted = Sorted::default();
        let known: BTreeSet<u64> = history.jobs.iter().map(|job| job.id).collect();
        let parents: BTreeSet<u64> =
            history.jobs.iter().filter_map(|job| job.parent).filter(|parent| known.contains(parent)).collect();
        let labels: BTreeSet<&str> = (history.hosts.iter().zip(kept))
            .filter(|(_, kept)| **kept)
            .flat_map(|(host, _)| host.labels.iter().map(|label| &**label))
            .collect();
        for job in &history.jobs {
            let Some((place, host)) = sorted.place(history, job, kept, &labels) else {
                sorted.homeless += 1;
                continue;
            };
            let one = Job { job, host };
            let groups = match (&place, job.parent.filter(|parent| known.contains(parent))) {
                (_, Some(parent)) => {
                    sorted.children.entry(parent).or_default().push((place, one));
                    continue;
                }
                (_, None) if parents.contains(&job.id) => &mut sorted.suites,
                (Place::EachOfKind(_), None) => &mut sorted.pinned,
                (Place::Any { .. } | Place::Hostless, None) if job.burst.is_some() => &mut sorted.burst,
                (Place::Any { .. } | Place::Hostless, None) => &mut sorted.single,
            };
            match groups.iter_mut().find(|group| group.place == place && group.class == job.class) {
                Some(group) => group.jobs.push(one),
                None => groups.push(Group { place, class: job.class.clone(), jobs: vec![one] }),
            }
        }
        for groups in [&mut sorted.burst, &mut sorted.single, &mut sorted.pinned, &mut sorted.suites] {
            groups.sort_by(|a, b| (&a.class, &a.place).cmp(&(&b.class, &b.place)));
        }
        sorted
    }

    fn place(
        &mut self,
        history: &History,
        job: &HistoricJob,
        kept: &[bool],
        labels: &BTreeSet<&str>,
    ) -> Option<(Place, Option<u32>)> {
        match &job.request {
            HistoricRequest::Hostless => Some((Place::Hostless, None)),
            HistoricRequest::Any { count, label } if labels.contains(&**label) => {
                Some((Place::Any { label: label.clone(), count: *count }, None))
            }
            HistoricRequest::Any { .. } => None,
            HistoricRequest::Hosts(hosts) => match hosts[..] {
                [] => None,
                [one] if *kept.get(one as usize)? => {
                    Some((Place::EachOfKind(history.hosts[one as usize].kind.clone()), Some(one)))
                }
                [_] => None,
                [first, ..] => {
                    let has = |host: &u32, label: &Arc<str>| {
                        history.hosts.get(*host as usize).is_some_and(|host| host.labels.contains(label))
                    };
                    let first = history.hosts.get(first as usize)?;
                    let shared =
                        |label: &&Arc<str>| labels.contains(&***label) && hosts.iter().all(|host| has(host, label));
                    let label = first.labels.iter().find(shared)?.clone();
                    self.widened += 1;
                    Some((Place::Any { label, count: u32::try_from(hosts.len()).ok()? }, None))
                }
            },
        }
    }

    /// The jobs of all groups that came with bursts, ascending by submission.
    pub(super) fn of_bursts(&self) -> Vec<Job<'a>> {
        let mut jobs: Vec<Job<'a>> = self.burst.iter().flat_map(|group| group.jobs.iter().copied()).collect();
        jobs.sort_by_key(|job| (job.job.submitted, job.job.id));
        jobs
    }
}
