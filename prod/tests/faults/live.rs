//! What people see of the drones while the scheduler works: from the database, on any machine.

use std::process::Command;

use rustix::process::Signal;
use serde_json::Value as Json;

use super::lab::{Kind, Lab, Place, Plan, in_each_place};
use super::processes::{self, Part};
use super::work::{Fate, bare};

in_each_place!(drones_are_seen_as_the_scheduler_sees_them);

impl Lab {
    /// What a command of the program's says.
    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yardmaster"));
        command.env_remove("YARDMASTER_CONFIG").arg("--config").arg(self.config_file()).args(arguments);
        let output = command.output().expect("it runs");
        String::from_utf8(output.stdout).expect("text")
    }

    /// The same, for programs.
    pub(crate) fn ask_json(&self, arguments: &[&str]) -> Json {
        let text = self.ask(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }

    fn drone(&self, number: usize) -> Json {
        self.ask_json(&["drone", "list"])[number - 1]["live"].clone()
    }
}

async fn drones_are_seen_as_the_scheduler_sees_them(place: Place) {
    let mut lab = Lab::new(place, Plan { hosts: 2, drones: 2, kind: Kind::Local, broken_host: false }).await;
    lab.config.drones.refresh_deadline_sec = 0.5;
    lab.write_configuration();
    assert!(lab.ask(&["drone", "list"]).contains("unknown"), "nobody has told of them");
    let mut service = lab.serve();
    service.until_said("scheduling", 1).await;
    let jobs = [
        lab.submit(&bare("one", "wait = true\n"), Fate::Completed).await,
        lab.submit(&bare("two", "wait = true\n"), Fate::Completed).await,
    ];
    let (mut second, mut paths) = (None, Vec::new());
    for job in jobs {
        let (drone, path) = lab.test_of(job).await;
        paths.push(path);
        second = if drone == 2 { Some(job) } else { second };
    }
    let job = second.expect("each drone has one").to_string();
    lab.until("processes and versions", || {
        let drone = lab.drone(2);
        drone["state"] == "up" && drone["processes"] == 1 && drone["agent"].is_string() && drone["free_disk"].is_u64()
    })
    .await;
    assert_eq!(lab.ask_json(&["why", &job])[0]["reason"], "running");
    assert!(processes::signal(&lab.results(2), Part::Agent, Signal::STOP) > 0, "no agent to stop");
    lab.until("its silence", || lab.drone(2)["state"] == "late" && lab.drone(1)["state"] == "up").await;
    lab.until("why the job does not get on", || lab.ask_json(&["why", &job])[0]["reason"] == "drone_silent").await;
    let why = lab.ask(&["why", &job]);
    assert!(why.contains("drone drone2, which does not answer"), "{why}");
    let status = lab.ask(&["status"]);
    assert!(status.contains("no, late since") && status.contains("1 of default"), "{status}");
    processes::signal(&lab.results(2), Part::Agent, Signal::CONT);
    lab.until("its return", || lab.drone(2)["state"] == "up").await;
    lab.until("that the job gets on", || lab.ask_json(&["why", &job])[0]["reason"] == "running").await;
    for path in paths {
        std::fs::write(path.join(".finish"), "0").expect("written");
    }
    lab.all_is_well(service).await;
}
