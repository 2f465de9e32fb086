//! Agents are replaced, and old results deleted, while jobs run.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::lab::{AGENT, Kind, Lab, Place, Plan};
use super::processes::{self, Part};
use super::work::{Fate, bare};

const PLAN: Plan = Plan { hosts: 3, drones: 1, kind: Kind::Ssh, broken_host: false };

/// What an agent of another version answers to every hello: it speaks protocol 1.
const OLD: &str = r#"#!/bin/sh
[ "$1" = serve ] || exit 0
body='{"id":1,"body":{"refused":{"other_protocol":{"agent":1,"scheduler":2}}}}'
printf '\nyardmaster-drone speaks 1\n'
printf "\\000\\000\\000\\$(printf %o ${#body})%s" "$body"
exec cat > /dev/null
"#;

/// A lab whose drone has an agent of its own, away from the program's folder.
async fn lab() -> Lab {
    let mut lab = Lab::new(Place::Sqlite, PLAN).await;
    let agent = lab.folder().join("bin/yardmaster-drone");
    fs::create_dir_all(lab.folder().join("bin")).expect("a folder");
    fs::copy(AGENT, &agent).expect("copied");
    lab.config.drones.agent_path = agent;
    lab.write_configuration();
    lab
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_is_replaced_while_a_job_runs() {
    let mut lab = lab().await;
    let mut service = lab.serve();
    service.until_said("scheduling", 1).await;
    let job = lab.submit(&bare("long", "wait = true\n"), Fate::Completed).await;
    let (_, path) = lab.test_of(job).await;
    let inode = || fs::metadata(&lab.config.drones.agent_path).expect("an agent").ino();
    let agents =
        || processes::parts(&lab.results(1), Part::Agent).into_iter().map(|agent| agent.pid).collect::<Vec<_>>();
    let (before, old) = (inode(), agents());
    let said = lab.ask(&["drone", "upgrade"]);
    assert!(said.contains("drone1") && said.contains("agent "), "{said}");
    assert_ne!(inode(), before, "it was not replaced");
    lab.until("the new agent at work", || {
        let now = agents();
        !now.is_empty() && now.iter().all(|agent| !old.contains(agent))
    })
    .await;
    lab.submit(&bare("next", "exit = 0\n"), Fate::Completed).await;
    fs::write(path.join(".finish"), "0").expect("written");
    lab.all_is_well(service).await;
}

/// It is told clearly, and an upgrade is all it takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_of_another_protocol_is_refused_until_it_is_replaced() {
    let mut lab = lab().await;
    fs::write(&lab.config.drones.agent_path, OLD).expect("written");
    fs::set_permissions(&lab.config.drones.agent_path, fs::Permissions::from_mode(0o755)).expect("made executable");
    let mut service = lab.serve();
    service.until_said("the agent speaks protocol 1, the scheduler 2: `yardmaster drone upgrade`", 1).await;
    let check = lab.ask(&["drone", "check"]);
    assert!(check.contains("`yardmaster drone upgrade`"), "{check}");
    lab.submit(&bare("waits", "exit = 0\n"), Fate::Completed).await;
    lab.ask(&["drone", "upgrade", "drone1"]);
    lab.all_is_well(service).await;
}

/// A program that does not run on the drone never takes the place of one that does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_does_not_run_there_replaces_nothing() {
    let mut lab = lab().await;
    let broken = lab.folder().join("broken");
    fs::write(&broken, "no program at all").expect("written");
    lab.config.drones.local_agent_path = Some(broken);
    lab.write_configuration();
    let inode = fs::metadata(&lab.config.drones.agent_path).expect("an agent").ino();
    let answers = lab.ask_json(&["drone", "upgrade"]);
    assert!(answers[0]["error"].is_string(), "{answers}");
    assert_eq!(fs::metadata(&lab.config.drones.agent_path).expect("an agent").ino(), inode);
    assert_eq!(fs::read_dir(lab.folder().join("bin")).expect("a folder").count(), 1, "nothing is left beside it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_results_are_deleted_and_needed_ones_stay() {
    let mut lab = Lab::new(Place::Sqlite, Plan { kind: Kind::Local, ..PLAN }).await;
    lab.config.drones.clean_after_days = 3.0 / 86_400.0;
    lab.write_configuration();
    let service = lab.serve();
    let long = lab.submit(&bare("long", "wait = true\n"), Fate::Completed).await;
    let (_, needed) = lab.test_of(long).await;
    let short = lab.submit(&bare("short", "exit = 0\n"), Fate::Completed).await;
    let (_, old) = lab.test_of(short).await;
    lab.until_status(short, "Completed").await;
    lab.until("the old results to go", || !old.exists()).await;
    let kept = lab.folder().join("repository").join(old.strip_prefix(lab.results(1)).expect("results"));
    assert!(kept.join("status.log").exists(), "they were deleted before they were fetched");
    assert!(needed.join(".autoserv_execute").exists(), "its test runs still");
    fs::write(needed.join(".finish"), "0").expect("written");
    lab.all_is_well(service).await;
}
