//! Quantiles by nearest rank: the smallest value such that at least so many in a hundred are no greater.
//!
//! The result is always a value that occurred, so it is exact and needs no rule for interpolation. NumPy and pandas
//! call the same definition `inverted_cdf`, SQL calls it `percentile_disc`.

use serde::Serialize;
use yardmaster_engine::Span;

use super::decimal::Decimal;

/// How a set of values is distributed. All fields but the count are zero when there is no value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Distribution {
    /// Number of values.
    pub count: u64,
    /// Their arithmetic mean, rounded to the nearest millionth.
    pub mean: Decimal,
    /// Median: at least half of the values are no greater.
    pub p50: Decimal,
    /// At least 90 in 100 values are no greater.
    pub p90: Decimal,
    /// At least 95 in 100 values are no greater.
    pub p95: Decimal,
    /// At least 99 in 100 values are no greater.
    pub p99: Decimal,
    /// The greatest value.
    pub max: Decimal,
}

impl Distribution {
    /// The distribution of spans, in seconds.
    pub fn of_spans(spans: impl IntoIterator<Item = Span>) -> Distribution {
        Distribution::of(spans.into_iter().map(Decimal::from))
    }

    /// The distribution of numbers.
    pub fn of(values: impl IntoIterator<Item = Decimal>) -> Distribution {
        let mut values: Vec<Decimal> = values.into_iter().collect();
        values.sort_unstable();
        let sum: i128 = values.iter().map(|value| i128::from(value.millionths())).sum();
        let at = |percent| nearest_rank(&values, percent).copied().unwrap_or_default();
        Distribution {
            count: values.len() as u64,
            mean: Decimal::mean(sum, values.len()).unwrap_or_default(),
            p50: at(50),
            p90: at(90),
            p95: at(95),
            p99: at(99),
            max: at(100),
        }
    }
}

/// The `percent`-quantile (1 to 100) of ascending values: the one of rank ⌈percent / 100 · n⌉, counted from 1.
pub(super) fn nearest_rank<T>(ascending: &[T], percent: usize) -> Option<&T> {
    let rank = (percent * ascending.len()).div_ceil(100).max(1);
    ascending.get(rank - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_ranks() {
        let ten: Vec<u32> = (1..=10).collect();
        for (percent, expected) in [(1, 1), (10, 1), (11, 2), (50, 5), (51, 6), (90, 9), (95, 10), (100, 10)] {
            assert_eq!(nearest_rank(&ten, percent), Some(&expected), "{percent} %");
        }
        assert_eq!(nearest_rank(&[7], 50), Some(&7));
        assert_eq!(nearest_rank::<u32>(&[], 50), None);
    }

    #[test]
    fn the_distribution_of_nothing_is_zero() {
        assert_eq!(Distribution::of_spans([]), Distribution::default());
    }

    #[test]
    fn order_does_not_matter() {
        let seconds = |values: [i64; 4]| Distribution::of_spans(values.map(Span::from_seconds));
        let distribution = seconds([4, 1, 3, 2]);
        assert_eq!(distribution, seconds([1, 2, 3, 4]));
        assert_eq!(distribution.mean.to_string(), "2.5");
        assert_eq!(distribution.p50.to_string(), "2");
        assert_eq!(distribution.max.to_string(), "4");
    }
}
