//! What the pictures, the tables and the page ask of a result.

use crate::output::plots::scales::readable_number;
use crate::planning::figures::{JobSet, WaitFigures};
use crate::planning::objective::{Grouping, Objective, Target};
use crate::planning::result::{Answer, Detail, PlanResult, PointResult, plain};

/// Which of the two plans that are told in detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Before,
    After,
}

impl Which {
    /// In files.
    pub(super) fn key(self) -> &'static str {
        match self {
            Which::Before => "before",
            Which::After => "after",
        }
    }

    /// For people.
    pub(super) fn words(self, result: &PlanResult) -> &'static str {
        match (self, &result.answer) {
            (Which::Before, _) => "as it is",
            (Which::After, Answer::AsItIs | Answer::Cheapest(_)) => "answer",
            (Which::After, Answer::None { .. }) => "nearest plan",
        }
    }
}

/// The plans that are told in detail: how things are, and the answer where it is another.
pub(super) fn details(result: &PlanResult) -> impl Iterator<Item = (Which, &Detail)> {
    [(Which::Before, Some(&result.before)), (Which::After, result.after.as_ref())]
        .into_iter()
        .filter_map(|(which, detail)| Some((which, detail?)))
}

/// Whether a point only says what one more of a resource would bring: such points are no plans, and have no price. They
/// differ from how things are in a level beyond those of the plan's own changes.
pub(super) fn is_probe(result: &PlanResult, point: &PointResult) -> bool {
    let beyond = |point: &PointResult| point.point.0.get(result.changes.len()..).unwrap_or_default().to_vec();
    result.points.get(result.base).is_some_and(|base| beyond(base) != beyond(point))
}

/// A set of jobs in a few words.
pub(super) fn set_name(jobs: &JobSet) -> String {
    match jobs {
        JobSet::All => "all jobs".to_owned(),
        JobSet::Of(_, value) if value.is_empty() => "without hosts".to_owned(),
        JobSet::Of(Grouping::HostKind, value) => value.clone(),
        JobSet::Of(grouping, value) => format!("{} {value}", grouping.words()),
    }
}

/// Grouping and value of a set of jobs, both empty for all jobs.
pub(super) fn set_keys(jobs: &JobSet) -> [String; 2] {
    match jobs {
        JobSet::All => [String::new(), String::new()],
        JobSet::Of(grouping, value) => [grouping.words().replace(' ', "_"), value.clone()],
    }
}

/// The sets of jobs that pictures and tables show, all jobs first, those with the longest waits before the others; and how
/// many more there are.
pub(super) fn shown_sets(result: &PlanResult, rows_max: usize) -> (Vec<&WaitFigures>, usize) {
    let classes = |jobs: &JobSet| matches!(jobs, JobSet::Of(Grouping::Class, _));
    let many_classes = result.before.waits.iter().filter(|waits| classes(&waits.jobs)).count() > 1;
    let is_shown = |waits: &&WaitFigures| match &waits.jobs {
        JobSet::All => true,
        JobSet::Of(Grouping::HostKind, _) => true,
        JobSet::Of(Grouping::Class, value) => many_classes && !value.is_empty(),
        JobSet::Of(Grouping::Priority | Grouping::Profile | Grouping::Workload, _) => false,
    };
    let p95 = |waits: &WaitFigures| waits.percentiles[2].map_or(-1.0, |estimate| estimate.value);
    let mut sets: Vec<&WaitFigures> = result.before.waits.iter().filter(is_shown).collect();
    // Stable: equal ones stay in the order of their names.
    sets.sort_by(|one, other| {
        (other.jobs == JobSet::All).cmp(&(one.jobs == JobSet::All)).then(p95(other).total_cmp(&p95(one)))
    });
    let left_out = sets.len().saturating_sub(rows_max);
    sets.truncate(rows_max);
    (sets, left_out)
}

/// The same jobs in a plan.
pub(super) fn same_jobs<'a>(detail: &'a Detail, jobs: &JobSet) -> Option<&'a WaitFigures> {
    detail.waits.iter().find(|waits| waits.jobs == *jobs)
}

/// The time within which jobs of an objective are to start, in seconds.
pub(super) fn start_limit(objective: &Objective) -> Option<f64> {
    match objective.target {
        Target::StartWithin { limit, .. } | Target::WaitQuantile { limit, .. } => Some(limit.as_seconds_f64()),
        Target::EndWithin { .. }
        | Target::SuitesEndWithin { .. }
        | Target::TurnaroundQuantile { .. }
        | Target::HostUse { .. }
        | Target::DroneUse { .. } => None,
    }
}

/// The bounds in seconds of objectives that speak of the waits of exactly these jobs.
pub(super) fn wait_bounds(result: &PlanResult, jobs: &JobSet) -> Vec<f64> {
    let is_meant = |objective: &&Objective| match (jobs, &objective.only[..]) {
        (JobSet::All, []) => true,
        (JobSet::Of(grouping, value), [only]) => only.grouping == *grouping && only.values == [value.as_str()],
        _ => false,
    };
    let mut bounds: Vec<f64> = result.objectives.iter().filter(is_meant).filter_map(start_limit).collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    bounds
}

/// A cost with its unit: `5 400 USD`.
pub(super) fn cost(result: &PlanResult, cost: f64) -> String {
    format!("{} {}", plain_cost(cost), result.unit)
}

/// A cost without its unit, in groups of three digits.
pub(super) fn plain_cost(cost: f64) -> String {
    let decimals = plain(cost).split_once('.').map_or(0, |(_, decimals)| decimals.len());
    readable_number(cost, decimals)
}

/// Costs as a title of an axis or a column.
pub(super) fn cost_title(result: &PlanResult, text: &str) -> String {
    if result.unit == "cost" { text.to_owned() } else { format!("{text} ({})", result.unit) }
}

/// What is different, in words.
pub(super) fn differences(point: &PointResult) -> String {
    if point.differences.is_empty() { "the lab as it is".to_owned() } else { point.differences.join(", ") }
}
