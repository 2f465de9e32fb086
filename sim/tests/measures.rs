//! What is measured of a run is what its full recording says.

mod common;

use std::collections::BTreeMap;
use std::fs;

use yardmaster_engine::{HostStatus, Span, Time};
use yardmaster_sim::recording::{ProcessKind, Recording};
use yardmaster_sim::run::{HostUse, Measurement, Wait, Window};
use yardmaster_sim::workload::{self, Plan};
use yardmaster_sim::{measure, simulate};

/// Suites, pairs, failures and locks, on few hosts and a narrow drone.
const SCENARIO: &str = r#"
name = "crowded"
start = 2026-01-05
[settings]
minimum_tick_sec = 5
max_parse_processes = 1
[[host]]
name = "eve[1-6]"
labels = ["board:eve", "pool:all"]
[[host]]
name = "bob[1-3]"
labels = ["board:bob", "pool:all"]
[[drone]]
name = "drone[1-2]"
max_processes = 3
[[workload.generate]]
name = "developers"
hours = 12
arrivals = { poisson = { per_hour = 30 } }
[[workload.generate.mix]]
profile = "smoke"
label = "board:eve"
runtime = { lognormal = { median = 420, p95 = 1200 } }
failure = 0.1
[[workload.generate.mix]]
profile = "anywhere"
weight = 0.3
label = "pool:all"
runtime = 200
[[workload.generate.mix]]
profile = "pair"
weight = 0.2
label = "board:eve"
count = 2
runtime = 300
job = { synch_count = 2, priority = 60 }
[processes.reset]
runtime = { exponential = { mean = 60 } }
failure = 0.1
[processes.test]
crash = 0.05
[[outage]]
hours_between = { exponential = { mean = 20 } }
hours_lasting = 1
"#;

fn crowded(seed: u64) -> Plan {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("crowded.toml");
    fs::write(&file, SCENARIO).expect("written");
    workload::load(&file, seed).unwrap_or_else(|error| panic!("{error}"))
}

/// Everything, to the end of the last job.
fn whole(recording: &Recording) -> Window {
    Window { from: recording.start, to: recording.end }
}

/// What the recording says of each job, in the words of the measurement.
fn assert_same_jobs(recording: &Recording, measured: &Measurement) {
    let submitted = recording.jobs.iter().filter(|job| measured.window.contains(job.submitted));
    assert_eq!(submitted.count(), measured.jobs.len());
    for outcome in &measured.jobs {
        let job = &recording.jobs[outcome.job as usize];
        let expected = match (job.started, job.finished) {
            (Some(start), _) => Wait::Started(start - job.submitted),
            (None, Some(end)) => Wait::EndedWithout(end - job.submitted),
            (None, None) => Wait::StillWaiting(recording.end.max(measured.window.to) - job.submitted),
        };
        assert_eq!(outcome.wait, expected, "job {}", job.id);
        assert_eq!(outcome.turnaround, job.finished.map(|end| end - job.submitted), "job {}", job.id);
    }
}

/// Processes, each counting for each of its hosts, and when they began and ended; of parsers, or of everything else.
fn processes(recording: &Recording, parsers: bool) -> impl Iterator<Item = (i64, Time, Time)> {
    let asked = recording.processes.iter().filter(move |process| (process.kind == ProcessKind::Parse) == parsers);
    asked.map(|process| (process.hosts.len().max(1) as i64, process.started, process.finished.unwrap_or(Time::MAX)))
}

/// The most that ran at once between two moments.
fn peak(processes: impl Iterator<Item = (i64, Time, Time)>, from: Time, to: Time) -> i64 {
    let mut changes: BTreeMap<Time, i64> = BTreeMap::new();
    for (weight, started, finished) in processes {
        *changes.entry(started.max(from)).or_default() += weight;
        *changes.entry(finished.max(from)).or_default() -= weight;
    }
    let levels = changes.range(..to).scan(0, |level, (_, change)| {
        *level += change;
        Some(*level)
    });
    levels.max().unwrap_or(0)
}

