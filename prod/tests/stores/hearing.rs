//! What the store loads, and what it hears of others.

use std::time::Duration;

use yardmaster::database::Database;
use yardmaster::drones::Briefings;
use yardmaster::service::SqlBriefings;
use yardmaster::store::{SqlStore, StoreOptions, snapshot};
use yardmaster_engine::{
    DroneId, EntryId, EntryStatus, HostId, HostStatus, Ineligible, JobId, LabelId, Protection, RebootBefore, RowChange,
    ShardId, Store, TaskId, TaskKind, Time, Work, WorkKind,
};

use crate::lab::{Model, entry, host, job, label, poll, run, store, task, user};
use crate::place::{Place, in_each_place};

in_each_place!(
    load_tells_what_was_written,
    every_kind_of_change_is_heard_once,
    an_update_of_nothing_of_interest_is_not_heard,
    static_labels_replace_others,
    an_entry_of_an_ended_job_brings_its_job,
    nonsense_is_set_aside_until_it_is_mended,
    an_unknown_owner_is_set_aside_until_they_come,
    an_owner_is_found_as_the_database_compares,
    a_job_that_says_no_number_of_hosts_wants_one,
    a_host_of_an_entry_that_is_not_told_is_barred_to_its_job,
    what_waits_for_a_host_is_told_when_it_is_mended,
    without_triggers_changes_are_found_all_the_same,
    what_slips_through_is_found_by_the_comparison,
    handed_off_jobs_are_left_alone,
);

/// Also when their runner writes to them.
async fn handed_off_jobs_are_left_alone(place: Place) {
    let (database, mut store, _) = store(&place).await;
    user(&database, "ada").await;
    let (dut, given, kept) =
        (host(&database, "dut1").await, job(&database, "ada", None).await, job(&database, "ada", None).await);
    let (theirs, ours) =
        (entry(&database, given, Some(dut), None).await, entry(&database, kept, Some(dut), None).await);
    let hand_off = format!(
        "INSERT INTO afe_job_handoffs (job_id, created, completed) VALUES (?, {}, 0)",
        database.dialect().now()
    );
    run(&database, &hand_off, vec![given.into()]).await;
    let rows = store.load().await.expect("it loads");
    assert_eq!(rows.entries.iter().map(|entry| entry.id.0).collect::<Vec<_>>(), [ours]);
    let move_on = "UPDATE afe_host_queue_entries SET status = 'Parsing', active = 0 WHERE id = ?";
    run(&database, move_on, vec![theirs.into()]).await;
    assert_eq!(poll(&mut store).await, []);
}

