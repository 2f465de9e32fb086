//! A plan is carried out, from the first pilot run to the result.

use std::path::PathBuf;

use super::cache::Cache;
use super::change::Point;
use super::error::PlanError;
use super::evaluate::{Evaluator, Mode, Part, PlanProgress};
use super::figures::{Figures, KindFigures};
use super::heat_map::{HeatPoints, heat_map};
use super::objective::Objective;
use super::pilot::find_warm_up;
use super::result::PlanResult;
use super::search::{path, search, unmet};
use super::study::{Search, Study};
use super::telling::Telling;

/// How a plan is to be carried out.
#[derive(Debug, Clone, Default)]
pub struct Carrying {
    /// Where results of replications are kept; `None`: nowhere.
    pub cache: Option<PathBuf>,
    /// Where else results are found.
    pub parts: Vec<PathBuf>,
    /// Nothing is simulated: what is missing is named.
    pub collect_only: bool,
}

/// What came of it.
#[derive(Debug)]
pub enum Carried {
    /// The result.
    Done(Box<PlanResult>),
    /// These replications are missing, and more may be once they are there.
    Missing(Vec<Part>),
}

/// Carries out a plan. `progress` is called from several threads.
///
/// # Errors
/// The changed scenario makes no sense, or results cannot be kept.
pub fn carry_out(
    study: &Study,
    how: &Carrying,
    progress: &(dyn Fn(PlanProgress) + Sync),
) -> Result<Carried, PlanError> {
    let cache = Cache::new(how.cache.as_deref(), &how.parts)?;
    let mode = if how.collect_only { Mode::Collect } else { Mode::Simulate };
    let warm_up = find_warm_up(study, &cache)?;
    let mut evaluator = Evaluator::new(study, cache, mode, progress);
    evaluator.set_warm_up(warm_up.length);
    let base = study.base();
    // Which jobs there are is known once some have been seen.
    evaluator.evaluate_to(std::slice::from_ref(&base), study.simulation.replications_min)?;
    let objectives = objectives(study, evaluator.figures(&base));
    evaluator.set_objectives(objectives);
    let found = match find(&mut evaluator, study, &base)? {
        Some(found) if !evaluator.has_missing() => found,
        Some(_) | None => return Ok(Carried::Missing(evaluator.missing())),
    };
    let mut causes = |point: &Point| evaluator.causes(point, study.simulation.replications_min);
    let causes = [causes(&base)?, causes(&found.nearest)?];
    let result = Telling { study, evaluator: &evaluator }.result(found, warm_up, causes);
    Ok(Carried::Done(Box::new(result)))
}

/// What the search has come to, by points.
pub(super) struct Found {
    pub(super) answer: Option<Point>,
    pub(super) nearest: Point,
    pub(super) path: Vec<Point>,
    pub(super) heat_map: Option<HeatPoints>,
}

fn find(evaluator: &mut Evaluator<'_>, study: &Study, base: &Point) -> Result<Option<Found>, PlanError> {
    evaluator.evaluate(std::slice::from_ref(base))?;
    let probes: Vec<Point> = study.probes().into_iter().map(|(_, point)| point).collect();
    evaluator.evaluate_to(&probes, study.simulation.replications_min)?;
    if evaluator.has_missing() {
        return Ok(None);
    }
    let answer = search(evaluator, study)?;
    if evaluator.has_missing() {
        return Ok(None);
    }
    let nearest = answer.clone().unwrap_or_else(|| nearest(evaluator, study));
    let path = match study.search {
        Search::Cheapest => path(evaluator, study, &nearest)?,
        Search::Grid | Search::Single => Vec::new(),
    };
    let heat_map = heat_map(evaluator, study, &nearest)?;
    Ok(Some(Found { answer, nearest, path, heat_map }))
}

/// The plan with the fewest objectives that are not met, then with the most jobs on time, then the cheapest.
fn nearest(evaluator: &Evaluator<'_>, study: &Study) -> Point {
    let on_time = |point: &Point| {
        let hits = evaluator.figures(point).map(|figures| figures.on_time(evaluator.objectives())).unwrap_or_default();
        let (hits, of) = hits.into_iter().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        if of > 0 { hits as f64 / of as f64 } else { 1.0 }
    };
    let rank = |point: &&Point| {
        let unstable = evaluator.figures(point).map_or(0, |figures| figures.unstable().len());
        (unstable + unmet(evaluator, study, point).len(), -on_time(point), study.cost(point))
    };
    let tried = evaluator.tried().iter().filter(|point| study.is_asked(point));
    let best = tried.min_by(|one, other| rank(one).partial_cmp(&rank(other)).unwrap_or(std::cmp::Ordering::Equal));
    best.cloned().unwrap_or_else(|| study.base())
}

fn objectives(study: &Study, base: Option<&Figures>) -> Vec<Objective> {
    let Some(base) = base else { return Vec::new() };
    let has_hosts = |(_, figures): &(&String, &KindFigures)| figures.hosts > 0;
    let kinds: Vec<_> = base.kinds().iter().filter(has_hosts).map(|(kind, _)| kind.as_str().into()).collect();
    study.rules.iter().flat_map(|rule| rule.for_each(base.groups(), &kinds)).collect()
}
