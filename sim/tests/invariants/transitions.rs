//! Which status may follow which. A tick may show two of the rules' steps at once, where its handling of one agent ends
//! what another had begun; such shortcuts are listed as what one sees.

use yardmaster_engine::{EntryStatus, HostStatus};

/// The statuses that an entry may have one tick after this one, if it is not the same.
pub(crate) fn of_entry(from: EntryStatus) -> &'static [EntryStatus] {
    use EntryStatus::*;
    match from {
        // Starting, Running: hostless entries, which begin at once, and groups of hosts that need no
        // preparation. Parsing: its repairs are used up.
        Queued => {
            &[Resetting, Verifying, Provisioning, Cleaning, Pending, Starting, Running, Parsing, Aborted, Stopped]
        }
        // A failed task puts the entry back (from where it may be stopped at once) or fails it; a group may start at once.
        Resetting | Verifying | Provisioning => &[Queued, Pending, Starting, Parsing, Aborted, Stopped],
        // A Verify follows in a later tick; till then the entry is Cleaning.
        Cleaning => &[Verifying, Queued, Pending, Starting, Parsing, Aborted, Stopped],
        Pending => &[Starting, Aborted, Stopped],
        // Gathering (with hosts), Parsing (without), Aborted: ended before its start.
        Starting => &[Running, Gathering, Parsing, Aborted],
        Running => &[Gathering, Parsing],
        Gathering => &[Parsing],
        Parsing => &[Completed, Failed, Aborted],
        Aborted | Completed | Failed | Stopped | Template => &[],
    }
}

/// The same for hosts.
pub(crate) fn of_host(from: HostStatus) -> &'static [HostStatus] {
    use HostStatus::*;
    match from {
        Ready => &[Verifying, Repairing, Cleaning, Resetting, Provisioning, Pending],
        // Ready: success, or a task before it was aborted; a task that failed leaves its status until the next begins.
        Verifying | Cleaning | Resetting | Provisioning => {
            &[Ready, Pending, Verifying, Cleaning, Resetting, Provisioning, Repairing, RepairFailed]
        }
        Repairing => &[Ready, RepairFailed],
        RepairFailed => &[Verifying, Cleaning, Resetting, Repairing],
        Pending => &[Running, Ready],
        // A task that waits begins in the tick in which the gathering ends.
        Running => &[Ready, Verifying, Cleaning, Resetting, Repairing],
    }
}

/// Whether one may come from another in at most so many steps.
pub(crate) fn reachable<S: Copy + PartialEq + 'static>(
    from: S,
    to: S,
    steps: u32,
    next: fn(S) -> &'static [S],
) -> bool {
    from == to || (steps > 0 && next(from).iter().any(|between| reachable(*between, to, steps - 1, next)))
}