async fn load_tells_what_was_written(place: Place) {
    let (database, mut store, _) = store(&place).await;
    let (board, other) = (label(&database, "board:eve").await, label(&database, "wifi").await);
    let (shard, ada) =
        (run(&database, "INSERT INTO afe_shards (hostname) VALUES ('s')", vec![]).await, user(&database, "ada").await);
    run(
        &database,
        "INSERT INTO afe_shards_labels (shard_id, label_id) VALUES (?, ?)",
        vec![shard.into(), other.into()],
    )
    .await;
    let (one, gone) = (host(&database, "dut1").await, host(&database, "dut2").await);
    let hidden = host(&database, "dut3").await;
    run(&database, "UPDATE afe_hosts SET invalid = 1 WHERE id IN (?, ?)", vec![gone.into(), hidden.into()]).await;
    let edit =
        "UPDATE afe_hosts SET status = 'Repair Failed', locked = 1, protection = 3, dirty = 1, leased = 1 WHERE id = ?";
    run(&database, edit, vec![one.into()]).await;
    run(
        &database,
        "INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (?, ?), (?, ?)",
        vec![one.into(), other.into(), one.into(), board.into()],
    )
    .await;
    run(&database, "INSERT INTO afe_acl_groups_hosts (host_id, aclgroup_id) VALUES (?, 1)", vec![one.into()]).await;
    run(&database, "INSERT INTO afe_acl_groups_users (user_id, aclgroup_id) VALUES (?, 1)", vec![ada.into()]).await;
    let suite = job(&database, "ada", None).await;
    run(
        &database,
        "INSERT INTO afe_job_keyvals (job_id, `key`, value) VALUES (?, 'suite_min_duts', '7')",
        vec![suite.into()],
    )
    .await;
    let child = job(&database, "ada", Some(suite)).await;
    run(
        &database,
        "INSERT INTO afe_jobs_dependency_labels (job_id, label_id) VALUES (?, ?)",
        vec![child.into(), board.into()],
    )
    .await;
    run(&database, "UPDATE afe_jobs SET synch_count = 2 WHERE id = ?", vec![child.into()]).await;
    let live = entry(&database, child, Some(gone), None).await;
    let ended = entry(&database, child, None, Some(board)).await;
    let end = "UPDATE afe_host_queue_entries SET status = 'Completed', complete = 1, execution_subdir = 'group4' WHERE id = ?";
    run(&database, end, vec![ended.into()]).await;
    let deleted = entry(&database, suite, None, None).await;
    run(&database, "UPDATE afe_host_queue_entries SET deleted = 1 WHERE id = ?", vec![deleted.into()]).await;
    let repair = task(&database, one).await;
    run(
        &database,
        "UPDATE afe_special_tasks SET task = 'Repair', queue_entry_id = ?, is_complete = 1 WHERE id = ?",
        vec![live.into(), repair.into()],
    )
    .await;
    let waiting = task(&database, one).await;
    run(
        &database,
        "INSERT INTO afe_ineligible_host_queues (job_id, host_id) VALUES (?, ?)",
        vec![suite.into(), one.into()],
    )
    .await;
    let drone = run(&database, "INSERT INTO afe_drones (hostname) VALUES ('d1')", vec![]).await;
    let set = run(&database, "INSERT INTO afe_drone_sets (name) VALUES ('all')", vec![]).await;
    run(
        &database,
        "INSERT INTO afe_drone_sets_drones (droneset_id, drone_id) VALUES (?, ?)",
        vec![set.into(), drone.into()],
    )
    .await;

    let rows = store.load().await.expect("it loads");
    assert_eq!(
        rows.labels.iter().map(|row| (row.id.0, &*row.name, row.shard)).collect::<Vec<_>>(),
        [(board, "board:eve", None), (other, "wifi", Some(ShardId(shard)))]
    );
    assert_eq!(
        rows.users.iter().map(|row| (&*row.login, row.acls.len())).collect::<Vec<_>>(),
        [("autotest_system", 1), ("ada", 1)]
    );
    // The invalid host is there because an entry names it.
    assert_eq!(rows.hosts.iter().map(|row| row.id.0).collect::<Vec<_>>(), [one, gone]);
    let dut = &rows.hosts[0];
    assert_eq!((dut.status, dut.locked, dut.leased, dut.dirty), (HostStatus::RepairFailed, true, true, true));
    assert_eq!((dut.protection, &*dut.name, dut.invalid), (Protection::DoNotRepair, "dut1", false));
    assert_eq!((dut.labels.as_slice(), dut.acls.len()), ([LabelId(board), LabelId(other)].as_slice(), 1));
    assert_eq!(rows.jobs.len(), 1, "the suite has no live entry");
    let row = &rows.jobs[0];
    assert_eq!((row.id.0, row.parent, row.suite_min_hosts, row.next_group), (child, Some(JobId(suite)), 7, 5));
    assert_eq!(
        (row.reboot_before, row.run_reset, row.run_verify, row.labels.len()),
        (RebootBefore::IfDirty, true, false, 1)
    );
    let local = format!("SELECT {}", database.dialect().seconds_of("'2026-01-02 03:04:05'"));
    assert_eq!(row.created_on, Time::from_seconds(crate::place::number(&database, &local, vec![]).await));
    assert_eq!(rows.entries.iter().map(|row| (row.id.0, row.host)).collect::<Vec<_>>(), [(live, Some(HostId(gone)))]);
    assert_eq!(rows.tasks.iter().map(|row| (row.id.0, row.kind)).collect::<Vec<_>>(), [(waiting, TaskKind::Verify)]);
    assert_eq!((rows.history.len(), rows.history[0].count, rows.next_task), (1, 1, waiting + 1));
    assert_eq!(rows.ineligible, [Ineligible { job: JobId(suite), host: HostId(one) }]);
    assert_eq!(rows.drones.iter().map(|row| (row.enabled, row.max_processes)).collect::<Vec<_>>(), [(true, 1000)]);
    assert_eq!(rows.drone_sets[0].drones, [DroneId(drone)]);
    assert_eq!(poll(&mut store).await, [], "what was loaded is not told again");
}

