//! What is known of a plan: replications added up, and the estimates that they give.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::objective::{Grouping, JobGroup, Objective, Restriction, Target, restricted};
use super::observation::{KindObservation, Observation, Week};
use super::queue::Queue;
use super::statistics::{self, Estimate, Growth, Sections, Waits};
use crate::run::HostUse;

/// The percentiles that are told of every set of jobs.
pub(super) const PERCENTS: [f64; 4] = [50.0, 90.0, 95.0, 99.0];

/// Whether an objective is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// The whole interval is on the right side of the bound.
    Met,
    /// The bound lies within the interval: not shown to be met, and not shown to be missed.
    Unclear,
    /// The whole interval is on the wrong side.
    Missed,
    /// A queue of the jobs in question grows without bound: what is estimated depends on how long one looks, and says nothing.
    Unstable,
}

impl Judgement {
    /// What an estimate says of an objective.
    pub fn of(objective: &Objective, estimate: Estimate) -> Judgement {
        let is_met_by = |end: f64| objective.target.is_met_by(end);
        match (is_met_by(estimate.low), is_met_by(estimate.high)) {
            (true, true) => Judgement::Met,
            (false, false) => Judgement::Missed,
            (true, false) | (false, true) => Judgement::Unclear,
        }
    }
}

/// What the replications say of one objective.
#[derive(Debug, Clone, Default)]
struct Samples {
    /// How many of how many, by replication: jobs in time. For the use of machines: seconds in use and seconds there were.
    shares: Vec<(f64, f64)>,
    /// Their times, where a quantile is asked for.
    times: Sections,
}

/// A set of jobs whose waits are told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum JobSet {
    /// All jobs.
    All,
    /// Those of one value of a grouping.
    Of(Grouping, String),
    /// Those that an objective speaks of, where no single value tells them.
    Asked(Vec<Restriction>),
}

impl JobSet {
    /// The jobs that fit all of these.
    pub(super) fn of(only: &[&Restriction]) -> JobSet {
        match only {
            [] => JobSet::All,
            [Restriction { grouping, values }] if values.len() == 1 => JobSet::Of(*grouping, values[0].clone()),
            _ => JobSet::Asked(only.iter().copied().cloned().collect()),
        }
    }

    /// In words.
    pub(super) fn words(&self) -> String {
        match self {
            JobSet::All => "all jobs".to_owned(),
            JobSet::Of(grouping, value) => {
                restricted("jobs", &[&Restriction { grouping: *grouping, values: vec![value.clone()] }])
            }
            JobSet::Asked(only) => restricted("jobs", &only.iter().collect::<Vec<_>>()),
        }
    }

    /// All sets whose waits are told: all jobs, and by kind of host, class and priority; and those that objectives speak of.
    pub(super) fn all_with(group: &JobGroup, asked: &BTreeSet<JobSet>) -> Vec<JobSet> {
        let mut sets = vec![JobSet::All];
        for grouping in [Grouping::HostKind, Grouping::Class, Grouping::Priority] {
            sets.push(JobSet::Of(grouping, group.value(grouping)));
        }
        let fits = |set: &&JobSet| match set {
            JobSet::Asked(only) => only.iter().all(|only| only.fits(group)),
            JobSet::All | JobSet::Of(..) => false,
        };
        sets.extend(asked.iter().filter(fits).cloned());
        sets
    }

    /// The jobs that objectives speak of, each and all that have something in common.
    pub(super) fn asked(objectives: &[Objective]) -> BTreeSet<JobSet> {
        let of_jobs = objectives.iter().filter(|objective| objective.target.limit().is_some());
        let sets = of_jobs.flat_map(|objective| [objective.only.iter().collect(), objective.common()]);
        sets.map(|only: Vec<&Restriction>| JobSet::of(&only)).collect()
    }
}

/// Use of a kind of host.
#[derive(Debug, Clone, Default)]
pub(super) struct KindFigures {
    pub(super) hosts: u32,
    /// Seconds in use and seconds there were, by replication.
    pub(super) used: Vec<(f64, f64)>,
    /// Host · seconds by use, all replications together.
    pub(super) spent: Vec<f64>,
    backlog: Backlog,
}

/// How a queue goes, over all replications.
#[derive(Debug, Clone, Default)]
struct Backlog {
    arrived: u64,
    days: u64,
    /// By how much it grew a day, in each replication of three days and more.
    slopes: Vec<f64>,
}

impl Backlog {
    /// Adds a replication: what arrived in whole days, and how much waited on average in each of them.
    fn add(&mut self, arrived: u64, by_day: &[f64]) {
        self.arrived += arrived;
        self.days += by_day.len() as u64;
        self.slopes.extend(statistics::slope(by_day));
    }

    fn growth(&self) -> Option<Growth> {
        statistics::growth(&self.slopes, self.arrived as f64 / self.days.max(1) as f64)
    }
}

