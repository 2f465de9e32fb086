//! Which plans are tried, and which of them is the answer.
//!
//! *Cheapest*: more hosts, more drones and shorter times are never worse, so the least of each that suffices is found by
//! bisection. Hosts of a kind serve the objectives of their own kind (an objective `each = "host_kind"`), so all such kinds are
//! bisected at once, one plan for a step of all of them; what serves everybody is bisected after them, one change after the
//! other. What the bisection comes to is checked, raised where the changes get in each other's way, and then lowered again
//! step by step, and by exchanging one step of one change for one of another, until nothing cheaper next to it suffices.
//! Settings and alternatives have no order to rely on: each combination of them is searched by itself, unless it cannot become
//! cheaper than what is found already.

use super::change::{Change, Lever, Point};
use super::error::PlanError;
use super::evaluate::Evaluator;
use super::figures::Judgement;
use super::objective::Objective;
use super::study::{Search, Study};

/// Exchanges that are tried at the end of a search.
const EXCHANGES_MAX: usize = 60;
/// Steps from how things are to the answer that are shown at most.
const PATH_MAX: usize = 30;

/// Whether all objectives are shown to be met, and no queue grows without bound.
pub(super) fn suffices(evaluator: &Evaluator<'_>, study: &Study, point: &Point) -> bool {
    let Some(figures) = evaluator.figures(point) else { return false };
    figures.unstable().is_empty() && unmet(evaluator, study, point).is_empty()
}

/// The objectives that are not shown to be met.
pub(super) fn unmet(evaluator: &Evaluator<'_>, study: &Study, point: &Point) -> Vec<usize> {
    let Some(figures) = evaluator.figures(point) else { return Vec::new() };
    let is_unmet = |(number, objective): &(usize, &Objective)| {
        // An objective that speaks of no job at all is met.
        let estimate = figures.estimate(*number, objective, study.simulation.confidence);
        estimate.is_some_and(|estimate| Judgement::of(objective, estimate) != Judgement::Met)
    };
    evaluator.objectives().iter().enumerate().filter(is_unmet).map(|(number, _)| number).collect()
}

