//! A drone that cannot write.

use std::fs;

use super::lab::{Kind, Lab, Place, Plan};
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
