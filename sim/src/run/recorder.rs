//! Notes down what happens in a run.

use yardmaster_engine::{
    Changes, Core, DroneId, EntryColumns, EntryId, EntryStatus, EntryUpdate, HostStatus, HostUpdate, Span, TaskKind,
    Time, Work,
};

use super::fate::kind_of;
use super::observer::Observer;
use super::stage::Stage;
use crate::drones::ProcessKey;
use crate::recording::{DroneRecord, HostRecord, JobRecord, ProcessKind, ProcessRecord, Recording, TimelinePoint};
use crate::workload::{JobPlan, Placement, Plan};

/// What is known of an entry.
#[derive(Debug, Clone, Copy)]
struct EntryNote {
    job: u32,
    stage: Stage,
}

/// What is known of a job while it is on its way.
#[derive(Debug, Clone, Copy, Default)]
struct JobNote {
    open_entries: u32,
    running_tests: u32,
    last_test_end: Option<Time>,
}

#[derive(Debug, Clone, Copy)]
struct HostNote {
    status: HostStatus,
    since: Time,
    locked: bool,
}

impl HostNote {
    /// Books the time since the last change.
    fn spend(&mut self, now: Time, record: &mut HostRecord) {
        let span = now - self.since;
        self.since = now;
        let spent = &mut record.time_in_status[self.status as usize];
        *spent = *spent + span;
        if self.locked && self.status == HostStatus::Ready {
            record.locked = record.locked + span;
        }
    }
}

/// Collects a [`Recording`].
#[derive(Debug)]
pub(super) struct Recorder {
    recording: Recording,
    jobs: Vec<JobNote>,
    /// By entry id − 1.
    entries: Vec<EntryNote>,
    hosts: Vec<HostNote>,
    /// Running processes and the weight with which they count, by drone.
    load: Vec<(u32, Time)>,
    weights: Vec<u32>,
    point: TimelinePoint,
    ended: usize,
}

impl Recorder {
    pub(super) fn new(plan: &Plan, seed: u64) -> Recorder {
        let hosts = plan.hosts.iter().map(|host| HostRecord {
            name: host.name.clone(),
            kind: host.kind.clone(),
            time_in_status: vec![Span::ZERO; HostStatus::ALL.len()],
            locked: Span::ZERO,
            tests: 0,
            special_tasks: 0,
            repair_failures: 0,
        });
        let drones = plan.drones.iter().map(|drone| DroneRecord {
            name: drone.name.clone(),
            max_processes: drone.max_processes,
            started: 0,
            peak: 0,
            busy: Span::ZERO,
        });
        let note = |host: &crate::workload::HostPlan| HostNote {
            status: HostStatus::Ready,
            since: plan.start,
            locked: host.locked,
        };
        let locked = plan.hosts.iter().filter(|host| host.locked).count() as u32;
        Recorder {
            recording: Recording {
                scenario: plan.name.clone(),
                seed,
                start: plan.start,
                end: plan.start,
                tick: plan.settings.tick(),
                unix_time: plan.unix_time,
                hosts: hosts.collect(),
                drones: drones.collect(),
                jobs: plan.jobs.iter().enumerate().map(|(number, job)| job_record(number, job, plan)).collect(),
                ..Recording::default()
            },
            jobs: vec![JobNote::default(); plan.jobs.len()],
            entries: Vec::new(),
            hosts: plan.hosts.iter().map(note).collect(),
            load: vec![(0, plan.start); plan.drones.len()],
            weights: Vec::new(),
            point: TimelinePoint { time: plan.start, hosts_out: locked, ..TimelinePoint::default() },
            ended: 0,
        }
    }

    /// Changes a figure of the timeline at a moment.
    fn change(&mut self, at: Time, change: impl FnOnce(&mut TimelinePoint)) {
        // A submission lies before the tick that hears of it; earlier points stay as they are.
        let at = at.max(self.point.time);
        if at > self.point.time {
            self.push_point();
            self.point.time = at;
        }
        change(&mut self.point);
    }

    fn push_point(&mut self) {
        let same = |last: &TimelinePoint| TimelinePoint { time: self.point.time, ..*last } == self.point;
        match self.recording.timeline.last_mut() {
            Some(last) if last.time == self.point.time => *last = self.point,
            Some(last) if same(last) => {}
            _ => self.recording.timeline.push(self.point),
        }
    }

