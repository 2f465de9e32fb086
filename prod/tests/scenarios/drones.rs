//! Drones on this machine with real agents and real processes, and waiting for them: timing never decides a scenario.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use yardmaster::drones::{Commands, Connection, DroneAddress, DroneSettings, DroneState, Drones, Fleet};
use yardmaster::service::SqlBriefings;
use yardmaster_engine::{
    Command, Drone, DroneBackend, DroneBatch, DroneId, Fence, PidfileId, PidfileName, TaskKind, Term, WorkKind,
};
use yardmaster_sim::drones::FakeProcess;

/// The agent's program.
pub(crate) const AGENT: &str = env!("CARGO_BIN_EXE_yardmaster-drone");
/// Longer than anything here takes on a machine that works.
const PATIENCE: Duration = Duration::from_secs(60);
const PACE: Duration = Duration::from_millis(5);

/// A process, simulated and real.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) drone: DroneId,
    /// Execution path.
    path: String,
    /// Name of the pidfile.
    pidfile: &'static str,
    /// What the practice driver calls its work.
    kind: &'static str,
}

impl Process {
    pub(crate) fn of(process: &FakeProcess) -> Process {
        let kind = match process.work.kind {
            WorkKind::Test => "test",
            WorkKind::Gather => "gather",
            WorkKind::Parse => "parse",
            WorkKind::HandOff => "runner",
            WorkKind::Special(kind) => kind.lower(),
        };
        Process { drone: process.drone, path: process.path.to_string(), pidfile: process.name.as_str(), kind }
    }
}

/// How a real process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    NotThere,
    Runs,
    Over,
}

/// Waits for something.
pub(crate) async fn until(what: impl Fn() -> String, mut is_so: impl FnMut() -> bool) -> Result<(), String> {
    let began = SystemTime::now();
    while !is_so() {
        if began.elapsed().unwrap_or_default() > PATIENCE {
            return Err(format!("waited in vain for {}", what()));
        }
        tokio::time::sleep(PACE).await;
    }
    Ok(())
}

/// The drones of a scenario, in a directory of their own. Whatever runs there is killed when it goes.
pub(crate) struct RealDrones {
    directory: tempfile::TempDir,
    addresses: Vec<DroneAddress>,
    /// All processes that have been seen in the simulator, and whether they are known to be over.
    known: BTreeMap<Process, bool>,
}

impl RealDrones {
    /// These drones. Nobody speaks to them yet.
    pub(crate) fn new(drones: impl Iterator<Item = Drone>) -> RealDrones {
        let directory = tempfile::Builder::new().prefix("yardmaster-scenario-").tempdir().expect("a directory");
        let address = |drone: Drone| DroneAddress {
            id: drone.id,
            name: drone.name.to_string(),
            connection: Connection::Local,
            results_dir: directory.path().join(format!("results{}", drone.id)),
            agent: directory.path().join(format!("agent{}", drone.id)),
        };
        let addresses: Vec<DroneAddress> = drones.map(address).collect();
        for address in &addresses {
            symlink(AGENT, &address.agent).expect("a link to the agent");
            let practice = address.results_dir.join(".practice");
            fs::create_dir_all(&practice).expect("a results directory");
            for kind in TaskKind::ALL.iter().map(|kind| kind.lower()).chain(["gather", "parse", "runner"]) {
                fs::write(practice.join(kind), "wait = true\n").expect("written");
            }
        }
        RealDrones { directory, addresses, known: BTreeMap::new() }
    }

    /// A fleet that speaks to them.
    pub(crate) fn fleet(&self) -> Fleet {
        self.fleet_with(DroneSettings::default())
    }

    /// Starts processes as the runners of their jobs do: with agents of their own, whoever schedules.
    pub(crate) async fn start_as_runner(
        &self,
        processes: &[FakeProcess],
        briefings: SqlBriefings,
    ) -> Result<(), String> {
        let fleet = self.fleet_with(DroneSettings { for_runner: true, ..DroneSettings::default() });
        self.reach(&fleet, |_| false).await?;
        let mut drones = Drones::new(fleet, briefings, Commands::practice(AGENT).expect("command lines"));
        let batch = |(number, process): (usize, &FakeProcess)| DroneBatch {
            drone: process.drone,
            commands: vec![Command::Start {
                pidfile: PidfileId(number as u32),
                path: process.path.clone(),
                name: process.name,
                work: process.work.clone(),
                processes: process.processes,
            }],
        };
        let reports = drones.act(Fence::first(Term(1)), processes.iter().enumerate().map(batch).collect()).await;
        if reports.is_empty() { Ok(()) } else { Err(format!("not started: {reports:?}")) }
    }

