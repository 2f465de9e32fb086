//! `yardmaster config`.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::Outcome;
use super::context::Context;
use super::output::{Table, print};
use crate::service::config::{Effective, Sources, example, load};

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say everything that is wrong with the configuration, with line and column.
    #[command(after_help = "\
Examples:
  yardmaster config check
  yardmaster config check new.toml && systemctl reload yardmaster

Exit status: 0 nothing is wrong, 1 something is.")]
    Check {
        /// The file to check, instead of the usual one.
        file: Option<PathBuf>,
    },
    /// Show every setting as it holds, and where it comes from.
    #[command(after_help = "\
Examples:
  yardmaster config show
  yardmaster config show --json | jq '.[] | select(.origin != \"default\")'")]
    Show,
    /// Print a commented file with all settings, their defaults and units.
    #[command(after_help = "Example:\n  yardmaster config example > yardmaster.toml")]
    Example,
}

impl ConfigCommand {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self {
            ConfigCommand::Check { file } => check(context, file),
            ConfigCommand::Show => show(context),
            ConfigCommand::Example => print(&example()).map(|()| Outcome::Done),
        }
    }
}

fn check(context: &Context, file: Option<PathBuf>) -> anyhow::Result<Outcome> {
    let sources = Sources { file: file.or_else(|| context.sources.file.clone()), ..context.sources.clone() };
    let (file, mistakes) = match load(&sources) {
        Ok(loaded) => (loaded.file, Vec::new()),
        Err(mistakes) => (None, mistakes.0),
    };
    let texts: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    context.output.one(&json!({ "mistakes": texts }), || match (texts.as_slice(), file) {
        ([], Some(file)) => format!("{}: nothing is wrong", file.display()),
        ([], None) => "there is no file, and nothing is wrong with the defaults".to_owned(),
        (texts, _) => texts.join("\n"),
    })?;
    Ok(if texts.is_empty() { Outcome::Done } else { Outcome::Wrong })
}

fn show(context: &Context) -> anyhow::Result<Outcome> {
    let loaded = context.configuration()?;
    let settings = loaded.effective();
    let rows: Vec<_> = settings
        .iter()
        .map(
            |Effective { key, value, origin }| json!({"key": key.path(), "value": value, "origin": origin.to_string()}),
        )
        .collect();
    context.output.list(&rows, || {
        let mut table = Table::new(&["setting", "value", "origin"]);
        for Effective { key, value, origin } in &settings {
            let value = value.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
            table.row([key.path(), value, origin.to_string()]);
        }
        table
    })
}
