//! The stages of an entry, coarser than its statuses.

use yardmaster_engine::{Entry, EntryStatus};

/// Where an entry stands on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits for a host; or, if it needs none, for room on a drone.
    Queued,
    /// It has a host that is being prepared, or waits for its group or for room on a drone.
    Preparing,
    /// Its test runs.
    Running,
    /// Its crash information is gathered.
    Gathering,
    /// Its results are parsed, or wait for that.
    Parsing,
    /// It is complete.
    Ended,
}

impl Stage {
    pub(super) fn of(entry: &Entry) -> Stage {
        use EntryStatus::*;
        match entry.status {
            Queued if !entry.active => Stage::Queued,
            Starting if entry.host.is_none() => Stage::Queued,
            Queued | Starting | Resetting | Verifying | Provisioning | Cleaning | Pending => Stage::Preparing,
            Running => Stage::Running,
            Gathering => Stage::Gathering,
            Parsing => Stage::Parsing,
            Aborted | Completed | Failed | Stopped | Template => Stage::Ended,
        }
    }
}
