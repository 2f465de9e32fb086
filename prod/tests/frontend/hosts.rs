//! Hosts, their labels and groups, and the tasks that people ask for.

use crate::lab::{check_refused, count, host, lab, on_hosts, rows, words};
use crate::place::{Place, in_each_place};
use yardmaster::frontend::hosts::NewHosts;
use yardmaster::frontend::jobs::submit;
use yardmaster::frontend::view::TaskFilter;
use yardmaster::frontend::{acls, hosts, labels, tasks, view};
use yardmaster_engine::{HostStatus, Protection, TaskId, TaskKind};

in_each_place!(
    new_hosts_are_as_autotest_makes_them,
    locks_name_who_and_why,
    a_host_has_one_platform,
    hosts_without_a_group_are_for_everybody,
    tasks_are_asked_for_once
);

async fn new_hosts_are_as_autotest_makes_them(place: Place) {
    let database = lab(&place).await;
    let row = rows(&database).await.hosts.into_iter().find(|host| &*host.name == "dut1").expect("dut1");
    assert_eq!((row.status, row.protection), (HostStatus::Ready, Protection::None));
    assert_eq!((row.dirty, row.leased, row.locked, row.invalid), (true, true, false, false));
    assert_eq!(host(&database, "dut1").await.acl_groups, ["Everyone"]);

    let again = NewHosts::new(words(&["new1", "dut1"]));
    check_refused(hosts::add(&database, &again).await, &["host \"dut1\" is there already"]);
    for name in ["", "../etc", "a b", "-rf", "a/b", "ü"] {
        check_refused(hosts::add(&database, &NewHosts::new(words(&[name]))).await, &["cannot be a hostname"]);
    }
    assert_eq!(count(&database, "afe_hosts").await, 3, "refused as a whole");

    let id = host(&database, "dut1").await.id;
    hosts::lock(&database, &words(&["dut1"]), "alice", "x").await.expect("locked");
    hosts::delete(&database, &words(&["dut1"])).await.expect("deleted");
    check_refused(submit(&database, &on_hosts(&["dut1"])).await, &["no host \"dut1\""]);
    assert_eq!(hosts::add(&database, &NewHosts::new(words(&["dut1"]))).await.expect("back")[0].0, id);
    let back = host(&database, "dut1").await;
    assert_eq!((back.locked, back.labels.len(), back.acl_groups), (false, 0, words(&["Everyone"])));
    hosts::protect(&database, &words(&["dut1"]), Protection::DoNotVerify).await.expect("protected");
    assert_eq!(host(&database, "dut1").await.protection, "Do not verify");
}

async fn locks_name_who_and_why(place: Place) {
    let database = lab(&place).await;
    database.execute("UPDATE afe_hosts SET dirty = 0", Vec::new()).await.expect("clean");
    hosts::lock(&database, &words(&["dut1", "dut2"]), "alice", "new cables").await.expect("locked");
    let locked = host(&database, "dut1").await;
    assert_eq!((locked.locked, locked.dirty), (true, true), "whoever locks a host may use it by hand");
    assert_eq!((locked.locked_by.as_deref(), locked.lock_reason.as_deref()), (Some("alice"), Some("new cables")));
    assert!((view::Moment::now().0 - locked.locked_since.expect("a moment").0).abs() < 600);
    let both = hosts::lock(&database, &words(&["dut3", "dut1"]), "bob", "mine").await;
    check_refused(both, &["\"dut1\" is locked already, by alice: \"new cables\"", "host unlock dut1"]);
    assert!(!host(&database, "dut3").await.locked, "refused as a whole");
    check_refused(hosts::lock(&database, &words(&["dut3"]), "bob", " ").await, &["needs a reason"]);
    hosts::unlock(&database, &words(&["dut1", "dut3"])).await.expect("unlocked");
    let unlocked = host(&database, "dut1").await;
    assert_eq!((unlocked.locked, unlocked.locked_by, unlocked.lock_reason), (false, None, None));
    assert!(unlocked.dirty);
}