    fn fleet_with(&self, settings: DroneSettings) -> Fleet {
        let settings = DroneSettings {
            refresh_deadline_sec: 60.0,
            act_deadline_sec: 60.0,
            connect_deadline_sec: 60.0,
            kill_grace_sec: 30.0,
            retry_min_sec: 0.02,
            retry_max_sec: 0.1,
            ..settings
        };
        let fleet = Fleet::new("scenario", settings).expect("a fleet");
        fleet.set_drones(self.addresses.clone());
        fleet
    }

    fn address(&self, drone: DroneId) -> &DroneAddress {
        self.addresses.iter().find(|address| address.id == drone).expect("drones never change")
    }

    /// The results directory of a drone.
    pub(crate) fn results(&self, drone: DroneId) -> PathBuf {
        self.address(drone).results_dir.clone()
    }

    /// What has run on a drone, as every process has noted it down: path and pidfile.
    pub(crate) fn marks(&self, drone: DroneId) -> Vec<String> {
        let text = fs::read_to_string(self.results(drone).join(".practice/marks")).unwrap_or_default();
        let mut marks: Vec<String> =
            text.lines().filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect();
        marks.sort_unstable();
        marks
    }

    /// Signals the agents or launchers of a results directory; tells whether there was one.
    pub(crate) fn signal(results: &Path, what: &str, signal: Signal) -> bool {
        let found: Vec<i32> = agents(results, what).collect();
        for pid in found.iter().filter_map(|pid| Pid::from_raw(*pid)) {
            // It may have ended by itself.
            let _ = kill_process(pid, signal);
        }
        !found.is_empty()
    }

    /// Whether all agents or launchers of a results directory are stopped.
    pub(crate) fn is_stopped(results: &Path, what: &str) -> bool {
        agents(results, what).all(|pid| state(pid).as_deref() == Some("T"))
    }

    fn file(&self, process: &Process, name: &str) -> PathBuf {
        self.address(process.drone).results_dir.join(&process.path).join(name)
    }

    /// The pid that a pidfile names, and whether it says more.
    fn pidfile(&self, process: &Process) -> Option<(i32, bool)> {
        let text = fs::read_to_string(self.file(process, process.pidfile)).ok()?;
        let pid = text.lines().next().and_then(|line| line.parse().ok());
        // Nonsense is as good as an end.
        Some(pid.map_or((0, true), |pid| (pid, text.lines().count() > 1)))
    }

    fn look(&self, process: &Process) -> Seen {
        match self.pidfile(process) {
            None => Seen::NotThere,
            Some((pid, false)) if lives(pid) => Seen::Runs,
            Some((pid, true)) if lives(pid) => Seen::NotThere,
            // Whoever looks after it has yet to write down how it ended.
            Some((_, false)) if process.pidfile == PidfileName::HandOff.as_str() => Seen::NotThere,
            Some(_) => Seen::Over,
        }
    }

    /// Waits until the real world has come to where the simulated one is: these processes run, all others are over, and
    /// just the drones that answer there answer here.
    pub(crate) async fn catch_up(
        &mut self,
        fleet: &Fleet,
        running: &[Process],
        is_silent: impl Fn(DroneId) -> bool,
    ) -> Result<(), String> {
        for process in running {
            self.known.entry(process.clone()).or_insert(false);
            until(|| format!("{process:?} to run"), || self.look(process) != Seen::NotThere).await?;
            if self.look(process) == Seen::Over {
                return Err(format!("{process:?} is over, and runs in the simulator"));
            }
        }
        let ending: Vec<Process> =
            self.known.iter().filter(|(_, over)| !**over).map(|(known, _)| known.clone()).collect();
        for process in ending.into_iter().filter(|process| !running.contains(process)) {
            until(|| format!("{process:?} to end"), || self.look(&process) == Seen::Over).await?;
            self.known.insert(process, true);
        }
        self.reach(fleet, is_silent).await
    }

