//! Faults of real parts: replies to COMMIT that are lost, locks that others hold, a server that dies, writers that race.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use yardmaster::database::schema::migrate;
use yardmaster::database::{Database, DatabaseAddress};
use yardmaster::store::{SqlStore, StoreOptions, snapshot};
use yardmaster_engine::{CommitOutcome, HostStatus, Store};

use crate::committing::{Dice, host_change, lab, status_of};
use crate::cutter::{Cut, cut_at_commits};
use crate::database_server::DatabaseServer;
use crate::hearing::until_equal;
use crate::lab::{ENTRY, JOB, Model, TASK, host, poll, store};
use crate::place::{Place, in_each_place};

in_each_place!(
    nothing_is_lost_among_concurrent_writers,
    nothing_is_lost_without_triggers_either,
    the_change_log_hurts_no_stranger,
);

/// A store on another way to the database, on which COMMITs go as is set at the moment.
async fn store_through(address: &DatabaseAddress) -> (SqlStore, Arc<Mutex<Cut>>) {
    let mode = Arc::new(Mutex::new(Cut::Not));
    let now = Arc::clone(&mode);
    let way = cut_at_commits(address, move || *now.lock().expect("no panic in here")).await;
    let through = Database::open(&way).await.expect("it opens");
    (SqlStore::new(through, StoreOptions::default()), mode)
}

fn set(mode: &Mutex<Cut>, cut: Cut) {
    *mode.lock().expect("no panic in here") = cut;
}

