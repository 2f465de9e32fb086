//! Axes of plans: costs, the upper part of the shares, a week, waits that may be without end.

use super::axis::{Axis, DAY, HOUR, MINUTE, multiples, time_step};
use crate::output::duration::{grouped_count, readable_duration};

/// The most ticks of an axis of figures.
const TICKS_MAX: f64 = 7.0;

/// Steps from tick to tick on an axis of shares.
const SHARE_STEPS: [f64; 8] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];

/// A number as people read it: grouped, with as many decimals as asked for, and a true minus sign.
pub(crate) fn readable_number(number: f64, decimals: usize) -> String {
    let digits = format!("{:.decimals$}", number.abs());
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let is_zero = digits.chars().all(|digit| matches!(digit, '0' | '.'));
    let sign = if number < 0.0 && !is_zero { "−" } else { "" };
    // Too large for a count is too large for groups.
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), grouped_count);
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// 1, 2 or 5 times a power of ten: the smallest such step that cuts this length into few enough parts.
fn round_step(length: f64) -> f64 {
    let mut power: f64 = 1e-9;
    while power * 10.0 * TICKS_MAX < length {
        power *= 10.0;
    }
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|times| times * power)
        .find(|step| length / step <= TICKS_MAX)
        .unwrap_or(power)
}

fn decimals(step: f64) -> usize {
    (0..6).find(|decimals| step * 10_f64.powi(*decimals) >= 0.999).unwrap_or(6) as usize
}

/// Multiples of the step, each named after its value.
fn ticks(low: f64, high: f64, step: f64, label: impl Fn(f64) -> String) -> Vec<(f64, String)> {
    let (first, last) = ((low / step - 1e-6).ceil() as i64, (high / step + 1e-6).floor() as i64);
    (first..=last).map(|index| index as f64 * step).map(|value| (value, label(value))).collect()
}

impl Axis {
    /// Figures of any sign, with a little room at either end.
    pub(crate) fn of_figures(title: &str, low: f64, high: f64) -> Axis {
        let length = if high > low { high - low } else { low.abs().max(1.0) };
        let (low, high) = (low - 0.05 * length, high.max(low) + 0.05 * length);
        let step = round_step(high - low);
        Axis::linear(title, low..high, ticks(low, high, step, |value| readable_number(value, decimals(step))))
    }

    /// Amounts from nothing to somewhat more than `max`, with ticks at round numbers.
    pub(crate) fn of_amounts(title: &str, max: f64) -> Axis {
        let high = if max > 0.0 && max.is_finite() { max * 1.06 } else { 1.0 };
        // Panels are low.
        let step = round_step(high * 1.5);
        let label = |value: f64| readable_number(value, decimals(step));
        Axis::linear(title, 0.0..high, ticks(0.0, high, step, label))
    }

    /// Shares from about `low` to 100 %.
    pub(crate) fn of_high_shares(title: &str, low: f64) -> Axis {
        let low = low.clamp(0.0, 0.999);
        let fits = |step: &f64| (1.0 - low) / step <= TICKS_MAX;
        let step = SHARE_STEPS.into_iter().find(fits).unwrap_or(0.2);
        let low = (low / step + 1e-6).floor() * step;
        // Points at 100 % must not be cut in half.
        let room = (1.0 - low) * 0.03;
        let label = |value: f64| format!("{} %", readable_number(value * 100.0, decimals(step * 100.0)));
        Axis::linear(title, low - room..1.0 + room, ticks(low, 1.0, step, label))
    }

    /// Hours of a week, with a line at every midnight; the names of the days belong between these lines.
    pub(crate) fn of_week() -> Axis {
        let ticks = (0..=7).map(|day| (f64::from(day * 24), String::new())).collect();
        Axis::linear("", 0.0..168.0, ticks)
    }

