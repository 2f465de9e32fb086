//! A lab that is known, its history from the simulator, and what `fit` makes of it: the lab again.

use std::path::Path;
use std::sync::OnceLock;

use yardmaster_engine::{Settings, Span, TaskKind};
use yardmaster_sim::fit::{Arrivals, FitOptions, FittedLab, Generator, OutageOf, OutageTimes, Shape, fit};
use yardmaster_sim::history::{
    HistoricDrone, HistoricHost, HistoricJob, HistoricOutage, HistoricRequest, HistoricTask, History, JobEnding,
};
use yardmaster_sim::recording::ProcessKind;
use yardmaster_sim::simulate;
use yardmaster_sim::workload::{Past, Placement, Plan, Scenario};

/// Twelve weeks of a lab of which everything is known.
const KNOWN: &str = r#"
name = "known"
start = 2026-01-05
end = 2026-03-30
[settings]
minimum_tick_sec = 1
[[host]]
name = "arm[01-08]"
labels = ["type:arm", "site:north"]
[[host]]
name = "x86-[01-06]"
labels = ["type:x86", "site:south"]
[workload.job]
owner = "ann"
class = "ci"
[[workload.bursts]]
name = "pushes"
per_hour = 0.25
[[workload.generate]]
name = "arm on push"
arrivals = { on = { bursts = "pushes", chance = 0.6, size = { uniform = [3.5, 10.5] }, spread_sec = { uniform = [0, 60] } } }
mix = [{ profile = "boot", label = "type:arm", runtime = { lognormal = { median = 200, sigma = 0.5 } }, failure = 0.1 }]
[[workload.generate]]
name = "x86 on push"
arrivals = { on = { bursts = "pushes", size = 3, delay_sec = { uniform = [100, 200] } } }
[[workload.generate.mix]]
profile = "boot"
weight = 3
label = "type:x86"
runtime = { weibull = { shape = 2, scale = 300 } }
[[workload.generate.mix]]
profile = "login"
weight = 1
label = "type:x86"
runtime = { exponential = { mean = 120 } }
failure = 0.2
[[workload.generate]]
name = "developers"
[workload.generate.arrivals.profile]
per_hour = [1, 1, 1, 1, 1, 1, 1, 1, 5, 5, 5, 5, 5, 5, 5, 5, 1, 1, 1, 1, 1, 1, 1, 1]
day_factor = { lognormal = { median = 0.882, sigma = 0.5 } }
[[workload.generate.mix]]
profile = "debug"
label = "type:x86"
runtime = { exponential = { mean = 300 } }
job = { owner = "bob", class = "manual", priority = 60, run_verify = true }
[[workload.generate]]
name = "suites"
arrivals = { poisson = { per_hour = 0.2 } }
[[workload.generate.mix]]
profile = "nightly"
hostless = true
runtime = 30
suite = { child = { bvt = 3, perf = 1 }, children = { uniform = [4.5, 12.5] }, min_duts = 2, delay_sec = { uniform = [0, 60] } }
job = { class = "suite" }
[[workload.generate.mix]]
profile = "bvt"
weight = 0
label = "type:arm"
runtime = 60
[[workload.generate.mix]]
profile = "perf"
weight = 0
label = "type:arm"
runtime = 240
[[workload.generate]]
name = "checks"
arrivals = { every = { minutes = { uniform = [350, 370] } } }
only_in_service = true
[[workload.generate.mix]]
profile = "check"
each_host_of_kind = "arm"
runtime = 60
job = { class = "health" }
[processes.reset]
runtime = { lognormal = { median = 80, sigma = 0.4 } }
failure = 0.05
[processes.reset.kind.x86]
runtime = { uniform = [20, 30] }
failure = 0
[processes.repair]
runtime = { exponential = { mean = 600 } }
failure = 0.2
[[outage]]
kind = "x86"
effect = "offline"
hours_between = { exponential = { mean = 150 } }
hours_lasting = { lognormal = { median = 5, sigma = 0.8 } }
[[outage]]
label = "site:north"
together = true
effect = "offline"
hours_between = { exponential = { mean = 200 } }
hours_lasting = { uniform = [3, 9] }
"#;

