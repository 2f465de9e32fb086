//! From what was tried to the result: numbers become figures with names, intervals and judgements.

use std::collections::BTreeMap;

use yardmaster_engine::Span;

use super::carry_out::Found;
use super::change::Point;
use super::evaluate::Evaluator;
use super::figures::{Figures, Judgement};
use super::heat_map::HeatPoints;
use super::objective::Objective;
use super::queue;
use super::result::{
    Answer, ChangeResult, Confirmation, Detail, Gain, HeatMap, HostFigures, ObjectiveResult, PlanResult, PointResult,
    WaitCauses, WarmUpResult,
};
use super::statistics;
use super::study::Study;
use super::verdict::Judge;
use crate::output::grouped_count;

/// Everything that was tried, told.
pub(super) struct Telling<'a, 'b> {
    pub(super) study: &'a Study,
    pub(super) evaluator: &'a Evaluator<'b>,
}

impl Telling<'_, '_> {
    pub(super) fn result(&self, found: Found, warm_up: WarmUpResult, causes: [Vec<WaitCauses>; 2]) -> PlanResult {
        let study = self.study;
        let [causes_before, causes_after] = causes;
        let index: BTreeMap<&Point, usize> = self.evaluator.tried().iter().zip(0..).collect();
        let base = index[&study.base()];
        let nearest = index[&found.nearest];
        let answer = match found.answer {
            None => Answer::None { nearest, left: self.judge().left(&found.nearest) },
            Some(point) if point == study.base() => Answer::AsItIs,
            Some(point) => Answer::Cheapest(index[&point]),
        };
        let searched = study.searched();
        let column = |change: usize| searched.iter().position(|searched| *searched == change).unwrap_or_default();
        PlanResult {
            name: study.name.clone(),
            about: study.about.clone(),
            file: study.file.clone(),
            scenario_file: study.scenario_file.clone(),
            seed: study.seed,
            given: study.given.clone(),
            unit: study.unit.clone(),
            search: study.search,
            simulation: study.simulation.clone(),
            warm_up,
            changes: searched.iter().map(|change| self.change(*change)).collect(),
            objectives: self.evaluator.objectives().to_vec(),
            points: self.evaluator.tried().iter().map(|point| self.point(point)).collect(),
            answer,
            base,
            path: found.path.iter().map(|point| index[point]).collect(),
            gains: self.gains(),
            heat_map: found.heat_map.map(|HeatPoints { x, y, points }| HeatMap {
                x: (column(x.0), x.1),
                y: (column(y.0), y.1),
                points: points.iter().map(|point| index[point]).collect(),
            }),
            before: self.detail(base, &study.base(), causes_before),
            after: (nearest != base).then(|| self.detail(nearest, &found.nearest, causes_after)),
            replications: self
                .evaluator
                .tried()
                .iter()
                .flat_map(|point| self.evaluator.figures(point).into_iter().chain(self.evaluator.fresh(point)))
                .map(|figures| u64::from(figures.replications()))
                .sum(),
            assumptions: self.assumptions(&warm_up),
        }
    }

    fn judge(&self) -> Judge<'_, '_> {
        Judge { evaluator: self.evaluator, study: self.study }
    }

    fn change(&self, index: usize) -> ChangeResult {
        let change = &self.study.changes[index];
        ChangeResult {
            name: change.name.clone(),
            levels: change.levels.iter().map(|level| level.label.clone()).collect(),
            costs: change.levels.iter().map(|level| level.cost).collect(),
            base: change.base,
            is_ordered: change.lever.is_monotone(),
        }
    }

