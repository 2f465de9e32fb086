//! The tables that people read, as texts in rows and columns: the terminal and the report show the same ones.

use std::collections::BTreeMap;

use super::decimal::Decimal;
use super::duration::{grouped_count, percentage, readable_seconds};
use super::summary::{Comparison, HostsOfKind, Summary, Waits};

/// A table for people. The first column names what a row is about, the others are figures.
pub(super) struct Sheet {
    /// What stands above it.
    pub(super) title: &'static str,
    pub(super) header: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
    /// Whether the last row sums up the others.
    pub(super) has_total: bool,
    /// Rows that were left out for want of room.
    pub(super) left_out: usize,
}

impl Sheet {
    /// The same table without some columns, for narrow places.
    pub(super) fn without(mut self, columns: &[&str]) -> Sheet {
        let keep: Vec<bool> = self.header.iter().map(|name| !columns.contains(name)).collect();
        let kept = |row: &mut Vec<String>| {
            let mut keep = keep.iter();
            row.retain(|_| *keep.next().unwrap_or(&true));
        };
        self.rows.iter_mut().for_each(kept);
        self.header.retain(|name| !columns.contains(name));
        self
    }
}

/// How the run as a whole went: pairs of a name and a figure.
pub(super) fn overview(summary: &Summary) -> Vec<(&'static str, String)> {
    let jobs = &summary.jobs;
    let by_status: Vec<String> =
        jobs.by_status.iter().map(|(status, &count)| format!("{} {status}", grouped_count(count))).collect();
    let drones = &summary.lab.drones;
    let jobs_line = match by_status.as_slice() {
        [] => "none".to_owned(),
        by_status => format!("{}: {}", grouped_count(jobs.submitted), by_status.join(", ")),
    };
    vec![
        ("jobs", jobs_line),
        ("simulated time", readable_seconds(summary.simulated_time)),
        ("makespan", readable_seconds(summary.makespan)),
        ("started within 10 minutes", percentage(summary.waiting_time.all.started_within_10_minutes)),
        (
            "hosts in use",
            format!(
                "{} of the time of {}",
                percentage(summary.lab.hosts.utilisation),
                count(summary.lab.hosts.hosts, "host")
            ),
        ),
        (
            "longest queue",
            format!("{} (mean {})", grouped_count(summary.lab.queue_peak.into()), one_decimal(summary.lab.queue_mean)),
        ),
        (
            "processes at once",
            format!(
                "{} at most (mean {}), of {} on {}",
                grouped_count(drones.peak_processes),
                one_decimal(drones.mean_processes),
                grouped_count(drones.max_processes),
                count(drones.drones, "drone")
            ),
        ),
        ("failed pre-job tasks", grouped_count(jobs.prejob_failures)),
        ("requeued", grouped_count(jobs.requeues)),
    ]
}

/// Waits by class of job; `rows_max` classes at most, those with the most jobs.
pub(super) fn waits_by_class(summary: &Summary, rows_max: usize) -> Sheet {
    waits(
        "Waits from submission to start, by class of job",
        "class",
        &summary.waiting_time.by_class,
        &summary.waiting_time.all,
        rows_max,
    )
}

/// Waits by the kind of host that was asked for; `rows_max` kinds at most, those with the most jobs.
pub(super) fn waits_by_host_kind(summary: &Summary, rows_max: usize) -> Sheet {
    waits(
        "Waits from submission to start, by the kind of host asked for",
        "host kind",
        &summary.waiting_time.by_host_kind,
        &summary.waiting_time.all,
        rows_max,
    )
}

