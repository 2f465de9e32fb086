//! To what the waits of a plan are owed: the scheduler's own reasons, moment by moment, in words.
//!
//! That is found out for how things are and for the answer alone: asking the scheduler for its reasons after every tick takes
//! longer than simulating it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::PlanError;
use super::figures::JobSet;
use super::objective::Grouping;
use super::result::{TICK, WaitCauses};
use crate::run::{Attribution, Cause, HostUse, Measurement, Window, attribute};
use crate::workload::{Plan, Scenario};

/// The causes in one replication, by set of jobs: seconds owed to each, and after the test to the want of a parser.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct CauseSums {
    sets: Vec<(JobSet, SetSums)>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct SetSums {
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
        let mut sets: BTreeMap<JobSet, SetSums> = BTreeMap::new();
        for (outcome, owed) in measured.jobs.iter().zip(&attribution.jobs) {
            let kind = &measured.kinds[outcome.kind as usize].name;
            let class = &plan.jobs[outcome.job as usize].class;
            let of_kind = JobSet::Of(Grouping::HostKind, kind.to_string());
            let of_class = JobSet::Of(Grouping::Class, class.to_string());
            for set in [JobSet::All, of_kind, of_class] {
                let sums = sets.entry(set).or_default();
                sums.jobs += 1;
                sums.parser += owed.parser.as_seconds_f64();
                for part in &owed.waiting {
                    *sums.causes.entry(words(part.cause, measured)).or_default() += part.span.as_seconds_f64();
                }
            }
        }
        CauseSums { sets: sets.into_iter().collect() }
    }
}

/// Mean seconds by cause over all replications; greatest first.
pub(super) fn means(replications: &[CauseSums]) -> Vec<WaitCauses> {
    let mut sets: BTreeMap<&JobSet, SetSums> = BTreeMap::new();
    for (set, sums) in replications.iter().flat_map(|replication| &replication.sets) {
        let total = sets.entry(set).or_default();
        total.jobs += sums.jobs;
        total.parser += sums.parser;
        for (cause, seconds) in &sums.causes {
            *total.causes.entry(cause.clone()).or_default() += seconds;
        }
    }
    let mean = |(jobs, sums): (&JobSet, SetSums)| {
        let count = sums.jobs.max(1) as f64;
        let mut causes: Vec<(String, f64)> =
            sums.causes.into_iter().map(|(cause, seconds)| (cause, seconds / count)).collect();
        causes.sort_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        WaitCauses { jobs: jobs.clone(), causes, parser: sums.parser / count }
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
                HostUse::Locked => "locked",
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
