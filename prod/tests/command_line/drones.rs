//! Drones: added with their agent, asked, changed and removed.

use std::fs;

use serde_json::json;

use crate::machine::{Machine, keys};
use crate::sshd::Sshd;

#[test]
fn drones_are_kept() {
    let machine = Machine::with_lab();
    machine.ok("drone add here --no-install --local --max-processes 5 --user alice --set-name fast");
    assert_eq!(machine.ok("drone list").lines().last(), Some("here\tyes\tunknown\t5\t-\tlocal\tfast\talice\t-"));
    machine.ok("drone disable here --note disk");
    let drone = machine.json("drone show here");
    let expected = "address connection enabled id live login max_processes name note port results_dir set users wrong";
    assert_eq!(keys(&drone).join(" "), expected);
    assert_eq!((&drone["enabled"], &drone["note"]), (&json!(false), &json!("disk")));
    machine.ok("drone enable here");
    machine.ok("drone set here --everybody --max-processes 9");
    let drone = machine.json("drone show here");
    assert_eq!((&drone["enabled"], &drone["users"], &drone["max_processes"]), (&json!(true), &json!([]), &json!(9)));
    // A drone that was added as another kind than it is, and settings that are given back.
    machine.ok("drone set here --ssh --port 2222 --max-processes default");
    let drone = machine.json("drone show here");
    let columns = |drone: &serde_json::Value| ["connection", "port", "max_processes"].map(|key| drone[key].clone());
    assert_eq!(columns(&drone), [json!("ssh"), json!(2222), json!(null)]);
    machine.ok("drone set here --local --port default");
    assert_eq!(columns(&machine.json("drone show here")), [json!("local"), json!(null), json!(null)]);
    assert_eq!(machine.run("drone set here --max-processes many").status, 2);
    assert_eq!(machine.run("drone set here --local --ssh").status, 2);
    machine.ok("user set alice --drone-set fast");
    assert_eq!(machine.json("user list")[0]["drone_set"], json!("fast"));
    machine.ok("user set alice --no-drone-set");
    machine.ok("drone remove here");
    assert_eq!(machine.run("drone list").status, 3);
}

#[test]
fn a_local_drone_is_asked_who_it_is_before_it_is_added() {
    let machine = Machine::with_lab();
    let results = machine.home.path().join("results");
    let added = machine.json(&format!("drone add here --local --results-dir {}", results.display()));
    assert!(added["agent"]["cores"].as_u64().expect("a number") > 0, "{added}");
    let seen = fs::canonicalize(&results).expect("it was made").display().to_string();
    assert_eq!(added["agent"]["results"], json!(seen));
    assert!(machine.ok("drone check").contains("processors, "));
    machine.fails("drone add here --local", 1, &["drone \"here\" is there already"]);
    machine.fails("drone check her", 3, &["no drone \"her\"", "did you mean \"here\"?"]);

    // A results directory belongs to one lab.
    let other = Machine::with_lab();
    let stolen = format!("drone add here --local --results-dir {}", results.display());
    other.fails(&stolen, 1, &["drone here is not added", "--no-install"]);
    assert_eq!(other.run("drone list").status, 3);
}

#[test]
fn a_drone_over_ssh_gets_the_agent_and_answers() {
    let machine = Machine::with_lab();
    let mut sshd = Sshd::start(&machine.home.path().join("sshd"));
    let (agent, results) = (machine.home.path().join("bin/agent"), machine.home.path().join("far"));
    let text = format!(
        "[drones]\nidentity_file = {:?}\nknown_hosts = {:?}\nagent_path = {agent:?}\n",
        sshd.identity(),
        sshd.known_hosts()
    );
    machine.file("yardmaster.toml", &text);
    let line = format!("drone add far --address 127.0.0.1 --port {} --results-dir {}", sshd.port(), results.display());
    let added = machine.ok(&line);
    assert!(added.starts_with("far: added\nagent ") && added.contains(" processors, "), "{added}");
    assert!(agent.is_file() && results.is_dir());
    let answer = &machine.json("drone check far")[0];
    assert_eq!(keys(answer), ["agent", "drone", "error"]);
    assert_eq!((&answer["drone"], &answer["error"]), (&json!("far"), &json!(null)));

    sshd.stop();
    let silent = machine.run("drone check --json");
    assert_eq!(silent.status, 1, "{}{}", silent.out, silent.err);
    assert!(silent.out.contains("\"agent\": null"), "{}", silent.out);
    let second = line.replace("drone add far", "drone add second");
    machine.fails(&second, 1, &["drone second is not added", "cannot copy the agent"]);
    assert!(!machine.ok("drone list").contains("second"));
    assert!(machine.ok(&format!("{second} --no-install")).contains("added, unasked"));
    assert!(machine.ok("drone list").contains("second"));
}