fn known() -> Plan {
    let table: toml::Table = KNOWN.parse().expect("a table");
    Scenario::from_table(table, Path::new("known.toml")).and_then(|known| known.plan(5)).expect("a plan")
}

/// What the simulator saw, as a history.
fn history(plan: &Plan) -> History {
    let recording = simulate(plan, 5, |_| {}).expect("a run");
    let jobs = plan.jobs.iter().zip(&recording.jobs).map(|(plan, record)| {
        let ended = record.started.zip(record.execution).map(|(started, length)| started + length);
        HistoricJob {
            id: record.id.into(),
            submitted: record.submitted,
            started: record.started,
            ended,
            ending: match (ended, record.final_status) {
                (None, _) => JobEnding::Open,
                (Some(_), yardmaster_engine::EntryStatus::Completed) => JobEnding::Completed,
                (Some(_), yardmaster_engine::EntryStatus::Failed) => JobEnding::Failed,
                (Some(_), _) => JobEnding::Aborted,
            },
            tests_failed: 0,
            hosts: record.hosts.clone(),
            request: match &plan.placement {
                Placement::Hosts(hosts) => HistoricRequest::Hosts(hosts.clone()),
                Placement::Any { count, label } => HistoricRequest::Any { count: *count, label: label.clone() },
                Placement::Hostless => HistoricRequest::Hostless,
            },
            synch_count: plan.synch_count,
            labels: plan.labels.clone(),
            profile: plan.profile.clone(),
            class: plan.class.clone(),
            owner: plan.owner.clone(),
            priority: plan.priority,
            parent: plan.parent.map(|parent| u64::from(parent) + 1),
            burst: plan.workload.ends_with("on push").then(|| "a push".into()),
            run_verify: plan.run_verify,
            run_reset: plan.run_reset,
            reboot_before: plan.reboot_before,
            reboot_after: plan.reboot_after,
            suite_min_hosts: plan.suite_min_hosts,
            timeout: plan.timeout,
            max_runtime: plan.max_runtime,
        }
    });
    let tasks = recording.processes.iter().filter_map(|process| match (process.kind, process.finished) {
        (ProcessKind::Special(kind), Some(ended)) => Some(HistoricTask {
            kind,
            host: process.hosts[0],
            requested: process.started,
            started: process.started,
            ended,
            success: process.exit_status == Some(0),
            job: None,
        }),
        _ => None,
    });
    let mut outages = Vec::new();
    for begin in plan.outages.iter().filter(|outage| outage.broken) {
        let end = plan.outages.iter().find(|end| !end.broken && end.host == begin.host && end.time > begin.time);
        outages.push(HistoricOutage { host: begin.host, from: begin.time, to: end.map(|end| end.time) });
    }
    History {
        source: "known".to_owned(),
        from: plan.start,
        to: plan.end.expect("an end"),
        unix_time: true,
        settings: Settings { minimum_tick_sec: 1.0, ..Settings::default() },
        hosts: plan
            .hosts
            .iter()
            .map(|host| HistoricHost {
                name: host.name.clone(),
                kind: host.kind.clone(),
                labels: host.labels.clone(),
                locked: false,
                since: None,
                until: None,
            })
            .collect(),
        drones: vec![HistoricDrone { name: "drone1".into(), max_processes: 1000 }],
        jobs: jobs.collect(),
        tasks: tasks.collect(),
        outages,
        remarks: vec!["a remark".to_owned()],
    }
}

/// The history and what was learned from it; the run is made once for all tests.
fn learned() -> &'static (History, FittedLab) {
    static LEARNED: OnceLock<(History, FittedLab)> = OnceLock::new();
    LEARNED.get_or_init(|| {
        let history = history(&known());
        let lab = fit(&Past::from(history.clone()), &FitOptions::named("again")).expect("a lab");
        (history, lab)
    })
}

fn generator(name: &str) -> &'static Generator {
    let generators = &learned().1.generators;
    let names: Vec<_> = generators.iter().map(|generator| generator.name.as_str()).collect();
    generators.iter().find(|one| one.name == name).unwrap_or_else(|| panic!("no {name:?} among {names:?}"))
}

