//! Puts the layers over each other: flag before environment before file before default.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::check::check;
use super::keys::{KEYS, Key};
use super::layers::{Given, Origin, Sources, from_environment, from_file, from_flags};
use super::mistake::{Mistake, Mistakes};
use super::sections::Config;

/// A configuration in which nothing is wrong.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What holds.
    pub config: Config,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    origins: BTreeMap<String, Origin>,
}

/// A setting as it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// Which.
    pub key: &'static Key,
    /// Its value; `None` where there is none, not even by default.
    pub value: Option<toml::Value>,
    /// Where it was given.
    pub origin: Origin,
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        (self.section, self.name) == (other.section, other.name)
    }
}

impl Loaded {
    /// All settings as they hold, in the order of the example file.
    pub fn effective(&self) -> Vec<Effective> {
        let mut tables = as_tables(&self.config);
        let derived = [
            ("database.address", self.config.address()),
            ("results.directory", self.config.results_directory().display().to_string()),
            ("results.repository", self.config.results_repository().display().to_string()),
            ("drones.local_agent_path", self.config.local_agent().display().to_string()),
        ];
        let one = |key: &'static Key| {
            let path = key.path();
            let set = tables.get_mut(key.section).and_then(|section| section.as_table_mut()?.remove(key.name));
            let found = derived.iter().find(|(known, _)| *known == path);
            let value = set.or_else(|| found.map(|(_, value)| toml::Value::String(value.clone())));
            Effective { key, value, origin: self.origins.get(&path).cloned().unwrap_or(Origin::Default) }
        };
        KEYS.iter().map(one).collect()
    }
}

/// Reads all sources.
///
/// # Errors
/// Everything that is wrong, not only the first.
pub fn load(sources: &Sources) -> Result<Loaded, Mistakes> {
    let mut mistakes = Vec::new();
    let file = sources.file();
    let mut given = file.as_deref().map(|path| from_file(path, &mut mistakes)).unwrap_or_default();
    given.extend(from_environment(&sources.environment, &mut mistakes));
    given.extend(from_flags(&sources.settings, &mut mistakes));

    let mut tables = as_tables(&Config::default());
    let mut origins = BTreeMap::new();
    for Given { key, value, origin } in given {
        match refusal(key, &value) {
            Some(what) => mistakes.push(Mistake { origin: Some(origin), what }),
            None => {
                put(&mut tables, key, value);
                origins.insert(key.path(), origin);
            }
        }
    }
    // Each value was taken alone, so that the whole cannot be refused.
    let config = match Config::deserialize(toml::Value::Table(tables)) {
        Ok(config) => config,
        Err(error) => {
            mistakes.push(Mistake { origin: None, what: error.message().to_owned() });
            return Err(in_order(mistakes));
        }
    };
    mistakes.extend(check(&config).into_iter().map(|(path, what)| {
        let what = format!("{path}: {what}");
        Mistake { origin: origins.get(path).cloned(), what }
    }));
    if mistakes.is_empty() { Ok(Loaded { config, file, origins }) } else { Err(in_order(mistakes)) }
}

/// As somebody would go through them: the file from top to bottom, then the environment and the flags.
fn in_order(mut mistakes: Vec<Mistake>) -> Mistakes {
    mistakes.sort_by_key(|mistake| match &mistake.origin {
        None | Some(Origin::Default) => (0, 0, 0),
        Some(Origin::File { line, column, .. }) => (1, *line, *column),
        Some(Origin::Environment(_)) => (2, 0, 0),
        Some(Origin::Flag) => (3, 0, 0),
    });
    Mistakes(mistakes)
}

pub(super) fn as_tables(config: &Config) -> toml::Table {
    match toml::Value::try_from(config) {
        Ok(toml::Value::Table(tables)) => tables,
        Ok(_) | Err(_) => toml::Table::new(),
    }
}

fn put(tables: &mut toml::Table, key: &Key, value: toml::Value) {
    let section = tables.entry(key.section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    if let Some(section) = section.as_table_mut() {
        section.insert(key.name.to_owned(), value);
    }
}

/// Why a setting cannot have this value, all others being as they are by default.
fn refusal(key: &Key, value: &toml::Value) -> Option<String> {
    let mut tables = toml::Table::new();
    put(&mut tables, key, value.clone());
    let error = Config::deserialize(toml::Value::Table(tables)).err()?;
    let path = key.path();
    let expected = key.kind.expected();
    // An address that is wrong may hold a password.
    let found = if path == "database.address" { String::new() } else { format!(" = {value}") };
    let reason = error.message();
    let detail = if reason.starts_with("invalid type") || reason.starts_with("unknown variant") {
        String::new()
    } else {
        format!(" ({})", reason.trim_end())
    };
    Some(format!("{path}{found}: expected {expected}{detail}"))
}
