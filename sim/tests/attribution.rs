//! Every moment of waiting is owed to something, and to the right thing.

mod common;

use std::fs;
use std::sync::Arc;

use proptest::prelude::*;
use yardmaster_engine::{Protection, RebootAfter, RebootBefore, Settings, Span, TaskKind, Time};
use yardmaster_sim::recording::ProcessKind;
use yardmaster_sim::run::{Attribution, Cause, HostUse, Measurement, Wait, Window};
use yardmaster_sim::workload::{
    self, Behaviour, DronePlan, Ending, HostPlan, JobPlan, Outage, OutageEffect, Placement, Plan, ProcessStart,
};
use yardmaster_sim::{attribute, measure};

// ---- A lab by hand: tests take ten minutes, parsing as long as a test says, everything else 100 seconds

const TEST: f64 = 600.0;
const TASK: f64 = 100.0;

struct ByHand {
    parse: i64,
    resets_fail: bool,
}

impl Behaviour for ByHand {
    fn ending(&self, start: &ProcessStart<'_>) -> Ending {
        let (seconds, exit_status) = match start.kind {
            ProcessKind::Test => (TEST as i64, 0),
            ProcessKind::Parse => (self.parse, 0),
            ProcessKind::Special(TaskKind::Reset) => (TASK as i64, if self.resets_fail { 256 } else { 0 }),
            ProcessKind::Special(_) | ProcessKind::Gather => (TASK as i64, 0),
        };
        Ending { startup: Span::ZERO, runtime: Span::from_seconds(seconds), exit_status, tests_failed: 0 }
    }
}

fn host(number: u32) -> HostPlan {
    HostPlan {
        name: format!("eve{number}").into(),
        kind: "eve".into(),
        labels: vec!["board:eve".into()],
        locked: false,
        dirty: false,
        protection: Protection::None,
        acls: Vec::new(),
    }
}

/// A job for any host that needs no preparation, submitted after so many seconds.
fn job(submit: i64) -> JobPlan {
    JobPlan {
        submit: Time::from_seconds(submit),
        name: "job".into(),
        workload: "by hand".into(),
        profile: "".into(),
        class: "".into(),
        owner: "lab".into(),
        priority: 40,
        placement: Placement::Any { count: 1, label: "board:eve".into() },
        synch_count: 1,
        labels: Vec::new(),
        parent: None,
        suite_min_hosts: 0,
        run_verify: false,
        run_reset: false,
        reboot_before: RebootBefore::Never,
        reboot_after: RebootAfter::Never,
        timeout: Span::from_hours(100),
        max_runtime: Span::from_hours(100),
        recorded: None,
    }
}

/// A lab that ticks every second.
fn lab(hosts: u32, max_processes: u32, jobs: Vec<JobPlan>) -> Plan {
    Plan {
        name: "by hand".to_owned(),
        about: String::new(),
        settings: Settings { minimum_tick_sec: 1.0, max_parse_processes: 1, ..Settings::default() },
        start: Time(0),
        end: Some(Time::from_seconds(20_000)),
        unix_time: false,
        hosts: (1..=hosts).map(host).collect(),
        drones: vec![DronePlan { name: "drone1".into(), max_processes }],
        jobs,
        behaviour: Arc::new(ByHand { parse: 1, resets_fail: false }),
        outages: Vec::new(),
    }
}

fn run(plan: &Plan) -> (Measurement, Attribution) {
    attribute(plan, Window { from: plan.start, to: Time::MAX }).expect("attributed")
}

/// Seconds that a job waited for a cause.
fn seconds(attribution: &Attribution, job: usize, cause: Cause) -> f64 {
    let owed = attribution.jobs[job].waiting.iter().find(|owed| owed.cause == cause);
    owed.map_or(0.0, |owed| owed.span.as_seconds_f64())
}

fn hosts(host_use: HostUse) -> Cause {
    Cause::Hosts { kind: 0, host_use }
}

/// A job waited for so long for a cause, give or take a few ticks.
#[track_caller]
fn assert_owed(attribution: &Attribution, job: usize, cause: Cause, expected: f64) {
    let found = seconds(attribution, job, cause);
    assert!((found - expected).abs() <= 6.0, "job {job}: {cause:?} {found} s, not {expected}: {attribution:#?}");
}

#[test]
fn a_job_waits_for_the_tests_of_others() {
    let (measured, owed) = run(&lab(1, 9, vec![job(0), job(0), job(100)]));
    assert_owed(&owed, 0, hosts(HostUse::Testing), 0.0);
    assert_owed(&owed, 1, hosts(HostUse::Testing), TEST);
    assert_owed(&owed, 2, hosts(HostUse::Testing), 2.0 * TEST - 100.0);
    assert!(measured.jobs.iter().all(|job| job.wait.started().is_some()));
    assert!(seconds(&owed, 0, Cause::Tick) <= 3.0, "{owed:?}");
}

