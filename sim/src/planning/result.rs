//! What a plan comes to: everything that its report, its tables and its JSON say.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use yardmaster_engine::Span;

use super::change::Point;
use super::figures::{JobSet, Judgement, WaitFigures};
use super::objective::Objective;
use super::observation::Week;
use super::statistics::{Estimate, Growth};
use super::study::{Search, Simulation};
use crate::output::readable_duration;

/// The cause that is no resource.
pub(super) const TICK: &str = "the scheduler's tick";

/// The result of a plan. It depends on the plan, its scenario, the seed and the program, and on nothing else: neither on the
/// machine, nor on the number of threads, nor on what was found among earlier results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanResult {
    /// The plan's name.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// The plan's file, as it was given.
    pub file: PathBuf,
    /// The scenario's file.
    pub scenario_file: PathBuf,
    /// Seed of all randomness.
    pub seed: u64,
    /// What costs are counted in.
    pub unit: String,
    /// Which plans were tried.
    pub search: Search,
    /// How they were simulated.
    pub simulation: Simulation,
    /// What was left out of the beginning of every run.
    pub warm_up: WarmUpResult,
    /// What may be different.
    pub changes: Vec<ChangeResult>,
    /// What is to hold.
    pub objectives: Vec<Objective>,
    /// Every plan that was tried, in the order in which it was.
    pub points: Vec<PointResult>,
    /// The answer.
    pub answer: Answer,
    /// Index into `points`: how things are.
    pub base: usize,
    /// Indices into `points`, from how things are to the answer, one step after the other.
    pub path: Vec<usize>,
    /// What one more of each resource would bring.
    pub gains: Vec<Gain>,
    /// Two changes against each other.
    pub heat_map: Option<HeatMap>,
    /// How things are, in detail.
    pub before: Detail,
    /// The answer in detail, where it is not how things are.
    pub after: Option<Detail>,
    /// Replications of all plans together.
    pub replications: u64,
    /// What was assumed, in sentences.
    pub assumptions: Vec<String>,
}

/// How long the beginning of a run is that was left out, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmUpResult {
    /// So long.
    pub length: Span,
    /// Found by MSER-5 on the hourly number of waiting entries and busy hosts of the lab as it is; else the plan says it.
    pub by_rule: bool,
    /// The rule found an end of the transient.
    pub settled: bool,
}

/// A change as it was asked about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeResult {
    /// Its name.
    pub name: String,
    /// Its levels, in words.
    pub levels: Vec<String>,
    /// What each of them costs.
    pub costs: Vec<f64>,
    /// Which of them is how things are.
    pub base: usize,
}

/// What became of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointResult {
    /// A level of each change.
    pub point: Point,
    /// What is different, in words.
    pub differences: Vec<String>,
    /// What it costs, compared with how things are.
    pub cost: f64,
    /// How many replications it got.
    pub replications: u32,
    /// The objectives in order; `None` where no job was seen of which it speaks.
    pub objectives: Vec<Option<ObjectiveResult>>,
    /// The share of all jobs of all objectives that were on time.
    pub on_time: Option<Estimate>,
    /// The same less that of how things are, paired by replication.
    pub gain: Option<Estimate>,
    /// Kinds whose queue grows without bound.
    pub unstable: Vec<String>,
    /// All objectives are shown to be met and no queue grows without bound.
    pub suffices: bool,
}

/// What became of an objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ObjectiveResult {
    /// A share, or seconds.
    pub estimate: Estimate,
    /// Whether it is met.
    pub judgement: Judgement,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Everything is met as things are, and nothing cheaper does.
    AsItIs,
    /// Index into [`PlanResult::points`] of the cheapest plan that was tried and suffices.
    Cheapest(usize),
    /// None of the plans that were tried suffices.
    None {
        /// Index of the one that comes nearest.
        nearest: usize,
        /// Objectives that it is not shown to meet, by index.
        unmet: Vec<usize>,
    },
}

/// What one more of a resource would bring to the lab as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// Which resource: `one more x15`.
    pub resource: String,
    /// By how much the share of jobs on time is greater, paired by replication.
    pub on_time: Estimate,
    /// So many more jobs on time in one window.
    pub jobs: f64,
}

/// Two changes against each other, the others as in the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeatMap {
    /// Index into [`PlanResult::changes`], and which of its levels are shown, from left to right.
    pub x: (usize, Vec<usize>),
    /// The same, from below to above.
    pub y: (usize, Vec<usize>),
    /// Indices into [`PlanResult::points`], row by row from below.
    pub points: Vec<usize>,
}

