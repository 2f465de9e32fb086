//! Plans are tried: replications are simulated on all processors, or found among earlier results, until their number suffices.
//!
//! Replication `r` has the same seed in every plan (*common random numbers*): since each random answer is drawn from a stream
//! named by its question, two plans meet the same jobs and the same luck, and differ by what is different between them. How many
//! replications a plan gets depends on its results alone, and results are added up in the order of replications: the number of
//! threads changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use toml::Table;
use yardmaster_engine::Span;

use super::cache::{Cache, Key};
use super::causes;
use super::change::Point;
use super::error::PlanError;
use super::figures::{Figures, Judgement};
use super::objective::Objective;
use super::observation::Observation;
use super::replication::{Luck, Replications};
use super::result::WaitCauses;
use super::study::Study;
use crate::run::Window;
use crate::workload::{Concern, Plan, Scenario};

/// Replications that are simulated before their results are added up: what is held in memory at once.
const PORTION: usize = 64;

/// What is asked of a plan and of nothing else about it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
struct Asked {
    seed: u64,
    warm_up: Span,
    window: Span,
    drain: Span,
}

/// A replication that is needed and that nobody has simulated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// The plan.
    pub point: Point,
    /// Which of its replications.
    pub replication: u32,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlanProgress {
    /// Plans that are tried or have been.
    pub points: usize,
    /// Replications that are done.
    pub done: u64,
    /// Replications that were found among earlier results.
    pub found: u64,
    /// Replications that are known to be needed, those included that are done.
    pub needed: u64,
}

/// Whether replications may be simulated here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// What is missing is simulated.
    Simulate,
    /// What is missing is named.
    Collect,
}

/// A plan that is being tried.
struct Trial {
    table: Table,
    key: Key,
    scenario: Option<Scenario>,
    /// Its `[processes]`.
    processes: String,
    figures: Figures,
    /// What replications say that were kept back for judging a choice.
    fresh: Figures,
}

