//! A scenario is read once and drawn from often, by many threads, and may be a table that a program has changed.

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use yardmaster_engine::Span;
use yardmaster_sim::workload::{Plan, Scenario, load};

fn table(path: &Path) -> toml::Table {
    std::fs::read_to_string(path).expect("readable").parse().expect("a table")
}

#[track_caller]
fn assert_same(a: &Plan, b: &Plan) {
    assert_eq!((&a.name, a.start, a.end, a.unix_time), (&b.name, b.start, b.end, b.unix_time));
    assert_eq!((&a.hosts, &a.drones, &a.settings), (&b.hosts, &b.drones, &b.settings));
    assert!(a.jobs == b.jobs, "the jobs differ");
    assert!(a.outages == b.outages, "the outages differ");
}

#[test]
fn a_table_is_the_file_that_it_was_read_from() {
    for name in ["poisson-lab.toml", "push-bursts.toml", "cip-lab.toml", "kth-sp2.toml"] {
        let path = common::repository("scenarios").join(name);
        let scenario = Scenario::from_table(table(&path), &path).unwrap_or_else(|error| panic!("{error}"));
        let plan = scenario.plan(3).unwrap_or_else(|error| panic!("{error}"));
        assert_same(&plan, &load(&path, 3).unwrap_or_else(|error| panic!("{error}")));
        assert_eq!(scenario.name(), plan.name);
    }
}

#[test]
fn threads_share_a_scenario() {
    let scenario = Scenario::read(&common::repository("scenarios/poisson-lab.toml")).expect("a scenario");
    let alone: Vec<Plan> = (0..4).map(|seed| scenario.plan(seed).expect("a plan")).collect();
    assert!(alone[0].jobs != alone[1].jobs);
    let draw = &|seed| scenario.plan(seed).expect("a plan");
    std::thread::scope(|scope| {
        let threads = [3, 1, 0, 2].map(|seed| (seed, scope.spawn(move || draw(seed))));
        for (seed, thread) in threads {
            assert_same(&alone[seed as usize], &thread.join().expect("no panic"));
        }
    });
}

#[test]
fn a_scenario_that_is_made_to_last_goes_on_with_what_ended_it() {
    let path = common::repository("scenarios/poisson-lab.toml");
    let day = Span::from_hours(24);
    let days_of = |table: toml::Table, workload: &str| {
        let table = Scenario::without_end(table, &path).expect("a scenario");
        let plan = Scenario::lasting(table, &path, day * 10).expect("a scenario").plan(1).expect("a plan");
        let of_it = plan.jobs.iter().filter(|job| &*job.workload == workload);
        of_it.map(|job| (job.submit - plan.start).0 / day.0).collect::<BTreeSet<i64>>()
    };
    let all: BTreeSet<i64> = (0..10).collect();
    for workload in ["developers", "builds"] {
        assert_eq!(days_of(table(&path), workload), all, "both stop after a week, as the scenario does");
    }
    let mut shorter = table(&path);
    shorter["workload"]["generate"][0]["hours"] = 48.into();
    assert_eq!(days_of(shorter.clone(), "developers"), BTreeSet::from([0, 1]), "the other one goes on after it");
    assert_eq!(days_of(shorter, "builds"), all);
}

#[test]
fn mistakes_in_a_table_are_named_by_their_key() {
    let path = common::repository("scenarios/poisson-lab.toml");
    let error = |change: fn(&mut toml::Table)| {
        let mut table = table(&path);
        change(&mut table);
        Scenario::from_table(table, Path::new("plans/growth.toml")).expect_err("a mistake").to_string()
    };
    let hosts = error(|table| table["host"][2]["name"] = "scarlet[1-".into());
    assert!(hosts.starts_with("plans/growth.toml: host[2].name: "), "{hosts}");
    let unknown = error(|table| table["processes"]["repair"] = toml::from_str("runtim = 3").expect("a table"));
    assert!(unknown.starts_with("plans/growth.toml: processes.repair.runtim: unknown field"), "{unknown}");
    assert!(unknown.ends_with("did you mean \"runtime\"?"), "{unknown}");
}
