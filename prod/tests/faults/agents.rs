//! What runs on drones is killed: agents, SSH servers, processes.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use super::dice::is_full;
use super::lab::{Kind, Lab, Place, Plan, in_each_place};
use super::processes::{self, Part};
use super::work::{Fate, bare};

in_each_place!(agents_killed_at_random_moments, sshd_killed_and_started_again, processes_killed);

async fn agents_killed_at_random_moments(place: Place) {
    let plan = Plan { hosts: 8, drones: 3, kind: Kind::Local, broken_host: true };
    let mut lab = Lab::new(place, plan).await;
    let (rounds, jobs) = if is_full() { (150, 4) } else { (24, 1) };
    let mut service = lab.serve();
    service.until_said("scheduling", 1).await;
    let mut killed = 0;
    for _ in 0..rounds {
        lab.submit_mixed(jobs).await;
        tokio::time::sleep(lab.dice.between(1, 300)).await;
        let drone = 1 + lab.dice.below(3) as u32;
        killed += processes::signal(&lab.results(drone), Part::Agent, Signal::KILL);
    }
    assert!(killed > rounds / 3, "only {killed} were killed");
    lab.all_is_well(service).await;
}

async fn sshd_killed_and_started_again(place: Place) {
    let plan = Plan { hosts: 8, drones: 3, kind: Kind::Ssh, broken_host: false };
    let mut lab = Lab::new(place, plan).await;
    let rounds = if is_full() { 20 } else { 4 };
    let service = lab.serve();
    for _ in 0..rounds {
        lab.submit_mixed(6).await;
        tokio::time::sleep(lab.dice.between(100, 1500)).await;
        let pause = lab.dice.between(0, 1000);
        let sshd = lab.sshd.as_mut().expect("a server");
        sshd.stop();
        tokio::time::sleep(pause).await;
        sshd.restart();
    }
    lab.all_is_well(service).await;
}

/// Whose test dies has failed, and its results say so; whose host's preparation dies runs elsewhere or later.
async fn processes_killed(place: Place) {
    let plan = Plan { hosts: 6, drones: 2, kind: Kind::Local, broken_host: false };
    let mut lab = Lab::new(place, plan).await;
    let mut service = lab.serve();
    let mut jobs = Vec::new();
    for number in 0..4 {
        jobs.push(lab.submit(&bare(&format!("doomed {number}"), "wait = true\n"), Fate::Failed).await);
    }
    lab.submit_mixed(6).await;
    let mut paths = Vec::new();
    for job in &jobs {
        let (drone, path) = lab.test_of(*job).await;
        let works = processes::parts(&lab.results(drone), Part::Work);
        works.iter().filter(|process| process.is_of(&path)).for_each(|process| process.signal(Signal::KILL));
        paths.push(path);
    }
    for job in &jobs {
        lab.until_status(*job, "Failed").await;
    }
    for path in &paths {
        let text = fs::read_to_string(path.join("job_failure")).expect("job_failure");
        assert_eq!(text.matches("disappeared without an exit status").count(), 1, "{text:?}");
    }
    lab.rest(&mut service).await;
    // Whatever runs, over and over; but a host whose Repair is killed is out of service.
    for _ in 0..15 {
        let (job, _) = super::work::mixed(lab.fates.len() as u64, &mut lab.dice);
        lab.submit(&job, Fate::Ended).await;
        tokio::time::sleep(lab.dice.between(20, 250)).await;
        let mut works = processes::parts(&lab.results(1), Part::Work);
        works.retain(|process| !process.words.iter().any(|word| word == "-R"));
        if !works.is_empty() {
            works[lab.dice.below(works.len() as u64) as usize].signal(Signal::KILL);
        }
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    lab.all_is_well(service).await;
}
