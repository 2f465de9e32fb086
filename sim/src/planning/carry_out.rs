//! A plan is carried out, from the first pilot run to the result.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rayon::prelude::*;
use yardmaster_engine::Span;

use super::cache::{Cache, Key};
use super::change::Point;
use super::error::PlanError;
use super::evaluate::{Evaluator, Mode, Part, PlanProgress, replication_seed};
use super::figures::{Figures, Judgement};
use super::objective::Objective;
use super::result::{
    Answer, ChangeResult, Detail, Gain, HeatMap, HostFigures, ObjectiveResult, PlanResult, PointResult, WaitCauses,
    WarmUpResult,
};
use super::search::{grid, path, search, suffices, unmet};
use super::statistics::{self, warm_up};
use super::study::{Search, Study};
use crate::run::{Window, measure};

const DAY: Span = Span::from_hours(24);
/// Levels of a change that a heat map shows at most.
const HEAT_LEVELS_MAX: usize = 7;

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
struct Found {
    answer: Option<Point>,
    nearest: Point,
    path: Vec<Point>,
    heat_map: Option<(usize, Vec<usize>, usize, Vec<usize>, Vec<Point>)>,
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
    let has_hosts = |(_, figures): &(&String, &super::figures::KindFigures)| figures.hosts > 0;
    let kinds: Vec<_> = base.kinds().iter().filter(has_hosts).map(|(kind, _)| kind.as_str().into()).collect();
    study.rules.iter().flat_map(|rule| rule.for_each(base.groups(), &kinds)).collect()
}

/// How much of the beginning is to be left out: as the plan says, or by the rule, from pilot runs of the lab as it is.
pub(super) fn find_warm_up(study: &Study, cache: &Cache) -> Result<WarmUpResult, PlanError> {
    if let Some(length) = study.simulation.warm_up {
        return Ok(WarmUpResult { length, by_rule: false, settled: true });
    }
    let table = study.table(&study.base())?;
    let scenario = study.lasting(table.clone(), study.simulation.window)?;
    let key = Key::of(&table, &study.scenario_file, &("pilot", study.seed, study.simulation.window))?;
    let mut known: BTreeMap<u32, Vec<f64>> = cache.read(&key)?;
    let pilots = 0..study.simulation.replications_min;
    let unknown: Vec<u32> = pilots.clone().filter(|pilot| !known.contains_key(pilot)).collect();
    let simulated: Vec<Vec<f64>> = unknown
        .par_iter()
        .map(|pilot| {
            let plan = scenario.plan(replication_seed(study.seed, *pilot))?;
            let measured = measure(&plan, Window { from: plan.start, to: plan.start + study.simulation.window })?;
            let hours = measured.hourly.waiting.hours().zip(measured.hourly.busy.hours());
            let load = hours.map(|(waiting, busy)| waiting.iter().chain(busy).sum::<i64>() as f64 / 3.6e9);
            Ok::<_, PlanError>(load.collect())
        })
        .collect::<Result<_, _>>()?;
    let results: Vec<(u32, &Vec<f64>)> = unknown.iter().copied().zip(&simulated).collect();
    cache.append(&key, &results)?;
    known.extend(unknown.into_iter().zip(simulated));
    let hours = known.values().map(Vec::len).min().unwrap_or_default();
    let count = known.len().max(1) as f64;
    let mean: Vec<f64> = (0..hours).map(|hour| known.values().map(|load| load[hour]).sum::<f64>() / count).collect();
    let found = warm_up(&mean);
    // Whole days, one at least: labs differ by the hour of the day, and hosts take a day to be used for the first time.
    let days = found.values.div_ceil(24).max(1);
    Ok(WarmUpResult { length: DAY * days as i64, by_rule: true, settled: found.settled })
}

type HeatPoints = (usize, Vec<usize>, usize, Vec<usize>, Vec<Point>);

fn heat_map(evaluator: &mut Evaluator<'_>, study: &Study, answer: &Point) -> Result<Option<HeatPoints>, PlanError> {
    let base = study.base();
    let searched = study.searched();
    let differs = |change: &usize| answer.0[*change].abs_diff(base.0[*change]);
    let Some([x, y]) = study.heat_map.or_else(|| {
        let mut by_difference = searched.clone();
        by_difference.sort_by_key(|change| (std::cmp::Reverse(differs(change)), *change));
        by_difference.first_chunk().copied()
    }) else {
        return Ok(None);
    };
    let shown = |change: usize| -> Vec<usize> {
        let last = study.changes[change].levels.len() - 1;
        let all: Vec<usize> = (0..=last).collect();
        if all.len() <= HEAT_LEVELS_MAX {
            return all;
        }
        // Evenly over the range, with how things are and the answer among them.
        let evenly = (0..HEAT_LEVELS_MAX - 2).map(|step| step * last / (HEAT_LEVELS_MAX - 3));
        let mut levels: Vec<usize> = evenly.chain([base.0[change], answer.0[change]]).collect();
        levels.sort_unstable();
        levels.dedup();
        levels
    };
    let (columns, rows) = (shown(x), shown(y));
    let row = |row: usize| columns.iter().map(move |column| (row, *column));
    let cells = rows.iter().flat_map(|level| row(*level));
    let points: Vec<Point> = cells.map(|(row, column)| answer.with(y, row).with(x, column)).collect();
    if study.search == Search::Grid && points.len() == grid(study, &[x, y]).len() && searched.len() == 2 {
        evaluator.evaluate(&points)?;
    } else {
        evaluator.evaluate_to(&points, study.simulation.replications_min)?;
    }
    Ok(Some((x, columns, y, rows, points)))
}

