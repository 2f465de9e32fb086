//! Takes the measures of a run: no record of a single process, host or moment is kept.

use std::collections::{BTreeMap, VecDeque};

use yardmaster_engine::{
    Changes, Core, DroneId, EntryColumns, EntryUpdate, HostId, HostStatus, HostUpdate, Span, Time, Work, WorkKind,
};

use super::kinds::Kinds;
use super::level::{Level, within};
use super::load::{Counted, LoadCounter};
use super::measurement::{
    Grid, HOUR, HostUse, Hourly, JobOutcome, KindMeasure, Measurement, SuiteOutcome, Wait, Window,
};
use super::observer::Observer;
use super::stage::Stage;
use crate::drones::ProcessKey;
use crate::workload::{HostPlan, JobPlan, Plan};

/// How far beyond the last job a window of a plan without an end may reach.
const AFTERMATH_MAX: Span = Span::from_hours(366 * 24);

/// Takes a [`Measurement`].
pub(super) struct Measures<'a> {
    plan: &'a Plan,
    window: Window,
    kinds: Kinds,
    jobs: Vec<JobNote>,
    /// Jobs that have ended, and those that still have to before the run may end.
    ended: usize,
    awaited: usize,
    /// Whether the run goes on even where no job is awaited any more.
    goes_to_the_end: bool,
    last_tick: Time,
    /// The stage of each entry, by its id − 1.
    entries: Vec<Stage>,
    hosts: Vec<HostNote>,
    /// Time spent by hosts, by kind.
    time: Vec<[Span; HostUse::ALL.len()]>,
    /// Entries waiting and hosts busy, by kind.
    waiting: Vec<Level>,
    busy: Vec<Level>,
    /// Entries whose results are parsed or wait for that, and processes that drones' limits count, by kind.
    parsing: Vec<Level>,
    processes: Vec<Level>,
    load: LoadCounter,
    /// Processes by their numbers; those at the front that have ended are let go.
    running: VecDeque<Option<Counted>>,
    first_running: ProcessKey,
    hourly: Hourly,
}

/// What is known of a job.
#[derive(Debug, Clone, Copy, Default)]
struct JobNote {
    open_entries: u32,
    /// The run does not end before it.
    awaited: bool,
    first_test: Option<Time>,
    finished: Option<Time>,
}

#[derive(Debug, Clone, Copy)]
struct HostNote {
    spends: HostUse,
    since: Time,
    status: HostStatus,
    leased: bool,
    locked: bool,
}

impl HostNote {
    fn host_use(&self) -> HostUse {
        host_use(self.status, self.leased, self.locked)
    }
}

/// What a host is busy with.
pub(super) fn host_use(status: HostStatus, leased: bool, locked: bool) -> HostUse {
    match status {
        HostStatus::Running => HostUse::Testing,
        HostStatus::Verifying | HostStatus::Cleaning | HostStatus::Resetting => HostUse::Preparing,
        HostStatus::Provisioning => HostUse::Provisioning,
        HostStatus::Repairing | HostStatus::RepairFailed => HostUse::Repairing,
        HostStatus::Pending => HostUse::Held,
        HostStatus::Ready if locked => HostUse::Locked,
        HostStatus::Ready if leased => HostUse::Held,
        HostStatus::Ready => HostUse::Idle,
    }
}

fn is_busy(host_use: HostUse) -> bool {
    match host_use {
        HostUse::Testing | HostUse::Preparing | HostUse::Provisioning | HostUse::Held => true,
        HostUse::Repairing | HostUse::Locked | HostUse::Idle => false,
    }
}

