//! What a plan comes to: everything that its report, its tables and its JSON say.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use yardmaster_engine::Span;

use super::change::Point;
use super::figures::{JobSet, Judgement, WaitFigures};
use super::objective::Objective;
use super::observation::Week;
use super::queue::Queue;
use super::statistics::{Estimate, Growth};
use super::study::{Search, Simulation};
use crate::output::plots::scales::readable_number;
use crate::output::{grouped_count, readable_duration};

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
    /// What holds in every plan, how things are included.
    #[serde(default)]
    pub given: Vec<String>,
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
    /// Of more of it things are taken to be no worse.
    #[serde(default)]
    pub is_ordered: bool,
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
    /// The share of all jobs of all objectives that were on time; `None` if a queue that grows without bound decides one of them.
    pub on_time: Option<Estimate>,
    /// The same less that of how things are, paired by replication; `None` where one of the two is.
    pub gain: Option<Estimate>,
    /// Queues that grow without bound.
    pub unstable: Vec<Queue>,
    /// All objectives are shown to be met and no queue grows without bound, and no plan that is no worse has failed when it was
    /// judged anew.
    pub suffices: bool,
    /// How it was judged anew; `None`: it was not.
    pub confirmation: Option<Confirmation>,
}

impl PointResult {
    /// What became of the objectives, by the figures to quote: those of replications that no search has looked at, where there
    /// are any.
    pub fn objectives_to_quote(&self) -> &[Option<ObjectiveResult>] {
        self.confirmation.as_ref().map_or(&self.objectives, |confirmation| &confirmation.objectives)
    }
}

/// What became of an objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ObjectiveResult {
    /// A share, or seconds; `None` if it is [`Judgement::Unstable`].
    pub estimate: Option<Estimate>,
    /// Whether it is met.
    pub judgement: Judgement,
}

/// What became of a plan when it was judged anew, by replications that no search had looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Confirmation {
    /// How many.
    pub replications: u32,
    /// The objectives in order.
    pub objectives: Vec<Option<ObjectiveResult>>,
    /// Queues that grow without bound.
    pub unstable: Vec<Queue>,
    /// All objectives are shown to be met again, and no queue grows without bound.
    pub holds: bool,
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
        /// What keeps it from sufficing.
        left: Left,
    },
}

/// What keeps a plan from sufficing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Objectives that are not shown to be met, by index.
    pub objectives: Vec<usize>,
    /// Queues that grow without bound.
    pub queues: Vec<Queue>,
    /// By which figures.
    pub by: LeftBy,
}

