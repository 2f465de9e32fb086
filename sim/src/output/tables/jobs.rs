//! `jobs.csv`: Batsim's columns in Batsim's meaning first, then ours.

use std::fmt::Write as _;
use std::io::{self, Write};

use yardmaster_engine::{EntryStatus, Span};

use super::{Rows, host_name};
use crate::output::decimal::Decimal;
use crate::recording::{JobRecord, Recording};

const COLUMNS: &[&str] = &[
    "job_id",
    "workload_name",
    "profile",
    "submission_time",
    "requested_number_of_resources",
    "requested_time",
    "success",
    "final_state",
    "starting_time",
    "execution_time",
    "finish_time",
    "waiting_time",
    "turnaround_time",
    "stretch",
    "allocated_resources",
    // Ours.
    "status",
    "class",
    "owner",
    "priority",
    "host_kind",
    "assigned_time",
    "completed_time",
    "prejob_failures",
    "requeues",
    "hosts",
    "recorded_waiting_time",
    "recorded_execution_time",
    "recorded_success",
    "submission_unix_time",
];

pub(super) fn write(recording: &Recording, output: &mut dyn Write) -> io::Result<()> {
    let mut rows = Rows::new(output, COLUMNS, recording.start)?;
    let mut intervals = String::new();
    for job in &recording.jobs {
        let state = FinalState::of(job);
        rows.integer(job.id);
        rows.text(&job.workload);
        rows.text(&job.profile);
        rows.moment(Some(job.submitted));
        rows.integer(job.requested_hosts);
        rows.span(Some(job.requested_time));
        rows.integer(state == FinalState::CompletedSuccessfully);
        rows.text(state.as_str());
        rows.moment(job.started);
        rows.span(job.execution);
        rows.moment(job.test_finished());
        rows.span(job.waiting_time());
        rows.span(job.turnaround_time());
        rows.decimal(stretch(job));
        write_intervals(&job.hosts, &mut intervals);
        rows.text(&intervals);

        rows.text(job.final_status.as_str());
        rows.text(&job.class);
        rows.text(&job.owner);
        rows.integer(job.priority);
        rows.text(&job.host_kind);
        rows.moment(job.assigned);
        rows.moment(job.finished);
        rows.integer(job.prejob_failures);
        rows.integer(job.requeues);
        rows.names(job.hosts.iter().map(|&index| host_name(recording, index)));
        rows.span(job.recorded_waiting_time());
        rows.span(job.recorded.map(|recorded| recorded.finished - recorded.started));
        rows.optional_integer(job.recorded.map(|recorded| recorded.success));
        rows.span(recording.unix_time.then_some(Span(job.submitted.0)));
        rows.end_row()?;
    }
    rows.finish()
}

/// Batsim's words for how a job stands at the end of a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FinalState {
    /// It ended well.
    CompletedSuccessfully,
    /// It ran and failed.
    CompletedFailed,
    /// It was aborted after it had run for as long as it asked for.
    CompletedWalltimeReached,
    /// It was aborted while it ran.
    CompletedKilled,
    /// It ended without having run, so it has no times.
    Rejected,
    /// It runs, or its results are gathered, when the simulation is cut off.
    Running,
    /// It waits when the simulation is cut off.
    Submitted,
}

impl FinalState {
    fn of(job: &JobRecord) -> FinalState {
        let ran = job.started.is_some();
        match job.final_status {
            EntryStatus::Completed => FinalState::CompletedSuccessfully,
            EntryStatus::Failed if ran => FinalState::CompletedFailed,
            EntryStatus::Aborted if ran && reached_limit(job) => FinalState::CompletedWalltimeReached,
            EntryStatus::Aborted | EntryStatus::Stopped if ran => FinalState::CompletedKilled,
            EntryStatus::Failed | EntryStatus::Aborted | EntryStatus::Stopped | EntryStatus::Template => {
                FinalState::Rejected
            }
            EntryStatus::Queued
            | EntryStatus::Starting
            | EntryStatus::Resetting
            | EntryStatus::Verifying
            | EntryStatus::Provisioning
            | EntryStatus::Cleaning
            | EntryStatus::Pending
            | EntryStatus::Running
            | EntryStatus::Gathering
            | EntryStatus::Parsing => {
                if ran {
                    FinalState::Running
                } else {
                    FinalState::Submitted
                }
            }
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            FinalState::CompletedSuccessfully => "COMPLETED_SUCCESSFULLY",
            FinalState::CompletedFailed => "COMPLETED_FAILED",
            FinalState::CompletedWalltimeReached => "COMPLETED_WALLTIME_REACHED",
            FinalState::CompletedKilled => "COMPLETED_KILLED",
            FinalState::Rejected => "REJECTED",
            FinalState::Running => "RUNNING",
            FinalState::Submitted => "SUBMITTED",
        }
    }
}

fn reached_limit(job: &JobRecord) -> bool {
    job.requested_time > Span::ZERO && job.execution.is_some_and(|execution| execution >= job.requested_time)
}

/// Batsim's stretch: turnaround over execution; none for an execution of no time.
fn stretch(job: &JobRecord) -> Option<Decimal> {
    Decimal::ratio(i128::from(job.turnaround_time()?.0), i128::from(job.execution?.0))
}

/// Writes ascending indices as Batsim's interval set: `0-3 7`.
fn write_intervals(ascending: &[u32], text: &mut String) {
    text.clear();
    let mut rest = ascending;
    while let Some(&first) = rest.first() {
        let length = rest.iter().zip(first..=u32::MAX).take_while(|&(&index, expected)| index == expected).count();
        let last = rest[length - 1];
        let blank = if text.is_empty() { "" } else { " " };
        let written =
            if last == first { write!(text, "{blank}{first}") } else { write!(text, "{blank}{first}-{last}") };
        written.expect("a string takes every write");
        rest = &rest[length..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_sets() {
        for (indices, expected) in [
            (&[][..], ""),
            (&[7], "7"),
            (&[0, 1, 2, 3, 7], "0-3 7"),
            (&[1, 3, 5, 6], "1 3 5-6"),
            (&[u32::MAX - 1, u32::MAX], "4294967294-4294967295"),
        ] {
            let mut text = String::from("left over");
            write_intervals(indices, &mut text);
            assert_eq!(text, expected);
        }
    }
}
