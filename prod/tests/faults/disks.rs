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
