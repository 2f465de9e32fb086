//! `yardmaster host`.

use clap::{Args, Subcommand};
use serde_json::json;
use yardmaster_engine::{HostStatus, Protection};

use super::Outcome;
use super::arguments::{Actor, host_status, protection};
use super::context::Context;
use super::host_names::{HostNames, compressed, names_of};
use super::output::{Table, or_dash, print};
use crate::frontend::hosts::{self, NewHosts};
use crate::frontend::view::{self, HostFilter, HostView};
use crate::frontend::{FrontendError, Thing, labels};
use crate::suggestion::nearest;

#[derive(Debug, Subcommand)]
pub(crate) enum HostCommand {
    /// Add hosts; those that were deleted come back.
    Add(AddArgs),
    /// List hosts.
    List(ListArgs),
    /// Show everything about hosts.
    #[command(after_help = "Example:\n  yardmaster host show dut001")]
    Show {
        /// The hosts.
        #[arg(required = true, value_name = "LIST")]
        hosts: Vec<HostNames>,
    },
    /// Keep hosts from the scheduler; what runs there goes on.
    #[command(after_help = "Example:\n  yardmaster host lock 'dut[001-004]' --reason 'new cables' --as alice")]
    Lock {
        /// The hosts.
        #[arg(required = true, value_name = "LIST")]
        hosts: Vec<HostNames>,
        /// Why; others will want to know.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        actor: Actor,
    },
    /// Give hosts back to the scheduler.
    #[command(after_help = "Example:\n  yardmaster host unlock 'dut[001-004]'")]
    Unlock {
        /// The hosts.
        #[arg(required = true, value_name = "LIST")]
        hosts: Vec<HostNames>,
    },
    /// Add and remove labels of hosts.
    #[command(after_help = "Example:\n  yardmaster host label 'dut[001-004]' --add pool:bvt --remove pool:spare")]
    Label {
        /// The hosts.
        #[arg(required = true, value_name = "LIST")]
        hosts: Vec<HostNames>,
        /// A label to add.
        #[arg(long, value_name = "LABEL", required_unless_present = "remove")]
        add: Vec<String>,
        /// A label to remove.
        #[arg(long, value_name = "LABEL")]
        remove: Vec<String>,
    },
    /// Say how far the scheduler may go in repairing hosts.
    #[command(after_help = "Example:\n  yardmaster host protect dut001 do-not-repair")]
    Protect {
        /// The hosts.
        #[arg(value_name = "LIST")]
        hosts: HostNames,
        /// no-protection, repair-software-only, repair-filesystem-only, do-not-repair or do-not-verify.
        #[arg(value_parser = protection)]
        level: Protection,
    },
    /// Delete hosts; what ran there stays on record.
    #[command(after_help = "Example:\n  yardmaster host delete 'dut[001-004]'")]
    Delete {
        /// The hosts.
        #[arg(required = true, value_name = "LIST")]
        hosts: Vec<HostNames>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  yardmaster host add 'dut[001-100]' --label board:eve --label pool:bvt
  yardmaster host add secret1 --acl team-x --new-labels --label board:next")]
pub(crate) struct AddArgs {
    /// The hosts.
    #[arg(required = true, value_name = "LIST")]
    hosts: Vec<HostNames>,
    /// A label for all of them.
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// Make labels that do not exist.
    #[arg(long)]
    new_labels: bool,
    /// An ACL group that may use them [default: everybody may].
    #[arg(long = "acl", value_name = "GROUP")]
    acl_groups: Vec<String>,
    /// How far the scheduler may go in repairing them.
    #[arg(long, default_value = "no-protection", value_parser = protection)]
    protection: Protection,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  yardmaster host list --status 'repair failed'
  yardmaster host list --label board:eve --locked
  yardmaster host lock \"$(yardmaster host list --label board:eve --names)\" --reason 'power'")]
pub(crate) struct ListArgs {
    /// Only these hosts.
    #[arg(value_name = "LIST")]
    hosts: Vec<HostNames>,
    /// Hosts in this status; may be given several times.
    #[arg(long = "status", value_name = "STATUS", value_parser = host_status)]
    statuses: Vec<HostStatus>,
    /// Hosts with this label; may be given several times, and all must be there.
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// Hosts that are locked.
    #[arg(long)]
    locked: bool,
    /// Hosts that are not locked.
    #[arg(long, conflicts_with = "locked")]
    unlocked: bool,
    /// Print only a host list, as dut[001-100].
    #[arg(long)]
    names: bool,
}

impl HostCommand {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self {
            HostCommand::Add(args) => args.run(context),
            HostCommand::List(args) => args.run(context),
            HostCommand::Show { hosts } => show(context, &names_of(&hosts)),
            HostCommand::Lock { hosts: lists, reason, actor } => {
                let (names, login) = (names_of(&lists), actor.login()?);
                change(context, &names, "locked", async |database| {
                    hosts::lock(&database, &names, &login, &reason).await
                })
            }
            HostCommand::Unlock { hosts: lists } => {
                let names = names_of(&lists);
                change(context, &names, "unlocked", async |database| hosts::unlock(&database, &names).await)
            }
            HostCommand::Label { hosts: lists, add, remove } => {
                let names = names_of(&lists);
                let label = async |database| hosts::label(&database, &names, &add, &remove).await;
                change(context, &names, "labelled", label)
            }
            HostCommand::Protect { hosts: list, level } => {
                let names = names_of(&[list]);
                change(context, &names, level.as_str(), async |database| hosts::protect(&database, &names, level).await)
            }
            HostCommand::Delete { hosts: lists } => {
                let names = names_of(&lists);
                change(context, &names, "deleted", async |database| hosts::delete(&database, &names).await)
            }
        }
    }
}

