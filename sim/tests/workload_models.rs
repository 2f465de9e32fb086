//! What the keys of a workload scenario come to: small scenarios, and the part of the plan that each is about.

use std::fs;

use proptest::prelude::*;
use yardmaster_engine::{Span, TaskKind, Time};
use yardmaster_sim::recording::ProcessKind;
use yardmaster_sim::workload::{Ending, Outage, OutageEffect, Placement, Plan, ProcessStart, load};

fn plan_with_seed(scenario: &str, trace: &str, seed: u64) -> Plan {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("lab.toml");
    fs::write(&path, scenario).expect("a file");
    for name in ["trace.csv", "log.swf"] {
        fs::write(directory.path().join(name), trace).expect("a file");
    }
    load(&path, seed).unwrap_or_else(|error| panic!("{error}"))
}

fn plan(scenario: &str, trace: &str) -> Plan {
    plan_with_seed(scenario, trace, 1)
}

/// A trace scenario with more keys of `[lab]` and of `[workload.trace]`, and more tables at its end.
fn traced(lab: &str, trace: &str, more: &str) -> String {
    format!(
        r#"name = "traced"
[lab]
from_trace = true
{lab}
[workload.trace]
file = "trace.csv"
pinned = {{ column = "class", values = ["health"] }}
{trace}
[workload.trace.columns]
start = "start"
end = "end"
host = "board"
host_type = "type"
class = "class"
outcome = "verdict"
id = "id"
{more}
"#
    )
}

const HEADER: &str = "submit,start,end,board,type,class,verdict,id\n";

const DUT: &str = r#"name = "small"
[[host]]
name = "dut[1-4]"
labels = ["board:eve"]
"#;

fn seconds(plan: &Plan) -> Vec<i64> {
    plan.jobs.iter().map(|job| job.submit.as_seconds()).collect()
}

/// Host, seconds, and `true` for the beginning of an outage.
fn outages(plan: &Plan) -> Vec<(u32, i64, bool)> {
    plan.outages.iter().map(|Outage { time, host, broken, .. }| (*host, time.as_seconds(), *broken)).collect()
}

fn ending(plan: &Plan, kind: ProcessKind, job: Option<u32>, host: u32, attempt: u32) -> Ending {
    let host_kind = &plan.hosts[host as usize].kind;
    plan.behaviour.ending(&ProcessStart { kind, job, entry: 0, host: Some(host), host_kind, attempt, now: Time(0) })
}

#[test]
fn trace_jobs_run_anywhere_but_pinned_ones() {
    let trace = format!("{HEADER}0,10,70,b1,a,health,complete,1\n5,20,140,b2,a,ci,incomplete,2\n");
    let plan = plan(&traced("", "shorten_sec = 40", ""), &trace);
    assert_eq!(plan.jobs[0].placement, Placement::Hosts(vec![0]));
    assert_eq!(plan.jobs[1].placement, Placement::Any { count: 1, label: "type:a".into() });
    let [first, second] = [0, 1].map(|job| ending(&plan, ProcessKind::Test, Some(job), 0, 0));
    assert_eq!((first.runtime, first.exit_status), (Span::from_seconds(20), 0));
    assert_eq!((second.runtime, second.exit_status), (Span::from_seconds(80), 256));
    let recorded = plan.jobs[1].recorded.expect("a recorded job");
    assert_eq!((recorded.started.as_seconds(), recorded.finished.as_seconds(), recorded.success), (20, 140, false));
}

#[test]
fn windows_and_filters_choose_rows() {
    let trace = format!("{HEADER}0,0,1,b1,a,ci,complete,1\n5,5,6,b2,a,ci,canceled,2\n9,9,9,b3,a,ci,complete,3\n");
    assert_eq!(seconds(&plan(&traced("", "from = 5", ""), &trace)), [5, 9]);
    assert_eq!(seconds(&plan(&traced("", "to = 9", ""), &trace)), [0, 5]);
    let canceled = r#"skip = [{ column = "verdict", values = ["canceled"] }]"#;
    assert_eq!(seconds(&plan(&traced("", canceled, ""), &trace)), [0, 9]);
    assert_eq!(plan(&traced("", "from = 5", ""), &trace).hosts.len(), 2);
}

