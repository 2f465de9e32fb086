//! Drones: Autotest's table has their names, `yardmaster_drones` how they are reached and what they may run.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::Serialize;
use yardmaster_engine::DroneId;

use super::transaction::transact;
use super::view::DroneView;
use super::{FrontendError, Thing, lookup};
use crate::database::{Database, Transaction, Value};

/// How the scheduler reaches a drone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Connection {
    /// It is this machine.
    Local,
    /// Over SSH.
    Ssh,
}

impl Connection {
    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Connection::Local => "local",
            Connection::Ssh => "ssh",
        }
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Connection {
    type Err = String;

    fn from_str(word: &str) -> Result<Connection, String> {
        match word {
            "local" => Ok(Connection::Local),
            "ssh" => Ok(Connection::Ssh),
            _ => Err(format!("unknown connection {word:?}: expected local or ssh")),
        }
    }
}

/// A drone as people describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroneRequest {
    /// Its hostname.
    pub name: String,
    /// Whether new processes may be started there.
    pub enabled: bool,
    /// How many processes it may run; `None` = as many as the setting `max_processes_per_drone` says.
    pub max_processes: Option<u32>,
    /// The logins whose jobs it runs; empty = everybody's.
    pub users: Vec<String>,
    /// How it is reached.
    pub connection: Connection,
    /// The address to connect to, where it is not the hostname.
    pub address: Option<String>,
    /// The SSH port, where it is not the usual one.
    pub port: Option<u16>,
    /// The account there, where it is not this one's.
    pub login: Option<String>,
    /// Its results directory, where it is not the one of the configuration.
    pub results_dir: Option<String>,
    /// Anything that others should know.
    pub note: Option<String>,
    /// The set that it belongs to.
    pub set: Option<String>,
}

impl DroneRequest {
    /// A drone that is this machine, for everybody.
    pub fn local(name: &str) -> DroneRequest {
        DroneRequest {
            name: name.to_owned(),
            enabled: true,
            max_processes: None,
            users: Vec::new(),
            connection: Connection::Local,
            address: None,
            port: None,
            login: None,
            results_dir: None,
            note: None,
            set: None,
        }
    }

    /// A drone over SSH, for everybody.
    pub fn ssh(name: &str) -> DroneRequest {
        DroneRequest { connection: Connection::Ssh, ..DroneRequest::local(name) }
    }
}

impl DroneRequest {
    /// The drone as it will be read back, before it has a row.
    pub fn as_view(&self) -> DroneView {
        DroneView {
            id: 0,
            name: self.name.clone(),
            enabled: self.enabled,
            max_processes: self.max_processes,
            users: self.users.clone(),
            connection: self.connection.to_string(),
            address: self.address.clone(),
            port: self.port.map(u32::from),
            login: self.login.clone(),
            results_dir: self.results_dir.clone(),
            set: self.set.clone(),
            note: self.note.clone(),
            wrong: None,
            live: None,
            is_lost: false,
        }
    }
}

/// A setting of a drone, or that it has none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrDefault<T> {
    /// What holds for drones that say nothing of it.
    Default,
    /// Its own.
    Own(T),
}

impl<T: FromStr<Err: Display>> FromStr for OrDefault<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "default" => Ok(OrDefault::Default),
            _ => text.parse().map(OrDefault::Own).map_err(|error| format!("{error}: expected a number or `default`")),
        }
    }
}

impl<T> OrDefault<T> {
    /// Its own, if it has one.
    pub fn own(self) -> Option<T> {
        match self {
            OrDefault::Default => None,
            OrDefault::Own(value) => Some(value),
        }
    }
}

/// What is to be different about a drone; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DroneChange {
    /// Whether new processes may be started there. What runs goes on.
    pub enabled: Option<bool>,
    /// How many processes it may run.
    pub max_processes: Option<OrDefault<u32>>,
    /// The logins whose jobs it runs; empty = everybody's.
    pub users: Option<Vec<String>>,
    /// How it is reached.
    pub connection: Option<Connection>,
    /// The address to connect to; empty = its hostname.
    pub address: Option<String>,
    /// The SSH port.
    pub port: Option<OrDefault<u16>>,
    /// The account there; empty = this one's.
    pub login: Option<String>,
    /// Its results directory; empty = as the configuration says.
    pub results_dir: Option<String>,
    /// Anything that others should know.
    pub note: Option<String>,
    /// The set that it belongs to; the empty name takes it out of every set.
    pub set: Option<String>,
}

