//! The figures of a run on a terminal.

use comfy_table::modifiers::UTF8_ROUND_CORNERS;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};

use super::sheets::{self, Sheet};
use super::summary::Summary;

/// Classes or kinds shown at most; the others are in `summary.json`.
const ROWS_MAX: usize = 12;
/// Characters of a name shown at most.
const NAME_MAX: usize = 24;

/// What a run came to, as aligned tables for a terminal of 100 columns: overview, waits by class, utilisation by kind
/// of host, simulated beside recorded waits where there are recorded ones; last the digest. Ends with a line feed.
pub fn terminal_table(summary: &Summary) -> String {
    let mut text = String::new();
    let mut overview = plain_table();
    for (name, figure) in sheets::overview(summary) {
        overview.add_row([name.to_owned(), figure]);
    }
    push_table(&mut text, &format!("{} (seed {})", summary.scenario, summary.seed), &overview);

    let waits = sheets::waits_by_class(summary, ROWS_MAX).without(&["mean", "p90"]);
    push_sheet(&mut text, &waits);
    // A lab of one kind of host has all of it in the last row of the waits by class.
    if summary.waiting_time.by_host_kind.len() > 1 {
        push_sheet(&mut text, &sheets::waits_by_host_kind(summary, ROWS_MAX).without(&["mean", "p90"]));
    }
    push_sheet(&mut text, &sheets::utilisation(summary, ROWS_MAX));
    if let Some(recorded) = sheets::recorded(summary, ROWS_MAX) {
        push_sheet(&mut text, &recorded.without(&["p90 sim.", "p90 rec."]));
    }
    text += &format!("digest {}\n", summary.digest);
    text
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).apply_modifier(UTF8_ROUND_CORNERS);
    table
}

fn push_sheet(text: &mut String, sheet: &Sheet) {
    let mut table = plain_table();
    table.set_header(aligned(sheet.header.iter().map(|&name| name.to_owned())));
    for row in &sheet.rows {
        table.add_row(aligned(row.iter().cloned()));
    }
    push_table(text, sheet.title, &table);
    if sheet.left_out > 0 {
        text.pop();
        *text += &format!("{} more in summary.json\n\n", sheet.left_out);
    }
}

fn push_table(text: &mut String, title: &str, table: &Table) {
    *text += &format!("{title}\n{table}\n\n");
}

/// The first cell to the left and shortened where it must be, figures to the right.
fn aligned(row: impl Iterator<Item = String>) -> impl Iterator<Item = Cell> {
    row.enumerate().map(|(index, text)| {
        if index == 0 {
            Cell::new(shortened(&text)).set_alignment(CellAlignment::Left)
        } else {
            Cell::new(text).set_alignment(CellAlignment::Right)
        }
    })
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_MAX {
        return name.to_owned();
    }
    name.chars().take(NAME_MAX - 1).chain(['…']).collect()
}
