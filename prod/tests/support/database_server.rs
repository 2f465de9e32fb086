//! A database server of the tests' own: private directory, socket and loopback port; killed by its pid at the end. It is MariaDB,
//! or MySQL where `YARDMASTER_TEST_MYSQLD` names its program.

use std::ffi::OsString;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tempfile::TempDir;
use yardmaster::database::{Database, DatabaseAddress};

/// Which server it is.
enum Product {
    MariaDb,
    /// The server's program.
    MySql(OsString),
}

impl Product {
    fn wanted() -> Product {
        std::env::var_os("YARDMASTER_TEST_MYSQLD").map_or(Product::MariaDb, Product::MySql)
    }
}

/// A running server, until it is dropped.
pub(crate) struct DatabaseServer {
    directory: TempDir,
    port: u16,
    product: Product,
    /// What it is started with besides.
    options: Vec<String>,
    process: Mutex<Option<Child>>,
    databases: AtomicU32,
}

static SHARED: Mutex<Weak<DatabaseServer>> = Mutex::new(Weak::new());
/// Enough for a slow machine.
const ATTEMPTS: u32 = 600;
const PAUSE: Duration = Duration::from_millis(100);
const LOG: &str = "server.log";
/// MySQL's first account comes through the socket alone; MariaDB makes both.
const ROOT_BY_TCP: &str = "CREATE USER IF NOT EXISTS root@'127.0.0.1' IDENTIFIED BY '';\n\
                           GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n";
const FIRST_STATEMENTS: &str = "first.sql";
/// MySQL does not start without the directory for `LOAD DATA` that it was built with, unless there is to be none.
const NO_FILES: &str = "--secure-file-priv=NULL";

impl DatabaseServer {
    /// The server that the tests of this binary share.
    pub(crate) fn shared() -> Arc<DatabaseServer> {
        let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(DatabaseServer::private());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// A server for one test, to be killed.
    pub(crate) fn private() -> DatabaseServer {
        DatabaseServer::prepared(|_| Vec::new())
    }

    /// A server for one test with options of its own; what they name can be put into its directory.
    pub(crate) fn prepared(prepare: impl FnOnce(&Path) -> Vec<String>) -> DatabaseServer {
        let directory =
            tempfile::Builder::new().prefix("yardmaster-database-").tempdir().expect("a temporary directory");
        std::fs::create_dir(directory.path().join("tmp")).expect("a directory");
        std::fs::write(directory.path().join(FIRST_STATEMENTS), ROOT_BY_TCP).expect("a file");
        let options = prepare(directory.path());
        if is_root() {
            let owned = Command::new("chown").args(["-R", "mysql:"]).arg(directory.path()).status();
            assert!(owned.is_ok_and(|status| status.success()), "chown to mysql");
        }
        // Another process may take the port before the server does; then the server does not start, and the test says so.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let process = Mutex::new(None);
        let (product, databases) = (Product::wanted(), AtomicU32::new(0));
        let server = DatabaseServer { directory, port, product, options, process, databases };
        server.install();
        server.start();
        server
    }

    fn install(&self) {
        let mut install = match &self.product {
            Product::MariaDb => {
                let mut install = Command::new("mariadb-install-db");
                install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
                install
            }
            Product::MySql(program) => {
                let mut install = Command::new(program);
                install.args(["--no-defaults", "--initialize-insecure", NO_FILES]);
                install
            }
        };
        let installed = install
            .args(user())
            .args([self.option("datadir", "data"), self.option("tmpdir", "tmp")])
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{install:?}: {error}; install the package mariadb-server"));
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    }

    /// Starts it again.
    pub(crate) fn start(&self) {
        let mut server = match &self.product {
            Product::MariaDb => {
                let mut server = Command::new("mariadbd");
                server.args(["--no-defaults", "--innodb-log-file-size=64M", "--skip-name-resolve"]);
                server
            }
            Product::MySql(program) => {
                let mut server = Command::new(program);
                server
                    .args(["--no-defaults", "--mysqlx=OFF", NO_FILES])
                    .arg(self.option("init-file", FIRST_STATEMENTS));
                server
            }
        };
        let process = server
            .args(user())
            // A server that starts deletes what it finds of temporary tables: in /tmp it would find another server's.
            .args([self.option("datadir", "data"), self.option("tmpdir", "tmp")])
            .args([
                self.option("socket", "socket"),
                self.option("pid-file", "server.pid"),
                self.option("log-error", LOG),
            ])
            .arg(format!("--port={}", self.port))
            .args(["--bind-address=127.0.0.1", "--innodb-buffer-pool-size=256M", "--max-connections=300"])
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{server:?}: {error}"));
        *self.process.lock().expect("no test has panicked in here") = Some(process);
        for _ in 0..ATTEMPTS {
            // Its last step: it has listened on the socket for a while, and the first statements are done.
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("{}", std::fs::read_to_string(self.file(LOG)).unwrap_or_default());
    }

    fn option(&self, name: &str, file: &str) -> String {
        format!("--{name}={}", self.file(file).display())
    }

    /// A file in its directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&self) {
        let process = self.process.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        if let Some(mut process) = process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// The address of a database there.
    pub(crate) fn address(&self, database: &str) -> DatabaseAddress {
        let address = format!("mysql://root@127.0.0.1:{}/{database}", self.port);
        address.parse().expect("an address")
    }

    /// Makes an empty database.
    pub(crate) async fn fresh_database(&self) -> DatabaseAddress {
        let name = format!("lab{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let server = self.administrator().await;
        let created = server.execute(&format!("CREATE DATABASE {name} CHARACTER SET utf8"), Vec::new()).await;
        created.expect("CREATE DATABASE");
        self.address(&name)
    }

    /// A handle with which anything may be done.
    pub(crate) async fn administrator(&self) -> Database {
        Database::open(&self.address("mysql")).await.expect("the server lets root in")
    }
}

impl Drop for DatabaseServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

fn user() -> Option<&'static str> {
    is_root().then_some("--user=mysql")
}
