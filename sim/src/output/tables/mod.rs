//! The CSV files: one module for `jobs.csv`, one for the others, and what writes a row.
//!
//! Times are seconds with as many decimals as they need, counted from the first tick. Fields without a value are empty.

mod jobs;
mod lab;

use std::io::{self, Write};

use csv::ByteRecord;
use yardmaster_engine::{Span, Time};

use super::decimal::Decimal;
use crate::recording::Recording;

/// A CSV file: its name in the output folder and what writes it.
pub(super) struct Table {
    /// Name of the file.
    pub(super) file: &'static str,
    /// Writes all of it, headed by the names of its columns.
    pub(super) write: fn(&Recording, &mut dyn Write) -> io::Result<()>,
}

/// All of them, in the order in which they are written.
pub(super) const TABLES: [Table; 5] = [
    Table { file: "jobs.csv", write: jobs::write },
    Table { file: "tasks.csv", write: lab::write_tasks },
    Table { file: "hosts.csv", write: lab::write_hosts },
    Table { file: "drones.csv", write: lab::write_drones },
    Table { file: "timeline.csv", write: lab::write_timeline },
];

/// Writes rows field by field; allocates only while its buffers grow.
struct Rows<'a> {
    writer: csv::Writer<&'a mut dyn Write>,
    record: ByteRecord,
    digits: Vec<u8>,
    start: Time,
}

impl<'a> Rows<'a> {
    /// Begins a file with its header. Moments will be counted from `start`.
    fn new(output: &'a mut dyn Write, header: &[&str], start: Time) -> io::Result<Rows<'a>> {
        let mut writer = csv::WriterBuilder::new().buffer_capacity(1 << 16).from_writer(output);
        writer.write_record(header)?;
        Ok(Rows { writer, record: ByteRecord::new(), digits: Vec::new(), start })
    }

    fn text(&mut self, text: &str) {
        self.record.push_field(text.as_bytes());
    }

    fn integer(&mut self, value: impl Into<i64>) {
        self.decimal(Some(Decimal::from_millionths(value.into().saturating_mul(1_000_000))));
    }

    fn optional_integer(&mut self, value: Option<impl Into<i64>>) {
        match value {
            Some(value) => self.integer(value),
            None => self.text(""),
        }
    }

    fn count(&mut self, value: u64) {
        self.integer(i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn decimal(&mut self, value: Option<Decimal>) {
        self.digits.clear();
        if let Some(value) = value {
            value.append_to(&mut self.digits);
        }
        self.record.push_field(&self.digits);
    }

    fn span(&mut self, span: Option<Span>) {
        self.decimal(span.map(Decimal::from));
    }

    /// A moment, in seconds from the first tick.
    fn moment(&mut self, moment: Option<Time>) {
        self.span(moment.map(|moment| moment - self.start));
    }

    /// Names of hosts or the like, joined by blanks.
    fn names<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        self.digits.clear();
        for name in names {
            if !self.digits.is_empty() {
                self.digits.push(b' ');
            }
            self.digits.extend_from_slice(name.as_bytes());
        }
        self.record.push_field(&self.digits);
    }

    fn end_row(&mut self) -> io::Result<()> {
        self.writer.write_byte_record(&self.record)?;
        self.record.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The name of a host by its index; empty for an index without a host.
fn host_name(recording: &Recording, index: u32) -> &str {
    recording.hosts.get(index as usize).map_or("", |host| &host.name)
}
