//! Faults of real parts: replies to COMMIT that are lost, locks that others hold, a server that dies, writers that race.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use yardmaster::database::schema::migrate;
use yardmaster::database::{Database, DatabaseAddress};
use yardmaster::store::{SqlStore, StoreOptions, snapshot};
use yardmaster_engine::{CommitOutcome, HostStatus, Store};

use crate::committing::{Dice, host_change, lab, status_of};
use crate::lab::{ENTRY, JOB, Model, TASK, host, poll, store};
use crate::mariadb::MariaDb;
use crate::place::{Place, in_each_place};

in_each_place!(nothing_is_lost_among_concurrent_writers);

/// When the proxy cuts a connection.
const NEVER: u8 = 0;
const BEFORE_COMMIT: u8 = 1;
const AFTER_COMMIT: u8 = 2;
/// Before the server reads it, and without telling the server that the client is gone.
const SILENTLY: u8 = 3;

/// Stands between client and server, and cuts the connection at a COMMIT. Returns its port.
async fn proxy(server: u16, mode: Arc<AtomicU8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let mode = mode.clone();
            tokio::spawn(async move {
                let server = TcpStream::connect(("127.0.0.1", server)).await.expect("the server");
                carry(client, server, mode).await;
            });
        }
    });
    port
}

async fn carry(mut client: TcpStream, mut server: TcpStream, mode: Arc<AtomicU8>) {
    let (mut from_client, mut from_server) = (vec![0; 65536], vec![0; 65536]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(length @ 1..) = read else { return };
                let bytes = &from_client[..length];
                // A packet's head, the word for a text query, and the query.
                let is_commit = bytes.len() == 11 && bytes[4] == 3 && &bytes[5..] == b"COMMIT";
                match mode.load(Ordering::SeqCst) {
                    BEFORE_COMMIT if is_commit => return,
                    AFTER_COMMIT if is_commit => {
                        let _ = server.write_all(bytes).await;
                        // The server has done it once it answers.
                        let _ = server.read(&mut from_server).await;
                        return;
                    }
                    SILENTLY if is_commit => {
                        drop(client);
                        tokio::time::sleep(Duration::from_secs(600)).await;
                        return;
                    }
                    _ => {}
                }
                if server.write_all(bytes).await.is_err() { return }
            }
            read = server.read(&mut from_server) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&from_server[..length]).await.is_err() { return }
            }
        }
    }
}

fn at_port(address: &DatabaseAddress, port: u16) -> DatabaseAddress {
    match address {
        DatabaseAddress::MySql(address) => {
            DatabaseAddress::MySql(yardmaster::database::MySqlAddress { port, ..address.clone() })
        }
        DatabaseAddress::Sqlite(_) => panic!("a server's address"),
    }
}

async fn lost_reply(cut: u8, landed: bool) {
    let place = Place::mariadb().await;
    let database = place.open().await;
    migrate(&database).await.expect("it migrates");
    let dut = host(&database, "dut").await;
    let mode = Arc::new(AtomicU8::new(NEVER));
    let port = proxy(place.server.as_ref().expect("a server").port(), mode.clone()).await;
    let through = Database::open(&at_port(&place.address, port)).await.expect("it opens");
    let mut store = SqlStore::new(through, StoreOptions::default());
    let term = store.begin_term("the test").await.expect("a term");
    store.load().await.expect("it loads");
    assert_eq!(store.commit(term, 1, &host_change(dut, HostStatus::Pending)).await, CommitOutcome::Committed);

    mode.store(cut, Ordering::SeqCst);
    let outcome = store.commit(term, 2, &host_change(dut, HostStatus::Running)).await;
    assert!(matches!(outcome, CommitOutcome::Unknown(_)), "{outcome:?}");
    mode.store(NEVER, Ordering::SeqCst);
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
    lost_reply(BEFORE_COMMIT, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_cut_after_the_server_landed() {
    lost_reply(AFTER_COMMIT, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_the_server_still_holds_is_ended() {
    lost_reply(SILENTLY, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_landed_commit_that_is_settled_is_not_told() {
    let place = Place::mariadb().await;
    let (database, _, _) = store(&place).await;
    let dut = host(&database, "dut").await;
    let mode = Arc::new(AtomicU8::new(NEVER));
    let port = proxy(place.server.as_ref().expect("a server").port(), mode.clone()).await;
    let through = Database::open(&at_port(&place.address, port)).await.expect("it opens");
    crate::lab::run(&database, "UPDATE yardmaster_terms SET held = 0", vec![]).await;
    let mut store = SqlStore::new(through, StoreOptions::default());
    let term = store.begin_term("the test").await.expect("a term");
    store.load().await.expect("it loads");
    mode.store(AFTER_COMMIT, Ordering::SeqCst);
    let outcome = store.commit(term, 1, &host_change(dut, HostStatus::Running)).await;
    assert!(matches!(outcome, CommitOutcome::Unknown(_)), "{outcome:?}");
    mode.store(NEVER, Ordering::SeqCst);
    assert_eq!(store.last_commit(term).await, Ok(Some(1)));
    // The engine goes on without loading: so does the store.
    assert_eq!(poll(&mut store).await, []);
    assert_eq!(store.commit(term, 2, &host_change(dut, HostStatus::Ready)).await, CommitOutcome::Committed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_others_hold_for_a_while_are_waited_for() {
    let place = Place::mariadb().await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_and_comes_back() {
    let server = Arc::new(tokio::task::spawn_blocking(MariaDb::private).await.expect("a server"));
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
