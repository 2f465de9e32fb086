//! Traces as CSV tables with a header: the scenario says which column holds what.

use std::collections::BTreeMap;
use std::sync::Arc;

use csv::StringRecord;
use rustc_hash::FxHashMap;
use yardmaster_engine::{Span, Time};

use super::columns::{Columns, Table};
use super::error::{ScenarioError, nearest};
use super::file::{BackgroundSpec, LabSpec, SECONDS_MAX, TraceSpec, calendar_time};
use super::jobs::{JOBS_MAX, Names};
use super::source::{DataFile, Source};
use super::trace::{Board, TraceData, TraceJob, Window};

/// The outcomes that mean success where the scenario names none.
const SUCCESS: [&str; 3] = ["complete", "success", "0"];

/// A trace that begins before this second (in 1973) counts from its own beginning.
const UNIX_TIME_FROM: i64 = 100_000_000;

/// Reads a table: one job a row.
pub(super) fn read(
    source: &Source,
    spec: &TraceSpec,
    lab: &LabSpec,
    background: Option<&BackgroundSpec>,
    file: DataFile,
    window: Window,
) -> Result<TraceData, ScenarioError> {
    let mut reader = csv::Reader::from_reader(&file.bytes[..]);
    let header = reader.headers().map_err(|error| unreadable(&file, &error))?.clone();
    let table = Table { source, file: &file, header: &header };
    let columns = Columns::new(&table, spec, lab, background)?;
    let mut rows =
        Rows { table, columns, spec, boards: Vec::new(), board_of: FxHashMap::default(), names: Names::default() };
    let (mut jobs, mut ids, mut record) = (Vec::new(), Vec::new(), StringRecord::new());
    let mut skipped = 0;
    while reader.read_record(&mut record).map_err(|error| unreadable(&file, &error))? {
        let line = record.position().map_or(0, csv::Position::line);
        let submit = rows.time(line, &record, rows.columns.submit)?;
        if !window.holds(submit) {
            continue;
        }
        if let Some(column) = rows.columns.id {
            ids.push((rows.integer(line, &record, column)?, submit));
        }
        if rows.columns.skip.iter().any(|skip| skip.matches(&record)) {
            skipped += 1;
            continue;
        }
        if jobs.len() == JOBS_MAX {
            return Err(file.wrong(line, "", "", format_args!("the trace has more than {JOBS_MAX} jobs")));
        }
        jobs.push(rows.job(line, &record, submit)?);
    }
    let boards = rows.boards;
    let unix_time = jobs.first().is_some_and(|job: &TraceJob| job.submit >= Time::from_seconds(UNIX_TIME_FROM));
    Ok(TraceData { boards, jobs, ids, skipped, unix_time, window, file })
}

fn unreadable(file: &DataFile, error: &csv::Error) -> ScenarioError {
    let line = error.position().map_or(1, csv::Position::line);
    let problem = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the row has {len} fields, the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "the row is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    };
    file.wrong(line, "row", "", problem)
}

/// Turns rows into jobs, and collects the boards that it meets.
struct Rows<'a> {
    table: Table<'a>,
    columns: Columns,
    spec: &'a TraceSpec,
    boards: Vec<Board>,
    board_of: FxHashMap<Arc<str>, u32>,
    names: Names,
}

