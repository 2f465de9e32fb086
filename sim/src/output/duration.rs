//! Durations, counts and shares as people read them, for tables, plots and the report.

use super::decimal::Decimal;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A duration in microseconds in its two largest units: `45 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. Below ten seconds
/// it has one decimal, if that is not zero.
pub(crate) fn readable_duration(microseconds: i64) -> String {
    let sign = if microseconds < 0 { "−" } else { "" };
    // No duration is as long as an i64 goes, but its absolute value must not overflow.
    let length = microseconds.saturating_abs();
    let two = |large: i64, large_name: &str, small: i64, small_name: &str| {
        let smalls = (length + small / 2) / small;
        let per_large = large / small;
        match smalls % per_large {
            0 => format!("{sign}{} {large_name}", smalls / per_large),
            rest => format!("{sign}{} {large_name} {rest} {small_name}", smalls / per_large),
        }
    };
    // Each bound lies where rounding would reach the next larger unit.
    if length < 10 * SECOND - SECOND / 20 {
        let tenths = (length + SECOND / 20) / (SECOND / 10);
        match tenths % 10 {
            0 => format!("{}{} s", if tenths == 0 { "" } else { sign }, tenths / 10),
            tenth => format!("{sign}{}.{tenth} s", tenths / 10),
        }
    } else if length < MINUTE - SECOND / 2 {
        format!("{sign}{} s", (length + SECOND / 2) / SECOND)
    } else if length < HOUR - SECOND / 2 {
        two(MINUTE, "min", SECOND, "s")
    } else if length < DAY - MINUTE / 2 {
        two(HOUR, "h", MINUTE, "min")
    } else {
        two(DAY, "d", HOUR, "h")
    }
}

/// A number of seconds as `readable_duration` has it.
pub(super) fn readable_seconds(seconds: Decimal) -> String {
    readable_duration(seconds.millionths())
}

/// A share (0 to 1) as a percentage with one decimal: `87.5 %`.
pub(super) fn percentage(share: Decimal) -> String {
    let permille = (share.millionths() + 500) / 1000;
    format!("{}.{} %", permille / 10, permille % 10)
}

/// A count with a narrow gap before every three digits: `75 000`.
pub(crate) fn grouped_count(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push('\u{a0}');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (seconds, expected) in [
            (0.0, "0 s"),
            (0.04, "0 s"),
            (0.5, "0.5 s"),
            (9.94, "9.9 s"),
            (9.96, "10 s"),
            (59.4, "59 s"),
            (59.6, "1 min"),
            (61.0, "1 min 1 s"),
            (3599.6, "1 h"),
            (7500.0, "2 h 5 min"),
            (86_399.0, "1 d"),
            (273_600.0, "3 d 4 h"),
            (-90.0, "−1 min 30 s"),
            (-0.01, "0 s"),
        ] {
            assert_eq!(readable_duration((seconds * 1e6_f64).round() as i64), expected);
        }
    }

    #[test]
    fn counts_and_shares() {
        assert_eq!(grouped_count(0), "0");
        assert_eq!(grouped_count(999), "999");
        assert_eq!(grouped_count(1_234_567), "1\u{a0}234\u{a0}567");
        assert_eq!(percentage(Decimal::from_millionths(875_400)), "87.5 %");
        assert_eq!(percentage(Decimal::from_millionths(999_600)), "100.0 %");
    }
}
