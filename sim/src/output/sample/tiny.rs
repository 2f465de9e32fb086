//! A run that fits on a page, every figure of which can be checked by hand.

use yardmaster_engine::{EntryStatus, HostStatus, Span, Time};

use crate::recording::{
    DroneRecord, HostRecord, JobRecord, ProcessKind, ProcessRecord, RecordedJob, Recording, TimelinePoint,
};

/// Three jobs on two hosts: one that completes after a wait of half a second, one of two hosts that is aborted when it
/// has run for as long as it asked for, one that is never started.
pub(in crate::output) fn tiny() -> Recording {
    let first_test = second(10) + Span(500_000);
    Recording {
        scenario: "tiny".into(),
        seed: 7,
        start: second(0),
        end: second(200),
        tick: Span::from_seconds(20),
        unix_time: false,
        ticks: 9,
        hosts: vec![host("alpha", 60), host("beta", 90)],
        drones: vec![DroneRecord {
            name: "drone".into(),
            max_processes: 10,
            started: 2,
            peak: 2,
            busy: Span::from_seconds(150),
        }],
        jobs: vec![completed(), aborted(), job(3, 30, "user")],
        processes: vec![
            test(1, &[1], first_test, first_test + Span::from_seconds(30), 0),
            test(2, &[0, 1], second(100), second(160), 9),
        ],
        timeline: vec![point(0, 0, 0), point(10, 1, 1), point(40, 2, 0), point(100, 1, 2), point(160, 1, 0)],
    }
}

fn second(seconds: i64) -> Time {
    Time::from_seconds(1000 + seconds)
}

fn host(name: &str, busy: i64) -> HostRecord {
    let mut time_in_status = vec![Span::ZERO; HostStatus::ALL.len()];
    time_in_status[0] = Span::from_seconds(200 - busy);
    time_in_status[2] = Span::from_seconds(busy);
    HostRecord {
        name: name.into(),
        kind: "board".into(),
        time_in_status,
        tests: 1,
        special_tasks: 0,
        locked: Span::ZERO,
        repair_failures: 0,
    }
}

fn job(id: u32, submitted: i64, class: &str) -> JobRecord {
    JobRecord {
        id,
        workload: "tiny".into(),
        profile: "boot, twice".into(),
        host_kind: "board".into(),
        owner: "ann".into(),
        priority: 20,
        class: class.into(),
        submitted: second(submitted),
        started: None,
        assigned: None,
        finished: None,
        requested_hosts: 1,
        requested_time: Span::from_seconds(60),
        final_status: EntryStatus::Queued,
        hosts: Vec::new(),
        execution: None,
        prejob_failures: 0,
        requeues: 0,
        recorded: None,
    }
}

fn completed() -> JobRecord {
    JobRecord {
        started: Some(second(10) + Span(500_000)),
        assigned: Some(second(10)),
        finished: Some(second(45)),
        final_status: EntryStatus::Completed,
        hosts: vec![1],
        execution: Some(Span::from_seconds(30)),
        prejob_failures: 1,
        requeues: 2,
        recorded: Some(RecordedJob { started: second(12), finished: second(72), success: true }),
        ..job(1, 10, "ci")
    }
}

fn aborted() -> JobRecord {
    JobRecord {
        started: Some(second(100)),
        assigned: Some(second(60)),
        finished: Some(second(165)),
        requested_hosts: 2,
        final_status: EntryStatus::Aborted,
        hosts: vec![0, 1],
        execution: Some(Span::from_seconds(60)),
        ..job(2, 20, "user")
    }
}

fn test(job: u32, hosts: &[u32], from: Time, to: Time, status: i32) -> ProcessRecord {
    ProcessRecord {
        kind: ProcessKind::Test,
        job: Some(job),
        hosts: hosts.to_vec(),
        drone: 0,
        started: from,
        finished: Some(to),
        exit_status: Some(status),
        tests_failed: 0,
    }
}

fn point(time: i64, queued: u32, running: u32) -> TimelinePoint {
    TimelinePoint {
        time: second(time),
        queued,
        running,
        processes: running,
        hosts_busy: running,
        ..TimelinePoint::default()
    }
}
