//! What is measured of one run: little, typed, and the same on every machine. Who asks for thousands of runs keeps these.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use yardmaster_engine::{Span, Time};

/// From when until when a run is measured: figures of the lab are taken between `from` and `to`, and the jobs that are
/// followed to their ends are those submitted then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The first moment.
    pub from: Time,
    /// The moment after the last.
    pub to: Time,
}

impl Window {
    /// Its length.
    pub fn length(&self) -> Span {
        self.to - self.from
    }

    /// Whether a moment lies in it.
    pub fn contains(&self, moment: Time) -> bool {
        self.from <= moment && moment < self.to
    }

    /// Its hours: how many have begun when it ends.
    pub fn hours(&self) -> usize {
        usize::try_from((self.length().0.max(0) + HOUR.0 - 1) / HOUR.0).unwrap_or(0)
    }
}

/// The step of everything hourly.
pub(super) const HOUR: Span = Span::from_hours(1);

/// What was measured. Indices of jobs and hosts are those of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measurement {
    /// What was asked for, cut off where the plan begins and ends, or a year after its last job.
    pub window: Window,
    /// The moment of the last tick. Where that is before the window's end, nothing more was going to happen.
    pub end: Time,
    /// Ticks that were run.
    pub ticks: u64,
    /// What hosts and requests are counted by.
    pub kinds: Vec<KindMeasure>,
    /// The jobs that were submitted within the window, in the order of their submission.
    pub jobs: Vec<JobOutcome>,
    /// Those of them that have children.
    pub suites: Vec<SuiteOutcome>,
    /// What there was at once.
    pub load: Load,
    /// What went on in every hour.
    pub hourly: Hourly,
}

/// A kind of host; or, after those, a label that is asked for and that hosts of several kinds have, or none; or, with an
/// empty name, jobs that ask for no host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindMeasure {
    /// Its name.
    pub name: Arc<str>,
    /// How many hosts are of this kind: 0 for what is no kind of host.
    pub hosts: u32,
    /// How much of the window its hosts spent on what (host · time), in the order of [`HostUse::ALL`]; together, the
    /// window for every host.
    pub time: [Span; HostUse::ALL.len()],
    /// Processes that the limit of drones counts (process · time), for jobs that ask for it or, where there is no job, for its hosts.
    pub processes: Span,
}

impl KindMeasure {
    /// How much of the window its hosts spent so (host · time).
    pub fn spent(&self, on: HostUse) -> Span {
        self.time[on as usize]
    }
}

/// What a host is busy with, or why it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostUse {
    /// A test runs on it, or what that left is gathered.
    Testing,
    /// It is verified, cleaned or reset.
    Preparing,
    /// It is provisioned.
    Provisioning,
    /// It belongs to somebody, and waits: for the next tick, for room on a drone, for the other hosts of its job.
    Held,
    /// It is repaired, or has to be: Repair Failed.
    Repairing,
    /// It is locked, and nothing runs on it.
    Locked,
    /// It may be given to anybody.
    Idle,
}

impl HostUse {
    /// All of them.
    pub const ALL: [HostUse; 7] = [
        HostUse::Testing,
        HostUse::Preparing,
        HostUse::Provisioning,
        HostUse::Held,
        HostUse::Repairing,
        HostUse::Locked,
        HostUse::Idle,
    ];
}

/// What became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobOutcome {
    /// Its index in the plan.
    pub job: u32,
    /// Index into [`Measurement::kinds`]: what it asks for.
    pub kind: u32,
    /// How long it waited.
    pub wait: Wait,
    /// From its submission until its last entry was complete; `None`: it is not.
    pub turnaround: Option<Span>,
}

/// How long a job waited for the start of its first test, from its submission on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// So long.
    Started(Span),
    /// It ended after so long without a test: aborted, or its hosts could not be prepared.
    EndedWithout(Span),
    /// It waited still when the run ended.
    StillWaiting(Span),
}

impl Wait {
    /// The wait of a job whose test did start.
    pub fn started(self) -> Option<Span> {
        match self {
            Wait::Started(span) => Some(span),
            Wait::EndedWithout(_) | Wait::StillWaiting(_) => None,
        }
    }

    /// How long it waited, whatever came of it.
    pub fn length(self) -> Span {
        match self {
            Wait::Started(span) | Wait::EndedWithout(span) | Wait::StillWaiting(span) => span,
        }
    }
}

/// What became of a suite: a job that has children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuiteOutcome {
    /// Its index in the plan.
    pub job: u32,
    /// How many children it has.
    pub children: u32,
    /// How many of them have ended.
    pub ended: u32,
    /// From its submission until the last of its children had ended; `None`: one has not.
    pub turnaround: Option<Span>,
}

/// How many processes ran at once, and hosts were broken, at the most, in every hour of a run, counted from the plan's start; the
/// hour in which the window ends is two, before and after that. Of each kind the most in that hour counts, added up. So it is never
/// less than what limits had to be compared with, and the load of two labs that have no kind in common is the sum of theirs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Processes that the limit of drones counts, and entries that ask for room to gather.
    pub processes: Vec<u32>,
    /// Parsers, which have a limit of their own.
    pub parsers: Vec<u32>,
    /// Hosts that could not be repaired.
    pub broken: Vec<u32>,
    /// For how many the process counts that counts most.
    pub heaviest: u32,
}

impl Load {
    /// The place of a moment's hour, in a plan that begins then.
    pub(super) fn hour(start: Time, window: Window, at: Time) -> usize {
        let hour = usize::try_from((at - start).0 / HOUR.0).unwrap_or(0);
        hour + usize::from(at >= window.to)
    }

    /// The hours that have to do with a window.
    pub fn hours_of(start: Time, window: Window) -> std::ops::Range<usize> {
        Load::hour(start, window, window.from)..Load::hour(start, window, window.to)
    }
}

/// Figures by the hour of the window, the first hour beginning with it; the last may be cut short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hourly {
    /// Jobs submitted, by what they ask for.
    pub arrived: Grid,
    /// Entries waiting for a host (entry · µs), by what they ask for.
    pub waiting: Grid,
    /// Entries whose results are parsed or wait for a parser (entry · µs), by what they asked for.
    pub parsing: Grid,
    /// Hosts that are neither idle nor locked nor out for repair (host · µs), by kind of host.
    pub busy: Grid,
    /// Processes that the limit of drones counts (process · µs), as [`KindMeasure::processes`].
    pub processes: Grid,
}

/// Whole numbers by hour and by something else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    columns: usize,
    cells: Vec<i64>,
}

impl Grid {
    /// Zeros.
    pub(super) fn new(hours: usize, columns: usize) -> Grid {
        Grid { columns, cells: vec![0; hours * columns] }
    }

    /// How many columns it has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The hours, each with its columns.
    pub fn hours(&self) -> impl ExactSizeIterator<Item = &[i64]> {
        self.cells.chunks_exact(self.columns.max(1))
    }

    /// One number; 0 outside.
    pub fn at(&self, hour: usize, column: usize) -> i64 {
        if column >= self.columns {
            return 0;
        }
        self.cells.get(hour * self.columns + column).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, hour: usize, column: usize, number: i64) {
        if let Some(cell) = self.cells.get_mut(hour * self.columns + column) {
            *cell += number;
        }
    }
}