    /// Waits until just the drones answer that answer in the simulator.
    pub(crate) async fn reach(&self, fleet: &Fleet, is_silent: impl Fn(DroneId) -> bool) -> Result<(), String> {
        for address in &self.addresses {
            let wanted = if is_silent(address.id) { DroneState::Down } else { DroneState::Up };
            let health = || fleet.health().into_iter().find(|(known, _)| known.id == address.id);
            let state = || health().map(|(_, health)| health.state);
            let what = || format!("drone {} to be {wanted:?}, not {:?}", address.name, state());
            until(what, || state() == Some(wanted)).await?;
        }
        Ok(())
    }

    /// Tells a process how to end, in the words of the practice driver.
    pub(crate) fn finish(&self, process: &Process, how: &str) {
        let (file, fresh) =
            (self.file(process, &format!(".finish.{}", process.kind)), self.file(process, ".finishing"));
        fs::write(&fresh, how).expect("written");
        fs::rename(fresh, file).expect("renamed");
    }

    /// Ends a process as the kernel does that has no memory left.
    pub(crate) fn kill(&self, process: &Process) {
        let pid = self.pidfile(process).and_then(|(pid, _)| Pid::from_raw(pid)).expect("it runs");
        kill_process(pid, Signal::KILL).expect("it is killed");
    }

    /// Cuts a drone off: its agent dies, and no other can be started.
    pub(crate) fn cut_off(&self, drone: DroneId) {
        // It may be cut off already.
        let _ = fs::remove_file(&self.address(drone).agent);
        self.kill_agent(drone);
    }

    /// Lets a drone be reached again.
    pub(crate) fn reconnect(&self, drone: DroneId) {
        // It may be there.
        let _ = symlink(AGENT, &self.address(drone).agent);
    }

    /// Kills a drone's agent, and waits until that is noticed. Another one will be started.
    pub(crate) async fn restart_agent(&self, fleet: &Fleet, drone: DroneId) -> Result<(), String> {
        let health = || fleet.health().into_iter().find(|(known, _)| known.id == drone).map(|(_, health)| health.since);
        let before = health();
        self.kill_agent(drone);
        until(|| format!("the loss of the agent of drone {drone} to be noticed"), || health() != before).await
    }

    fn kill_agent(&self, drone: DroneId) {
        RealDrones::signal(&self.results(drone), "serve", Signal::KILL);
    }

    /// Compares what has run here, as every process has noted it down, with what has run in the simulator.
    pub(crate) fn check_marks(&self) -> Result<(), String> {
        for address in &self.addresses {
            let real = self.marks(address.id);
            let here = self.known.keys().filter(|process| process.drone == address.id);
            let mut simulated: Vec<String> =
                here.map(|process| format!("{} {}", process.path, process.pidfile)).collect();
            simulated.sort_unstable();
            if real != simulated {
                return Err(format!("drone {} ran {real:?}, but in the simulator {simulated:?}", address.name));
            }
        }
        Ok(())
    }

    /// How many processes have run, over all drones.
    pub(crate) fn processes(&self) -> usize {
        self.known.len()
    }

    /// Complains about processes that are still there although every agent is gone.
    pub(crate) async fn check_empty(&self) -> Result<(), String> {
        let left = || commands_below(self.directory.path());
        until(|| format!("processes to end: {:?}", left()), || left().is_empty()).await
    }
}

impl Drop for RealDrones {
    fn drop(&mut self) {
        for (pid, _) in commands_below(self.directory.path()) {
            kill(pid);
        }
    }
}

fn kill(pid: i32) {
    // It may have ended by itself.
    let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::KILL));
}

fn state(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.split_whitespace().next()?.to_owned())
}

fn lives(pid: i32) -> bool {
    state(pid).is_some_and(|state| state != "Z" && state != "X")
}

/// The pids of a results directory's agents (`serve`) or launchers (`launch`).
fn agents(results: &Path, what: &str) -> impl Iterator<Item = i32> {
    commands_below(results)
        .into_iter()
        .filter(move |(_, line)| line.iter().any(|word| word == what))
        .map(|(pid, _)| pid)
}

/// Processes whose command line names something below a directory.
fn commands_below(directory: &Path) -> Vec<(i32, Vec<String>)> {
    let directory = directory.to_string_lossy().into_owned();
    let pids = fs::read_dir("/proc").expect("a process table").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let command = |pid: i32| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<String> = line.split('\0').map(str::to_owned).collect();
        words.iter().any(|word| word.starts_with(&directory)).then_some((pid, words))
    };
    pids.filter_map(command).collect()
}
