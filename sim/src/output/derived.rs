//! What follows from the records: times of a job, uses of a host. Tables, summary and plots share these definitions.

use yardmaster_engine::{HostStatus, Span, Time};

use crate::recording::{HostRecord, JobRecord};

impl JobRecord {
    /// From its submission to the start of its first test process.
    pub(super) fn waiting_time(&self) -> Option<Span> {
        Some(self.started? - self.submitted)
    }

    /// When the last of its test processes ended. (`finished` is later: results are still gathered and parsed.)
    pub(super) fn test_finished(&self) -> Option<Time> {
        Some(self.started? + self.execution?)
    }

    /// From its submission to the end of its last test process.
    pub(super) fn turnaround_time(&self) -> Option<Span> {
        Some(self.test_finished()? - self.submitted)
    }

    /// From its submission to its start as the trace recorded it.
    pub(super) fn recorded_waiting_time(&self) -> Option<Span> {
        Some(self.recorded?.started - self.submitted)
    }
}

/// What a host's time goes to, as people ask about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostUse {
    /// A test runs, or crash information is gathered after it.
    Tests,
    /// A special task runs: verify, cleanup, reset, provision, repair.
    SpecialTasks,
    /// Prepared, and held until the other hosts of its job are.
    Held,
    /// Repair Failed, or locked with nothing to do.
    OutOfService,
    /// Ready and not locked, with nothing to do.
    Idle,
}

impl HostUse {
    pub(super) const ALL: [HostUse; 5] =
        [HostUse::Tests, HostUse::SpecialTasks, HostUse::Held, HostUse::OutOfService, HostUse::Idle];

    /// What time in a status goes to as long as the host is not locked.
    fn of(status: HostStatus) -> HostUse {
        match status {
            HostStatus::Running => HostUse::Tests,
            HostStatus::Verifying
            | HostStatus::Repairing
            | HostStatus::Cleaning
            | HostStatus::Resetting
            | HostStatus::Provisioning => HostUse::SpecialTasks,
            HostStatus::Pending => HostUse::Held,
            HostStatus::RepairFailed => HostUse::OutOfService,
            HostStatus::Ready => HostUse::Idle,
        }
    }
}

impl HostRecord {
    /// The time that went to each use, in the order of `HostUse::ALL`.
    pub(super) fn time_in_use(&self) -> [Span; HostUse::ALL.len()] {
        HostUse::ALL.map(|use_| {
            let of_statuses = HostStatus::ALL
                .iter()
                .zip(&self.time_in_status)
                .filter(|(status, _)| HostUse::of(**status) == use_)
                .fold(Span::ZERO, |sum, (_, &span)| sum + span);
            match use_ {
                HostUse::OutOfService => of_statuses + self.locked,
                HostUse::Idle => Span(of_statuses.0 - self.locked.0),
                HostUse::Tests | HostUse::SpecialTasks | HostUse::Held => of_statuses,
            }
        })
    }

    /// The time in which it was neither idle nor out of service.
    pub(super) fn busy_time(&self) -> Span {
        let [tests, special_tasks, held, _, _] = self.time_in_use();
        tests + special_tasks + held
    }
}
