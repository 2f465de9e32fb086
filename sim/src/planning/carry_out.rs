//! A plan is carried out, from the first pilot run to the result.

use std::path::PathBuf;

use super::cache::{Cache, Key};
use super::change::Point;
use super::error::PlanError;
use super::evaluate::{Evaluator, Mode, Part, PlanProgress};
use super::figures::Figures;
use super::heat_map::{HeatPoints, heat_map};
use super::objective::{Objective, Occurring, Unknown};
use super::pilot::find_warm_up;
use super::result::{PlanResult, WarmUpResult};
use super::search::{go_on, path, search};
use super::study::{Search, Study};
use super::telling::Telling;
use super::verdict::Judge;
use crate::workload::Source;

/// Plans that are judged anew, one after the other, until one stands.
const CONFIRMATIONS_MAX: usize = 20;

/// How a plan is to be carried out.
#[derive(Debug, Clone, Default)]
pub struct Carrying {
    /// Where results of replications are kept; `None`: nowhere.
    pub cache: Option<PathBuf>,
    /// Where else results are found.
    pub parts: Vec<PathBuf>,
}

/// Carries out a plan. `progress` is called from several threads.
///
/// # Errors
/// The changed scenario makes no sense, or results cannot be kept.
pub fn carry_out(
    study: &Study,
    how: &Carrying,
    progress: &(dyn Fn(PlanProgress) + Sync),
) -> Result<Box<PlanResult>, PlanError> {
    let cache = Cache::new(how.cache.as_deref(), &how.parts)?;
    // Plans that were tried before a data file changed, and after it, are not to be compared.
    let as_it_is = study.table(&study.base())?;
    let as_begun = Key::of(&as_it_is, &study.scenario_file, &())?;
    let (mut evaluator, warm_up) = begin(study, cache, Mode::Simulate, progress)?;
    let found = find(&mut evaluator, study)?.expect("nothing is missing where it is simulated");
    let mut causes = |point: &Point| evaluator.causes(point, study.simulation.replications_min);
    let causes = [causes(&study.base())?, causes(&found.nearest)?];
    as_begun.check(&as_it_is, &study.scenario_file, &())?;
    Ok(Box::new(Telling { study, evaluator: &evaluator }.result(found, warm_up, causes)))
}

/// The replications that a plan still needs beside those that are found in `parts`; once they are there, it may need more. None is
/// simulated here, but for pilot runs where the warm-up is left to them.
///
/// # Errors
/// The changed scenario makes no sense, or results cannot be read.
pub fn missing(study: &Study, parts: &[PathBuf]) -> Result<Vec<Part>, PlanError> {
    let (mut evaluator, _) = begin(study, Cache::new(None, parts)?, Mode::Collect, &|_| {})?;
    find(&mut evaluator, study)?;
    Ok(evaluator.missing())
}

fn begin<'a>(
    study: &'a Study,
    cache: Cache,
    mode: Mode,
    progress: &'a (dyn Fn(PlanProgress) + Sync),
) -> Result<(Evaluator<'a>, WarmUpResult), PlanError> {
    let warm_up = find_warm_up(study, &cache)?;
    let mut evaluator = Evaluator::new(study, cache, mode, progress);
    evaluator.set_warm_up(warm_up.length);
    // Which jobs there are is known once some have been seen.
    let objectives = objectives(&mut evaluator, study)?;
    evaluator.set_objectives(objectives);
    Ok((evaluator, warm_up))
}

/// What the search has come to, by points.
pub(super) struct Found {
    pub(super) answer: Option<Point>,
    pub(super) nearest: Point,
    pub(super) path: Vec<Point>,
    pub(super) heat_map: Option<HeatPoints>,
}