    fn host_changed(&mut self, now: Time, update: &HostUpdate) {
        let index = update.id.0 as usize - 1;
        let Some(note) = self.hosts.get_mut(index).filter(|note| note.status != update.status) else { return };
        note.spend(now, &mut self.recording.hosts[index]);
        let (old, locked) = (note.status, note.locked);
        note.status = update.status;
        if update.status == HostStatus::RepairFailed {
            self.recording.hosts[index].repair_failures += 1;
        }
        let busy = |status| u32::from(!matches!(status, HostStatus::Ready | HostStatus::RepairFailed));
        let out = |status| u32::from(status == HostStatus::RepairFailed && !locked);
        self.change(now, |point| {
            point.hosts_busy = point.hosts_busy + busy(update.status) - busy(old);
            point.hosts_out = point.hosts_out + out(update.status) - out(old);
        });
    }

    fn entry_changed(&mut self, now: Time, update: &EntryUpdate) {
        let EntryUpdate { columns, entry } = update;
        let Some(note) = self.entries.get(entry.id.0 as usize - 1).copied() else { return };
        let job = note.job as usize;
        if columns.contains(EntryColumns::HOST) && entry.host.is_some() {
            self.recording.jobs[job].assigned.get_or_insert(now);
        }
        if !columns.contains(EntryColumns::STATUS) {
            return;
        }
        let stage = Stage::of(entry);
        // An entry that names its host has it assigned by becoming active.
        if stage == Stage::Preparing && entry.host.is_some() {
            self.recording.jobs[job].assigned.get_or_insert(now);
        }
        if stage == Stage::Queued && note.stage == Stage::Preparing {
            self.recording.jobs[job].requeues += 1;
        }
        self.move_entry(now, entry.id, stage);
        if stage == Stage::Ended && note.stage != Stage::Ended {
            self.entry_ended(now, job, entry.status);
        }
    }

    fn move_entry(&mut self, now: Time, entry: EntryId, stage: Stage) {
        let note = &mut self.entries[entry.0 as usize - 1];
        let old = std::mem::replace(&mut note.stage, stage);
        fn figure(point: &mut TimelinePoint, stage: Stage) -> Option<&mut u32> {
            match stage {
                Stage::Queued => Some(&mut point.queued),
                Stage::Preparing => Some(&mut point.preparing),
                Stage::Running => Some(&mut point.running),
                Stage::Gathering | Stage::Parsing => Some(&mut point.finishing),
                Stage::Ended => None,
            }
        }
        self.change(now, |point| {
            if let Some(count) = figure(point, old) {
                *count -= 1;
            }
            if let Some(count) = figure(point, stage) {
                *count += 1;
            }
        });
    }

    fn entry_ended(&mut self, now: Time, job: usize, status: EntryStatus) {
        let record = &mut self.recording.jobs[job];
        let first = !record.final_status.is_complete();
        if first || badness(status) > badness(record.final_status) {
            record.final_status = status;
        }
        let note = &mut self.jobs[job];
        note.open_entries -= 1;
        if note.open_entries == 0 {
            record.finished = Some(now);
            self.ended += 1;
        }
    }

    fn add_load(&mut self, drone: usize, change: i64, at: Time) {
        let (load, since) = &mut self.load[drone];
        let record = &mut self.recording.drones[drone];
        record.busy = record.busy + (at - *since) * i64::from(*load);
        *since = at;
        *load = (i64::from(*load) + change) as u32;
        record.peak = record.peak.max(*load);
        self.change(at, |point| point.processes = (i64::from(point.processes) + change) as u32);
    }

    /// The recording of a run that ended now.
    pub(super) fn finish(mut self, end: Time, ticks: u64) -> Recording {
        self.push_point();
        for (drone, (load, since)) in self.load.iter().enumerate() {
            let busy = &mut self.recording.drones[drone].busy;
            *busy = *busy + (end - *since) * i64::from(*load);
        }
        for (note, host) in self.hosts.iter_mut().zip(&mut self.recording.hosts) {
            note.spend(end, host);
        }
        self.recording.end = end;
        self.recording.ticks = ticks;
        self.recording
    }
}

impl Observer for Recorder {
    fn has_seen_enough(&self) -> bool {
        self.ended == self.jobs.len()
    }

    fn jobs_ended(&self) -> usize {
        self.ended
    }

    fn is_served(&self, job: u32) -> bool {
        let record = &self.recording.jobs[job as usize];
        record.started.is_some() || record.finished.is_some()
    }

    fn job_submitted(&mut self, job: usize, at: Time, entries: usize) {
        self.jobs[job].open_entries = entries as u32;
        let note = EntryNote { job: job as u32, stage: Stage::Queued };
        self.entries.extend(std::iter::repeat_n(note, entries));
        self.change(at, |point| point.queued += entries as u32);
    }

    fn host_locked(&mut self, now: Time, host: u32, locked: bool) {
        let Some(note) = self.hosts.get_mut(host as usize).filter(|note| note.locked != locked) else { return };
        note.spend(now, &mut self.recording.hosts[host as usize]);
        note.locked = locked;
        if note.status != HostStatus::RepairFailed {
            self.change(now, |point| point.hosts_out = if locked { point.hosts_out + 1 } else { point.hosts_out - 1 });
        }
    }

