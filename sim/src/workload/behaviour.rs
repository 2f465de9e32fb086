//! How processes go: what `[processes]` says of each kind on each kind of host, and what is known of each single job.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use yardmaster_engine::TaskKind;

use super::distribution::{Distribution, DistributionSpec};
use super::draw::chance;
use super::error::ScenarioError;
use super::file::{ProcessSpec, ProcessesSpec};
use super::jobs::{JobLuck, TestRun};
use super::lab::Lab;
use super::plan::{Behaviour, Ending, HostPlan, ProcessStart};
use super::random::{Concern, number_of};
use super::source::Source;
use super::trace::EXIT_1;
use crate::recording::ProcessKind;

/// Wait status of a process that SIGKILL ended.
const KILLED: i32 = 9;

/// Every kind of process, the key under `[processes]` that speaks of it, and how many seconds it takes by default.
const KINDS: [(ProcessKind, &str, f64); 8] = [
    (ProcessKind::Test, "test", 600.0),
    (ProcessKind::Special(TaskKind::Verify), "verify", 30.0),
    (ProcessKind::Special(TaskKind::Cleanup), "cleanup", 60.0),
    (ProcessKind::Special(TaskKind::Reset), "reset", 90.0),
    (ProcessKind::Special(TaskKind::Repair), "repair", 300.0),
    (ProcessKind::Special(TaskKind::Provision), "provision", 600.0),
    (ProcessKind::Gather, "gather", 10.0),
    (ProcessKind::Parse, "parse", 5.0),
];

/// Its place in [`KINDS`].
fn place(kind: ProcessKind) -> usize {
    match kind {
        ProcessKind::Test => 0,
        ProcessKind::Special(TaskKind::Verify) => 1,
        ProcessKind::Special(TaskKind::Cleanup) => 2,
        ProcessKind::Special(TaskKind::Reset) => 3,
        ProcessKind::Special(TaskKind::Repair) => 4,
        ProcessKind::Special(TaskKind::Provision) => 5,
        ProcessKind::Gather => 6,
        ProcessKind::Parse => 7,
    }
}

/// How processes of one kind go on one kind of host.
#[derive(Debug, Clone)]
struct Habit {
    startup: Distribution,
    runtime: Distribution,
    failure: f64,
    crash: f64,
}

/// How processes of one kind go.
#[derive(Debug)]
pub(super) struct Habits {
    /// Where nothing else is said.
    usual: Habit,
    /// On hosts of these kinds.
    by_host_kind: FxHashMap<Arc<str>, Habit>,
}

impl Habits {
    /// Checks `[processes]`: the habits of every kind of process, in the order of [`KINDS`].
    pub(super) fn checked(source: &Source, spec: &ProcessesSpec, lab: &Lab) -> Result<Arc<[Habits]>, ScenarioError> {
        let startup = Distribution::optional(source, "processes.startup", spec.startup.as_ref())?
            .unwrap_or(Distribution::Constant(0.0));
        let specs = [
            &spec.test,
            &spec.verify,
            &spec.cleanup,
            &spec.reset,
            &spec.repair,
            &spec.provision,
            &spec.gather,
            &spec.parse,
        ];
        let of_kind = |(spec, (_, name, seconds))| {
            let untold =
                Habit { startup: startup.clone(), runtime: Distribution::Constant(seconds), failure: 0.0, crash: 0.0 };
            Habits::new(source, &format!("processes.{name}"), spec, lab, untold)
        };
        specs.into_iter().zip(KINDS).map(of_kind).collect()
    }

    fn new(source: &Source, key: &str, spec: &ProcessSpec, lab: &Lab, untold: Habit) -> Result<Habits, ScenarioError> {
        let usual =
            untold.with(source, key, [spec.runtime.as_ref(), spec.startup.as_ref()], [spec.failure, spec.crash])?;
        let mut by_host_kind = FxHashMap::default();
        for (kind, special) in &spec.kind {
            let key = format!("{key}.kind.{kind}");
            lab.check_kind(source, &key, kind)?;
            let distributions = [special.runtime.as_ref(), special.startup.as_ref()];
            let habit = usual.with(source, &key, distributions, [special.failure, special.crash])?;
            by_host_kind.insert(kind.as_str().into(), habit);
        }
        Ok(Habits { usual, by_host_kind })
    }
}