struct Telling<'a, 'b> {
    study: &'a Study,
    evaluator: &'a Evaluator<'b>,
}

impl Telling<'_, '_> {
    fn result(&self, found: Found, warm_up: WarmUpResult, causes: [Vec<WaitCauses>; 2]) -> PlanResult {
        let study = self.study;
        let [causes_before, causes_after] = causes;
        let index: BTreeMap<&Point, usize> = self.evaluator.tried().iter().zip(0..).collect();
        let base = index[&study.base()];
        let nearest = index[&found.nearest];
        let answer = match found.answer {
            None => Answer::None { nearest, unmet: unmet(self.evaluator, study, &found.nearest) },
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
            heat_map: found.heat_map.map(|(x, columns, y, rows, points)| HeatMap {
                x: (column(x), columns),
                y: (column(y), rows),
                points: points.iter().map(|point| index[point]).collect(),
            }),
            before: self.detail(base, &study.base(), causes_before),
            after: (nearest != base).then(|| self.detail(nearest, &found.nearest, causes_after)),
            replications: self
                .evaluator
                .tried()
                .iter()
                .filter_map(|point| self.evaluator.figures(point))
                .map(|figures| u64::from(figures.replications()))
                .sum(),
            assumptions: self.assumptions(&warm_up),
        }
    }

    fn change(&self, index: usize) -> ChangeResult {
        let change = &self.study.changes[index];
        ChangeResult {
            name: change.name.clone(),
            levels: change.levels.iter().map(|level| level.label.clone()).collect(),
            costs: change.levels.iter().map(|level| level.cost).collect(),
            base: change.base,
        }
    }

    fn point(&self, point: &Point) -> PointResult {
        let confidence = self.study.simulation.confidence;
        let none = Figures::default();
        let figures = self.evaluator.figures(point).unwrap_or(&none);
        let base = self.evaluator.figures(&self.study.base()).unwrap_or(&none);
        let objectives = self.evaluator.objectives();
        let on_time = figures.on_time(objectives);
        let result = |(number, objective): (usize, &Objective)| {
            let estimate = figures.estimate(number, objective, confidence)?;
            Some(ObjectiveResult { estimate, judgement: Judgement::of(objective, estimate) })
        };
        PointResult {
            point: point.clone(),
            differences: self.study.differences(point),
            cost: self.study.cost(point),
            replications: figures.replications(),
            objectives: objectives.iter().enumerate().map(result).collect(),
            on_time: statistics::share(&on_time, confidence),
            gain: statistics::difference_of_shares(&on_time, &base.on_time(objectives), confidence),
            unstable: figures.unstable(),
            suffices: suffices(self.evaluator, self.study, point),
        }
    }

    fn gains(&self) -> Vec<Gain> {
        let confidence = self.study.simulation.confidence;
        let objectives = self.evaluator.objectives();
        let base = self.evaluator.figures(&self.study.base()).map(|figures| figures.on_time(objectives));
        let base = base.unwrap_or_default();
        let gain = |(change, point): (usize, Point)| {
            let with_it = self.evaluator.figures(&point)?.on_time(objectives);
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
                used: statistics::ratio(&kind.used, confidence),
                shares: kind.spent.iter().map(|spent| if all > 0.0 { spent / all } else { 0.0 }).collect(),
            }
        });
        Detail {
            point: index,
            waits: figures.waits(confidence),
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
            "All plans meet the same jobs and the same luck in each replication (common random numbers); differences are \
             taken replication by replication."
                .to_owned(),
            "A job that has not started when its replication ends, or that ended without a test, counts as not on time; in \
             percentiles its wait is without end."
                .to_owned(),
        ];
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
        let missed = self.evaluator.tried().iter().any(|point| {
            let at_most =
                self.evaluator.figures(point).is_some_and(|f| f.replications() >= simulation.replications_max);
            at_most && !suffices(self.evaluator, self.study, point)
        });
        if missed {
            assumed.push(format!(
                "Some plans were still unclear after the {} replications that a plan may have; they count as not sufficient.",
                simulation.replications_max
            ));
        }
        assumed
    }
}
