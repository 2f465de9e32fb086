//! A Slurm cluster of one node: munged, slurmctld and slurmd of the test's own, on private directories and loopback ports, stopped
//! by their process ids.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::lab::ended;

/// Enough for a slow machine.
const ATTEMPTS: u32 = 1200;
const PAUSE: Duration = Duration::from_millis(100);
const INSTALL: &str = "install them: apt-get install --no-install-recommends slurm-wlm munge";

/// A running cluster, until it is dropped.
pub(crate) struct Cluster {
    folder: TempDir,
    /// In the order in which they were started.
    daemons: Vec<Child>,
}

/// A program of the packages, which may lie where only root looks for programs.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|program| program.is_file());
    found.unwrap_or_else(|| panic!("{name} is missing, of Debian's packages slurm-wlm and munge; {INSTALL}"))
}

fn free_ports() -> [u16; 2] {
    // Another process may take a port before the daemon does; then that does not start, and the test says so.
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("bound").port())
}

impl Cluster {
    pub(crate) fn start() -> Cluster {
        let folder = tempfile::Builder::new().prefix("yardmaster-slurm-").tempdir().expect("a temporary directory");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("permitted");
        let mut cluster = Cluster { folder, daemons: Vec::new() };
        cluster.start_munge();
        cluster.configure();
        let configuration = cluster.path("slurm.conf");
        cluster.daemon("slurmctld", &[OsStr::new("-D"), OsStr::new("-f"), configuration.as_os_str()]);
        let node = ["-D", "-N", "localhost", "-f"].map(OsStr::new);
        cluster.daemon("slurmd", &[&node[..], &[configuration.as_os_str()]].concat());
        cluster.await_that("the node is idle", || {
            let state = cluster.ask("sinfo", &["--noheader", "--format=%T"]);
            (state.trim() == "idle").then_some(()).ok_or(state)
        });
        cluster
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start_munge(&mut self) {
        let key = self.path("munge.key");
        ended(Command::new(program("mungekey")).arg("--create").arg("--keyfile").arg(key)).expect(0);
        let file = |option: &str, name: &str| format!("--{option}={}", self.path(name).display());
        let options = [
            file("key-file", "munge.key"),
            file("socket", "munge.socket"),
            file("pid-file", "munge.pid"),
            file("seed-file", "munge.seed"),
            file("log-file", "munge.log"),
        ];
        // --force: whoever may write to the folders above ours is no concern of this test's.
        let arguments: Vec<&OsStr> = ["--foreground", "--force"].iter().map(OsStr::new).collect();
        let options = options.iter().map(OsStr::new);
        self.daemon("munged", &arguments.into_iter().chain(options).collect::<Vec<_>>());
        let socket = self.path("munge.socket");
        self.await_that("munged listens", || {
            std::os::unix::net::UnixStream::connect(&socket).map(drop).map_err(|error| error.to_string())
        });
    }

    fn configure(&self) {
        let user = ended(Command::new("id").arg("-un")).expect(0).out;
        let user = user.trim();
        let [controller, node] = free_ports();
        let folder = self.folder.path().display();
        let text = format!(
            "ClusterName=yardmaster\nSlurmctldHost=localhost(127.0.0.1)\nSlurmctldPort={controller}\nSlurmdPort={node}\n\
             CommunicationParameters=NoCtldInAddrAny,NoInAddrAny\nSlurmUser={user}\nSlurmdUser={user}\n\
             AuthType=auth/munge\nAuthInfo=socket={folder}/munge.socket\nCredType=cred/munge\n\
             StateSaveLocation={folder}/state\nSlurmdSpoolDir={folder}/spool\n\
             SlurmctldPidFile={folder}/slurmctld.pid\nSlurmdPidFile={folder}/slurmd.pid\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nMpiDefault=none\nReturnToService=2\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\nKillWait=1\nMinJobAge=3600\n\
             SchedulerParameters=sched_interval=1,sched_min_interval=0\nSlurmdParameters=config_overrides\n\
             AccountingStorageType=accounting_storage/none\nJobAcctGatherType=jobacct_gather/none\n\
             NodeName=localhost NodeHostname=localhost NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN\n\
             PartitionName=all Nodes=localhost Default=YES MaxTime=INFINITE State=UP\n"
        );
        fs::write(self.path("slurm.conf"), text).expect("written");
        for inner in ["state", "spool"] {
            fs::create_dir(self.path(inner)).expect("a directory");
        }
    }

    /// Starts a daemon, which also ends should the test be killed.
    fn daemon(&mut self, name: &str, arguments: &[&OsStr]) {
        let log = fs::File::create(self.path(&format!("{name}.out"))).expect("a file");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(program(name)).args(arguments);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("the same file")).stderr(log);
        self.daemons.push(command.spawn().unwrap_or_else(|error| panic!("{name}: {error}; {INSTALL}")));
    }