async fn heard(store: &mut SqlStore, database: &Database, sql: &str, id: u32) -> Vec<RowChange> {
    run(database, sql, vec![id.into()]).await;
    let heard = poll(store).await;
    assert_eq!(poll(store).await, [], "{sql} is heard twice");
    heard
}

async fn every_kind_of_change_is_heard_once(place: Place) {
    let (database, mut store, _) = store(&place).await;
    let (dut, board) = (host(&database, "dut").await, label(&database, "board:eve").await);
    let work = job(&database, "autotest_system", None).await;
    let first = entry(&database, work, Some(dut), None).await;
    let verify = task(&database, dut).await;
    let kinds = |heard: &[RowChange]| -> Vec<&'static str> {
        heard
            .iter()
            .map(|change| match change {
                RowChange::Host(_) => "host",
                RowChange::Label(_) => "label",
                RowChange::User(_) => "user",
                RowChange::Drone(_) => "drone",
                RowChange::DroneGone(_) => "drone gone",
                RowChange::DroneSet(_) => "set",
                RowChange::Job(_) => "job",
                RowChange::Entry(_) => "entry",
                RowChange::EntryGone(_) => "entry gone",
                RowChange::Task(_) => "task",
                RowChange::TaskGone(_) => "task gone",
                RowChange::Ineligible(_) => "ineligible",
                RowChange::IneligibleGone(_) => "ineligible gone",
                RowChange::Subnets(_) => "subnets",
            })
            .collect()
    };
    assert_eq!(kinds(&poll(&mut store).await), ["label", "host", "job", "entry", "task"]);
    for (sql, id, expected) in [
        ("UPDATE afe_hosts SET locked = 1 WHERE id = ?", dut, "host"),
        ("INSERT INTO afe_hosts_labels (host_id, label_id) SELECT ?, id FROM afe_labels", dut, "host"),
        ("DELETE FROM afe_hosts_labels WHERE host_id = ?", dut, "host"),
        ("INSERT INTO afe_acl_groups_hosts (host_id, aclgroup_id) VALUES (?, 1)", dut, "host"),
        ("UPDATE afe_labels SET platform = 1 WHERE id = ?", board, "label"),
        ("INSERT INTO afe_users (login, reboot_before, reboot_after) VALUES (?, 0, 0)", 77, "user"),
        ("DELETE FROM afe_acl_groups_users WHERE user_id = ?", 1, "user"),
        ("UPDATE afe_jobs SET priority = 99 WHERE id = ?", work, "job"),
        ("INSERT INTO afe_jobs_dependency_labels (job_id, label_id) SELECT ?, id FROM afe_labels", work, "job"),
        ("UPDATE afe_host_queue_entries SET aborted = 1 WHERE id = ?", first, "entry"),
        ("UPDATE afe_special_tasks SET is_aborted = 1 WHERE id = ?", verify, "task"),
        ("DELETE FROM afe_special_tasks WHERE id = ?", verify, "task gone"),
        ("INSERT INTO afe_ineligible_host_queues (job_id, host_id) SELECT ?, id FROM afe_hosts", work, "ineligible"),
        ("DELETE FROM afe_ineligible_host_queues WHERE job_id = ?", work, "ineligible gone"),
        ("INSERT INTO afe_drones (id, hostname) VALUES (?, 'd')", 5, "drone"),
        ("INSERT INTO yardmaster_drones (drone_id, max_processes) VALUES (?, 3)", 5, "drone"),
        ("INSERT INTO afe_drone_sets (id, name) VALUES (?, 'set')", 4, "set"),
        ("INSERT INTO afe_drone_sets_drones (droneset_id, drone_id) VALUES (?, 5)", 4, "set"),
        ("DELETE FROM afe_drone_sets_drones WHERE droneset_id = ?", 4, "set"),
        ("DELETE FROM afe_drones WHERE id = ?", 5, "drone gone"),
        ("UPDATE afe_host_queue_entries SET deleted = 1 WHERE id = ?", first, "entry gone"),
    ] {
        assert_eq!(kinds(&heard(&mut store, &database, sql, id).await), [expected], "{sql}");
    }
    // The minimum of a suite is a matter of its children.
    let child = job(&database, "autotest_system", Some(work)).await;
    entry(&database, child, None, Some(board)).await;
    assert_eq!(kinds(&poll(&mut store).await), ["job", "entry"]);
    let minimum = "INSERT INTO afe_job_keyvals (job_id, `key`, value) VALUES (?, 'suite_min_duts', '3')";
    let told = heard(&mut store, &database, minimum, work).await;
    assert!(
        matches!(told.as_slice(), [RowChange::Job(job)] if job.id == JobId(child) && job.suite_min_hosts == 3),
        "{told:?}"
    );
}