async fn lost_reply(cut: Cut, landed: bool) {
    let place = Place::server().await;
    let database = place.open().await;
    migrate(&database).await.expect("it migrates");
    let dut = host(&database, "dut").await;
    let (mut store, mode) = store_through(&place.address).await;
    let term = store.begin_term("the test").await.expect("a term");
    store.load().await.expect("it loads");
    assert_eq!(store.commit(term, 1, &host_change(dut, HostStatus::Pending)).await, CommitOutcome::Committed);

    set(&mode, cut);
    let outcome = store.commit(term, 2, &host_change(dut, HostStatus::Running)).await;
    assert!(matches!(outcome, CommitOutcome::Unknown(_)), "{outcome:?}");
    set(&mode, Cut::Not);
    let (last, status, other) =
        if landed { (2, "Running", HostStatus::Running) } else { (1, "Pending", HostStatus::Pending) };
    assert_eq!(store.last_commit(term).await, Ok(Some(last)));
    assert_eq!(status_of(&database, dut).await, status);
    // It stays so: nothing of the lost transaction lives on.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(store.last_commit(term).await, Ok(Some(last)));
    let rows = store.load().await.expect("it loads");
    assert_eq!(rows.hosts[0].status, other);
    assert_eq!(store.commit(term, 3, &host_change(dut, HostStatus::Ready)).await, CommitOutcome::Committed);
    assert_eq!(poll(&mut store).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_cut_before_the_server_did_not_land() {
    lost_reply(Cut::Before, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_cut_after_the_server_landed() {
    lost_reply(Cut::After, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_the_server_still_holds_is_ended() {
    lost_reply(Cut::Silently, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_landed_commit_that_is_settled_is_not_told() {
    let place = Place::server().await;
    let (database, _, _) = store(&place).await;
    let dut = host(&database, "dut").await;
    let (mut store, mode) = store_through(&place.address).await;
    crate::lab::run(&database, "UPDATE yardmaster_terms SET held = 0", vec![]).await;
    let term = store.begin_term("the test").await.expect("a term");
    store.load().await.expect("it loads");
    set(&mode, Cut::After);
    let outcome = store.commit(term, 1, &host_change(dut, HostStatus::Running)).await;
    assert!(matches!(outcome, CommitOutcome::Unknown(_)), "{outcome:?}");
    set(&mode, Cut::Not);
    assert_eq!(store.last_commit(term).await, Ok(Some(1)));
    // The engine goes on without loading: so does the store.
    assert_eq!(poll(&mut store).await, []);
    assert_eq!(store.commit(term, 2, &host_change(dut, HostStatus::Ready)).await, CommitOutcome::Committed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_others_hold_for_a_while_are_waited_for() {
    let place = Place::server().await;
    let (database, mut store, term) = store(&place).await;
    let (one, two) = (host(&database, "one").await, host(&database, "two").await);
    store.load().await.expect("it loads");
    // A stranger takes the second host, then the first: the store takes them the other way round.
    let mut stranger = database.begin().await.expect("a transaction");
    stranger.execute("UPDATE afe_hosts SET locked = 1 WHERE id = ?", vec![two.into()]).await.expect("an update");
    let theirs = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        match stranger.execute("UPDATE afe_hosts SET locked = 1 WHERE id = ?", vec![one.into()]).await {
            Ok(_) => stranger.commit().await,
            Err(error) => Err(error),
        }
    });
    let mut changes = host_change(one, HostStatus::Running);
    changes.hosts.extend(host_change(two, HostStatus::Running).hosts);
    let outcome = store.commit(term, 1, &changes).await;
    let theirs = theirs.await.expect("no panic");
    // Whomever the server chose as its victim: the store has tried again.
    assert_eq!(outcome, CommitOutcome::Committed, "the stranger: {theirs:?}");
    assert_eq!(status_of(&database, one).await, "Running");
    assert_eq!(status_of(&database, two).await, "Running");
}

/// Each attempt to commit waits 5 s for the rows; by the end of the second one the term would be over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_term_is_kept_while_a_commit_waits_for_others() {
    let place = Place::server().await;
    let (database, mut first, _) = store(&place).await;
    let dut = host(&database, "dut").await;
    first.release_term().await.expect("given back");
    let options = StoreOptions { term_limit: 7, ..StoreOptions::default() };
    let mut store = SqlStore::new(place.open().await, options.clone());
    let term = store.begin_term("the test").await.expect("a term");
    store.load().await.expect("it loads");
    let mut stranger = database.begin().await.expect("a transaction");
    stranger.execute("UPDATE afe_hosts SET locked = 1 WHERE id = ?", vec![dut.into()]).await.expect("an update");
    let commit = tokio::spawn(async move {
        let outcome = store.commit(term, 1, &host_change(dut, HostStatus::Running)).await;
        (outcome, store)
    });
    let mut standby = SqlStore::new(place.open().await, options);
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(12) {
        standby.begin_term("a standby").await.expect_err("the first one lives");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stranger.commit().await.expect("it commits");
    let (outcome, _store) = commit.await.expect("no panic");
    assert_eq!(outcome, CommitOutcome::Committed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_and_comes_back() {
    let server = Arc::new(tokio::task::spawn_blocking(DatabaseServer::private).await.expect("a server"));
    let address = server.fresh_database().await;
    let database = Database::open(&address).await.expect("it opens");
    migrate(&database).await.expect("it migrates");
    let dut = host(&database, "dut").await;
    let mut store = SqlStore::new(Database::open(&address).await.expect("it opens"), StoreOptions::default());
    let term = store.begin_term("the test").await.expect("a term");
    store.load().await.expect("it loads");
    assert_eq!(store.commit(term, 1, &host_change(dut, HostStatus::Pending)).await, CommitOutcome::Committed);
    server.kill();
    assert!(store.poll().await.is_err());
    let outcome = store.commit(term, 2, &host_change(dut, HostStatus::Running)).await;
    assert!(matches!(outcome, CommitOutcome::Refused(_)), "{outcome:?}");
    assert!(store.load().await.is_err());
    let again = server.clone();
    tokio::task::spawn_blocking(move || again.start()).await.expect("it starts");
    let mut loaded = store.load().await;
    for _ in 0..200 {
        if loaded.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        loaded = store.load().await;
    }
    assert_eq!(loaded.expect("it loads").hosts[0].status, HostStatus::Pending);
    assert_eq!(store.commit(term, 3, &host_change(dut, HostStatus::Running)).await, CommitOutcome::Committed);
    assert_eq!(status_of(&database, dut).await, "Running");
}

/// Random transactions of one writer; some are rolled back, some take their time before they commit.
async fn write_at_random(database: Database, seed: u64) {
    let mut dice = Dice(seed);
    for _ in 0..30 {
        let mut transaction = database.begin().await.expect("a transaction");
        let mut failed = false;
        for _ in 0..1 + dice.below(4) {
            let (dut, entry, job) = (1 + dice.below(8) as u32, 1 + dice.below(60) as u32, 1 + dice.below(30) as u32);
            let (sql, parameters) = match dice.below(11) {
                0 => (JOB, vec!["autotest_system".into(), yardmaster::database::Value::Null]),
                1 => (ENTRY, vec![job.into(), yardmaster::database::Value::Null, 1.into()]),
                2 => ("UPDATE afe_host_queue_entries SET aborted = 1 - aborted WHERE id = ?", vec![entry.into()]),
                3 => (
                    "UPDATE afe_host_queue_entries SET status = 'Completed', complete = 1 WHERE id = ?",
                    vec![entry.into()],
                ),
                4 => (
                    "UPDATE afe_host_queue_entries SET status = 'Queued', complete = 0 WHERE id = ?",
                    vec![entry.into()],
                ),
                5 => ("UPDATE afe_hosts SET locked = 1 - locked WHERE id = ?", vec![dut.into()]),
                6 => ("INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (?, 1)", vec![dut.into()]),
                7 => ("DELETE FROM afe_hosts_labels WHERE host_id = ?", vec![dut.into()]),
                8 => (TASK, vec![dut.into()]),
                9 => ("UPDATE afe_jobs SET priority = priority + 1 WHERE id = ?", vec![job.into()]),
                _ => ("UPDATE afe_special_tasks SET is_complete = 1 WHERE host_id = ?", vec![dut.into()]),
            };
            // A duplicate, a missing job, a deadlock: that is what happens to frontends.
            failed |= transaction.execute(sql, parameters).await.is_err();
        }
        tokio::time::sleep(Duration::from_millis(dice.below(4) as u64)).await;
        if failed || dice.below(5) == 0 {
            drop(transaction);
        } else {
            transaction.commit().await.expect("it commits");
        }
    }
}

async fn nothing_is_lost_among_concurrent_writers(place: Place) {
    let (database, mut store, term) = store(&place).await;
    lab(&database, 8, 10).await;
    let mut model = Model::of(&store.load().await.expect("it loads"));
    let mut writers = Vec::new();
    for seed in 1..=4 {
        writers.push(tokio::spawn(write_at_random(place.open().await, seed)));
    }
    let mut number = 0;
    while writers.iter().any(|writer| !writer.is_finished()) {
        model.hear(poll(&mut store).await);
        // The scheduler writes in between. What it writes, it knows.
        number += 1;
        let status = HostStatus::ALL[number as usize % HostStatus::ALL.len()];
        if store.commit(term, number, &host_change(1, status)).await == CommitOutcome::Committed {
            model.hosts.get_mut(&yardmaster_engine::HostId(1)).expect("the first host").status = status;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for writer in writers {
        writer.await.expect("no writer panics");
    }
    model.hear(poll(&mut store).await);
    let found = snapshot(&database, 1000).await.expect("a snapshot");
    assert_eq!(model, Model::of(&found.rows));
    assert_eq!(poll(&mut store).await, []);
}

async fn nothing_is_lost_without_triggers_either(place: Place) {
    let (database, _, _) = store(&place).await;
    lab(&database, 8, 10).await;
    crate::lab::run(&database, "DELETE FROM yardmaster_schema WHERE version = 2", vec![]).await;
    let options = StoreOptions { reconcile_without_triggers: Duration::from_millis(100), ..StoreOptions::default() };
    let mut store = SqlStore::new(place.open().await, options);
    let mut model = Model::of(&store.load().await.expect("it loads"));
    assert!(!store.has_triggers());
    let mut writers = Vec::new();
    for seed in 11..=13 {
        writers.push(tokio::spawn(write_at_random(place.open().await, seed)));
    }
    while writers.iter().any(|writer| !writer.is_finished()) {
        model.hear(poll(&mut store).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for writer in writers {
        writer.await.expect("no writer panics");
    }
    until_equal(&mut store, &database, &mut model).await;
}

/// Strangers that only touch rows of their own, by their ids, never meet without the triggers; nor may they because of them.
async fn the_change_log_hurts_no_stranger(place: Place) {
    let (database, mut store, _) = store(&place).await;
    const STRANGERS: u32 = 6;
    const HOSTS: u32 = 5;
    lab(&database, STRANGERS * HOSTS, 1).await;
    let mut model = Model::of(&store.load().await.expect("it loads"));
    let stranger = |number: u32, database: Database| async move {
        let (first, last) = (1 + number * HOSTS, (number + 1) * HOSTS);
        for _ in 0..25 {
            let mut transaction = database.begin().await?;
            for id in first..=last {
                for sql in ["UPDATE afe_hosts SET locked = 1 - locked WHERE id = ?", TASK] {
                    transaction.execute(sql, vec![id.into()]).await?;
                }
            }
            for id in first..=last {
                transaction.execute("UPDATE afe_hosts SET dirty = 1 - dirty WHERE id = ?", vec![id.into()]).await?;
            }
            // Many rows in one statement, which holds what it has got while it goes on.
            let many = "UPDATE afe_hosts SET protection = 1 - protection WHERE id BETWEEN ? AND ?";
            transaction.execute(many, vec![first.into(), last.into()]).await?;
            transaction.commit().await?;
        }
        Ok::<(), yardmaster::database::DatabaseError>(())
    };
    let mut strangers = Vec::new();
    for number in 0..STRANGERS {
        strangers.push(tokio::spawn(stranger(number, place.open().await)));
    }
    while strangers.iter().any(|stranger| !stranger.is_finished()) {
        model.hear(poll(&mut store).await);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for stranger in strangers {
        assert_eq!(stranger.await.expect("no panic"), Ok(()));
    }
    model.hear(poll(&mut store).await);
    assert_eq!(model, Model::of(&snapshot(&database, 1000).await.expect("a snapshot").rows));
}
