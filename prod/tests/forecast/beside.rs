//! A snapshot disturbs nobody, and nobody disturbs it.

use std::time::Duration;

use tokio::time::timeout;
use yardmaster::database::Value;
use yardmaster::store::{SqlStore, StoreOptions};
use yardmaster_engine::{
    Changes, CommitOutcome, EntryColumns, EntryStatus, EntryUpdate, HostColumns, HostId, HostStatus, HostUpdate, Store,
};

use crate::lab::{lab, now, run, taken, with_past};
use crate::place::{Place, in_each_place, number};

/// Far more than anything here takes; less than a lock lasts for which nobody is waiting.
const GENEROUS: Duration = Duration::from_secs(60);

in_each_place!(locks_of_others_do_not_hold_it_up, a_scheduler_commits_meanwhile, it_is_of_one_moment);

async fn locks_of_others_do_not_hold_it_up(place: Place) {
    let database = lab(&place).await;
    with_past(&database).await;
    let before = taken(&database, 7).await;
    // Somebody has changed rows of every kind, and has yet to commit.
    let stranger = place.open().await;
    let mut writer = stranger.begin().await.expect("a transaction");
    for sql in [
        "UPDATE afe_hosts SET locked = 1",
        "UPDATE afe_jobs SET priority = 99",
        "UPDATE afe_host_queue_entries SET aborted = 1",
        "UPDATE afe_special_tasks SET success = 0",
    ] {
        writer.execute(sql, Vec::new()).await.expect(sql);
    }
    let meanwhile = timeout(GENEROUS, taken(&database, 7)).await.expect("it does not wait for the locks");
    assert_eq!(meanwhile.history.jobs, before.history.jobs);
    assert!(meanwhile.live.hosts.iter().all(|host| !host.locked), "what is not committed is not there");
    writer.commit().await.expect("committed");
    let after = taken(&database, 7).await;
    assert!(after.live.hosts.iter().all(|host| host.locked));
}

/// The reading transaction stays open, having read everything; the scheduler goes on to commit, and people to write.
async fn a_scheduler_commits_meanwhile(place: Place) {
    let database = lab(&place).await;
    let [_, waiting, _] = with_past(&database).await;
    let mut store = SqlStore::new(place.open().await, StoreOptions::default());
    let term = store.begin_term("the test").await.expect("a term");
    let rows = store.load().await.expect("loaded");

    let reader = place.open().await;
    let mut reading = reader.begin_snapshot().await.expect("a transaction");
    for table in ["afe_hosts", "afe_jobs", "afe_host_queue_entries", "afe_special_tasks", "yardmaster_terms"] {
        reading.query(&format!("SELECT * FROM {table}"), Vec::new()).await.expect(table);
    }

    let mut entry = rows.entries.iter().find(|entry| entry.job == waiting.job).expect("the entry").clone();
    (entry.status, entry.active, entry.host) = (EntryStatus::Resetting, true, Some(HostId(1)));
    let host = HostUpdate {
        id: HostId(1),
        columns: HostColumns::STATUS | HostColumns::LEASED,
        status: HostStatus::Resetting,
        leased: true,
        dirty: false,
    };
    let changes = Changes {
        hosts: vec![host],
        entries: vec![EntryUpdate { columns: EntryColumns::STATUS | EntryColumns::HOST, entry }],
        ..Changes::default()
    };
    let committed = timeout(GENEROUS, store.commit(term, 1, &changes)).await.expect("nobody holds it up");
    assert_eq!(committed, CommitOutcome::Committed);
    let stranger = place.open().await;
    timeout(GENEROUS, run(&stranger, "UPDATE afe_jobs SET priority = 99", Vec::new())).await.expect("nor others");
    assert_eq!(timeout(GENEROUS, store.poll()).await.expect("in time").expect("polled").len(), 3, "the jobs alive");

    let status = "SELECT status FROM afe_hosts WHERE id = 1";
    let seen: String = reading.query(status, Vec::new()).await.expect("read")[0].get(0).expect("a text");
    assert_eq!(seen, "Ready", "the reader sees what was when it began");
    reading.rollback().await.expect("ended");
    assert_eq!(number(&database, "SELECT COUNT(*) FROM afe_hosts WHERE status = 'Resetting'", Vec::new()).await, 1);
}

/// Hosts and jobs are moved in one transaction over and over while snapshots are taken: each has all of a move or nothing.
async fn it_is_of_one_moment(place: Place) {
    let database = lab(&place).await;
    with_past(&database).await;
    let writer = place.open().await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let writing = tokio::spawn(async move {
        let mut stopped = stopped;
        let mut round = 0_i64;
        while stopped.try_recv().is_err() {
            round += 1;
            let mut transaction = writer.begin().await.expect("a transaction");
            for (sql, value) in
                [("UPDATE afe_jobs SET priority = ?", round), ("UPDATE afe_hosts SET locked = ?", round % 2)]
            {
                transaction.execute(sql, vec![Value::Integer(value)]).await.expect(sql);
            }
            transaction.commit().await.expect("committed");
        }
        round
    });
    let own = place.open().await;
    for _ in 0..30 {
        let snapshot = taken(&own, 7).await;
        let priorities: Vec<i32> = snapshot.live.jobs.iter().map(|job| job.priority).collect();
        assert!(priorities.iter().all(|priority| *priority == priorities[0]), "{priorities:?}");
        assert!(snapshot.history.jobs.iter().all(|job| job.priority == priorities[0]));
        if priorities[0] != 40 {
            assert!(snapshot.live.hosts.iter().all(|host| host.locked == (priorities[0] % 2 == 1)));
        }
    }
    stop.send(()).expect("it writes still");
    assert!(writing.await.expect("no panic") > 0);
    assert!(now(&database).await > 0);
}
