//! Forecasts as tables for people, and as CSV.

use comfy_table::modifiers::UTF8_ROUND_CORNERS;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};
use yardmaster_engine::Span;

use super::summary::{Forecast, JobForecast, Quantiles, SuiteForecast};
use super::{ArrivalModel, Comparison, Difference};
use crate::output::readable_duration;

/// Characters of a name shown at most.
const NAME_MAX: usize = 28;

fn plain_table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).apply_modifier(UTF8_ROUND_CORNERS);
    table.set_header(header);
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_MAX {
        return name.to_owned();
    }
    // The end of a name tells jobs apart: the test comes after the build.
    let tail: Vec<char> = name.chars().rev().take(NAME_MAX - 1).collect();
    format!("…{}", tail.into_iter().rev().collect::<String>())
}

fn moment(moment: Option<Span>) -> String {
    moment.map_or_else(|| "later".to_owned(), |span| readable_duration(span.0))
}

fn share(share: f64) -> String {
    match share {
        share if share <= 0.0 => "–".to_owned(),
        share if share < 0.01 => "< 1 %".to_owned(),
        share if share > 0.99 && share < 1.0 => "> 99 %".to_owned(),
        share => format!("{:.0} %", share * 100.0),
    }
}

/// The answer for people: when the queue drains, jobs (at most so many rows), suites, what cannot be served, and what was
/// assumed. Ends with a line feed.
pub fn table(forecast: &Forecast, rows_max: usize) -> String {
    let mut text = heading(forecast);
    let drain = &forecast.drain;
    if forecast.jobs.is_empty() {
        text += "no job waits or runs\n";
    } else {
        text += &format!(
            "the last job starts after {} (in 90 % within {}) and ends after {} (in 90 % within {})\n\n",
            moment(drain.last_start.p50),
            moment(drain.last_start.p90),
            moment(drain.last_end.p50),
            moment(drain.last_end.p90),
        );
        text += &jobs_table(forecast, rows_max);
    }
    if !forecast.suites.is_empty() {
        text += &suites_table(&forecast.suites, rows_max);
    }
    for never in &forecast.never {
        let entries = if never.entries == 1 { "entry" } else { "entries" };
        text +=
            &format!("job {} ({} {entries}) cannot be served: {}\n", never.job, never.entries, never.reason.words());
    }
    for assumption in &forecast.assumptions {
        text += &format!("note: {assumption}\n");
    }
    text
}

fn heading(forecast: &Forecast) -> String {
    let arrivals = match forecast.arrivals {
        ArrivalModel::None => "no new jobs come",
        ArrivalModel::History => "new jobs come as in the history",
    };
    let mut text = format!(
        "{} replications, seed {}; {arrivals}; looked ahead {}; all times from the snapshot on\n",
        forecast.replications,
        forecast.seed,
        readable_duration(forecast.horizon.0)
    );
    for change in &forecast.changes {
        text += &format!("what if: {change}\n");
    }
    text
}

fn jobs_table(forecast: &Forecast, rows_max: usize) -> String {
    let mut table =
        plain_table(["job", "name", "prio", "now", "start p50", "p90", "< 10 min", "end p50", "p90", "time limit"]);
    // What is still to start comes first, the latest at the end.
    let mut jobs: Vec<&JobForecast> = forecast.jobs.iter().collect();
    jobs.sort_by_key(|job| (job.start.is_none(), job.job));
    for job in jobs.iter().take(rows_max) {
        let start = job.start.as_ref();
        let running = || job.running_for.map_or_else(String::new, |span| format!("{} ago", readable_duration(span.0)));
        table.add_row([
            Cell::new(job.job),
            Cell::new(shortened(&job.name)),
            Cell::new(job.priority),
            Cell::new(job.status),
            Cell::new(start.map_or_else(running, |start| moment(start.p50))),
            Cell::new(start.map_or_else(String::new, |start| moment(start.p90))),
            Cell::new(job.starts_within_10_min.map_or_else(String::new, share)),
            Cell::new(moment(job.end.p50)),
            Cell::new(moment(job.end.p90)),
            Cell::new(share(job.hits_time_limit)),
        ]);
    }
    let left_out = jobs.len().saturating_sub(rows_max);
    let more =
        if left_out > 0 { format!("{left_out} more: --rows, --csv or --json shows them\n") } else { String::new() };
    format!("{table}\n{more}\n")
}