#[track_caller]
fn near(what: &str, found: f64, expected: f64, tolerance: f64) {
    assert!((found / expected - 1.0).abs() <= tolerance, "{what}: {found}, not {expected}");
}

/// The value at the middle of the distribution.
fn median(shape: &Shape) -> f64 {
    match shape {
        Shape::Constant(value) => *value,
        Shape::Exponential { mean, .. } => mean * std::f64::consts::LN_2,
        Shape::Lognormal { median, .. } => *median,
        Shape::Weibull { shape, scale, .. } => scale * std::f64::consts::LN_2.powf(1.0 / shape),
        Shape::Quantiles(values) => values[values.len() / 2],
    }
}

#[test]
fn hosts_and_what_jobs_are_like_are_taken_over() {
    let (_, lab) = learned();
    let hosts: Vec<(usize, &str)> = lab.hosts.iter().map(|group| (group.names.len(), &*group.kind)).collect();
    assert_eq!(hosts, [(8, "arm"), (6, "x86")]);
    assert_eq!((&*lab.usual.owner, &*lab.usual.class), ("ann", "ci"));
    let manual = &generator("manual type:x86 debug").mix[0].manner;
    assert_eq!((&*manual.owner, manual.priority, manual.run_verify), ("bob", 60, true));
    assert_eq!(lab.settings.get("minimum_tick_sec").and_then(toml::Value::as_float), Some(1.0));
}

#[test]
fn pushes_their_sizes_and_their_mix_are_found_again() {
    let (_, lab) = learned();
    near("pushes", lab.bursts.iter().map(|(_, rate)| rate.mean()).sum(), 0.25, 0.1);
    let jobs = |generator: &Generator| generator.mix.iter().map(|one| one.weight).sum::<usize>() as f64;
    let met = |generator: &Generator| {
        let met = generator.arrivals.iter().map(|arrivals| match arrivals {
            Arrivals::OnBursts { met, .. } => *met,
            other => panic!("{other:?}"),
        });
        met.sum::<usize>() as f64
    };
    let (arm, x86) = (generator("ci type:arm boot"), generator("ci type:x86 boot"));
    near("jobs of a push for arm", jobs(arm) / met(arm), 7.0, 0.06);
    near("pushes for arm of those for x86", met(arm) / met(x86), 0.6, 0.1);
    near("jobs of a push for x86", jobs(x86) / met(x86), 3.0, 0.05);
    near("share of login", x86.mix[1].weight as f64 / jobs(x86), 0.25, 0.1);
    for arrivals in &x86.arrivals {
        let Arrivals::OnBursts { delay, .. } = arrivals else { panic!("{arrivals:?}") };
        assert!(median(&delay.shape) < 200.0, "{delay:?}");
    }
}

#[test]
fn lengths_and_failures_of_tests_are_found_again() {
    let arm = &generator("ci type:arm boot").mix[0];
    let runtime = arm.runtime.as_ref().expect("a length");
    near("median of boot on arm", median(&runtime.shape), 200.0, 0.05);
    assert!(matches!(runtime.shape, Shape::Lognormal { sigma, .. } if (sigma - 0.5).abs() < 0.05), "{runtime:?}");
    near("failures of boot on arm", arm.failed as f64 / arm.ended as f64, 0.1, 0.2);
    let x86 = &generator("ci type:x86 boot").mix;
    let runtime = x86[0].runtime.as_ref().expect("a length");
    assert!(matches!(runtime.shape, Shape::Weibull { shape, .. } if (shape - 2.0).abs() < 0.2), "{runtime:?}");
    near("median of boot on x86", median(&runtime.shape), 300.0 * 2_f64.ln().sqrt(), 0.06);
    near("failures of login", x86[1].failed as f64 / x86[1].ended as f64, 0.2, 0.25);
}