async fn a_host_has_one_platform(place: Place) {
    let database = lab(&place).await;
    labels::add(&database, "kevin", true).await.expect("a label");
    let (dut, kevin) = (words(&["dut1"]), words(&["kevin"]));
    let second = hosts::label(&database, &dut, &kevin, &[]).await;
    check_refused(second, &["\"dut1\" is of platform \"eve\"", "\"kevin\"", "--remove eve"]);
    hosts::label(&database, &dut, &kevin, &words(&["eve"])).await.expect("another platform");
    let changed = host(&database, "dut1").await;
    assert_eq!((changed.platform.as_deref(), changed.labels), (Some("kevin"), words(&["kevin", "pool"])));
    hosts::label(&database, &dut, &kevin, &[]).await.expect("again is no mistake");
    labels::delete(&database, "pool").await.expect("deleted");
    assert_eq!(host(&database, "dut1").await.labels, ["kevin"]);
    check_refused(labels::add(&database, "kevin", true).await, &["label \"kevin\" is there already"]);
    check_refused(labels::add(&database, "a,b", false).await, &["cannot be a label"]);
    let ids = labels::ensure(&database, &words(&["pool", "kevin", "new"])).await.expect("there");
    assert_eq!(ids.len(), 3);
    assert_eq!(view::labels(&database).await.expect("read").len(), 4);
}

async fn hosts_without_a_group_are_for_everybody(place: Place) {
    let database = lab(&place).await;
    let (group, dut) = ("team", words(&["dut1"]));
    acls::add(&database, group, "ours").await.expect("a group");
    acls::add_users(&database, group, &words(&["alice", "alice"])).await.expect("a user");
    acls::add_hosts(&database, group, &dut).await.expect("a host");
    assert_eq!(host(&database, "dut1").await.acl_groups, ["team"], "not for everybody any more");
    let groups = view::acls(&database).await.expect("read");
    let team = groups.iter().find(|acl| acl.name == group).expect("the group");
    assert_eq!((&team.users, &team.hosts), (&words(&["alice"]), &dut));
    acls::remove_users(&database, group, &words(&["alice"])).await.expect("removed");
    acls::remove_hosts(&database, group, &dut).await.expect("removed");
    assert_eq!(host(&database, "dut1").await.acl_groups, ["Everyone"]);
    acls::add_hosts(&database, group, &dut).await.expect("a host");
    acls::delete(&database, group).await.expect("deleted");
    assert_eq!(host(&database, "dut1").await.acl_groups, ["Everyone"]);
    check_refused(acls::delete(&database, "Everyone").await, &["\"Everyone\" cannot be deleted"]);
    check_refused(acls::add(&database, "Everyone", "").await, &["is there already"]);
}

async fn tasks_are_asked_for_once(place: Place) {
    let database = lab(&place).await;
    let two = words(&["dut1", "dut2"]);
    let first = tasks::request(&database, "alice", TaskKind::Verify, &two[..1]).await.expect("asked");
    let both = tasks::request(&database, "bob", TaskKind::Verify, &two).await.expect("asked");
    assert_eq!((both[0].task, both[0].new, both[1].new), (first[0].task, false, true));
    let repair = tasks::request(&database, "alice", TaskKind::Repair, &two[..1]).await.expect("asked");
    assert!(repair[0].new, "another kind is another task");
    let live = rows(&database).await.tasks;
    let task = live.iter().find(|task| task.id == first[0].task).expect("the task");
    assert_eq!((task.kind, task.entry, task.active, task.complete), (TaskKind::Verify, None, false, false));

    let started = "UPDATE afe_special_tasks SET is_active = 1 WHERE id = ?";
    database.execute(started, vec![first[0].task.0.into()]).await.expect("started");
    let next = tasks::request(&database, "alice", TaskKind::Verify, &two[..1]).await.expect("asked");
    assert!(next[0].new, "one that runs may have looked already");
    assert_eq!(tasks::abort(&database, &[first[0].task]).await.expect("aborted"), [first[0].task]);
    assert_eq!(tasks::abort(&database, &[first[0].task]).await.expect("aborted"), [], "it was");
    check_refused(tasks::abort(&database, &[TaskId(999)]).await, &["no special task \"999\""]);
    check_refused(tasks::request(&database, "alice", TaskKind::Provision, &two).await, &["belongs to a job"]);
    let listed = view::tasks(&database, &TaskFilter { limit: 10, ..TaskFilter::default() }).await.expect("read");
    let states: Vec<_> = listed.iter().map(|task| (task.id, task.state)).collect();
    let number = |requested: &tasks::Requested| requested.task.0;
    let expected = [
        (number(&next[0]), "queued"),
        (number(&repair[0]), "queued"),
        (number(&both[1]), "queued"),
        (number(&first[0]), "active"),
    ];
    assert_eq!(states, expected);
}
