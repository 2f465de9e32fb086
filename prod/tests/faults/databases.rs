//! The database dies, cuts connections, or is held by somebody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use yardmaster::database::{Database, DatabaseAddress};

use super::cutter::{Cut, cut_at_commits};
use super::database_server::DatabaseServer;
use super::dice::is_full;
use super::lab::{Kind, Lab, Place, Plan};

const PLAN: Plan = Plan { hosts: 8, drones: 2, kind: Kind::Local, broken_host: false };

/// Submits when the server lets it: the test's own connections break as well.
async fn reopen(lab: &mut Lab) {
    for _ in 0..200 {
        if let Ok(database) = Database::open(&lab.address).await {
            lab.database = database;
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the server does not come back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_and_started_again() {
    let server = Arc::new(tokio::task::spawn_blocking(DatabaseServer::private).await.expect("a server"));
    let mut lab = Lab::new(Place::Server(server.clone()), PLAN).await;
    let mut service = lab.serve();
    for _ in 0..if is_full() { 12 } else { 3 } {
        lab.submit_mixed(8).await;
        tokio::time::sleep(lab.dice.between(200, 1500)).await;
        server.kill();
        tokio::time::sleep(lab.dice.between(0, 1500)).await;
        service.must_live();
        let again = server.clone();
        tokio::task::spawn_blocking(move || again.start()).await.expect("it starts");
        reopen(&mut lab).await;
    }
    lab.all_is_well(service).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_killed() {
    let mut lab = Lab::new(Place::server().await, PLAN).await;
    let administrator = lab.server.as_ref().expect("a server").administrator().await;
    let mut service = lab.serve();
    service.until_said("scheduling", 1).await;
    let (wanted, mut killed, mut round) = (if is_full() { 200 } else { 30 }, 0, 0);
    while killed < wanted {
        assert!(round < 20 * wanted, "only {killed} were killed in {round} rounds");
        // The test's own connections go as well: it makes new ones.
        if round % 2 == 0 {
            reopen(&mut lab).await;
            lab.submit_mixed(1).await;
        }
        tokio::time::sleep(lab.dice.between(5, 120)).await;
        let DatabaseAddress::MySql(address) = &lab.address else { panic!("a server's address") };
        let sql = "SELECT id FROM information_schema.processlist WHERE db = ? ORDER BY info IS NULL, id";
        let rows = administrator.query(sql, vec![address.database.as_str().into()]).await.expect("connections");
        // At first those that are in the middle of something.
        for row in rows.iter().take(if round % 3 == 0 { rows.len() } else { 1 }) {
            let id: u64 = row.get(0).expect("an id");
            // It may have gone by itself.
            killed += u32::from(administrator.execute(&format!("KILL CONNECTION {id}"), Vec::new()).await.is_ok());
        }
        round += 1;
    }
    reopen(&mut lab).await;
    lab.all_is_well(service).await;
}

/// Every fourth COMMIT is cut, in turn after and before the server has done it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_in_the_middle_of_commits() {
    let mut lab = Lab::new(Place::server().await, PLAN).await;
    let cuts = Arc::new(AtomicU32::new(0));
    let (counter, mut commits) = (Arc::clone(&cuts), 0);
    let through = cut_at_commits(&lab.address, move || {
        commits += 1;
        match (commits % 4, counter.load(Ordering::SeqCst)) {
            (0, cut) => {
                counter.store(cut + 1, Ordering::SeqCst);
                if cut.is_multiple_of(2) { Cut::After } else { Cut::Before }
            }
            _ => Cut::Not,
        }
    })
    .await;
    lab.config.database.address = Some(through.to_string());
    lab.write_configuration();
    let mut service = lab.serve();
    lab.submit_mixed(if is_full() { 200 } else { 24 }).await;
    lab.rest(&mut service).await;
    let cut = cuts.load(Ordering::SeqCst);
    assert!(cut >= 10, "only {cut} were cut");
    lab.all_is_well(service).await;
}

/// Another program holds the file for longer than anybody waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_somebody_else_has_locked() {
    let mut lab = Lab::new(Place::Sqlite, PLAN).await;
    let mut service = lab.serve();
    for _ in 0..if is_full() { 6 } else { 2 } {
        lab.submit_mixed(8).await;
        tokio::time::sleep(lab.dice.between(200, 1000)).await;
        let file = lab.folder().join("lab.db");
        let hold = lab.dice.between(1500, 7000);
        let held = tokio::task::spawn_blocking(move || {
            let connection = rusqlite::Connection::open(file).expect("it opens");
            connection.busy_timeout(Duration::from_secs(30)).expect("set");
            connection.execute_batch("BEGIN EXCLUSIVE").expect("held");
            std::thread::sleep(hold);
            connection.execute_batch("COMMIT").expect("let go");
        });
        held.await.expect("no panic");
        service.must_live();
    }
    lab.all_is_well(service).await;
}
