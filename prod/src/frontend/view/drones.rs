//! Drones.

use std::path::PathBuf;

use serde::Serialize;
use yardmaster_engine::DroneId;

use super::{DroneLive, drone_states};
use crate::database::{Database, DatabaseError, FromValue, Row};
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
    /// What is wrong with its row, and would mend it; null = nothing. It gets nothing to do until then.
    pub wrong: Option<String>,
    /// How the running scheduler sees it; null = none has told.
    pub live: Option<DroneLive>,
    /// Whether its row leaves it unknown where it is: it is not spoken to.
    #[serde(skip)]
    pub is_lost: bool,
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
        let connection = match &self.wrong {
            Some(why) if self.is_lost => Connection::Nowhere(why.clone()),
            Some(_) | None if local => Connection::Local,
            Some(_) | None => Connection::Ssh(ssh()),
        };
        DroneAddress {
            id: DroneId(self.id),
            name: self.name.clone(),
            connection,
            results_dir: self.results_dir.as_ref().map_or_else(|| config.results_directory(), PathBuf::from),
            agent: if local { config.local_agent() } else { config.drones.agent_path.clone() },
        }
    }
}

/// All drones by name. One whose row makes no sense is among them, with what is wrong.
///
/// # Errors
/// As the database has it.
pub async fn drones(database: &Database) -> Result<Vec<DroneView>, DatabaseError> {
    let sql = "SELECT d.id, d.hostname, y.enabled, y.max_processes, y.users, y.connection, y.address, y.port, y.login, \
               y.results_dir, s.name, y.note FROM afe_drones d LEFT JOIN yardmaster_drones y ON y.drone_id = d.id \
               LEFT JOIN afe_drone_sets_drones sd ON sd.drone_id = d.id \
               LEFT JOIN afe_drone_sets s ON s.id = sd.droneset_id ORDER BY d.hostname, d.id";
    let rows = database.query(sql, Vec::new()).await?;
    // A row without an id or a name is no drone; the scheduler tells of it.
    let mut drones: Vec<DroneView> = rows.iter().filter_map(read).collect();
    drones.dedup_by_key(|drone| drone.id);
    let mut states = drone_states(database).await?;
    drones.iter_mut().for_each(|drone| drone.live = states.remove(&drone.id));
    Ok(drones)
}

/// Columns that may make no sense.
struct Columns<'a> {
    row: &'a Row,
    wrong: Vec<String>,
}

impl Columns<'_> {
    /// What a column holds, or what is taken for it: nothing.
    fn get<T: FromValue + Default>(&mut self, column: usize, name: &str) -> T {
        self.row.get(column).unwrap_or_else(|cause| {
            self.wrong.push(format!("{name}: {cause}"));
            T::default()
        })
    }

    fn text(&mut self, column: usize, name: &str) -> Option<String> {
        self.get::<Option<String>>(column, name).filter(|text| !text.is_empty())
    }

    /// Complains unless something is so.
    fn check(&mut self, is_so: bool, complaint: impl FnOnce() -> String) {
        if !is_so {
            self.wrong.push(complaint());
        }
    }
}

fn read(row: &Row) -> Option<DroneView> {
    let (id, name) = (row.get(0).ok()?, row.get(1).ok()?);
    let mut columns = Columns { row, wrong: Vec::new() };
    let connection = columns.text(5, "connection").unwrap_or_else(|| "ssh".to_owned());
    columns.check(matches!(connection.as_str(), "local" | "ssh"), || {
        format!("connection is {connection:?}: expected local or ssh")
    });
    let (address, login) = (columns.text(6, "address"), columns.text(8, "login"));
    for (what, word) in [("address", &address), ("login", &login)] {
        let is_word =
            |word: &String| !word.starts_with('-') && !word.contains(|c: char| c.is_whitespace() || c.is_control());
        columns.check(word.as_ref().is_none_or(is_word), || format!("{what} is {word:?}: expected one word"));
    }
    let port = columns.get::<Option<u32>>(7, "port");
    columns.check(port.is_none_or(|port| (1..=65_535).contains(&port)), || {
        format!("port is {}: expected 1 to 65535", port.unwrap_or_default())
    });
    let results_dir = columns.text(9, "results_dir");
    columns.check(results_dir.as_ref().is_none_or(|path| path.starts_with('/')), || {
        format!("results_dir is {results_dir:?}: expected an absolute path")
    });
    let is_lost = !columns.wrong.is_empty();
    let enabled = columns.get::<Option<bool>>(2, "enabled").unwrap_or(true);
    let max_processes = columns.get(3, "max_processes");
    let users = columns.text(4, "users").unwrap_or_default();
    let (set, note) = (columns.text(10, "set"), columns.text(11, "note"));
    let way_out = "mend it with `yardmaster drone set`";
    Some(DroneView {
        id,
        name,
        enabled,
        max_processes,
        users: users.split(',').map(str::trim).filter(|user| !user.is_empty()).map(str::to_owned).collect(),
        connection,
        address,
        port,
        login,
        results_dir,
        set,
        note,
        wrong: (!columns.wrong.is_empty()).then(|| format!("{}; {way_out}", columns.wrong.join("; "))),
        live: None,
        is_lost,
    })
}