impl Rows<'_> {
    fn job(&mut self, line: u64, record: &StringRecord, submit: Time) -> Result<TraceJob, ScenarioError> {
        let started = self.columns.start.map(|column| self.time(line, record, column)).transpose()?;
        let ended = self.columns.end.map(|column| self.time(line, record, column)).transpose()?;
        if let (Some(column), Some(started), Some(ended)) = (self.columns.end, started, ended)
            && ended < started
        {
            return Err(self.wrong(line, record, column, "lies before the start"));
        }
        if let (Some(column), Some(started)) = (self.columns.start, started)
            && started < submit
        {
            return Err(self.wrong(line, record, column, "lies before the submission"));
        }
        let runtime = match self.columns.runtime {
            Some(column) => Some(self.seconds(line, record, column)?),
            None => started.zip(ended).map(|(started, ended)| ended - started),
        };
        let host_type = self.text(record, self.columns.host_type).unwrap_or_default().to_owned();
        let label = self.names.get(&format!("type:{host_type}"));
        Ok(TraceJob {
            line,
            submit,
            started,
            ended,
            runtime,
            board: self.board(record, &host_type, &label),
            pinned: self.columns.pinned.as_ref().is_some_and(|pinned| pinned.matches(record)),
            label,
            hosts: 1,
            labels: labels(&mut self.names, &self.columns.job_labels, &self.table, record),
            profile: self.name(record, self.columns.profile).unwrap_or_else(|| "job".into()),
            class: self.name(record, self.columns.class),
            owner: self.name(record, self.columns.owner),
            priority: self.priority(line, record)?,
            success: self.success(record),
            tests_failed: match self.columns.tests_failed {
                Some(column) => u32::try_from(self.integer(line, record, column)?).unwrap_or(0),
                None => 0,
            },
            time_limit: None,
            burst: self.name(record, self.columns.burst),
            pattern: self.columns.pattern.as_ref().is_some_and(|pattern| pattern.matches(record)),
        })
    }

    /// The host that ran the job; empty = none did.
    fn board(&mut self, record: &StringRecord, kind: &str, label: &Arc<str>) -> Option<u32> {
        let name = self.text(record, self.columns.host).filter(|name| !name.is_empty())?;
        if let Some(index) = self.board_of.get(name) {
            return Some(*index);
        }
        let index = u32::try_from(self.boards.len()).ok()?;
        let name: Arc<str> = name.into();
        let mut all = vec![label.clone()];
        all.extend(labels(&mut self.names, &self.columns.host_labels, &self.table, record));
        self.boards.push(Board { name: name.clone(), kind: self.names.get(kind), labels: all });
        self.board_of.insert(name, index);
        Some(index)
    }

    fn priority(&self, line: u64, record: &StringRecord) -> Result<Option<i32>, ScenarioError> {
        let Some(column) = self.columns.priority else { return Ok(None) };
        let word = record.get(column).unwrap_or_default();
        let known: &BTreeMap<String, i32> = &self.spec.priorities;
        if let Some(priority) = known.get(word) {
            return Ok(Some(*priority));
        }
        word.parse().map(Some).map_err(|_| {
            let like = nearest(word, known.keys().map(String::as_str));
            let problem = format!("priority {word:?} is neither a number nor in workload.trace.priorities");
            self.table.file.wrong_name(line, self.header(column), word, problem, like)
        })
    }

    fn success(&self, record: &StringRecord) -> Option<bool> {
        let outcome = self.text(record, self.columns.outcome)?;
        Some(match &self.spec.success {
            Some(good) => good.iter().any(|good| good == outcome),
            None => SUCCESS.contains(&outcome),
        })
    }

    fn text<'r>(&self, record: &'r StringRecord, column: Option<usize>) -> Option<&'r str> {
        record.get(column?)
    }

    /// The text of a column, shared; `None` where it is empty.
    fn name(&mut self, record: &StringRecord, column: Option<usize>) -> Option<Arc<str>> {
        let text = record.get(column?).filter(|text| !text.is_empty())?;
        Some(self.names.get(text))
    }

    /// A moment: Unix seconds, or an ISO date-time.
    fn time(&self, line: u64, record: &StringRecord, column: usize) -> Result<Time, ScenarioError> {
        let text = record.get(column).unwrap_or_default();
        match text.parse::<i64>() {
            Ok(seconds) if seconds.unsigned_abs() <= SECONDS_MAX => Ok(Time::from_seconds(seconds)),
            _ => match text.parse::<f64>() {
                Ok(seconds) if seconds.abs() <= SECONDS_MAX as f64 => Ok(Time(Span::from_seconds_f64(seconds).0)),
                _ => calendar_time(text)
                    .ok_or_else(|| self.wrong(line, record, column, "is neither Unix seconds nor a date and time")),
            },
        }
    }

    fn seconds(&self, line: u64, record: &StringRecord, column: usize) -> Result<Span, ScenarioError> {
        match record.get(column).unwrap_or_default().parse::<f64>() {
            Ok(seconds) if (0.0..=SECONDS_MAX as f64).contains(&seconds) => Ok(Span::from_seconds_f64(seconds)),
            _ => Err(self.wrong(line, record, column, "is no number of seconds ≥ 0")),
        }
    }

    fn integer(&self, line: u64, record: &StringRecord, column: usize) -> Result<i64, ScenarioError> {
        let text = record.get(column).unwrap_or_default();
        text.parse().map_err(|_| self.wrong(line, record, column, "is no whole number"))
    }

    fn wrong(&self, line: u64, record: &StringRecord, column: usize, problem: &str) -> ScenarioError {
        let value = record.get(column).unwrap_or_default();
        self.table.file.wrong(line, self.header(column), value, format_args!("{value:?} {problem}"))
    }

    fn header(&self, column: usize) -> &str {
        self.table.header.get(column).unwrap_or_default()
    }
}

/// Labels `column:value` for the columns that are not empty.
fn labels(names: &mut Names, columns: &[usize], table: &Table<'_>, record: &StringRecord) -> Vec<Arc<str>> {
    let pairs = columns.iter().map(|column| (table.header.get(*column), record.get(*column)));
    pairs
        .filter_map(|(column, value)| Some((column?, value.filter(|value| !value.is_empty())?)))
        .map(|(column, value)| names.get(&format!("{column}:{value}")))
        .collect()
}

/// The numbers of one column of a CSV file, empty fields left out: measured values for an empirical distribution.
pub(super) fn column_values(
    source: &Source,
    key: &str,
    file: &DataFile,
    column: &str,
) -> Result<Vec<f64>, ScenarioError> {
    let mut reader = csv::Reader::from_reader(&file.bytes[..]);
    let header = reader.headers().map_err(|error| unreadable(file, &error))?.clone();
    let index = Table { source, file, header: &header }.column(&format!("{key}.column"), column)?;
    let (mut values, mut record) = (Vec::new(), StringRecord::new());
    while reader.read_record(&mut record).map_err(|error| unreadable(file, &error))? {
        let text = record.get(index).unwrap_or_default().trim();
        if !text.is_empty() {
            let line = record.position().map_or(0, csv::Position::line);
            let bad = || file.wrong(line, column, text, format_args!("{text:?} is no number ≥ 0"));
            let value = text.parse::<f64>().ok().filter(|value| value.is_finite() && *value >= 0.0);
            values.push(value.ok_or_else(bad)?);
        }
    }
    Ok(values)
}
