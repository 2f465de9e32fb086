//! Numbers with exactly six decimals, so that what is written is the same digit for digit on every machine.

use std::fmt;
use std::io::Write;

use serde::{Serialize, Serializer};
use yardmaster_engine::Span;

const MILLION: i64 = 1_000_000;

/// A number counted in whole millionths: seconds out of microseconds, or a ratio rounded to six decimals.
///
/// It is written with as many decimals as it needs (`90`, `0.5`, `-1.000001`) straight from the integer; no floating
/// point takes part. In JSON it is a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(i64);

impl Decimal {
    /// Zero.
    pub const ZERO: Decimal = Decimal(0);

    /// So many millionths.
    pub const fn from_millionths(millionths: i64) -> Decimal {
        Decimal(millionths)
    }

    /// How many millionths it is.
    pub const fn millionths(self) -> i64 {
        self.0
    }

    /// `numerator / denominator` rounded to the nearest millionth, halves away from zero; `None` for a division by
    /// zero.
    pub fn ratio(numerator: i128, denominator: i128) -> Option<Decimal> {
        if denominator == 0 {
            return None;
        }
        let scaled = numerator.saturating_mul(i128::from(MILLION));
        Some(Decimal(saturated(divide_to_nearest(scaled, denominator))))
    }

    /// The mean of a sum of `count` such numbers, rounded to the nearest millionth; `None` without a number.
    pub fn mean(sum_of_millionths: i128, count: usize) -> Option<Decimal> {
        let count = i128::try_from(count).ok().filter(|&count| count > 0)?;
        Some(Decimal(saturated(divide_to_nearest(sum_of_millionths, count))))
    }

    /// The nearest floating-point number, for drawing.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / MILLION as f64
    }

    /// Appends its digits to `bytes`.
    pub(super) fn append_to(self, bytes: &mut Vec<u8>) {
        write!(bytes, "{self}").expect("a vector takes every write");
    }
}

fn divide_to_nearest(numerator: i128, denominator: i128) -> i128 {
    let (numerator, denominator) = if denominator < 0 { (-numerator, -denominator) } else { (numerator, denominator) };
    let half = denominator / 2;
    if numerator >= 0 { (numerator + half) / denominator } else { (numerator - half) / denominator }
}

fn saturated(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

impl From<Span> for Decimal {
    /// Its length in seconds.
    fn from(span: Span) -> Decimal {
        Decimal(span.0)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let (whole, mut fraction) = (magnitude / MILLION as u64, magnitude % MILLION as u64);
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let mut places = 6;
        while fraction % 10 == 0 {
            fraction /= 10;
            places -= 1;
        }
        write!(f, "{sign}{whole}.{fraction:0places$}")
    }
}

impl Serialize for Decimal {
    /// A whole number where it is one, else the shortest number that reads back as the same millionths.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % MILLION == 0 {
            serializer.serialize_i64(self.0 / MILLION)
        } else {
            serializer.serialize_f64(self.as_f64())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_exactly() {
        for (millionths, expected) in [
            (0, "0"),
            (1, "0.000001"),
            (-1, "-0.000001"),
            (500_000, "0.5"),
            (90_000_000, "90"),
            (1_700_000_000_123_400, "1700000000.1234"),
            (-1_000_010, "-1.00001"),
            (i64::MIN, "-9223372036854.775808"),
            (i64::MAX, "9223372036854.775807"),
        ] {
            assert_eq!(Decimal::from_millionths(millionths).to_string(), expected);
        }
    }

    #[test]
    fn ratios_round_to_the_nearest_millionth() {
        let ratio = |numerator, denominator| Decimal::ratio(numerator, denominator).map(|d| d.to_string());
        assert_eq!(ratio(1, 3).as_deref(), Some("0.333333"));
        assert_eq!(ratio(2, 3).as_deref(), Some("0.666667"));
        assert_eq!(ratio(-2, 3).as_deref(), Some("-0.666667"));
        assert_eq!(ratio(2, -3).as_deref(), Some("-0.666667"));
        assert_eq!(ratio(10, 5).as_deref(), Some("2"));
        assert_eq!(ratio(1, 0), None);
        assert_eq!(Decimal::mean(7, 2).map(Decimal::millionths), Some(4));
        assert_eq!(Decimal::mean(0, 0), None);
    }

    #[test]
    fn json_has_numbers() {
        let json = |millionths| serde_json::to_string(&Decimal::from_millionths(millionths)).expect("a number");
        assert_eq!(json(90_000_000), "90");
        assert_eq!(json(1_500_001), "1.500001");
        assert_eq!(json(1_700_000_000_123_456), "1700000000.123456");
    }
}
