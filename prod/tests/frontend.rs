//! What people do to a lab, on SQLite and on MariaDB: the rows that the scheduler then finds.

#[path = "support/mariadb.rs"]
mod mariadb;
#[path = "stores/place.rs"]
mod place;

use place::{Place, in_each_place, number};
use yardmaster::database::{Database, schema};
use yardmaster::frontend::abort::{AbortRequest, abort};
use yardmaster::frontend::drones::{DroneChange, DroneRequest};
use yardmaster::frontend::hosts::NewHosts;
use yardmaster::frontend::jobs::{JobRequest, Submitted, submit};
use yardmaster::frontend::suites::{SuiteRequest, submit_suite};
use yardmaster::frontend::view::{self, HostFilter, HostView, JobFilter, TaskFilter};
use yardmaster::frontend::why::{Explained, explain};
use yardmaster::frontend::{FrontendError, MetaHost, Priority, acls, drones, hosts, labels, tasks, users};
use yardmaster::store::snapshot;
use yardmaster_engine::{
    EntryId, EntryStatus, HostStatus, JobId, LiveRows, Protection, RebootAfter, RebootBefore, Settings, Span, TaskId,
    TaskKind, Time,
};

in_each_place!(
    a_submitted_job_is_what_the_scheduler_loads,
    a_job_that_makes_no_sense_is_refused_and_leaves_nothing,
    names_that_do_not_exist_are_told_with_the_nearest,
    a_thousand_entries_are_submitted_at_once,
    abort_marks_what_is_left_and_passes_it_on,
    a_suite_is_submitted_with_its_children,
    new_hosts_are_as_autotest_makes_them,
    locks_name_who_and_why,
    a_host_has_one_platform,
    hosts_without_a_group_are_for_everybody,
    tasks_are_asked_for_once,
    drones_are_found_by_the_scheduler,
    users_who_left_traces_stay,
    lists_can_be_filtered,
    why_is_told_in_words,
);

