//! Axes: plotters maps the values and draws ticks and grid; where ticks read well is said here, for plotters knows no
//! durations, and dates only by way of a second library for them.

use std::ops::Range;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use plotters::coord::combinators::{IntoLogRange, LogCoord};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::coord::types::{RangedCoordf64, RangedCoordu64};
use yardmaster_engine::Time;

use crate::output::duration::{grouped_count, readable_duration};
use crate::recording::Recording;

/// One dimension of a chart. Values beyond its ends stand at the ends.
pub(crate) struct Axis {
    pub(crate) title: String,
    scale: Scale,
    /// Values at which a tick stands, with their labels.
    ticks: Vec<(f64, String)>,
}

enum Scale {
    Linear(RangedCoordf64),
    Logarithmic(LogCoord<f64>),
}

pub(super) const MINUTE: i64 = 60;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// The most ticks of an axis of time, and of one of counts.
const TIME_TICKS_MAX: i64 = 9;
const COUNT_TICKS_MAX: usize = 6;

/// Steps from tick to tick: so many seconds, minutes, hours, days. (Dates that are months apart are another matter.)
const TIME_STEPS: [(i64, &[i64]); 4] = [
    (1, &[1, 2, 5, 10, 20, 30]),
    (MINUTE, &[1, 2, 5, 10, 20, 30]),
    (HOUR, &[1, 2, 3, 6, 12]),
    (DAY, &[1, 2, 7, 30, 100]),
];

/// The first Monday of Unix time; steps of a week count from it.
const FIRST_MONDAY: i64 = 4 * DAY;

impl Axis {
    pub(super) fn linear(title: &str, range: Range<f64>, ticks: Vec<(f64, String)>) -> Axis {
        Axis { title: title.to_owned(), scale: Scale::Linear(range.into()), ticks }
    }

    pub(super) fn logarithmic(title: &str, range: Range<f64>, ticks: Vec<(f64, String)>) -> Axis {
        Axis { title: title.to_owned(), scale: Scale::Logarithmic(range.log_scale().into()), ticks }
    }

    /// The labels of its ticks, in order.
    #[cfg(test)]
    pub(super) fn labels(&self) -> Vec<&str> {
        self.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    /// Counts from 0 to `max`, with ticks at whole numbers and the last tick at the end.
    pub(crate) fn of_counts(title: &str, max: f64) -> Axis {
        let room = (max.max(1.0) * 1.04).ceil() as u64;
        let ticks = RangedCoordu64::from(0..room).key_points(COUNT_TICKS_MAX);
        let step = ticks.get(1).map_or(room, |second| *second);
        let high = room.next_multiple_of(step);
        let ticks = (0..=high / step).map(|index| ((index * step) as f64, grouped_count(index * step))).collect();
        Axis::linear(title, 0.0..high as f64, ticks)
    }

    /// Shares from 0 to 100 %.
    pub(crate) fn of_shares(title: &str) -> Axis {
        let ticks = (0..=5).map(|fifth| (f64::from(fifth) / 5.0, format!("{} %", fifth * 20))).collect();
        Axis::linear(title, 0.0..1.0, ticks)
    }

    /// A row for each label, from the top down. The first row is from 0 to 1.
    pub(crate) fn of_rows(labels: Vec<String>) -> Axis {
        let rows = labels.len() as f64;
        let ticks = labels.into_iter().enumerate().map(|(row, label)| (row as f64 + 0.5, label)).collect();
        Axis::linear("", rows..0.0, ticks)
    }

    /// Durations from one second to `max_seconds`, logarithmic, with ticks at durations that people think in. Shorter
    /// ones stand at the low end.
    pub(crate) fn of_durations(title: &str, max_seconds: f64) -> Axis {
        let high = max_seconds.max(60.0) * 1.15;
        let landmarks = [1, 10, MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY, 365 * DAY];
        let ticks = landmarks
            .into_iter()
            .filter(|&seconds| (seconds as f64) <= high)
            .map(|seconds| {
                let label = readable_duration(seconds * 1_000_000);
                (seconds as f64, if seconds == 1 { format!("≤ {label}") } else { label })
            })
            .collect();
        Axis::logarithmic(title, 1.0..high, ticks)
    }

    /// Moments of a run, as seconds from its first tick: dates where times are Unix times, else how long ago the run
    /// began.
    pub(crate) fn of_time(recording: &Recording, from: Time, to: Time) -> Axis {
        let (from, to) = (from.as_seconds(), to.as_seconds().max(from.as_seconds() + 1));
        let origin = recording.start.as_seconds();
        let (title, ticks) =
            if recording.unix_time { date_ticks(from, to) } else { elapsed_ticks(from - origin, to - origin) };
        let shift = if recording.unix_time { origin } else { 0 };
        let ticks = ticks.into_iter().map(|(second, label)| ((second - shift) as f64, label)).collect();
        Axis::linear(&title, (from - origin) as f64..(to - origin) as f64, ticks)
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, pixels: (i32, i32)) -> i32 {
        let Range { start, end } = self.range();
        let value = value.clamp(start.min(end), start.max(end));
        match &self.scale {
            Scale::Linear(scale) => scale.map(&value, pixels),
            Scale::Logarithmic(scale) => scale.map(&value, pixels),
        }
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.iter().map(|(value, _)| *value).collect()
    }

    fn range(&self) -> Range<f64> {
        match &self.scale {
            Scale::Linear(scale) => scale.range(),
            Scale::Logarithmic(scale) => scale.range(),
        }
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.ticks.iter().find(|(tick, _)| tick == value).map_or_else(String::new, |(_, label)| label.clone())
    }
}

/// The smallest step that gives few enough ticks; whole years where not even the longest does.
pub(super) fn time_step(length: i64) -> i64 {
    let mut steps = TIME_STEPS.into_iter().flat_map(|(unit, counts)| counts.iter().map(move |count| count * unit));
    let years = length / (TIME_TICKS_MAX * 365 * DAY) + 1;
    steps.find(|step| length / step <= TIME_TICKS_MAX).unwrap_or(years * 365 * DAY)
}

pub(super) fn multiples(step: i64, phase: i64, from: i64, to: i64) -> impl Iterator<Item = i64> {
    let first = (from - phase).div_euclid(step) * step + phase;
    (first..=to).step_by(usize::try_from(step).unwrap_or(usize::MAX)).filter(move |&second| second >= from)
}

fn elapsed_ticks(from: i64, to: i64) -> (String, Vec<(i64, String)>) {
    let step = time_step(to - from);
    let (unit, name) = match step {
        DAY.. => (DAY, "days"),
        HOUR.. => (HOUR, "hours"),
        MINUTE.. => (MINUTE, "minutes"),
        _ => (1, "seconds"),
    };
    let ticks = multiples(step, 0, from, to).map(|second| (second, (second / unit).to_string())).collect();
    (format!("time since the start ({name})"), ticks)
}

fn date_ticks(from: i64, to: i64) -> (String, Vec<(i64, String)>) {
    let (first, last) = (utc(from, "%Y"), utc(to, "%Y"));
    let years = if first == last { first } else { format!("{first}–{last}") };
    if to - from > TIME_TICKS_MAX * 7 * DAY {
        return (format!("date (UTC), {years}"), month_ticks(from, to));
    }
    let step = time_step(to - from);
    let phase = if step == 7 * DAY { FIRST_MONDAY } else { 0 };
    let mut previous = None;
    let ticks = multiples(step, phase, from, to)
        .map(|second| {
            let day = second.div_euclid(DAY);
            let new_day = previous.replace(day) != Some(day);
            let pattern = match (step, new_day) {
                (DAY.., _) => "%-d %b",
                (MINUTE.., true) => "%-d %b %H:%M",
                (MINUTE.., false) => "%H:%M",
                (_, _) => "%H:%M:%S",
            };
            (second, utc(second, pattern))
        })
        .collect();
    (format!("{} (UTC), {years}", if step >= DAY { "date" } else { "time of day" }), ticks)
}

/// Firsts of months, as many apart as the room asks for.
fn month_ticks(from: i64, to: i64) -> Vec<(i64, String)> {
    let months = (to - from) / (30 * DAY) + 1;
    let apart = [1, 2, 3, 6, 12].into_iter().find(|apart| months / apart <= TIME_TICKS_MAX).unwrap_or(60);
    let year = time(from).to_zoned(TimeZone::UTC).date().first_of_year();
    year.series(apart.months())
        .filter_map(|date| Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second()))
        .take_while(|&second| second <= to)
        .filter(|&second| second >= from)
        .map(|second| (second, utc(second, "%b %Y")))
        .collect()
}