#[test]
fn hosts_that_could_serve_share_the_blame() {
    // One of two hosts is locked, the other one tests.
    let mut plan = lab(2, 9, vec![job(0), job(0)]);
    plan.hosts[1].locked = true;
    let (_, owed) = run(&plan);
    assert_owed(&owed, 1, hosts(HostUse::Testing), TEST / 2.0);
    assert_owed(&owed, 1, hosts(HostUse::Locked), TEST / 2.0);
}

#[test]
fn locked_hosts_are_waited_for() {
    let mut plan = lab(1, 9, vec![job(10)]);
    let outage =
        |seconds, broken| Outage { time: Time::from_seconds(seconds), host: 0, broken, effect: OutageEffect::Locked };
    plan.outages = vec![outage(5, true), outage(310, false)];
    let (_, owed) = run(&plan);
    assert_owed(&owed, 0, hosts(HostUse::Locked), 300.0);
}

#[test]
fn higher_priorities_come_first() {
    let urgent = JobPlan { priority: 90, ..job(100) };
    let (_, owed) = run(&lab(1, 9, vec![job(0), job(50), urgent]));
    assert_owed(&owed, 1, hosts(HostUse::Testing), 50.0 + TEST);
    assert_owed(&owed, 1, Cause::Priority, TEST - 100.0);
    assert_owed(&owed, 2, hosts(HostUse::Testing), TEST - 100.0);
    // For one very host, too.
    let here = |job: JobPlan| JobPlan { placement: Placement::Hosts(vec![0]), ..job };
    let urgent = here(JobPlan { priority: 90, ..job(100) });
    let (_, owed) = run(&lab(1, 9, vec![here(job(0)), here(job(50)), here(job(60)), urgent]));
    assert_owed(&owed, 1, hosts(HostUse::Testing), 50.0 + TEST);
    assert_owed(&owed, 1, Cause::Priority, TEST - 100.0);
    assert_owed(&owed, 2, hosts(HostUse::Testing), 40.0 + 2.0 * TEST);
}

#[test]
fn drones_are_waited_for() {
    let (_, owed) = run(&lab(3, 1, vec![job(0), job(0)]));
    assert_owed(&owed, 1, Cause::Drones, TEST);
}

#[test]
fn preparation_is_its_own() {
    let (_, owed) = run(&lab(1, 9, vec![JobPlan { run_reset: true, reboot_before: RebootBefore::Always, ..job(0) }]));
    assert_owed(&owed, 0, Cause::Preparation(TaskKind::Reset), TASK);
    let (_, owed) = run(&lab(1, 9, vec![JobPlan { run_verify: true, ..job(0) }, job(1)]));
    assert_owed(&owed, 0, Cause::Preparation(TaskKind::Verify), TASK);
    assert_owed(&owed, 1, hosts(HostUse::Preparing), TASK);
    assert_owed(&owed, 1, hosts(HostUse::Testing), TEST);
}

#[test]
fn partners_are_waited_for() {
    // One of two hosts tests for a while; the pair has the other at once.
    let pair =
        JobPlan { placement: Placement::Any { count: 2, label: "board:eve".into() }, synch_count: 2, ..job(100) };
    let (measured, owed) = run(&lab(2, 9, vec![job(0), pair]));
    let waited = TEST - 100.0;
    assert!((measured.jobs[1].wait.length().as_seconds_f64() - waited).abs() < 6.0);
    assert_owed(&owed, 1, Cause::Partners, waited / 2.0);
    assert_owed(&owed, 1, hosts(HostUse::Testing), waited / 2.0);
}

#[test]
fn repairs_are_waited_for() {
    let mut plan = lab(1, 9, vec![JobPlan { run_reset: true, reboot_before: RebootBefore::Always, ..job(0) }, job(50)]);
    plan.behaviour = Arc::new(ByHand { parse: 1, resets_fail: true });
    let (measured, owed) = run(&plan);
    assert!(matches!(measured.jobs[0].wait, Wait::EndedWithout(_) | Wait::StillWaiting(_)), "{measured:?}");
    assert!(seconds(&owed, 0, hosts(HostUse::Repairing)) >= TASK - 6.0, "{owed:?}");
    assert!(seconds(&owed, 1, hosts(HostUse::Repairing)) >= TASK - 6.0, "{owed:?}");
}

#[test]
fn what_no_host_can_serve_is_said_to_be_so() {
    let nowhere = JobPlan { labels: vec!["needs:moon".into()], ..job(0) };
    let (measured, owed) = run(&lab(2, 9, vec![nowhere]));
    assert_eq!(measured.jobs[0].wait, Wait::StillWaiting(Span::from_seconds(20_000)));
    assert_owed(&owed, 0, Cause::Unservable, 20_000.0);
}

