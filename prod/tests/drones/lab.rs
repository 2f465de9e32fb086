//! A lab of drones for tests, with the practice driver for all work.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use walkdir::WalkDir;
use yardmaster::drones::{
    Abort, Commands, Connection, ControlType, DroneAddress, DroneSettings, Drones, Fleet, HostBrief, JobBrief,
    MemoryBriefings, SshAddress,
};
use yardmaster_engine::{
    ActReport, Command, DroneAnswer, DroneBackend, DroneBatch, DroneId, EntryId, ExecutionPath, Fence, HostId, JobId,
    PidfileContents, PidfileEvent, PidfileId, PidfileName, Protection, Subdir, Term, Time, Work, WorkKind,
};

use super::sshd::Sshd;

/// The agent's program.
pub(crate) const AGENT: &str = env!("CARGO_BIN_EXE_yardmaster-drone");

/// Longer than anything here takes on a machine that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How the drones of a lab are reached.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Local,
    Ssh,
}

/// A lab with its own directory. Whatever its drones have started is killed when it goes.
pub(crate) struct Lab {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) settings: DroneSettings,
    pub(crate) addresses: Vec<DroneAddress>,
    pub(crate) sshd: Option<Sshd>,
    pub(crate) briefings: MemoryBriefings,
}

impl Lab {
    /// So many drones, numbered from 1.
    pub(crate) fn new(kind: Kind, drones: u32) -> Lab {
        let directory = tempfile::tempdir().expect("a directory");
        let mut settings =
            DroneSettings { kill_grace_sec: 0.5, retry_min_sec: 0.05, retry_max_sec: 0.5, ..DroneSettings::default() };
        let sshd = match kind {
            Kind::Local => None,
            Kind::Ssh => {
                let sshd = Sshd::start(&directory.path().join("sshd"));
                settings.ssh.identity_file = Some(sshd.identity());
                settings.ssh.known_hosts = Some(sshd.known_hosts());
                Some(sshd)
            }
        };
        let connection = match &sshd {
            None => Connection::Local,
            Some(sshd) => {
                Connection::Ssh(SshAddress { host: "127.0.0.1".to_owned(), port: Some(sshd.port()), login: None })
            }
        };
        let address = |id: u32| DroneAddress {
            id: DroneId(id),
            name: format!("drone{id}"),
            connection: connection.clone(),
            results_dir: directory.path().join(format!("results{id}")),
            agent: AGENT.into(),
        };
        let addresses = (1..=drones).map(address).collect();
        Lab { directory, settings, addresses, sshd, briefings: briefings() }
    }

    /// A backend for it, with nothing in its memory.
    pub(crate) fn backend(&self) -> Backend {
        let fleet = Fleet::new("test lab", self.settings.clone()).expect("a fleet");
        fleet.set_drones(self.addresses.clone());
        let commands = Commands::practice(AGENT).expect("command lines");
        Backend {
            drones: Drones::new(fleet, self.briefings.clone(), commands),
            seen: BTreeMap::new(),
            unclaimed: Vec::new(),
        }
    }

    /// The results directory of a drone.
    pub(crate) fn results(&self, drone: u32) -> &Path {
        &self.addresses[drone as usize - 1].results_dir
    }

    /// A file in a job's results.
    pub(crate) fn file(&self, drone: u32, job: u32, name: &str) -> PathBuf {
        self.results(drone).join(format!("{job}-me/host1")).join(name)
    }

    pub(crate) fn read(&self, drone: u32, job: u32, name: &str) -> String {
        fs::read_to_string(self.file(drone, job, name)).unwrap_or_default()
    }

    /// Tells a job's process how to end.
    pub(crate) fn finish(&self, drone: u32, job: u32, how: &str) {
        fs::write(self.file(drone, job, ".finish"), how).expect("written");
    }

    /// What has run on a drone, as `PATH NAME`, in order.
    pub(crate) fn marks(&self, drone: u32) -> Vec<String> {
        let text = fs::read_to_string(self.results(drone).join(".practice/marks")).unwrap_or_default();
        text.lines().filter_map(|line| line.rsplit_once(' ')).map(|(mark, _)| mark.to_owned()).collect()
    }

    /// Lets a drone's agent be another program: a script around the real one.
    pub(crate) fn wrap_agent(&mut self, drone: u32, script: &str) {
        let file = self.directory.path().join(format!("agent{drone}"));
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("made executable");
        self.addresses[drone as usize - 1].agent = file;
    }

