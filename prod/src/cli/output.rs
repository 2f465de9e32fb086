//! Printing: aligned columns on a terminal, tab-separated ones into a pipe, JSON on request.

use std::io::{IsTerminal, Write, stdout};

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, ContentArrangement};
use serde::Serialize;

use super::Outcome;

/// How to print.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

/// Rows for people.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(header: &[&'static str]) -> Table {
        Table { header: header.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Aligned columns, no wider than the terminal.
    pub(crate) fn aligned(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        let heading = |name: &&'static str| Cell::new(name.to_uppercase()).add_attribute(Attribute::Bold);
        table.set_header(self.header.iter().map(heading));
        table.add_rows(self.rows.iter().cloned());
        let last = self.header.len().saturating_sub(1);
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if index == last { 0 } else { 2 }));
        }
        table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
    }

    /// Tab-separated columns, nothing left out.
    fn separated(&self) -> String {
        let plain = |cell: &str| cell.replace(['\t', '\n', '\r'], " ");
        let line = |cells: Vec<String>| cells.join("\t") + "\n";
        let header = line(self.header.iter().map(|name| name.to_uppercase()).collect());
        header + &self.rows.iter().map(|row| line(row.iter().map(|cell| plain(cell)).collect())).collect::<String>()
    }
}

impl Output {
    pub(crate) fn new(json: bool) -> Output {
        Output { json }
    }

    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Prints a list: a table, or a JSON array.
    pub(crate) fn list<V: Serialize>(self, values: &[V], table: impl FnOnce() -> Table) -> anyhow::Result<Outcome> {
        if self.json {
            self.print_json(&values)?;
        } else if !values.is_empty() {
            self.table(&table())?;
        } else if stdout().is_terminal() {
            eprintln!("nothing found");
        }
        Ok(if values.is_empty() { Outcome::NothingFound } else { Outcome::Done })
    }

    /// Prints one thing: a text, or a JSON object.
    pub(crate) fn one<V: Serialize>(self, value: &V, text: impl FnOnce() -> String) -> anyhow::Result<Outcome> {
        if self.json {
            self.print_json(value)?;
        } else {
            print(&text())?;
        }
        Ok(Outcome::Done)
    }

    pub(crate) fn table(self, table: &Table) -> anyhow::Result<()> {
        print(&if stdout().is_terminal() { table.aligned() } else { table.separated() })
    }

    /// Prints something for programs.
    pub(crate) fn print_json<V: Serialize + ?Sized>(self, value: &V) -> anyhow::Result<()> {
        let mut out = stdout().lock();
        serde_json::to_writer_pretty(&mut out, value)?;
        Ok(writeln!(out)?)
    }
}

/// Prints a text.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.is_empty() && !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// A text, or a dash.
pub(crate) fn or_dash<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| "-".to_owned(), T::to_string)
}

/// A length of time in its two largest units: `45s`, `3m20s`, `2h05m`, `3d04h`.
pub(crate) fn readable_seconds(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, s) => format!("{s}s"),
        (0, 0, m, s) => format!("{m}m{s:02}s"),
        (0, h, m, _) => format!("{h}h{m:02}m"),
        (d, h, _, _) => format!("{d}d{h:02}h"),
    }
}
