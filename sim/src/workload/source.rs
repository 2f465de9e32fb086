//! The text of a scenario file, and from a dotted key back to the line on which it stands.

use std::fmt::Display;
use std::fs::File as OsFile;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use super::error::{KeyError, ScenarioError, ValueError, nearest};
use super::file::File;

/// The largest scenario file, in bytes.
const SCENARIO_BYTES_MAX: u64 = 16 << 20;
/// The largest data file, in bytes after decompression.
pub(crate) const DATA_BYTES_MAX: u64 = 1 << 30;

/// Where a scenario comes from. Kept with it, so that every complaint can name the file and, where there is one, a line.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    /// `None` where the scenario is a table that a program has made or changed.
    text: Option<String>,
}

impl Source {
    /// Reads the file, plain or gzipped.
    pub(crate) fn read(path: &Path) -> Result<Source, ScenarioError> {
        let failed = |problem: String| ScenarioError::Read { file: path.to_owned(), problem };
        let bytes = read_limited(path, SCENARIO_BYTES_MAX).map_err(|error| failed(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| failed("is not UTF-8 text".to_owned()))?;
        Ok(Source { path: path.to_owned(), text: Some(text) })
    }

    /// For a table: paths in it are relative to where `path` lies, and complaints name `path`.
    pub(super) fn of_table(path: &Path) -> Source {
        Source { path: path.to_owned(), text: None }
    }

    /// The file's keys and values, types checked, meaning not.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, ScenarioError> {
        let syntax = |error: &toml::de::Error| self.at_offset(error.span(), "", error.message(), None);
        let text = self.text.as_deref().unwrap_or_default();
        let deserializer = toml::Deserializer::parse(text).map_err(|error| syntax(&error))?;
        serde_path_to_error::deserialize(deserializer).map_err(|error| self.mistyped(error))
    }

    /// The file as a table; empty where it was one from the beginning, or makes no sense.
    pub(super) fn table(&self) -> toml::Table {
        self.text.as_deref().unwrap_or_default().parse().unwrap_or_default()
    }

    /// The keys and values of a table, types checked, meaning not.
    pub(super) fn parse_table(&self, table: toml::Table) -> Result<File, ScenarioError> {
        serde_path_to_error::deserialize(table).map_err(|error| self.mistyped(error))
    }

    fn mistyped(&self, error: serde_path_to_error::Error<toml::de::Error>) -> ScenarioError {
        let mut key = error.path().to_string();
        if key == "." {
            key.clear();
        }
        let inner = error.into_inner();
        let message = inner.message().lines().collect::<Vec<_>>().join(" ");
        if let Some(word) = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next())
            && !key.ends_with(word)
        {
            key = if key.is_empty() { word.to_owned() } else { format!("{key}.{word}") };
        }
        let suggestion = meant(&message);
        self.at_offset(inner.span(), &key, &message, suggestion)
    }

    /// A complaint about the value of this key, or, where the file does not have it, about what should have held it.
    pub(crate) fn wrong(&self, key: &str, problem: impl Display) -> ScenarioError {
        self.wrong_name(key, problem, None)
    }

    /// The same with a suggestion.
    pub(crate) fn wrong_name(&self, key: &str, problem: impl Display, suggestion: Option<String>) -> ScenarioError {
        self.at_offset(None, key, &problem.to_string(), suggestion)
    }

    fn at_offset(
        &self,
        span: Option<std::ops::Range<usize>>,
        key: &str,
        problem: &str,
        suggestion: Option<String>,
    ) -> ScenarioError {
        let line = self.text.as_ref().map(|text| {
            let offset = span.map_or_else(|| offset_of(text, key), |span| span.start);
            let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
            1 + before.iter().filter(|byte| **byte == b'\n').count()
        });
        ScenarioError::Scenario(Box::new(KeyError {
            file: self.path.clone(),
            line,
            key: key.to_owned(),
            problem: problem.to_owned(),
            suggestion,
        }))
    }

    /// A path that the scenario gives, seen from where the scenario lies.
    pub(crate) fn beside(&self, path: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    /// The contents of a data file, decompressed, and its path; `key` is what names it in the scenario.
    pub(super) fn read_data(&self, key: &str, path: &Path) -> Result<DataFile, ScenarioError> {
        let path = self.beside(path);
        let bytes = read_limited(&path, DATA_BYTES_MAX)
            .map_err(|error| self.wrong(key, format_args!("cannot read {}: {error}", path.display())))?;
        Ok(DataFile { path, bytes })
    }
}

/// Where the key stands, or else the nearest of its parents that is there.
fn offset_of(text: &str, key: &str) -> usize {
    let Ok(document) = DeTable::parse(text) else { return 0 };
    let root = DeValue::Table(document.into_inner());
    let (mut offset, mut value) = (0, &root);
    for segment in key.split(['.', '[']).map(|segment| segment.trim_end_matches(']')) {
        let next = match value {
            DeValue::Table(table) => table.get_key_value(segment).map(|(key, value)| (key.span().start, value)),
            DeValue::Array(array) => {
                segment.parse().ok().and_then(|index: usize| array.get(index)).map(|value| (value.span().start, value))
            }
            _ => None,
        };
        let Some((start, inner)) = next else { break };
        offset = start;
        value = inner.get_ref();
    }
    offset
}

/// The name that was probably meant, where the message says that a name is unknown and which ones are known. serde quotes
/// them all in backticks; the scheduler's own vocabularies say `unknown … "word": expected one of A, B`.
pub(crate) fn meant(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown ")?;
    if let Some((what, known)) = rest.split_once(": expected one of ") {
        return nearest(what.split('"').nth(1)?, known.split(", "));
    }
    let mut quoted = rest.split('`').skip(1).step_by(2);
    nearest(quoted.next()?, quoted)
}

/// A data file that a scenario names, decompressed.
#[derive(Debug)]
pub(super) struct DataFile {
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
}

impl DataFile {
    /// A complaint about a value.
    pub(crate) fn wrong(&self, line: u64, column: &str, value: &str, problem: impl Display) -> ScenarioError {
        self.wrong_name(line, column, value, problem, None)
    }

    /// The same with a suggestion.
    pub(super) fn wrong_name(
        &self,
        line: u64,
        column: &str,
        value: &str,
        problem: impl Display,
        suggestion: Option<String>,
    ) -> ScenarioError {
        ScenarioError::Data(Box::new(ValueError {
            file: self.path.clone(),
            line,
            column: column.to_owned(),
            value: value.to_owned(),
            problem: problem.to_string(),
            suggestion,
        }))
    }

    /// The file's name up to its first dot.
    pub(super) fn stem(&self) -> &str {
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or("trace");
        name.split('.').next().filter(|stem| !stem.is_empty()).unwrap_or(name)
    }
}

/// Reads a file, unzips it if it is gzipped (whatever its name), and refuses more than `limit` bytes.
pub(crate) fn read_limited(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut raw = Vec::new();
    OsFile::open(path)?.take(limit + 1).read_to_end(&mut raw)?;
    let bytes = if raw.starts_with(&[0x1f, 0x8b]) {
        let mut unzipped = Vec::with_capacity(raw.len().saturating_mul(8));
        MultiGzDecoder::new(&raw[..]).take(limit + 1).read_to_end(&mut unzipped)?;
        unzipped
    } else {
        raw
    };
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("larger than {} MB", limit >> 20)));
    }
    Ok(bytes)
}