#[test]
fn jobs_hosts_and_processes_are_measured_as_they_are_recorded() {
    let mut started = 0;
    for seed in 1..=3 {
        let plan = crowded(seed);
        let recording = simulate(&plan, seed, |_| {}).expect("simulated");
        let measured = measure(&plan, whole(&recording)).expect("measured");
        assert_same_jobs(&recording, &measured);
        started += measured.jobs.iter().filter(|job| job.wait.started().is_some_and(|wait| wait > Span::ZERO)).count();

        for (kind, measure) in measured.kinds.iter().enumerate().filter(|(_, kind)| kind.hosts > 0) {
            let hosts = || recording.hosts.iter().filter(|host| host.kind == measure.name);
            let in_status =
                |status: HostStatus| hosts().fold(Span::ZERO, |sum, host| sum + host.time_in_status[status as usize]);
            assert_eq!(hosts().count(), measure.hosts as usize);
            assert_eq!(measure.spent(HostUse::Testing), in_status(HostStatus::Running));
            assert_eq!(
                measure.spent(HostUse::Preparing),
                in_status(HostStatus::Verifying) + in_status(HostStatus::Cleaning) + in_status(HostStatus::Resetting)
            );
            assert_eq!(
                measure.spent(HostUse::Repairing),
                in_status(HostStatus::Repairing) + in_status(HostStatus::RepairFailed)
            );
            assert_eq!(measure.spent(HostUse::Locked), hosts().fold(Span::ZERO, |sum, host| sum + host.locked));
            let all = measure.time.iter().fold(Span::ZERO, |sum, span| sum + *span);
            assert_eq!(all, measured.window.length() * i64::from(measure.hosts), "every moment of every host is spent");
            let busy = [HostUse::Testing, HostUse::Preparing, HostUse::Provisioning, HostUse::Held];
            let busy = busy.into_iter().fold(Span::ZERO, |sum, spent| sum + measure.spent(spent));
            assert_eq!(measured.hourly.busy.hours().map(|hour| hour[kind]).sum::<i64>(), busy.0);
        }
        let time = processes(&recording, false).fold(Span::ZERO, |sum, (weight, started, finished)| {
            let (from, to) = (started.max(measured.window.from), finished.min(measured.window.to));
            sum + (to - from).max(Span::ZERO) * weight
        });
        assert_eq!(measured.kinds.iter().fold(Span::ZERO, |sum, kind| sum + kind.processes), time);
        for (parsers, load) in [(false, &measured.load.processes), (true, &measured.load.parsers)] {
            let hours = load.iter().enumerate().map(|(hour, highest)| {
                let from = recording.start + Span::from_hours(hour as i64);
                let ran = peak(processes(&recording, parsers), from, from + Span::from_hours(1));
                assert!(ran <= i64::from(*highest), "hour {hour}: {ran} of {highest}");
                (ran, i64::from(*highest))
            });
            let (ran, highest) = hours.fold((0, 0), |sum, hour| (sum.0 + hour.0, sum.1 + hour.1));
            assert!(highest < 2 * ran, "{highest} is far above {ran}");
        }
    }
    assert!(started > 500, "{started} jobs waited: too few to show anything");
}

#[test]
fn a_window_leaves_out_what_lies_beside_it() {
    let plan = crowded(4);
    let recording = simulate(&plan, 4, |_| {}).expect("simulated");
    let from = plan.start + Span::from_hours(2) + Span::from_seconds(77);
    let window = Window { from, to: from + Span::from_minutes(270) };
    let measured = measure(&plan, window).expect("measured");
    assert_eq!(measured.window, window);
    assert_same_jobs(&recording, &measured);
    assert!(measured.end < recording.end, "the jobs after the window need not end");
    assert!(measured.jobs.iter().all(|job| job.turnaround.is_some()), "those of the window do");
    let hours = measured.hourly.arrived.hours().len();
    assert_eq!(hours, 5, "the fifth is cut short");
    for hour in 0..hours {
        let begins = from + Span::from_hours(hour as i64);
        let ends = (begins + Span::from_hours(1)).min(window.to);
        let here = |job: &&yardmaster_sim::recording::JobRecord| job.submitted >= begins && job.submitted < ends;
        let arrived: i64 = (0..measured.kinds.len()).map(|kind| measured.hourly.arrived.at(hour, kind)).sum();
        assert_eq!(arrived, recording.jobs.iter().filter(here).count() as i64);
        let waiting: i64 = (0..measured.kinds.len()).map(|kind| measured.hourly.waiting.at(hour, kind)).sum();
        assert_eq!(waiting, queued(&recording, begins, ends));
    }
}

/// Entry · microseconds in the queue between two moments, from the timeline.
fn queued(recording: &Recording, from: Time, to: Time) -> i64 {
    let points = recording.timeline.windows(2).map(|pair| (pair[0].time, pair[1].time, pair[0].queued));
    points.map(|(begin, end, queued)| (end.min(to) - begin.max(from)).0.max(0) * i64::from(queued)).sum()
}

#[test]
fn requests_are_counted_by_the_kind_of_host_that_they_ask_for() {
    let plan = crowded(5);
    let measured = measure(&plan, Window { from: plan.start, to: Time::MAX }).expect("measured");
    let names: Vec<&str> = measured.kinds.iter().map(|kind| &*kind.name).collect();
    assert_eq!(names, ["eve", "bob", "pool:all"], "hosts of several kinds have the last");
    assert_eq!(measured.kinds.iter().map(|kind| kind.hosts).collect::<Vec<_>>(), [6, 3, 0]);
    for outcome in &measured.jobs {
        let anywhere = &*plan.jobs[outcome.job as usize].profile == "anywhere";
        assert_eq!(outcome.kind, if anywhere { 2 } else { 0 });
    }
}

#[test]
fn measuring_the_recorded_month_agrees_with_its_recording() {
    let plan =
        workload::load(&common::repository("scenarios/cip-lab.toml"), 1).unwrap_or_else(|error| panic!("{error}"));
    let recording = simulate(&plan, 1, |_| {}).expect("simulated");
    let measured = measure(&plan, whole(&recording)).expect("measured");
    assert_same_jobs(&recording, &measured);
    assert_eq!(measured, measure(&plan, whole(&recording)).expect("measured"), "twice the same");
}
