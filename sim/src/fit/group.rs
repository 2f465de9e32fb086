//! The jobs of a history, sorted by how they come and what they ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::history::{HistoricHost, HistoricJob, HistoricRequest, History};
use crate::workload::HostsByLabel;

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
    /// That asked for one certain host, by the kind of that host.
    pub(super) pinned: Vec<Group<'a>>,
    /// Suites that came with something.
    pub(super) pushed_suites: Vec<Group<'a>>,
    /// Suites that came by themselves.
    pub(super) suites: Vec<Group<'a>>,
    /// The children of each suite, by the suite's number in the history.
    pub(super) children: BTreeMap<u64, Vec<(Place, Job<'a>)>>,
    /// Jobs that no hosts of the fitted lab can serve.
    pub(super) homeless: usize,
    /// Jobs that asked for several certain hosts, and are taken to have asked for any so many of a label of these.
    pub(super) widened: usize,
    /// Children of children, which are taken for their suite's.
    pub(super) grandchildren: usize,
    /// Children whose suite is not in the history, or homeless; they are taken to come by themselves.
    pub(super) orphans: usize,
}

/// Jobs by their class and the hosts that they ask for.
type Alike<'a> = BTreeMap<(Arc<str>, Place), Vec<Job<'a>>>;

/// How a job comes.
#[derive(Debug, Clone, Copy)]
enum Way {
    Burst,
    Single,
    Pinned,
    PushedSuite,
    Suite,
}

impl<'a> Sorted<'a> {
    /// Sorts the jobs; `kept` says which hosts are in the fitted lab.
    pub(super) fn new(history: &'a History, kept: &[bool]) -> Sorted<'a> {
        let mut sorted = Sorted::default();
        let homes = Homes::of(history, kept);
        let places: Vec<Option<Place>> = history.jobs.iter().map(|job| homes.of_job(job)).collect();
        let families = Families::of(history, &places);
        let mut groups: [Alike<'a>; 5] = Default::default();
        for ((index, job), place) in history.jobs.iter().enumerate().zip(&places) {
            let Some(place) = place.clone() else {
                sorted.homeless += 1;
                continue;
            };
            let several = matches!(&job.request, HistoricRequest::Hosts(hosts) if hosts.len() > 1);
            sorted.widened += usize::from(several);
            let host = match (&place, &job.request) {
                (Place::Host(_), HistoricRequest::Hosts(hosts)) => hosts.first().copied(),
                _ => None,
            };
            let one = Job { job, host };
            if let Some(suite) = families.suite_of[index] {
                sorted.grandchildren += usize::from(job.parent != Some(suite));
                sorted.children.entry(suite).or_default().push((place, one));
                continue;
            }
            sorted.orphans += usize::from(job.parent.is_some());
            // What a push starts are suites; their children come with these.
            let pushed = job.burst.is_some() && job.parent.is_none();
            let (way, place) = match (place, families.suites.contains(&job.id)) {
                (place, true) => (if pushed { Way::PushedSuite } else { Way::Suite }, place),
                (Place::Host(name), false) => match host.and_then(|host| history.hosts.get(host as usize)) {
                    Some(host) => (Way::Pinned, Place::EachOfKind(host.kind.clone())),
                    None => (Way::Single, Place::Host(name)),
                },
                (place, false) => (if pushed { Way::Burst } else { Way::Single }, place),
            };
            groups[way as usize].entry((job.class.clone(), place)).or_default().push(one);
        }
        let in_order = groups.map(|groups| {
            groups.into_iter().map(|((class, place), jobs)| Group { place, class, jobs }).collect::<Vec<_>>()
        });
        [sorted.burst, sorted.single, sorted.pinned, sorted.pushed_suites, sorted.suites] = in_order;
        sorted
    }

    /// The jobs of all groups that came with bursts, ascending by submission.
    pub(super) fn of_bursts(&self) -> Vec<Job<'a>> {
        let groups = self.burst.iter().chain(&self.pushed_suites);
        let mut jobs: Vec<Job<'a>> = groups.flat_map(|group| group.jobs.iter().copied()).collect();
        jobs.sort_by_key(|job| (job.job.submitted, job.job.id));
        jobs
    }
}

/// Which jobs are children of which suites.
struct Families {
    /// For each job of the history the number of its suite: the topmost of its ancestors, if that one has a home.
    suite_of: Vec<Option<u64>>,
    /// The numbers of the suites that have children.
    suites: BTreeSet<u64>,
}

impl Families {
    fn of(history: &History, places: &[Option<Place>]) -> Families {
        let known: BTreeMap<u64, usize> = history.jobs.iter().map(|job| job.id).zip(0..).collect();
        let top = |job: &HistoricJob| {
            let (mut child, mut top) = (job, None);
            // A parent's number is below its children's, so that this ends whatever the rows say.
            while let Some(parent) = child.parent.filter(|parent| *parent < child.id).and_then(|id| known.get(&id)) {
                (child, top) = (&history.jobs[*parent], Some(*parent));
            }
            top.filter(|top| places[*top].is_some()).map(|top| history.jobs[top].id)
        };
        let suite_of: Vec<Option<u64>> = history.jobs.iter().map(top).collect();
        let served = suite_of.iter().zip(places).filter(|(_, place)| place.is_some());
        let suites = served.filter_map(|(suite, _)| *suite).collect();
        Families { suite_of, suites }
    }
}

/// The hosts of the fitted lab, as far as jobs ask for them.
struct Homes<'a> {
    hosts: &'a [HistoricHost],
    kept: &'a [bool],
    labels: HostsByLabel,
}

impl<'a> Homes<'a> {
    fn of(history: &'a History, kept: &'a [bool]) -> Homes<'a> {
        let mut labels = HostsByLabel::new(history.settings.clone());
        for ((index, host), _) in (0..).zip(&history.hosts).zip(kept).filter(|(_, kept)| **kept) {
            labels.add(index, &host.labels);
        }
        Homes { hosts: &history.hosts, kept, labels }
    }

    /// The hosts that a job asks for; `None` if the lab would refuse the request.
    fn of_job(&self, job: &HistoricJob) -> Option<Place> {
        let served = |count: u32, label: &str| self.labels.check_request(count, label, &job.labels).is_ok();
        let (count, label) = match &job.request {
            HistoricRequest::Hostless => return Some(Place::Hostless),
            HistoricRequest::Any { count, label } => (*count, served(*count, label).then_some(label)),
            HistoricRequest::Hosts(hosts) => match hosts[..] {
                [] => return None,
                [one] => return self.certain(one, job),
                [first, ..] => {
                    let count = u32::try_from(hosts.len()).ok()?;
                    let shared = |label: &&Arc<str>| hosts.iter().all(|host| self.has(*host, label));
                    let labels = self.hosts.get(first as usize)?.labels.iter().filter(shared);
                    (count, labels.into_iter().find(|label| served(count, label)))
                }
            },
        };
        Some(Place::Any { label: label?.clone(), count })
    }

    fn certain(&self, host: u32, job: &HistoricJob) -> Option<Place> {
        let there = *self.kept.get(host as usize)?;
        let fits = there && self.labels.restricting(&job.labels).all(|label| self.has(host, label));
        fits.then(|| Place::Host(self.hosts[host as usize].name.clone()))
    }

    fn has(&self, host: u32, label: &str) -> bool {
        self.hosts.get(host as usize).is_some_and(|host| host.labels.iter().any(|known| &**known == label))
    }
}
