//! The summary of a run: the figures of `summary.json`, of the terminal's tables and of the report.
//!
//! Times are in seconds, quantiles by nearest rank. Everything in it follows from the recording alone; what depends on
//! the speed of a machine is in `Performance`.

mod lab;
mod waits;

use std::collections::BTreeMap;

use serde::Serialize;
use yardmaster_engine::EntryStatus;

pub use lab::{DroneUse, HostsOfKind, Lab, ProcessCount};
pub use waits::{Comparison, WaitComparison, Waits, WaitsByGroup};

use super::decimal::Decimal;
use super::digest::digest;
use super::quantiles::Distribution;
use crate::recording::{JobRecord, Recording};

/// Jobs that ran for less than this many seconds count as if they had run for as long, in the bounded stretch.
pub const STRETCH_BOUND_SECONDS: i64 = 10;

/// The figures of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The scenario's name.
    pub scenario: String,
    /// The seed of all randomness.
    pub seed: u64,
    /// The digest of what happened: see [`digest`].
    pub digest: String,
    /// Unix time of the first tick in seconds, where the run's times are Unix times.
    pub start_unix_time: Option<Decimal>,
    /// Simulated seconds from the first tick to the end of the run.
    pub simulated_time: Decimal,
    /// Seconds from one tick of the scheduler to the next.
    pub tick: Decimal,
    /// Ticks that were run.
    pub ticks: u64,
    /// Seconds from the first submission until the last job was complete; until the end of the run where a job had not
    /// ended by then.
    pub makespan: Decimal,
    /// Counts of jobs.
    pub jobs: JobCounts,
    /// How long jobs waited.
    pub waiting_time: WaitsByGroup,
    /// Seconds from submission to the end of a job's last test.
    pub turnaround_time: Distribution,
    /// Bounded stretch: turnaround over execution, where an execution counts as at least
    /// [`STRETCH_BOUND_SECONDS`] and the quotient as at least 1.
    pub bounded_stretch: Distribution,
    /// What hosts, drones and processes did.
    #[serde(flatten)]
    pub lab: Lab,
    /// Simulated beside recorded waits, where the trace has recorded ones.
    pub recorded: Option<Comparison>,
}

/// Counts of jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct JobCounts {
    /// Submitted in the run.
    pub submitted: u64,
    /// Started a test process.
    pub started: u64,
    /// Ended, well or not.
    pub ended: u64,
    /// By final status, or the present one where a job had not ended. Statuses that no job has are left out.
    pub by_status: BTreeMap<&'static str, u64>,
    /// Pre-job tasks (verify, cleanup, reset, provision) that failed.
    pub prejob_failures: u64,
    /// How often a job was put back into the queue.
    pub requeues: u64,
}

impl Summary {
    /// Computes all figures of a run.
    pub fn of(recording: &Recording) -> Summary {
        Summary {
            scenario: recording.scenario.clone(),
            seed: recording.seed,
            digest: digest(recording),
            start_unix_time: recording.unix_time.then_some(Decimal::from_millionths(recording.start.0)),
            simulated_time: (recording.end - recording.start).into(),
            tick: recording.tick.into(),
            ticks: recording.ticks,
            makespan: makespan(recording),
            jobs: JobCounts::of(&recording.jobs),
            waiting_time: WaitsByGroup::of(&recording.jobs),
            turnaround_time: Distribution::of_spans(recording.jobs.iter().filter_map(JobRecord::turnaround_time)),
            bounded_stretch: Distribution::of(recording.jobs.iter().filter_map(bounded_stretch)),
            lab: Lab::of(recording),
            recorded: Comparison::of(&recording.jobs),
        }
    }
}

impl JobCounts {
    fn of(jobs: &[JobRecord]) -> JobCounts {
        let mut counts = JobCounts { submitted: jobs.len() as u64, ..JobCounts::default() };
        for job in jobs {
            counts.started += u64::from(job.started.is_some());
            counts.ended += u64::from(job.final_status.is_complete());
            *counts.by_status.entry(job.final_status.as_str()).or_default() += 1;
            counts.prejob_failures += u64::from(job.prejob_failures);
            counts.requeues += u64::from(job.requeues);
        }
        counts
    }

    /// How many jobs have this status.
    pub fn with_status(&self, status: EntryStatus) -> u64 {
        self.by_status.get(status.as_str()).copied().unwrap_or(0)
    }
}

fn makespan(recording: &Recording) -> Decimal {
    let first = recording.jobs.iter().map(|job| job.submitted).min();
    let last = recording.jobs.iter().map(|job| job.finished.unwrap_or(recording.end)).max();
    first.zip(last).map(|(first, last)| Decimal::from(last - first)).unwrap_or_default()
}

fn bounded_stretch(job: &JobRecord) -> Option<Decimal> {
    let execution = job.execution?.0.max(STRETCH_BOUND_SECONDS * 1_000_000);
    let stretch = Decimal::ratio(i128::from(job.turnaround_time()?.0), i128::from(execution))?;
    Some(stretch.max(Decimal::from_millionths(1_000_000)))
}
