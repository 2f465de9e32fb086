//! `yardmaster task`.

use clap::{Args, Subcommand};
use serde_json::json;
use yardmaster_engine::{TaskId, TaskKind};

use super::Outcome;
use super::arguments::{Actor, task_kind};
use super::context::Context;
use super::host_names::{HostNames, names_of};
use super::output::{Table, or_dash};
use crate::frontend::tasks;
use crate::frontend::view::{self, TaskFilter, TaskView};

#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Ask for a task on hosts; where the same is queued already, nothing is added.
    #[command(after_help = "\
Examples:
  yardmaster task request verify 'dut[001-010]'
  yardmaster task request repair dut007 --as alice")]
    Request {
        /// verify, cleanup, reset or repair.
        #[arg(value_parser = task_kind)]
        task: TaskKind,
        /// The hosts.
        #[arg(required = true, value_name = "LIST")]
        hosts: Vec<HostNames>,
        #[command(flatten)]
        actor: Actor,
    },
    /// List tasks, the latest first.
    List(ListArgs),
    /// Abort tasks that have not ended.
    #[command(after_help = "Example:\n  yardmaster task abort 4711")]
    Abort {
        /// Their numbers.
        #[arg(required = true, value_name = "TASK")]
        tasks: Vec<u32>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  yardmaster task list
  yardmaster task list --host dut007 --all --limit 10")]
pub(crate) struct ListArgs {
    /// Tasks of these hosts.
    #[arg(long = "host", value_name = "LIST")]
    hosts: Vec<HostNames>,
    /// Tasks of this kind.
    #[arg(long, value_parser = task_kind)]
    kind: Option<TaskKind>,
    /// Those that have ended, too.
    #[arg(long)]
    all: bool,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    limit: u32,
}

impl TaskCommand {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self {
            TaskCommand::Request { task, hosts, actor } => {
                let (hosts, login) = (names_of(&hosts), actor.login()?);
                context.with_database(async |database, _| {
                    let requested = tasks::request(&database, &login, task, &hosts).await?;
                    context.output.list(&requested, || {
                        let mut table = Table::new(&["task", "host", "new"]);
                        for (requested, host) in requested.iter().zip(&hosts) {
                            let new = if requested.new { "yes" } else { "no, it was queued" };
                            table.row([requested.task.to_string(), host.clone(), new.to_owned()]);
                        }
                        table
                    })
                })
            }
            TaskCommand::List(args) => args.run(context),
            TaskCommand::Abort { tasks } => {
                let wanted: Vec<TaskId> = tasks.into_iter().map(TaskId).collect();
                context.with_database(async |database, _| {
                    let marked = tasks::abort(&database, &wanted).await?;
                    context.output.one(&json!({ "tasks": marked }), || match marked.len() {
                        0 => "nothing was left to abort".to_owned(),
                        count => format!("{count} tasks are marked; the scheduler ends them"),
                    })?;
                    Ok(if marked.is_empty() { Outcome::NothingFound } else { Outcome::Done })
                })
            }
        }
    }
}

impl ListArgs {
    fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let hosts = names_of(&self.hosts).into_iter().collect();
        let filter = TaskFilter { hosts, kind: self.kind, ended: self.all, limit: self.limit };
        context.with_database(async |database, _| {
            let tasks = view::tasks(&database, &filter).await?;
            context.output.list(&tasks, || table(&tasks))
        })
    }
}

/// Tasks as a table.
pub(crate) fn table(tasks: &[TaskView]) -> Table {
    let mut table = Table::new(&["task", "kind", "host", "entry", "state", "requested", "by", "started", "finished"]);
    for task in tasks {
        table.row([
            task.id.to_string(),
            task.task.clone(),
            task.host.clone(),
            or_dash(task.entry.as_ref()),
            task.state.to_owned(),
            or_dash(task.requested.as_ref()),
            or_dash(task.requested_by.as_ref()),
            or_dash(task.started.as_ref()),
            or_dash(task.finished.as_ref()),
        ]);
    }
    table
}
