//! `yardmaster label`, `acl` and `user`.

use clap::Subcommand;
use serde::Serialize;

use super::Outcome;
use super::context::Context;
use super::host_names::{HostNames, compressed, names_of};
use super::output::{Table, or_dash};
use crate::database::Database;
use crate::frontend::{FrontendError, acls, labels, users, view};

#[derive(Debug, Subcommand)]
pub(crate) enum LabelCommand {
    /// List labels.
    #[command(after_help = "Example:\n  yardmaster label list --json | jq -r '.[].name'")]
    List,
    /// Add a label; one that was deleted comes back.
    #[command(after_help = "Examples:\n  yardmaster label add pool:bvt\n  yardmaster label add eve --platform")]
    Add {
        /// Its name.
        name: String,
        /// It names the kind of device; a host has at most one such label.
        #[arg(long)]
        platform: bool,
    },
    /// Delete a label and take it from all hosts.
    #[command(after_help = "Example:\n  yardmaster label delete pool:old")]
    Delete {
        /// Its name.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AclCommand {
    /// List ACL groups.
    #[command(after_help = "Example:\n  yardmaster acl list")]
    List,
    /// Add a group.
    #[command(after_help = "Example:\n  yardmaster acl add team-x --description 'hosts of team X'")]
    Add {
        /// Its name.
        group: String,
        /// What it is for.
        #[arg(long, default_value = "")]
        description: String,
    },
    /// Delete a group; hosts that belong to no other are for everybody then.
    #[command(after_help = "Example:\n  yardmaster acl delete team-x")]
    Delete {
        /// Its name.
        group: String,
    },
    /// Add users to a group.
    #[command(after_help = "Example:\n  yardmaster acl add-user team-x alice bob")]
    AddUser {
        /// The group.
        group: String,
        /// Their logins.
        #[arg(required = true, value_name = "LOGIN")]
        users: Vec<String>,
    },
    /// Remove users from a group.
    #[command(after_help = "Example:\n  yardmaster acl remove-user team-x bob")]
    RemoveUser {
        /// The group.
        group: String,
        /// Their logins.
        #[arg(required = true, value_name = "LOGIN")]
        users: Vec<String>,
    },
    /// Add hosts to a group; they are no longer for everybody then.
    #[command(after_help = "Example:\n  yardmaster acl add-host team-x 'dut[001-004]'")]
    AddHost {
        /// The group.
        group: String,
        /// The hosts.
        #[arg(required = true, value_name = "LIST")]
        hosts: Vec<HostNames>,
    },
    /// Remove hosts from a group.
    #[command(after_help = "Example:\n  yardmaster acl remove-host team-x dut001")]
    RemoveHost {
        /// The group.
        group: String,
        /// The hosts.
        #[arg(required = true, value_name = "LIST")]
        hosts: Vec<HostNames>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// List users.
    #[command(after_help = "Example:\n  yardmaster user list")]
    List,
    /// Add a user.
    #[command(after_help = "Example:\n  yardmaster user add alice")]
    Add {
        /// The login.
        login: String,
        /// What the web frontend allows; 100 is everything.
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
        access_level: u32,
    },
    /// Bind a user's jobs to a set of drones.
    #[command(
        after_help = "Examples:\n  yardmaster user set alice --drone-set fast\n  yardmaster user set alice --no-drone-set"
    )]
    Set {
        /// The login.
        login: String,
        /// The set.
        #[arg(long, value_name = "SET", required_unless_present = "no_drone_set")]
        drone_set: Option<String>,
        /// Free the user's jobs of a set.
        #[arg(long, conflicts_with = "drone_set")]
        no_drone_set: bool,
    },
    /// Delete a user who has left no trace.
    #[command(after_help = "Example:\n  yardmaster user delete alice")]
    Delete {
        /// The login.
        login: String,
    },
}

/// What was done to something, for programs.
#[derive(Debug, Serialize)]
struct Done<'a> {
    done: &'a str,
    name: &'a str,
}

/// Does something, and says so.
fn change(
    context: &Context,
    (done, name): (&str, &str),
    body: impl AsyncFnOnce(&Database) -> Result<(), FrontendError>,
) -> anyhow::Result<Outcome> {
    context.with_database(async |database, _| {
        body(&database).await?;
        context.output.one(&Done { done, name }, || format!("{name}: {done}"))
    })
}

impl LabelCommand {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self {
            LabelCommand::List => context.with_database(async |database, _| {
                let labels = view::labels(&database).await?;
                context.output.list(&labels, || {
                    let mut table = Table::new(&["label", "platform", "hosts"]);
                    for label in &labels {
                        let platform = if label.platform { "yes" } else { "-" };
                        table.row([label.name.clone(), platform.to_owned(), label.hosts.to_string()]);
                    }
                    table
                })
            }),
            LabelCommand::Add { name, platform } => change(context, ("added", &name), async |database| {
                labels::add(database, &name, platform).await.map(drop)
            }),
            LabelCommand::Delete { name } => {
                change(context, ("deleted", &name), async |database| labels::delete(database, &name).await)
            }
        }
    }
}

impl AclCommand {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self {
            AclCommand::List => list_acls(context),
            AclCommand::Add { group, description } => change(context, ("added", &group), async |database| {
                acls::add(database, &group, &description).await.map(drop)
            }),
            AclCommand::Delete { group } => {
                change(context, ("deleted", &group), async |database| acls::delete(database, &group).await)
            }
            AclCommand::AddUser { group, users } => {
                let body = async |database: &Database| acls::add_users(database, &group, &users).await;
                change(context, ("users added", &group), body)
            }
            AclCommand::RemoveUser { group, users } => {
                let body = async |database: &Database| acls::remove_users(database, &group, &users).await;
                change(context, ("users removed", &group), body)
            }
            AclCommand::AddHost { group, hosts } => {
                let body = async |database: &Database| acls::add_hosts(database, &group, &names_of(&hosts)).await;
                change(context, ("hosts added", &group), body)
            }
            AclCommand::RemoveHost { group, hosts } => {
                let body = async |database: &Database| acls::remove_hosts(database, &group, &names_of(&hosts)).await;
                change(context, ("hosts removed", &group), body)
            }
        }
    }
}

fn list_acls(context: &Context) -> anyhow::Result<Outcome> {
    context.with_database(async |database, _| {
        let groups = view::acls(&database).await?;
        context.output.list(&groups, || {
            let mut table = Table::new(&["group", "users", "hosts", "description"]);
            for group in &groups {
                let hosts = compressed(&group.hosts);
                table.row([group.name.clone(), group.users.join(" "), hosts, group.description.clone()]);
            }
            table
        })
    })
}

impl UserCommand {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self {
            UserCommand::List => context.with_database(async |database, _| {
                let users = view::users(&database).await?;
                context.output.list(&users, || {
                    let mut table = Table::new(&["user", "level", "drone set", "groups"]);
                    for user in &users {
                        let (level, set) = (user.access_level.to_string(), or_dash(user.drone_set.as_ref()));
                        table.row([user.login.clone(), level, set, user.acl_groups.join(" ")]);
                    }
                    table
                })
            }),
            UserCommand::Add { login, access_level } => change(context, ("added", &login), async |database| {
                users::add(database, &login, access_level).await.map(drop)
            }),
            UserCommand::Set { login, drone_set, no_drone_set: _ } => {
                change(context, ("changed", &login), async |database| {
                    users::set_drone_set(database, &login, drone_set.as_deref()).await
                })
            }
            UserCommand::Delete { login } => {
                change(context, ("deleted", &login), async |database| users::delete(database, &login).await)
            }
        }
    }
}
