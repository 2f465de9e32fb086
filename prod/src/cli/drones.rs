//! `yardmaster drone`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Outcome;
use super::context::Context;
use super::output::{Table, or_dash};
use crate::frontend::drones::{self, Connection, DroneChange, DroneRequest};
use crate::frontend::view::{self, DroneView};
use crate::frontend::{FrontendError, Thing};
use crate::suggestion::nearest;

#[derive(Debug, Subcommand)]
pub(crate) enum DroneCommand {
    /// Add a drone.
    Add(AddArgs),
    /// List drones.
    #[command(after_help = "Example:\n  yardmaster drone list")]
    List,
    /// Show everything about a drone.
    #[command(after_help = "Example:\n  yardmaster drone show drone1")]
    Show {
        /// Its hostname.
        name: String,
    },
    /// Let new processes start there again.
    #[command(after_help = "Example:\n  yardmaster drone enable drone1")]
    Enable {
        /// Its hostname.
        name: String,
    },
    /// Let no new process start there; what runs goes on.
    #[command(after_help = "Example:\n  yardmaster drone disable drone1 --note 'disk is failing'")]
    Disable {
        /// Its hostname.
        name: String,
        /// Why.
        #[arg(long)]
        note: Option<String>,
    },
    /// Change how a drone is reached and what it may run.
    #[command(after_help = "\
Examples:
  yardmaster drone set drone1 --max-processes 200
  yardmaster drone set drone1 --user alice --user bob
  yardmaster drone set drone1 --set-name '' --everybody")]
    Set {
        /// Its hostname.
        name: String,
        /// Run everybody's jobs.
        #[arg(long, conflicts_with = "users")]
        everybody: bool,
        #[command(flatten)]
        fields: Fields,
    },
    /// Take a drone out of the lab. Disable it first, and wait until nothing runs there.
    #[command(after_help = "Example:\n  yardmaster drone remove drone1")]
    Remove {
        /// Its hostname.
        name: String,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  yardmaster drone add drone1 --login autotest --max-processes 500
  yardmaster drone add this-machine --local --results-dir /srv/results")]
pub(crate) struct AddArgs {
    /// Its hostname.
    name: String,
    /// It is this machine; otherwise it is reached over SSH.
    #[arg(long)]
    local: bool,
    /// Add it, but start nothing there yet.
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    fields: Fields,
}

#[derive(Debug, Args)]
pub(crate) struct Fields {
    /// How many processes it may run [default: scheduler.max_processes_per_drone].
    #[arg(long, value_name = "COUNT")]
    max_processes: Option<u32>,
    /// A login whose jobs it runs; may be given several times [default: everybody's].
    #[arg(long = "user", value_name = "LOGIN")]
    users: Vec<String>,
    /// The address to connect to [default: its hostname].
    #[arg(long)]
    address: Option<String>,
    /// The SSH port.
    #[arg(long)]
    port: Option<u16>,
    /// The account there [default: the one that the scheduler runs as].
    #[arg(long)]
    login: Option<String>,
    /// Its results directory [default: results.directory].
    #[arg(long, value_name = "DIR")]
    results_dir: Option<String>,
    /// The set that it belongs to; made if there is none. The empty name takes it out of every set.
    #[arg(long, value_name = "SET")]
    set_name: Option<String>,
    /// Anything that others should know.
    #[arg(long)]
    note: Option<String>,
}

impl DroneCommand {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self {
            DroneCommand::Add(args) => args.run(context),
            DroneCommand::List => context.with_database(async |database, _| {
                let drones = view::drones(&database).await?;
                context.output.list(&drones, || table(&drones))
            }),
            DroneCommand::Show { name } => show(context, &name),
            DroneCommand::Enable { name } => {
                change(context, &name, "enabled", &DroneChange { enabled: Some(true), ..DroneChange::default() })
            }
            DroneCommand::Disable { name, note } => {
                let disabled = DroneChange { enabled: Some(false), note, ..DroneChange::default() };
                change(context, &name, "disabled; what runs there goes on", &disabled)
            }
            DroneCommand::Set { name, everybody, fields } => {
                let users =
                    if everybody { Some(Vec::new()) } else { Some(fields.users).filter(|users| !users.is_empty()) };
                let changed = DroneChange {
                    enabled: None,
                    max_processes: fields.max_processes,
                    users,
                    connection: None,
                    address: fields.address,
                    port: fields.port,
                    login: fields.login,
                    results_dir: fields.results_dir,
                    note: fields.note,
                    set: fields.set_name,
                };
                change(context, &name, "changed", &changed)
            }
            DroneCommand::Remove { name } => context.with_database(async |database, _| {
                drones::remove(&database, &name).await?;
                context.output.one(&json!({ "drone": name }), || format!("{name}: removed"))
            }),
        }
    }
}

fn change(context: &Context, name: &str, done: &str, changed: &DroneChange) -> anyhow::Result<Outcome> {
    context.with_database(async |database, _| {
        drones::change(&database, name, changed).await?;
        context.output.one(&json!({ "drone": name }), || format!("{name}: {done}"))
    })
}

impl AddArgs {
    fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let fields = self.fields;
        let request = DroneRequest {
            name: self.name,
            enabled: !self.disabled,
            max_processes: fields.max_processes,
            users: fields.users,
            connection: if self.local { Connection::Local } else { Connection::Ssh },
            address: fields.address,
            port: fields.port,
            login: fields.login,
            results_dir: fields.results_dir,
            note: fields.note,
            set: fields.set_name,
        };
        context.with_database(async |database, _| {
            let id = drones::add(&database, &request).await?;
            let name = &request.name;
            context.output.one(&json!({ "drone": name, "id": id }), || format!("{name}: added"))
        })
    }
}

