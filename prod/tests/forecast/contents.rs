//! What a snapshot holds is what was put in.

use std::sync::Arc;

use serde_json::to_value;
use yardmaster::database::schema;
use yardmaster::frontend::MetaHost;
use yardmaster::frontend::jobs::JobRequest;
use yardmaster::snapshot::{SnapshotOptions, take};
use yardmaster::store::snapshot as live_rows;
use yardmaster_engine::{JobId, Span, TaskKind, Time};
use yardmaster_sim::fit::Rate;
use yardmaster_sim::forecast::{Forecast, Options, forecast, read_snapshot, write_snapshot};
use yardmaster_sim::history::{HistoricRequest, History, JobEnding};

use crate::lab::{Ago, has_done, has_run, lab, now, on_label, options, put, run, taken, with_past, words};
use crate::place::{Place, in_each_place};

in_each_place!(
    live_rows_are_those_of_the_scheduler,
    the_history_is_what_happened,
    plain_autotest_is_read,
    days_and_pages_bound_the_history,
    a_young_database_is_no_older_than_its_first_job,
    hosts_are_out_after_failed_repairs_and_in_long_silences,
    what_a_history_cannot_say_is_said,
    pseudonyms_hide_people,
    a_forecast_follows_from_it
);

async fn live_rows_are_those_of_the_scheduler(place: Place) {
    let database = lab(&place).await;
    with_past(&database).await;
    let expected = live_rows(&database, 1000).await.expect("read");
    assert_eq!(expected.quarantined, []);
    let found = taken(&database, 7).await;
    assert_eq!(to_value(&found.live).expect("JSON"), to_value(&expected.rows).expect("JSON"));
    assert_eq!((found.live.entries.len(), found.live.hosts.len(), found.live.drones.len()), (3, 3, 1));
    let lag = now(&database).await - found.taken_at.as_seconds();
    assert!((0..60).contains(&lag), "{lag}");
    // As a file, compressed or not.
    let folder = tempfile::TempDir::new().expect("a folder");
    for name in ["now.json", "now.json.gz"] {
        let file = folder.path().join(name);
        write_snapshot(&found, &file).expect("written");
        let read = read_snapshot(&file).expect("read");
        assert_eq!(to_value(&read).expect("JSON"), to_value(&found).expect("JSON"), "{name}");
    }
}

async fn the_history_is_what_happened(place: Place) {
    let database = lab(&place).await;
    let at = now(&database).await;
    let suite = JobRequest {
        hostless: true,
        keyvals: vec![("suite".to_owned(), "bvt".to_owned()), ("suite_min_duts".to_owned(), "2".to_owned())],
        ..JobRequest::new("bob", "R66/test_suites/control.bvt")
    };
    let suite = put(&database, &suite).await;
    let job = JobRequest {
        parent: Some(suite.job),
        dependencies: words(&["pool"]),
        synch_count: 2,
        timeout_mins: 90,
        run_verify: true,
        keyvals: vec![("build".to_owned(), "eve-release/R66".to_owned())],
        ..on_label("alice", "eve-release/R66-1.2.3/bvt/network_Ping", 2)
    };
    let job = put(&database, &job).await;
    let ago = Ago { submitted: 5000, started: 4000, finished: Some(1000) };
    has_run(&database, &job, &[1, 3], at, ago, "Failed").await;
    let named = JobRequest { hosts: words(&["dut2"]), ..JobRequest::new("alice", "smoke") };
    let named = put(&database, &named).await;
    let ago = Ago { submitted: 3000, started: 2000, finished: Some(1500) };
    has_run(&database, &named, &[2], at, ago, "Aborted").await;

    let history = taken(&database, 7).await.history;
    assert!(history.unix_time);
    let hosts: Vec<_> = history.hosts.iter().map(|host| (&*host.name, &*host.kind, host.labels.len())).collect();
    assert_eq!(hosts, [("dut1", "eve", 2), ("dut2", "eve", 1), ("dut3", "eve", 1)]);
    assert_eq!(
        history.drones.iter().map(|drone| (&*drone.name, drone.max_processes)).collect::<Vec<_>>(),
        [("drone1", 1000)]
    );
    let find = |id: JobId| history.jobs.iter().find(|job| job.id == u64::from(id.0)).expect("the job");
    let moment = |ago: i64| Time::from_seconds(at - ago);

    let found = find(job.job);
    assert_eq!((found.submitted, found.started, found.ended), (moment(5000), Some(moment(4000)), Some(moment(1000))));
    assert_eq!((found.ending, found.tests_failed, found.synch_count), (JobEnding::Failed, 2, 2));
    assert_eq!((found.hosts.as_slice(), &*found.profile, &*found.owner), (&[0, 2][..], "network_Ping", "alice"));
    assert_eq!(found.request, HistoricRequest::Any { count: 2, label: "eve".into() });
    assert_eq!((found.labels.as_slice(), found.parent), (&[Arc::from("pool")][..], Some(u64::from(suite.job.0))));
    assert_eq!(
        (found.burst.as_deref(), found.timeout, found.run_verify),
        (Some("eve-release/R66"), Span::from_minutes(90), true)
    );

    let found = find(named.job);
    assert_eq!((&found.request, found.ending), (&HistoricRequest::Hosts(vec![1]), JobEnding::Aborted));
    let found = find(suite.job);
    assert_eq!((&found.request, found.ending, found.started), (&HistoricRequest::Hostless, JobEnding::Open, None));
    assert_eq!((&*found.class, found.suite_min_hosts), ("bvt", 2));
}

