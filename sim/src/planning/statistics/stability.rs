//! Whether a queue grows without bound: then its waits are a matter of how long one looks, and no figure about them means
//! anything.

use serde::{Deserialize, Serialize};

use super::estimate::{Estimate, mean};

/// The growth must be this certain, so that a lab which only had a bad month is not called unstable …
const CONFIDENCE: f64 = 0.99;
/// … and this large a share of what arrives: a lab that serves 99 % and more is not told from one that serves all.
const SHARE_OF_ARRIVALS: f64 = 0.01;

/// How a backlog grows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// Entries a day by which the backlog grows, with an interval of 99 %.
    pub per_day: Estimate,
    /// Entries that arrive a day.
    pub arrivals_per_day: f64,
    /// Whether it grows without bound: the interval lies above 1 % of the arrivals.
    pub is_unbounded: bool,
}

/// How a backlog grows: from its [`slope`] in each replication, and from how many entries arrive a day. Replications are the
/// units of observation. `None` for less than two, from which no growth could be told.
pub fn growth(slopes: &[f64], arrivals_per_day: f64) -> Option<Growth> {
    let per_day = mean(slopes, CONFIDENCE).filter(|_| slopes.len() > 1)?;
    Some(Growth { per_day, arrivals_per_day, is_unbounded: per_day.low > SHARE_OF_ARRIVALS * arrivals_per_day })
}

/// The days of a week: labs have a rhythm of that length.
const WEEK: usize = 7;

/// How fast the mean backlogs of successive days grow, in entries a day; `None` for less than three days.
///
/// More than a week is compared by the same days of the week, so that a weekend at either end is no growth. A week or less does not
/// tell growth from the week's rhythm: there it is the slope of the least-squares line.
pub fn slope(backlog: &[f64]) -> Option<f64> {
    if backlog.len() < 3 {
        return None;
    }
    if backlog.len() > WEEK {
        let pairs = backlog.iter().zip(&backlog[WEEK..]);
        let growth: f64 = pairs.map(|(before, after)| after - before).sum();
        return Some(growth / ((backlog.len() - WEEK) * WEEK) as f64);
    }
    let count = backlog.len() as f64;
    let centre = (count - 1.0) / 2.0;
    let mean = backlog.iter().sum::<f64>() / count;
    let (mut over, mut under) = (0.0, 0.0);
    for (index, value) in backlog.iter().enumerate() {
        let x = index as f64 - centre;
        over += x * (value - mean);
        under += x * x;
    }
    Some(over / under)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Concern;

    /// The backlog at the end of each day of a lab that is given `load` times what it can do.
    fn backlogs(load: f64, replication: u64) -> Vec<f64> {
        let mut stream = Concern::new(8, "backlog").stream([replication, 0, 0]);
        let mut backlog: f64 = 0.0;
        let day = |_| {
            let arrived: f64 = (0..200).map(|_| f64::from(u8::from(stream.chance(load / 2.0)))).sum();
            backlog = (backlog + arrived - 100.0).max(0.0);
            backlog
        };
        (0..28).map(day).collect()
    }

    fn judge(load: f64) -> Growth {
        let slopes = (0..10).filter_map(|replication| slope(&backlogs(load, replication)));
        growth(&slopes.collect::<Vec<_>>(), 100.0 * load).expect("28 days")
    }

    #[test]
    fn overload_is_told_from_a_full_lab() {
        let overloaded = judge(1.1);
        assert!(overloaded.is_unbounded, "{overloaded:?}");
        assert!((overloaded.per_day.value - 10.0).abs() < 2.0, "{overloaded:?}");
        for load in [0.5, 0.9, 0.97] {
            assert!(!judge(load).is_unbounded, "{load}: {:?}", judge(load));
        }
    }

    #[test]
    fn a_weekend_at_the_beginning_is_no_growth() {
        let quiet = |day: usize| if day % 7 < 2 { 0.0 } else { 50.0 };
        for days in [9, 12, 14, 28] {
            assert_eq!(slope(&(0..days).map(quiet).collect::<Vec<_>>()), Some(0.0), "{days} days");
        }
    }

    #[test]
    fn too_little_says_nothing() {
        assert_eq!(slope(&[1.0, 2.0]), None);
        assert_eq!(slope(&[1.0, 2.0, 3.0]), Some(1.0));
        let growing: Vec<f64> = (0..10).map(|day| 3.0 * f64::from(day)).collect();
        assert_eq!(slope(&growing), Some(3.0));
        assert_eq!(growth(&[1.0], 3.0), None);
        assert_eq!(growth(&[], 3.0), None);
    }
}