/// Drones as a table.
pub(crate) fn table(drones: &[DroneView]) -> Table {
    let mut table = Table::new(&["drone", "enabled", "processes", "connection", "set", "users", "note"]);
    for drone in drones {
        let limit = drone.max_processes.map_or_else(|| "default".to_owned(), |limit| limit.to_string());
        let users = if drone.users.is_empty() { "everybody".to_owned() } else { drone.users.join(" ") };
        let enabled = if drone.enabled { "yes" } else { "no" };
        let connection = match &drone.address {
            Some(address) => format!("{} {address}", drone.connection),
            None => drone.connection.clone(),
        };
        let (set, note) = (or_dash(drone.set.as_ref()), or_dash(drone.note.as_ref()));
        table.row([drone.name.clone(), enabled.to_owned(), limit, connection, set, users, note]);
    }
    table
}

fn show(context: &Context, name: &str) -> anyhow::Result<Outcome> {
    context.with_database(async |database, _| {
        let all = view::drones(&database).await?;
        let Some(drone) = all.iter().find(|drone| drone.name == name) else {
            let suggestion = nearest(name, all.iter().map(|drone| drone.name.as_str())).map(str::to_owned);
            return Err(FrontendError::Unknown { thing: Thing::Drone, name: name.to_owned(), suggestion }.into());
        };
        context.output.one(drone, || {
            let mut text = format!("drone         {} ({})\n", drone.name, drone.id);
            let mut line = |name: &str, value: String| text += &format!("{name:<13} {value}\n");
            line("enabled", drone.enabled.to_string());
            line(
                "processes",
                drone.max_processes.map_or_else(|| "as configured".to_owned(), |limit| limit.to_string()),
            );
            line("connection", drone.connection.clone());
            line("address", or_dash(drone.address.as_ref()));
            line("port", or_dash(drone.port.as_ref()));
            line("login", or_dash(drone.login.as_ref()));
            line("results", or_dash(drone.results_dir.as_ref()));
            line("set", or_dash(drone.set.as_ref()));
            line("users", if drone.users.is_empty() { "everybody".to_owned() } else { drone.users.join(", ") });
            line("note", or_dash(drone.note.as_ref()));
            text
        })
    })
}