/// Tries plans.
pub(super) struct Evaluator<'a> {
    study: &'a Study,
    cache: Cache,
    mode: Mode,
    progress: &'a (dyn Fn(PlanProgress) + Sync),
    replications: Replications,
    state: PlanProgress,
    warm_up: Span,
    objectives: Vec<Objective>,
    trials: BTreeMap<Point, Trial>,
    /// Plans in the order in which they were first tried.
    order: Vec<Point>,
    /// Plans that were judged anew.
    judged: Vec<Point>,
    /// What would have to be simulated, where that is not done here.
    missing: BTreeSet<Part>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(study: &'a Study, cache: Cache, mode: Mode, progress: &'a (dyn Fn(PlanProgress) + Sync)) -> Self {
        Evaluator {
            study,
            cache,
            mode,
            progress,
            replications: Replications::default(),
            state: PlanProgress::default(),
            warm_up: study.simulation.warm_up.unwrap_or(Span::ZERO),
            objectives: Vec::new(),
            trials: BTreeMap::new(),
            order: Vec::new(),
            judged: Vec::new(),
            missing: BTreeSet::new(),
        }
    }

    /// From now on so much of each run's beginning is left out. What was tried before is forgotten.
    pub(super) fn set_warm_up(&mut self, warm_up: Span) {
        self.warm_up = warm_up;
        self.trials.clear();
        self.order.clear();
    }

    /// From now on these are asked about.
    pub(super) fn set_objectives(&mut self, objectives: Vec<Objective>) {
        self.objectives = objectives;
        self.trials.clear();
        self.order.clear();
    }

    pub(super) fn objectives(&self) -> &[Objective] {
        &self.objectives
    }

    /// All plans that were tried, in the order in which they were.
    pub(super) fn tried(&self) -> &[Point] {
        &self.order
    }

    /// All plans that were judged anew.
    pub(super) fn judged(&self) -> &[Point] {
        &self.judged
    }

    /// The figures of a plan that was tried.
    pub(super) fn figures(&self, point: &Point) -> Option<&Figures> {
        self.trials.get(point).map(|trial| &trial.figures)
    }

    /// What replications say of a plan that nobody looked at before it was chosen; `None` where it was not judged by them.
    pub(super) fn fresh(&self, point: &Point) -> Option<&Figures> {
        self.trials.get(point).map(|trial| &trial.fresh).filter(|fresh| fresh.replications() > 0)
    }

    pub(super) fn missing(self) -> Vec<Part> {
        self.missing.into_iter().collect()
    }

    pub(super) fn has_missing(&self) -> bool {
        !self.missing.is_empty()
    }

    /// Tries plans until each has enough replications.
    pub(super) fn evaluate(&mut self, points: &[Point]) -> Result<(), PlanError> {
        let simulation = &self.study.simulation;
        self.evaluate_until(points, simulation.replications_min, simulation.replications_max)
    }

    /// Tries plans with so many replications.
    pub(super) fn evaluate_to(&mut self, points: &[Point], replications: u32) -> Result<(), PlanError> {
        self.evaluate_until(points, replications, replications)
    }

    /// Judges a plan anew, by as many replications as a plan may have, whose numbers follow on those that searches look at: what was
    /// chosen for its good figures has had good luck, too.
    pub(super) fn judge_anew(&mut self, point: &Point) -> Result<(), PlanError> {
        self.begin(point)?;
        if !self.judged.contains(point) {
            self.judged.push(point.clone());
        }
        let most = self.study.simulation.replications_max;
        let numbers = most..2 * most;
        let done = self.fresh(point).map_or(0, Figures::replications);
        let wanted = numbers.clone().skip(done as usize);
        let parts: Vec<Part> = wanted.map(|replication| Part { point: point.clone(), replication }).collect();
        self.state.needed += parts.len() as u64;
        self.take(parts, numbers)
    }

    fn evaluate_until(&mut self, points: &[Point], least: u32, most: u32) -> Result<(), PlanError> {
        for point in points {
            self.begin(point)?;
        }
        loop {
            let mut parts: Vec<Part> = Vec::new();
            for point in points {
                let Some(trial) = self.trials.get(point) else { continue };
                let done = trial.figures.replications();
                let is_enough = done >= most || (done >= least && self.is_enough(&trial.figures));
                // More by a half each time: some more than needed at the most.
                let next = if done < least { least } else { (done + (done / 2).max(2)).min(most) };
                let wanted = if is_enough { done..done } else { done..next };
                parts.extend(wanted.map(|replication| Part { point: point.clone(), replication }));
            }
            parts.sort();
            parts.dedup();
            if parts.is_empty() {
                return Ok(());
            }
            self.state.needed += parts.len() as u64;
            self.take(parts, 0..most)?;
            if self.has_missing() {
                return Ok(());
            }
        }
    }

    /// To what waits are owed in a plan, from so many replications. They are simulated here even where others are collected.
    pub(super) fn causes(&mut self, point: &Point, replications: u32) -> Result<Vec<WaitCauses>, PlanError> {
        let table = self.study.table(point)?;
        let rest = ("causes", self.asked());
        let key = Key::of(&table, &self.study.scenario_file, &rest)?;
        let scenario = self.scenario(&table, &key, &rest)?;
        let observed = self.cache.complete(&key, replications, |replication| {
            causes::observe(&scenario, replication_seed(self.study.seed, replication), |plan| self.window(plan))
        })?;
        Ok(causes::means(&observed, &self.objectives))
    }

    fn window(&self, plan: &Plan) -> Window {
        let from = plan.start + self.warm_up;
        Window { from, to: from + self.study.simulation.window }
    }

    /// Each objective is judged, or its estimate lies on the wrong side of the bound and so near to the truth that more
    /// replications are not worth it.
    fn is_enough(&self, figures: &Figures) -> bool {
        let simulation = &self.study.simulation;
        let is_settled = |(number, objective): (usize, &Objective)| {
            let Some(estimate) = figures.estimate(number, objective, simulation.confidence) else { return true };
            let scale = if objective.target.is_share() { 1.0 } else { estimate.value };
            let is_narrow = estimate.half_width().is_finite() && estimate.half_width() <= simulation.precision * scale;
            Judgement::of(objective, estimate) != Judgement::Unclear
                || (is_narrow && !objective.target.is_met_by(estimate.value))
        };
        self.objectives.iter().enumerate().all(is_settled)
    }

    fn begin(&mut self, point: &Point) -> Result<(), PlanError> {
        if self.trials.contains_key(point) {
            return Ok(());
        }
        let table = self.study.table(point)?;
        let key = Key::of(&table, &self.study.scenario_file, &self.asked())?;
        let [figures, fresh] = [(); 2].map(|()| Figures::new(&self.objectives));
        let processes = table.get("processes").map(ToString::to_string).unwrap_or_default();
        self.trials.insert(point.clone(), Trial { table, key, scenario: None, processes, figures, fresh });
        self.order.push(point.clone());
        self.state.points = self.trials.len();
        Ok(())
    }

    fn asked(&self) -> Asked {
        let simulation = &self.study.simulation;
        let (seed, warm_up) = (self.study.seed, self.warm_up);
        Asked { seed, warm_up, window: simulation.window, drain: simulation.drain }
    }

    /// The scenario of a plan, made to last as long as it is looked at; it is the one that the key names, together with the rest.
    fn scenario(&self, table: &Table, key: &Key, rest: &impl serde::Serialize) -> Result<Scenario, PlanError> {
        let simulation = &self.study.simulation;
        let scenario = self.study.lasting(table.clone(), self.warm_up + simulation.window + simulation.drain)?;
        key.check(table, &self.study.scenario_file, rest)?;
        Ok(scenario)
    }

    /// Simulates these replications, or finds them and keeps them, too.
    pub(super) fn simulate(&mut self, parts: Vec<Part>) -> Result<(), PlanError> {
        for part in &parts {
            self.begin(&part.point)?;
        }
        for trial in self.trials.values() {
            self.cache.adopt::<Observation>(&trial.key)?;
        }
        self.state.needed += parts.len() as u64;
        self.take(parts, 0..0)
    }

    /// Whether all these replications have been simulated.
    pub(super) fn has_all(&self, parts: impl Iterator<Item = Part>) -> Result<bool, PlanError> {
        let mut wanted: BTreeMap<Point, BTreeSet<u32>> = BTreeMap::new();
        for part in parts {
            wanted.entry(part.point).or_default().insert(part.replication);
        }
        for (point, replications) in wanted {
            let key = Key::of(&self.study.table(&point)?, &self.study.scenario_file, &self.asked())?;
            let known: BTreeMap<u32, Observation> = self.cache.read(&key)?;
            if !replications.iter().all(|replication| known.contains_key(replication)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Finds or simulates replications, and adds them up in order, a portion at a time. Where they are only collected, and a plan's are
    /// missing, all are named that are missing of these numbers: another round costs more than some replications too many.
    fn take(&mut self, parts: Vec<Part>, numbers: Range<u32>) -> Result<(), PlanError> {
        for portion in parts.chunks(PORTION) {
            let mut observed = self.known(portion)?;
            let unknown: Vec<Part> = portion.iter().filter(|part| !observed.contains_key(part)).cloned().collect();
            if self.mode == Mode::Collect && !unknown.is_empty() {
                self.name_missing(&unknown, &numbers)?;
            }
            // Nothing is added up that has gaps.
            if self.has_missing() {
                continue;
            }
            self.state.found += observed.len() as u64;
            let simulated = self.simulate_all(&unknown)?;
            self.state.done += portion.len() as u64;
            (self.progress)(self.state);
            observed.extend(unknown.into_iter().zip(simulated));
            for (part, observation) in &observed {
                self.add(part, observation);
            }
        }
        Ok(())
    }

    /// Earlier results.
    fn known(&self, parts: &[Part]) -> Result<BTreeMap<Part, Observation>, PlanError> {
        let mut known = BTreeMap::new();
        for of_point in parts.chunk_by(|one, other| one.point == other.point) {
            let Some(trial) = self.trials.get(&of_point[0].point) else { continue };
            let mut found: BTreeMap<u32, Observation> = self.cache.read(&trial.key)?;
            let wanted = of_point.iter().filter_map(|part| Some((part.clone(), found.remove(&part.replication)?)));
            known.extend(wanted);
        }
        Ok(known)
    }

    fn name_missing(&mut self, unknown: &[Part], numbers: &Range<u32>) -> Result<(), PlanError> {
        for of_point in unknown.chunk_by(|one, other| one.point == other.point) {
            let all: Vec<Part> =
                numbers.clone().map(|replication| Part { point: of_point[0].point.clone(), replication }).collect();
            let known = self.known(&all)?;
            self.missing.extend(all.into_iter().filter(|part| !known.contains_key(part)));
        }
        Ok(())
    }

    /// Simulates on all processors, and keeps each result as it comes: whoever stops here goes on from there. Scenarios are read
    /// for it and not kept: there may be thousands of plans.
    fn simulate_all(&mut self, parts: &[Part]) -> Result<Vec<Observation>, PlanError> {
        for point in parts.iter().map(|part| &part.point) {
            let unread = self.trials.get(point).filter(|trial| trial.scenario.is_none());
            let asked = self.asked();
            let scenario = unread.map(|trial| self.scenario(&trial.table, &trial.key, &asked)).transpose()?;
            if let (Some(trial), Some(scenario)) = (self.trials.get_mut(point), scenario) {
                trial.scenario = Some(scenario);
            }
        }
        let (state, count) = (&self.state, AtomicU64::new(0));
        let simulated = parts.par_iter().map(|part| {
            let observation = self.simulate_one(part)?;
            if let Some(trial) = self.trials.get(&part.point) {
                self.cache.append(&trial.key, &[(part.replication, &observation)])?;
            }
            let done = 1 + count.fetch_add(1, Ordering::Relaxed);
            (self.progress)(PlanProgress { done: state.done + done, ..*state });
            Ok(observation)
        });
        let simulated = simulated.collect::<Result<_, PlanError>>();
        for part in parts {
            if let Some(trial) = self.trials.get_mut(&part.point) {
                trial.scenario = None;
            }
        }
        simulated
    }

    fn add(&mut self, part: &Part, observation: &Observation) {
        let Some(trial) = self.trials.get_mut(&part.point) else { return };
        let is_fresh = part.replication >= self.study.simulation.replications_max;
        let figures = if is_fresh { &mut trial.fresh } else { &mut trial.figures };
        figures.add(observation, &self.objectives);
    }

    fn simulate_one(&self, part: &Part) -> Result<Observation, PlanError> {
        let trial = self.trials.get(&part.point).and_then(|trial| Some((trial.scenario.as_ref()?, &*trial.processes)));
        let (scenario, processes) = trial.expect("a plan is read before its replications are simulated");
        let seed = replication_seed(self.study.seed, part.replication);
        let plan = scenario.plan(seed)?;
        Ok(self.replications.observe(&plan, self.window(&plan), Luck { processes, seed })?)
    }
}

/// The seed of a replication, the same in every plan.
pub(super) fn replication_seed(seed: u64, replication: u32) -> u64 {
    Concern::new(seed, "replication").stream([u64::from(replication), 0, 0]).bits()
}
