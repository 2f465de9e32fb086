//! Where a past is read from: a scenario with a trace, a trace alone, or a snapshot of a lab.

use std::path::Path;

use yardmaster_engine::Time;

use crate::history::Snapshot;
use crate::workload::{DATA_BYTES_MAX, Past, nearest, read_limited};

use super::FitError;

/// Names by which a column is found where no scenario says which it is, and the key of `[workload.trace.columns]`.
const COLUMNS: [(&str, &[&str]); 13] = [
    ("submit", &["submit", "submitted", "submit_time", "created"]),
    ("start", &["start", "started", "start_time"]),
    ("end", &["end", "ended", "finished", "end_time"]),
    ("runtime", &["runtime", "duration"]),
    ("host", &["host", "device", "hostname", "board"]),
    ("host_type", &["host_type", "type", "device_type", "kind_of_host"]),
    ("profile", &["profile", "kind", "test", "name"]),
    ("class", &["class"]),
    ("owner", &["owner", "user"]),
    ("priority", &["priority"]),
    ("outcome", &["outcome", "verdict", "status", "result"]),
    ("tests_failed", &["tests_failed"]),
    ("burst", &["burst", "push", "build"]),
];

/// Reads the past that a file tells. What the file is, its name says: `.toml` a scenario with a trace, `.csv` and `.swf` a
/// trace, `.json` a snapshot, each gzipped or not. Only jobs submitted from `from` up to, not including, `to` count.
///
/// # Errors
/// The file cannot be read, or something in it is wrong or missing.
pub fn read(path: &Path, from: Option<Time>, to: Option<Time>) -> Result<Past, FitError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let extension = name.trim_end_matches(".gz").rsplit('.').next().unwrap_or_default();
    match extension {
        "toml" => Ok(Past::of_scenario(path, from, to)?),
        "csv" => csv(path, from, to),
        "swf" => Ok(Past::of_table(trace_alone(path, toml::Table::new()), path, from, to)?),
        "json" => snapshot(path, from, to),
        _ => Err(FitError::UnknownKind { file: path.to_owned() }),
    }
}

/// A CSV table whose columns have names that speak for themselves.
fn csv(path: &Path, from: Option<Time>, to: Option<Time>) -> Result<Past, FitError> {
    let bytes = read_limited(path, DATA_BYTES_MAX)
        .map_err(|error| FitError::Read { file: path.to_owned(), problem: error.to_string() })?;
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let header: Vec<String> =
        String::from_utf8_lossy(first).trim().split(',').map(|name| name.trim_matches('"').to_owned()).collect();
    let known = |names: &[&'static str]| names.iter().find(|name| header.iter().any(|column| column == *name)).copied();
    let mut columns = toml::Table::new();
    for (key, names) in COLUMNS {
        if let Some(name) = known(names) {
            columns.insert(key.to_owned(), name.into());
        }
    }
    if columns.contains_key("end") {
        columns.remove("runtime");
    }
    let timed = columns.contains_key("runtime") || columns.contains_key("start") && columns.contains_key("end");
    let mut missing: Vec<&str> =
        ["submit", "host_type"].into_iter().filter(|key| !columns.contains_key(*key)).collect();
    if !timed {
        missing.push("start and end, or runtime");
    }
    if !missing.is_empty() {
        let guess = missing.first().and_then(|key| nearest(key, header.iter().map(String::as_str)));
        return Err(FitError::Columns {
            file: path.to_owned(),
            missing: missing.join(", "),
            header: header.join(", "),
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            guess: guess.unwrap_or_else(|| "…".to_owned()),
        });
    }
    Ok(Past::of_table(trace_alone(path, columns), path, from, to)?)
}

/// A scenario of nothing but a trace.
fn trace_alone(path: &Path, columns: toml::Table) -> toml::Table {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut trace = toml::Table::from_iter([("file".to_owned(), file.into())]);
    if !columns.is_empty() {
        trace.insert("columns".to_owned(), columns.into());
    }
    toml::Table::from_iter([
        ("name".to_owned(), "trace".into()),
        ("lab".to_owned(), toml::Table::from_iter([("from_trace".to_owned(), true.into())]).into()),
        ("workload".to_owned(), toml::Table::from_iter([("trace".to_owned(), trace.into())]).into()),
    ])
}

/// A snapshot, cut to the window.
fn snapshot(path: &Path, from: Option<Time>, to: Option<Time>) -> Result<Past, FitError> {
    let wrong = |problem: String| FitError::Read { file: path.to_owned(), problem };
    let bytes = read_limited(path, DATA_BYTES_MAX).map_err(|error| wrong(error.to_string()))?;
    let deserializer = &mut serde_json::Deserializer::from_slice(&bytes);
    let snapshot: Snapshot = serde_path_to_error::deserialize(deserializer)
        .map_err(|error| wrong(format!("is no snapshot of a lab: {}: {}", error.path(), error.inner())))?;
    let mut history = snapshot.history;
    history.from = from.map_or(history.from, |from| from.max(history.from));
    history.to = to.map_or(history.to, |to| to.min(history.to));
    let (from, to) = (history.from, history.to);
    history.jobs.retain(|job| from <= job.submitted && job.submitted < to);
    history.tasks.retain(|task| from <= task.started && task.started < to);
    history.outages.retain(|outage| outage.from < to && outage.to.is_none_or(|end| from < end));
    Ok(Past::from(history))
}
