//! The tables of processes, hosts, drones, and of the lab's state over time.

use std::io::{self, Write};

use yardmaster_engine::{HostStatus, Span};

use super::{Rows, host_name};
use crate::output::decimal::Decimal;
use crate::recording::Recording;

pub(super) fn write_tasks(recording: &Recording, output: &mut dyn Write) -> io::Result<()> {
    const COLUMNS: &[&str] = &[
        "process_id",
        "kind",
        "job_id",
        "drone",
        "starting_time",
        "finish_time",
        "execution_time",
        "exit_status",
        "tests_failed",
        "hosts",
    ];
    let mut rows = Rows::new(output, COLUMNS, recording.start)?;
    for (index, process) in recording.processes.iter().enumerate() {
        rows.count(index as u64 + 1);
        rows.text(process.kind.as_str());
        rows.optional_integer(process.job);
        rows.text(recording.drones.get(process.drone as usize).map_or("", |drone| &drone.name));
        rows.moment(Some(process.started));
        rows.moment(process.finished);
        rows.span(process.finished.map(|finished| finished - process.started));
        rows.optional_integer(process.exit_status);
        rows.integer(process.tests_failed);
        rows.names(process.hosts.iter().map(|&index| host_name(recording, index)));
        rows.end_row()?;
    }
    rows.finish()
}

pub(super) fn write_hosts(recording: &Recording, output: &mut dyn Write) -> io::Result<()> {
    const FIRST: &[&str] = &["host_id", "name", "kind", "tests", "special_tasks", "repair_failures", "utilisation"];
    // `Repair Failed` becomes `repair_failed_time`, and so on for every status.
    let times: Vec<String> =
        HostStatus::WORDS.iter().map(|word| format!("{}_time", word.to_ascii_lowercase().replace(' ', "_"))).collect();
    let columns: Vec<&str> =
        FIRST.iter().copied().chain(times.iter().map(String::as_str)).chain(["locked_time"]).collect();
    let mut rows = Rows::new(output, &columns, recording.start)?;
    for (index, host) in recording.hosts.iter().enumerate() {
        rows.count(index as u64);
        rows.text(&host.name);
        rows.text(&host.kind);
        rows.count(host.tests);
        rows.count(host.special_tasks);
        rows.count(host.repair_failures);
        let total: i128 = host.time_in_status.iter().map(|span| i128::from(span.0)).sum();
        rows.decimal(Decimal::ratio(i128::from(host.busy_time().0), total));
        for position in 0..HostStatus::ALL.len() {
            rows.span(Some(host.time_in_status.get(position).copied().unwrap_or(Span::ZERO)));
        }
        rows.span(Some(host.locked));
        rows.end_row()?;
    }
    rows.finish()
}

pub(super) fn write_drones(recording: &Recording, output: &mut dyn Write) -> io::Result<()> {
    const COLUMNS: &[&str] =
        &["drone_id", "name", "max_processes", "started_processes", "peak_processes", "mean_processes", "process_time"];
    let length = i128::from((recording.end - recording.start).0);
    let mut rows = Rows::new(output, COLUMNS, recording.start)?;
    for (index, drone) in recording.drones.iter().enumerate() {
        rows.count(index as u64);
        rows.text(&drone.name);
        rows.integer(drone.max_processes);
        rows.count(drone.started);
        rows.integer(drone.peak);
        rows.decimal(Decimal::ratio(i128::from(drone.busy.0), length));
        rows.span(Some(drone.busy));
        rows.end_row()?;
    }
    rows.finish()
}

pub(super) fn write_timeline(recording: &Recording, output: &mut dyn Write) -> io::Result<()> {
    const COLUMNS: &[&str] =
        &["time", "unix_time", "queued", "preparing", "running", "finishing", "processes", "hosts_busy", "hosts_out"];
    let mut rows = Rows::new(output, COLUMNS, recording.start)?;
    for point in &recording.timeline {
        rows.moment(Some(point.time));
        rows.span(recording.unix_time.then_some(Span(point.time.0)));
        rows.integer(point.queued);
        rows.integer(point.preparing);
        rows.integer(point.running);
        rows.integer(point.finishing);
        rows.integer(point.processes);
        rows.integer(point.hosts_busy);
        rows.integer(point.hosts_out);
        rows.end_row()?;
    }
    rows.finish()
}