impl<'a> Measures<'a> {
    pub(super) fn new(plan: &'a Plan, window: Window) -> Measures<'a> {
        let window = cut(plan, window);
        let kinds = Kinds::of(plan);
        let is_awaited = |job: &JobPlan| {
            let of_suite = job.parent.and_then(|suite| plan.jobs.get(suite as usize));
            window.contains(job.submit) || of_suite.is_some_and(|suite| window.contains(suite.submit))
        };
        let note = |job| JobNote { awaited: is_awaited(job), ..JobNote::default() };
        let jobs: Vec<JobNote> = plan.jobs.iter().map(note).collect();
        let level = Level::new(plan.start);
        let grid = |columns| Grid::new(window.hours(), columns);
        let host = |host: &HostPlan| {
            let (status, leased, locked) = (HostStatus::Ready, false, host.locked);
            HostNote { spends: host_use(status, leased, locked), since: plan.start, status, leased, locked }
        };
        Measures {
            plan,
            window,
            ended: 0,
            awaited: jobs.iter().filter(|job| job.awaited).count(),
            jobs,
            goes_to_the_end: false,
            last_tick: Time::MIN,
            entries: Vec::new(),
            hosts: plan.hosts.iter().map(host).collect(),
            time: vec![Default::default(); kinds.of_hosts()],
            waiting: vec![level; kinds.len()],
            parsing: vec![level; kinds.len()],
            busy: vec![level; kinds.of_hosts()],
            processes: vec![level; kinds.len()],
            load: LoadCounter::new(plan.start, window, kinds.len()),
            running: VecDeque::new(),
            first_running: 0,
            hourly: Hourly {
                arrived: grid(kinds.len()),
                waiting: grid(kinds.len()),
                parsing: grid(kinds.len()),
                busy: grid(kinds.of_hosts()),
                processes: grid(kinds.len()),
            },
            kinds,
        }
    }

    /// Takes them of a run that goes on until the plan ends.
    pub(super) fn going_to_the_end(self) -> Self {
        Measures { goes_to_the_end: true, ..self }
    }

    fn host_changed(&mut self, now: Time, host: usize, change: impl FnOnce(&mut HostNote)) {
        let note = &mut self.hosts[host];
        let was_broken = note.status == HostStatus::RepairFailed;
        change(note);
        let is_broken = note.status == HostStatus::RepairFailed;
        if is_broken != was_broken {
            self.load.host_changed(self.kinds.of_host[host], is_broken, now);
        }
        let spends = note.host_use();
        if spends == note.spends {
            return;
        }
        let kind = self.kinds.of_host[host] as usize;
        let spent = &mut self.time[kind][note.spends as usize];
        *spent = *spent + within(self.window, note.since, now);
        let busier = i64::from(is_busy(spends)) - i64::from(is_busy(note.spends));
        note.spends = spends;
        note.since = now;
        if busier != 0 {
            self.busy[kind].change(self.window, now, busier, &mut self.hourly.busy, kind);
        }
    }

    fn entry_changed(&mut self, now: Time, update: &EntryUpdate) {
        if !update.columns.contains(EntryColumns::STATUS) {
            return;
        }
        let EntryUpdate { entry, .. } = update;
        let Some(place) = self.entries.get_mut(entry.id.0 as usize - 1) else { return };
        let stage = Stage::of(entry);
        let old = std::mem::replace(place, stage);
        let job = entry.job.0 as usize - 1;
        let more = i64::from(stage == Stage::Queued) - i64::from(old == Stage::Queued);
        if more != 0 {
            self.waiting_changed(now, job, more);
        }
        let more = i64::from(stage == Stage::Parsing) - i64::from(old == Stage::Parsing);
        if more != 0 {
            let kind = self.kinds.of_job[job] as usize;
            self.parsing[kind].change(self.window, now, more, &mut self.hourly.parsing, kind);
        }
        if (stage == Stage::Gathering) != (old == Stage::Gathering) {
            self.load.gathering_changed(self.kinds.of_job[job], stage == Stage::Gathering, now);
        }
        if stage == Stage::Ended && old != Stage::Ended {
            self.entry_ended(now, job);
        }
    }

    fn waiting_changed(&mut self, now: Time, job: usize, more: i64) {
        let kind = self.kinds.of_job[job] as usize;
        self.waiting[kind].change(self.window, now, more, &mut self.hourly.waiting, kind);
    }

    fn entry_ended(&mut self, now: Time, job: usize) {
        let note = &mut self.jobs[job];
        note.open_entries -= 1;
        if note.open_entries == 0 {
            note.finished = Some(now);
            self.ended += 1;
            self.awaited -= usize::from(note.awaited);
        }
    }

    /// As a limit counts a process.
    fn counted(&self, work: &Work, processes: u32) -> Counted {
        let kind = match (work.job, work.hosts.first()) {
            (Some(job), _) => self.kinds.of_job[job.0 as usize - 1],
            (None, Some(host)) => self.host_kind(*host),
            (None, None) => 0,
        };
        Counted { kind, weight: (work.kind != WorkKind::Parse).then_some(processes) }
    }

    /// A process that drones' limits count starts, or ends.
    fn processes_changed(&mut self, kind: u32, more: i64, at: Time) {
        let kind = kind as usize;
        self.processes[kind].change(self.window, at, more, &mut self.hourly.processes, kind);
    }

    /// What is measured.
    pub(super) fn window(&self) -> Window {
        self.window
    }

    /// What a host is busy with.
    pub(super) fn host_use(&self, host: HostId) -> HostUse {
        self.hosts[host.0 as usize - 1].spends
    }

    /// Of which kind a host is.
    pub(super) fn host_kind(&self, host: HostId) -> u32 {
        self.kinds.of_host[host.0 as usize - 1]
    }

    /// Whether a test of this job has started.
    pub(super) fn has_started(&self, job: u32) -> bool {
        self.jobs[job as usize].first_test.is_some()
    }

    /// Until when those have waited that wait still, where the last tick was at this moment.
    pub(super) fn last_moment(&self, end: Time) -> Time {
        end.max(self.window.to)
    }

    /// The measures of a run whose last tick was at this moment.
    pub(super) fn finish(mut self, end: Time, ticks: u64) -> Measurement {
        self.settle();
        let kinds = self.kinds.names.iter().zip(&self.kinds.hosts).enumerate().map(|(kind, (name, hosts))| {
            let time = self.time.get(kind).copied().unwrap_or_default();
            let processes = Span(self.hourly.processes.hours().map(|hour| hour[kind]).sum());
            KindMeasure { name: name.clone(), hosts: *hosts, time, processes }
        });
        let last = self.last_moment(end);
        let until = self.plan.end.filter(|_| self.goes_to_the_end).unwrap_or(end).max(self.window.to);
        Measurement {
            window: self.window,
            end,
            ticks,
            kinds: kinds.collect(),
            jobs: self.outcomes(last),
            suites: self.suites(),
            load: self.load.finish(until),
            hourly: self.hourly,
        }
    }

    /// Nothing changes any more until the window ends.
    fn settle(&mut self) {
        let (window, end) = (self.window, self.window.to);
        for (note, kind) in self.hosts.iter().zip(&self.kinds.of_host) {
            let spent = &mut self.time[*kind as usize][note.spends as usize];
            *spent = *spent + within(window, note.since, end);
        }
        let hourly = &mut self.hourly;
        let grids = [&mut hourly.waiting, &mut hourly.parsing, &mut hourly.busy, &mut hourly.processes];
        let levels = [&mut self.waiting, &mut self.parsing, &mut self.busy, &mut self.processes];
        for (levels, grid) in levels.into_iter().zip(grids) {
            for (column, level) in levels.iter_mut().enumerate() {
                level.settle(window, end, grid, column);
            }
        }
    }

    fn outcomes(&self, last: Time) -> Vec<JobOutcome> {
        let outcome = |(number, (job, note)): (usize, (&JobPlan, &JobNote))| JobOutcome {
            job: number as u32,
            kind: self.kinds.of_job[number],
            wait: match (note.first_test, note.finished) {
                (Some(start), _) => Wait::Started(start - job.submit),
                (None, Some(end)) => Wait::EndedWithout(end - job.submit),
                (None, None) => Wait::StillWaiting(last - job.submit),
            },
            turnaround: note.finished.map(|end| end - job.submit),
        };
        let jobs = self.plan.jobs.iter().zip(&self.jobs).enumerate();
        jobs.filter(|(_, (job, _))| self.window.contains(job.submit)).map(outcome).collect()
    }

    fn suites(&self) -> Vec<SuiteOutcome> {
        let mut suites: BTreeMap<u32, (SuiteOutcome, Time)> = BTreeMap::new();
        for (job, note) in self.plan.jobs.iter().zip(&self.jobs) {
            let Some(suite) = job.parent else { continue };
            let none = SuiteOutcome { job: suite, children: 0, ended: 0, turnaround: None };
            let (outcome, last) = suites.entry(suite).or_insert((none, Time::MIN));
            outcome.children += 1;
            if let Some(end) = note.finished {
                outcome.ended += 1;
                *last = end.max(*last);
            }
        }
        let outcome = |(outcome, last): (SuiteOutcome, Time)| {
            let submit = self.plan.jobs.get(outcome.job as usize)?.submit;
            let turnaround = (outcome.ended == outcome.children).then_some(last - submit);
            self.window.contains(submit).then_some(SuiteOutcome { turnaround, ..outcome })
        };
        suites.into_values().filter_map(outcome).collect()
    }
}

/// The part of a window in which a plan can be measured.
fn cut(plan: &Plan, window: Window) -> Window {
    let last = plan.jobs.last().map_or(plan.start, |job| job.submit + AFTERMATH_MAX);
    let from = window.from.max(plan.start);
    Window { from, to: window.to.min(plan.end.unwrap_or(last)).max(from) }
}

impl Observer for Measures<'_> {
    fn has_seen_enough(&self) -> bool {
        // Only a tick after the window hears of what has ended in it.
        self.awaited == 0 && self.last_tick >= self.window.to && !self.goes_to_the_end
    }