    /// The pids of agents that serve a drone, or of its launchers.
    pub(crate) fn agents(&self, drone: u32, what: &str) -> Vec<Pid> {
        let results = self.results(drone).to_string_lossy().into_owned();
        let pids = fs::read_dir("/proc").expect("a process table").flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let is_agent = |pid: &i32| {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let words: Vec<&str> = line.split('\0').collect();
            words.get(1) == Some(&what) && words.contains(&results.as_str()) && words[0].contains("yardmaster-drone")
                || words.first() == Some(&"/proc/self/exe")
                    && words.get(1) == Some(&what)
                    && words.contains(&results.as_str())
        };
        pids.filter(is_agent).filter_map(Pid::from_raw).collect()
    }

    pub(crate) fn signal_agents(&self, drone: u32, what: &str, signal: Signal) -> usize {
        let agents = self.agents(drone, what);
        for pid in &agents {
            // It may have ended by itself.
            let _ = kill_process(*pid, signal);
        }
        agents.len()
    }
}

/// The claims below a directory: pid and start of each process.
pub(crate) fn claims(directory: &Path) -> Vec<(i32, u64)> {
    let files = WalkDir::new(directory).into_iter().flatten();
    let claims = files.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "claim"));
    claims
        .filter_map(|entry| {
            let claim: serde_json::Value = serde_json::from_slice(&fs::read(entry.path()).ok()?).ok()?;
            let process = &claim["process"];
            Some((i32::try_from(process["pid"].as_i64()?).ok()?, process["started"].as_u64()?))
        })
        .collect()
}

/// Whether a claimed process lives.
pub(crate) fn lives((pid, started): (i32, u64)) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, after)| after).split_whitespace().collect();
    fields.first().is_some_and(|state| *state != "Z")
        && fields.get(19).and_then(|start| start.parse().ok()) == Some(started)
}

/// Every process of a session, by pid, that is not over.
pub(crate) fn session(founder: i32) -> Vec<i32> {
    let pids = fs::read_dir("/proc").expect("a process table").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_of_it = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, after)| after).split_whitespace().collect();
        fields.first().is_some_and(|state| *state != "Z")
            && fields.get(3).and_then(|text| text.parse().ok()) == Some(founder)
    };
    pids.filter(is_of_it).collect()
}

