//! What drones cost: `cargo run -p yardmaster --example drone_figures [PROCESSES]`. Prints medians of the wall time of
//! starts and refreshes with so many real processes (1,000 unless told) on one local drone, and on ten. Build
//! `yardmaster-drone` first; all processes are killed at the end.

#![expect(clippy::disallowed_types, reason = "it measures wall time")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use yardmaster::drones::{
    Commands, Connection, ControlType, DroneAddress, DroneSettings, Drones, Fleet, JobBrief, MemoryBriefings, Template,
};
use yardmaster_engine::{
    Command, DroneAnswer, DroneBackend, DroneBatch, DroneId, ExecutionPath, Fence, JobId, PidfileContents,
    PidfileEvent, PidfileId, PidfileName, Subdir, Term, Time, Work, WorkKind,
};

/// Writes its pidfile, as a test driver does, and waits.
const DRIVER: &str = "#!/bin/sh\necho $$ > .autoserv_execute\nexec sleep 1000\n";

fn start(job: u32) -> Command {
    let path = ExecutionPath::Entry { job: JobId(job), owner: Arc::from("me"), subdir: Subdir::Hostless };
    let work =
        Work { kind: WorkKind::Test, job: Some(JobId(job)), entries: Default::default(), hosts: Default::default() };
    Command::Start { pidfile: PidfileId(job), path, name: PidfileName::Execute, work, processes: 1 }
}

fn briefings(jobs: u32) -> MemoryBriefings {
    let job = |id| JobBrief {
        id: JobId(id),
        name: "figures".to_owned(),
        owner: "me".to_owned(),
        control_file: "pass\n".repeat(100),
        control_type: ControlType::Server,
        keyvals: Vec::new(),
        test_retry: 0,
        require_ssp: false,
        parent: None,
        created_on: Time(0),
        labels: Vec::new(),
    };
    MemoryBriefings { jobs: (0..jobs).map(|id| (JobId(id), job(id))).collect(), ..MemoryBriefings::default() }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

async fn measure(directory: &Path, drones: u32, processes: u32) -> anyhow::Result<()> {
    let driver = directory.join("driver");
    std::fs::write(&driver, DRIVER)?;
    std::fs::set_permissions(&driver, std::fs::Permissions::from_mode(0o755))?;
    let agent = std::env::current_exe()?.with_file_name("../yardmaster-drone").canonicalize()?;
    let settings = DroneSettings { act_deadline_sec: 120.0, ..DroneSettings::default() };
    let fleet = Fleet::new("figures", settings)?;
    let address = |id: u32| DroneAddress {
        id: DroneId(id),
        name: format!("drone{id}"),
        connection: Connection::Local,
        results_dir: directory.join(format!("{drones}-results{id}")),
        agent: agent.clone(),
    };
    fleet.set_drones((0..drones).map(address).collect());
    let commands = Commands { test: Template::try_from(vec![driver.display().to_string()])?, ..Commands::default() };
    let mut backend = Drones::new(fleet, briefings(processes), commands);
    let batch = |drone| DroneBatch {
        drone: DroneId(drone),
        commands: (0..processes).filter(|job| job % drones == drone).map(start).collect(),
    };
    let began = Instant::now();
    let undone = backend.act(Fence::first(Term(1)), (0..drones).map(batch).collect()).await;
    anyhow::ensure!(undone.is_empty(), "not all was started: {:?}", undone[0].outcome);
    let took = began.elapsed();
    println!("{drones} drones: {processes} processes started in {took:.1?}, {:.2?} each", took / processes.max(1));
    let mut running = 0;
    while running < processes {
        for report in backend.refresh().await {
            let DroneAnswer::News { pidfiles, .. } = report.answer else { anyhow::bail!("{:?}", report.answer) };
            let is_running = |event: &PidfileEvent| *event == PidfileEvent::Changed(PidfileContents::Running);
            running += u32::try_from(pidfiles.iter().filter(|(_, event)| is_running(event)).count())?;
        }
    }
    let mut times = Vec::new();
    for _ in 0..51 {
        let began = Instant::now();
        backend.refresh().await;
        times.push(began.elapsed());
    }
    println!("{drones} drones: a refresh of {processes} running processes takes {:.2?}", median(times));
    Ok(())
}

/// Kills what the agents have noted as running: `PID-STARTED.json`.
fn kill_all(directory: &Path) {
    let drones = std::fs::read_dir(directory).into_iter().flatten().flatten();
    for drone in drones {
        let notes = std::fs::read_dir(drone.path().join(".yardmaster/running")).into_iter().flatten().flatten();
        for note in notes {
            let name = note.file_name().to_string_lossy().into_owned();
            if let Some(pid) = name.split('-').next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw) {
                // All of them were started a moment ago, and sleep.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

fn main() -> anyhow::Result<()> {
    let processes = std::env::args().nth(1).map_or(Ok(1000), |count| count.parse())?;
    let directory = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut outcome = Ok(());
    for drones in [1, 10] {
        outcome = outcome.and_then(|()| runtime.block_on(measure(directory.path(), drones, processes)));
        kill_all(directory.path());
    }
    outcome
}