    fn jobs_ended(&self) -> usize {
        self.ended
    }

    fn is_served(&self, job: u32) -> bool {
        let note = &self.jobs[job as usize];
        note.first_test.is_some() || note.finished.is_some()
    }

    fn job_submitted(&mut self, job: usize, at: Time, entries: usize) {
        self.jobs[job].open_entries = entries as u32;
        self.entries.extend(std::iter::repeat_n(Stage::Queued, entries));
        self.waiting_changed(at, job, entries as i64);
        if self.window.contains(at) {
            let hour = (at - self.window.from).0 / HOUR.0;
            self.hourly.arrived.add(hour as usize, self.kinds.of_job[job] as usize, 1);
        }
    }

    fn host_locked(&mut self, now: Time, host: u32, locked: bool) {
        self.host_changed(now, host as usize, |note| note.locked = locked);
    }

    fn process_started(&mut self, key: ProcessKey, work: &Work, _drone: DroneId, processes: u32, now: Time) {
        debug_assert_eq!(key as usize, self.first_running as usize + self.running.len(), "numbered without gaps");
        let process = self.counted(work, processes);
        self.running.push_back(Some(process));
        self.load.started(process, now);
        if let Some(weight) = process.weight {
            self.processes_changed(process.kind, i64::from(weight), now);
        }
        if let (WorkKind::Test, Some(job)) = (work.kind, work.job) {
            self.jobs[job.0 as usize - 1].first_test.get_or_insert(now);
        }
    }

    fn process_ended(&mut self, key: ProcessKey, _end: Option<(i32, u32)>, at: Time) {
        let place = (key - self.first_running) as usize;
        let Some(process) = self.running.get_mut(place).and_then(Option::take) else { return };
        while let Some(None) = self.running.front() {
            self.running.pop_front();
            self.first_running += 1;
        }
        self.load.ended(process);
        if let Some(weight) = process.weight {
            self.processes_changed(process.kind, -i64::from(weight), at);
        }
    }

    fn ticked(&mut self, now: Time, changes: &Changes, _core: &Core) {
        self.last_tick = now;
        self.load.ticked(now);
        for HostUpdate { id, status, leased, .. } in &changes.hosts {
            self.host_changed(now, id.0 as usize - 1, |note| (note.status, note.leased) = (*status, *leased));
        }
        for update in &changes.entries {
            self.entry_changed(now, update);
        }
    }
}