#[test]
fn compressed_time_moves_submissions_together() {
    let trace = format!("{HEADER}100,100,160,b1,a,ci,complete,1\n300,300,360,b1,a,ci,complete,2\n");
    let plan = plan(&traced("", "compress = 4.0", ""), &trace);
    assert_eq!(seconds(&plan), [100, 150]);
    assert!(plan.jobs.iter().all(|job| job.recorded.is_none()));
    assert_eq!(ending(&plan, ProcessKind::Test, Some(1), 0, 0).runtime, Span::from_seconds(60));
}

#[test]
fn a_smaller_pool_keeps_some_of_every_kind() {
    let rows = ["b1,a", "b2,a", "b3,a", "c1,c"].map(|board| format!("0,0,1,{board},health,complete,1\n"));
    let plan = plan(&traced("pool = 0.5", "", ""), &format!("{HEADER}{}", rows.concat()));
    let names: Vec<_> = plan.hosts.iter().map(|host| &*host.name).collect();
    assert_eq!(names, ["b1", "b2", "c1"]);
    assert_eq!(plan.jobs.len(), 3);
}

#[test]
fn boards_that_were_silent_or_failed_their_check_were_out() {
    let hour = 3600;
    let row = |submit: i64, start: i64, end: i64, board: &str, class: &str, verdict: &str| {
        format!("{},{},{},{board},a,{class},{verdict},1\n", submit * hour, start * hour, end * hour)
    };
    let trace = [
        HEADER.to_owned(),
        row(1, 1, 2, "b1", "health", "complete"),
        row(1, 1, 2, "b2", "health", "incomplete"),
        // b2 is back at its next check; b1 at the next, too, however long the job waited that came first.
        row(5, 5, 6, "b2", "health", "complete"),
        row(3, 20, 21, "b1", "ci", "complete"),
        row(22, 22, 23, "b2", "health", "complete"),
        row(35, 35, 36, "b1", "health", "complete"),
        row(36, 36, 37, "b2", "ci", "complete"),
    ]
    .concat();
    let lab = "[lab.availability]\nsilence_hours = 10\nafter_failed_check = true";
    let plan = plan(&traced(lab, "from = 0\nto = 144000", ""), &trace);
    let expected = [
        (1, 2, true),
        (1, 5, false),
        (1, 6, true),
        (0, 21, true),
        (1, 22, false),
        (1, 23, true),
        (0, 35, false),
        (1, 36, false),
    ];
    assert_eq!(outages(&plan), expected.map(|(host, hours, begins)| (host, hours * hour, begins)));
    assert!(plan.outages.iter().all(|outage| outage.effect == OutageEffect::Silent));
}

#[test]
fn unseen_jobs_fill_the_gaps_of_ids() {
    let rows =
        ["0,0,60,b1,a,ci,complete,10", "100,100,130,b2,a,health,complete,14", "5000,5000,5001,b1,a,ci,complete,9999"];
    let trace = format!("{HEADER}{}\n", rows.join("\n"));
    let more = r#"[workload.background]
share = 1
like = { column = "class", values = ["ci"] }"#;
    let plan = plan(&traced("", "", more), &trace);
    let unseen: Vec<_> = plan.jobs.iter().filter(|job| &*job.class == "unseen").collect();
    assert_eq!(unseen.len(), 3);
    assert!(unseen.iter().all(|job| (0..=100).contains(&job.submit.as_seconds())));
    assert!(unseen.iter().all(|job| matches!(job.placement, Placement::Any { .. }) && job.recorded.is_none()));
}

#[test]
fn parallel_jobs_of_a_log_are_synchronous() {
    let log = "; UnixStartTime: 1000\n; MaxProcs: 9\n\
        1 0 5 60 3 -1 -1 4 100 -1 1 7 1 2 1 1 -1 -1\n\
        2 10 -1 -1 3 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 1 5\n\
        3 10 0 9 1 -1 -1 1 -1 -1 3 -1 -1 -1 -1 -1 -1 -1\n";
    let scenario = r#"name = "log"
[lab]
from_trace = true
[workload.trace]
file = "log.swf"
priorities = { 1 = 70 }
[workload.trace.swf]
processors_per_host = 2
enforce_requested_time = true
[processes.test]
runtime = 33
"#;
    let plan = plan(scenario, log);
    assert!(plan.unix_time);
    assert_eq!((plan.hosts.len(), plan.jobs.len(), seconds(&plan)), (5, 2, vec![1000, 1010]));
    let [known, unknown] = [&plan.jobs[0], &plan.jobs[1]];
    assert_eq!(known.placement, Placement::Any { count: 2, label: "pool:swf".into() });
    assert_eq!((known.synch_count, known.priority, known.max_runtime), (2, 70, Span::from_seconds(100)));
    assert_eq!((&*known.owner, &*known.profile, &*known.class), ("user7", "app2", "queue1"));
    assert_eq!((known.recorded.is_some(), unknown.recorded), (true, None));
    assert_eq!((unknown.synch_count, &*unknown.owner, unknown.priority), (2, "autotest_system", 40));
    assert_eq!(ending(&plan, ProcessKind::Test, Some(1), 0, 0).runtime, Span::from_seconds(33));
}

