//! Which plans are tried, and which of them is the answer.
//!
//! *Cheapest*: more hosts, more drones and shorter times are never worse, so the least of each that suffices is found by
//! bisection. Hosts of a kind serve the objectives of their own kind (an objective `each = "host_kind"`), so all such kinds are
//! bisected at once, one plan for a step of all of them; what serves everybody is bisected after them, one change after the
//! other. What the bisection comes to is checked, raised where the changes get in each other's way, and then lowered again
//! step by step, and by exchanging one step of one change for one of another, until nothing next to it is to be preferred: the
//! cheaper of two plans, or, where they cost the same, the one that changes less.
//! Settings and alternatives have no order to rely on: each combination of them is searched by itself, unless it cannot become
//! preferable to what is found already.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::change::{Change, Lever, Point};
use super::error::PlanError;
use super::evaluate::Evaluator;
use super::objective::Objective;
use super::study::{Search, Study};
use super::verdict::Judge;

/// Exchanges that are tried at the end of a search.
const EXCHANGES_MAX: usize = 60;
/// Steps from how things are to the answer that are shown at most.
const PATH_MAX: usize = 30;

/// Tries what the plan asks for.
pub(super) fn search(evaluator: &mut Evaluator<'_>, study: &Study) -> Result<(), PlanError> {
    match study.search {
        Search::Grid => evaluator.evaluate(&grid(study, &study.searched())),
        Search::Single => evaluator.evaluate(&single(study)),
        Search::Cheapest => Searching { evaluator, study }.run(),
    }
}

/// Goes on after a plan has failed when it was judged anew: to plans with one step more of what it lacks, where the search is free
/// to try them.
pub(super) fn go_on(evaluator: &mut Evaluator<'_>, study: &Study, failed: &Point) -> Result<(), PlanError> {
    if study.search != Search::Cheapest {
        return Ok(());
    }
    let changes = ordered(study);
    let mut searching = Searching { evaluator, study };
    if let Some(point) = searching.raise(failed.clone(), &changes)? {
        searching.lower(point, &changes)?;
    }
    Ok(())
}

/// The changes of which more is no worse.
fn ordered(study: &Study) -> Vec<usize> {
    study.searched().into_iter().filter(|index| study.changes[*index].lever.is_monotone()).collect()
}

/// All combinations of the levels of these changes, the others as they are; the last change varies fastest.
pub(super) fn grid(study: &Study, changes: &[usize]) -> Vec<Point> {
    let mut points = vec![study.base()];
    for change in changes {
        let levels = 0..study.changes[*change].levels.len();
        points = points.iter().flat_map(|point| levels.clone().map(|level| point.with(*change, level))).collect();
    }
    points
}

/// How things are, and each level of each change by itself.
pub(super) fn single(study: &Study) -> Vec<Point> {
    let base = study.base();
    let of_change = |change: usize| (0..study.changes[change].levels.len()).map(move |level| (change, level));
    let mut points = vec![base.clone()];
    let all = study.searched().into_iter().flat_map(of_change);
    points.extend(all.map(|(change, level)| base.with(change, level)).filter(|point| *point != base));
    points
}

struct Searching<'a, 'b> {
    evaluator: &'a mut Evaluator<'b>,
    study: &'a Study,
}

impl Searching<'_, '_> {
    fn change(&self, index: usize) -> &Change {
        &self.study.changes[index]
    }

    fn judge(&self) -> Judge<'_, '_> {
        Judge { evaluator: self.evaluator, study: self.study }
    }

    fn try_point(&mut self, point: &Point) -> Result<bool, PlanError> {
        if self.judge().is_ruled_out(point) {
            return Ok(false);
        }
        self.evaluator.evaluate(std::slice::from_ref(point))?;
        Ok(self.judge().suffices(point))
    }

