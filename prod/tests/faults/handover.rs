//! Two schedulers, and settings that change.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use super::lab::{Kind, Lab, Place, Plan, in_each_place};
use super::service::Service;
use super::work::{Fate, bare};

in_each_place!(two_at_once);

const PLAN: Plan = Plan { hosts: 8, drones: 1, kind: Kind::Local, broken_host: false };

/// One works, one stands by and takes over when the first is dead and its term has run out, and one that may not wait ends.
async fn two_at_once(place: Place) {
    let mut lab = Lab::new(place, PLAN).await;
    let endless = lab.submit(&bare("long", "wait = true\n"), Fate::Completed).await;
    lab.submit_mixed(10).await;
    let logs = [lab.log_file(), lab.folder().join("other.log")];
    let patient = ["--set", "service.standby_seconds=300"];
    let mut both = logs.each_ref().map(|log| Service::start(&lab.config_file(), log, &patient));
    let (_, path) = lab.test_of(endless).await;
    let first = usize::from(both[1].said("scheduling") > 0);
    let second = 1 - first;
    both[second].until_said("standing by", 1).await;
    assert_eq!(both[second].said("scheduling"), 0, "both work");
    let mut third = Service::start(&lab.config_file(), &lab.folder().join("third.log"), &[]);
    assert_eq!(third.wait().await.code(), Some(1), "a third one is refused");
    assert_eq!(third.said("is the dispatcher of this database"), 1);

    let [one, other] = both;
    let (working, mut waiting) = if first == 0 { (one, other) } else { (other, one) };
    working.kill();
    lab.submit_mixed(10).await;
    waiting.until_said("scheduling", 1).await;
    fs::write(path.join(".finish"), "0").expect("written");
    lab.all_is_well(waiting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_change_while_it_works() {
    let mut lab = Lab::new(Place::Sqlite, PLAN).await;
    lab.config.scheduler.max_parse_processes = 1;
    lab.write_configuration();
    lab.behave("parse", "wait = true\n");
    let mut service = lab.serve();
    let mut jobs = Vec::new();
    for name in ["one", "two", "three"] {
        jobs.push(lab.submit(&bare(name, "seconds = 0.1\n"), Fate::Completed).await);
    }
    for job in &jobs {
        lab.until_status(*job, "Parsing").await;
    }
    let parsers = |lab: &Lab| lab.marks().keys().filter(|(_, name)| name == ".parser_execute").count();
    lab.until("a parser", || parsers(&lab) == 1).await;

    // A file that makes no sense changes nothing.
    fs::write(lab.config_file(), "[scheduler]\nmax_parse_processes = 3\nminimum_tick_sec = -1\n").expect("written");
    service.signal(Signal::HUP);
    service.until_said("the settings stay as they are", 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(parsers(&lab), 1, "more parsers than it allowed");

    lab.config.scheduler.max_parse_processes = 2;
    lab.write_configuration();
    service.signal(Signal::HUP);
    lab.until("a second parser", || parsers(&lab) == 2).await;
    assert_eq!(service.said("settings read again"), 1);
    for job in jobs {
        let (_, path) = lab.test_of(job).await;
        fs::write(path.join(".finish"), "0").expect("written");
    }
    lab.all_is_well(service).await;
}

/// Without a restart: limits, how drones are reached, mail, what is logged. What needs one is named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_can_change_at_once_does() {
    let mut lab = Lab::new(Place::Sqlite, Plan { drones: 1, ..PLAN }).await;
    lab.config.scheduler.max_processes_per_drone = 1;
    lab.config.log.filter = "info".to_owned();
    lab.write_configuration();
    let mut service = lab.serve();
    let (first, second) = (
        lab.submit(&bare("first", "wait = true\n"), Fate::Completed).await,
        lab.submit(&bare("second", "wait = true\n"), Fate::Completed).await,
    );
    let (_, path) = lab.test_of(first).await;
    lab.until_status(second, "Starting").await;
    let answered = service.said("the drone answers");
    // Another way to the same agent.
    let link = lab.folder().join("yardmaster-drone");
    std::os::unix::fs::symlink(super::lab::AGENT, &link).expect("a link");
    lab.config.drones.local_agent_path = Some(link);
    lab.config.scheduler.max_processes_per_drone = 10;
    lab.config.log.filter = "debug".to_owned();
    lab.config.log.format = yardmaster::service::config::LogFormat::Json;
    lab.config.service.lifetime_hours = 1000.0;
    lab.config.notify.operators = vec!["operators@lab.example".to_owned()];
    lab.write_configuration();
    assert_eq!(service.said("DEBUG"), 0);
    service.signal(Signal::HUP);
    service.until_said("settings read again", 1).await;
    service.until_said("DEBUG", 1).await;
    service.until_said("the drone answers", answered + 1).await;
    let (_, other) = lab.test_of(second).await;
    assert_eq!(service.said("it counts from the next start key=\"log.format\""), 1);
    assert_eq!(service.said("it counts from the next start"), 1);
    let now = ["drones.local_agent_path", "log.filter", "notify.operators", "service.lifetime_hours"];
    for key in now.iter().chain(&["scheduler.max_processes_per_drone"]) {
        assert_eq!(service.said(&format!("it counts from now on key=\"{key}\"")), 1, "{key}");
    }
    for path in [path, other] {
        fs::write(path.join(".finish"), "0").expect("written");
    }
    lab.all_is_well(service).await;
}