/// Yardmaster was never there: only what Autotest has is read, and drones count as usual ones.
async fn plain_autotest_is_read(place: Place) {
    let database = lab(&place).await;
    with_past(&database).await;
    let with = taken(&database, 7).await;
    schema::remove(&database, true).await.expect("removed");
    assert!(database.query("SELECT * FROM yardmaster_drones", Vec::new()).await.is_err(), "our tables are gone");
    let without = taken(&database, 7).await;
    assert_eq!(to_value(&without.live).expect("JSON"), to_value(&with.live).expect("JSON"));
    assert_eq!(without.history.jobs, with.history.jobs);
    assert_eq!(without.history.tasks, with.history.tasks);
}

/// More than one page of jobs, some of them submitted in the same second, and tasks that lie before the time.
async fn days_and_pages_bound_the_history(place: Place) {
    let database = lab(&place).await;
    let [_, _, last] = with_past(&database).await;
    let at = now(&database).await;
    let moment = database.dialect().datetime_of(database.dialect().integer_parameter());
    let copies = 2600;
    for group in 0..26 {
        let values = vec![format!("('alice', 'copy', 40, {moment}, 1, 24, 0, 1, '', 1, 0, 72, 4320, 1440)"); 100];
        let sql = format!(
            "INSERT INTO afe_jobs (owner, name, priority, created_on, synch_count, timeout, run_verify, run_reset, email_list, \
             reboot_before, reboot_after, max_runtime_hrs, max_runtime_mins, timeout_mins) VALUES {}",
            values.join(", ")
        );
        let moments = (0..100).map(|_| (at - 50_000 + group / 10).into()).collect();
        run(&database, &sql, moments).await;
    }
    let all = taken(&database, 7).await.history;
    assert_eq!(all.jobs.iter().filter(|job| &*job.profile == "copy").count(), copies);
    assert_eq!(all.jobs.len(), copies + 13);
    assert!(all.jobs.is_sorted_by_key(|job| job.submitted));
    assert_eq!((all.tasks.len(), all.tasks[0].kind), (10, TaskKind::Reset));
    assert!(all.tasks.is_sorted_by_key(|task| task.started));
    assert_eq!(all.tasks[0].ended - all.tasks[0].started, Span::from_seconds(30));
    // The oldest lie 90 000 s back, a day has 86 400.
    let day = taken(&database, 1).await.history;
    assert_eq!((day.jobs.len(), day.tasks.len()), (copies + 13 - 2, 8));
    assert!(day.jobs.iter().any(|job| job.id == u64::from(last.job.0)));
}

/// Nothing is known of the time before the first job: it does not count as one without jobs.
async fn a_young_database_is_no_older_than_its_first_job(place: Place) {
    let database = lab(&place).await;
    with_past(&database).await;
    let young = taken(&database, 90).await.history;
    assert_eq!(young.from, young.jobs[0].submitted);
    let said =
        |history: &History| history.remarks.iter().any(|remark| remark.contains("jobs of the last 1.0 days only"));
    assert!(said(&young), "{:?}", young.remarks);
    let rate = Rate::of(&young.jobs.iter().map(|job| job.submitted).collect::<Vec<_>>(), young.from, young.to);
    let rate = rate.expect("jobs").mean();
    assert!((0.45..0.6).contains(&rate), "13 jobs in 25 hours, not {rate} an hour");
    // What lies before was not asked for.
    let day = taken(&database, 1).await.history;
    assert_eq!(day.to - day.from, Span::from_hours(24));
    assert!(!said(&day));
}