fn suites_table(suites: &[SuiteForecast], rows_max: usize) -> String {
    let mut table = plain_table(["suite", "name", "jobs left", "end p50", "p90", "deadline", "misses it"]);
    for suite in suites.iter().take(rows_max) {
        table.add_row([
            Cell::new(suite.suite),
            Cell::new(shortened(suite.name.as_deref().unwrap_or(""))),
            Cell::new(suite.jobs),
            Cell::new(moment(suite.end.p50)),
            Cell::new(moment(suite.end.p90)),
            Cell::new(suite.deadline.map_or_else(String::new, |deadline| readable_duration(deadline.0))),
            Cell::new(suite.misses_deadline.map_or_else(String::new, share)),
        ]);
    }
    format!("{table}\n\n")
}

/// One job in detail, a line for each thing. Ends with a line feed.
pub fn one_job(forecast: &Forecast, job: &JobForecast) -> String {
    let mut text = heading(forecast);
    text += &format!("job {} {}, of {}, priority {}: {}\n", job.job, job.name, job.owner, job.priority, job.status);
    let line = |name: &str, quantiles: &Quantiles| {
        format!(
            "  {name:<6} p50 {}, p90 {}; 90 % interval {} to {}\n",
            moment(quantiles.p50),
            moment(quantiles.p90),
            moment(quantiles.p05),
            moment(quantiles.p95)
        )
    };
    match (&job.start, job.running_for) {
        (Some(start), _) => text += &line("start", start),
        (None, Some(running)) => text += &format!("  started {} ago\n", readable_duration(running.0)),
        (None, None) => {}
    }
    text += &line("end", &job.end);
    let mut chance = |what: &str, chance: Option<f64>| {
        if let Some(chance) = chance {
            text += &format!("  {what}: {}\n", share(chance));
        }
    };
    chance("starts within 10 min", job.starts_within_10_min);
    chance("does not start", job.does_not_start);
    chance("is ended by a time limit", Some(job.hits_time_limit));
    chance("fails", Some(job.fails));
    for never in forecast.never.iter().filter(|never| never.job == job.job) {
        text += &format!("  cannot be served: {}\n", never.reason.words());
    }
    text
}

