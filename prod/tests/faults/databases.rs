//! The database dies, cuts connections, or is held by somebody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use yardmaster::database::{Database, DatabaseAddress};

use super::dice::is_full;
use super::lab::{Kind, Lab, Place, Plan};
use super::mariadb::MariaDb;

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
    let server = Arc::new(tokio::task::spawn_blocking(MariaDb::private).await.expect("a server"));
    let mut lab = Lab::new(Place::MariaDb(server.clone()), PLAN).await;
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
    let mut lab = Lab::new(Place::mariadb().await, PLAN).await;
    let administrator = lab.server.as_ref().expect("a server").administrator().await;
    let mut service = lab.serve();
    service.until_said("scheduling", 1).await;
    let (rounds, mut killed) = (if is_full() { 200 } else { 30 }, 0);
    for round in 0..rounds {
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
            killed += usize::from(administrator.execute(&format!("KILL CONNECTION {id}"), Vec::new()).await.is_ok());
        }
    }
    assert!(killed >= rounds, "only {killed} were killed");
    reopen(&mut lab).await;
    lab.all_is_well(service).await;
}

/// Cuts every so many connections at a COMMIT, in turn before and after the server has done it; tells how many it has cut.
struct Cutter {
    every: u32,
    commits: AtomicU32,
    cut: AtomicU32,
}

impl Cutter {
    /// Stands between the service and the server. Returns its port.
    async fn listen(self: Arc<Cutter>, server: u16) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let cutter = Arc::clone(&self);
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await {
                        cutter.carry(client, server).await;
                    }
                });
            }
        });
        port
    }

    async fn carry(&self, mut client: TcpStream, mut server: TcpStream) {
        let (mut from_client, mut from_server) = (vec![0; 65536], vec![0; 65536]);
        loop {
            tokio::select! {
                read = client.read(&mut from_client) => {
                    let Ok(length @ 1..) = read else { return };
                    let bytes = &from_client[..length];
                    // A packet's head, the word for a text query, and the query.
                    let is_commit = bytes.len() == 11 && bytes[4] == 3 && &bytes[5..] == b"COMMIT";
                    if is_commit && self.commits.fetch_add(1, Ordering::SeqCst) % self.every == self.every - 1 {
                        if self.cut.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
                            let _ = server.write_all(bytes).await;
                            // The server has done it once it answers.
                            let _ = server.read(&mut from_server).await;
                        }
                        return;
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_in_the_middle_of_commits() {
    let mut lab = Lab::new(Place::mariadb().await, PLAN).await;
    let cutter = Arc::new(Cutter { every: 4, commits: AtomicU32::new(0), cut: AtomicU32::new(0) });
    let port = cutter.clone().listen(lab.server.as_ref().expect("a server").port()).await;
    let DatabaseAddress::MySql(address) = &lab.address else { panic!("a server's address") };
    let through = DatabaseAddress::MySql(yardmaster::database::MySqlAddress { port, ..address.clone() });
    lab.config.database.address = Some(through.to_string());
    lab.write_configuration();
    let mut service = lab.serve();
    lab.submit_mixed(if is_full() { 200 } else { 24 }).await;
    lab.rest(&mut service).await;
    let cut = cutter.cut.load(Ordering::SeqCst);
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
