//! Places where a database can be: every test of the contract runs in each.

use std::sync::Arc;

use tempfile::TempDir;
use yardmaster::database::{Database, DatabaseAddress, Value};

use crate::database_server::DatabaseServer;

/// Where a database is, kept alive as long as a test needs it.
pub(crate) struct Place {
    pub(crate) address: DatabaseAddress,
    _directory: Option<TempDir>,
    pub(crate) server: Option<Arc<DatabaseServer>>,
}

impl Place {
    /// A new file.
    pub(crate) fn sqlite() -> Place {
        let directory = TempDir::new().expect("a temporary directory");
        let address = DatabaseAddress::Sqlite(directory.path().join("lab.db"));
        Place { address, _directory: Some(directory), server: None }
    }

    /// A new database on the shared server.
    pub(crate) async fn server() -> Place {
        let server = tokio::task::spawn_blocking(DatabaseServer::shared).await.expect("a server");
        let address = server.fresh_database().await;
        Place { address, _directory: None, server: Some(server) }
    }

    pub(crate) async fn open(&self) -> Database {
        Database::open(&self.address).await.expect("the database opens")
    }
}

/// The first column of the first row, as a number.
pub(crate) async fn number(database: &Database, sql: &str, parameters: Vec<Value>) -> i64 {
    let rows = database.query(sql, parameters).await.expect(sql);
    rows.first().map_or(0, |row| row.get(0).expect(sql))
}

/// Makes two tests of one contract: on SQLite and on a server.
macro_rules! in_each_place {
    ($($(#[$attribute:meta])* $name:ident),+ $(,)?) => {
        mod on_sqlite {$(
            $(#[$attribute])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::place::Place::sqlite()).await;
            }
        )+}
        mod on_a_server {$(
            $(#[$attribute])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::place::Place::server().await).await;
            }
        )+}
    };
}
pub(crate) use in_each_place;
