//! Drones and users, and many who do things at once.

use crate::lab::{check_refused, lab, on_hosts, put, rows, words};
use crate::place::{Place, in_each_place};
use yardmaster::database::Database;
use yardmaster::frontend::abort::{AbortRequest, abort};
use yardmaster::frontend::drones::{DroneChange, DroneRequest, OrDefault};
use yardmaster::frontend::hosts::NewHosts;
use yardmaster::frontend::view::HostFilter;
use yardmaster::frontend::{drones, hosts, labels, tasks, users, view};
use yardmaster_engine::TaskKind;

in_each_place!(drones_are_found_by_the_scheduler, users_who_left_traces_stay, many_at_once_do_not_disturb_each_other);

async fn drones_are_found_by_the_scheduler(place: Place) {
    let database = lab(&place).await;
    let request = DroneRequest {
        max_processes: Some(7),
        users: words(&["alice"]),
        set: Some("fast".to_owned()),
        port: Some(2222),
        ..DroneRequest::ssh("drone1")
    };
    let id = drones::add(&database, &request).await.expect("added");
    drones::add(&database, &DroneRequest::local("here")).await.expect("added");
    let live = rows(&database).await;
    let drone = live.drones.iter().find(|drone| drone.id == id).expect("the drone");
    assert_eq!((&*drone.name, drone.enabled, drone.max_processes, drone.users.len()), ("drone1", true, 7, 1));
    assert_eq!(
        live.drone_sets.iter().map(|set| (&*set.name, set.drones.as_slice())).collect::<Vec<_>>(),
        [("fast", &[id][..])]
    );
    check_refused(drones::add(&database, &request).await, &["drone \"drone1\" is there already"]);

    let change = DroneChange {
        enabled: Some(false),
        users: Some(Vec::new()),
        set: Some(String::new()),
        note: Some("disk".to_owned()),
        ..DroneChange::default()
    };
    drones::change(&database, "drone1", &change).await.expect("changed");
    let drone =
        view::drones(&database).await.expect("read").into_iter().find(|drone| drone.name == "drone1").expect("it");
    assert_eq!((drone.enabled, drone.users.len(), drone.set, drone.note.as_deref()), (false, 0, None, Some("disk")));
    assert_eq!(
        (drone.max_processes, drone.port, drone.connection.as_str()),
        (Some(7), Some(2222), "ssh"),
        "the rest stays"
    );
    let stranger = DroneChange { users: Some(words(&["nobody"])), ..DroneChange::default() };
    check_refused(drones::change(&database, "drone1", &stranger).await, &["no user \"nobody\""]);
    // One that only Autotest's own table knows.
    database.execute("INSERT INTO afe_drones (hostname) VALUES ('old')", Vec::new()).await.expect("inserted");
    let enable = DroneChange { max_processes: Some(OrDefault::Own(3)), ..DroneChange::default() };
    drones::change(&database, "old", &enable).await.expect("changed");
    drones::remove(&database, "drone1").await.expect("removed");
    let names: Vec<_> = view::drones(&database).await.expect("read").into_iter().map(|drone| drone.name).collect();
    assert_eq!(names, ["here", "old"]);
}

async fn users_who_left_traces_stay(place: Place) {
    let database = lab(&place).await;
    put(&database, &on_hosts(&["dut1"])).await;
    check_refused(users::delete(&database, "alice").await, &["\"alice\" owns jobs", "stays on record"]);
    hosts::lock(&database, &words(&["dut1"]), "bob", "x").await.expect("locked");
    check_refused(users::delete(&database, "bob").await, &["\"bob\" has locked hosts"]);
    hosts::unlock(&database, &words(&["dut1"])).await.expect("unlocked");
    users::delete(&database, "bob").await.expect("deleted");
    check_refused(users::delete(&database, "bob").await, &["no user \"bob\""]);
    check_refused(users::add(&database, "alice", 0).await, &["user \"alice\" is there already"]);
    check_refused(users::add(&database, "../x", 0).await, &["cannot be a login"]);
    drones::add(&database, &DroneRequest { set: Some("fast".to_owned()), ..DroneRequest::local("d") })
        .await
        .expect("added");
    users::set_drone_set(&database, "alice", Some("fast")).await.expect("bound");
    let alice = rows(&database).await.users.into_iter().find(|user| &*user.login == "alice").expect("alice");
    assert!(alice.drone_set.is_some());
    users::set_drone_set(&database, "alice", None).await.expect("freed");
    let alice =
        view::users(&database).await.expect("read").into_iter().find(|user| user.login == "alice").expect("alice");
    assert_eq!((alice.drone_set, alice.acl_groups), (None, words(&["Everyone"])));
}

async fn many_at_once_do_not_disturb_each_other(place: Place) {
    let database = lab(&place).await;
    let mut people = Vec::new();
    for _ in 0..8 {
        // A connection of their own for each.
        let address = place.address.clone();
        people.push(tokio::spawn(async move {
            let database = Database::open(&address).await.expect("the database opens");
            let added = hosts::add(&database, &NewHosts::new(words(&["new1", "new2"]))).await.is_ok();
            let labelled = labels::ensure(&database, &words(&["fresh", "eve"])).await.is_ok();
            let task = tasks::request(&database, "alice", TaskKind::Verify, &words(&["dut1"])).await.expect("asked");
            let job = put(&database, &on_hosts(&["dut1", "dut2"])).await.job;
            let aborted = abort(&database, "bob", &AbortRequest::Jobs(vec![job])).await.expect("aborted");
            (added, labelled, task[0].new, aborted.len())
        }));
    }
    let mut told = Vec::new();
    for person in people {
        told.push(person.await.expect("nobody fails"));
    }
    let of = |holds: fn(&(bool, bool, bool, usize)) -> bool| told.iter().filter(|told| holds(told)).count();
    assert_eq!(of(|told| told.0), 1, "one adds the hosts, the others hear that they are there: {told:?}");
    assert_eq!(of(|told| told.1), 8, "{told:?}");
    assert_eq!(of(|told| told.2), 1, "one asks, the others find the task queued: {told:?}");
    assert_eq!(of(|told| told.3 == 2), 8, "{told:?}");
    assert_eq!(view::hosts(&database, &HostFilter::default()).await.expect("read").len(), 5);
}
