//! Axes: which value stands where, and at which values ticks stand.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use yardmaster_engine::Time;

use crate::output::duration::{grouped_count, readable_duration};
use crate::recording::Recording;

/// One dimension of a plotting area.
pub(super) struct Axis {
    pub(super) title: String,
    pub(super) low: f64,
    pub(super) high: f64,
    logarithmic: bool,
    /// Values at which a tick stands, with their labels.
    pub(super) ticks: Vec<(f64, String)>,
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The most ticks of an axis of time.
const TIME_TICKS_MAX: i64 = 9;

/// Steps from tick to tick, in seconds. (Dates that are months apart are another matter.)
const TIME_STEPS: [i64; 22] = [
    1,
    2,
    5,
    10,
    20,
    30,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    20 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    30 * DAY,
    100 * DAY,
];

/// The first Monday of Unix time; steps of a week count from it.
const FIRST_MONDAY: i64 = 4 * DAY;

impl Axis {
    /// Where a value stands: 0 at the low end, 1 at the high end, in between beyond either.
    pub(super) fn position(&self, value: f64) -> f64 {
        let place = |value: f64| if self.logarithmic { value.max(self.low).ln() } else { value };
        let (low, high) = (place(self.low), place(self.high));
        ((place(value) - low) / (high - low)).clamp(0.0, 1.0)
    }

    /// Counts from 0 to `max`, with ticks at whole multiples of 1, 2 or 5 times a power of ten.
    pub(super) fn of_counts(title: &str, max: f64) -> Axis {
        let max = max.max(1.0);
        let mut step = 1.0;
        for factor in [2.0, 2.5, 2.0].into_iter().cycle() {
            if max / step <= 5.0 {
                break;
            }
            step *= factor;
        }
        let high = (max * 1.04 / step).ceil() * step;
        let ticks = (0..=(high / step).round() as u64)
            .map(|index| (index as f64 * step, grouped_count((index as f64 * step).round() as u64)))
            .collect();
        Axis { title: title.to_owned(), low: 0.0, high, logarithmic: false, ticks }
    }

    /// Shares from 0 to 100 %.
    pub(super) fn of_shares(title: &str) -> Axis {
        let ticks = (0..=5).map(|fifth| (f64::from(fifth) / 5.0, format!("{} %", fifth * 20))).collect();
        Axis { title: title.to_owned(), low: 0.0, high: 1.0, logarithmic: false, ticks }
    }

    /// Durations from one second to `max_seconds`, logarithmic, with ticks at durations that people think in. Shorter
    /// ones stand at the low end.
    pub(super) fn of_durations(title: &str, max_seconds: f64) -> Axis {
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
        Axis { title: title.to_owned(), low: 1.0, high, logarithmic: true, ticks }
    }

    /// Moments of a run, as seconds from its first tick: dates where times are Unix times, else how long ago the run
    /// began.
    pub(super) fn of_time(recording: &Recording, from: Time, to: Time) -> Axis {
        let (from, to) = (from.as_seconds(), to.as_seconds().max(from.as_seconds() + 1));
        let origin = recording.start.as_seconds();
        let (title, ticks) =
            if recording.unix_time { date_ticks(from, to) } else { elapsed_ticks(from - origin, to - origin) };
        let shift = if recording.unix_time { origin } else { 0 };
        Axis {
            title,
            low: (from - origin) as f64,
            high: (to - origin) as f64,
            logarithmic: false,
            ticks: ticks.into_iter().map(|(second, label)| ((second - shift) as f64, label)).collect(),
        }
    }
}

/// The smallest step that gives few enough ticks; whole years where not even the longest does.
fn time_step(length: i64) -> i64 {
    let fits = |step: &i64| length / step <= TIME_TICKS_MAX;
    let years = length / (TIME_TICKS_MAX * 365 * DAY) + 1;
    TIME_STEPS.into_iter().find(fits).unwrap_or(years * 365 * DAY)
}

fn multiples(step: i64, phase: i64, from: i64, to: i64) -> impl Iterator<Item = i64> {
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
    let (first, last) = (date_of(from), date_of(to));
    let years = if first.year() == last.year() {
        first.year().to_string()
    } else {
        format!("{}–{}", first.year(), last.year())
    };
    if to - from > TIME_TICKS_MAX * 7 * DAY {
        return (format!("date (UTC), {years}"), month_ticks(first, from, to));
    }
    let step = time_step(to - from);
    let phase = if step == 7 * DAY { FIRST_MONDAY } else { 0 };
    let mut previous = None;
    let ticks = multiples(step, phase, from, to)
        .map(|second| {
            let date = date_of(second);
            let new_day = previous.replace(date) != Some(date);
            (second, time_label(second, step, new_day))
        })
        .collect();
    (format!("{} (UTC), {years}", if step >= DAY { "date" } else { "time of day" }), ticks)
}

fn time_label(second: i64, step: i64, new_day: bool) -> String {
    let moment = date_time(second);
    let pattern = match (step, new_day) {
        (DAY.., _) => "%-d %b",
        (MINUTE.., true) => "%-d %b %H:%M",
        (MINUTE.., false) => "%H:%M",
        (_, _) => "%H:%M:%S",
    };
    moment.strftime(pattern).to_string()
}

/// Firsts of months, as many apart as the room asks for.
fn month_ticks(first: Date, from: i64, to: i64) -> Vec<(i64, String)> {
    let months = (to - from) / (30 * DAY) + 1;
    let apart = [1, 2, 3, 6, 12].into_iter().find(|apart| months / apart <= TIME_TICKS_MAX).unwrap_or(60);
    let start = i64::from(first.year()) * 12;
    (start..start + months + 24)
        .filter(|month| month % apart == 0)
        .filter_map(|month| {
            let (year, month) = (i16::try_from(month / 12).ok()?, i8::try_from(month % 12 + 1).ok()?);
            let date = Date::new(year, month, 1).ok()?;
            let second = date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
            (from..=to).contains(&second).then(|| (second, date.strftime("%b %Y").to_string()))
        })
        .collect()
}

fn date_time(second: i64) -> jiff::civil::DateTime {
    // Beyond the years that dates can name there is nothing to see; stay at the epoch.
    Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC).datetime()
}

fn date_of(second: i64) -> Date {
    date_time(second).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
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
        assert_eq!(axis.position(0.0), 0.0);
        assert_eq!(axis.position(1.0), 0.0);
        assert_eq!(axis.position(1e9), 1.0);
        assert_eq!(labels(&axis), ["≤ 1 s", "10 s", "1 min", "10 min"]);
    }
}