#[test]
fn the_rhythm_of_single_jobs_is_found_again() {
    let Arrivals::Single(rate) = &generator("manual type:x86 debug").arrivals[0] else { panic!("not single") };
    near("mean", rate.mean(), (16.0 + 8.0 * 5.0) / 24.0, 0.12);
    let hour = |hour: usize| {
        let days: Vec<f64> = rate.per_hour.chunks(24).map(|day| day[hour]).collect();
        days.iter().sum::<f64>() / days.len() as f64
    };
    near("by day", (8..16).map(hour).sum::<f64>() / (0..8).map(hour).sum::<f64>(), 5.0, 0.2);
    near("how days differ", rate.day_sigma.expect("days differ"), 0.5, 0.25);
}

#[test]
fn suites_and_checks_are_found_again() {
    let suites = generator("suite hostless suites");
    let Arrivals::Single(rate) = &suites.arrivals[0] else { panic!("not single") };
    near("suites", rate.mean(), 0.2, 0.1);
    let suite = suites.mix[0].suite.as_ref().expect("a suite");
    near("children", median(&suite.count.shape), 8.5, 0.1);
    assert_eq!(suite.min_hosts, 2);
    let children: Vec<&str> = suite.children.iter().map(|(name, _)| &**name).collect();
    assert_eq!(children, ["bvt", "perf"]);
    near("bvt for each perf", suite.children[0].1 as f64 / suite.children[1].1 as f64, 3.0, 0.15);
    let checks = generator("health each arm check");
    let Arrivals::EachHostEvery(minutes) = &checks.arrivals[0] else { panic!("{:?}", checks.arrivals) };
    near("minutes between checks", median(&minutes.shape), 360.0, 0.01);
}

#[test]
fn special_tasks_are_found_again() {
    let (_, lab) = learned();
    let reset = lab.tasks.iter().find(|tasks| tasks.kind == TaskKind::Reset).expect("resets");
    let (_, x86) = reset.by_host_kind.iter().find(|(kind, _)| &**kind == "x86").expect("x86 differs");
    let (_, arm) = reset.by_host_kind.iter().find(|(kind, _)| &**kind == "arm").expect("arm differs");
    near("reset of arm", median(&arm.runtime.shape), 80.0, 0.05);
    near("reset of x86", median(&x86.runtime.shape), 25.0, 0.05);
    near("failed resets of arm", arm.failed as f64 / arm.ended as f64, 0.05, 0.2);
    assert_eq!(x86.failed, 0);
    let repair = lab.tasks.iter().find(|tasks| tasks.kind == TaskKind::Repair).expect("repairs");
    near("repair", median(&repair.usual.runtime.shape), 600.0 * std::f64::consts::LN_2, 0.15);
    near("failed repairs", repair.usual.failed as f64 / repair.usual.ended as f64, 0.2, 0.3);
}

#[test]
fn outages_are_found_again_common_ones_as_common_ones() {
    let (history, lab) = learned();
    let of = |wanted: &OutageOf| lab.outages.iter().find(|outages| outages.of == *wanted).map(|outages| &outages.when);
    let Some(OutageTimes::Again { between, lasting }) = of(&OutageOf::Kind { kind: "x86".into(), except: Vec::new() })
    else {
        panic!("{:?}", lab.outages)
    };
    near("hours between", median(&between.shape) / std::f64::consts::LN_2, 150.0, 0.25);
    near("hours lasting", median(&lasting.shape), 5.0, 0.25);
    let north = OutageOf::Together { label: Some("site:north".into()), share: 1.0 };
    let Some(OutageTimes::AsTheyWere { outages, weeks }) = of(&north) else { panic!("{:?}", lab.outages) };
    assert_eq!(*weeks, 12.0);
    let begun = history.outages.iter().filter(|outage| outage.host == 0).count();
    assert_eq!(outages.len(), begun);
    assert!((5..18).contains(&begun) && outages.iter().all(|[_, hours]| (3.0..=9.0).contains(hours)));
    assert_eq!(lab.outages.len(), 2, "{:?}", lab.outages);
}

