//! Whether a plan suffices, by the replications that a search looks at and by those that it does not.
//!
//! A search looks at many plans, and at each of them again and again as replications come in: what it ends with has had luck, too,
//! and would be called sufficient more often than an interval's confidence says. So what is chosen is judged anew, by
//! replications that nobody has looked at. What fails then rules out all that is no better: the plans with no more of what is lacking.

use std::collections::BTreeSet;

use super::change::{Lever, Point};
use super::evaluate::Evaluator;
use super::figures::{Figures, Judgement};
use super::objective::Objective;
use super::queue::Queue;
use super::result::{Left, LeftBy};
use super::study::Study;

/// What judges plans.
#[derive(Clone, Copy)]
pub(super) struct Judge<'a, 'b> {
    pub(super) evaluator: &'a Evaluator<'b>,
    pub(super) study: &'a Study,
}

impl<'a> Judge<'a, '_> {
    /// Whether all objectives are shown to be met and no queue grows without bound, and a plan that is no worse has not failed when it
    /// was judged anew.
    pub(super) fn suffices(self, point: &Point) -> bool {
        let holds = self.evaluator.figures(point).is_some_and(|figures| self.holds(figures));
        holds && !self.is_ruled_out(point)
    }

    /// Whether these figures show all objectives to be met, and no queue that grows without bound.
    pub(super) fn holds(self, figures: &Figures) -> bool {
        figures.unstable().is_empty() && self.unmet_in(figures).is_empty()
    }

    /// Whether a plan was judged anew, and how.
    pub(super) fn is_confirmed(self, point: &Point) -> Option<bool> {
        self.evaluator.fresh(point).map(|fresh| self.holds(fresh))
    }

    /// The objectives that these figures do not show to be met.
    fn unmet_in(self, figures: &Figures) -> Vec<usize> {
        let is_unmet = |(number, objective): &(usize, &Objective)| {
            // An objective that speaks of no job at all is met.
            let estimate = figures.estimate(*number, objective, self.study.simulation.confidence);
            estimate.is_some_and(|estimate| Judgement::of(objective, estimate) != Judgement::Met)
        };
        self.evaluator.objectives().iter().enumerate().filter(is_unmet).map(|(number, _)| number).collect()
    }

    /// All that is known of a plan: what a search has looked at, and what it was judged by anew.
    fn all_figures(self, point: &Point) -> Vec<&'a Figures> {
        self.evaluator.figures(point).into_iter().chain(self.evaluator.fresh(point)).collect()
    }

    /// The objectives that a plan is not shown to meet.
    pub(super) fn unmet(self, point: &Point) -> Vec<usize> {
        let mut unmet: Vec<usize> =
            self.all_figures(point).into_iter().flat_map(|figures| self.unmet_in(figures)).collect();
        unmet.sort_unstable();
        unmet.dedup();
        unmet
    }

    /// What keeps a plan from sufficing.
    pub(super) fn left(self, point: &Point) -> Left {
        let own = Left { objectives: self.unmet(point), queues: self.unstable(point), by: LeftBy::Itself };
        if !own.objectives.is_empty() || !own.queues.is_empty() {
            return own;
        }
        let figures: Vec<&Figures> =
            self.failed_above(point).filter_map(|failed| self.evaluator.fresh(failed)).collect();
        let objectives: BTreeSet<usize> = figures.iter().flat_map(|figures| self.unmet_in(figures)).collect();
        let queues: BTreeSet<Queue> = figures.iter().flat_map(|figures| figures.unstable()).collect();
        let by = if figures.is_empty() { LeftBy::Nobody } else { LeftBy::Others };
        Left { objectives: objectives.into_iter().collect(), queues: queues.into_iter().collect(), by }
    }

    /// The queues that grow without bound in a plan.
    pub(super) fn unstable(self, point: &Point) -> Vec<Queue> {
        let mut queues: Vec<Queue> = self.all_figures(point).into_iter().flat_map(Figures::unstable).collect();
        queues.sort_unstable();
        queues.dedup();
        queues
    }

    /// The objectives that speak only of hosts of the kind that a change is about.
    pub(super) fn own_objectives(self, change: usize) -> Vec<usize> {
        let Lever::Hosts { kind, .. } = &self.study.changes[change].lever else { return Vec::new() };
        let is_own = |(_, objective): &(usize, &Objective)| objective.host_kind() == Some(kind);
        self.evaluator.objectives().iter().enumerate().filter(is_own).map(|(number, _)| number).collect()
    }

    /// Whether a change has objectives of its own, and not all of them are met.
    pub(super) fn is_lacking(self, point: &Point, change: usize) -> bool {
        let own = self.own_objectives(change);
        !own.is_empty() && !self.own_suffice(point, &own, change)
    }

    /// Whether a change's own objectives are met.
    pub(super) fn own_suffice(self, point: &Point, own: &[usize], change: usize) -> bool {
        let Lever::Hosts { kind, .. } = &self.study.changes[change].lever else { return false };
        let unmet = self.unmet(point);
        self.evaluator.figures(point).is_some()
            && !self.unstable(point).contains(&Queue::Hosts(kind.clone()))
            && !own.iter().any(|number| unmet.contains(number))
    }

    /// Whether a plan has failed that is no worse than this one, which has not stood the same trial itself.
    pub(super) fn is_ruled_out(self, point: &Point) -> bool {
        self.is_confirmed(point) != Some(true) && self.failed_above(point).next().is_some()
    }

    /// The plans no worse than this one that failed when they were judged anew.
    fn failed_above(self, point: &Point) -> impl Iterator<Item = &'a Point> {
        let failed = self.evaluator.judged().iter().filter(move |tried| self.is_confirmed(tried) == Some(false));
        failed.filter(move |failed| self.is_no_better(point, failed))
    }

    /// Whether a plan has no more of what another one lacks: of the kinds whose own objectives are not met, else of anything.
    fn is_no_better(self, point: &Point, failed: &Point) -> bool {
        let is_ordered = |change: &usize| self.study.changes[*change].lever.is_monotone();
        let (ordered, others): (Vec<usize>, Vec<usize>) = self.study.searched().into_iter().partition(is_ordered);
        let no_more = |change: &usize| point.0[*change] <= failed.0[*change];
        let lacking: Vec<usize> = ordered.iter().copied().filter(|change| self.is_lacking(failed, *change)).collect();
        let is_shared = |change: &&usize| self.own_objectives(**change).is_empty();
        others.iter().all(|change| point.0[*change] == failed.0[*change])
            && if lacking.is_empty() {
                ordered.iter().all(no_more)
            } else {
                lacking.iter().any(no_more) && ordered.iter().filter(is_shared).all(no_more)
            }
    }

    /// Plans that were tried, are asked about and suffice; the one to be preferred comes first.
    pub(super) fn sufficient(self) -> Vec<Point> {
        let asked = self.evaluator.tried().iter().filter(|point| self.study.is_asked(point));
        let mut sufficient: Vec<Point> = asked.filter(|point| self.suffices(point)).cloned().collect();
        sufficient.sort_by(|one, other| self.study.preferred(one, other));
        sufficient
    }
}