/// By whose figures a plan does not suffice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftBy {
    /// Its own.
    Itself,
    /// Those of plans with no less of what these are about, when they were judged anew. Its own look well.
    Others,
    /// Nobody's: it looks well, and was not judged anew, since too many that looked well had not stood.
    Nobody,
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
    /// How queues grow.
    pub growth: Vec<(Queue, Growth)>,
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

    /// Whether a point only says what one more of a resource would bring: such points are no plans, and have no price. They
    /// differ from how things are in a level beyond those of the plan's own changes.
    pub fn is_probe(&self, point: &PointResult) -> bool {
        let beyond = |point: &PointResult| point.point.0.get(self.changes.len()..).unwrap_or_default().to_vec();
        self.points.get(self.base).is_some_and(|base| beyond(base) != beyond(point))
    }

    /// The answer in one sentence.
    pub fn sentence(&self) -> String {
        let goal = self.goal();
        let begun = |article: &str| match &self.given[..] {
            [] => article.to_owned(),
            given => format!("Given {}, {}", given.join(" and "), article.to_lowercase()),
        };
        match &self.answer {
            Answer::AsItIs => format!("{} lab as it is meets all objectives: {goal}.", begun("The")),
            Answer::Cheapest(point) => {
                let point = &self.points[*point];
                format!(
                    "{} cheapest plan found with which {goal} is {}, at {} {}.",
                    begun("The"),
                    point.differences.join(", "),
                    plain(point.cost),
                    self.unit
                )
            }
            Answer::None { nearest, left } => {
                let name = |number: &usize| match &self.objectives[*number] {
                    objective if objective.name.is_empty() => objective.goal(),
                    objective => objective.name.clone(),
                };
                let nearest = &self.points[*nearest];
                let mut reasons: Vec<String> = left.objectives.iter().map(name).collect();
                if !left.queues.is_empty() {
                    reasons.push("queues that grow without bound".to_owned());
                }
                let reasons = reasons.join(", ");
                let left = match left.by {
                    LeftBy::Itself => format!("what is left: {reasons}"),
                    LeftBy::Others => {
                        format!("what is left: {reasons} (not in the search, but where others were judged anew)")
                    }
                    LeftBy::Nobody => {
                        "it was not judged anew, since too many that looked as well did not stand".to_owned()
                    }
                };
                let plan = match nearest.differences.is_empty() {
                    true => "the lab as it is".to_owned(),
                    false => nearest.differences.join(", "),
                };
                format!(
                    "{} plan within the bounds is shown to suffice ({goal}). Nearest is {plan}; {left}.",
                    begun("No")
                )
            }
        }
    }

    /// The jobs that all objectives speak of, where they have that in common; else all jobs.
    fn asked(&self) -> JobSet {
        let of_jobs = self.objectives.iter().filter(|objective| objective.target.limit().is_some());
        let mut sets = of_jobs.map(|objective| JobSet::of(&objective.common()));
        let first = sets.next().unwrap_or(JobSet::All);
        if sets.all(|set| set == first) { first } else { JobSet::All }
    }

    /// To what the waits are owed of the jobs that objectives speak of, as things are.
    pub(super) fn asked_causes(&self) -> Option<&WaitCauses> {
        let of = |jobs: &JobSet| self.before.causes.iter().find(|causes| causes.jobs == *jobs);
        of(&self.asked()).or_else(|| of(&JobSet::All))
    }

    /// What the waits of the jobs that objectives speak of are owed to most as things are, in one sentence; `None` where nothing
    /// waits. The tick is left out: no resource is short on its account.
    pub fn bottleneck(&self) -> Option<String> {
        let all = self.asked_causes()?;
        let total: f64 = all.causes.iter().map(|(_, seconds)| seconds).sum();
        let (cause, seconds) = all.causes.iter().find(|(cause, _)| cause != TICK)?;
        let share = (seconds / total * 100.0).round();
        let of = match &all.jobs {
            JobSet::All => "all waiting".to_owned(),
            jobs => format!("the waiting of {}", jobs.words()),
        };
        (total > 0.0).then(|| format!("The bottleneck now: {share} % of {of} is owed to {cause}."))
    }

    /// All objectives in a few words.
    pub fn goal(&self) -> String {
        let mut goals: Vec<String> = Vec::new();
        for objective in &self.objectives {
            let goal = match &objective.of {
                None if !objective.name.is_empty() => format!("{} ({})", objective.name, objective.goal()),
                Some(_) | None => objective.goal(),
            };
            if !goals.contains(&goal) {
                goals.push(goal);
            }
        }
        goals.join(" and ")
    }

    /// What was simulated, in words.
    pub fn extent(&self) -> String {
        let plans = self.points.iter().filter(|point| !self.is_probe(point)).count();
        format!(
            "{} {}, {} replications of {} after a warm-up of {}",
            grouped_count(plans as u64),
            if plans == 1 { "plan" } else { "plans" },
            grouped_count(self.replications),
            readable_duration(self.simulation.window.0),
            readable_duration(self.warm_up.length.0)
        )
    }
}

/// A cost without needless digits, in groups of three.
pub(crate) fn plain(number: f64) -> String {
    let rounded = format!("{}", (number * 100.0).round() / 100.0);
    readable_number(number, rounded.split_once('.').map_or(0, |(_, decimals)| decimals.len()))
}
