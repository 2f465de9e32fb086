//! `yardmaster drone`.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::Outcome;
use super::context::Context;
use super::output::{Table, or_dash, readable_seconds};
use crate::agent::protocol::AgentHello;
use crate::database::{Database, schema};
use crate::drones::{self as install, DroneAddress, DroneSettings, InstallError};
use crate::frontend::drones::{self, Connection, DroneChange, DroneRequest, OrDefault};
use crate::frontend::view::{self, DroneView};
use crate::frontend::{FrontendError, Thing};
use crate::service::config::Config;
use crate::suggestion::nearest;

#[derive(Debug, Subcommand)]
pub(crate) enum DroneCommand {
    /// Put the agent on a drone, ask it who it is, and add it.
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
    /// Ask the agents on drones who they are.
    #[command(after_help = "\
Examples:
  yardmaster drone check
  yardmaster drone check drone1 drone2

Exit status: 0 all answer, 1 one or more do not.")]
    Check {
        /// Their hostnames; without any, all are asked.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Put this version's agent on drones, in place of the one that is there. Processes that run there go on.
    #[command(after_help = "\
Examples:
  yardmaster drone upgrade
  yardmaster drone upgrade drone1 drone2

The agent (drones.local_agent_path) is copied beside the old one, tried, and then put in its place at once. An agent at
work sees that it was replaced, and ends when it has nothing to do; the scheduler starts the new one in its place. A
drone that is this machine needs no copy.

Exit status: 0 all have it, 1 one or more do not.")]
    Upgrade {
        /// Their hostnames; without any, all drones.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
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
  yardmaster drone set drone1 --max-processes default --port default
  yardmaster drone set drone1 --ssh --address 10.0.0.7
  yardmaster drone set drone1 --user alice --user bob
  yardmaster drone set drone1 --set-name '' --everybody")]
    Set {
        /// Its hostname.
        name: String,
        /// Run everybody's jobs.
        #[arg(long, conflicts_with = "users")]
        everybody: bool,
        /// It is this machine.
        #[arg(long, conflicts_with = "ssh")]
        local: bool,
        /// It is reached over SSH.
        #[arg(long)]
        ssh: bool,
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
  yardmaster drone add this-machine --local --results-dir /srv/results

Over SSH the agent (drones.local_agent_path) is copied to drones.agent_path there. What fails leaves the drone out of
the lab; with --no-install it is added as it is, and nothing is copied or asked.")]
pub(crate) struct AddArgs {
    /// Its hostname.
    name: String,
    /// It is this machine; otherwise it is reached over SSH.
    #[arg(long)]
    local: bool,
    /// Add it, but start nothing there yet.
    #[arg(long)]
    disabled: bool,
    /// Neither copy the agent there nor ask it who it is.
    #[arg(long)]
    no_install: bool,
    #[command(flatten)]
    fields: Fields,
}

#[derive(Debug, Args)]
pub(crate) struct Fields {
    /// How many processes it may run, or `default` [default: scheduler.max_processes_per_drone].
    #[arg(long, value_name = "COUNT")]
    max_processes: Option<OrDefault<u32>>,
    /// A login whose jobs it runs; may be given several times [default: everybody's].
    #[arg(long = "user", value_name = "LOGIN")]
    users: Vec<String>,
    /// The address to connect to [default: its hostname].
    #[arg(long)]
    address: Option<String>,
    /// The SSH port [default: the usual one].
    #[arg(long)]
    port: Option<OrDefault<u16>>,
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
            DroneCommand::Check { names } => {
                ask_all(context, &names, async |address, settings, lab, _| install::check(address, settings, lab).await)
            }
            DroneCommand::Upgrade { names } => ask_all(context, &names, async |address, settings, lab, config| {
                install::install(&config.local_agent(), address, settings, lab).await
            }),
            DroneCommand::Enable { name } => {
                change(context, &name, "enabled", &DroneChange { enabled: Some(true), ..DroneChange::default() })
            }
            DroneCommand::Disable { name, note } => {
                let disabled = DroneChange { enabled: Some(false), note, ..DroneChange::default() };
                change(context, &name, "disabled; what runs there goes on", &disabled)
            }
            DroneCommand::Set { name, everybody, local, ssh, fields } => {
                let users =
                    if everybody { Some(Vec::new()) } else { Some(fields.users).filter(|users| !users.is_empty()) };
                let changed = DroneChange {
                    enabled: None,
                    max_processes: fields.max_processes,
                    users,
                    connection: local.then_some(Connection::Local).or(ssh.then_some(Connection::Ssh)),
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
            max_processes: fields.max_processes.and_then(OrDefault::own),
            users: fields.users,
            connection: if self.local { Connection::Local } else { Connection::Ssh },
            address: fields.address,
            port: fields.port.and_then(OrDefault::own),
            login: fields.login,
            results_dir: fields.results_dir,
            note: fields.note,
            set: fields.set_name,
        };
        context.with_database(async |database, loaded| {
            let name = &request.name;
            let found = match self.no_install {
                true => None,
                false => Some(put_agent(&database, &loaded.config, &request).await?),
            };
            let id = drones::add(&database, &request).await?;
            context.output.one(&json!({ "drone": name, "id": id, "agent": found }), || match &found {
                Some(found) => format!("{name}: added\n{}", answered(found)),
                None => format!("{name}: added, unasked"),
            })
        })
    }
}

/// Puts the agent on a drone that is yet to be added, and asks it who it is.
async fn put_agent(database: &Database, config: &Config, request: &DroneRequest) -> anyhow::Result<AgentHello> {
    let name = &request.name;
    // Nothing is copied over a drone that is there, under settings that may be others.
    if view::drones(database).await?.iter().any(|drone| drone.name == *name) {
        return Err(FrontendError::Exists { thing: Thing::Drone, name: name.clone() }.into());
    }
    let lab = schema::lab(database).await?;
    let (address, settings) = (request.as_view().address(config), config.drone_settings());
    let answer = match request.connection {
        Connection::Local => install::check(&address, &settings, &lab).await,
        Connection::Ssh => install::install(&config.local_agent(), &address, &settings, &lab).await,
    };
    let way_out = || format!("drone {name} is not added (--no-install would add it unasked)");
    answer.with_context(way_out)
}

/// What an agent said of its drone.
fn answered(found: &AgentHello) -> String {
    let gigabytes = found.free_disk / 1_000_000_000;
    let AgentHello { version, host, cores, results, .. } = found;
    format!("agent {version} on {host}, {cores} processors, {gigabytes} GB free in {results}")
}

/// What a drone answered, or why it did not.
#[derive(Debug, Serialize)]
struct Answer {
    drone: String,
    agent: Option<AgentHello>,
    error: Option<String>,
}

/// Does something with the agents of all drones at once, or of those named, and tells what each answers.
fn ask_all(
    context: &Context,
    names: &[String],
    ask: impl AsyncFn(&DroneAddress, &DroneSettings, &str, &Config) -> Result<AgentHello, InstallError>,
) -> anyhow::Result<Outcome> {
    context.with_database(async |database, loaded| {
        let all = view::drones(&database).await?;
        let wanted = match names {
            [] => all.iter().collect(),
            _ => names.iter().map(|name| find(&all, name)).collect::<Result<Vec<_>, _>>()?,
        };
        let (lab, settings) = (schema::lab(&database).await?, loaded.config.drone_settings());
        let ask = async |drone: &DroneView| {
            let answer = ask(&drone.address(&loaded.config), &settings, &lab, &loaded.config).await;
            let error = answer.as_ref().err().map(ToString::to_string);
            Answer { drone: drone.name.clone(), agent: answer.ok(), error }
        };
        let answers = futures_util::future::join_all(wanted.into_iter().map(ask)).await;
        let outcome = context.output.list(&answers, || {
            let mut table = Table::new(&["drone", "answer"]);
            for answer in &answers {
                let said = answer.agent.as_ref().map(answered).or_else(|| answer.error.clone());
                table.row([answer.drone.clone(), said.unwrap_or_default()]);
            }
            table
        })?;
        Ok(if answers.iter().any(|answer| answer.error.is_some()) { Outcome::Wrong } else { outcome })
    })
}

fn find<'a>(all: &'a [DroneView], name: &str) -> Result<&'a DroneView, FrontendError> {
    all.iter().find(|drone| drone.name == name).ok_or_else(|| {
        let suggestion = nearest(name, all.iter().map(|drone| drone.name.as_str())).map(str::to_owned);
        FrontendError::Unknown { thing: Thing::Drone, name: name.to_owned(), suggestion }
    })
}

/// Drones as a table.
pub(crate) fn table(drones: &[DroneView]) -> Table {
    let mut names = vec!["drone", "enabled", "answers", "processes", "free", "connection", "set", "users", "note"];
    let has_trouble = drones.iter().any(|drone| trouble(drone).is_some());
    names.extend(has_trouble.then_some("trouble"));
    let mut table = Table::new(&names);
    for drone in drones {
        let users = if drone.users.is_empty() { "everybody".to_owned() } else { drone.users.join(" ") };
        let enabled = if drone.enabled { "yes" } else { "no" };
        let connection = match &drone.address {
            Some(address) => format!("{} {address}", drone.connection),
            None => drone.connection.clone(),
        };
        let (set, note) = (or_dash(drone.set.as_ref()), or_dash(drone.note.as_ref()));
        let free = drone.live.as_ref().and_then(|live| live.free_disk).map(gigabytes);
        let mut row = vec![
            drone.name.clone(),
            enabled.to_owned(),
            answers(drone),
            processes(drone),
            or_dash(free.as_ref()),
            connection,
            set,
            users,
            note,
        ];
        row.extend(has_trouble.then(|| or_dash(trouble(drone).as_ref())));
        table.row(row);
    }
    table
}

/// Whether a drone answers the running scheduler, and since when it does not.
fn answers(drone: &DroneView) -> String {
    match drone.live.as_ref().filter(|live| live.is_fresh()) {
        None => "unknown".to_owned(),
        Some(live) if live.answers() => "yes".to_owned(),
        Some(live) => format!("no, {} since {}", live.state, live.since),
    }
}

/// How many processes run there, of how many that may.
fn processes(drone: &DroneView) -> String {
    let limit = drone.max_processes.map_or_else(|| "default".to_owned(), |limit| limit.to_string());
    match drone.live.as_ref().filter(|live| live.is_fresh()) {
        Some(live) => format!("{} of {limit}", live.processes),
        None => limit,
    }
}

/// What is wrong with a drone: its row, or what keeps it from answering.
fn trouble(drone: &DroneView) -> Option<String> {
    let silent = drone.live.as_ref().filter(|live| live.is_fresh() && !live.answers());
    drone.wrong.clone().or_else(|| silent?.error.clone())
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

fn show(context: &Context, name: &str) -> anyhow::Result<Outcome> {
    context.with_database(async |database, _| {
        let all = view::drones(&database).await?;
        let drone = find(&all, name)?;
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
            line("wrong", or_dash(drone.wrong.as_ref()));
            let Some(live) = &drone.live else {
                line("answers", "unknown: no scheduler has told".to_owned());
                return text;
            };
            line("answers", answers(drone));
            line("told", format!("{} ago", readable_seconds(live.told_ago)));
            line("at work", live.processes.to_string());
            line("free", or_dash(live.free_disk.map(gigabytes).as_ref()));
            line("to be fetched", live.transfers.to_string());
            line("latency", or_dash(live.latency_ms.map(|latency| format!("{latency} ms")).as_ref()));
            line("agent", or_dash(live.agent.as_ref()));
            if let (Some(error), Some(on)) = (&live.error, live.error_on) {
                line("last error", format!("{on}: {error}"));
            }
            text
        })
    })
}
