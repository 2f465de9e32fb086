//! `yardmaster db`.

use clap::Subcommand;
use serde_json::json;

use super::Outcome;
use super::context::Context;
use super::output::{print, readable_seconds};
use crate::database::schema;
use crate::frontend::view::Moment;

#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Make whatever is missing: on an empty database all tables, on Autotest's only ours. Can be run at any time.
    #[command(after_help = "\
Examples:
  yardmaster db migrate
  yardmaster --set database.address=sqlite:/tmp/lab.db db migrate

Nothing of Autotest's is changed; `yardmaster db remove` takes ours away again. An account that may not create
triggers is enough: changes are then found by polling.")]
    Migrate,
    /// Show what is there and what is missing.
    #[command(after_help = "\
Examples:
  yardmaster db status
  yardmaster db status --json | jq .triggers

Exit status: 0 the database is ready, 1 tables are missing.")]
    Status,
    /// Take away our tables and triggers; Autotest's tables and all rows in them stay.
    #[command(after_help = "Example:\n  yardmaster db remove")]
    Remove {
        /// Also while a scheduler is at work, or seems to be.
        #[arg(long)]
        force: bool,
    },
}

impl DbCommand {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self {
            DbCommand::Migrate => migrate(context),
            DbCommand::Status => status(context),
            DbCommand::Remove { force } => context.with_database(async |database, _| {
                schema::remove(&database, force).await?;
                if !context.output.is_json() {
                    print("our tables and triggers are gone; Autotest's are as they were")?;
                }
                Ok(Outcome::Done)
            }),
        }
    }
}

fn migrate(context: &Context) -> anyhow::Result<Outcome> {
    context.with_database(async |database, loaded| {
        let report = schema::migrate(&database).await?;
        let value = json!({
            "address": loaded.config.address(),
            "tables": report.tables,
            "triggers": report.triggers,
            "polling": report.polling,
        });
        context.output.one(&value, || {
            let made = match (report.tables.len(), report.triggers) {
                (0, 0) => "nothing was missing".to_owned(),
                (tables, triggers) => format!("made {tables} tables and {triggers} triggers"),
            };
            let polling = report.polling.as_ref().map(|why| format!("\nchanges are found by polling: {why}"));
            format!("{}: {made}{}", loaded.config.address(), polling.unwrap_or_default())
        })
    })
}

fn status(context: &Context) -> anyhow::Result<Outcome> {
    context.with_database(async |database, loaded| {
        let status = schema::status(&database).await?;
        let migrations: Vec<_> =
            status.applied.iter().map(|(version, on)| json!({"version": version, "applied": Moment(*on)})).collect();
        let terms: Vec<_> = status
            .terms
            .iter()
            .map(|term| {
                json!({"role": term.role, "term": term.term, "tick": term.number, "holder": term.holder,
                       "at_work": term.held, "silent_for": term.age})
            })
            .collect();
        let value = json!({
            "address": loaded.config.address(),
            "migrations": migrations,
            "missing_tables": status.missing_tables,
            "triggers": status.triggers,
            "missing_triggers": status.missing_triggers,
            "unread_changes": status.unread_changes,
            "schedulers": terms,
        });
        context.output.one(&value, || described(&loaded.config.address(), &status))?;
        Ok(if status.missing_tables.is_empty() { Outcome::Done } else { Outcome::Wrong })
    })
}

fn described(address: &str, status: &schema::Status) -> String {
    let mut text = format!("database    {address}\n");
    for (version, on) in &status.applied {
        text += &format!("migration   {version}, applied {}\n", Moment(*on));
    }
    text += &match status.missing_tables.as_slice() {
        [] => "tables      all there\n".to_owned(),
        missing => format!("tables      missing: {}; run `yardmaster db migrate`\n", missing.join(", ")),
    };
    text += &match (status.triggers, status.missing_triggers.as_slice()) {
        (true, _) => "changes     found by triggers\n".to_owned(),
        (false, []) => "changes     found by polling\n".to_owned(),
        (false, [first, rest @ ..]) => {
            let others = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            format!("changes     found by polling: the trigger {first}{others} is gone; run `yardmaster db migrate`\n")
        }
    };
    text += &format!("unread      {} changes\n", status.unread_changes);
    for term in &status.terms {
        let state = if term.held { "at work, last heard of" } else { "ended" };
        let age = readable_seconds(term.age);
        text += &format!(
            "{:<11} term {}, tick {}, {}: {state} {age} ago\n",
            term.role, term.term, term.number, term.holder
        );
    }
    text
}
