//! How long jobs waited, and how that compares with what a trace recorded.

use std::collections::BTreeMap;

use serde::Serialize;
use yardmaster_engine::Span;

use crate::output::decimal::Decimal;
use crate::output::quantiles::Distribution;
use crate::recording::JobRecord;

/// A wait that nobody minds; the share of jobs that wait no longer is a headline figure.
const SHORT_WAIT: Span = Span::from_minutes(10);

/// What stands for an empty class or host kind.
const NONE: &str = "(none)";

/// How long a group of jobs waited from submission to the start of the first test.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Waits {
    /// Jobs of the group, started or not.
    pub jobs: u64,
    /// Share (0 to 1) of all jobs of the group that started within ten minutes. Jobs that never started count as not.
    pub started_within_10_minutes: Decimal,
    /// Seconds waited by the jobs that started.
    #[serde(flatten)]
    pub distribution: Distribution,
}

/// Waits of all jobs and of groups of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WaitsByGroup {
    /// Of all jobs.
    pub all: Waits,
    /// By class of job.
    pub by_class: BTreeMap<String, Waits>,
    /// By the kind of host that was asked for.
    pub by_host_kind: BTreeMap<String, Waits>,
}

impl Waits {
    fn of<'a>(jobs: impl Iterator<Item = &'a JobRecord>) -> Waits {
        let (mut count, mut waits) = (0_u64, Vec::new());
        for job in jobs {
            count += 1;
            waits.extend(job.waiting_time());
        }
        let short = waits.iter().filter(|&&wait| wait <= SHORT_WAIT).count();
        Waits {
            jobs: count,
            started_within_10_minutes: Decimal::ratio(short as i128, i128::from(count)).unwrap_or_default(),
            distribution: Distribution::of_spans(waits),
        }
    }
}

impl WaitsByGroup {
    pub(super) fn of(jobs: &[JobRecord]) -> WaitsByGroup {
        let waits_by = |name: fn(&JobRecord) -> &str| {
            grouped(jobs.iter(), name).into_iter().map(|(name, jobs)| (name, Waits::of(jobs.into_iter()))).collect()
        };
        WaitsByGroup {
            all: Waits::of(jobs.iter()),
            by_class: waits_by(|job| &job.class),
            by_host_kind: waits_by(|job| &job.host_kind),
        }
    }
}

/// Simulated beside recorded waits, over the jobs that started in the simulation and in the trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Over all such jobs.
    pub all: WaitComparison,
    /// By class of job.
    pub by_class: BTreeMap<String, WaitComparison>,
}

/// Simulated beside recorded waits of the same jobs, in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaitComparison {
    /// Waits in the simulation.
    pub simulated: Distribution,
    /// Waits in the trace.
    pub recorded: Distribution,
    /// Simulated minus recorded wait, job by job: negative where the simulation was faster.
    pub difference: Distribution,
}

impl Comparison {
    /// The comparison; `None` if no job has both waits.
    pub(super) fn of(jobs: &[JobRecord]) -> Option<Comparison> {
        let both = |job: &&JobRecord| job.waiting_time().is_some() && job.recorded.is_some();
        let jobs: Vec<&JobRecord> = jobs.iter().filter(both).collect();
        if jobs.is_empty() {
            return None;
        }
        let by_class = grouped(jobs.iter().copied(), |job| &job.class);
        Some(Comparison {
            all: WaitComparison::of(&jobs),
            by_class: by_class.into_iter().map(|(class, jobs)| (class, WaitComparison::of(&jobs))).collect(),
        })
    }
}

impl WaitComparison {
    fn of(jobs: &[&JobRecord]) -> WaitComparison {
        let difference = |job: &&JobRecord| {
            Some(Decimal::from_millionths(job.waiting_time()?.0.saturating_sub(job.recorded_waiting_time()?.0)))
        };
        WaitComparison {
            simulated: Distribution::of_spans(jobs.iter().filter_map(|job| job.waiting_time())),
            recorded: Distribution::of_spans(jobs.iter().filter_map(|job| job.recorded_waiting_time())),
            difference: Distribution::of(jobs.iter().filter_map(difference)),
        }
    }
}

fn grouped<'a>(
    jobs: impl Iterator<Item = &'a JobRecord>,
    name: fn(&JobRecord) -> &str,
) -> BTreeMap<String, Vec<&'a JobRecord>> {
    let mut groups: BTreeMap<&str, Vec<&JobRecord>> = BTreeMap::new();
    for job in jobs {
        groups.entry(name(job)).or_default().push(job);
    }
    let named = |name: &str| if name.is_empty() { NONE } else { name }.to_owned();
    groups.into_iter().map(|(name, jobs)| (named(name), jobs)).collect()
}