    fn process_started(&mut self, key: ProcessKey, work: &Work, drone: DroneId, processes: u32, now: Time) {
        let kind = kind_of(work);
        let (index, weight) = (drone.0 as usize - 1, processes.max(1));
        debug_assert_eq!(key as usize, self.recording.processes.len(), "processes are numbered from 0 without gaps");
        self.weights.push(weight);
        self.add_load(index, i64::from(weight), now);
        self.recording.drones[index].started += 1;
        let hosts: Vec<u32> = work.hosts.iter().map(|host| host.0 - 1).collect();
        for host in &hosts {
            let record = &mut self.recording.hosts[*host as usize];
            match kind {
                ProcessKind::Special(_) => record.special_tasks += 1,
                ProcessKind::Test => record.tests += 1,
                ProcessKind::Gather | ProcessKind::Parse => {}
            }
        }
        let job = work.job.map(|job| job.0);
        if let (ProcessKind::Test, Some(job)) = (kind, job) {
            let record = &mut self.recording.jobs[job as usize - 1];
            record.started.get_or_insert(now);
            record.hosts.extend(hosts.iter().filter(|host| !record.hosts.contains(host)).copied().collect::<Vec<_>>());
            record.hosts.sort_unstable();
            self.jobs[job as usize - 1].running_tests += 1;
        }
        self.recording.processes.push(ProcessRecord {
            kind,
            job,
            hosts,
            drone: index as u32,
            started: now,
            finished: None,
            exit_status: None,
            tests_failed: 0,
        });
    }

    fn process_ended(&mut self, key: ProcessKey, end: Option<(i32, u32)>, at: Time) {
        let record = &mut self.recording.processes[key as usize];
        record.finished = Some(at);
        record.exit_status = end.map(|(status, _)| status);
        record.tests_failed = end.map_or(0, |(_, failed)| failed);
        let (kind, job, drone) = (record.kind, record.job, record.drone as usize);
        let failed = end.is_none_or(|(status, _)| status != 0);
        let weight = self.weights[key as usize];
        self.add_load(drone, -i64::from(weight), at);
        let Some(job) = job.map(|job| job as usize - 1) else { return };
        match kind {
            ProcessKind::Test => {
                self.jobs[job].running_tests -= 1;
                self.jobs[job].last_test_end = Some(at);
                let started = self.recording.jobs[job].started;
                self.recording.jobs[job].execution = started.map(|started| at - started);
            }
            ProcessKind::Special(TaskKind::Repair) | ProcessKind::Gather | ProcessKind::Parse => {}
            ProcessKind::Special(_) => self.recording.jobs[job].prejob_failures += u32::from(failed),
        }
    }

    fn ticked(&mut self, now: Time, changes: &Changes, _core: &Core) {
        for update in &changes.hosts {
            self.host_changed(now, update);
        }
        for update in &changes.entries {
            self.entry_changed(now, update);
        }
    }
}

/// Which of two final statuses says more about what went wrong.
fn badness(status: EntryStatus) -> u8 {
    match status {
        EntryStatus::Failed => 4,
        EntryStatus::Aborted => 3,
        EntryStatus::Stopped => 2,
        _ => 1,
    }
}

fn job_record(number: usize, job: &JobPlan, plan: &Plan) -> JobRecord {
    let (requested_hosts, host_kind) = match &job.placement {
        Placement::Hosts(hosts) => {
            let kind = hosts.first().and_then(|host| plan.hosts.get(*host as usize)).map(|host| host.kind.clone());
            (hosts.len() as u32, kind.unwrap_or_else(|| "".into()))
        }
        Placement::Any { count, label } => (*count, kind_of_label(label)),
        Placement::Hostless => (0, "".into()),
    };
    JobRecord {
        id: number as u32 + 1,
        workload: job.workload.clone(),
        profile: job.profile.clone(),
        host_kind,
        owner: job.owner.clone(),
        priority: job.priority,
        class: job.class.clone(),
        submitted: job.submit,
        started: None,
        assigned: None,
        finished: None,
        requested_hosts,
        requested_time: job.max_runtime,
        final_status: EntryStatus::Queued,
        hosts: Vec::new(),
        execution: None,
        prejob_failures: 0,
        requeues: 0,
        recorded: job.recorded,
    }
}

/// `type:qemu` and `board:eve` ask for the kinds `qemu` and `eve`.
fn kind_of_label(label: &std::sync::Arc<str>) -> std::sync::Arc<str> {
    match label.split_once(':') {
        Some(("type" | "board", kind)) => kind.into(),
        _ => label.clone(),
    }
}
