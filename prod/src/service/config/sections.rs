//! The sections of `yardmaster.toml` as types, with the defaults. Secrets are never in here, only the files that hold them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use yardmaster_engine::Settings;

use super::words::{LogFormat, MailTls};
use crate::database::{AddressError, DatabaseAddress};
use crate::drones::{Commands, DroneSettings, SshOptions};

/// Everything that an operator can set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the rows are.
    pub database: DatabaseSection,
    /// The rules of scheduling.
    pub scheduler: Settings,
    /// Where results are.
    pub results: ResultsSection,
    /// How drones are reached.
    pub drones: DronesSection,
    /// What is run for which work.
    pub commands: Commands,
    /// Mail.
    pub notify: NotifySection,
    /// Log lines.
    pub log: LogSection,
    /// The service as a process.
    pub service: ServiceSection,
}

/// Where the rows are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseSection {
    /// `mysql://user@host:3306/database` or `sqlite:/path/file.db`; without one, [`Config::address`] says where.
    pub address: Option<String>,
    /// A file, readable by its owner alone, whose first line is the password.
    pub password_file: Option<PathBuf>,
}

/// Where results are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResultsSection {
    /// The results directory of drones that name none of their own.
    pub directory: Option<PathBuf>,
    /// Where all results end, on this machine.
    pub repository: Option<PathBuf>,
}

/// How drones are reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DronesSection {
    /// A drone that has not said what is new after so many seconds is silent in this tick.
    pub refresh_deadline_sec: f64,
    /// A drone that has not carried out its commands after so many seconds is silent.
    pub act_deadline_sec: f64,
    /// The pause before the first new attempt to reach a drone, in seconds; it doubles with every failure.
    pub reconnect_min_sec: f64,
    /// The longest pause between two attempts, in seconds.
    pub reconnect_max_sec: f64,
    /// How long ssh may take to connect, in seconds.
    pub connect_timeout_sec: u32,
    /// A killed process group gets so many seconds from SIGTERM to SIGKILL.
    pub kill_grace_sec: u32,
    /// So many results are fetched from one drone at once; scheduler.max_transfer_processes counts over all drones.
    pub max_transfers_per_drone: u32,
    /// A fetch of results of which nothing has come for so many seconds is given up and tried again later.
    pub transfer_stall_sec: f64,
    /// Results on drones in which nothing has changed for so many days are deleted there; 0 = never.
    pub clean_after_days: f64,
    /// The agent on drones.
    pub agent_path: PathBuf,
    /// The agent on this machine, which `drone add` copies; without, the one beside this program.
    pub local_agent_path: Option<PathBuf>,
    /// The private key with which this machine logs in to drones.
    pub identity_file: Option<PathBuf>,
    /// The host keys of drones; an unknown one is refused.
    pub known_hosts: Option<PathBuf>,
    /// Orphaned containers are cleaned so often on each drone, in hours; 0 = never.
    pub clean_containers_hours: f64,
    /// Subnets whose hosts only drones in the same may drive.
    pub restricted_subnets: Vec<IpNet>,
}

/// Mail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotifySection {
    /// The mail server; without one, nothing is sent.
    pub smtp_server: Option<String>,
    /// Its port; 0 stands for the usual one of the chosen protection.
    pub smtp_port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// The sender.
    pub from: String,
    /// Who hears of inconsistencies.
    pub operators: Vec<String>,
    /// The account on the mail server.
    pub login: Option<String>,
    /// A file, readable by its owner alone, whose first line is that account's password.
    pub password_file: Option<PathBuf>,
}

/// Log lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    /// What lines look like.
    pub format: LogFormat,
    /// What is worth a line, as `tracing` filters say it.
    pub filter: String,
}

/// The service as a process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceSection {
    /// The service ends by itself after so many hours; 0 = never.
    pub lifetime_hours: f64,
    /// At the start, Repair Failed hosts get a Reset.
    pub recover_hosts: bool,
    /// How many seconds a second scheduler waits for the first to go; 0 = not at all, it is refused.
    pub standby_seconds: u32,
    /// Where figures for Prometheus are served; nowhere if none.
    pub metrics_address: Option<SocketAddr>,
}

