//! A plausible month of a lab, simulated in the simplest way that could work.

use std::sync::Arc;

use yardmaster_engine::{EntryStatus, HostStatus, Span, TaskKind, Time};

use crate::recording::{
    DroneRecord, HostRecord, JobRecord, ProcessKind, ProcessRecord, RecordedJob, Recording, TimelinePoint,
};

/// 2024-03-01 00:00 UTC.
const MARCH: i64 = 1_709_251_200;
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const KINDS: [&str; 5] = ["qemu", "raspberrypi4", "beaglebone", "x86-server", "chromebook"];

/// Two thousand jobs in 30 days on 30 hosts of 5 kinds, with bursts by day, a rush in the second week, failures, and
/// recorded waits; the same on every call.
pub(in crate::output) fn month() -> Recording {
    Month::default().simulate()
}

/// Picks a figure of the timeline.
type Figure = fn(&mut TimelinePoint) -> &mut u32;

/// A simple lab: every job takes the host of its kind that is free first.
#[derive(Default)]
struct Month {
    random: u64,
    recording: Recording,
    free_at: Vec<i64>,
    /// Changes of figures: when, which one, by how much.
    changes: Vec<(i64, Figure, i32)>,
}

impl Month {
    /// A number below `bound`, from Knuth's linear congruential generator.
    fn below(&mut self, bound: i64) -> i64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as i64 % bound
    }

    fn simulate(mut self) -> Recording {
        self.recording = Recording {
            scenario: "A month of a kernel lab".into(),
            seed: 42,
            start: Time::from_seconds(MARCH),
            tick: Span::from_seconds(20),
            unix_time: true,
            ticks: 41_234,
            ..Recording::default()
        };
        for index in 0..30 {
            let kind = KINDS[index % 5];
            self.recording.hosts.push(HostRecord {
                name: format!("{kind}-{:02}", index / 5 + 1).into(),
                kind: kind.into(),
                time_in_status: vec![Span::ZERO; HostStatus::ALL.len()],
                tests: 0,
                special_tasks: 0,
                locked: Span::ZERO,
                repair_failures: 0,
            });
        }
        self.free_at = vec![MARCH; 30];
        for id in 1..=2000 {
            let submitted = self.submission(i64::from(id));
            self.recording.jobs.push(self.blank_job(id, submitted));
        }
        self.recording.jobs.sort_by_key(|job| job.submitted);
        for index in 0..self.recording.jobs.len() {
            self.recording.jobs[index].id = index as u32 + 1;
            self.run(index);
        }
        self.close()
    }

    fn submission(&mut self, id: i64) -> i64 {
        // A third of all work comes in the rush of the second week; most of it by day.
        let day = if id % 3 == 0 { 8 + self.below(4) } else { self.below(30) };
        let hour = if id % 4 == 0 { self.below(24) } else { 8 + self.below(10) };
        MARCH + day * DAY + hour * HOUR + self.below(HOUR / 4)
    }

    fn blank_job(&self, id: u32, submitted: i64) -> JobRecord {
        // The first two kinds are the most wanted.
        let kind = KINDS[[0, 0, 0, 1, 1, 1, 2, 3, 4, 0][id as usize % 10]];
        let class = ["ci", "ci", "ci", "health", "user"][id as usize % 5];
        JobRecord {
            id,
            workload: "month".into(),
            profile: format!("{class}-{kind}").into(),
            host_kind: kind.into(),
            owner: Arc::from(["ann", "bob", "cid"][id as usize % 3]),
            priority: 20,
            class: class.into(),
            submitted: Time::from_seconds(submitted),
            started: None,
            assigned: None,
            finished: None,
            requested_hosts: 1,
            requested_time: Span::from_hours(12),
            final_status: EntryStatus::Queued,
            hosts: Vec::new(),
            execution: None,
            prejob_failures: 0,
            requeues: 0,
            recorded: None,
        }
    }

    fn run(&mut self, index: usize) {
        let job = self.recording.jobs[index].clone();
        let submitted = job.submitted.as_seconds();
        let kind = Arc::clone(&job.host_kind);
        let host = (0..30)
            .filter(|&host| self.recording.hosts[host].kind == kind)
            .min_by_key(|&host| (self.free_at[host], host))
            .expect("every kind has hosts");
        let assigned = submitted.max(self.free_at[host]).next_multiple_of_tick();
        let mut now = assigned;
        self.change(submitted, assigned, |point| &mut point.queued);
        if self.below(25) == 0 {
            now = self.special(host, index, TaskKind::Verify, now, 70, 256);
            now = self.special(host, index, TaskKind::Repair, now, 25 * MINUTE, 0);
            self.recording.jobs[index].prejob_failures += 1;
            self.recording.jobs[index].requeues += 1;
        }
        let prepared = if index.is_multiple_of(2) { TaskKind::Verify } else { TaskKind::Provision };
        let length = 60 + self.below(240);
        now = self.special(host, index, prepared, now, length, 0);
        self.change(assigned, now, |point| &mut point.preparing);
        let health = &*job.class == "health";
        let test =
            if health { 300 + self.below(600) } else { 40 * MINUTE + self.below(90 * MINUTE) * (1 + self.below(7)) };
        let failed = self.below(12) == 0;
        let ended = now + test;
        self.process(ProcessKind::Test, Some(index), host, now, ended, if failed { 256 } else { 0 });
        self.spend(host, HostStatus::Running, test);
        self.change(now, ended, |point| &mut point.running);
        self.change(ended, ended + 25, |point| &mut point.finishing);
        self.process(ProcessKind::Parse, Some(index), host, ended + 5, ended + 25, 0);
        let mut free = self.special(host, index, TaskKind::Cleanup, ended, 90, 0);
        if self.below(200) == 0 {
            // Broken until somebody comes along.
            let outage = HOUR + self.below(2 * DAY);
            self.spend(host, HostStatus::RepairFailed, outage);
            self.change(free, free + outage, |point| &mut point.hosts_out);
            self.recording.hosts[host].repair_failures += 1;
            free += outage;
        }
        self.change(assigned, ended + 90, |point| &mut point.hosts_busy);
        self.free_at[host] = free;
        self.recording.hosts[host].tests += 1;
        let late = self.below(1 + (now - submitted) / 2);
        let job = &mut self.recording.jobs[index];
        job.assigned = Some(Time::from_seconds(assigned));
        job.started = Some(Time::from_seconds(now));
        job.execution = Some(Span::from_seconds(test));
        job.finished = Some(Time::from_seconds(ended + 25));
        job.final_status = if failed { EntryStatus::Failed } else { EntryStatus::Completed };
        job.hosts = vec![host as u32];
        let started = Time::from_seconds(submitted + 15 + (now - submitted) * 3 / 4 + late);
        job.recorded =
            Some(RecordedJob { started, finished: started + Span::from_seconds(test + 40), success: !failed });
    }

    fn special(&mut self, host: usize, job: usize, kind: TaskKind, from: i64, length: i64, status: i32) -> i64 {
        self.process(ProcessKind::Special(kind), Some(job), host, from, from + length, status);
        self.spend(host, kind.host_status(), length);
        self.recording.hosts[host].special_tasks += 1;
        from + length
    }

    fn process(&mut self, kind: ProcessKind, job: Option<usize>, host: usize, from: i64, to: i64, status: i32) {
        self.change(from, to, |point| &mut point.processes);
        self.recording.processes.push(ProcessRecord {
            kind,
            job: job.map(|index| self.recording.jobs[index].id),
            hosts: vec![host as u32],
            drone: (host % 2) as u32,
            started: Time::from_seconds(from),
            finished: Some(Time::from_seconds(to)),
            exit_status: Some(status),
            tests_failed: u32::from(status != 0),
        });
    }

    fn spend(&mut self, host: usize, status: HostStatus, seconds: i64) {
        let position = HostStatus::ALL.iter().position(|&other| other == status).expect("ALL has every status");
        let spent = &mut self.recording.hosts[host].time_in_status[position];
        *spent = *spent + Span::from_seconds(seconds);
    }

    fn change(&mut self, from: i64, to: i64, figure: Figure) {
        self.changes.push((from, figure, 1));
        self.changes.push((to, figure, -1));
    }

    /// Ends the run: orders processes, sums up drones and idle time, and makes the timeline of all changes.
    fn close(mut self) -> Recording {
        let mut recording = self.recording;
        let last = recording.jobs.iter().filter_map(|job| job.finished).max().unwrap_or(recording.start);
        recording.end = last;
        recording.processes.sort_by_key(|process| process.started);
        for host in &mut recording.hosts {
            let spent = host.time_in_status.iter().fold(Span::ZERO, |sum, &span| sum + span);
            host.time_in_status[0] = Span(((last - recording.start).0 - spent.0).max(0));
        }
        recording.drones = (0..2)
            .map(|drone| {
                let own = || recording.processes.iter().filter(move |process| process.drone == drone);
                let busy = own().filter_map(|process| Some(process.finished? - process.started));
                DroneRecord {
                    name: format!("drone-{}", drone + 1).into(),
                    max_processes: 100,
                    started: own().count() as u64,
                    peak: 12,
                    busy: busy.fold(Span::ZERO, |sum, span| sum + span),
                }
            })
            .collect();
        // Increases first, lest a figure pass below zero.
        self.changes.sort_by_key(|&(time, _, by)| (time, -by));
        let mut point = TimelinePoint { time: recording.start, ..TimelinePoint::default() };
        recording.timeline.push(point);
        for (time, figure, by) in self.changes {
            if Time::from_seconds(time) != point.time {
                point.time = Time::from_seconds(time);
                recording.timeline.push(point);
            }
            let value = figure(&mut point);
            *value = value.wrapping_add_signed(by);
            *recording.timeline.last_mut().expect("one was pushed") = point;
        }
        recording
    }
}

/// Rounding up to the tick of 20 seconds.
trait ToTick {
    fn next_multiple_of_tick(self) -> i64;
}

impl ToTick for i64 {
    fn next_multiple_of_tick(self) -> i64 {
        (self + 19) / 20 * 20
    }
}
