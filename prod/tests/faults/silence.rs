//! A drone that stops answering for a while.

use std::time::{Duration, SystemTime};

use rustix::process::Signal;

use super::dice::is_full;
use super::lab::{Kind, Lab, Place, Plan, in_each_place};
use super::processes::{self, Part};
use super::work::{Fate, bare};

in_each_place!(a_stopped_drone);

async fn a_stopped_drone(place: Place) {
    let plan = Plan { hosts: 9, drones: 3, kind: Kind::Ssh, broken_host: false };
    let mut lab = Lab::new(place, plan).await;
    lab.config.drones.refresh_deadline_sec = 0.5;
    lab.config.drones.act_deadline_sec = 1.0;
    lab.write_configuration();
    let mut service = lab.serve();
    // Else all hosts may be at work for the drone that is then stopped.
    service.until_said("the drone answers", 3).await;
    lab.submit_mixed(12).await;
    for number in 0..3 {
        lab.submit(&bare(&format!("early {number}"), "seconds = 1\n"), Fate::Completed).await;
    }
    lab.until("work on the second drone", || !processes::parts(&lab.results(2), Part::Work).is_empty()).await;
    assert!(processes::signal(&lab.results(2), Part::Agent, Signal::STOP) > 0, "no agent to stop");
    let stopped = SystemTime::now();
    let silence = Duration::from_secs(if is_full() { 60 } else { 5 });
    service.until_said("drone2 does not answer", 1).await;
    // The others go on: these begin and end meanwhile.
    let mut during = Vec::new();
    for number in 0..3 {
        during.push(lab.submit(&bare(&format!("meanwhile {number}"), "seconds = 0.2\n"), Fate::Completed).await);
    }
    for job in during {
        lab.until_status(job, "Completed").await;
    }
    tokio::time::sleep(silence.saturating_sub(stopped.elapsed().unwrap_or_default())).await;
    processes::signal(&lab.results(2), Part::Agent, Signal::CONT);
    service.until_said("drone2 answers again", 1).await;
    lab.submit_mixed(6).await;
    lab.all_is_well(service).await;
}