/// Does something to hosts, and says so.
fn change(
    context: &Context,
    names: &[String],
    done: &str,
    body: impl AsyncFnOnce(crate::database::Database) -> Result<(), FrontendError>,
) -> anyhow::Result<Outcome> {
    context.with_database(async |database, _| {
        body(database).await?;
        context.output.one(&json!({ "hosts": names }), || format!("{}: {done}", compressed(names)))
    })
}

impl AddArgs {
    fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let (new_labels, protection) = (self.new_labels, self.protection);
        let names = names_of(&self.hosts);
        let new = NewHosts { names, labels: self.labels, acl_groups: self.acl_groups, protection };
        change(context, &new.names, "added", async |database| {
            if new_labels {
                labels::ensure(&database, &new.labels).await?;
            }
            hosts::add(&database, &new).await.map(drop)
        })
    }
}

impl ListArgs {
    fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let filter = HostFilter {
            names: names_of(&self.hosts).into_iter().collect(),
            statuses: self.statuses,
            labels: self.labels,
            locked: if self.locked { Some(true) } else { self.unlocked.then_some(false) },
        };
        context.with_database(async |database, _| {
            let hosts = view::hosts(&database, &filter).await?;
            if self.names && !context.output.is_json() && !hosts.is_empty() {
                let names: Vec<String> = hosts.into_iter().map(|host| host.name).collect();
                print(&compressed(&names))?;
                return Ok(Outcome::Done);
            }
            context.output.list(&hosts, || table(&hosts))
        })
    }
}

fn table(hosts: &[HostView]) -> Table {
    let mut table = Table::new(&["host", "status", "locked", "leased", "dirty", "job", "platform", "labels"]);
    let yes = |truth: bool| if truth { "yes" } else { "-" }.to_owned();
    for host in hosts {
        let labels = host.labels.iter().filter(|label| Some(*label) != host.platform.as_ref());
        table.row([
            host.name.clone(),
            host.status.clone(),
            if host.locked { format!("by {}", or_dash(host.locked_by.as_ref())) } else { yes(false) },
            yes(host.leased),
            yes(host.dirty),
            or_dash(host.job.as_ref()),
            or_dash(host.platform.as_ref()),
            labels.cloned().collect::<Vec<_>>().join(" "),
        ]);
    }
    table
}

fn show(context: &Context, names: &[String]) -> anyhow::Result<Outcome> {
    context.with_database(async |database, _| {
        let all = view::hosts(&database, &HostFilter::default()).await?;
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            match all.iter().find(|host| host.name == *name) {
                Some(host) => found.push(host.clone()),
                None => {
                    let suggestion = nearest(name, all.iter().map(|host| host.name.as_str())).map(str::to_owned);
                    return Err(FrontendError::Unknown { thing: Thing::Host, name: name.clone(), suggestion }.into());
                }
            }
        }
        if context.output.is_json() {
            return context.output.list(&found, || table(&found));
        }
        print(&found.iter().map(described).collect::<Vec<_>>().join("\n"))?;
        Ok(Outcome::Done)
    })
}

fn described(host: &HostView) -> String {
    let mut text = format!("host          {} ({})\n", host.name, host.id);
    let mut line = |name: &str, value: String| text += &format!("{name:<13} {value}\n");
    line("status", host.status.clone());
    line("platform", or_dash(host.platform.as_ref()));
    line("labels", host.labels.join(", "));
    line("ACL groups", host.acl_groups.join(", "));
    line("protection", host.protection.clone());
    line("leased", host.leased.to_string());
    line("dirty", host.dirty.to_string());
    if host.locked {
        let reason = host.lock_reason.clone().unwrap_or_default();
        let since = host.locked_since.map(|since| format!(" since {since}")).unwrap_or_default();
        line("locked", format!("by {}{since}: {reason}", or_dash(host.locked_by.as_ref())));
    }
    if let (Some(job), Some(entry)) = (host.job, host.entry) {
        line("in use", format!("by job {job}, entry {entry}"));
    }
    text
}
