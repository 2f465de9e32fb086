//! The host scheduler as a process of its own.

use super::lab::{Kind, Lab, Place, Plan, in_each_place};
use super::service::Service;

in_each_place!(host_scheduler_of_its_own);

/// Files that differ: the dispatcher's says that it gives out hosts itself. Whoever comes second is refused, with the reason.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_scheduler_beside_one_that_gives_out_hosts() {
    let mut lab = Lab::new(Place::Sqlite, Plan { hosts: 2, drones: 1, kind: Kind::Local, broken_host: false }).await;
    let mut dispatcher = lab.serve();
    dispatcher.until_said("scheduling", 1).await;
    lab.config.scheduler.inline_host_acquisition = false;
    lab.write_configuration();
    let log = lab.folder().join("host-scheduler.log");
    let mut host_scheduler = Service::start_as("host-scheduler", &lab.config_file(), &log, &[], &[]);
    assert!(!host_scheduler.wait().await.success());
    assert_eq!(host_scheduler.said("scheduler.inline_host_acquisition = true"), 1);
    lab.submit_mixed(4).await;
    lab.all_is_well(dispatcher).await;
}

/// It gives hosts to jobs, and dies at that now and then; the dispatcher does everything else.
async fn host_scheduler_of_its_own(place: Place) {
    let mut lab = Lab::new(place, Plan { hosts: 8, drones: 2, kind: Kind::Local, broken_host: false }).await;
    lab.config.scheduler.inline_host_acquisition = false;
    lab.write_configuration();
    let mut dispatcher = lab.serve();
    dispatcher.until_said("scheduling", 1).await;
    lab.submit_mixed(20).await;
    let log = lab.folder().join("host-scheduler.log");
    for lives in 1..=4 {
        let mut host_scheduler = Service::start_as("host-scheduler", &lab.config_file(), &log, &[], &[]);
        host_scheduler.until_said("scheduling", 1).await;
        let given = host_scheduler.said("INFO entry");
        lab.submit_mixed(5).await;
        host_scheduler.until_said("INFO entry", given + 1).await;
        assert_eq!(dispatcher.said("INFO scheduling"), 1);
        if lives < 4 {
            host_scheduler.kill();
            continue;
        }
        lab.rest(&mut dispatcher).await;
        host_scheduler.stop().await;
        lab.all_is_well(dispatcher).await;
        return;
    }
}