    /// Lengths of time from nothing to `max_seconds`, linear.
    pub(crate) fn of_lengths(title: &str, max_seconds: f64) -> Axis {
        let high = max_seconds.max(1.0) * 1.02;
        let step = time_step(high.ceil() as i64);
        let label = |second: i64| (second as f64, readable_duration(second.saturating_mul(1_000_000)));
        Axis::linear(title, 0.0..high, multiples(step, 0, 0, high as i64).map(label).collect())
    }

    /// Waits, logarithmic, from somewhat below the shortest to somewhat above the longest; with `never` there is a place for
    /// those without end, and it is where infinity stands.
    pub(crate) fn of_waits(title: &str, min_seconds: f64, max_seconds: f64, never: bool) -> Axis {
        let landmarks = [
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
            6 * HOUR,
            12 * HOUR,
            DAY,
            2 * DAY,
            7 * DAY,
            14 * DAY,
            30 * DAY,
            100 * DAY,
            365 * DAY,
        ];
        let low = landmarks.into_iter().rev().find(|&seconds| seconds as f64 <= min_seconds * 0.8).unwrap_or(1) as f64;
        let high = (max_seconds * 1.2).max(low * 20.0);
        // Where infinity stands: a tick's breadth beyond the rest.
        let end = if never { high * (high / low).powf(0.09) } else { high };
        let ratio = (end / low).ln() / 10.0;
        let mut ticks: Vec<(f64, String)> = Vec::new();
        for seconds in landmarks.into_iter().filter(|&seconds| (low..=high).contains(&(seconds as f64))) {
            let value = seconds as f64;
            let is_clear = ticks.last().is_none_or(|(last, _)| (value / last).ln() >= ratio)
                && (!never || (end / value).ln() >= 1.5 * ratio);
            if is_clear {
                let label = readable_duration(seconds * 1_000_000);
                ticks.push((value, if value <= 1.0 { format!("≤ {label}") } else { label }));
            }
        }
        if never {
            ticks.push((end, "without end".to_owned()));
        }
        Axis::logarithmic(title, low..end, ticks)
    }
}

#[cfg(test)]
mod tests {
    use plotters::coord::ranged1d::Ranged;

    use super::*;

    #[test]
    fn figures_have_round_ticks() {
        assert_eq!(Axis::of_figures("", -1800.0, 16_800.0).labels(), ["0", "5\u{a0}000", "10\u{a0}000", "15\u{a0}000"]);
        assert_eq!(Axis::of_figures("", 0.0, 0.0).labels(), ["−0.04", "−0.02", "0.00", "0.02", "0.04"]);
        assert_eq!(
            Axis::of_figures("", -0.02, 0.01).labels(),
            ["−0.020", "−0.015", "−0.010", "−0.005", "0.000", "0.005", "0.010"]
        );
        assert_eq!(Axis::of_figures("", 5.0, 5.0).labels(), ["4.8", "4.9", "5.0", "5.1", "5.2"]);
    }

    #[test]
    fn shares_end_at_all() {
        assert_eq!(Axis::of_high_shares("", 0.72).labels(), ["70 %", "75 %", "80 %", "85 %", "90 %", "95 %", "100 %"]);
        assert_eq!(
            Axis::of_high_shares("", 0.9955).labels(),
            ["99.5 %", "99.6 %", "99.7 %", "99.8 %", "99.9 %", "100.0 %"]
        );
        assert_eq!(Axis::of_high_shares("", 0.0).labels(), ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]);
    }

    #[test]
    fn waits_without_end_stand_beyond_the_others() {
        let axis = Axis::of_waits("", 100.0, 10_000.0, true);
        assert_eq!(axis.labels(), ["1 min", "2 min", "5 min", "10 min", "20 min", "1 h", "2 h", "without end"]);
        assert_eq!(axis.map(&f64::INFINITY, (0, 1000)), 1000);
        assert!(axis.map(&10_000.0, (0, 1000)) < 930);
    }
}
