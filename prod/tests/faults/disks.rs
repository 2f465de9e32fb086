//! A drone that cannot write.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;

use super::lab::{AGENT, Kind, Lab, Place, Plan};
use super::processes::{self, Part};
use super::work::Fate;

const PLAN: Plan = Plan { hosts: 6, drones: 2, kind: Kind::Local, broken_host: false };

/// There is a file where the second drone's results should be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_results_directory_that_cannot_be_used() {
    let mut lab = Lab::new(Place::Sqlite, PLAN).await;
    fs::remove_dir_all(lab.results(2)).expect("removed");
    fs::write(lab.results(2), "in the way").expect("written");
    let mut service = lab.serve();
    lab.submit_mixed(12).await;
    service.until_said("the drone cannot be spoken to drone=drone2", 1).await;
    for job in lab.fates.keys().copied().collect::<Vec<_>>() {
        let fate = lab.fates[&job];
        lab.until_status(job, if fate == Fate::Failed { "Failed" } else { "Completed" }).await;
    }
    // Mended, it takes part.
    fs::remove_file(lab.results(2)).expect("removed");
    service.until_said("the drone answers drone=drone2", 1).await;
    lab.submit_mixed(12).await;
    lab.all_is_well(service).await;
    let marks = fs::read_to_string(lab.results(2).join(".practice/marks")).unwrap_or_default();
    assert!(!marks.is_empty(), "nothing ran on the mended drone");
}

/// The second drone's disk has room for little: it answers, and what is started there fails before it begins. It is started
/// where there is room, and no host suffers for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_without_room_for_a_start() {
    let mut lab = Lab::new(Place::Sqlite, PLAN).await;
    let wrapper = lab.folder().join("yardmaster-drone");
    // 8 blocks of 512 bytes: enough for what the agent writes to see whether it can.
    let script =
        format!("#!/bin/sh\ncase \"$*\" in *results2*) trap '' XFSZ; ulimit -f 8;; esac\nexec {AGENT} \"$@\"\n");
    fs::write(&wrapper, script).expect("written");
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).expect("made executable");
    lab.config.drones.local_agent_path = Some(wrapper);
    lab.write_configuration();
    let mut service = lab.serve();
    let control = format!("seconds = 0.1\n# {}\n", "x".repeat(20_000));
    for number in 0..8 {
        lab.submit(&super::work::bare(&format!("large {number}"), &control), Fate::Completed).await;
    }
    service.until_said("could not carry out a command", 1).await;
    lab.rest(&mut service).await;
    let marks = fs::read_to_string(lab.results(1).join(".practice/marks")).unwrap_or_default();
    assert_eq!(marks.lines().filter(|line| line.contains(".autoserv_execute")).count(), 8, "{marks}");
    lab.all_is_well(service).await;
}

/// Nobody knows where the second drone is: the rest goes on, and it takes part when its row is mended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drone_whose_row_makes_no_sense() {
    let mut lab = Lab::new(Place::Sqlite, PLAN).await;
    let of_second = "WHERE drone_id = (SELECT id FROM afe_drones WHERE hostname = 'drone2')";
    lab.run(&format!("UPDATE yardmaster_drones SET connection = 'ssh', port = 'none', users = 'nobody' {of_second}"))
        .await;
    let mut service = lab.serve();
    service.until_said("port: column 7 of a row should hold a whole number", 1).await;
    lab.submit_mixed(6).await;
    lab.rest(&mut service).await;
    lab.run(&format!("UPDATE yardmaster_drones SET connection = 'local', port = NULL, users = '' {of_second}")).await;
    service.until_said("the drone answers drone=drone2", 1).await;
    lab.submit_mixed(6).await;
    lab.all_is_well(service).await;
}

/// Whatever the second drone writes fails, as on a full disk: a limit on the size of files stands in for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk() {
    let mut lab = Lab::new(Place::Sqlite, PLAN).await;
    let (wrapper, full) = (lab.folder().join("yardmaster-drone"), lab.folder().join("full"));
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *results2*) if [ -e {full} ]; then trap '' XFSZ; ulimit -f 0; fi;; esac\n\
         exec {AGENT} \"$@\"\n",
        full = full.display()
    );
    fs::write(&wrapper, script).expect("written");
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).expect("made executable");
    lab.config.drones.local_agent_path = Some(wrapper);
    lab.write_configuration();
    let mut service = lab.serve();
    lab.submit_mixed(6).await;
    lab.rest(&mut service).await;
    fs::write(&full, "").expect("written");
    processes::signal(&lab.results(2), Part::Agent, Signal::KILL);
    service.until_said("the drone refuses drone=drone2 reason=\"cannot write", 1).await;
    // It gets nothing that would fail there: all of it is done elsewhere.
    lab.submit_mixed(12).await;
    lab.rest(&mut service).await;
    fs::remove_file(&full).expect("removed");
    processes::signal(&lab.results(2), Part::Agent, Signal::KILL);
    service.until_said("drone2 answers again", 1).await;
    lab.submit_mixed(6).await;
    lab.all_is_well(service).await;
}