/// Beyond the years that dates can name there is nothing to see; stay at the epoch.
fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or_default()
}

fn utc(second: i64, pattern: &str) -> String {
    time(second).strftime(pattern).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.labels()
    }

    fn time_axis(unix_time: bool, start: i64, end: i64) -> Axis {
        let (start, end) = (Time::from_seconds(start), Time::from_seconds(end));
        Axis::of_time(&Recording { start, end, unix_time, ..Recording::default() }, start, end)
    }

    #[test]
    fn ticks_of_counts() {
        assert_eq!(labels(&Axis::of_counts("", 0.0)), ["0", "1", "2"]);
        assert_eq!(labels(&Axis::of_counts("", 4.0)), ["0", "1", "2", "3", "4", "5"]);
        assert_eq!(labels(&Axis::of_counts("", 47.0)), ["0", "10", "20", "30", "40", "50"]);
        assert_eq!(
            labels(&Axis::of_counts("", 2400.0)),
            ["0", "500", "1\u{a0}000", "1\u{a0}500", "2\u{a0}000", "2\u{a0}500"]
        );
    }

    #[test]
    fn ticks_of_time() {
        assert_eq!(
            labels(&time_axis(false, 5000, 5000 + 3 * HOUR)),
            ["0", "20", "40", "60", "80", "100", "120", "140", "160", "180"]
        );
        assert_eq!(labels(&time_axis(false, 0, 30 * DAY)), ["0", "7", "14", "21", "28"]);
        // 2024-02-28 22:00 UTC.
        assert_eq!(
            labels(&time_axis(true, 1_709_157_600, 1_709_157_600 + 4 * HOUR)),
            ["28 Feb 22:00", "22:30", "23:00", "23:30", "29 Feb 00:00", "00:30", "01:00", "01:30", "02:00"]
        );
        let year = labels(&time_axis(true, 1_709_157_600, 1_709_157_600 + 365 * DAY)).join(" ");
        assert_eq!(year, "Mar 2024 May 2024 Jul 2024 Sep 2024 Nov 2024 Jan 2025");
    }

    #[test]
    fn logarithmic_positions() {
        let axis = Axis::of_durations("", 1000.0);
        assert_eq!(axis.map(&0.0, (0, 100)), 0);
        assert_eq!(axis.map(&1.0, (0, 100)), 0);
        assert_eq!(axis.map(&1e9, (0, 100)), 100);
        assert_eq!(labels(&axis), ["≤ 1 s", "10 s", "1 min", "10 min"]);
    }
}
