//! Restricted subnets with real names: hosts and drones that are called by their addresses, and one that has none.

use std::process::Command;

use yardmaster::frontend::abort::{AbortRequest, abort};
use yardmaster::frontend::drones::{self, DroneRequest};
use yardmaster::frontend::hosts::{self, NewHosts};
use yardmaster_engine::JobId;

use super::lab::{Kind, Lab, Place, Plan};
use super::work::{Fate, OWNER, bare};

/// Drone 1 is `drone1`, which no name server knows: it is outside.
const PLAN: Plan = Plan { hosts: 1, drones: 1, kind: Kind::Local, broken_host: false };
const INSIDE: &str = "127.0.5.1";

impl Lab {
    fn why(&self, job: JobId) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yardmaster"));
        command.args(["--config", &self.config_file().display().to_string(), "--json", "why", &job.to_string()]);
        let said = command.env_remove("YARDMASTER_CONFIG").output().expect("it runs");
        String::from_utf8_lossy(&said.stdout).into_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_in_restricted_subnets_are_driven_from_within() {
    let mut lab = Lab::new(Place::Sqlite, PLAN).await;
    let mut request = DroneRequest::local(INSIDE);
    request.results_dir = Some(lab.results(2).display().to_string());
    drones::add(&lab.database, &request).await.expect("a drone");
    lab.plan.drones = 2;
    let names = ["127.0.6.1", "127.0.6.2", "127.1.0.1", "127.1.0.2"].map(str::to_owned).to_vec();
    hosts::add(&lab.database, &NewHosts::new(names)).await.expect("hosts");
    // The third one is in a subnet without a drone.
    lab.config.drones.restricted_subnets =
        ["127.0.0.0/16", "127.1.0.1/32"].map(|subnet| subnet.parse().expect("a subnet")).to_vec();
    lab.write_configuration();
    let service = lab.serve();

    let named = |name: &str, hosts: &[&str], synch_count: u32| {
        let mut job = bare(name, "seconds = 0.1\n");
        job.meta_hosts.clear();
        job.hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        job.synch_count = synch_count;
        job
    };
    let inside = lab.submit(&named("inside", &["127.0.6.1"], 1), Fate::Completed).await;
    let outside = lab.submit(&named("outside", &["127.1.0.2"], 1), Fate::Completed).await;
    let unknown = lab.submit(&named("unknown", &["dut01"], 1), Fate::Completed).await;
    assert_eq!(lab.test_of(inside).await.0, 2);
    assert_eq!(lab.test_of(outside).await.0, 1);
    assert_eq!(lab.test_of(unknown).await.0, 1, "a host that no name server knows counts as outside");

    let mixed = lab.submit(&named("mixed", &["127.0.6.2", "127.1.0.2"], 2), Fate::Aborted).await;
    let nowhere = lab.submit(&named("nowhere", &["127.1.0.1"], 1), Fate::Ended).await;
    for job in [mixed, nowhere] {
        lab.until_status(job, "Starting").await;
        let why = lab.why(job);
        assert!(why.contains("\"no_drone\""), "{why}");
    }
    // They stand in nobody's way.
    let other = lab.submit(&named("other", &["dut01"], 1), Fate::Completed).await;
    lab.until_status(other, "Completed").await;
    abort(&lab.database, OWNER, &AbortRequest::Jobs(vec![mixed])).await.expect("an abort");
    lab.until_status(mixed, "Aborted").await;

    // A drone comes into that subnet, and with it the job gets going.
    let mut request = DroneRequest::local("127.1.0.1");
    request.results_dir = Some(lab.results(3).display().to_string());
    drones::add(&lab.database, &request).await.expect("a drone");
    lab.plan.drones = 3;
    assert_eq!(lab.test_of(nowhere).await.0, 3);
    lab.all_is_well(service).await;
}
