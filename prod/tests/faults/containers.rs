//! Containers on drones are cleaned beside everything else, not more often than asked for, and not fatally.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use yardmaster::drones::Template;

use super::lab::{Kind, Lab, Place, Plan};
use super::work::{Fate, bare};

const PLAN: Plan = Plan { hosts: 2, drones: 2, kind: Kind::Local, broken_host: false };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_are_cleaned_now_and_then() {
    let mut lab = Lab::new(Place::Sqlite, PLAN).await;
    let cleaner = lab.folder().join("clean");
    let script =
        "#!/bin/sh\necho cleaned >> \"$1/cleaned.$2\"\n[ \"$2\" = drone1 ] || { echo no containers here; exit 3; }\n";
    fs::write(&cleaner, script).expect("written");
    fs::set_permissions(&cleaner, fs::Permissions::from_mode(0o700)).expect("made a program");
    let line = [cleaner.display().to_string(), "{results_dir} {drone}".to_owned()].to_vec();
    lab.config.commands.clean_containers = Template::try_from(line).expect("a command line");
    lab.config.drones.clean_containers_hours = 24.0;
    lab.write_configuration();
    let cleanings = |drone: u32| {
        let file = lab.results(drone).join(format!("cleaned.drone{drone}"));
        fs::read_to_string(file).unwrap_or_default().lines().count()
    };
    let mut service = lab.serve();
    service.until_said("scheduling", 1).await;
    lab.until("cleaning on both drones", || (1..=2).all(|drone| cleanings(drone) == 1)).await;
    let record = lab.results(2).join(".yardmaster/containers.json");
    let has_failed = || fs::read_to_string(&record).is_ok_and(|record| record.contains("exit status"));
    lab.until("the failure on the second drone", has_failed).await;
    service.stop().await;
    // It is told when the drone is asked next: here by the next scheduler.
    let mut service = lab.serve();
    service.until_said("orphaned containers could not be cleaned", 1).await;
    service.stop().await;
    let log = fs::read_to_string(lab.log_file()).expect("a log");
    assert!(log.contains("orphaned containers could not be cleaned"), "{log}");
    assert!(log.contains("ended with exit status: 3: no containers here"), "{log}");
    assert_eq!(log.matches("orphaned containers").count(), 1, "told once: {log}");
    assert_eq!((cleanings(1), cleanings(2)), (1, 1), "a day has not passed");

    let job = lab.submit(&bare("goes on", "seconds = 0.1\n"), Fate::Completed).await;
    let service = lab.serve();
    lab.until_status(job, "Completed").await;
    lab.all_is_well(service).await;
}
