//! Stands between a client and a MySQL server, and cuts connections at a COMMIT.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use yardmaster::database::{DatabaseAddress, MySqlAddress};

/// What becomes of a connection at a COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Not,
    /// Before the server has seen it.
    Before,
    /// After the server has done it, before the client hears of it.
    After,
    /// Before the server has seen it, and without telling the server that the client is gone.
    #[allow(dead_code, reason = "each test is a crate of its own and uses a part of this")]
    Silently,
}

type AtCommit = Arc<Mutex<dyn FnMut() -> Cut + Send>>;

/// Opens another way to a database, on which `at_commit` decides what becomes of each COMMIT.
pub(crate) async fn cut_at_commits(
    address: &DatabaseAddress,
    at_commit: impl FnMut() -> Cut + Send + 'static,
) -> DatabaseAddress {
    let DatabaseAddress::MySql(address) = address else { panic!("a server's address") };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (server, at_commit): (u16, AtCommit) = (address.port, Arc::new(Mutex::new(at_commit)));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let at_commit = Arc::clone(&at_commit);
            tokio::spawn(async move {
                if let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await {
                    carry(client, server, at_commit).await;
                }
            });
        }
    });
    DatabaseAddress::MySql(MySqlAddress { port, ..address.clone() })
}

async fn carry(mut client: TcpStream, mut server: TcpStream, at_commit: AtCommit) {
    let (mut from_client, mut from_server) = (vec![0; 65536], vec![0; 65536]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(length @ 1..) = read else { return };
                let bytes = &from_client[..length];
                // A packet's head, the word for a text query, and the query.
                let is_commit = bytes.len() == 11 && bytes[4] == 3 && &bytes[5..] == b"COMMIT";
                let cut = if is_commit { at_commit.lock().expect("no panic in here")() } else { Cut::Not };
                match cut {
                    Cut::Not => {}
                    Cut::Before => return,
                    Cut::After => {
                        let _ = server.write_all(bytes).await;
                        // The server has done it once it answers.
                        let _ = server.read(&mut from_server).await;
                        return;
                    }
                    Cut::Silently => {
                        drop(client);
                        tokio::time::sleep(Duration::from_secs(600)).await;
                        return;
                    }
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