/// Tries what the plan asks for. The answer, if there is one: the cheapest plan that was tried and suffices.
pub(super) fn search(evaluator: &mut Evaluator<'_>, study: &Study) -> Result<Option<Point>, PlanError> {
    match study.search {
        Search::Grid => evaluator.evaluate(&grid(study, &study.searched()))?,
        Search::Single => evaluator.evaluate(&single(study))?,
        Search::Cheapest => Searching { evaluator, study }.run()?,
    }
    let asked = evaluator.tried().iter().filter(|point| study.is_asked(point));
    let sufficient = asked.filter(|point| suffices(evaluator, study, point));
    let order = |point: &&Point| (study.cost(point), study.differences(point).len());
    Ok(sufficient
        .min_by(|one, other| order(one).partial_cmp(&order(other)).unwrap_or(std::cmp::Ordering::Equal))
        .cloned())
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

    fn try_point(&mut self, point: &Point) -> Result<bool, PlanError> {
        self.evaluator.evaluate(std::slice::from_ref(point))?;
        Ok(suffices(self.evaluator, self.study, point))
    }

    fn run(&mut self) -> Result<(), PlanError> {
        let searched = self.study.searched();
        let (ordered, alternatives): (Vec<usize>, Vec<usize>) =
            searched.into_iter().partition(|index| self.change(*index).lever.is_monotone());
        let mut best: Option<f64> = None;
        let mut combinations = grid(self.study, &alternatives);
        combinations.sort_by(|one, other| self.study.cost(one).total_cmp(&self.study.cost(other)));
        for combination in combinations {
            let cheapest = ordered.iter().fold(combination.clone(), |point, index| point.with(*index, 0));
            if best.is_some_and(|best| self.study.cost(&cheapest) >= best) {
                continue;
            }
            if let Some(found) = self.descend(&combination, &ordered)? {
                let cost = self.study.cost(&found);
                best = Some(best.map_or(cost, |best| best.min(cost)));
            }
            if self.evaluator.has_missing() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The least of every change that suffices, if all of everything does.
    fn descend(&mut self, combination: &Point, changes: &[usize]) -> Result<Option<Point>, PlanError> {
        let top = |index: &usize| self.change(*index).levels.len() - 1;
        let mut point = changes.iter().fold(combination.clone(), |point, index| point.with(*index, top(index)));
        if !self.try_point(&point)? {
            return Ok(None);
        }
        let own = |index: &usize| !self.own_objectives(*index).is_empty();
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

    /// The objectives that speak only of hosts of the kind that a change is about.
    fn own_objectives(&self, change: usize) -> Vec<usize> {
        let Lever::Hosts(kind) = &self.change(change).lever else { return Vec::new() };
        let is_own = |(_, objective): &(usize, &Objective)| objective.host_kind() == Some(kind);
        self.evaluator.objectives().iter().enumerate().filter(is_own).map(|(number, _)| number).collect()
    }

    fn own_suffice(&self, point: &Point, change: usize) -> bool {
        let unmet = unmet(self.evaluator, self.study, point);
        let own = self.own_objectives(change);
        let Lever::Hosts(kind) = &self.change(change).lever else { return false };
        let is_stable = self.evaluator.figures(point).is_some_and(|figures| !figures.unstable().contains(kind));
        is_stable && !own.iter().any(|number| unmet.contains(number))
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
                if self.own_suffice(&point, *change) {
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
            let lacking =
                |change: &usize| !self.own_objectives(*change).is_empty() && !self.own_suffice(&point, *change);
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

    /// Takes away one step of whatever saves most, as long as it suffices.
    fn lower(&mut self, mut point: Point, changes: &[usize]) -> Result<Point, PlanError> {
        let mut tried = std::collections::BTreeSet::new();
        while !self.evaluator.has_missing() {
            let lower = |change: &usize| (point.0[*change] > 0).then(|| point.with(*change, point.0[*change] - 1));
            let cheaper = |other: &Point| self.study.cost(other) < self.study.cost(&point) && !tried.contains(other);
            let mut next: Vec<Point> = changes.iter().filter_map(lower).filter(cheaper).collect();
            next.sort_by(|one, other| self.study.cost(one).total_cmp(&self.study.cost(other)));
            let Some(next) = next.into_iter().next() else { break };
            tried.insert(next.clone());
            if self.try_point(&next)? {
                point = next;
            }
        }
        Ok(point)
    }

    /// Tries one step less of one change for one step more of another where that is cheaper.
    fn exchange(&mut self, mut point: Point, changes: &[usize]) -> Result<Point, PlanError> {
        let mut tries = 0;
        'again: loop {
            for less in changes {
                // Hosts of a kind with objectives of its own have been lowered as far as they go, whatever the others do.
                if point.0[*less] == 0 || !self.own_objectives(*less).is_empty() {
                    continue;
                }
                for more in changes.iter().filter(|more| *more != less) {
                    let can = point.0[*more] + 1 < self.change(*more).levels.len();
                    let next = point.with(*less, point.0[*less] - 1);
                    let next = if can { next.with(*more, point.0[*more] + 1) } else { continue };
                    if self.study.cost(&next) >= self.study.cost(&point) || self.evaluator.has_missing() {
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
/// goes one step, so that the first steps are those that help most.
pub(super) fn path(evaluator: &mut Evaluator<'_>, study: &Study, goal: &Point) -> Result<Vec<Point>, PlanError> {
    let mut point = study.base();
    let mut path = vec![point.clone()];
    let total: usize = point.0.iter().zip(&goal.0).map(|(from, to)| from.abs_diff(*to)).sum();
    let stride = total.div_ceil(PATH_MAX).max(1);
    while point != *goal && !evaluator.has_missing() {
        evaluator.evaluate(std::slice::from_ref(&point))?;
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
    evaluator.evaluate(&path)?;
    Ok(path)
}

fn next_change(evaluator: &Evaluator<'_>, study: &Study, known: &Point, point: &Point, goal: &Point) -> Option<usize> {
    let open = (0..point.0.len()).filter(|change| point.0[*change] != goal.0[*change]);
    let figures = evaluator.figures(known)?;
    let distance = |change: usize| -> f64 {
        let Lever::Hosts(kind) = &study.changes[change].lever else { return 0.0 };
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
