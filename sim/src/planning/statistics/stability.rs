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

/// How the backlog of several replications grows: for each the mean backlog of every day, and how many entries arrived in all.
/// The slope is fitted by least squares in each replication by itself; replications are the units of observation.
///
/// `None` for less than three days or two replications, from which no growth could be told.
pub fn growth(replications: &[(&[f64], f64)]) -> Option<Growth> {
    let days = replications.iter().map(|(backlog, _)| backlog.len()).min()?;
    if days < 3 || replications.len() < 2 {
        return None;
    }
    let slopes: Vec<f64> = replications.iter().map(|(backlog, _)| slope(&backlog[..days])).collect();
    let arrivals: f64 = replications.iter().map(|(_, arrivals)| arrivals).sum();
    let arrivals_per_day = arrivals / replications.len() as f64 / days as f64;
    let per_day = mean(&slopes, CONFIDENCE)?;
    Some(Growth { per_day, arrivals_per_day, is_unbounded: per_day.low > SHARE_OF_ARRIVALS * arrivals_per_day })
}

/// The slope of the least-squares line through values at 0, 1, 2 …
fn slope(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let centre = (count - 1.0) / 2.0;
    let mean = values.iter().sum::<f64>() / count;
    let (mut over, mut under) = (0.0, 0.0);
    for (index, value) in values.iter().enumerate() {
        let x = index as f64 - centre;
        over += x * (value - mean);
        under += x * x;
    }
    over / under
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
        let series: Vec<Vec<f64>> = (0..10).map(|replication| backlogs(load, replication)).collect();
        let replications: Vec<(&[f64], f64)> = series.iter().map(|days| (&days[..], 2800.0 * load)).collect();
        growth(&replications).expect("28 days")
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
    fn too_little_says_nothing() {
        assert_eq!(growth(&[(&[1.0, 2.0], 3.0), (&[1.0, 2.0], 3.0)]), None);
        assert_eq!(growth(&[(&[1.0, 2.0, 3.0], 3.0)]), None);
        assert_eq!(growth(&[]), None);
    }
}
