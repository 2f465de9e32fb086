//! To what the waits of a plan are owed: the scheduler's own reasons, moment by moment, in words.
//!
//! That is found out for how things are and for the answer alone: asking the scheduler for its reasons after every tick takes
//! longer than simulating it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::PlanError;
use super::figures::JobSet;
use super::objective::{JobGroup, Objective};
use super::result::{TICK, WaitCauses};
use crate::run::{Attribution, Cause, HostUse, Measurement, Window, attribute};
use crate::workload::{Plan, Scenario};

/// The causes in one replication, by alike jobs: seconds owed to each, and after the test to the want of a parser.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct CauseSums {
    groups: Vec<(JobGroup, Sums)>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Sums {
    jobs: u64,
    causes: BTreeMap<String, f64>,
    parser: f64,
}

/// Simulates one replication and asks for reasons.
pub(super) fn observe(
    scenario: &Scenario,
    seed: u64,
    window: impl Fn(&Plan) -> Window,
) -> Result<CauseSums, PlanError> {
    let plan = scenario.plan(seed)?;
    let (measured, attribution) = attribute(&plan, window(&plan))?;
    Ok(CauseSums::of(&plan, &measured, &attribution))
}

impl CauseSums {
    fn of(plan: &Plan, measured: &Measurement, attribution: &Attribution) -> CauseSums {
        let mut groups: BTreeMap<JobGroup, Sums> = BTreeMap::new();
        for (outcome, owed) in measured.jobs.iter().zip(&attribution.jobs) {
            let sums = groups.entry(JobGroup::of(plan, measured, outcome.job, outcome.kind)).or_default();
            sums.jobs += 1;
            sums.parser += owed.parser.as_seconds_f64();
            for part in &owed.waiting {
                *sums.causes.entry(words(part.cause, measured)).or_default() += part.span.as_seconds_f64();
            }
        }
        CauseSums { groups: groups.into_iter().collect() }
    }
}

/// Mean seconds by cause over all replications, by set of jobs; greatest first.
pub(super) fn means(replications: &[CauseSums], objectives: &[Objective]) -> Vec<WaitCauses> {
    let asked = JobSet::asked(objectives);
    let mut sets: BTreeMap<JobSet, Sums> = BTreeMap::new();
    for (group, sums) in replications.iter().flat_map(|replication| &replication.groups) {
        for set in JobSet::all_with(group, &asked) {
            let total = sets.entry(set).or_default();
            total.jobs += sums.jobs;
            total.parser += sums.parser;
            for (cause, seconds) in &sums.causes {
                *total.causes.entry(cause.clone()).or_default() += seconds;
            }
        }
    }
    let mean = |(jobs, sums): (JobSet, Sums)| {
        let count = sums.jobs.max(1) as f64;
        let mut causes: Vec<(String, f64)> =
            sums.causes.into_iter().map(|(cause, seconds)| (cause, seconds / count)).collect();
        causes.sort_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        WaitCauses { jobs, causes, parser: sums.parser / count }
    };
    sets.into_iter().map(mean).collect()
}

fn words(cause: Cause, measured: &Measurement) -> String {
    match cause {
        Cause::Hosts { kind, host_use } => {
            let kind = measured.kinds.get(kind as usize).map_or("", |kind| &kind.name);
            let does = match host_use {
                HostUse::Testing => "busy with tests",
                HostUse::Preparing => "being verified, cleaned or reset",
                HostUse::Provisioning => "being provisioned",
                HostUse::Held => "held for other jobs",
                HostUse::Repairing => "under repair",
                HostUse::Locked => "out of service",
                HostUse::Idle => "free from the next tick on",
            };
            format!("{kind} hosts {does}")
        }
        Cause::Priority => "jobs of higher priority".to_owned(),
        Cause::Drones => "room on drones".to_owned(),
        Cause::Partners => "other hosts of the same job".to_owned(),
        Cause::Preparation(kind) => format!("own {} before the test", kind.lower()),
        Cause::Tick => TICK.to_owned(),
        Cause::Unservable => "no host could ever serve it".to_owned(),
        Cause::Ending => "preparation that failed for good".to_owned(),
        Cause::ParseLimit => "the parse limit".to_owned(),
    }
}
