//! How the processes of a planned run go: the plan's behaviour model, and hosts that break.

use yardmaster_engine::{DroneId, TaskKind, Time, Work, WorkKind};

use super::observer::Observer;
use crate::drones::{Course, Fate, ProcessKey};
use crate::recording::ProcessKind;
use crate::workload::{Ending, Plan, ProcessStart};

/// Wait status of a process that failed: exit 1.
const FAILED: i32 = 256;

/// Asks the plan how processes go, and has an observer told of them.
pub(super) struct PlannedFate<'a, O> {
    plan: &'a Plan,
    pub(super) observer: O,
    /// The first entry of each job, counted from 0, and how many there are altogether.
    first_entries: Vec<u32>,
    /// How many processes of each kind have run for an entry …
    attempts_of_entries: Vec<Attempts>,
    /// … and on a host for no job.
    attempts_on_hosts: Vec<Attempts>,
    broken: Vec<bool>,
}

impl<'a, O> PlannedFate<'a, O> {
    pub(super) fn new(plan: &'a Plan, observer: O) -> PlannedFate<'a, O> {
        let mut first_entries = vec![0];
        for job in &plan.jobs {
            first_entries.push(first_entries[first_entries.len() - 1] + job.placement.entries());
        }
        let entries = first_entries[plan.jobs.len()] as usize;
        PlannedFate {
            plan,
            observer,
            first_entries,
            attempts_of_entries: vec![Attempts::default(); entries],
            attempts_on_hosts: vec![Attempts::default(); plan.hosts.len()],
            broken: vec![false; plan.hosts.len()],
        }
    }

    /// From now on, everything that ends on this host fails; or no longer does.
    pub(super) fn set_broken(&mut self, host: u32, broken: bool) {
        if let Some(mark) = self.broken.get_mut(host as usize) {
            *mark = broken;
        }
    }
}

/// Counts of attempts by kind of process.
type Attempts = [u16; 8];

fn place_of(kind: ProcessKind) -> usize {
    match kind {
        ProcessKind::Special(kind) => kind as usize,
        ProcessKind::Test => 5,
        ProcessKind::Gather => 6,
        ProcessKind::Parse => 7,
    }
}

pub(super) fn kind_of(work: &Work) -> ProcessKind {
    match work.kind {
        WorkKind::Special(kind) => ProcessKind::Special(kind),
        // A runner stands for the test that it runs.
        WorkKind::Test | WorkKind::HandOff => ProcessKind::Test,
        WorkKind::Gather => ProcessKind::Gather,
        WorkKind::Parse => ProcessKind::Parse,
    }
}

impl<O: Observer> Fate for PlannedFate<'_, O> {
    fn course(&mut self, work: &Work, now: Time) -> Option<Course> {
        let kind = kind_of(work);
        // A Repair has the luck of its host, not that of the job in whose way the host stood.
        let job = work.job.filter(|_| kind != ProcessKind::Special(TaskKind::Repair)).map(|job| job.0 - 1);
        let host = work.hosts.first().map(|host| host.0 - 1);
        let first_entry = job.and_then(|job| self.first_entries.get(job as usize)).copied().unwrap_or(0);
        let entry = job.and(work.entries.first()).map_or(0, |entry| (entry.0 - 1).saturating_sub(first_entry));
        let attempts = match (job, host) {
            (Some(_), _) => self.attempts_of_entries.get_mut((first_entry + entry) as usize),
            (None, host) => host.and_then(|host| self.attempts_on_hosts.get_mut(host as usize)),
        };
        let attempt = attempts.map_or(0, |attempts| {
            let count = &mut attempts[place_of(kind)];
            *count = count.saturating_add(1);
            u32::from(*count - 1)
        });
        let host_kind = host.and_then(|host| self.plan.hosts.get(host as usize)).map_or("", |host| &*host.kind);
        let start = ProcessStart { kind, job, entry, host, host_kind, attempt, now };
        let Ending { startup, runtime, exit_status, tests_failed } = self.plan.behaviour.ending(&start);
        Some(Course { startup, runtime, exit_status, tests_failed })
    }

    fn verdict(&mut self, work: &Work, planned: (i32, u32)) -> (i32, u32) {
        let on_host = !matches!(work.kind, WorkKind::Parse | WorkKind::Gather);
        let broken = |host: &yardmaster_engine::HostId| self.broken.get(host.0 as usize - 1).copied().unwrap_or(false);
        if on_host && work.hosts.iter().any(broken) {
            let tests_failed = if work.kind == WorkKind::Test { planned.1.max(1) } else { 0 };
            return (FAILED, tests_failed);
        }
        planned
    }

    fn started(&mut self, process: ProcessKey, work: &Work, drone: DroneId, processes: u32, now: Time) {
        self.observer.process_started(process, work, drone, processes, now);
    }

    fn ended(&mut self, process: ProcessKey, end: Option<(i32, u32)>, at: Time) {
        self.observer.process_ended(process, end, at);
    }
}