impl Habit {
    /// This habit, with what the scenario says otherwise.
    fn with(
        &self,
        source: &Source,
        key: &str,
        [runtime, startup]: [Option<&DistributionSpec>; 2],
        [failure, crash]: [Option<f64>; 2],
    ) -> Result<Habit, ScenarioError> {
        let habit = Habit {
            startup: Distribution::optional(source, &format!("{key}.startup"), startup)?
                .unwrap_or_else(|| self.startup.clone()),
            runtime: Distribution::optional(source, &format!("{key}.runtime"), runtime)?
                .unwrap_or_else(|| self.runtime.clone()),
            failure: chance(source, &format!("{key}.failure"), failure)?.unwrap_or(self.failure),
            crash: chance(source, &format!("{key}.crash"), crash)?.unwrap_or(self.crash),
        };
        if habit.failure + habit.crash > 1.0 {
            return Err(source.wrong(key, "failure and crash together must not exceed 1"));
        }
        Ok(habit)
    }
}

/// The behaviour of a workload scenario under one seed.
pub(super) struct WorkloadBehaviour {
    habits: Arc<[Habits]>,
    jobs: Vec<JobLuck>,
    /// The numbers by which questions know the hosts.
    hosts: Vec<u64>,
    startup: Concern,
    runtime: Concern,
    outcome: Concern,
}

impl WorkloadBehaviour {
    /// `jobs` says of each job of the plan what is known of it.
    pub(super) fn new(habits: Arc<[Habits]>, jobs: Vec<JobLuck>, hosts: &[HostPlan], seed: u64) -> WorkloadBehaviour {
        WorkloadBehaviour {
            habits,
            jobs,
            hosts: hosts.iter().map(|host| number_of(&host.name)).collect(),
            startup: Concern::new(seed, "startup"),
            runtime: Concern::new(seed, "runtime"),
            outcome: Concern::new(seed, "outcome"),
        }
    }
}

impl Behaviour for WorkloadBehaviour {
    fn ending(&self, start: &ProcessStart<'_>) -> Ending {
        let kind = place(start.kind);
        let habits = &self.habits[kind];
        let habit = if habits.by_host_kind.is_empty() {
            &habits.usual
        } else {
            habits.by_host_kind.get(start.host_kind).unwrap_or(&habits.usual)
        };
        // The question: which kind of process, for which entry of which job or else on which host, for the how-manieth time. The
        // host that a job came to is no part of it: a job's luck stays with the job wherever a scheduler puts it.
        let job = start.job.and_then(|job| self.jobs.get(job as usize));
        let subject = match (job, start.host) {
            (Some(job), _) => job.number,
            (None, host) => host.and_then(|host| self.hosts.get(host as usize)).copied().unwrap_or(u64::MAX),
        };
        let question = [kind as u64, subject, u64::from(start.entry) << 32 | u64::from(start.attempt)];
        let known = match (start.kind, job) {
            (ProcessKind::Test, Some(job)) => job.test,
            _ => TestRun::default(),
        };
        Ending {
            startup: habit.startup.span(&self.startup, question),
            runtime: known.runtime.unwrap_or_else(|| habit.runtime.span(&self.runtime, question)),
            exit_status: known.exit_status.unwrap_or_else(|| self.outcome(habit, question)),
            tests_failed: known.tests_failed,
        }
    }

    fn identify(&self, job: u32, mut state: &mut dyn Hasher) {
        self.jobs.get(job as usize).hash(&mut state);
    }
}

impl WorkloadBehaviour {
    fn outcome(&self, habit: &Habit, question: [u64; 3]) -> i32 {
        let worst = habit.failure + habit.crash;
        if worst <= 0.0 {
            return 0;
        }
        let luck = if worst >= 1.0 && habit.crash <= 0.0 { 0.0 } else { self.outcome.stream(question).unit() };
        match luck {
            luck if luck < habit.failure => EXIT_1,
            luck if luck < worst => KILLED,
            _ => 0,
        }
    }
}
