//! What happened in a lab and how it is now: the input of everything that learns from a lab.
//!
//! A [`History`] is what a trace or a scheduler's database tells of the past: jobs, special tasks, and when hosts were away. A
//! [`Snapshot`] adds the present: the rows that are alive, as the scheduler loads them. `yardmaster snapshot` writes one from
//! a database; [`crate::workload`] reads a history from a trace.
//!
//! Moments are as the source has them; [`History::unix_time`] says what they count from.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use yardmaster_engine::{LiveRows, RebootAfter, RebootBefore, Settings, Span, TaskKind, Time};

/// What happened in a lab from one moment to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// Where it comes from, for people: a file's name, a database's address without its password.
    pub source: String,
    /// Jobs submitted from this moment on …
    pub from: Time,
    /// … and before this one are in it, all of them.
    pub to: Time,
    /// Whether moments are Unix time.
    pub unix_time: bool,
    /// The scheduler's settings, as far as the source knows them.
    pub settings: Settings,
    /// The hosts.
    pub hosts: Vec<HistoricHost>,
    /// The drones.
    pub drones: Vec<HistoricDrone>,
    /// The jobs, ascending by submission.
    pub jobs: Vec<HistoricJob>,
    /// The special tasks that ended, ascending by their start.
    pub tasks: Vec<HistoricTask>,
    /// When hosts were out of service although nobody needs to have known it, ascending by their begin.
    pub outages: Vec<HistoricOutage>,
    /// What had to be left out or assumed to read it, in sentences for people.
    pub remarks: Vec<String>,
}

impl History {
    /// How long a host was in service, altogether (seconds).
    pub fn in_service(&self, host: u32) -> f64 {
        let within = |outage: &HistoricOutage| {
            (outage.to.unwrap_or(self.to).min(self.to) - outage.from.max(self.from)).max(Span::ZERO).as_seconds_f64()
        };
        let outages = self.outages.iter().filter(|outage| outage.host == host);
        (self.to - self.from).as_seconds_f64() - outages.map(within).sum::<f64>()
    }
}

/// A host that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoricHost {
    /// Its hostname.
    pub name: Arc<str>,
    /// Its kind: platform label, or first `board:` or `type:` label, else `host`.
    pub kind: Arc<str>,
    /// Its labels.
    pub labels: Vec<Arc<str>>,
    /// Locked at the end of the time.
    pub locked: bool,
    /// When it was first heard of, if it was not there from the beginning.
    pub since: Option<Time>,
    /// When it was last heard of, if it was no longer there at the end.
    pub until: Option<Time>,
}

/// A drone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoricDrone {
    /// Its hostname.
    pub name: Arc<str>,
    /// Processes it may run.
    pub max_processes: u32,
}

/// A job as it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoricJob {
    /// Its number in its source, to be found again.
    pub id: u64,
    /// When it was submitted.
    pub submitted: Time,
    /// When its first test started, if one did.
    pub started: Option<Time>,
    /// When its last test ended, if one did.
    pub ended: Option<Time>,
    /// How it ended.
    pub ending: JobEnding,
    /// How many of its tests failed.
    pub tests_failed: u32,
    /// The hosts that ran it: indices into [`History::hosts`].
    pub hosts: Vec<u32>,
    /// What it asked for.
    pub request: HistoricRequest,
    /// How many hosts run it together.
    pub synch_count: u32,
    /// Dependency labels beyond those of the request.
    pub labels: Vec<Arc<str>>,
    /// What it does: jobs of one profile are alike.
    pub profile: Arc<str>,
    /// Its class, for statistics; may be empty.
    pub class: Arc<str>,
    /// Who submitted it.
    pub owner: Arc<str>,
    /// Its priority, higher first.
    pub priority: i32,
    /// Its suite: [`HistoricJob::id`] of an earlier job.
    pub parent: Option<u64>,
    /// What brought it together with others (a push, a build), where the source says so.
    pub burst: Option<Arc<str>>,
    /// Verify hosts before the test.
    pub run_verify: bool,
    /// Reset hosts before the test.
    pub run_reset: bool,
    /// When to clean hosts before the test.
    pub reboot_before: RebootBefore,
    /// When to clean hosts after the test.
    pub reboot_after: RebootAfter,
    /// As a suite: how many hosts its children get at least (keyval `suite_min_duts`); 0 = none.
    pub suite_min_hosts: u32,
    /// Aborted so long after its submission.
    pub timeout: Span,
    /// Aborted so long after its start.
    pub max_runtime: Span,
}

/// The hosts that a job asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum HistoricRequest {
    /// These very hosts: indices into [`History::hosts`].
    Hosts(Vec<u32>),
    /// So many hosts, each any with this label.
    Any {
        /// How many.
        count: u32,
        /// With which label.
        label: Arc<str>,
    },
    /// None.
    Hostless,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum JobEnding {
    /// Well.
    Completed,
    /// Its test failed, or it never came to it.
    Failed,
    /// Somebody, or a time limit, ended it: its length says nothing about jobs of its profile.
    Aborted,
    /// It has not ended.
    Open,
}

/// A special task as it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoricTask {
    /// What it did.
    pub kind: TaskKind,
    /// On which host: index into [`History::hosts`].
    pub host: u32,
    /// When it was asked for.
    pub requested: Time,
    /// When it started.
    pub started: Time,
    /// When it ended.
    pub ended: Time,
    /// Whether it ended well.
    pub success: bool,
    /// For which job: [`HistoricJob::id`].
    pub job: Option<u64>,
}

/// A host was out of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoricOutage {
    /// Which host: index into [`History::hosts`].
    pub host: u32,
    /// From when on.
    pub from: Time,
    /// Until when; `None` = beyond the end of the history.
    pub to: Option<Time>,
}

/// A lab at one moment, with its past.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// When it was taken.
    pub taken_at: Time,
    /// The rows that were alive then, read in one transaction. Entries and special tasks say since when they run.
    pub live: LiveRows,
    /// The past, as far back as was asked for.
    pub history: History,
}
