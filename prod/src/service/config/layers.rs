//! Where values come from: a file, the environment, flags.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::keys::{KEYS, Key, Kind, SECTIONS};
use super::mistake::Mistake;
use crate::suggestion::{did_you_mean, nearest};

/// Where the file is looked for when nobody names one.
const USUAL_FILES: [&str; 2] = ["yardmaster.toml", "/etc/yardmaster/yardmaster.toml"];
/// The variable that names the file.
const FILE_VARIABLE: &str = "YARDMASTER_CONFIG";

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: the default holds.
    Default,
    /// In a file.
    File {
        /// Which.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// In this environment variable.
    Environment(String),
    /// On the command line.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Origin::Environment(variable) => write!(f, "environment {variable}"),
            Origin::Flag => f.write_str("--set"),
        }
    }
}

/// What a configuration is made of. Kept, it can be read again on a signal.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file that was named on the command line.
    pub file: Option<PathBuf>,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
    /// `section.name=value`, from the command line; later ones win.
    pub settings: Vec<String>,
}

impl fmt::Debug for Sources {
    /// Without the environment, which belongs to other programs as well and may hold their secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("file", &self.file).field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Sources {
    /// Those of this process.
    pub fn of_process(file: Option<PathBuf>, settings: Vec<String>) -> Sources {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Sources { file, environment: std::env::vars_os().filter_map(text).collect(), settings }
    }

    /// The file to read: the one that was named, else the first of the usual ones that exists.
    pub(super) fn file(&self) -> Option<PathBuf> {
        let named = || {
            let variable = self.environment.iter().find(|(name, value)| name == FILE_VARIABLE && !value.is_empty());
            variable.map(|(_, value)| PathBuf::from(value))
        };
        let usual = || USUAL_FILES.iter().map(PathBuf::from).find(|path| path.exists());
        self.file.clone().or_else(named).or_else(usual)
    }
}

/// A value that somebody gave.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) key: &'static Key,
    pub(super) value: toml::Value,
    pub(super) origin: Origin,
}

/// The values of a file; what cannot be read is told and left out.
pub(super) fn from_file(path: &Path, mistakes: &mut Vec<Mistake>) -> Vec<Given> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let what = format!("the configuration {} cannot be read: {error}", path.display());
            mistakes.push(Mistake { origin: None, what });
            return Vec::new();
        }
    };
    let at = |span: Range<usize>| {
        let (line, column) = position(&text, span.start);
        Origin::File { path: path.to_owned(), line, column }
    };
    let (table, errors) = DeTable::parse_recoverable(&text);
    for error in errors {
        let what = format!("not TOML: {}", error.message());
        mistakes.push(Mistake { origin: error.span().map(at), what });
    }
    let mut given = Vec::new();
    for (section, contents) in table.into_inner() {
        let origin = at(section.span());
        let section = section.into_inner();
        if !SECTIONS.iter().any(|(known, _)| *known == section) {
            mistakes.push(Mistake { origin: Some(origin), what: unknown_section(&section) });
            continue;
        }
        let DeValue::Table(keys) = contents.into_inner() else {
            let what = format!("{section} is a section: write [{section}], and its settings in the lines below");
            mistakes.push(Mistake { origin: Some(origin), what });
            continue;
        };
        for (name, value) in keys {
            let (at_name, at_value) = (at(name.span()), at(value.span()));
            match find(&section, name.get_ref()) {
                Err(what) => mistakes.push(Mistake { origin: Some(at_name), what }),
                Ok(key) => match plain(value) {
                    Ok(value) => given.push(Given { key, value, origin: at_value }),
                    Err(error) => {
                        let what = format!("{}: {}", key.path(), error.message());
                        mistakes.push(Mistake { origin: Some(at_value), what });
                    }
                },
            }
        }
    }
    given
}

fn plain(value: Spanned<DeValue<'_>>) -> Result<toml::Value, toml::de::Error> {
    toml::Value::deserialize(ValueDeserializer::from(value))
}

/// The values of variables `YARDMASTER_SECTION__NAME`.
pub(super) fn from_environment(environment: &[(String, String)], mistakes: &mut Vec<Mistake>) -> Vec<Given> {
    let mut given = Vec::new();
    let mut variables: Vec<_> = environment.iter().collect();
    variables.sort();
    for (variable, text) in variables {
        let Some((section, name)) = variable.strip_prefix("YARDMASTER_").and_then(|rest| rest.split_once("__")) else {
            continue;
        };
        let origin = Origin::Environment(variable.clone());
        match find(&section.to_lowercase(), &name.to_lowercase()) {
            Ok(key) => given.push(Given { key, value: value_of(key.kind, text), origin }),
            Err(what) => mistakes.push(Mistake { origin: Some(origin), what }),
        }
    }
    given
}

/// The values of `--set section.name=value`.
pub(super) fn from_flags(settings: &[String], mistakes: &mut Vec<Mistake>) -> Vec<Given> {
    let mut given = Vec::new();
    for setting in settings {
        let parts = setting.split_once('=').and_then(|(path, text)| Some((path.trim().split_once('.')?, text)));
        let found = match parts {
            Some(((section, name), text)) => find(section, name).map(|key| (key, text)),
            None => Err("is no setting: expected section.name=value, as scheduler.max_parse_processes=50".to_owned()),
        };
        match found {
            Ok((key, text)) => {
                given.push(Given { key, value: value_of(key.kind, text.trim()), origin: Origin::Flag });
            }
            Err(what) => mistakes.push(Mistake { origin: Some(Origin::Flag), what }),
        }
    }
    given
}

/// A value as people type it in a shell: texts need no quotes, lists no brackets. What does not fit is kept as text and
/// refused later, with what was expected.
fn value_of(kind: Kind, text: &str) -> toml::Value {
    let as_text = || toml::Value::String(text.to_owned());
    let as_toml = || text.parse::<toml::Value>().unwrap_or_else(|_| as_text());
    match kind {
        Kind::Text | Kind::Path | Kind::Word(_) => as_text(),
        Kind::Whole | Kind::Number | Kind::Truth => as_toml(),
        Kind::Texts if text.starts_with('[') => as_toml(),
        Kind::Texts => {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            toml::Value::Array(words.map(|word| toml::Value::String(word.to_owned())).collect())
        }
    }
}

fn find(section: &str, name: &str) -> Result<&'static Key, String> {
    if let Some(key) = KEYS.iter().find(|key| key.section == section && key.name == name) {
        return Ok(key);
    }
    if !SECTIONS.iter().any(|(known, _)| *known == section) {
        return Err(unknown_section(section));
    }
    let here = KEYS.iter().filter(|key| key.section == section);
    if let Some(close) = nearest(name, here.map(|key| key.name)) {
        return Err(format!("unknown setting {section}.{name}{}", did_you_mean(Some(close))));
    }
    // The right name in the wrong section is as common as a mistyped one.
    let elsewhere = KEYS.iter().find(|key| key.name == name);
    Err(match elsewhere {
        Some(key) => format!("unknown setting {section}.{name}; it belongs to section [{}]", key.section),
        None => format!("unknown setting {section}.{name}; `yardmaster config example` shows all"),
    })
}

fn unknown_section(section: &str) -> String {
    let known = || SECTIONS.iter().map(|(known, _)| *known);
    let expected = known().collect::<Vec<_>>().join(", ");
    match nearest(section, known()) {
        Some(close) => format!("unknown section [{section}]{}", did_you_mean(Some(close))),
        None => format!("unknown section [{section}]: expected one of {expected}"),
    }
}

/// Line and column, from 1, of a byte.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(byte)];
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}