#[test]
fn the_file_is_a_scenario_that_makes_a_lab_like_the_first() {
    let (history, lab) = learned();
    let text = lab.to_string();
    assert!(text.contains("# a remark"));
    let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
    let again = Scenario::from_table(table, Path::new("again.toml")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((again.start(), again.end()), (history.to, Some(history.to + Span::from_hours(24 * 28))));
    let plans: Vec<Plan> = (0..4).map(|seed| again.plan(seed).expect("a plan")).collect();
    // Four times four weeks against twelve.
    let jobs: usize = plans.iter().map(|plan| plan.jobs.len()).sum();
    near("jobs", jobs as f64 / 4.0, history.jobs.len() as f64 / 3.0, 0.08);
    let plan = plans.first().expect("four");
    let wait = |waits: Vec<Span>, share: f64| {
        let mut waits = waits;
        waits.sort();
        waits[(waits.len() as f64 * share) as usize].as_seconds_f64()
    };
    let recording = simulate(plan, 0, |_| {}).expect("a run");
    let fitted = recording.jobs.iter().filter_map(|job| Some(job.started? - job.submitted)).collect();
    let known = history.jobs.iter().filter_map(|job| Some(job.started? - job.submitted)).collect();
    near("median wait", wait(fitted, 0.5), wait(known, 0.5), 0.15);
}

#[test]
fn the_same_history_gives_the_same_bytes() {
    let (history, lab) = learned();
    let again = fit(&Past::from(history.clone()), &FitOptions::named("again")).expect("a lab");
    assert!(again.to_string() == lab.to_string());
}

#[test]
fn pseudonyms_hide_names_and_keep_who_is_who() {
    use yardmaster_sim::fit::pseudonymised;
    let (history, lab) = learned();
    let hidden = pseudonymised(history, "salt");
    let text = fit(&Past::from(hidden.clone()), &FitOptions::named("again")).expect("a lab").to_string();
    for name in ["ann", "bob", "north", "south", "arm01", "x86-01", "known"] {
        assert!(!text.contains(&format!("\"{name}")) && !text.contains(&format!(":{name}")), "{name} in\n{text}");
    }
    let owners: std::collections::BTreeSet<_> = hidden.jobs.iter().map(|job| job.owner.clone()).collect();
    assert_eq!(owners.into_iter().collect::<Vec<_>>(), ["user1".into(), "user2".into()]);
    for (job, plain) in hidden.jobs.iter().zip(&history.jobs) {
        assert_eq!(job.owner == hidden.jobs[0].owner, plain.owner == history.jobs[0].owner);
    }
    assert_eq!(pseudonymised(history, "salt"), hidden);
    assert_ne!(pseudonymised(history, "pepper"), hidden);
    // Nothing but names differs.
    assert_eq!(text.lines().count(), lab.to_string().lines().count());
}

/// A job of a class for any arm, half a minute long, every so many minutes.
fn job(id: u64, minute: i64, request: HistoricRequest) -> HistoricJob {
    let like = learned().0.jobs.first().expect("a job");
    let submitted = learned().0.from + Span::from_minutes(minute);
    HistoricJob {
        id,
        submitted,
        started: Some(submitted),
        ended: Some(submitted + Span::from_seconds(30)),
        ending: JobEnding::Completed,
        hosts: Vec::new(),
        request,
        synch_count: 1,
        labels: Vec::new(),
        profile: "odd".into(),
        class: "odd".into(),
        parent: None,
        burst: None,
        suite_min_hosts: 0,
        ..like.clone()
    }
}

fn any_arm() -> HistoricRequest {
    HistoricRequest::Any { count: 1, label: "type:arm".into() }
}

/// The known lab, in which nothing but these jobs came.
fn lab_of(jobs: Vec<HistoricJob>) -> (FittedLab, Plan) {
    let mut history = History { jobs, tasks: Vec::new(), outages: Vec::new(), ..learned().0.clone() };
    history.jobs.sort_by_key(|job| (job.submitted, job.id));
    let lab = fit(&Past::from(history), &FitOptions::named("odd")).expect("a lab");
    let text = lab.to_string();
    let table: toml::Table = text.parse().expect("a table");
    let scenario = Scenario::from_table(table, Path::new("odd.toml")).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let plan = scenario.plan(1).expect("a plan");
    (lab, plan)
}

fn says(lab: &FittedLab, what: &str) -> bool {
    lab.notes.iter().any(|note| note.contains(what))
}

#[test]
fn jobs_for_one_host_of_many_stay_there() {
    // Every two hours for the first of eight.
    let (_, plan) = lab_of((0..1008).map(|n| job(n, n as i64 * 120, HistoricRequest::Hosts(vec![0]))).collect());
    // Four weeks of twelve.
    near("jobs", plan.jobs.len() as f64, 336.0, 0.2);
    assert!(plan.jobs.iter().all(|job| job.placement == Placement::Hosts(vec![0])));
}

#[test]
fn jobs_for_nearly_every_host_are_for_each() {
    // Every eight hours on each but the last, which is new.
    let jobs = (0..7 * 252).map(|n| job(n, n as i64 / 7 * 480, HistoricRequest::Hosts(vec![n as u32 % 7])));
    let (lab, plan) = lab_of(jobs.collect());
    assert!(matches!(lab.generators[0].arrivals[0], Arrivals::EachHostEvery(_)), "{:?}", lab.generators[0]);
    let for_host = |host| plan.jobs.iter().filter(|job| job.placement == Placement::Hosts(vec![host])).count() as f64;
    near("jobs of the first", for_host(0), 84.0, 0.25);
}

#[test]
fn a_suite_may_have_a_child_for_one_host() {
    let mut jobs = Vec::new();
    for day in 0..80 {
        let (suite, minute) = (day * 10, day as i64 * 1440);
        jobs.push(job(suite, minute, HistoricRequest::Hostless));
        for child in 1..=3 {
            let request = if child == 3 { HistoricRequest::Hosts(vec![4]) } else { any_arm() };
            jobs.push(HistoricJob { parent: Some(suite), ..job(suite + child, minute + 1, request) });
        }
        // A child's child is its suite's.
        jobs.push(HistoricJob { parent: Some(suite + 1), ..job(suite + 4, minute + 2, any_arm()) });
    }
    let (lab, plan) = lab_of(jobs);
    let children = plan.jobs.iter().filter(|job| job.parent.is_some()).count();
    let suites = plan.jobs.len() - children;
    near("children of a suite", children as f64 / suites as f64, 4.0, 0.01);
    let pinned = plan.jobs.iter().filter(|job| job.placement == Placement::Hosts(vec![4])).count();
    near("for the one host", pinned as f64 / children as f64, 0.25, 0.4);
    assert!(says(&lab, "80 jobs are children of a suite's children"), "{:?}", lab.notes);
}

#[test]
fn what_no_host_can_serve_is_dropped_and_counted() {
    let mut jobs: Vec<HistoricJob> = (0..100).map(|n| job(n, n as i64 * 60, any_arm())).collect();
    // The label is gone; no host has both; there are but eight; the host has not what the job depends on.
    let depends = |id, label: &str, request| HistoricJob { labels: vec![label.into()], ..job(id, 7, request) };
    jobs.push(depends(200, "pool:gone", any_arm()));
    jobs.push(depends(201, "site:south", any_arm()));
    jobs.push(job(202, 7, HistoricRequest::Any { count: 9, label: "type:arm".into() }));
    jobs.push(depends(203, "site:south", HistoricRequest::Hosts(vec![0])));
    // More than it asks for cannot run it together, whatever its row says.
    jobs.push(HistoricJob { synch_count: 3, ..job(204, 8, any_arm()) });
    let (lab, _) = lab_of(jobs);
    assert!(says(&lab, "4 jobs asked for hosts that are gone"), "{:?}", lab.notes);
    let nothing = History { jobs: vec![job(1, 1, HistoricRequest::Hosts(vec![99]))], ..learned().0.clone() };
    let error = fit(&Past::from(nothing), &FitOptions::named("odd")).expect_err("nothing is left").to_string();
    assert!(error.contains("none of the 1 jobs"), "{error}");
}

#[test]
fn suites_that_a_build_starts_come_together_and_their_children_with_them() {
    let mut jobs = Vec::new();
    for day in 0..80 {
        for suite in 0..6 {
            let (id, minute) = (day * 100 + suite * 10, day as i64 * 1440 + suite as i64);
            let build = Some(format!("R{day}").into());
            jobs.push(HistoricJob { burst: build.clone(), ..job(id, minute, HistoricRequest::Hostless) });
            let child =
                |n| HistoricJob { parent: Some(id), burst: build.clone(), ..job(id + n, minute + 60, any_arm()) };
            jobs.extend((1..=2).map(child));
        }
    }
    // Its suite was submitted before.
    jobs.push(HistoricJob { parent: Some(5_000_000), burst: Some("R".into()), ..job(5_000_001, 3, any_arm()) });
    let (lab, plan) = lab_of(jobs);
    let pushes: usize = lab.bursts.iter().map(|(_, rate)| rate.moments).sum();
    assert_eq!(pushes, 80, "a child is no push");
    assert!(
        says(&lab, "480 jobs came with 80 pushes") && says(&lab, "1 jobs are children of suites"),
        "{:?}",
        lab.notes
    );
    let suites: Vec<_> = plan.jobs.iter().filter(|job| matches!(job.placement, Placement::Hostless)).collect();
    assert!(suites.len() > 60, "{}", suites.len());
    let alone = |place: usize| {
        let near = |other: usize| (suites[place].submit - suites[other].submit).0.abs() < Span::from_minutes(30).0;
        (0..suites.len()).filter(|other| *other != place && near(*other)).count() < 3
    };
    assert_eq!((0..suites.len()).filter(|place| alone(*place)).count(), 0, "six come together");
    let children = plan.jobs.iter().filter(|job| job.parent.is_some()).count();
    near("children of a suite", children as f64 / suites.len() as f64, 2.0, 0.01);
}

#[test]
fn a_host_that_is_not_like_its_kind_has_its_own_outages_alone() {
    let mut history = History { tasks: Vec::new(), outages: Vec::new(), ..learned().0.clone() };
    let at = |hour: i64| history.from + Span::from_hours(hour);
    let out = |host, from: i64, hours: i64| HistoricOutage { host, from: at(from), to: Some(at(from + hours)) };
    // The last x86 is out every other day, its kind hardly ever.
    let mut outages: Vec<_> = (0..40).map(|n| out(13, n * 48 + 5, 20)).collect();
    outages.extend([out(8, 100, 2), out(9, 600, 3), out(10, 1100, 2)]);
    outages.sort_by_key(|outage| (outage.from, outage.host));
    history.outages = outages;
    // Somebody tries to repair it all the time, in vain; elsewhere repairs succeed.
    let repair = |host, from: i64, success| HistoricTask {
        kind: TaskKind::Repair,
        host,
        requested: at(from),
        started: at(from),
        ended: at(from) + Span::from_minutes(5),
        success,
        job: None,
    };
    history.tasks =
        (0..40).flat_map(|n| (6..20).map(move |hour| n * 48 + hour)).map(|hour| repair(13, hour, false)).collect();
    history.tasks.extend((0..20).map(|n| repair(0, n, true)));
    let lab = fit(&Past::from(history), &FitOptions::named("odd")).expect("a lab");
    let of: Vec<&OutageOf> = lab.outages.iter().map(|outages| &outages.of).collect();
    let rest = OutageOf::Kind { kind: "x86".into(), except: vec!["x86-06".into()] };
    assert_eq!(of, [&rest, &OutageOf::Host("x86-06".into())]);
    let table: toml::Table = lab.to_string().parse().expect("a table");
    let again = Scenario::from_table(table, Path::new("odd.toml")).unwrap_or_else(|error| panic!("{error}"));
    let begun = |host| {
        let plans = (0..4).map(|seed| again.plan(seed).expect("a plan"));
        plans
            .map(|plan| plan.outages.iter().filter(|outage| outage.broken && outage.host == host).count())
            .sum::<usize>()
    };
    // Every other day for four weeks, four times; the others every 400 days or so.
    assert!((40..75).contains(&begun(13)) && begun(8) < 8, "{} {}", begun(13), begun(8));
    let repairs = &lab.tasks.first().expect("repairs").usual;
    assert_eq!((repairs.failed, repairs.ended), (0, 20), "tries while it is out say nothing of hosts in service");
}