/// Everything that is known of a plan.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures {
    replications: u32,
    samples: Vec<Samples>,
    sets: BTreeMap<JobSet, Sections>,
    kinds: BTreeMap<String, KindFigures>,
    groups: BTreeSet<JobGroup>,
    /// Those of suites.
    suites: BTreeSet<JobGroup>,
    drones: Vec<(f64, f64)>,
    results: Backlog,
    pub(super) processes_peak: u32,
    pub(super) parsers_peak: u32,
    pub(super) week: Week,
}

/// Waits of a set of jobs, estimated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WaitFigures {
    /// Which jobs.
    pub jobs: JobSet,
    /// How many there are in one replication, on average.
    pub count: f64,
    /// The share of them that never came to a test; `None`, as all times are, if their queue grows without bound.
    pub never: Option<f64>,
    /// Mean wait of the others, in seconds.
    pub mean: Option<f64>,
    /// p50, p90, p95, p99 in seconds.
    pub percentiles: [Option<Estimate>; PERCENTS.len()],
    /// How many jobs of all replications waited so many seconds, ascending; three significant digits.
    pub distribution: Vec<(u64, u64)>,
}

impl WaitFigures {
    /// The same without what depends on how long one looks at a queue that grows without bound: nothing is left but the count.
    pub(super) fn without_times(self) -> WaitFigures {
        let WaitFigures { jobs, count, .. } = self;
        WaitFigures {
            jobs,
            count,
            never: None,
            mean: None,
            percentiles: [None; PERCENTS.len()],
            distribution: Vec::new(),
        }
    }
}

impl Figures {
    pub(super) fn new(objectives: &[Objective]) -> Figures {
        Figures { samples: vec![Samples::default(); objectives.len()], ..Figures::default() }
    }

    pub(super) fn replications(&self) -> u32 {
        self.replications
    }

    /// The groups of jobs that occurred.
    pub(super) fn groups(&self) -> &BTreeSet<JobGroup> {
        &self.groups
    }

    /// The groups of suites that occurred.
    pub(super) fn suites(&self) -> &BTreeSet<JobGroup> {
        &self.suites
    }

    pub(super) fn kinds(&self) -> &BTreeMap<String, KindFigures> {
        &self.kinds
    }

    /// Adds the next replication.
    pub(super) fn add(&mut self, observation: &Observation, objectives: &[Objective]) {
        self.replications += 1;
        for (samples, objective) in self.samples.iter_mut().zip(objectives) {
            samples.add(objective, observation);
        }
        let asked = JobSet::asked(objectives);
        let mut sets: BTreeMap<JobSet, Waits> = BTreeMap::new();
        for (group, times) in &observation.groups {
            if !self.groups.contains(group) {
                self.groups.insert(group.clone());
            }
            for name in JobSet::all_with(group, &asked) {
                sets.entry(name).or_default().merge(&times.waits);
            }
        }
        for (group, _) in &observation.suites {
            if !self.suites.contains(group) {
                self.suites.insert(group.clone());
            }
        }
        for (name, waits) in sets {
            self.sets.entry(name).or_default().add(&waits);
        }
        for kind in &observation.kinds {
            self.kinds.entry(kind.name.clone()).or_default().add(kind);
        }
        let arrived = observation.kinds.iter().map(|kind| kind.arrived).sum();
        self.results.add(arrived, &observation.results_backlog);
        self.drones.push(observation.drones.into());
        self.processes_peak = self.processes_peak.max(observation.processes_peak);
        self.parsers_peak = self.parsers_peak.max(observation.parsers_peak);
        self.week.merge(&observation.week);
    }

    /// What the replications say of the objective of this number; `None` if it speaks of nothing that was seen.
    pub(super) fn estimate(&self, number: usize, objective: &Objective, confidence: f64) -> Option<Estimate> {
        let samples = self.samples.get(number)?;
        match objective.target {
            Target::StartWithin { .. } | Target::EndWithin { .. } | Target::SuitesEndWithin { .. } => {
                statistics::share(&samples.hits(), confidence)
            }
            Target::WaitQuantile { percent, .. } | Target::TurnaroundQuantile { percent, .. } => {
                samples.times.quantile(percent, self.replications, confidence)
            }
            Target::HostUse { .. } | Target::DroneUse { .. } => statistics::part(&samples.shares, confidence),
        }
    }

    /// Where an objective is about a percentile: how many jobs it has in a replication, and how many must be there in all for it to be
    /// met, whatever they wait.
    pub(super) fn jobs_for_percentile(
        &self,
        number: usize,
        objective: &Objective,
        confidence: f64,
    ) -> Option<(f64, u64)> {
        let (Target::WaitQuantile { percent, .. } | Target::TurnaroundQuantile { percent, .. }) = objective.target
        else {
            return None;
        };
        let jobs = self.samples.get(number)?.times.all().jobs() as f64 / f64::from(self.replications.max(1));
        Some((jobs, Sections::jobs_needed(percent, confidence)))
    }