impl Default for DronesSection {
    fn default() -> Self {
        DronesSection {
            refresh_deadline_sec: 5.0,
            act_deadline_sec: 10.0,
            reconnect_min_sec: 1.0,
            reconnect_max_sec: 60.0,
            connect_timeout_sec: 10,
            kill_grace_sec: 10,
            max_transfers_per_drone: 8,
            transfer_stall_sec: 60.0,
            clean_after_days: 0.0,
            agent_path: "/usr/local/bin/yardmaster-drone".into(),
            local_agent_path: None,
            identity_file: None,
            known_hosts: None,
            clean_containers_hours: 0.0,
            restricted_subnets: Vec::new(),
        }
    }
}

impl Default for NotifySection {
    fn default() -> Self {
        NotifySection {
            smtp_server: None,
            smtp_port: 0,
            tls: MailTls::StartTls,
            from: "yardmaster@localhost".to_owned(),
            operators: Vec::new(),
            login: None,
            password_file: None,
        }
    }
}

impl Default for LogSection {
    fn default() -> Self {
        LogSection { format: LogFormat::Auto, filter: "info".to_owned() }
    }
}

impl Default for ServiceSection {
    fn default() -> Self {
        ServiceSection { lifetime_hours: 0.0, recover_hosts: false, standby_seconds: 0, metrics_address: None }
    }
}

impl Config {
    /// Where the rows are and how to get in, with the password.
    ///
    /// # Errors
    /// If the address is none, the password file cannot be read, or the folder of an embedded database cannot be made.
    pub fn database_address(&self) -> Result<DatabaseAddress, AccessError> {
        let address: DatabaseAddress = self.address().parse()?;
        if let (DatabaseAddress::Sqlite(file), Some(folder)) = (&address, self.embedded_folder()) {
            let cause = |cause| AccessError::File { path: file.clone(), cause };
            std::fs::create_dir_all(folder).map_err(cause)?;
        }
        let password = self.database.password_file.as_deref().map(first_line).transpose()?;
        Ok(address.with_password(password))
    }

    /// The folder that holds the embedded database where nobody chose one.
    fn embedded_folder(&self) -> Option<PathBuf> {
        self.database.address.is_none().then(state_directory)
    }

    /// Where the rows are, as set, or the embedded database.
    pub fn address(&self) -> String {
        let embedded = || format!("sqlite:{}", state_directory().join("yardmaster.db").display());
        self.database.address.clone().unwrap_or_else(embedded)
    }

    /// The results directory of drones that name none of their own, as set, or one beside the embedded database.
    pub fn results_directory(&self) -> PathBuf {
        self.results.directory.clone().unwrap_or_else(|| state_directory().join("results"))
    }

    /// Where all results end: as set, or the results directory.
    pub fn results_repository(&self) -> PathBuf {
        self.results.repository.clone().unwrap_or_else(|| self.results_directory())
    }

    /// How drones are spoken to.
    pub fn drone_settings(&self) -> DroneSettings {
        let section = &self.drones;
        DroneSettings {
            refresh_deadline_sec: section.refresh_deadline_sec,
            act_deadline_sec: section.act_deadline_sec,
            connect_deadline_sec: f64::from(section.connect_timeout_sec) * 2.0,
            retry_min_sec: section.reconnect_min_sec,
            retry_max_sec: section.reconnect_max_sec,
            kill_grace_sec: section.kill_grace_sec.into(),
            max_transfer_processes: self.scheduler.max_transfer_processes as usize,
            max_transfers_per_drone: section.max_transfers_per_drone as usize,
            transfer_stall_sec: section.transfer_stall_sec,
            repository: Some(self.results_repository()),
            ssh: SshOptions {
                identity_file: section.identity_file.clone(),
                known_hosts: section.known_hosts.clone(),
                connect_timeout_sec: section.connect_timeout_sec,
                ..SshOptions::default()
            },
            ..DroneSettings::default()
        }
    }

    /// The agent on this machine: as set, or the one beside this program.
    pub fn local_agent(&self) -> PathBuf {
        let beside = || std::env::current_exe().ok().map(|program| program.with_file_name("yardmaster-drone"));
        self.drones.local_agent_path.clone().or_else(beside).unwrap_or_else(|| "yardmaster-drone".into())
    }
}

/// Why there is no way into the database.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A file or folder cannot be read or made.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
}

pub(crate) fn first_line(path: &Path) -> Result<String, AccessError> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|cause| AccessError::File { path: path.to_owned(), cause })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Where this user's programs keep what they should not lose: `$XDG_STATE_HOME/yardmaster`.
fn state_directory() -> PathBuf {
    let set = |variable: &str| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || set("HOME").map(|home| home.join(".local/state"));
    set("XDG_STATE_HOME").or_else(home).unwrap_or_else(|| "/var/lib".into()).join("yardmaster")
}
