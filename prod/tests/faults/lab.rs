//! A lab with real parts: hosts in a database, drones with results directories and the practice driver.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;
use tempfile::TempDir;
use yardmaster::database::schema::migrate;
use yardmaster::database::{Database, DatabaseAddress, Value};
use yardmaster::drones::Commands;
use yardmaster::frontend::drones::DroneRequest;
use yardmaster::frontend::hosts::NewHosts;
use yardmaster::frontend::jobs::JobRequest;
use yardmaster::frontend::{drones, hosts, jobs, labels, users};
use yardmaster::service::config::{Config, LogFormat};
use yardmaster_engine::JobId;

use super::database_server::DatabaseServer;
use super::dice::{Dice, seed};
use super::processes::{self, Part};
use super::service::{PATIENCE, Service};
use super::sshd::Sshd;
use super::work::{BOARD, Fate, OWNER, mixed};

/// The agent's program.
pub(crate) const AGENT: &str = env!("CARGO_BIN_EXE_yardmaster-drone");
/// How long everything around a test takes, in seconds.
const AROUND: [(&str, f64); 7] = [
    ("verify", 0.2),
    ("cleanup", 0.3),
    ("reset", 0.3),
    ("repair", 0.3),
    ("provision", 0.3),
    ("gather", 0.1),
    ("parse", 0.1),
];

/// Where a lab's rows are.
pub(crate) enum Place {
    Sqlite,
    Server(Arc<DatabaseServer>),
}

impl Place {
    pub(crate) async fn server() -> Place {
        Place::Server(tokio::task::spawn_blocking(DatabaseServer::shared).await.expect("a server"))
    }
}

/// Makes two tests of one: on SQLite and on a server.
macro_rules! in_each_place {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::lab::Place::Sqlite).await;
            }
        )+}
        mod on_a_server {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::lab::Place::server().await).await;
            }
        )+}
    };
}
pub(crate) use in_each_place;

/// How drones are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Local,
    Ssh,
}

/// What a lab is to have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) hosts: u32,
    pub(crate) drones: u32,
    pub(crate) kind: Kind,
    /// The third host fails whatever prepares or repairs it.
    pub(crate) broken_host: bool,
}

/// See the module. Whatever it has started is killed when it goes.
pub(crate) struct Lab {
    pub(crate) directory: TempDir,
    pub(crate) address: DatabaseAddress,
    pub(crate) database: Database,
    pub(crate) server: Option<Arc<DatabaseServer>>,
    pub(crate) sshd: Option<Sshd>,
    pub(crate) config: Config,
    pub(crate) plan: Plan,
    pub(crate) fates: BTreeMap<JobId, Fate>,
    pub(crate) dice: Dice,
    seed: u64,
}

impl Lab {
    pub(crate) async fn new(place: Place, plan: Plan) -> Lab {
        let directory = tempfile::Builder::new().prefix("yardmaster-faults-").tempdir().expect("a folder");
        let (address, server) = match place {
            Place::Sqlite => (DatabaseAddress::Sqlite(directory.path().join("lab.db")), None),
            Place::Server(server) => (server.fresh_database().await, Some(server)),
        };
        let database = Database::open(&address).await.expect("the database opens");
        migrate(&database).await.expect("it migrates");
        let sshd = (plan.kind == Kind::Ssh).then(|| Sshd::start(&directory.path().join("sshd")));
        let config = configuration(directory.path(), &address, sshd.as_ref());
        let seed = seed();
        let (fates, dice) = (BTreeMap::new(), Dice::new(seed));
        let lab = Lab { directory, address, database, server, sshd, config, plan, fates, dice, seed };
        lab.write_configuration();
        lab.fill().await;
        lab
    }

    async fn fill(&self) {
        let database = &self.database;
        users::add(database, OWNER, 0).await.expect("a user");
        labels::add(database, BOARD, true).await.expect("a label");
        let names = (1..=self.plan.hosts).map(host_name).collect();
        let new = NewHosts { labels: vec![BOARD.to_owned()], ..NewHosts::new(names) };
        hosts::add(database, &new).await.expect("hosts");
        for drone in 1..=self.plan.drones {
            let name = format!("drone{drone}");
            let mut request = match self.plan.kind {
                Kind::Local => DroneRequest::local(&name),
                Kind::Ssh => DroneRequest::ssh(&name),
            };
            request.address = self.sshd.as_ref().map(|_| "127.0.0.1".to_owned());
            request.port = self.sshd.as_ref().map(Sshd::port);
            request.results_dir = Some(self.results(drone).display().to_string());
            drones::add(database, &request).await.expect("a drone");
        }
        for (kind, seconds) in AROUND {
            self.behave(kind, &format!("seconds = {seconds}\n"));
        }
        if self.plan.broken_host {
            for kind in ["verify", "reset", "cleanup", "repair"] {
                self.behave(&format!("{kind}.{}", host_name(3)), "seconds = 0.2\nexit = 1\n");
            }
        }
    }