    fn point(&self, point: &Point) -> PointResult {
        let confidence = self.study.simulation.confidence;
        let none = Figures::default();
        let figures = self.evaluator.figures(point).unwrap_or(&none);
        let base = self.evaluator.figures(&self.study.base()).unwrap_or(&none);
        let objectives = self.evaluator.objectives();
        let on_time = figures.on_time(objectives);
        let unstable = figures.unstable();
        let (is_told, base_is_told) = (self.tells_who_is_on_time(figures), self.tells_who_is_on_time(base));
        let gain = statistics::difference_of_shares(&on_time, &base.on_time(objectives), confidence);
        PointResult {
            point: point.clone(),
            differences: self.study.differences(point),
            cost: self.study.cost(point),
            replications: figures.replications(),
            objectives: self.results(figures),
            on_time: statistics::share(&on_time, confidence).filter(|_| is_told),
            gain: gain.filter(|_| is_told && base_is_told),
            unstable,
            suffices: self.judge().suffices(point),
            confirmation: self.evaluator.fresh(point).map(|fresh| Confirmation {
                replications: fresh.replications(),
                objectives: self.results(fresh),
                unstable: fresh.unstable(),
                holds: self.judge().holds(fresh),
            }),
        }
    }

    fn results(&self, figures: &Figures) -> Vec<Option<ObjectiveResult>> {
        let unstable = figures.unstable();
        let result = |(number, objective): (usize, &Objective)| {
            let estimate = figures.estimate(number, objective, self.study.simulation.confidence)?;
            Some(match queue::says_nothing(&unstable, objective) {
                true => ObjectiveResult { estimate: None, judgement: Judgement::Unstable },
                false => ObjectiveResult { estimate: Some(estimate), judgement: Judgement::of(objective, estimate) },
            })
        };
        self.evaluator.objectives().iter().enumerate().map(result).collect()
    }

    /// Whether the share of jobs on time is no matter of how long one looks.
    fn tells_who_is_on_time(&self, figures: &Figures) -> bool {
        let growing = figures.unstable();
        let mut counting = self.evaluator.objectives().iter().filter(|objective| objective.target.limit().is_some());
        !counting.any(|objective| queue::says_nothing(&growing, objective))
    }

    fn gains(&self) -> Vec<Gain> {
        let confidence = self.study.simulation.confidence;
        let objectives = self.evaluator.objectives();
        let told = |point: &Point| self.evaluator.figures(point).filter(|figures| self.tells_who_is_on_time(figures));
        let Some(base) = told(&self.study.base()).map(|figures| figures.on_time(objectives)) else { return Vec::new() };
        let gain = |(change, point): (usize, Point)| {
            let with_it = told(&point)?.on_time(objectives);
            let on_time = statistics::difference_of_shares(&with_it, &base, confidence)?;
            let jobs: u64 = with_it.iter().map(|part| part.1).sum();
            let jobs = on_time.value * jobs as f64 / with_it.len().max(1) as f64;
            Some(Gain { resource: self.study.changes[change].name.clone(), on_time, jobs })
        };
        let mut gains: Vec<Gain> = self.study.probes().into_iter().filter_map(gain).collect();
        gains.sort_by(|one, other| other.on_time.value.total_cmp(&one.on_time.value));
        gains
    }

    fn detail(&self, index: usize, point: &Point, causes: Vec<WaitCauses>) -> Detail {
        let confidence = self.study.simulation.confidence;
        let none = Figures::default();
        let figures = self.evaluator.figures(point).unwrap_or(&none);
        let hosts = figures.kinds().iter().filter(|(_, kind)| kind.hosts > 0).map(|(name, kind)| {
            let all: f64 = kind.spent.iter().sum();
            HostFigures {
                kind: name.clone(),
                hosts: kind.hosts,
                used: statistics::part(&kind.used, confidence),
                shares: kind.spent.iter().map(|spent| if all > 0.0 { spent / all } else { 0.0 }).collect(),
            }
        });
        let unstable = figures.unstable();
        let waits = figures.waits(confidence).into_iter();
        let waits =
            waits.map(|waits| if queue::has_no_waits(&unstable, &waits.jobs) { waits.without_times() } else { waits });
        Detail {
            point: index,
            waits: waits.collect(),
            hosts: hosts.collect(),
            drone_use: figures.drone_use(confidence),
            processes_peak: figures.processes_peak,
            parsers_peak: figures.parsers_peak,
            growth: figures.growth(),
            week: figures.week.clone(),
            causes,
        }
    }

