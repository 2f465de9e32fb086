//! Jobs: submitted, alone and in suites, and aborted.

use crate::lab::{check_refused, count, lab, on_hosts, on_label, put, rows, words};
use crate::place::{Place, in_each_place, number};
use yardmaster::frontend::abort::{AbortRequest, abort};
use yardmaster::frontend::drones::DroneRequest;
use yardmaster::frontend::hosts::NewHosts;
use yardmaster::frontend::jobs::{JobRequest, submit};
use yardmaster::frontend::suites::{SuiteRequest, submit_suite};
use yardmaster::frontend::{MetaHost, Priority, acls, drones, hosts, view};
use yardmaster_engine::{EntryId, EntryStatus, JobId, RebootAfter, RebootBefore, Span};

in_each_place!(
    a_submitted_job_is_what_the_scheduler_loads,
    a_job_that_makes_no_sense_is_refused_and_leaves_nothing,
    names_that_do_not_exist_are_told_with_the_nearest,
    a_login_is_kept_as_its_row_spells_it,
    a_thousand_entries_are_submitted_at_once,
    abort_marks_what_is_left_and_passes_it_on,
    a_suite_is_submitted_with_its_children
);

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

/// Servers find a user whatever the case; what is kept is the user's own spelling, which everybody finds.
async fn a_login_is_kept_as_its_row_spells_it(place: Place) {
    let database = lab(&place).await;
    let shouted = JobRequest { owner: "ALICE".to_owned(), ..on_hosts(&["dut1"]) };
    let drone = DroneRequest { users: words(&["Bob", "alice"]), ..DroneRequest::local("here") };
    let finds = number(&database, "SELECT COUNT(*) FROM afe_users WHERE login = 'ALICE'", vec![]).await == 1;
    if !finds {
        check_refused(submit(&database, &shouted).await, &["no user \"ALICE\""]);
        check_refused(drones::add(&database, &drone).await, &["no user \"Bob\""]);
        return;
    }
    let job = put(&database, &shouted).await.job;
    assert_eq!(view::job(&database, job).await.expect("read").expect("the job").job.owner, "alice");
    drones::add(&database, &drone).await.expect("added");
    assert_eq!(view::drones(&database).await.expect("read")[0].users, words(&["bob", "alice"]));
    assert_eq!(rows(&database).await.drones[0].users.len(), 2);
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