async fn an_update_of_nothing_of_interest_is_not_heard(place: Place) {
    let (database, mut store, _) = store(&place).await;
    let dut = host(&database, "dut").await;
    poll(&mut store).await;
    for sql in
        ["UPDATE afe_hosts SET lock_reason = 'coffee' WHERE id = ?", "UPDATE afe_hosts SET locked = 0 WHERE id = ?"]
    {
        run(&database, sql, vec![dut.into()]).await;
        let logged = crate::place::number(&database, "SELECT COUNT(*) FROM yardmaster_changes", vec![]).await;
        assert_eq!(logged, 0, "{sql}");
        assert_eq!(poll(&mut store).await, []);
    }
}

async fn static_labels_replace_others(place: Place) {
    let (database, mut store, _) = store(&place).await;
    let dut = host(&database, "dut").await;
    let (own, fixed) = (label(&database, "own").await, label(&database, "fixed").await);
    run(
        &database,
        "INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (?, ?), (?, ?)",
        vec![dut.into(), own.into(), dut.into(), fixed.into()],
    )
    .await;
    poll(&mut store).await;
    let told = heard(&mut store, &database, "INSERT INTO afe_replaced_labels (label_id) VALUES (?)", fixed).await;
    assert!(matches!(told.as_slice(), [RowChange::Host(host)] if host.labels.as_slice() == [LabelId(own)]), "{told:?}");
    let constant = run(
        &database,
        "INSERT INTO afe_static_labels (id, name, platform, invalid, only_if_needed) VALUES (900, 'fixed', 0, 0, 0)",
        vec![],
    )
    .await;
    assert_eq!(constant, 900);
    let told = heard(
        &mut store,
        &database,
        "INSERT INTO afe_static_hosts_labels (host_id, staticlabel_id) VALUES (?, 900)",
        dut,
    )
    .await;
    assert!(
        matches!(told.as_slice(), [RowChange::Host(host)] if host.labels.as_slice() == [LabelId(own), LabelId(fixed)]),
        "{told:?}"
    );
    // A test is told the same.
    let (only, replaced) = (host(&database, "only").await, host(&database, "replaced").await);
    let sql = "INSERT INTO afe_static_hosts_labels (host_id, staticlabel_id) VALUES (?, 900)";
    run(&database, sql, vec![only.into()]).await;
    let sql = "INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (?, ?)";
    run(&database, sql, vec![replaced.into(), fixed.into()]).await;
    let hosts = [dut, only, replaced].map(HostId).into_iter().collect();
    let work = Work { kind: WorkKind::Test, job: None, entries: Default::default(), hosts };
    let briefs = SqlBriefings::new(database).brief(&[&work]).await.expect("it is read");
    let brief = briefs[0].as_ref().expect("a brief");
    let labels: Vec<String> = brief.hosts.iter().map(|host| host.labels.join(" ")).collect();
    assert_eq!(labels, ["fixed own", "fixed", ""]);
}