    fn assumptions(&self, warm_up: &WarmUpResult) -> Vec<String> {
        let simulation = &self.study.simulation;
        let percent = simulation.confidence * 100.0;
        let mut assumed = vec![
            format!(
                "Every interval is one of {percent} %, for itself, from independent replications; an objective counts as met \
                 only if its whole interval is on the right side of its bound."
            ),
            "A search looks at many plans, and at each several times; what it ends with has had luck, too. So the answer was judged \
             anew by replications that the search has not seen, and those figures are the ones to quote. Where a few bad months decide, \
             intervals from few replications are too narrow: give more."
                .to_owned(),
            "All plans meet the same jobs and the same luck in each replication (common random numbers); differences are \
             taken replication by replication."
                .to_owned(),
            "A job that has not started when its replication ends, or that ended without a test, counts as not on time; in \
             percentiles its wait is without end."
                .to_owned(),
        ];
        if !self.study.given.is_empty() {
            assumed.push(format!("In every plan, the lab as it is included: {}.", self.study.given.join("; ")));
        }
        for (labels, kinds) in self.study.moved() {
            assumed.push(format!("Added hosts of {} have the labels {}.", kinds.join(", "), labels.join(", ")));
        }
        if simulation.window < Span::from_hours(3 * 24) {
            assumed.push(
                "Whether queues grow without bound was not asked: less than three days are looked at.".to_owned(),
            );
        }
        let base = self.evaluator.figures(&self.study.base());
        for (number, objective) in self.evaluator.objectives().iter().enumerate() {
            let asked = base.and_then(|base| base.jobs_for_percentile(number, objective, simulation.confidence));
            let Some((jobs, needed)) = asked else { continue };
            if jobs * f64::from(simulation.replications_max) < needed as f64 {
                assumed.push(format!(
                    "That {} cannot be shown by {} replications with {jobs:.1} jobs each, whatever these wait: {needed} jobs are \
                     needed. Give more replications or more days.",
                    objective.goal(),
                    simulation.replications_max
                ));
            }
        }
        if base.is_some_and(|base| !base.unstable().is_empty()) {
            assumed.push(
                "Queues of the lab as it is grow without bound: what one more of a resource brings, and to what waits are owed, \
                 holds for the time that is looked at."
                    .to_owned(),
            );
        }
        if !warm_up.settled {
            assumed.push(
                "The lab as it is did not settle within half of the time that is looked at: figures of it depend on how long \
                 one looks."
                    .to_owned(),
            );
        }
        if self.study.has_trace() {
            assumed.push(
                "The scenario replays a recorded workload: its jobs are the same in every replication, so that intervals say \
                 nothing about other months. To learn about those, fit it first (yardmaster-sim fit)."
                    .to_owned(),
            );
        }
        let unclear = self.evaluator.tried().iter().filter(|point| self.is_unclear(point)).count();
        if unclear > 0 {
            assumed.push(format!(
                "Plans that were still unclear after the {} replications that a plan may have, and count as not sufficient: {}.",
                grouped_count(simulation.replications_max.into()),
                grouped_count(unclear as u64)
            ));
        }
        assumed
    }

    /// Whether a plan got all replications that it may have, and only objectives keep it from sufficing that are neither met nor missed.
    fn is_unclear(&self, point: &Point) -> bool {
        let Some(figures) = self.evaluator.figures(point) else { return false };
        let judgements: Vec<Judgement> =
            self.results(figures).into_iter().flatten().map(|found| found.judgement).collect();
        figures.replications() >= self.study.simulation.replications_max
            && figures.unstable().is_empty()
            && judgements.contains(&Judgement::Unclear)
            && !judgements.contains(&Judgement::Missed)
    }
}