    /// Tells the practice driver on all drones how a kind of process goes.
    pub(crate) fn behave(&self, kind: &str, text: &str) {
        for drone in 1..=self.plan.drones {
            let folder = self.results(drone).join(".practice");
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(folder.join(kind), text).expect("written");
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.directory.path()
    }

    /// The results directory of a drone; they are numbered from 1.
    pub(crate) fn results(&self, drone: u32) -> PathBuf {
        self.folder().join(format!("results{drone}"))
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder().join("yardmaster.toml")
    }

    pub(crate) fn log_file(&self) -> PathBuf {
        self.folder().join("serve.log")
    }

    /// Writes the settings for the next start.
    pub(crate) fn write_configuration(&self) {
        let text = toml::to_string(&self.config).expect("settings");
        fs::write(self.config_file(), text).expect("written");
    }

    pub(crate) fn serve(&self) -> Service {
        Service::start(&self.config_file(), &self.log_file(), &[])
    }

    /// The last scheduler is dead and cannot give its term back: this saves waiting until it has run out.
    pub(crate) async fn free_term(&self) {
        self.run("UPDATE yardmaster_terms SET held = 0").await;
    }

    pub(crate) async fn run(&self, sql: &str) {
        self.database.execute(sql, Vec::new()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The first column of the first row, as a number; 0 without a row.
    pub(crate) async fn number(&self, sql: &str, parameters: Vec<Value>) -> i64 {
        let rows = self.database.query(sql, parameters).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows.first().map_or(0, |row| row.get::<Option<i64>>(0).expect("a number").unwrap_or(0))
    }

    pub(crate) async fn submit(&mut self, job: &JobRequest, fate: Fate) -> JobId {
        let id = jobs::submit(&self.database, job).await.expect("a job").job;
        self.fates.insert(id, fate);
        id
    }

    /// Submits so many jobs of the mix.
    pub(crate) async fn submit_mixed(&mut self, count: u64) {
        for _ in 0..count {
            let (job, fate) = mixed(self.fates.len() as u64, &mut self.dice);
            self.submit(&job, fate).await;
        }
    }

    /// How many jobs have ended.
    pub(crate) async fn ended(&self) -> i64 {
        let sql = "SELECT COUNT(*) FROM afe_jobs j WHERE NOT EXISTS (SELECT 1 FROM afe_host_queue_entries e \
                   WHERE e.job_id = j.id AND e.complete = 0)";
        self.number(sql, Vec::new()).await
    }

    /// How many entries of a job have this status.
    pub(crate) async fn entries(&self, job: JobId, status: &str) -> i64 {
        let sql = "SELECT COUNT(*) FROM afe_host_queue_entries WHERE job_id = ? AND status = ?";
        self.number(sql, vec![job.0.into(), status.into()]).await
    }

    /// Waits until an entry of a job has this status.
    pub(crate) async fn until_status(&self, job: JobId, status: &str) {
        let began = SystemTime::now();
        while self.entries(job, status).await == 0 {
            assert!(began.elapsed().unwrap_or_default() < PATIENCE, "job {job} does not come to {status}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let began = SystemTime::now();
        while !is_so() {
            assert!(began.elapsed().unwrap_or_default() < PATIENCE, "not seen: {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The results path of a job's test on whatever drone ran it, once it is there; with the drone.
    pub(crate) async fn test_of(&self, job: JobId) -> (u32, PathBuf) {
        let began = SystemTime::now();
        loop {
            for drone in 1..=self.plan.drones {
                let folder = self.results(drone).join(format!("{job}-{OWNER}"));
                let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
                if let Some(path) = paths.into_iter().find(|path| path.join(".autoserv_execute").exists()) {
                    return (drone, path);
                }
            }
            assert!(began.elapsed().unwrap_or_default() < PATIENCE, "no test of job {job} runs");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

pub(crate) fn host_name(number: u32) -> String {
    format!("dut{number:02}")
}

fn configuration(folder: &Path, address: &DatabaseAddress, sshd: Option<&Sshd>) -> Config {
    let mut config = Config::default();
    config.database.address = Some(address.to_string());
    config.results.directory = Some(folder.join("results"));
    config.results.repository = Some(folder.join("repository"));
    fs::create_dir_all(folder.join("repository")).expect("a folder");
    config.scheduler.minimum_tick_sec = 0.05;
    config.drones.agent_path = AGENT.into();
    config.drones.local_agent_path = Some(AGENT.into());
    config.drones.reconnect_min_sec = 0.05;
    config.drones.reconnect_max_sec = 0.5;
    config.drones.kill_grace_sec = 1;
    config.drones.identity_file = sshd.map(Sshd::identity);
    config.drones.known_hosts = sshd.map(Sshd::known_hosts);
    config.commands = Commands::practice(AGENT).expect("command lines");
    config.log.format = LogFormat::Human;
    config.log.filter = "info,yardmaster::store=debug".to_owned();
    config
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.log_file()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(60)..].join("\n");
            eprintln!("the seed was {}; the service's last lines:\n{tail}", self.seed);
            if std::env::var_os("YARDMASTER_KEEP").is_some() {
                self.directory.disable_cleanup(true);
                eprintln!("everything is in {}", self.folder().display());
            }
        }
        // An agent that is killed first starts nothing more.
        for part in [Part::Other, Part::Agent, Part::Launcher, Part::Work] {
            let found = processes::all(self.folder()).into_iter().filter(|process| process.part() == part);
            found.for_each(|process| process.signal(Signal::KILL));
        }
    }
}