/// A plan in detail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// Index into [`PlanResult::points`].
    pub point: usize,
    /// Waits of all jobs, by kind of host, class and priority.
    pub waits: Vec<WaitFigures>,
    /// What hosts do.
    pub hosts: Vec<HostFigures>,
    /// The share of drones' room that is in use.
    pub drone_use: Option<Estimate>,
    /// The most processes at once.
    pub processes_peak: u32,
    /// The most parsers at once.
    pub parsers_peak: u32,
    /// How queues grow, by kind of host.
    pub growth: Vec<(String, Growth)>,
    /// A typical week.
    pub week: Week,
    /// To what waits are owed, of all jobs and by kind of host and class.
    pub causes: Vec<WaitCauses>,
}

/// To what the waits of a set of jobs are owed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WaitCauses {
    /// Which jobs.
    pub jobs: JobSet,
    /// Causes in words, and how many seconds of a job's wait are owed to each on average; greatest first.
    pub causes: Vec<(String, f64)>,
    /// How many seconds a job's results waited after its test for a parser to start, on average; no part of its wait.
    pub parser: f64,
}

/// What the hosts of a kind do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostFigures {
    /// The kind.
    pub kind: String,
    /// How many there are.
    pub hosts: u32,
    /// The share of the time in service in which they are in use.
    pub used: Option<Estimate>,
    /// The share of all time, in the order of `HostUse::ALL`.
    pub shares: Vec<f64>,
}

impl PlanResult {
    /// The plan that is the answer, or comes nearest to one.
    pub fn chosen(&self) -> usize {
        match &self.answer {
            Answer::AsItIs => self.base,
            Answer::Cheapest(point) => *point,
            Answer::None { nearest, .. } => *nearest,
        }
    }

    /// The answer in one sentence.
    pub fn sentence(&self) -> String {
        let goal = self.goal();
        match &self.answer {
            Answer::AsItIs => format!("The lab as it is meets all objectives: {goal}."),
            Answer::Cheapest(point) => {
                let point = &self.points[*point];
                format!(
                    "The cheapest plan found with which {goal} is {}, at {} {}.",
                    point.differences.join(", "),
                    plain(point.cost),
                    self.unit
                )
            }
            Answer::None { nearest, unmet } => {
                let names: Vec<&str> = unmet.iter().map(|number| self.objectives[*number].name.as_str()).collect();
                let plan = &self.points[*nearest].differences;
                let plan = if plan.is_empty() { "the lab as it is".to_owned() } else { plan.join(", ") };
                let what =
                    if names.is_empty() { "queues that grow without bound".to_owned() } else { names.join(", ") };
                format!(
                    "No plan within the bounds is shown to suffice ({goal}). Nearest is {plan}; what is left: {what}."
                )
            }
        }
    }

    /// What waits are owed to most as things are, in one sentence; `None` where nothing waits. The tick is left out: no
    /// resource is short on its account.
    pub fn bottleneck(&self) -> Option<String> {
        let all = self.before.causes.iter().find(|causes| causes.jobs == JobSet::All)?;
        let total: f64 = all.causes.iter().map(|(_, seconds)| seconds).sum();
        let (cause, seconds) = all.causes.iter().find(|(cause, _)| cause != TICK)?;
        let share = (seconds / total * 100.0).round();
        (total > 0.0).then(|| format!("The bottleneck now: {share} % of all waiting is owed to {cause}."))
    }

    /// All objectives in a few words.
    pub fn goal(&self) -> String {
        let mut goals: Vec<String> = Vec::new();
        for objective in &self.objectives {
            let goal = match &objective.of {
                Some((grouping, _)) => format!("{} for each {}", objective.target, grouping.words()),
                None if objective.name.is_empty() => objective.target.to_string(),
                None => format!("{} ({})", objective.name, objective.target),
            };
            if !goals.contains(&goal) {
                goals.push(goal);
            }
        }
        goals.join(" and ")
    }

    /// What was simulated, in words.
    pub fn extent(&self) -> String {
        format!(
            "{} plans, {} replications of {} after a warm-up of {}",
            self.points.len(),
            self.replications,
            readable_duration(self.simulation.window.0),
            readable_duration(self.warm_up.length.0)
        )
    }
}

/// A cost without needless digits.
pub(crate) fn plain(number: f64) -> String {
    let rounded = (number * 100.0).round() / 100.0;
    format!("{rounded}")
}
