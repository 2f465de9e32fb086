//! The host scheduler as a process of its own.

use super::lab::{Kind, Lab, Place, Plan, in_each_place};
use super::service::Service;

in_each_place!(host_scheduler_of_its_own);

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
