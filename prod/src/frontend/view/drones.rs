//! Drones.

use std::path::PathBuf;

use serde::Serialize;
use yardmaster_engine::DroneId;

use crate::database::{Database, DatabaseError};
use crate::drones::{Connection, DroneAddress, SshAddress};
use crate::service::config::Config;

/// A drone as the database has it; a drone that only Autotest's table knows is taken for enabled, over SSH.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DroneView {
    /// Its id.
    pub id: u32,
    /// Its hostname.
    pub name: String,
    /// Whether new processes may be started there.
    pub enabled: bool,
    /// How many processes it may run; null = as the configuration says.
    pub max_processes: Option<u32>,
    /// The logins whose jobs it runs; empty = everybody's.
    pub users: Vec<String>,
    /// `local` or `ssh`.
    pub connection: String,
    /// The address to connect to; null = its hostname.
    pub address: Option<String>,
    /// The SSH port; null = the usual one.
    pub port: Option<u32>,
    /// The account there; null = this one's.
    pub login: Option<String>,
    /// Its results directory; null = as the configuration says.
    pub results_dir: Option<String>,
    /// The set that it belongs to.
    pub set: Option<String>,
    /// Anything that others should know.
    pub note: Option<String>,
}

impl DroneView {
    /// Where it is and how it is reached, with what the configuration says where its row says nothing.
    pub fn address(&self, config: &Config) -> DroneAddress {
        let local = self.connection == "local";
        let ssh = || SshAddress {
            host: self.address.clone().unwrap_or_else(|| self.name.clone()),
            port: self.port.and_then(|port| u16::try_from(port).ok()),
            login: self.login.clone(),
        };
        DroneAddress {
            id: DroneId(self.id),
            name: self.name.clone(),
            connection: if local { Connection::Local } else { Connection::Ssh(ssh()) },
            results_dir: self.results_dir.as_ref().map_or_else(|| config.results_directory(), PathBuf::from),
            agent: if local { config.local_agent() } else { config.drones.agent_path.clone() },
        }
    }
}

/// All drones by name.
///
/// # Errors
/// As the database has it.
pub async fn drones(database: &Database) -> Result<Vec<DroneView>, DatabaseError> {
    let sql = "SELECT d.id, d.hostname, y.enabled, y.max_processes, y.users, y.connection, y.address, y.port, y.login, \
               y.results_dir, s.name, y.note FROM afe_drones d LEFT JOIN yardmaster_drones y ON y.drone_id = d.id \
               LEFT JOIN afe_drone_sets_drones sd ON sd.drone_id = d.id \
               LEFT JOIN afe_drone_sets s ON s.id = sd.droneset_id ORDER BY d.hostname, d.id";
    let mut drones = Vec::new();
    for row in database.query(sql, Vec::new()).await? {
        let text = |column| row.get::<Option<String>>(column).map(|text| text.filter(|text| !text.is_empty()));
        let users = text(4)?.unwrap_or_default();
        drones.push(DroneView {
            id: row.get(0)?,
            name: row.get(1)?,
            enabled: row.get::<Option<bool>>(2)?.unwrap_or(true),
            max_processes: row.get(3)?,
            users: users.split(',').map(str::trim).filter(|user| !user.is_empty()).map(str::to_owned).collect(),
            connection: text(5)?.unwrap_or_else(|| "ssh".to_owned()),
            address: text(6)?,
            port: row.get(7)?,
            login: text(8)?,
            results_dir: text(9)?,
            set: row.get(10)?,
            note: text(11)?,
        });
    }
    Ok(drones)
}
