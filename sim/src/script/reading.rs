//! Reading the files of scripted scenarios.

use std::io::Read;
use std::path::Path;

use serde_path_to_error::Segment;

use super::format::Script;
use crate::workload::meant;

/// A scenario with where it came from.
#[derive(Debug, Clone)]
pub struct LoadedScript {
    /// `FILE`, or `FILE:LINE` in a file of several.
    pub source: String,
    /// What it says.
    pub script: Script,
}

/// A file that cannot be read or understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct FormatError {
    /// File, line where known, and key.
    pub place: String,
    /// What is wrong.
    pub problem: String,
}

/// Reads all scenarios of a file: TOML (one), JSON Lines, or gzipped JSON Lines.
///
/// # Errors
/// Names the file, the line, the step and the key.
pub fn load(path: &Path) -> Result<Vec<LoadedScript>, FormatError> {
    let fail = |problem: String| FormatError { place: path.display().to_string(), problem };
    let bytes = std::fs::read(path).map_err(|error| fail(format!("cannot be read: {error}")))?;
    let name = path.to_string_lossy();
    let (text, name) = match name.strip_suffix(".gz") {
        Some(inner) => {
            let mut text = String::new();
            let mut decoder = flate2::read::MultiGzDecoder::new(bytes.as_slice());
            decoder.read_to_string(&mut text).map_err(|error| fail(format!("cannot be unpacked: {error}")))?;
            (text, inner)
        }
        None => (String::from_utf8(bytes).map_err(|error| fail(format!("is not UTF-8: {error}")))?, &*name),
    };
    let file = path.display().to_string();
    if name.ends_with(".jsonl") { parse_lines(&file, &text) } else { parse_toml(&file, &text) }
}

/// Reads a scenario from TOML.
///
/// # Errors
/// As [`load`].
pub fn parse_toml(file: &str, text: &str) -> Result<Vec<LoadedScript>, FormatError> {
    let fail = |place: String, problem: String| FormatError { place, problem };
    let deserializer = toml::Deserializer::parse(text).map_err(|error| toml_error(file, text, "", &error))?;
    let script = serde_path_to_error::deserialize(deserializer)
        .map_err(|error| toml_error(file, text, &key(error.path()), error.inner()))?;
    check(&script).map_err(|problem| fail(file.to_owned(), problem))?;
    Ok(vec![LoadedScript { source: file.to_owned(), script }])
}

fn toml_error(file: &str, text: &str, key: &str, error: &toml::de::Error) -> FormatError {
    let line = error
        .span()
        .map(|span| text.as_bytes()[..span.start.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1);
    let line = line.map(|line| format!(":{line}")).unwrap_or_default();
    FormatError { place: place(&format!("{file}{line}"), key), problem: with_suggestion(error.message()) }
}

fn place(source: &str, key: &str) -> String {
    if key.is_empty() { source.to_owned() } else { format!("{source}: {key}") }
}

/// Where in a scenario, in the words of errors at play, which count from 1, too: `step 1: do 2: submit.hosts`.
pub(super) fn key(path: &serde_path_to_error::Path) -> String {
    let (mut text, mut joint) = (String::new(), "");
    for segment in path {
        match segment {
            Segment::Seq { index } => text += &format!(" {}", index + 1),
            Segment::Map { key: name } | Segment::Enum { variant: name } => text += &format!("{joint}{name}"),
            Segment::Unknown => {}
        }
        joint = if matches!(segment, Segment::Seq { .. }) { ": " } else { "." };
    }
    text
}

/// The message, and where it is about a misspelt word, the word that was probably meant.
pub(super) fn with_suggestion(message: &str) -> String {
    let suggestion = meant(message).map(|word| format!("; did you mean {word:?}?"));
    format!("{message}{}", suggestion.unwrap_or_default())
}

/// Reads scenarios from JSON Lines, one a line.
///
/// # Errors
/// As [`load`].
pub fn parse_lines(file: &str, text: &str) -> Result<Vec<LoadedScript>, FormatError> {
    let mut scripts = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let source = format!("{file}:{}", number + 1);
        let mut deserializer = serde_json::Deserializer::from_str(line);
        let script: Script = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| FormatError {
            place: place(&source, &key(error.path())),
            problem: with_suggestion(&error.inner().to_string()),
        })?;
        deserializer.end().map_err(|error| FormatError { place: source.clone(), problem: error.to_string() })?;
        check(&script).map_err(|problem| FormatError { place: source.clone(), problem })?;
        scripts.push(LoadedScript { source, script });
    }
    Ok(scripts)
}

/// What the types cannot say.
fn check(script: &Script) -> Result<(), String> {
    if !(script.tick_sec > 0.0 && script.tick_sec <= 86_400.0) {
        return Err(format!("tick_sec: {} is not between 0 and 86400 seconds", script.tick_sec));
    }
    if script.step.is_empty() {
        return Err("step: a scenario without steps checks nothing".to_owned());
    }
    Ok(())
}