async fn an_entry_of_an_ended_job_brings_its_job(place: Place) {
    let (database, mut store, _) = store(&place).await;
    let (dut, work) = (host(&database, "dut").await, job(&database, "autotest_system", None).await);
    run(&database, "UPDATE afe_hosts SET invalid = 1 WHERE id = ?", vec![dut.into()]).await;
    let first = entry(&database, work, None, None).await;
    poll(&mut store).await;
    let end = "UPDATE afe_host_queue_entries SET status = 'Aborted', complete = 1 WHERE id = ?";
    let told = heard(&mut store, &database, end, first).await;
    assert!(matches!(told.as_slice(), [RowChange::Entry(entry)] if entry.status == EntryStatus::Aborted), "{told:?}");
    // A host that is no longer valid, named by a new entry of a job that had ended.
    let second = entry(&database, work, Some(dut), None).await;
    let told = poll(&mut store).await;
    assert!(
        matches!(told.as_slice(), [RowChange::Host(host), RowChange::Job(job), RowChange::Entry(entry)]
            if host.id == HostId(dut) && job.id == JobId(work) && entry.id == EntryId(second)),
        "{told:?}"
    );
}

async fn nonsense_is_set_aside_until_it_is_mended(place: Place) {
    let (database, mut store, _) = store(&place).await;
    let (good, bad) = (host(&database, "good").await, host(&database, "bad").await);
    let work = job(&database, "autotest_system", None).await;
    run(&database, "UPDATE afe_hosts SET status = 'Dancing' WHERE id = ?", vec![bad.into()]).await;
    let waits = entry(&database, work, Some(bad), None).await;
    let goes = entry(&database, work, Some(good), None).await;
    let verify = task(&database, good).await;
    run(&database, "UPDATE afe_special_tasks SET task = 'Juggle' WHERE id = ?", vec![verify.into()]).await;
    let told = poll(&mut store).await;
    let entries: Vec<EntryId> = told
        .iter()
        .filter_map(|change| match change {
            RowChange::Entry(entry) => Some(entry.id),
            _ => None,
        })
        .collect();
    assert_eq!(entries, [EntryId(goes)], "{told:?}");
    let aside = store.take_quarantined();
    let whose: Vec<(&str, i64)> = aside.iter().map(|row| (row.table, row.id)).collect();
    assert_eq!(whose.len(), 2, "{aside:?}");
    assert!(
        whose.contains(&("afe_hosts", i64::from(bad))) && whose.contains(&("afe_special_tasks", i64::from(verify)))
    );
    assert!(aside.iter().any(|row| row.why.contains("Dancing") && row.why.contains("Repair Failed")), "{aside:?}");
    assert_eq!((store.quarantined(), store.take_quarantined().len()), (2, 0));
    // The same after a start.
    let rows = store.load().await.expect("it loads");
    assert_eq!(rows.entries.iter().map(|row| row.id.0).collect::<Vec<_>>(), [goes]);
    assert_eq!((store.quarantined(), store.take_quarantined().len()), (2, 0), "it was told before");

    let told = heard(&mut store, &database, "UPDATE afe_hosts SET status = 'Ready' WHERE id = ?", bad).await;
    assert!(
        matches!(told.as_slice(), [RowChange::Host(_), RowChange::Entry(entry)] if entry.id == EntryId(waits)),
        "{told:?}"
    );
    let told = heard(&mut store, &database, "UPDATE afe_special_tasks SET task = 'Verify' WHERE id = ?", verify).await;
    assert!(matches!(told.as_slice(), [RowChange::Task(task)] if task.id == TaskId(verify)), "{told:?}");
    assert_eq!(store.quarantined(), 0);
    for (sql, id) in [
        ("UPDATE afe_jobs SET synch_count = -4 WHERE id = ?", work),
        ("UPDATE afe_jobs SET reboot_before = 17, synch_count = 1 WHERE id = ?", work),
        ("UPDATE afe_jobs SET created_on = NULL, reboot_before = 1 WHERE id = ?", work),
        ("UPDATE afe_hosts SET protection = 9 WHERE id = ?", good),
        ("UPDATE afe_host_queue_entries SET status = NULL WHERE id = ?", goes),
    ] {
        assert_eq!(heard(&mut store, &database, sql, id).await, [], "{sql}");
        assert_eq!(store.take_quarantined().len(), 1, "{sql}");
    }
}