async fn hosts_are_out_after_failed_repairs_and_in_long_silences(place: Place) {
    let database = lab(&place).await;
    let at = now(&database).await;
    let day = 86_400;
    // A job a day on each host, but for ten days of dut2, and dut3, which ran two in all.
    for ago in 1..60_i64 {
        for host in 1..=3 {
            if host == 2 && (20..30).contains(&ago) || host == 3 && ago != 50 && ago != 2 {
                continue;
            }
            let job = put(&database, &on_label("alice", "boot", 1)).await;
            let started = ago * day;
            let ago = Ago { submitted: started + 60, started, finished: Some(started - 600) };
            has_run(&database, &job, &[host], at, ago, "Completed").await;
        }
    }
    for (kind, begin, end) in [
        (TaskKind::Repair, 7000, 6000),
        (TaskKind::Verify, 5500, 5400),
        (TaskKind::Repair, 5400, 5000),
        (TaskKind::Verify, 3000, 2900),
    ] {
        has_done(&database, kind, 1, at, begin, end).await;
    }
    run(&database, "UPDATE afe_special_tasks SET success = 0 WHERE id < 4", Vec::new()).await;
    let history = taken(&database, 90).await.history;
    let moment = |ago: i64| Time::from_seconds(at - ago);
    let outages: Vec<_> = history.outages.iter().map(|outage| (outage.host, outage.from, outage.to)).collect();
    let silence = (1, moment(30 * day - 600), Some(moment(19 * day)));
    assert_eq!(outages, [silence, (0, moment(6000), Some(moment(3000)))]);
    let said = "1 outages are the times from a failed Repair to the next success, 1 are silences";
    assert!(history.remarks.iter().any(|remark| remark.contains(said)), "{:?}", history.remarks);
}

async fn what_a_history_cannot_say_is_said(place: Place) {
    let database = lab(&place).await;
    with_past(&database).await;
    let any = |label: &str| MetaHost { label: label.to_owned(), count: 1 };
    let meta_hosts = vec![any("eve"), any("pool")];
    put(&database, &JobRequest { meta_hosts, ..JobRequest::new("alice", "both") }).await;
    run(&database, "UPDATE afe_hosts SET invalid = 1 WHERE id = 3", Vec::new()).await;
    let history = taken(&database, 7).await.history;
    assert!(history.remarks.iter().any(|remark| remark.contains("1 jobs ask for hosts of several labels")));
    let gone: Vec<_> = history.hosts.iter().filter(|host| host.until.is_some()).map(|host| &*host.name).collect();
    assert_eq!(gone, ["dut3"], "it is deleted, but jobs ran there");
    // Its hosts run it one by one: the first is done, which is no test that goes on.
    let split = put(&database, &on_label("alice", "split", 2)).await;
    let ago = Ago { submitted: 900, started: 800, finished: Some(700) };
    has_run(&database, &split, &[1], now(&database).await, ago, "Completed").await;
    let snapshot = taken(&database, 7).await;
    let outcomes =
        forecast(&snapshot, &Options { replications: 2, ..Options::default() }, |_| true).expect("a forecast");
    let said = Forecast::of(&outcomes, &snapshot.history).assumptions;
    assert!(said.iter().any(|said| said.contains("1 jobs of the history say nothing of durations")), "{said:?}");
}

async fn pseudonyms_hide_people(place: Place) {
    let database = lab(&place).await;
    with_past(&database).await;
    let hidden = take(&database, &SnapshotOptions { pseudonyms: true, ..options(7) }).await.expect("a snapshot");
    let text = serde_json::to_string(&hidden).expect("JSON");
    for secret in ["alice", "bob", "R66"] {
        assert!(!text.contains(secret), "{secret} shows");
    }
    let open = taken(&database, 7).await;
    let owners = |snapshot: &yardmaster_sim::history::Snapshot| {
        let logins: Vec<_> = snapshot.live.users.iter().map(|user| (user.id, user.login.clone())).collect();
        let of = |job: &yardmaster_engine::Job| logins.iter().position(|(id, _)| *id == job.owner);
        snapshot.live.jobs.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(owners(&hidden), owners(&open), "whose is whose stays");
    assert_eq!(hidden.history.jobs.len(), open.history.jobs.len());
}

/// Every boot has taken 600 s and the one that runs has run for 300 to 302: it ends in 300, and the database knows no more.
async fn a_forecast_follows_from_it(place: Place) {
    let database = lab(&place).await;
    let [running, waiting, other] = with_past(&database).await;
    run(&database, "UPDATE afe_hosts SET locked = 1 WHERE id <> 2", Vec::new()).await;
    let snapshot = taken(&database, 7).await;
    let options = Options { replications: 20, ..Options::default() };
    let outcomes = forecast(&snapshot, &options, |_| true).expect("a forecast");
    let said = Forecast::of(&outcomes, &snapshot.history);
    let seconds = |span: Option<Span>| span.expect("it happens").as_seconds_f64();
    let ends = said.job(running.job.0).expect("it runs");
    assert_eq!(ends.start, None);
    // Parsing is within the ten minutes, and comes again: five seconds, and some ticks.
    assert!((295.0..320.0).contains(&seconds(ends.end.p50)), "{ends:?}");
    // It waits for the only host that is left, and for its Reset of 30 s.
    let waits = said.job(waiting.job.0).expect("it waits");
    let start = waits.start.expect("it has not started");
    assert!((320.0..345.0).contains(&seconds(start.p90)), "{start:?}");
    let never: Vec<_> = said.never.iter().map(|never| never.job).collect();
    assert_eq!(never, [other.job.0], "the only host of the pool is locked: {:?}", said.never);
}
