//! Where drones are, how they are reached, and how long is waited for them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;
use yardmaster_engine::DroneId;

/// A drone, as the roster names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroneAddress {
    /// Its row.
    pub id: DroneId,
    /// Its name, for people.
    pub name: String,
    /// How it is reached.
    pub connection: Connection,
    /// Its results directory, an absolute path there.
    pub results_dir: PathBuf,
    /// The program `yardmaster-drone`, an absolute path there.
    pub agent: PathBuf,
}

/// How a drone is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// It is this machine.
    Local,
    /// Over SSH.
    Ssh(SshAddress),
    /// Its row does not say where it is; the text says what is wrong.
    Nowhere(String),
}

/// Where an SSH server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshAddress {
    /// Name or address.
    pub host: String,
    /// The usual one if none.
    pub port: Option<u16>,
    /// This process's own user if none.
    pub login: Option<String>,
}

/// How drones are spoken to. All times are in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DroneSettings {
    /// A drone that has not answered a refresh by then is silent in this tick.
    pub refresh_deadline_sec: f64,
    /// Commands that a drone has not answered by then may or may not have been carried out.
    pub act_deadline_sec: f64,
    /// A connection that does not stand by then has failed.
    pub connect_deadline_sec: f64,
    /// A connection on which a request has waited so long is given up and made anew.
    pub dead_after_sec: f64,
    /// The first pause before a lost connection is made anew; it doubles with every failure …
    pub retry_min_sec: f64,
    /// … up to this.
    pub retry_max_sec: f64,
    /// From SIGTERM to SIGKILL.
    pub kill_grace_sec: f64,
    /// So many results are fetched at once, over all drones.
    pub max_transfer_processes: usize,
    /// The agents serve a runner and not the scheduler.
    pub for_runner: bool,
    /// So many of them from one drone: fewer than OpenSSH's `MaxSessions`, which is 10 unless told.
    pub max_transfers_per_drone: usize,
    /// A fetch of which nothing has come for so long is given up and tried again later.
    pub transfer_stall_sec: f64,
    /// The results repository. Without one, results stay on the drones.
    pub repository: Option<PathBuf>,
    /// How SSH is used.
    pub ssh: SshOptions,
}

/// How SSH is used. Nothing of the user's own configuration is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SshOptions {
    /// The program.
    pub program: PathBuf,
    /// The private key. Without one, those of the SSH agent are tried.
    pub identity_file: Option<PathBuf>,
    /// The public keys of the drones. A drone whose key is not here is not spoken to.
    pub known_hosts: Option<PathBuf>,
    /// Seconds for a connection to be made.
    pub connect_timeout_sec: u32,
    /// Seconds of silence after which the other side is asked whether it is there.
    pub alive_interval_sec: u32,
    /// How many such questions may go without an answer.
    pub alive_count: u32,
}

impl Default for DroneSettings {
    fn default() -> Self {
        DroneSettings {
            refresh_deadline_sec: 5.0,
            act_deadline_sec: 10.0,
            connect_deadline_sec: 20.0,
            dead_after_sec: 300.0,
            retry_min_sec: 1.0,
            retry_max_sec: 60.0,
            kill_grace_sec: 10.0,
            max_transfer_processes: 50,
            for_runner: false,
            max_transfers_per_drone: 8,
            transfer_stall_sec: 60.0,
            repository: None,
            ssh: SshOptions::default(),
        }
    }
}

impl Default for SshOptions {
    fn default() -> Self {
        SshOptions {
            program: "ssh".into(),
            identity_file: None,
            known_hosts: None,
            connect_timeout_sec: 10,
            alive_interval_sec: 5,
            alive_count: 3,
        }
    }
}

pub(super) fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or(Duration::from_secs(1))
}

/// Whether a connection serves others too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Multiplex<'a> {
    /// It is the one at this socket that others use.
    Master(&'a Path),
    /// It uses the one at this socket, if that stands.
    Through(&'a Path),
    /// Neither.
    No,
}

/// For a shell on the other side, which is what SSH gives a command line to.
pub(super) fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

impl DroneAddress {
    /// Whether its results lie in this directory of this machine. `None`: that cannot be seen, since one of the two is not
    /// there at this moment.
    pub(super) fn is_in(&self, directory: &Path) -> Option<bool> {
        match self.connection {
            Connection::Local if self.results_dir == directory => Some(true),
            Connection::Local => Some(self.results_dir.canonicalize().ok()? == directory.canonicalize().ok()?),
            Connection::Ssh(_) | Connection::Nowhere(_) => Some(false),
        }
    }

    /// The agent's command line for this, on the drone.
    ///
    /// # Errors
    /// If nobody knows where the drone is: what is wrong with its row.
    pub(super) fn agent_command(
        &self,
        ssh: &SshOptions,
        multiplex: Multiplex<'_>,
        arguments: &[String],
    ) -> Result<Command, String> {
        let agent = self.agent.to_string_lossy().into_owned();
        match &self.connection {
            Connection::Local => {
                let mut command = Command::new(agent);
                command.args(arguments);
                Ok(quiet(command))
            }
            Connection::Nowhere(why) => Err(why.clone()),
            Connection::Ssh(address) => {
                let words = std::iter::once(&agent).chain(arguments).map(|word| quote(word));
                // The shell gives way to the agent, so that nothing stands between the channel and it.
                let line = format!("exec {}", words.collect::<Vec<_>>().join(" "));
                Ok(quiet(ssh_command(address, ssh, multiplex, &line)))
            }
        }
    }
}

fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// SSH with a command line for the shell of the other side.
pub(super) fn ssh_command(address: &SshAddress, ssh: &SshOptions, multiplex: Multiplex<'_>, line: &str) -> Command {
    let mut command = Command::new(&ssh.program);
    command.args(["-T", "-F", "none"]);
    let mut option = |name: &str, value: &str| {
        command.arg("-o").arg(format!("{name}={value}"));
    };
    option("BatchMode", "yes");
    option("StrictHostKeyChecking", "yes");
    option("ForwardAgent", "no");
    option("ForwardX11", "no");
    option("ConnectTimeout", &ssh.connect_timeout_sec.to_string());
    option("ServerAliveInterval", &ssh.alive_interval_sec.to_string());
    option("ServerAliveCountMax", &ssh.alive_count.to_string());
    option("LogLevel", "ERROR");
    if let Some(file) = &ssh.known_hosts {
        option("UserKnownHostsFile", &format!("\"{}\"", file.display()));
        option("GlobalKnownHostsFile", "none");
    }
    if let Some(file) = &ssh.identity_file {
        option("IdentityFile", &format!("\"{}\"", file.display()));
        option("IdentitiesOnly", "yes");
    }
    match multiplex {
        Multiplex::Master(socket) => {
            option("ControlMaster", "yes");
            option("ControlPath", &format!("\"{}\"", socket.display()));
            option("ControlPersist", "no");
        }
        Multiplex::Through(socket) => {
            option("ControlMaster", "no");
            option("ControlPath", &format!("\"{}\"", socket.display()));
        }
        Multiplex::No => option("ControlPath", "none"),
    }
    if let Some(port) = address.port {
        command.arg("-p").arg(port.to_string());
    }
    if let Some(login) = &address.login {
        command.arg("-l").arg(login);
    }
    command.arg("--").arg(&address.host).arg(line);
    command
}