async fn an_unknown_owner_is_set_aside_until_they_come(place: Place) {
    let (database, mut store, _) = store(&place).await;
    let work = job(&database, "grace", None).await;
    let waits = entry(&database, work, None, None).await;
    assert_eq!(poll(&mut store).await, []);
    let aside = store.take_quarantined();
    let why = format!("owner grace of job {work} has no row in afe_users: add it with `yardmaster user add grace`");
    assert_eq!(aside.iter().map(|row| (row.table, row.why.as_str())).collect::<Vec<_>>(), [("afe_jobs", why.as_str())]);
    user(&database, "grace").await;
    let told = poll(&mut store).await;
    assert!(
        matches!(told.as_slice(), [RowChange::User(_), RowChange::Job(job), RowChange::Entry(entry)]
        if job.id == JobId(work) && entry.id == EntryId(waits)),
        "{told:?}"
    );
    assert_eq!(store.quarantined(), 0);
}

/// Servers find a login whatever its case, and Autotest's frontend lets such jobs in.
async fn an_owner_is_found_as_the_database_compares(place: Place) {
    let (database, mut store, _) = store(&place).await;
    let work = job(&database, "Autotest_System", None).await;
    entry(&database, work, None, None).await;
    let drone = "INSERT INTO afe_drones (id, hostname) VALUES (1, 'drone1')";
    run(&database, drone, vec![]).await;
    run(&database, "INSERT INTO yardmaster_drones (drone_id, users) VALUES (1, 'AUTOTEST_system')", vec![]).await;
    let finds = "SELECT COUNT(*) FROM afe_users WHERE login = 'Autotest_System'";
    let finds = crate::place::number(&database, finds, vec![]).await == 1;
    let told = poll(&mut store).await;
    let drones = told.iter().filter_map(|change| match change {
        RowChange::Drone(drone) => Some((drone.enabled, drone.users.len())),
        _ => None,
    });
    assert_eq!(drones.collect::<Vec<_>>(), [if finds { (true, 1) } else { (false, 0) }], "{told:?}");
    assert_eq!(told.iter().filter(|change| matches!(change, RowChange::Entry(_))).count(), usize::from(finds));
    assert_eq!(store.quarantined(), if finds { 0 } else { 2 });
}

/// Autotest's default: so it submits suites.
async fn a_job_that_says_no_number_of_hosts_wants_one(place: Place) {
    let (database, mut store, _) = store(&place).await;
    let suite = job(&database, "autotest_system", None).await;
    run(&database, "UPDATE afe_jobs SET synch_count = 0 WHERE id = ?", vec![suite.into()]).await;
    let hostless = entry(&database, suite, None, None).await;
    let told = poll(&mut store).await;
    assert!(
        matches!(told.as_slice(), [RowChange::Job(job), RowChange::Entry(entry)]
            if job.synch_count == 1 && entry.id == EntryId(hostless)),
        "{told:?}"
    );
    assert_eq!(store.load().await.expect("it loads").jobs[0].synch_count, 1);
    assert_eq!(store.quarantined(), 0);
}

/// The database has room for one entry of a job on a host: giving the host to another would be refused for ever.
async fn a_host_of_an_entry_that_is_not_told_is_barred_to_its_job(place: Place) {
    let (database, mut store, _) = store(&place).await;
    let board = label(&database, "board:eve").await;
    let work = job(&database, "autotest_system", None).await;
    let mut barred = Vec::new();
    for (name, change) in [
        ("ended", "status = 'Completed', complete = 1"),
        ("deleted", "deleted = 1"),
        ("senseless", "status = 'Dancing'"),
        ("told", "status = 'Queued'"),
    ] {
        let dut = host(&database, name).await;
        let on = entry(&database, work, Some(dut), None).await;
        run(&database, &format!("UPDATE afe_host_queue_entries SET {change} WHERE id = ?"), vec![on.into()]).await;
        barred.push(Ineligible { job: JobId(work), host: HostId(dut) });
    }
    entry(&database, work, None, Some(board)).await;
    barred.pop();
    assert_eq!(store.load().await.expect("it loads").ineligible, barred);
    assert_eq!(poll(&mut store).await, []);
}

