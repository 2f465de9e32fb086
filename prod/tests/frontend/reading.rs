//! What is read back: lists, the lab, and why jobs wait.

use crate::lab::{lab, on_hosts, on_label, put, rows, words};
use crate::place::{Place, in_each_place};
use yardmaster::database::Database;
use yardmaster::frontend::abort::{AbortRequest, abort};
use yardmaster::frontend::jobs::JobRequest;
use yardmaster::frontend::view::Live;
use yardmaster::frontend::view::{HostFilter, JobFilter};
use yardmaster::frontend::why::{Explained, explain};
use yardmaster::frontend::{Priority, acls, hosts, labels, view};
use yardmaster_engine::{EntryStatus, JobId, Settings, Time};

in_each_place!(lists_can_be_filtered, why_is_told_in_words);

async fn why(database: &Database, job: JobId) -> Explained {
    let explained = explain(rows(database).await, &Settings::default(), Time(0), Some(job), &Live::default());
    assert_eq!(explained.len(), 1, "{explained:#?}");
    explained.into_iter().next().expect("one")
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
        assert_eq!(
            explain(rows(&database).await, &Settings::default(), Time(0), Some(submitted.job), &Live::default()),
            []
        );
    };
    check(on_hosts(&["dut1"]), "next_tick", "next tick").await;
    let first = put(&database, &on_label("pool", 1)).await.job;
    assert_eq!(why(&database, first).await.reason, "next_tick");
    // The host is idle, and as good as given away.
    check(on_label("pool", 1), "all_busy", &format!("dut1 (Ready for job {first})")).await;
    abort(&database, "alice", &AbortRequest::Jobs(vec![first])).await.expect("aborted");
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
