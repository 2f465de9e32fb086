//! Letters to the operators about rows that make no sense and databases that were gone: a few, however often it happens.

use std::time::Duration;

use tokio::time::Instant;
use yardmaster_engine::{Clock, TickReport, Time};

use super::SystemClock;
use crate::frontend::view::Moment;

/// After a letter about something the next one about the same waits so long, and tells of everything that has come meanwhile.
const PAUSE: Duration = Duration::from_secs(600);
/// Lines of a letter; of more, only the number is told.
const LINES: usize = 50;

/// What waits to be told of one kind of trouble.
#[derive(Debug, Default)]
struct Kind {
    lines: Vec<String>,
    told: Option<Instant>,
}

impl Kind {
    /// A letter, if there is anything to tell and it is time.
    fn letter(&mut self, heading: &str) -> Option<String> {
        if self.lines.is_empty() || self.told.is_some_and(|told| told.elapsed() < PAUSE) {
            return None;
        }
        self.told = Some(Instant::now());
        let lines = std::mem::take(&mut self.lines);
        let more = match lines.len().saturating_sub(LINES) {
            0 => String::new(),
            more => format!("\n… and {more} more: see the log"),
        };
        Some(format!("{heading}\n\n{}{more}\n", lines[..lines.len().min(LINES)].join("\n")))
    }
}

/// What the operators have yet to be told.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    rows: Kind,
    outages: Kind,
    /// Since when the database does not answer, and what it was.
    outage: Option<(Time, String)>,
}

impl Trouble {
    /// A row was set aside.
    pub(super) fn row(&mut self, table: &str, id: i64, why: &str) {
        self.rows.lines.push(format!("{table} {id}: {why}"));
    }

    /// A tick has ended.
    pub(super) fn tick(&mut self, report: &TickReport) {
        match (report, self.outage.take()) {
            (TickReport::Skipped(cause), None) => self.outage = Some((SystemClock.now(), cause.to_string())),
            (TickReport::Skipped(_), outage) => self.outage = outage,
            (TickReport::Done(_) | TickReport::NotCommitted(_), None) => {}
            (TickReport::Done(_) | TickReport::NotCommitted(_), Some((since, cause))) => {
                let (from, to) = (Moment(since.as_seconds()), Moment(SystemClock.now().as_seconds()));
                let lasted = from.seconds_before(to);
                self.outages.lines.push(format!("from {from} to {to}, {lasted} s: {cause}"));
            }
        }
    }

    /// The letters that are due.
    pub(super) fn letters(&mut self) -> Vec<String> {
        let rows = "These rows make no sense. They are set aside, with what hangs on them, until they are mended:";
        let outages = "The database did not answer; nothing was scheduled meanwhile, and processes went on:";
        [self.rows.letter(rows), self.outages.letter(outages)].into_iter().flatten().collect()
    }
}
