//! A first run: the real service on an embedded database, with a drone on this machine and a lab of practice hosts, from
//! nothing to a summary.
//!
//! Nothing is different from a real lab but the test driver, which drives no host: the service is a process of its own, the
//! drone's agent another, and every verify, test and parse is one, too.

mod lab;
mod progress;
mod summary;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{self as signal, SignalKind};
use tokio::time::Instant;

use self::progress::{Screen, Standing};
use self::summary::Summary;
use crate::database::{Database, schema};
use crate::drones::Commands;
use crate::service::config::{Config, LogFormat};

/// The screen is renewed so often.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// A lab in which nothing has changed for so long has a fault.
const GIVE_UP_AFTER: Duration = Duration::from_secs(600);
/// What the service gets to stop.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// What to demonstrate.
#[derive(Debug, Clone)]
pub struct Quickstart {
    /// Hosts of the lab.
    pub hosts: u32,
    /// Jobs that are run.
    pub jobs: u32,
    /// Where everything is kept; without it, in a new folder for temporary files.
    pub folder: Option<PathBuf>,
}

impl Quickstart {
    /// Runs it. The summary is printed; the folder stays.
    ///
    /// # Errors
    /// If the service does not start, or not all jobs come to their end.
    pub async fn run(&self, json: bool) -> anyhow::Result<()> {
        let folder = self.folder()?;
        let file = write_configuration(&folder)?;
        let config = read_configuration(&file)?;
        let database = Database::open(&config.database_address()?).await?;
        schema::migrate(&database).await?;
        lab::set_up(&database, self.hosts, &config.results_directory()).await?;
        eprintln!("{} hosts and {} jobs in {}", self.hosts, self.jobs, folder.display());
        // Listened to before there is anything that a signal should end.
        let mut signals = StopSignals::new()?;
        let mut service = Service::start(&file, &folder)?;
        let started = Instant::now();
        let outcome = tokio::select! {
            outcome = self.see_through(&database, &config, &mut service) => outcome,
            () = signals.any() => Err(anyhow!("stopped by a signal: the lab stays in {}", folder.display())),
        };
        let took = started.elapsed();
        // Whatever happened: nobody else would stop it.
        let stopped = service.stop().await;
        outcome.and(stopped)?;
        let summary = Summary::read(&database, &config.results_directory(), took).await?;
        if json {
            println!("{}", serde_json::to_string_pretty(&summary)?);
        } else {
            println!("{summary}");
            println!("{}", invitation(&file, &config.results_directory()));
        }
        Ok(())
    }

    /// Submits the jobs, and shows how they go until all have ended.
    async fn see_through(&self, database: &Database, config: &Config, service: &mut Service) -> anyhow::Result<()> {
        let ids = lab::submit(database, self.jobs, self.hosts).await?;
        let mut screen = Screen::new(ids.len() as u64);
        let mut advanced = Instant::now();
        loop {
            let standing = Standing::read(database, &config.results_directory()).await?;
            let done = standing.jobs_ended >= ids.len() as u64 && hosts_are_idle(database).await?;
            if screen.show(standing) {
                advanced = Instant::now();
            }
            if done {
                screen.finish();
                return Ok(());
            }
            service.check()?;
            if advanced.elapsed() > GIVE_UP_AFTER {
                bail!("nothing has changed for {GIVE_UP_AFTER:?}: see {}", service.log.display());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn folder(&self) -> anyhow::Result<PathBuf> {
        let folder = match &self.folder {
            Some(folder) => folder.clone(),
            None => tempfile::Builder::new().prefix("yardmaster-").tempdir()?.keep(),
        };
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let folder = folder.canonicalize()?;
        if folder.join("yardmaster.toml").exists() {
            bail!("there is a lab in {} already: name another folder, or delete this one", folder.display());
        }
        Ok(folder)
    }
}

/// Whether nothing is being done to any host: after the last job its hosts are cleaned up.
async fn hosts_are_idle(database: &Database) -> anyhow::Result<bool> {
    let sql = "SELECT COUNT(*) FROM afe_special_tasks WHERE is_complete = 0";
    Ok(database.query(sql, Vec::new()).await?.first().map(|row| row.get::<i64>(0)).transpose()? == Some(0))
}

fn write_configuration(folder: &Path) -> anyhow::Result<PathBuf> {
    let agent = crate::service::agent_program(folder)?;
    let mut config = Config::default();
    config.database.address = Some(format!("sqlite:{}", folder.join("lab.db").display()));
    config.results.directory = Some(folder.join("results"));
    config.drones.local_agent_path = Some(agent.clone());
    config.commands = Commands::practice(agent.to_str().context("the path of this program is not UTF-8")?)?;
    config.log.format = LogFormat::Human;
    let file = folder.join("yardmaster.toml");
    let text = format!(
        "# A lab to try things out. `yardmaster config example` explains every setting.\n{}",
        toml::to_string(&config)?
    );
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

fn read_configuration(file: &Path) -> anyhow::Result<Config> {
    let sources = crate::service::config::Sources::of_process(Some(file.to_owned()), Vec::new());
    Ok(crate::service::config::load(&sources)?.config)
}

/// The signals that end the demonstration.
struct StopSignals {
    interrupt: signal::Signal,
    terminate: signal::Signal,
    hangup: signal::Signal,
}

impl StopSignals {
    fn new() -> anyhow::Result<StopSignals> {
        let listen = |kind| signal::signal(kind).context("cannot listen to signals");
        Ok(StopSignals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Returns when one of them has come.
    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// The service, as a child of this process.
struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    fn start(config: &Path, folder: &Path) -> anyhow::Result<Service> {
        let log = folder.join("serve.log");
        let out = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = Command::new(std::env::current_exe()?)
            .arg("--config")
            .arg(config)
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(out)
            .spawn()
            .context("the service cannot be started")?;
        Ok(Service { child, log })
    }

    /// Fails if it has ended.
    fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(5).collect();
                bail!("the service has ended ({status}):\n{}", last.into_iter().rev().collect::<Vec<_>>().join("\n"))
            }
        }
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("the service has no pid")?;
        kill_process(pid, Signal::TERM)?;
        let wait = async {
            while self.child.try_wait()?.is_none() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(STOP_WITHIN, wait).await.context("the service does not stop")?
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // After an error nobody has asked it to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn invitation(config: &Path, results: &Path) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "yardmaster".to_owned());
    let (config, results) = (config.display(), results.display());
    let line = |command: &str| format!("  {program} --config {config} {command}\n");
    let look: String = ["job list", "job show 1", "host list"].map(line).concat();
    let go_on: String = ["serve", "status --watch"].map(line).concat();
    format!("To look around:\n{look}  ls {results}\nTo go on with this lab:\n{go_on}")
}