fn waits(
    title: &'static str,
    first: &'static str,
    groups: &BTreeMap<String, Waits>,
    all: &Waits,
    rows_max: usize,
) -> Sheet {
    let row = |name: &str, waits: &Waits| {
        let distribution = &waits.distribution;
        let mut row = vec![name.to_owned(), grouped_count(waits.jobs), percentage(waits.started_within_10_minutes)];
        let times = [
            distribution.mean,
            distribution.p50,
            distribution.p90,
            distribution.p95,
            distribution.p99,
            distribution.max,
        ];
        row.extend(times.map(|time| if distribution.count == 0 { "–".to_owned() } else { readable_seconds(time) }));
        row
    };
    let (largest, left_out) = largest(groups, |waits| waits.jobs, rows_max);
    let mut rows: Vec<_> = largest.into_iter().map(|(name, waits)| row(name, waits)).collect();
    rows.push(row("all", all));
    let header = vec![first, "jobs", "≤ 10 min", "mean", "p50", "p90", "p95", "p99", "max"];
    Sheet { title, header, rows, has_total: true, left_out }
}

/// What the hosts' time went to, by kind; `rows_max` kinds at most, those with the most hosts.
pub(super) fn utilisation(summary: &Summary, rows_max: usize) -> Sheet {
    let row = |name: &str, hosts: &HostsOfKind| {
        let mut row = vec![
            name.to_owned(),
            grouped_count(hosts.hosts),
            grouped_count(hosts.tests),
            percentage(hosts.utilisation),
        ];
        row.extend(hosts.shares().map(percentage));
        row
    };
    let (largest, left_out) = largest(&summary.lab.hosts_by_kind, |hosts| hosts.hosts, rows_max);
    let mut rows: Vec<_> = largest.into_iter().map(|(kind, hosts)| row(kind, hosts)).collect();
    rows.push(row("all", &summary.lab.hosts));
    Sheet {
        title: "What the hosts' time went to, by kind of host",
        header: vec!["kind", "hosts", "tests run", "in use", "tests", "tasks", "held", "out", "idle"],
        rows,
        has_total: true,
        left_out,
    }
}

/// Simulated beside recorded waits; `None` where there are no recorded ones.
pub(super) fn recorded(summary: &Summary, rows_max: usize) -> Option<Sheet> {
    let Comparison { all, by_class } = summary.recorded.as_ref()?;
    let (largest, left_out) = largest(by_class, |comparison| comparison.simulated.count, rows_max);
    let mut rows = Vec::new();
    for (class, comparison) in largest.into_iter().chain([("all", all)]) {
        let (simulated, recorded) = (&comparison.simulated, &comparison.recorded);
        let pairs = [(simulated.p50, recorded.p50), (simulated.p90, recorded.p90), (simulated.p95, recorded.p95)];
        let mut row = vec![class.to_owned(), grouped_count(simulated.count)];
        row.extend(pairs.into_iter().flat_map(|(simulated, recorded)| [simulated, recorded].map(readable_seconds)));
        rows.push(row);
    }
    Some(Sheet {
        title: "Simulated beside recorded waits",
        header: vec!["class", "jobs", "p50 sim.", "p50 rec.", "p90 sim.", "p90 rec.", "p95 sim.", "p95 rec."],
        rows,
        has_total: true,
        left_out,
    })
}

/// The largest groups in the order of their names, and how many are left out.
fn largest<T>(groups: &BTreeMap<String, T>, size: fn(&T) -> u64, rows_max: usize) -> (Vec<(&str, &T)>, usize) {
    let mut named: Vec<(&str, &T)> = groups.iter().map(|(name, group)| (name.as_str(), group)).collect();
    let left_out = named.len().saturating_sub(rows_max);
    if left_out > 0 {
        // Stable, so groups of the same size stay in the order of their names.
        named.sort_by_key(|(_, group)| std::cmp::Reverse(size(group)));
        named.truncate(rows_max);
        named.sort_by_key(|(name, _)| *name);
    }
    (named, left_out)
}

/// `1 host`, `30 hosts`.
pub(super) fn count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped_count(number), if number == 1 { "" } else { "s" })
}

/// A number, not less than 0, with one decimal, grouped as counts are.
pub(super) fn one_decimal(number: Decimal) -> String {
    let tenths = ((number.millionths() + 50_000) / 100_000).max(0).unsigned_abs();
    format!("{}.{}", grouped_count(tenths / 10), tenths % 10)
}