    /// What the daemons have written.
    fn logs(&self) -> String {
        let files = ["munged.out", "slurmctld.out", "slurmd.out"];
        files.map(|file| fs::read_to_string(self.path(file)).unwrap_or_default()).join("\n")
    }

    #[track_caller]
    fn await_that(&self, what: &str, mut holds: impl FnMut() -> Result<(), String>) {
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            match holds() {
                Ok(()) => return,
                Err(state) => last = state,
            }
            std::thread::sleep(PAUSE);
        }
        panic!("{what}: never; {last}\n{}", self.logs());
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command.env("SLURM_CONF", self.path("slurm.conf"));
        command
    }

    /// Standard output of one of Slurm's commands, and its standard error.
    fn ask(&self, name: &str, arguments: &[&str]) -> String {
        let answer = ended(self.command(name).args(arguments));
        answer.out + &answer.err
    }

    /// Submits a script; the job's number.
    pub(crate) fn submit(&self, environment: &[(&str, &Path)], script: &Path) -> String {
        let mut command = self.command("sbatch");
        command.envs(environment.iter().copied()).arg(script);
        job_of(&ended(&mut command).expect(0).out)
    }

    /// Submits what a line for a shell says.
    pub(crate) fn shell(&self, line: &str) -> String {
        job_of(&ended(self.command("bash").args(["-c", line])).expect(0).out)
    }

    pub(crate) fn cancel(&self, job: &str) {
        ended(self.command("scancel").arg(job)).expect(0);
    }

    /// Waits until so many elements of a job are in a state. One that has failed ends the wait.
    #[track_caller]
    pub(crate) fn await_all(&self, job: &str, count: usize, state: &str) {
        self.await_that(&format!("{count} elements of job {job} are {state}"), || {
            let shown = self.ask("scontrol", &["show", "job", "--oneliner", job]);
            assert!(!shown.contains("JobState=FAILED"), "{shown}\n{}", self.logs());
            let wanted = format!("JobState={state}");
            let found = shown.split_whitespace().filter(|word| *word == wanted).count();
            if found == count { Ok(()) } else { Err(shown) }
        });
    }
}

fn job_of(answer: &str) -> String {
    let job = answer.trim().strip_prefix("Submitted batch job ").unwrap_or_else(|| panic!("{answer}"));
    job.to_owned()
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Jobs first: a slurmd that ends leaves those that run alone. Whatever fails here, the daemons are stopped.
        if self.daemons.len() == 3 {
            let user = Command::new("id").arg("-un").output().map(|output| output.stdout).unwrap_or_default();
            let user = String::from_utf8_lossy(&user).trim().to_owned();
            let _ = self.command("scancel").arg(format!("--user={user}")).stderr(Stdio::null()).status();
            for _ in 0..100 {
                let left = self.command("squeue").arg("--noheader").stderr(Stdio::null()).output();
                if left.is_ok_and(|left| left.stdout.is_empty()) {
                    break;
                }
                std::thread::sleep(PAUSE);
            }
        }
        for mut daemon in self.daemons.drain(..).rev() {
            let _ = Command::new("kill").arg(daemon.id().to_string()).status();
            let has_ended = |daemon: &mut Child| {
                (0..100).any(|_| {
                    std::thread::sleep(PAUSE);
                    !matches!(daemon.try_wait(), Ok(None))
                })
            };
            if !has_ended(&mut daemon) {
                let _ = daemon.kill();
                let _ = daemon.wait();
            }
        }
    }
}