/// Adds a drone. A set that does not exist is made.
///
/// # Errors
/// If there is one already, or a user does not exist.
pub async fn add(database: &Database, request: &DroneRequest) -> Result<DroneId, FrontendError> {
    let name = request.name.as_str();
    if name.is_empty() || name.starts_with('-') || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(FrontendError::Senseless(format!("{name:?} cannot be a drone: expected a hostname")));
    }
    transact!(database, |transaction| async {
        lookup::lock_names(transaction).await?;
        if lookup::find(transaction, Thing::Drone, name).await?.is_some() {
            return Err(FrontendError::Exists { thing: Thing::Drone, name: name.to_owned() });
        }
        transaction.execute("INSERT INTO afe_drones (hostname) VALUES (?)", vec![name.into()]).await?;
        let id = lookup::need(transaction, Thing::Drone, name).await?;
        insert_record(transaction, id).await?;
        let change = DroneChange {
            enabled: Some(request.enabled),
            max_processes: request.max_processes.map(OrDefault::Own),
            users: Some(request.users.clone()),
            connection: Some(request.connection),
            address: request.address.clone(),
            port: request.port.map(OrDefault::Own),
            login: request.login.clone(),
            results_dir: request.results_dir.clone(),
            note: request.note.clone(),
            set: request.set.clone(),
        };
        change_in(transaction, id, &change).await?;
        Ok(DroneId(id))
    }
    .await)
}

/// The record that Autotest's table lacks, with what a drone without one is taken for.
async fn insert_record(transaction: &mut Transaction, drone: u32) -> Result<(), FrontendError> {
    let sql = "SELECT drone_id FROM yardmaster_drones WHERE drone_id = ?";
    if transaction.query(sql, vec![drone.into()]).await?.is_empty() {
        let sql = "INSERT INTO yardmaster_drones (drone_id, enabled, users, connection) VALUES (?, 1, '', ?)";
        transaction.execute(sql, vec![drone.into(), Connection::Ssh.as_str().into()]).await?;
    }
    Ok(())
}

/// Changes a drone.
///
/// # Errors
/// If the drone or a user does not exist.
pub async fn change(database: &Database, name: &str, change: &DroneChange) -> Result<(), FrontendError> {
    transact!(database, |transaction| async {
        let id = lookup::need(transaction, Thing::Drone, name).await?;
        insert_record(transaction, id).await?;
        change_in(transaction, id, change).await
    }
    .await)
}

async fn change_in(transaction: &mut Transaction, drone: u32, change: &DroneChange) -> Result<(), FrontendError> {
    let mut users = Vec::new();
    for login in change.users.iter().flatten() {
        users.push(lookup::login(transaction, login).await?);
    }
    let users = change.users.is_some().then(|| users.join(","));
    let text = |value: &Option<String>| value.as_deref().map(Value::from);
    let columns = [
        ("enabled", change.enabled.map(Value::from)),
        ("max_processes", change.max_processes.map(|count| count.own().into())),
        ("users", users.map(Value::from)),
        ("connection", change.connection.map(|connection| connection.as_str().into())),
        ("address", text(&change.address)),
        ("port", change.port.map(|port| port.own().into())),
        ("login", text(&change.login)),
        ("results_dir", text(&change.results_dir)),
        ("note", text(&change.note)),
    ];
    for (column, value) in columns {
        if let Some(value) = value {
            let sql = format!("UPDATE yardmaster_drones SET {column} = ? WHERE drone_id = ?");
            transaction.execute(&sql, vec![value, drone.into()]).await?;
        }
    }
    if let Some(set) = &change.set {
        put_into_set(transaction, drone, set).await?;
    }
    Ok(())
}

async fn put_into_set(transaction: &mut Transaction, drone: u32, set: &str) -> Result<(), FrontendError> {
    transaction.execute("DELETE FROM afe_drone_sets_drones WHERE drone_id = ?", vec![drone.into()]).await?;
    if set.is_empty() {
        return Ok(());
    }
    let set = match lookup::find(transaction, Thing::DroneSet, set).await? {
        Some(id) => id,
        None => {
            transaction.execute("INSERT INTO afe_drone_sets (name) VALUES (?)", vec![set.into()]).await?;
            lookup::need(transaction, Thing::DroneSet, set).await?
        }
    };
    let sql = "INSERT INTO afe_drone_sets_drones (droneset_id, drone_id) VALUES (?, ?)";
    transaction.execute(sql, vec![set.into(), drone.into()]).await?;
    Ok(())
}

/// Takes a drone out of the lab. The scheduler then looks for its processes elsewhere and takes them for lost: disable it
/// first, and wait until nothing runs there.
///
/// # Errors
/// If it does not exist.
pub async fn remove(database: &Database, name: &str) -> Result<(), FrontendError> {
    transact!(database, |transaction| async {
        let id = lookup::need(transaction, Thing::Drone, name).await?;
        for sql in [
            "DELETE FROM afe_drone_sets_drones WHERE drone_id = ?",
            "DELETE FROM yardmaster_drones WHERE drone_id = ?",
            "DELETE FROM afe_drones WHERE id = ?",
        ] {
            transaction.execute(sql, vec![id.into()]).await?;
        }
        Ok(())
    }
    .await)
}