/// Kills what the claims below a directory name, with all of its session.
pub(crate) fn kill_claimed(directory: &Path) {
    for claim in claims(directory) {
        let is_gone = !Path::new(&format!("/proc/{}", claim.0)).exists();
        if lives(claim) || is_gone {
            for pid in session(claim.0).into_iter().filter_map(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for drone in 1..=u32::try_from(self.addresses.len()).unwrap_or(0) {
            for what in ["serve", "launch", "send"] {
                self.signal_agents(drone, what, Signal::KILL);
            }
        }
        kill_claimed(self.directory.path());
    }
}

/// Facts about jobs 1 to 99, which wait to be told how to end, and about hosts 1 to 3. Job 99 is over at once.
fn briefings() -> MemoryBriefings {
    let job = |id: u32| JobBrief {
        id: JobId(id),
        name: format!("job {id}"),
        owner: "me".to_owned(),
        control_file: if id == 99 { "seconds = 0" } else { "wait = true" }.to_owned(),
        control_type: ControlType::Server,
        keyvals: vec![("color".to_owned(), "blue".to_owned())],
        test_retry: 0,
        require_ssp: false,
        parent: None,
        created_on: Time::from_seconds(1_700_000_000),
        labels: Vec::new(),
    };
    let host = |id: u32| HostBrief {
        id: HostId(id),
        name: format!("host{id}"),
        platform: Some("board".to_owned()),
        labels: vec!["a,b".to_owned(), "pool:x".to_owned()],
        protection: Protection::None,
    };
    MemoryBriefings {
        jobs: (1..100).map(|id| (JobId(id), job(id))).collect(),
        hosts: (1..4).map(|id| (HostId(id), host(id))).collect(),
        aborts: [(EntryId(1), Abort { by: "anna".to_owned(), on: Time::from_seconds(1_700_000_100) })].into(),
    }
}

/// Where a job runs.
pub(crate) fn path(job: u32) -> ExecutionPath {
    ExecutionPath::Entry { job: JobId(job), owner: Arc::from("me"), subdir: Subdir::Named(Arc::from("host1")) }
}

pub(crate) fn work(kind: WorkKind, job: u32) -> Work {
    Work {
        kind,
        job: Some(JobId(job)),
        entries: [EntryId(job)].into_iter().collect(),
        hosts: [HostId(1)].into_iter().collect(),
    }
}

/// To start the test of a job; its pidfile has the job's number.
pub(crate) fn start(job: u32) -> Command {
    start_as(job, job)
}

pub(crate) fn start_as(pidfile: u32, job: u32) -> Command {
    let (path, name, work) = (path(job), PidfileName::Execute, work(WorkKind::Test, job));
    Command::Start { pidfile: PidfileId(pidfile), path, name, work, processes: 1 }
}

pub(crate) fn watch(pidfile: u32, job: u32) -> Command {
    Command::Watch { pidfile: PidfileId(pidfile), path: path(job), name: PidfileName::Execute }
}

pub(crate) fn kill(pidfile: u32) -> Command {
    Command::Kill { pidfile: PidfileId(pidfile) }
}

pub(crate) fn ended(exit_status: i32, tests_failed: u32) -> PidfileEvent {
    PidfileEvent::Changed(PidfileContents::Ended { exit_status, tests_failed })
}

/// Ended by SIGTERM, as the practice driver, like autoserv, writes it down: exit code 1, and the signal.
pub(crate) const TERMINATED: PidfileEvent =
    PidfileEvent::Changed(PidfileContents::Ended { exit_status: 1 << 8 | 15, tests_failed: 0 });

pub(crate) const RUNNING: PidfileEvent = PidfileEvent::Changed(PidfileContents::Running);

/// The backend with what it has said so far.
pub(crate) struct Backend {
    pub(crate) drones: Drones<MemoryBriefings>,
    pub(crate) seen: BTreeMap<(u32, u32), Vec<PidfileEvent>>,
    pub(crate) unclaimed: Vec<String>,
}

impl Backend {
    /// One refresh. Gives the drones that were silent, with their reasons.
    pub(crate) async fn refresh(&mut self) -> BTreeMap<u32, String> {
        let mut silent = BTreeMap::new();
        for report in self.drones.refresh().await {
            match report.answer {
                DroneAnswer::News { pidfiles, unclaimed } => {
                    for (pidfile, event) in pidfiles {
                        self.seen.entry((report.drone.0, pidfile.0)).or_default().push(event);
                    }
                    self.unclaimed.extend(unclaimed);
                }
                DroneAnswer::Silent { reason } => drop(silent.insert(report.drone.0, reason)),
            }
        }
        silent
    }

    pub(crate) async fn act(&mut self, term: u64, drone: u32, commands: Vec<Command>) -> Vec<ActReport> {
        self.drones.act(Fence::first(Term(term)), vec![DroneBatch { drone: DroneId(drone), commands }]).await
    }

    /// As the engine does: what is not certain to be done is sent again.
    pub(crate) async fn act_surely(&mut self, term: u64, drone: u32, mut commands: Vec<Command>) {
        let began = SystemTime::now();
        while !commands.is_empty() {
            assert!(began.elapsed().unwrap_or_default() < PATIENCE, "drone {drone} does not do {commands:?}");
            let reports = self.act(term, drone, commands).await;
            commands = reports.into_iter().flat_map(|report| report.undelivered).collect();
            if !commands.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// What a drone has said of a pidfile.
    pub(crate) fn of(&self, drone: u32, pidfile: u32) -> &[PidfileEvent] {
        self.seen.get(&(drone, pidfile)).map_or(&[], Vec::as_slice)
    }

    /// Refreshes until something was seen.
    pub(crate) async fn until(&mut self, what: &str, mut is_so: impl FnMut(&Backend, &BTreeMap<u32, String>) -> bool) {
        let began = SystemTime::now();
        loop {
            let silent = self.refresh().await;
            if is_so(self, &silent) {
                return;
            }
            let waited = began.elapsed().unwrap_or_default();
            assert!(waited < PATIENCE, "not seen: {what}; silent: {silent:?}; seen: {:?}", self.seen);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Refreshes until this is the last that was said of a pidfile.
    pub(crate) async fn until_last(&mut self, drone: u32, pidfile: u32, event: &PidfileEvent) {
        let what = format!("{event:?} of {pidfile} on drone {drone}");
        self.until(&what, |backend, _| backend.of(drone, pidfile).last() == Some(event)).await;
    }

    /// Waits until all drones answer.
    pub(crate) async fn until_all_answer(&mut self) {
        self.until("an answer of every drone", |_, silent| silent.is_empty()).await;
    }
}

/// Runs a test.
pub(crate) fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(test);
}
