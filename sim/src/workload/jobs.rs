//! What is common to all jobs: their defaults, and the way from single jobs to the plan's sorted list.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use yardmaster_engine::{RebootAfter, RebootBefore, Span, Time};

use super::error::ScenarioError;
use super::file::JobSpec;
use super::plan::{JobPlan, Placement};
use super::source::Source;

/// The most jobs that a scenario may have.
pub(super) const JOBS_MAX: usize = 5_000_000;

/// How a job's test goes, as far as the workload knows it; where it does not, `[processes.test]` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct TestRun {
    pub(super) runtime: Option<Span>,
    pub(super) exit_status: Option<i32>,
    pub(super) tests_failed: u32,
}

/// A job on its way into the plan.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    /// Its `parent` is an index into the same list of drafts.
    pub(super) job: JobPlan,
    pub(super) test: TestRun,
    /// The number by which questions of luck know it: the same in every plan in which this job arrives.
    pub(super) number: u64,
}

/// What is known of how a job's processes go, and by which number to ask for the rest.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct JobLuck {
    pub(super) number: u64,
    pub(super) test: TestRun,
}

/// What jobs are like where nothing else says.
#[derive(Debug, Clone)]
pub(super) struct JobDefaults {
    pub(super) owner: Arc<str>,
    pub(super) class: Arc<str>,
    pub(super) priority: i32,
    pub(super) synch_count: u32,
    pub(super) labels: Vec<Arc<str>>,
    pub(super) run_verify: bool,
    pub(super) run_reset: bool,
    pub(super) reboot_before: RebootBefore,
    pub(super) reboot_after: RebootAfter,
    pub(super) timeout: Span,
    pub(super) max_runtime: Span,
}

impl Default for JobDefaults {
    /// The scheduler's own defaults (behaviour, section 1).
    fn default() -> Self {
        JobDefaults {
            owner: "autotest_system".into(),
            class: "".into(),
            priority: 40,
            synch_count: 1,
            labels: Vec::new(),
            run_verify: false,
            run_reset: true,
            reboot_before: RebootBefore::IfDirty,
            reboot_after: RebootAfter::Never,
            timeout: Span::from_hours(24),
            max_runtime: Span::from_hours(72),
        }
    }
}

impl JobDefaults {
    /// These defaults, overridden by what `spec` gives; `key` is where it stands.
    pub(super) fn with(&self, source: &Source, key: &str, spec: &JobSpec) -> Result<JobDefaults, ScenarioError> {
        let minutes = |name: &str, given: Option<u32>, otherwise: Span| match given {
            Some(0) => Err(source.wrong(&format!("{key}.{name}"), "must be at least 1 minute")),
            Some(minutes) => Ok(Span::from_minutes(minutes.into())),
            None => Ok(otherwise),
        };
        if spec.synch_count == Some(0) {
            return Err(source.wrong(&format!("{key}.synch_count"), "must be at least 1"));
        }
        let name = |given: &Option<String>, otherwise: &Arc<str>| {
            given.as_deref().map_or_else(|| otherwise.clone(), Arc::from)
        };
        Ok(JobDefaults {
            owner: name(&spec.owner, &self.owner),
            class: name(&spec.class, &self.class),
            priority: spec.priority.unwrap_or(self.priority),
            synch_count: spec.synch_count.unwrap_or(self.synch_count),
            labels: match &spec.labels {
                Some(labels) => labels.iter().map(|label| label.as_str().into()).collect(),
                None => self.labels.clone(),
            },
            run_verify: spec.run_verify.unwrap_or(self.run_verify),
            run_reset: spec.run_reset.unwrap_or(self.run_reset),
            reboot_before: spec.reboot_before.unwrap_or(self.reboot_before),
            reboot_after: spec.reboot_after.unwrap_or(self.reboot_after),
            timeout: minutes("timeout_mins", spec.timeout_mins, self.timeout)?,
            max_runtime: minutes("max_runtime_mins", spec.max_runtime_mins, self.max_runtime)?,
        })
    }

    /// A job that is as these defaults say.
    pub(super) fn job(
        &self,
        submit: Time,
        name: Arc<str>,
        workload: Arc<str>,
        profile: Arc<str>,
        placement: Placement,
    ) -> JobPlan {
        JobPlan {
            submit,
            name,
            workload,
            profile,
            class: self.class.clone(),
            owner: self.owner.clone(),
            priority: self.priority,
            placement,
            synch_count: self.synch_count,
            labels: self.labels.clone(),
            parent: None,
            suite_min_hosts: 0,
            run_verify: self.run_verify,
            run_reset: self.run_reset,
            reboot_before: self.reboot_before,
            reboot_after: self.reboot_after,
            timeout: self.timeout,
            max_runtime: self.max_runtime,
            recorded: None,
        }
    }
}

/// All jobs ascending by submission (those of one moment in the order in which they were drafted), parents re-counted.
pub(super) fn in_order(mut drafts: Vec<Draft>) -> (Vec<JobPlan>, Vec<JobLuck>) {
    let mut order: Vec<u32> = (0..).take(drafts.len()).collect();
    order.sort_by_key(|index| drafts[*index as usize].job.submit);
    let mut place = vec![0_u32; drafts.len()];
    for (new, old) in (0..).zip(&order) {
        place[*old as usize] = new;
    }
    for draft in &mut drafts {
        draft.job.parent = draft.job.parent.map(|parent| place[parent as usize]);
    }
    // Drafts are large: each is moved once.
    let mut drafts: Vec<Option<Draft>> = drafts.into_iter().map(Some).collect();
    let ordered = order.into_iter().filter_map(|old| drafts[old as usize].take());
    ordered.map(|Draft { job, test, number }| (job, JobLuck { number, test })).unzip()
}

/// Shares equal texts: a trace repeats a few names ten thousands of times.
#[derive(Default)]
pub(super) struct Names(FxHashMap<Box<str>, Arc<str>>);

impl Names {
    /// The shared copy of the text.
    pub(super) fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(name) = self.0.get(text) {
            return name.clone();
        }
        let name: Arc<str> = text.into();
        self.0.insert(text.into(), name.clone());
        name
    }
}