/// A lab: users alice and bob, platform eve, label pool, hosts dut1 to dut3, all eve, dut1 in the pool.
async fn lab(place: &Place) -> Database {
    let database = place.open().await;
    schema::migrate(&database).await.expect("migrated");
    for login in ["alice", "bob"] {
        users::add(&database, login, 0).await.expect("a user");
    }
    labels::add(&database, "eve", true).await.expect("a label");
    labels::add(&database, "pool", false).await.expect("a label");
    let new = NewHosts { labels: words(&["eve"]), ..NewHosts::new(words(&["dut1", "dut2", "dut3"])) };
    hosts::add(&database, &new).await.expect("hosts");
    hosts::label(&database, &words(&["dut1"]), &words(&["pool"]), &[]).await.expect("a label");
    database
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn on_hosts(names: &[&str]) -> JobRequest {
    JobRequest { hosts: words(names), control_file: "pass".to_owned(), ..JobRequest::new("alice", "smoke") }
}

fn on_label(label: &str, count: u32) -> JobRequest {
    let meta_hosts = vec![MetaHost { label: label.to_owned(), count }];
    JobRequest { meta_hosts, ..JobRequest::new("alice", "smoke") }
}

async fn put(database: &Database, request: &JobRequest) -> Submitted {
    submit(database, request).await.expect("submitted")
}

async fn rows(database: &Database) -> LiveRows {
    let found = snapshot(database, 1000).await.expect("read");
    assert_eq!(found.quarantined, []);
    found.rows
}

async fn count(database: &Database, table: &str) -> i64 {
    number(database, &format!("SELECT COUNT(*) FROM {table}"), Vec::new()).await
}

async fn host(database: &Database, name: &str) -> HostView {
    let found = view::hosts(database, &HostFilter::default()).await.expect("read");
    found.into_iter().find(|host| host.name == name).expect(name)
}

#[track_caller]
fn check_refused<T: std::fmt::Debug>(outcome: Result<T, FrontendError>, parts: &[&str]) {
    let message = outcome.expect_err("refused").to_string();
    for part in parts {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

async fn a_submitted_job_is_what_the_scheduler_loads(place: Place) {
    let database = lab(&place).await;
    let parent = put(&database, &JobRequest { hostless: true, ..JobRequest::new("alice", "suite") }).await.job;
    let request = JobRequest {
        priority: Priority(70),
        meta_hosts: vec![MetaHost { label: "eve".to_owned(), count: 2 }],
        synch_count: 3,
        dependencies: words(&["pool", "pool"]),
        reboot_before: RebootBefore::Always,
        reboot_after: RebootAfter::IfAllTestsPassed,
        run_verify: true,
        run_reset: false,
        timeout_mins: 90,
        max_runtime_mins: 61,
        keyvals: vec![("build".to_owned(), "R99 'ü'".to_owned())],
        parent: Some(parent),
        email: words(&["a@lab.example", "b@lab.example"]),
        test_retry: 2,
        require_ssp: Some(true),
        ..on_hosts(&["dut2", "dut1"])
    };
    let submitted = put(&database, &request).await;
    assert_eq!(submitted.entries.len(), 4);

    let rows = rows(&database).await;
    let job = rows.jobs.iter().find(|job| job.id == submitted.job).expect("the job");
    let owner = rows.users.iter().find(|user| user.id == job.owner).expect("the owner");
    assert_eq!((&*owner.login, &*job.name, job.priority, job.synch_count), ("alice", "smoke", 70, 3));
    assert_eq!((job.run_verify, job.run_reset, job.parent), (true, false, Some(parent)));
    assert_eq!((job.reboot_before, job.reboot_after), (RebootBefore::Always, RebootAfter::IfAllTestsPassed));
    assert_eq!((job.timeout, job.max_runtime), (Span::from_minutes(90), Span::from_minutes(61)));
    assert_eq!(job.labels.len(), 1);
    let entries: Vec<_> = rows.entries.iter().filter(|entry| entry.job == submitted.job).collect();
    let host = |name: &str| rows.hosts.iter().find(|host| &*host.name == name).map(|host| host.id);
    let eve = rows.labels.iter().find(|label| &*label.name == "eve").map(|label| label.id);
    let asked: Vec<_> = entries.iter().map(|entry| (entry.host, entry.meta_host)).collect();
    assert_eq!(asked, [(host("dut2"), None), (host("dut1"), None), (None, eve), (None, eve)]);
    assert!(entries.iter().all(|entry| entry.status == EntryStatus::Queued && !entry.active && !entry.aborted));
    assert_eq!(rows.ineligible.iter().filter(|row| row.job == submitted.job).count(), 2);

    let detail = view::job(&database, submitted.job).await.expect("read").expect("the job");
    assert_eq!(detail.keyvals.get("build").map(String::as_str), Some("R99 'ü'"));
    assert_eq!((detail.control_file.as_str(), detail.dependencies), ("pass", words(&["pool"])));
    let age = view::Moment::now().0 - detail.job.created.expect("a moment").0;
    assert!((-5..600).contains(&age), "submitted {age} s ago");
    let hours = number(
        &database,
        "SELECT timeout * 100 + max_runtime_hrs FROM afe_jobs WHERE id = ?",
        vec![submitted.job.0.into()],
    )
    .await;
    assert_eq!(hours, 202, "whole hours, rounded up");
}

async fn a_job_that_makes_no_sense_is_refused_and_leaves_nothing(place: Place) {
    let database = lab(&place).await;
    let long = "x".repeat(301);
    for (request, parts) in [
        (JobRequest::new("alice", "j"), ["is for no host", "hostless"]),
        (JobRequest { hostless: true, ..on_hosts(&["dut1"]) }, ["is hostless and names hosts", "leave out"]),
        (on_hosts(&["dut1", "dut1"]), ["\"dut1\" twice", "once on a host"]),
        (JobRequest { synch_count: 3, ..on_hosts(&["dut1", "dut2"]) }, ["wants 3 hosts at once", "has 2"]),
        (JobRequest { synch_count: 0, ..on_hosts(&["dut1"]) }, ["wants 0 hosts", "between 1"]),
        (JobRequest { timeout_mins: 0, ..on_hosts(&["dut1"]) }, ["has no time", "one minute"]),
        (JobRequest { name: " ".to_owned(), ..on_hosts(&["dut1"]) }, ["job \" \"", "has no name"]),
        (JobRequest { keyvals: vec![("k".to_owned(), long)], ..on_hosts(&["dut1"]) }, ["keyval", "300 characters"]),
        (JobRequest { parent: Some(JobId(999)), ..on_hosts(&["dut1"]) }, ["no job \"999\"", "job list"]),
        (
            JobRequest { drone_set: Some("fast".to_owned()), ..on_hosts(&["dut1"]) },
            ["no drone set \"fast\"", "drone list"],
        ),
        // Found only after the job was written.
        (
            JobRequest { dependencies: words(&["nolabel"]), ..on_hosts(&["dut1"]) },
            ["no label \"nolabel\"", "label list"],
        ),
    ] {
        check_refused(submit(&database, &request).await, &parts);
    }
    for table in ["afe_jobs", "afe_host_queue_entries", "afe_ineligible_host_queues", "afe_job_keyvals"] {
        assert_eq!(count(&database, table).await, 0, "{table}");
    }
}

async fn names_that_do_not_exist_are_told_with_the_nearest(place: Place) {
    let database = lab(&place).await;
    check_refused(
        submit(&database, &on_hosts(&["dut1", "dutt2"])).await,
        &["no host \"dutt2\"", "did you mean \"dut2\"?"],
    );
    check_refused(submit(&database, &on_label("pol", 1)).await, &["no label \"pol\"", "did you mean \"pool\"?"]);
    let stranger = JobRequest { owner: "alicia".to_owned(), ..on_hosts(&["dut1"]) };
    check_refused(submit(&database, &stranger).await, &["no user \"alicia\"", "did you mean \"alice\"?", "user add"]);
    let nobody = JobRequest { owner: "zzzzzz".to_owned(), ..on_hosts(&["dut1"]) };
    let message = submit(&database, &nobody).await.expect_err("refused").to_string();
    assert!(!message.contains("did you mean"), "{message}");
    check_refused(hosts::unlock(&database, &words(&["dut"])).await, &["no host \"dut\"", "host list"]);
    check_refused(acls::add_users(&database, "Everyon", &[]).await, &["ACL group \"Everyon\"", "mean \"Everyone\"?"]);
}

async fn a_thousand_entries_are_submitted_at_once(place: Place) {
    let database = lab(&place).await;
    let names: Vec<String> = (0..1200).map(|number| format!("n{number:04}")).collect();
    hosts::add(&database, &NewHosts::new(names.clone())).await.expect("hosts");
    let request = JobRequest { hosts: names, ..on_label("eve", 300) };
    let submitted = put(&database, &request).await;
    assert_eq!(submitted.entries.len(), 1500);
    let rows = rows(&database).await;
    assert_eq!(rows.entries.len(), 1500);
    assert_eq!(rows.ineligible.len(), 1200);
    let marked = abort(&database, "alice", &AbortRequest::Entries(submitted.entries.clone())).await.expect("aborted");
    assert_eq!(marked, submitted.entries);
}

async fn abort_marks_what_is_left_and_passes_it_on(place: Place) {
    let database = lab(&place).await;
    let hostless = |parent| JobRequest { hostless: true, parent, ..JobRequest::new("alice", "s") };
    let suite = put(&database, &hostless(None)).await;
    let child = put(&database, &JobRequest { parent: Some(suite.job), ..on_hosts(&["dut1", "dut2"]) }).await;
    let ended = put(&database, &hostless(Some(suite.job))).await;
    let below_ended = put(&database, &hostless(Some(ended.job))).await;
    let other = put(&database, &on_hosts(&["dut3"])).await;
    let end = "UPDATE afe_host_queue_entries SET complete = 1, status = 'Completed' WHERE id IN (?, ?)";
    database.execute(end, vec![child.entries[1].0.into(), ended.entries[0].0.into()]).await.expect("ended");

    let request = AbortRequest::Jobs(vec![suite.job]);
    let marked = abort(&database, "bob", &request).await.expect("aborted");
    assert_eq!(marked, [suite.entries[0], child.entries[0]], "what has ended is not marked, nor what is below it");
    let live = rows(&database).await.entries;
    let aborted = |entry: EntryId| live.iter().find(|row| row.id == entry).expect("live").aborted;
    assert!(aborted(suite.entries[0]) && aborted(child.entries[0]));
    assert!(!aborted(below_ended.entries[0]) && !aborted(other.entries[0]));
    let detail = view::job(&database, child.job).await.expect("read").expect("the job");
    let by: Vec<_> = detail.host_queue_entries.iter().map(|entry| entry.aborted_by.as_deref()).collect();
    assert_eq!(by, [Some("bob"), None]);

    assert_eq!(abort(&database, "alice", &request).await.expect("nothing"), [], "a second abort marks nothing");
    assert_eq!(count(&database, "afe_aborted_host_queue_entries").await, 2);
    let both = AbortRequest::Entries(vec![other.entries[0], EntryId(9999)]);
    check_refused(abort(&database, "alice", &both).await, &["no entry \"9999\""]);
    check_refused(abort(&database, "nobody", &request).await, &["no user \"nobody\""]);
    assert_eq!(count(&database, "afe_aborted_host_queue_entries").await, 2, "refused as a whole");
    // Rows that make no sense must not keep it going for ever.
    let circle = "UPDATE afe_jobs SET parent_job_id = ? WHERE id = ?";
    database.execute(circle, vec![other.job.0.into(), other.job.0.into()]).await.expect("written");
    let marked = abort(&database, "alice", &AbortRequest::Jobs(vec![other.job])).await.expect("aborted");
    assert_eq!(marked, other.entries);
}

async fn a_suite_is_submitted_with_its_children(place: Place) {
    let database = lab(&place).await;
    let folder = tempfile::TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("boot.py"), "boot()").expect("written");
    let file = folder.path().join("suite.toml");
    let text = r#"
        min_duts = 2
        [suite]
        name = "bvt"
        priority = "Build"
        timeout_mins = 30
        control = "suite()"
        [[job]]
        name = "boot"
        control_path = "boot.py"
        hosts = ["dut[1-2]"]
        [[job]]
        control = "login()"
        labels = ["eve*2"]
        dependencies = ["pool"]
        priority = 71
    "#;
    std::fs::write(&file, text).expect("written");
    let request = SuiteRequest::read(&file, "alice").expect("read");
    let submitted = submit_suite(&database, &request).await.expect("submitted");
    let suite = view::job(&database, submitted.suite).await.expect("read").expect("the suite");
    assert_eq!((suite.job.name.as_str(), suite.job.priority), ("bvt", Priority(50)));
    assert_eq!(suite.host_queue_entries.len(), 1);
    assert_eq!(suite.children, submitted.children.iter().map(|child| child.job.0).collect::<Vec<_>>());
    let mut children = Vec::new();
    for child in &submitted.children {
        children.push(view::job(&database, child.job).await.expect("read").expect("a child"));
    }
    let told: Vec<_> =
        children.iter().map(|child| (child.job.name.as_str(), child.job.priority, child.timeout_mins)).collect();
    assert_eq!(told, [("boot", Priority(50), 30), ("bvt-2", Priority(71), 30)]);
    assert_eq!(children[0].control_file, "boot()");
    let rows = rows(&database).await;
    let minimum = |job: JobId| rows.jobs.iter().find(|row| row.id == job).expect("live").suite_min_hosts;
    assert_eq!(submitted.children.iter().map(|child| minimum(child.job)).collect::<Vec<_>>(), [2, 2]);

    // A child that is refused takes the suite with it.
    let before = count(&database, "afe_jobs").await;
    let broken = SuiteRequest { children: vec![on_hosts(&["dut1"]), on_hosts(&["dut9"])], ..request };
    check_refused(submit_suite(&database, &broken).await, &["no host \"dut9\""]);
    assert_eq!(count(&database, "afe_jobs").await, before);
    std::fs::write(&file, "[suite]\nname = \"x\"\npriorty = 1\n").expect("written");
    check_refused(SuiteRequest::read(&file, "alice"), &["suite.toml", "line 3", "priorty"]);
}

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
    let enable = DroneChange { max_processes: Some(3), ..DroneChange::default() };
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

async fn lists_can_be_filtered(place: Place) {
    let database = lab(&place).await;
    let first = put(&database, &on_hosts(&["dut1"])).await.job.0;
    let second = put(&database, &JobRequest { owner: "bob".to_owned(), ..on_label("pool", 1) }).await.job.0;
    let third = put(&database, &JobRequest { dependencies: words(&["pool"]), ..on_hosts(&["dut2"]) }).await.job.0;
    let end = "UPDATE afe_host_queue_entries SET complete = 1, status = 'Failed' WHERE job_id = ?";
    database.execute(end, vec![first.into()]).await.expect("ended");
    let all = || JobFilter { limit: 10, ..JobFilter::default() };
    let soon = view::Moment(view::Moment::now().0 + 3600);
    for (filter, expected) in [
        (all(), vec![third, second, first]),
        (JobFilter { limit: 2, ..all() }, vec![third, second]),
        (JobFilter { owner: Some("bob".to_owned()), ..all() }, vec![second]),
        (JobFilter { statuses: vec![EntryStatus::Failed, EntryStatus::Running], ..all() }, vec![first]),
        (JobFilter { unfinished: true, ..all() }, vec![third, second]),
        (JobFilter { label: Some("pool".to_owned()), ..all() }, vec![third, second]),
        (JobFilter { host: Some("dut2".to_owned()), ..all() }, vec![third]),
        (JobFilter { since: Some(soon), ..all() }, vec![]),
        (JobFilter { parent: Some(first), ..all() }, vec![]),
    ] {
        let found: Vec<u32> = view::jobs(&database, &filter).await.expect("read").iter().map(|job| job.id).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    let pool = HostFilter { labels: words(&["eve", "pool"]), ..HostFilter::default() };
    let names: Vec<_> = view::hosts(&database, &pool).await.expect("read").into_iter().map(|host| host.name).collect();
    assert_eq!(names, ["dut1"]);
    let lab = view::lab(&database).await.expect("read");
    assert_eq!(
        lab.entries.iter().map(|count| (count.status.as_str(), count.count)).collect::<Vec<_>>(),
        [("Queued", 2)]
    );
    assert_eq!(lab.oldest_waiting.iter().map(|entry| entry.job).collect::<Vec<_>>(), [second, third]);
    assert_eq!(lab.platforms.len(), 1);
}

async fn why(database: &Database, job: JobId) -> Explained {
    let explained = explain(rows(database).await, &Settings::default(), Time(0), Some(job));
    assert_eq!(explained.len(), 1, "{explained:#?}");
    explained.into_iter().next().expect("one")
}

async fn why_is_told_in_words(place: Place) {
    let database = lab(&place).await;
    database.execute("UPDATE afe_hosts SET leased = 0", Vec::new()).await.expect("released");
    labels::add(&database, "rare", false).await.expect("a label");
    let check = async |request: JobRequest, reason: &str, part: &str| {
        let submitted = put(&database, &request).await;
        let said = why(&database, submitted.job).await;
        assert_eq!(said.reason, reason, "{said:#?}");
        assert!(said.text.contains(part), "{said:#?} does not say {part:?}");
        let all = AbortRequest::Jobs(vec![submitted.job]);
        abort(&database, "alice", &all).await.expect("aborted");
        let end = "UPDATE afe_host_queue_entries SET complete = 1, status = 'Aborted' WHERE job_id = ?";
        database.execute(end, vec![submitted.job.0.into()]).await.expect("ended");
        assert_eq!(explain(rows(&database).await, &Settings::default(), Time(0), Some(submitted.job)), []);
    };
    check(on_hosts(&["dut1"]), "next_tick", "next tick").await;
    check(on_label("rare", 1), "no_such_host", "labels that it asks for: rare").await;
    check(JobRequest { dependencies: words(&["rare"]), ..on_hosts(&["dut1"]) }, "no_such_host", "dut1").await;
    hosts::lock(&database, &words(&["dut1"]), "bob", "mine").await.expect("locked");
    check(on_label("pool", 1), "locked", "dut1").await;
    acls::add(&database, "team", "").await.expect("a group");
    acls::add_hosts(&database, "team", &words(&["dut1"])).await.expect("a host");
    check(on_label("pool", 1), "access_denied", "alice belongs to no ACL group").await;

    let busy = put(&database, &on_hosts(&["dut2"])).await;
    let run =
        "UPDATE afe_host_queue_entries SET status = 'Running', active = 1, execution_subdir = 'dut2' WHERE job_id = ?";
    database.execute(run, vec![busy.job.0.into()]).await.expect("runs");
    let run = "UPDATE afe_hosts SET status = 'Running', leased = 1 WHERE hostname = 'dut2'";
    database.execute(run, Vec::new()).await.expect("runs");
    assert_eq!(why(&database, busy.job).await.reason, "running");
    for (status, reason) in [("Starting", "drones_full"), ("Parsing", "parse_limit"), ("Running", "running")] {
        let change = "UPDATE afe_host_queue_entries SET status = ? WHERE job_id = ?";
        database.execute(change, vec![status.into(), busy.job.0.into()]).await.expect("changed");
        assert_eq!(why(&database, busy.job).await.reason, reason);
    }
    check(on_hosts(&["dut2"]), "all_busy", &format!("dut2 (Running for job {})", busy.job)).await;
    let first = put(&database, &JobRequest { priority: Priority(80), ..on_hosts(&["dut2"]) }).await;
    check(
        on_hosts(&["dut2"]),
        "behind_others",
        &format!("entry {} of job {} (priority 80)", first.entries[0], first.job),
    )
    .await;
}