#[test]
fn results_wait_for_a_parser() {
    let mut plan = lab(3, 9, vec![job(0), job(0), job(0)]);
    plan.behaviour = Arc::new(ByHand { parse: 200, resets_fail: false });
    let (_, owed) = run(&plan);
    let mut parsers: Vec<f64> = owed.jobs.iter().map(|job| job.parser.as_seconds_f64()).collect();
    parsers.sort_by(f64::total_cmp);
    for (found, expected) in parsers.iter().zip([0.0, 200.0, 400.0]) {
        assert!((found - expected).abs() <= 6.0, "{parsers:?}");
    }
}

// ---- What holds in every lab

/// A crowded lab with everything that there is to wait for.
fn crowded(hosts: u32, max_processes: u32, per_hour: u32, failure: f64) -> String {
    format!(
        r#"
name = "crowded"
start = 2026-01-05
[settings]
minimum_tick_sec = 7
max_parse_processes = 1
[[host]]
name = "eve[1-{hosts}]"
labels = ["board:eve", "pool:all"]
[[host]]
name = "bob[1-2]"
labels = ["board:bob", "pool:all"]
[[drone]]
name = "drone1"
max_processes = {max_processes}
[[workload.generate]]
name = "developers"
hours = 6
arrivals = {{ poisson = {{ per_hour = {per_hour} }} }}
[[workload.generate.mix]]
profile = "smoke"
label = "board:eve"
runtime = {{ lognormal = {{ median = 420, p95 = 1200 }} }}
[[workload.generate.mix]]
profile = "anywhere"
weight = 0.3
label = "pool:all"
runtime = 200
job = {{ priority = 20 }}
[[workload.generate.mix]]
profile = "here"
weight = 0.3
hosts = "bob2"
runtime = 100
[[workload.generate.mix]]
profile = "pair"
weight = 0.2
label = "board:eve"
count = 2
runtime = 300
job = {{ synch_count = 2, priority = 60 }}
[processes.reset]
runtime = {{ exponential = {{ mean = 60 }} }}
failure = {failure}
[processes.repair]
failure = {failure}
[[outage]]
hours_between = {{ exponential = {{ mean = 5 }} }}
hours_lasting = 1
effect = "offline"
[[outage]]
hours_between = {{ exponential = {{ mean = 9 }} }}
hours_lasting = 1
"#
    )
}

fn read(scenario: &str, seed: u64) -> Plan {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("scenario.toml");
    fs::write(&file, scenario).expect("written");
    workload::load(&file, seed).unwrap_or_else(|error| panic!("{error}\n{scenario}"))
}

fn assert_sums(measured: &Measurement, owed: &Attribution) {
    assert_eq!(measured.jobs.len(), owed.jobs.len());
    for (outcome, causes) in measured.jobs.iter().zip(&owed.jobs) {
        let sum = causes.waiting.iter().fold(Span::ZERO, |sum, owed| sum + owed.span);
        assert_eq!(sum, outcome.wait.length(), "job {}: {causes:?}", outcome.job);
        assert!(causes.waiting.is_sorted_by(|a, b| a.cause < b.cause), "each cause once: {causes:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn the_parts_of_a_wait_are_the_wait(
        seed in 0u64..1000,
        hosts in 2u32..6,
        max_processes in 2u32..6,
        per_hour in 5u32..40,
        failure in 0.0f64..0.4,
        hours in 1i64..8,
    ) {
        let plan = read(&crowded(hosts, max_processes, per_hour, failure), seed);
        let window = Window { from: plan.start + Span::from_minutes(30), to: plan.start + Span::from_hours(hours) };
        let (measured, owed) = attribute(&plan, window).expect("attributed");
        assert_sums(&measured, &owed);
        prop_assert_eq!(measured, measure(&plan, window).expect("measured"));
    }
}

#[test]
fn every_cause_occurs_in_a_crowded_lab() {
    let plan = read(&crowded(3, 3, 30, 0.3), 1);
    let (measured, owed) = run(&plan);
    assert_sums(&measured, &owed);
    let all = owed.jobs.iter().flat_map(|job| job.waiting.iter().map(|owed| owed.cause));
    let found: std::collections::BTreeSet<Cause> = all.collect();
    let uses = [HostUse::Testing, HostUse::Preparing, HostUse::Held, HostUse::Repairing, HostUse::Locked];
    let expected = uses.map(hosts).into_iter().chain([
        Cause::Priority,
        Cause::Drones,
        Cause::Partners,
        Cause::Preparation(TaskKind::Reset),
        Cause::Tick,
    ]);
    for cause in expected {
        assert!(found.contains(&cause), "{cause:?} is not among {found:?}");
    }
}

#[test]
fn the_waits_of_the_recorded_month_are_owed_to_something() {
    let plan =
        workload::load(&common::repository("scenarios/cip-lab.toml"), 1).unwrap_or_else(|error| panic!("{error}"));
    let (measured, owed) = run(&plan);
    assert_sums(&measured, &owed);
}
