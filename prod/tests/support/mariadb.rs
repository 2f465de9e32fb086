//! A MariaDB server of the tests' own: private directory, socket and loopback port; killed by its pid at the end.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tempfile::TempDir;
use yardmaster::database::{Database, DatabaseAddress};

/// A running server, until it is dropped.
pub(crate) struct MariaDb {
    directory: TempDir,
    port: u16,
    process: Mutex<Option<Child>>,
    databases: AtomicU32,
}

static SHARED: Mutex<Weak<MariaDb>> = Mutex::new(Weak::new());
/// Enough for a slow machine.
const ATTEMPTS: u32 = 600;
const PAUSE: Duration = Duration::from_millis(100);

impl MariaDb {
    /// The server that the tests of this binary share.
    pub(crate) fn shared() -> Arc<MariaDb> {
        let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(MariaDb::private());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// A server for one test, to be killed.
    pub(crate) fn private() -> MariaDb {
        let directory =
            tempfile::Builder::new().prefix("yardmaster-mariadb-").tempdir().expect("a temporary directory");
        std::fs::create_dir(directory.path().join("tmp")).expect("a directory");
        if is_root() {
            let owned = Command::new("chown").args(["-R", "mysql:"]).arg(directory.path()).status();
            assert!(owned.is_ok_and(|status| status.success()), "chown to mysql");
        }
        let installed = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .args(user())
            .arg(format!("--datadir={}", directory.path().join("data").display()))
            .arg(format!("--tmpdir={}", directory.path().join("tmp").display()))
            .stdin(Stdio::null())
            .output()
            .expect("mariadb-install-db: install the package mariadb-server");
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        // Another process may take the port before the server does; then the server does not start, and the test says so.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let server = MariaDb { directory, port, process: Mutex::new(None), databases: AtomicU32::new(0) };
        server.start();
        server
    }

    /// Starts it again.
    pub(crate) fn start(&self) {
        let data = self.directory.path().join("data");
        let process = Command::new("mariadbd")
            .arg("--no-defaults")
            .args(user())
            .arg(format!("--datadir={}", data.display()))
            // A server that starts deletes what it finds of temporary tables: in /tmp it would find another server's.
            .arg(format!("--tmpdir={}", self.directory.path().join("tmp").display()))
            .arg(format!("--socket={}", self.socket().display()))
            .arg(format!("--pid-file={}", data.join("server.pid").display()))
            .arg(format!("--log-error={}", data.join("server.log").display()))
            .arg(format!("--port={}", self.port))
            .args(["--bind-address=127.0.0.1", "--innodb-buffer-pool-size=256M", "--max-connections=300"])
            .args(["--innodb-log-file-size=64M", "--skip-name-resolve"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mariadbd: install the package mariadb-server");
        *self.process.lock().expect("no test has panicked in here") = Some(process);
        for _ in 0..ATTEMPTS {
            if std::os::unix::net::UnixStream::connect(self.socket()).is_ok() {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("{}", std::fs::read_to_string(data.join("server.log")).unwrap_or_default());
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&self) {
        let process = self.process.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        if let Some(mut process) = process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
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

impl Drop for MariaDb {
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