    fn run(&mut self) -> Result<(), PlanError> {
        let study = self.study;
        let ordered = ordered(study);
        let alternatives: Vec<usize> = study.searched().into_iter().filter(|index| !ordered.contains(index)).collect();
        let mut combinations = grid(study, &alternatives);
        combinations.sort_by(|one, other| study.preferred(one, other));
        let mut best: Option<Point> = None;
        for combination in combinations {
            if best.as_ref().is_some_and(|best| !self.could_be_preferred(&combination, &ordered, best)) {
                continue;
            }
            if let Some(found) = self.descend(&combination, &ordered)? {
                best = match best {
                    Some(best) if study.preferred(&best, &found).is_le() => Some(best),
                    Some(_) | None => Some(found),
                };
            }
            if self.evaluator.has_missing() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether a plan with this combination could be preferred to another plan: at its cheapest, or with nothing else changed.
    fn could_be_preferred(&self, combination: &Point, ordered: &[usize], best: &Point) -> bool {
        let cheapest_level = |change: &usize| {
            let levels = self.change(*change).levels.iter().enumerate();
            levels.min_by(|one, other| one.1.cost.total_cmp(&other.1.cost)).map_or(0, |(level, _)| level)
        };
        let cheapest =
            ordered.iter().fold(combination.clone(), |point, change| point.with(*change, cheapest_level(change)));
        match self.study.cost(&cheapest).total_cmp(&self.study.cost(best)) {
            Ordering::Less => true,
            Ordering::Equal => self.study.distance(combination) < self.study.distance(best),
            Ordering::Greater => false,
        }
    }

    /// The least of every change that suffices, if all of everything does.
    fn descend(&mut self, combination: &Point, changes: &[usize]) -> Result<Option<Point>, PlanError> {
        let top = |index: &usize| self.change(*index).levels.len() - 1;
        let mut point = changes.iter().fold(combination.clone(), |point, index| point.with(*index, top(index)));
        if !self.try_point(&point)? {
            return Ok(None);
        }
        let own = |index: &usize| !self.judge().own_objectives(*index).is_empty();
        let (own, shared): (Vec<usize>, Vec<usize>) = changes.iter().copied().partition(own);
        point = self.bisect_own(point, &own)?;
        // What is shared can only be lowered where it suffices.
        let Some(enough) = self.raise(point, changes)? else { return Ok(None) };
        point = enough;
        for change in shared {
            point = self.bisect_shared(point, change)?;
        }
        let Some(point) = self.raise(point, changes)? else { return Ok(None) };
        let point = self.lower(point, changes)?;
        self.exchange(point, changes).map(Some)
    }

    fn bisect_own(&mut self, top: Point, changes: &[usize]) -> Result<Point, PlanError> {
        let mut bounds: Vec<(usize, usize, usize)> =
            changes.iter().map(|change| (*change, 0, top.0[*change])).collect();
        while bounds.iter().any(|(_, low, high)| low < high) && !self.evaluator.has_missing() {
            let middle =
                |point: Point, (change, low, high): &(usize, usize, usize)| point.with(*change, (low + high) / 2);
            let point = bounds.iter().fold(top.clone(), middle);
            self.try_point(&point)?;
            for (change, low, high) in bounds.iter_mut().filter(|(_, low, high)| low < high) {
                let middle = (*low + *high) / 2;
                if !self.judge().is_lacking(&point, *change) {
                    *high = middle;
                } else {
                    *low = middle + 1;
                }
            }
        }
        Ok(bounds.iter().fold(top, |point, (change, _, high)| point.with(*change, *high)))
    }

    fn bisect_shared(&mut self, point: Point, change: usize) -> Result<Point, PlanError> {
        let (mut low, mut high) = (0, point.0[change]);
        while low < high && !self.evaluator.has_missing() {
            let middle = (low + high) / 2;
            if self.try_point(&point.with(change, middle))? {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(point.with(change, high))
    }

    /// Adds where it does not suffice after all: to the kinds whose objectives are not met, else to everything. `None` where it
    /// cannot be told here.
    fn raise(&mut self, mut point: Point, changes: &[usize]) -> Result<Option<Point>, PlanError> {
        while !self.try_point(&point)? {
            if self.evaluator.has_missing() {
                return Ok(None);
            }
            let top = |change: usize| self.change(change).levels.len() - 1;
            let could: Vec<usize> = changes.iter().copied().filter(|change| point.0[*change] < top(*change)).collect();
            let judge = self.judge();
            let lacking = |change: &usize| judge.is_lacking(&point, *change);
            let mut raised: Vec<usize> = could.iter().copied().filter(lacking).collect();
            if raised.is_empty() {
                raised = could;
            }
            if raised.is_empty() {
                return Ok(None);
            }
            point = raised.into_iter().fold(point, |point, change| {
                let level = point.0[change] + 1;
                point.with(change, level)
            });
        }
        Ok(Some(point))
    }

    /// Goes to whatever plan next to it is to be preferred most, as long as one suffices.
    fn lower(&mut self, mut point: Point, changes: &[usize]) -> Result<Point, PlanError> {
        let study = self.study;
        let mut tried = BTreeSet::new();
        while !self.evaluator.has_missing() {
            let steps = |change: &usize| {
                let (change, level) = (*change, point.0[*change]);
                let is_level = |level: &usize| *level < study.changes[change].levels.len();
                let levels = [level.checked_sub(1), Some(level + 1).filter(is_level)];
                let point = &point;
                levels.into_iter().flatten().map(move |level| point.with(change, level))
            };
            let is_next = |other: &Point| study.preferred(other, &point).is_lt() && !tried.contains(other);
            let next = changes.iter().flat_map(steps).filter(is_next).min_by(|one, other| study.preferred(one, other));
            let Some(next) = next else { break };
            tried.insert(next.clone());
            if self.try_point(&next)? {
                point = next;
            }
        }
        Ok(point)
    }

    /// Tries one step less of one change for one step more of another where that is to be preferred.
    fn exchange(&mut self, mut point: Point, changes: &[usize]) -> Result<Point, PlanError> {
        let mut tries = 0;
        'again: loop {
            for less in changes {
                let has_own = |change: &usize| !self.judge().own_objectives(*change).is_empty();
                if point.0[*less] == 0 {
                    continue;
                }
                // Hosts of a kind with objectives of its own go as low as they do whatever other such kinds have.
                let serves = |more: &&usize| *more != less && !(has_own(less) && has_own(more));
                for more in changes.iter().filter(serves).copied().collect::<Vec<_>>() {
                    let can = point.0[more] + 1 < self.change(more).levels.len();
                    let next = point.with(*less, point.0[*less] - 1);
                    let next = if can { next.with(more, point.0[more] + 1) } else { continue };
                    if self.study.preferred(&next, &point).is_ge() || self.evaluator.has_missing() {
                        continue;
                    }
                    tries += 1;
                    if tries > EXCHANGES_MAX {
                        return Ok(point);
                    }
                    if self.try_point(&next)? {
                        point = self.lower(next, changes)?;
                        continue 'again;
                    }
                }
            }
            return Ok(point);
        }
    }
}

/// Plans on the way from how things are to another one: at each step the change whose objective is farthest from being met
/// goes one step, so that the first steps are those that help most. They are there to be looked at: the least number of replications
/// is enough.
pub(super) fn path(evaluator: &mut Evaluator<'_>, study: &Study, goal: &Point) -> Result<Vec<Point>, PlanError> {
    let mut point = study.base();
    let mut path = vec![point.clone()];
    let total: usize = point.0.iter().zip(&goal.0).map(|(from, to)| from.abs_diff(*to)).sum();
    let stride = total.div_ceil(PATH_MAX).max(1);
    while point != *goal && !evaluator.has_missing() {
        evaluator.evaluate_to(std::slice::from_ref(&point), study.simulation.replications_min)?;
        for _ in 0..stride {
            let Some(change) = next_change(evaluator, study, path.last().unwrap_or(&point), &point, goal) else {
                break;
            };
            let (from, to) = (point.0[change], goal.0[change]);
            // Alternatives have nothing between them.
            let is_ordered = study.changes[change].lever.is_monotone();
            let level = if !is_ordered {
                to
            } else if from < to {
                from + 1
            } else {
                from - 1
            };
            point = point.with(change, level);
        }
        path.push(point.clone());
    }
    evaluator.evaluate_to(&path, study.simulation.replications_min)?;
    Ok(path)
}

fn next_change(evaluator: &Evaluator<'_>, study: &Study, known: &Point, point: &Point, goal: &Point) -> Option<usize> {
    let open = (0..point.0.len()).filter(|change| point.0[*change] != goal.0[*change]);
    let figures = evaluator.figures(known)?;
    let distance = |change: usize| -> f64 {
        let Lever::Hosts { kind, .. } = &study.changes[change].lever else { return 0.0 };
        let own =
            evaluator.objectives().iter().enumerate().filter(|(_, objective)| objective.host_kind() == Some(kind));
        let gap = |(number, objective): (usize, &Objective)| {
            let value = figures.estimate(number, objective, study.simulation.confidence)?.value;
            let bound = objective.target.bound();
            Some(if objective.target.is_floor() { bound - value } else { (value - bound) / bound })
        };
        own.filter_map(gap).fold(0.0, f64::max)
    };
    open.max_by(|one, other| distance(*one).total_cmp(&distance(*other)).then(other.cmp(one)))
}
