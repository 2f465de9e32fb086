//! `yardmaster snapshot`, `forecast` and `why`, as they are typed.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use yardmaster::database::{Database, DatabaseAddress};

use crate::lab::{fill, with_past};
use crate::machine::Machine;

/// A machine whose embedded database has a lab with a past.
fn machine() -> Machine {
    let machine = Machine::new();
    machine.ok("db migrate");
    let file = machine.home.path().join(".local/state/yardmaster/yardmaster.db");
    // The program's zone is UTC; SQLite here must agree: moments are local times.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let database = Database::open(&DatabaseAddress::Sqlite(file)).await.expect("opened");
        fill(&database).await;
        with_past(&database).await;
    });
    machine
}

#[test]
fn a_snapshot_is_written_for_its_owner_alone_and_forecast() {
    let machine = machine();
    let said = machine.ok("snapshot -o now.json.gz --days 7");
    assert!(said.contains("3 live entries on 3 hosts; 13 jobs and 10 special tasks of 7 days"), "{said}");
    let file = machine.home.path().join("now.json.gz");
    let mode = std::fs::metadata(&file).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let left: Vec<_> =
        std::fs::read_dir(machine.home.path()).expect("listed").flatten().map(|file| file.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".snapshot-")), "{left:?}");
    machine.fails("snapshot -o /nowhere/now.json", 1, &["cannot write the snapshot /nowhere/now.json"]);
}

#[test]
fn the_live_database_is_forecast() {
    let machine = machine();
    let ran = machine.run("forecast --days 7 --replications 20");
    assert_eq!(ran.status, 0, "{}", ran.err);
    for part in ["20 replications, seed 1; no new jobs come", "the last job starts after", "R66-2.0.0/bvt/boot"] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let all: Value =
        serde_json::from_str(&machine.run("forecast --days 7 --replications 20 --json").out).expect("JSON");
    assert_eq!(all["jobs"].as_array().map(Vec::len), Some(3));
    let again: Value =
        serde_json::from_str(&machine.run("forecast --days 7 --replications 20 --json").out).expect("JSON");
    let medians = |said: &Value| said["jobs"][1]["end"]["p50"].as_f64().expect("a number");
    assert!((medians(&all) - medians(&again)).abs() < 30.0, "a moment later");
    let locked = machine.run("forecast --days 7 --replications 20 --lock dut[1-3] --json");
    let locked: Value = serde_json::from_str(&locked.out).expect("JSON");
    assert_eq!(locked["after"]["never"].as_array().map(Vec::len), Some(2), "{}", locked["after"]["never"]);
    assert_eq!(machine.run("host list --json").out.matches("\"locked\": true").count(), 0, "nothing was changed");
    machine.fails("forecast --lock dutt1", 1, &["no host is called \"dutt1\": did you mean \"dut1\"?"]);
    machine.fails("forecast --job 999", 1, &["job 999 does not exist, or has ended"]);
    machine.fails("forecast --arrivals history --days 1 --add-hosts kevin=2", 1, &["no host is of kind \"kevin\""]);
    machine.fails("forecast --add-hosts eve", 2, &["expected KIND=N, as eve=6"]);
}

/// What is learned from the database is what is learned from a snapshot of it, and can be simulated.
#[test]
fn a_lab_is_learned_from_its_database() {
    let machine = machine();
    let said = machine.ok("fit -o lab.toml --days 7");
    assert!(said.contains("lab.toml: learned from 13 jobs; 3 hosts, "), "{said}");
    let plan = yardmaster_sim::workload::load(&machine.home.path().join("lab.toml"), 1).expect("a scenario");
    assert_eq!(plan.hosts.iter().map(|host| &*host.kind).collect::<Vec<_>>(), ["eve"; 3]);
    let recording = yardmaster_sim::simulate(&plan, 1, |_| {}).expect("it runs");
    assert_eq!(recording.jobs.len(), plan.jobs.len());
    assert!(!plan.jobs.is_empty(), "ten jobs a day or so");
    machine.ok("fit -o hidden.toml --days 7 --pseudonyms --salt x");
    let hidden = std::fs::read_to_string(machine.home.path().join("hidden.toml")).expect("written");
    assert!(!hidden.contains("alice") && !hidden.contains("dut1"), "{hidden}");
    machine.fails("fit -o lab.toml --salt x", 2, &["--pseudonyms"]);
}

#[test]
fn why_estimates_unless_told_not_to() {
    let machine = machine();
    let told = machine.ok("why 12");
    assert!(told.contains("it will probably start within ") && told.contains("if no new jobs come"), "{told}");
    assert!(machine.ok("why 11").contains("it will probably end within "), "it runs");
    assert!(!machine.ok("why 12 --no-estimate").contains("probably"));
    let json = machine.json("why 12");
    assert!(json[0]["estimate"]["start"]["p50"].as_f64().is_some(), "{json}");
    assert!(json[0]["reason"].is_string(), "{json}");
    assert!(machine.json("why 12 --no-estimate")[0]["estimate"].is_null());
}
