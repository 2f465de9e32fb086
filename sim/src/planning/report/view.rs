//! What the pictures, the tables and the page ask of a result.

use super::words::of_objective;
use crate::output::grouped_count;
use crate::planning::figures::{JobSet, WaitFigures};
use crate::planning::objective::{Grouping, Objective, Target};
use crate::planning::queue;
use crate::planning::result::{Answer, ChangeResult, Detail, PlanResult, PointResult, plain};

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

/// Whether the queue of these jobs grows without bound in a plan: then no figure of their waits means anything.
pub(super) fn is_unstable(result: &PlanResult, detail: &Detail, jobs: &JobSet) -> bool {
    result.points.get(detail.point).is_some_and(|point| queue::has_no_waits(&point.unstable, jobs))
}

/// How the answer stood when it was judged anew, or what came nearest to one.
pub(super) fn confirmation(result: &PlanResult) -> Option<String> {
    let point = result.points.get(result.chosen())?;
    let confirmation = point.confirmation.as_ref()?;
    let anew = format!(
        "Judged anew by {} replications that the search had not seen",
        grouped_count(confirmation.replications.into())
    );
    if !confirmation.holds {
        return Some(format!("{anew}, it is not shown to suffice."));
    }
    let found = result.objectives.iter().zip(&confirmation.objectives);
    let margins = found.filter_map(|(objective, found)| {
        let (estimate, bound) = (found.as_ref()?.estimate?, objective.target.bound());
        let end = if objective.target.is_floor() { estimate.low - bound } else { bound - estimate.high };
        Some((if objective.target.is_share() { end } else { end / bound }, objective, estimate))
    });
    let least = margins.min_by(|one, other| one.0.total_cmp(&other.0));
    let Some((_, objective, found)) = least else { return Some(format!("{anew}, it stands.")) };
    let name = if objective.name.is_empty() { String::new() } else { format!("{}: ", objective.name) };
    let (found, percent) = (of_objective(objective, found), result.simulation.confidence * 100.0);
    Some(format!(
        "{anew}, it stands; nearest to its bound ({}) is {name}{found}, an interval of {percent} %.",
        objective.target
    ))
}

/// What of the answer lies at the end of what might be tried, in a sentence.
pub(super) fn at_bounds(result: &PlanResult) -> Option<String> {
    let point = result.points.get(result.chosen())?;
    let at_bound = |(change, level): (&ChangeResult, &usize)| {
        let end = match *level {
            level if level == change.base || !change.is_ordered => return None,
            0 => "least",
            level if level + 1 == change.levels.len() => "most",
            _ => return None,
        };
        Some(format!("{} ({}, the {end})", change.name, change.levels.get(*level)?))
    };
    let bounds: Vec<String> = result.changes.iter().zip(&point.point.0).filter_map(at_bound).collect();
    (!bounds.is_empty()).then(|| format!("At the end of what the plan lets be tried: {}.", bounds.join(", ")))
}

/// A set of jobs in a few words.
pub(super) fn set_name(jobs: &JobSet) -> String {
    match jobs {
        JobSet::All => "all jobs".to_owned(),
        JobSet::Of(_, value) if value.is_empty() => "without hosts".to_owned(),
        JobSet::Of(Grouping::HostKind, value) => value.clone(),
        JobSet::Of(grouping, value) => format!("{} {value}", grouping.words()),
        JobSet::Asked(_) => jobs.words(),
    }
}

/// Grouping and value of a set of jobs, both empty for all jobs.
pub(super) fn set_keys(jobs: &JobSet) -> [String; 2] {
    match jobs {
        JobSet::All => [String::new(), String::new()],
        JobSet::Of(grouping, value) => [grouping.key().to_owned(), value.clone()],
        JobSet::Asked(_) => ["objective".to_owned(), jobs.words()],
    }
}

/// The sets of jobs that pictures and tables show, all jobs first, those with the longest waits before the others; and how
/// many more there are.
pub(super) fn shown_sets(result: &PlanResult, rows_max: usize) -> (Vec<&WaitFigures>, usize) {
    let classes = |jobs: &JobSet| matches!(jobs, JobSet::Of(Grouping::Class, _));
    let many_classes = result.before.waits.iter().filter(|waits| classes(&waits.jobs)).count() > 1;
    let is_shown = |waits: &&WaitFigures| match &waits.jobs {
        JobSet::All | JobSet::Of(Grouping::HostKind, _) | JobSet::Asked(_) => true,
        JobSet::Of(Grouping::Class, value) => many_classes && !value.is_empty(),
        JobSet::Of(Grouping::Priority | Grouping::Profile | Grouping::Workload, _) => false,
    };
    let p95 = |waits: &WaitFigures| match waits.percentiles[2] {
        _ if is_unstable(result, &result.before, &waits.jobs) => f64::INFINITY,
        found => found.map_or(-1.0, |estimate| estimate.value),
    };
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
    let is_meant = |objective: &&Objective| JobSet::of(&objective.only.iter().collect::<Vec<_>>()) == *jobs;
    let mut bounds: Vec<f64> = result.objectives.iter().filter(is_meant).filter_map(start_limit).collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    bounds
}

/// A cost with its unit: `5 400 USD`.
pub(super) fn cost(result: &PlanResult, cost: f64) -> String {
    format!("{} {}", plain(cost), result.unit)
}

/// Costs as a title of an axis or a column.
pub(super) fn cost_title(result: &PlanResult, text: &str) -> String {
    if result.unit == "cost" { text.to_owned() } else { format!("{text} ({})", result.unit) }
}

/// What is different, in words.
pub(super) fn differences(point: &PointResult) -> String {
    if point.differences.is_empty() { "the lab as it is".to_owned() } else { point.differences.join(", ") }
}