async fn what_waits_for_a_host_is_told_when_it_is_mended(place: Place) {
    let (database, mut store, _) = store(&place).await;
    let dut = host(&database, "dut").await;
    run(&database, "UPDATE afe_hosts SET status = 'Dancing'", vec![]).await;
    let work = job(&database, "autotest_system", None).await;
    let waits = entry(&database, work, Some(dut), None).await;
    let verify = task(&database, dut).await;
    let rows = store.load().await.expect("it loads");
    assert_eq!((rows.hosts.len(), rows.entries.len(), rows.tasks.len()), (0, 0, 0));
    let told = heard(&mut store, &database, "UPDATE afe_hosts SET status = 'Ready' WHERE id = ?", dut).await;
    assert!(
        matches!(told.as_slice(), [RowChange::Host(_), RowChange::Job(_), RowChange::Entry(entry), RowChange::Task(task)]
            if entry.id == EntryId(waits) && task.id == TaskId(verify)),
        "{told:?}"
    );
}

/// Polls until nothing differs from what the database holds.
pub(crate) async fn until_equal(store: &mut SqlStore, database: &Database, model: &mut Model) {
    for _ in 0..300 {
        model.hear(poll(store).await);
        let now = snapshot(database, 1000).await.expect("a snapshot");
        if *model == Model::of(&now.rows) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let now = snapshot(database, 1000).await.expect("a snapshot");
    assert_eq!(*model, Model::of(&now.rows));
}

async fn without_triggers_changes_are_found_all_the_same(place: Place) {
    let (database, _, _) = store(&place).await;
    run(&database, "DELETE FROM yardmaster_schema WHERE version = 2", vec![]).await;
    let options = StoreOptions { reconcile_without_triggers: Duration::from_millis(200), ..StoreOptions::default() };
    let mut store = SqlStore::new(place.open().await, options);
    let mut model = Model::of(&store.load().await.expect("it loads"));
    assert!(!store.has_triggers());
    let (dut, board) = (host(&database, "dut").await, label(&database, "board:eve").await);
    let work = job(&database, "autotest_system", None).await;
    let first = entry(&database, work, Some(dut), None).await;
    let verify = task(&database, dut).await;
    // New rows are found at once.
    model.hear(poll(&mut store).await);
    assert!(model.entries.contains_key(&EntryId(first)) && model.tasks.contains_key(&TaskId(verify)));
    run(&database, "UPDATE afe_host_queue_entries SET aborted = 1 WHERE id = ?", vec![first.into()]).await;
    run(&database, "UPDATE afe_hosts SET locked = 1 WHERE id = ?", vec![dut.into()]).await;
    model.hear(poll(&mut store).await);
    assert!(model.entries[&EntryId(first)].aborted && model.hosts[&HostId(dut)].locked);
    // Others in time.
    run(&database, "INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (?, ?)", vec![dut.into(), board.into()])
        .await;
    run(&database, "UPDATE afe_jobs SET priority = 7 WHERE id = ?", vec![work.into()]).await;
    run(&database, "DELETE FROM afe_special_tasks WHERE id = ?", vec![verify.into()]).await;
    until_equal(&mut store, &database, &mut model).await;
    assert!(model.hosts[&HostId(dut)].labels.contains(&LabelId(board)) && model.tasks.is_empty());
}

async fn what_slips_through_is_found_by_the_comparison(place: Place) {
    let (database, _, _) = store(&place).await;
    let dut = host(&database, "dut").await;
    let options = StoreOptions { reconcile: Duration::from_millis(200), ..StoreOptions::default() };
    let mut store = SqlStore::new(place.open().await, options);
    let mut model = Model::of(&store.load().await.expect("it loads"));
    assert!(store.has_triggers());
    // As if a trigger had been missing for a while.
    run(&database, "UPDATE afe_hosts SET locked = 1 WHERE id = ?", vec![dut.into()]).await;
    run(&database, "DELETE FROM yardmaster_changes", vec![]).await;
    until_equal(&mut store, &database, &mut model).await;
    assert!(model.hosts[&HostId(dut)].locked);
}