/// `None`: replications are missing.
fn find(evaluator: &mut Evaluator<'_>, study: &Study) -> Result<Option<Found>, PlanError> {
    evaluator.evaluate(std::slice::from_ref(&study.base()))?;
    let probes: Vec<Point> = study.probes().into_iter().map(|(_, point)| point).collect();
    evaluator.evaluate_to(&probes, study.simulation.replications_min)?;
    if evaluator.has_missing() {
        return Ok(None);
    }
    search(evaluator, study)?;
    loop {
        let answer = confirmed(evaluator, study)?;
        if evaluator.has_missing() {
            return Ok(None);
        }
        let nearest = answer.clone().unwrap_or_else(|| nearest(Judge { evaluator, study }));
        let path = match study.search {
            Search::Cheapest => path(evaluator, study, &nearest)?,
            Search::Grid | Search::Single => Vec::new(),
        };
        let heat_map = heat_map(evaluator, study, &nearest)?;
        // These tried plans, too: should one of them be preferable, it is the answer, if it stands.
        let best = Judge { evaluator, study }.sufficient().into_iter().next();
        if evaluator.has_missing() {
            return Ok(None);
        }
        let has_given_up = answer.is_none() && evaluator.judged().len() >= CONFIRMATIONS_MAX;
        if best == answer || has_given_up {
            return Ok(Some(Found { answer, nearest, path, heat_map }));
        }
    }
}

/// The plan to be preferred of all that suffice, judged anew by replications that no search has looked at; `None` if there is none,
/// or none among the first so many.
fn confirmed(evaluator: &mut Evaluator<'_>, study: &Study) -> Result<Option<Point>, PlanError> {
    for _ in 0..CONFIRMATIONS_MAX {
        let Some(best) = Judge { evaluator, study }.sufficient().into_iter().next() else { return Ok(None) };
        evaluator.judge_anew(&best)?;
        if evaluator.has_missing() {
            return Ok(None);
        }
        if (Judge { evaluator, study }).is_confirmed(&best) == Some(true) {
            return Ok(Some(best));
        }
        go_on(evaluator, study, &best)?;
        if evaluator.has_missing() {
            return Ok(None);
        }
    }
    let judge = Judge { evaluator, study };
    Ok(judge.sufficient().into_iter().find(|point| judge.is_confirmed(point) == Some(true)))
}

/// The plan with the fewest objectives that are not met, then with the most jobs on time, then the one to be preferred.
fn nearest(judge: Judge<'_, '_>) -> Point {
    let Judge { evaluator, study } = judge;
    let on_time = |point: &Point| {
        let hits = evaluator.figures(point).map(|figures| figures.on_time(evaluator.objectives())).unwrap_or_default();
        let (hits, of) = hits.into_iter().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        if of > 0 { hits as f64 / of as f64 } else { 1.0 }
    };
    let lacks = |point: &Point| judge.unstable(point).len() + judge.unmet(point).len();
    let tried = evaluator.tried().iter().filter(|point| study.is_asked(point));
    let best = tried.min_by(|one, other| {
        let by_lacks = lacks(one).cmp(&lacks(other));
        by_lacks.then(on_time(other).total_cmp(&on_time(one))).then_with(|| study.preferred(one, other))
    });
    best.cloned().unwrap_or_else(|| study.base())
}

/// What is asked, for every value that occurs.
fn objectives(evaluator: &mut Evaluator<'_>, study: &Study) -> Result<Vec<Objective>, PlanError> {
    let base = study.base();
    evaluator.evaluate_to(std::slice::from_ref(&base), study.simulation.replications_min)?;
    let mut occurring = Occurring::default();
    occurring.extend(evaluator.figures(&base));
    let unknown = |occurring: &Occurring| study.rules.iter().find_map(|rule| Some((rule, rule.unknown(occurring)?)));
    if unknown(&occurring).is_some() && !evaluator.has_missing() {
        // What the lab as it is does not have may come with an alternative.
        let alternatives = study.alternatives();
        evaluator.evaluate_to(&alternatives, study.simulation.replications_min)?;
        alternatives.iter().for_each(|point| occurring.extend(evaluator.figures(point)));
    }
    match unknown(&occurring) {
        Some((rule, Unknown { problem, suggestion })) if !evaluator.has_missing() => {
            Err(Source::read(&study.file)?.wrong_name(&format!("{}.where", rule.key), problem, suggestion).into())
        }
        Some(_) | None => Ok(study.rules.iter().flat_map(|rule| rule.for_each(&occurring)).collect()),
    }
}

impl Occurring {
    fn extend(&mut self, figures: Option<&Figures>) {
        let Some(figures) = figures else { return };
        self.jobs.extend(figures.groups().iter().cloned());
        self.suites.extend(figures.suites().iter().cloned());
        let of_hosts = figures.kinds().iter().filter(|(_, kind)| kind.hosts > 0);
        self.kinds.extend(of_hosts.map(|(name, _)| name.clone()));
    }
}