#[test]
fn suites_submit_their_children() {
    let scenario = format!(
        r#"{DUT}
[[workload.generate]]
name = "builds"
count = 3
arrivals = {{ every = {{ minutes = 10 }} }}
[[workload.generate.mix]]
profile = "suite"
hostless = true
suite = {{ child = "bvt", children = 4, min_duts = 2, delay_sec = 700 }}
[[workload.generate.mix]]
profile = "bvt"
weight = 0
label = "board:eve"
job = {{ priority = 60, timeout_mins = 5 }}
"#
    );
    let plan = plan(&scenario, "");
    assert_eq!(plan.jobs.len(), 15);
    for job in &plan.jobs {
        match job.parent.map(|parent| &plan.jobs[parent as usize]) {
            Some(parent) => {
                assert_eq!(job.submit - parent.submit, Span::from_seconds(700));
                assert_eq!((&*job.profile, job.priority, job.timeout), ("bvt", 60, Span::from_minutes(5)));
                assert_eq!((&*parent.profile, &parent.placement), ("suite", &Placement::Hostless));
            }
            None => assert_eq!(job.suite_min_hosts, 2),
        }
    }
}

/// One job, so that a scenario has some.
const ONE_JOB: &str = r#"
[[workload.generate]]
name = "one"
count = 1
arrivals = { every = { minutes = 1 } }
[[workload.generate.mix]]
profile = "test"
label = "board:eve"
"#;

#[test]
fn overlapping_outages_are_one() {
    let outage = |hosts: &str, at: u32, hours: u32| {
        format!("[[outage]]\nhosts = \"{hosts}\"\nat = {at}\nhours_lasting = {hours}\n")
    };
    let listed = [outage("dut1", 3600, 2), outage("dut[1-2]", 7200, 2), outage("dut1", 14400, 1)].concat();
    let plan = plan(&format!("{DUT}{ONE_JOB}{listed}"), "");
    let expected = [(0, 3600, true), (1, 7200, true), (1, 14400, false), (0, 18000, false)];
    assert_eq!(outages(&plan), expected);
}

#[test]
fn hosts_break_again_and_again() {
    let often = "[[outage]]\nhours_between = { exponential = { mean = 10 } }\nhours_lasting = 1\n";
    let plan = plan(&format!("end = 3600000\n{DUT}{ONE_JOB}{often}"), "");
    let begun = plan.outages.iter().filter(|outage| outage.broken).count();
    // Four hosts, a thousand hours, eleven from one outage to the next.
    assert!((320..410).contains(&begun), "{begun}");
}

const PROCESSES: &str = r#"
[[host]]
name = "old[1-2]"
labels = ["board:old"]
[processes]
startup = { uniform = [1, 2] }
[processes.reset]
runtime = { lognormal = { median = 60, p95 = 120 } }
failure = 0.1
crash = 0.1
kind.old = { failure = 0.9 }
"#;

#[test]
fn chances_are_kept_and_depend_on_the_kind_of_host() {
    let plan = plan(&format!("{DUT}{ONE_JOB}{PROCESSES}"), "");
    let statuses = |host| {
        let count = |wanted| {
            let reset = ProcessKind::Special(TaskKind::Reset);
            (0..2000).filter(|attempt| ending(&plan, reset, None, host, *attempt).exit_status == wanted).count()
        };
        [count(0), count(256), count(9)]
    };
    let [good, failed, crashed] = statuses(0);
    assert!((1540..1660).contains(&good) && (150..250).contains(&failed) && (150..250).contains(&crashed));
    let [good, failed, crashed] = statuses(5);
    assert!(good == 0 && (1740..1860).contains(&failed) && (140..260).contains(&crashed));
}