    /// Jobs that start or end in the time that an objective gives them, over all objectives, by replication.
    pub(super) fn on_time(&self, objectives: &[Objective]) -> Vec<(u64, u64)> {
        let mut sums = vec![(0, 0); self.replications as usize];
        let counting = self.samples.iter().zip(objectives).filter(|(_, objective)| objective.target.limit().is_some());
        for (samples, _) in counting {
            for (sum, (hits, of)) in sums.iter_mut().zip(samples.hits()) {
                *sum = (sum.0 + hits, sum.1 + of);
            }
        }
        sums
    }

    /// Waits of all jobs, and by kind of host, class and priority.
    pub(super) fn waits(&self, confidence: f64) -> Vec<WaitFigures> {
        let of_set = |(jobs, set): (&JobSet, &Sections)| {
            let waits = set.all();
            let count = waits.jobs();
            WaitFigures {
                jobs: jobs.clone(),
                count: count as f64 / f64::from(self.replications.max(1)),
                never: Some(if count > 0 { waits.never() as f64 / count as f64 } else { 0.0 }),
                mean: waits.mean(),
                percentiles: PERCENTS.map(|percent| set.quantile(percent, self.replications, confidence)),
                distribution: waits.counts().to_vec(),
            }
        };
        self.sets.iter().map(of_set).collect()
    }

    /// How each queue grows.
    pub(super) fn growth(&self) -> Vec<(Queue, Growth)> {
        let of_kinds = self.kinds.iter().map(|(name, kind)| (Queue::Hosts(name.clone()), &kind.backlog));
        let all = of_kinds.chain([(Queue::Results, &self.results)]);
        all.filter_map(|(queue, backlog)| Some((queue, backlog.growth()?))).collect()
    }

    /// Queues that grow without bound.
    pub(super) fn unstable(&self) -> Vec<Queue> {
        self.growth().into_iter().filter(|(_, growth)| growth.is_unbounded).map(|(queue, _)| queue).collect()
    }

    /// The share of drones' room that is in use.
    pub(super) fn drone_use(&self, confidence: f64) -> Option<Estimate> {
        statistics::part(&self.drones, confidence)
    }
}

impl Samples {
    fn add(&mut self, objective: &Objective, observation: &Observation) {
        let jobs = || observation.groups.iter().filter(|(group, _)| objective.concerns(group)).map(|(_, times)| times);
        let count = |waits: &mut dyn Iterator<Item = &Waits>, limit| {
            let parts = waits.map(|waits| (waits.within(limit) as f64, waits.jobs() as f64));
            parts.fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
        };
        match objective.target {
            Target::StartWithin { limit, .. } => self.shares.push(count(&mut jobs().map(|times| &times.waits), limit)),
            Target::EndWithin { limit, .. } => {
                self.shares.push(count(&mut jobs().map(|times| &times.turnarounds), limit));
            }
            Target::SuitesEndWithin { limit, .. } => {
                let suites = observation.suites.iter().filter(|(group, _)| objective.concerns(group));
                self.shares.push(count(&mut suites.map(|(_, ends)| ends), limit));
            }
            Target::WaitQuantile { limit, .. } => {
                self.shares.push(count(&mut jobs().map(|times| &times.waits), limit));
                self.add_times(jobs().map(|times| &times.waits));
            }
            Target::TurnaroundQuantile { limit, .. } => {
                self.shares.push(count(&mut jobs().map(|times| &times.turnarounds), limit));
                self.add_times(jobs().map(|times| &times.turnarounds));
            }
            Target::HostUse { .. } => {
                let meant = |kind: &&KindObservation| kind.hosts > 0 && objective.concerns_kind(&kind.name);
                let used = observation.kinds.iter().filter(meant).map(used);
                self.shares.push(used.fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1)));
            }
            Target::DroneUse { .. } => self.shares.push(observation.drones.into()),
        }
    }

    fn add_times<'a>(&mut self, times: impl Iterator<Item = &'a Waits>) {
        let mut section = Waits::default();
        times.for_each(|times| section.merge(times));
        self.times.add(&section);
    }

    fn hits(&self) -> Vec<(u64, u64)> {
        self.shares.iter().map(|(hits, of)| (*hits as u64, *of as u64)).collect()
    }
}

/// Host · seconds in which hosts of a kind were in use, and those in which they were in service: neither locked nor waiting for
/// a repair.
fn used(kind: &KindObservation) -> (f64, f64) {
    let spent = |spends: HostUse| kind.spent.get(spends as usize).copied().unwrap_or(0.0);
    let used = [HostUse::Testing, HostUse::Preparing, HostUse::Provisioning, HostUse::Held].map(spent).iter().sum();
    (used, used + spent(HostUse::Idle))
}

impl KindFigures {
    fn add(&mut self, kind: &KindObservation) {
        self.hosts = kind.hosts;
        self.used.push(used(kind));
        self.spent.resize(kind.spent.len(), 0.0);
        self.spent.iter_mut().zip(&kind.spent).for_each(|(sum, spent)| *sum += spent);
        self.backlog.add(kind.arrived, &kind.backlog);
    }
}