/// Before and after side by side, with paired differences. Ends with a line feed.
pub fn comparison_table(comparison: &Comparison, rows_max: usize) -> String {
    let (before, after) = (&comparison.before, &comparison.after);
    let mut text = heading(after);
    let mut table = plain_table(["", "before", "after", "difference (95 % interval of its mean)"]);
    let quantile = |quantiles: &Quantiles, of: fn(&Quantiles) -> Option<Span>| moment(of(quantiles));
    for (name, difference, of) in [
        ("last job ends, p50", Some(comparison.last_end), (|quantiles| quantiles.p50) as fn(&Quantiles) -> _),
        ("last job ends, p90", None, |quantiles| quantiles.p90),
    ] {
        table.add_row([
            name.to_owned(),
            quantile(&before.drain.last_end, of),
            quantile(&after.drain.last_end, of),
            difference.map_or_else(String::new, said),
        ]);
    }
    let wait = "mean wait of those that start both times".to_owned();
    table.add_row([wait, String::new(), String::new(), said(comparison.mean_wait)]);
    let [not_before, not_after] = comparison.not_started.map(|jobs| format!("{jobs:.1}"));
    table.add_row(["jobs that do not start, on average", &not_before, &not_after, ""]);
    table.add_row(["cannot be served", &before.never.len().to_string(), &after.never.len().to_string(), ""]);
    text += &format!("{table}\n\n");
    let mut table =
        plain_table(["job", "name", "start p50 before", "after", "p90 before", "after", "median difference"]);
    let mut jobs: Vec<_> = comparison.jobs.iter().collect();
    // Those to which it matters most come first.
    jobs.sort_by_key(|job| (std::cmp::Reverse(job.median.map_or(i64::MAX, |span| span.0.saturating_abs())), job.job));
    for job in jobs.iter().take(rows_max) {
        let name = before.job(job.job).map_or("", |job| &job.name);
        table.add_row([
            job.job.to_string(),
            shortened(name),
            moment(job.before.p50),
            moment(job.after.p50),
            moment(job.before.p90),
            moment(job.after.p90),
            job.median.map_or_else(|| "does not start".to_owned(), |span| signed(span.as_seconds_f64())),
        ]);
    }
    if !jobs.is_empty() {
        text += &format!("{table}\n");
    }
    let left_out = jobs.len().saturating_sub(rows_max);
    if left_out > 0 {
        text += &format!("{left_out} more: --rows or --json shows them\n");
    }
    for never in &after.never {
        text += &format!("job {} cannot be served then: {}\n", never.job, never.reason.words());
    }
    for assumption in &after.assumptions {
        text += &format!("note: {assumption}\n");
    }
    text
}

fn signed(seconds: f64) -> String {
    let span = Span::from_seconds_f64(seconds);
    if span.0 > 0 { format!("+{}", readable_duration(span.0)) } else { readable_duration(span.0) }
}

fn said(difference: Difference) -> String {
    let Some(mean) = difference.mean_seconds else { return "it does not happen".to_owned() };
    let width = difference
        .half_width_seconds
        .map_or_else(String::new, |width| format!(" ± {}", readable_duration(Span::from_seconds_f64(width).0)));
    let mut text = signed(mean) + &width;
    if difference.lost > 0 {
        text += &format!("; in {} replications only before", difference.lost);
    }
    if difference.gained > 0 {
        text += &format!("; in {} only after", difference.gained);
    }
    text
}

/// The jobs as CSV, times in seconds after the snapshot; empty = not within the horizon, or past.
///
/// # Errors
/// If it cannot be written.
pub fn jobs_csv(forecast: &Forecast, out: impl std::io::Write) -> Result<(), csv::Error> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record([
        "job",
        "name",
        "profile",
        "owner",
        "priority",
        "suite",
        "status",
        "entries",
        "running_for",
        "start_p05",
        "start_p50",
        "start_p90",
        "start_p95",
        "end_p05",
        "end_p50",
        "end_p90",
        "end_p95",
        "starts_within_10_min",
        "does_not_start",
        "hits_time_limit",
        "fails",
    ])?;
    let seconds = |span: Option<Span>| span.map_or_else(String::new, |span| span.as_seconds_f64().to_string());
    let chance = |chance: Option<f64>| chance.map_or_else(String::new, |chance| chance.to_string());
    for job in &forecast.jobs {
        let mut record = vec![
            job.job.to_string(),
            job.name.clone(),
            job.profile.clone(),
            job.owner.clone(),
            job.priority.to_string(),
            job.suite.map_or_else(String::new, |suite| suite.to_string()),
            job.status.to_string(),
            job.entries.to_string(),
            seconds(job.running_for),
        ];
        for quantiles in [job.start, Some(job.end)] {
            let of = |part: fn(&Quantiles) -> Option<Span>| seconds(quantiles.as_ref().and_then(part));
            record.extend([of(|q| q.p05), of(|q| q.p50), of(|q| q.p90), of(|q| q.p95)]);
        }
        record.extend([chance(job.starts_within_10_min), chance(job.does_not_start)]);
        record.extend([job.hits_time_limit.to_string(), job.fails.to_string()]);
        writer.write_record(record)?;
    }
    writer.flush()?;
    Ok(())
}