/// Hosts listed before all others, with jobs of their own, change neither when the others are out nor how their jobs go.
#[test]
fn what_is_added_changes_nobodys_luck() {
    let lab = |first: &str, checked: &str| {
        format!(
            r#"name = "lab"
{first}
[[host]]
name = "eve[1-3]"
kind = "eve"
labels = ["board:eve"]
[[workload.generate]]
name = "ci"
hours = 100
arrivals = {{ poisson = {{ per_hour = 2 }} }}
mix = [{{ profile = "boot", label = "board:eve" }}]
[[workload.generate]]
name = "checks"
hours = 100
arrivals = {{ every = {{ minutes = 300 }} }}
mix = [{{ profile = "check", each_host_of_kind = "eve" }}{checked}]
[processes.reset]
runtime = {{ lognormal = {{ median = 60, p95 = 120 }} }}
failure = 0.3
[[outage]]
hours_between = {{ exponential = {{ mean = 20 }} }}
hours_lasting = {{ exponential = {{ mean = 5 }} }}
share = 0.8
"#
        )
    };
    let small = plan(&lab("", ""), "");
    let added = "[[host]]\nname = \"bob[1-4]\"\nkind = \"bob\"\nlabels = [\"board:bob\"]\n";
    let large = plan(&lab(added, ", { profile = \"check\", each_host_of_kind = \"bob\" }"), "");
    assert!(large.jobs.len() > small.jobs.len() + 50);

    let luck = |plan: &Plan| -> Vec<String> {
        let is_old = |host: u32| plan.hosts[host as usize].name.starts_with("eve");
        let outages = plan.outages.iter().filter(|outage| is_old(outage.host));
        let outages = outages
            .map(|outage| format!("{} {} {}", outage.time.0, plan.hosts[outage.host as usize].name, outage.broken));
        let host =
            (0..).zip(&plan.hosts).find(|(_, host)| &*host.name == "eve1").map(|(index, _)| index).expect("eve1");
        let reset = |job: Option<u32>| ending(plan, ProcessKind::Special(TaskKind::Reset), job, host, 0);
        let jobs = (0..).zip(&plan.jobs).filter(|(_, job)| match &job.placement {
            Placement::Hosts(hosts) => hosts.iter().all(|host| is_old(*host)),
            Placement::Any { .. } | Placement::Hostless => true,
        });
        let jobs = jobs.map(|(index, job)| format!("{} {:?}", job.submit.0, reset(Some(index))));
        let mut luck: Vec<String> = outages.chain(jobs).chain([format!("{:?}", reset(None))]).collect();
        luck.sort();
        luck
    };
    assert_eq!(luck(&small), luck(&large));
}

/// Golden: the same file and seed mean the same everywhere and for ever. A change here changes every published result.
#[test]
fn plans_and_answers_never_change() {
    let scenario = format!(
        "{DUT}{}{PROCESSES}",
        ONE_JOB.replace("count = 1", "count = 3").replace("every = { minutes = 1 }", "poisson = { per_hour = 6 }")
    );
    let plan = plan_with_seed(&scenario, "", 42);
    let submitted: Vec<i64> = plan.jobs.iter().map(|job| job.submit.0).collect();
    assert_eq!(submitted, [966_163_052, 1_584_539_285, 1_665_674_993]);
    let reset = ending(&plan, ProcessKind::Special(TaskKind::Reset), Some(1), 0, 2);
    assert_eq!((reset.startup, reset.runtime, reset.exit_status), (Span(1_172_431), Span(40_939_337), 0));
}

proptest! {
    #[test]
    fn answers_depend_on_the_question_only(
        questions in prop::collection::vec((0..6_u32, 0..3_u32, any::<bool>()), 1..20)
    ) {
        let scenario = format!("{DUT}{ONE_JOB}{PROCESSES}");
        let (one, other) = (plan(&scenario, ""), plan(&scenario, ""));
        let ask = |plan: &Plan, (host, attempt, for_job): &(u32, u32, bool)| {
            ending(plan, ProcessKind::Special(TaskKind::Reset), for_job.then_some(0), *host, *attempt)
        };
        let forwards: Vec<Ending> = questions.iter().map(|question| ask(&one, question)).collect();
        let mut backwards: Vec<Ending> = questions.iter().rev().map(|question| ask(&other, question)).collect();
        backwards.reverse();
        prop_assert_eq!(forwards, backwards);
    }
}
