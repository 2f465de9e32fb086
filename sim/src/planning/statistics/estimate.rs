//! Point estimates with confidence intervals, from one value (or pair of values) for each replication.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// A figure estimated from replications, with a confidence interval around it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The point estimate. Infinite: the wait of jobs that never started.
    #[serde(with = "unbounded")]
    pub value: f64,
    /// Lower end of the interval.
    #[serde(with = "unbounded")]
    pub low: f64,
    /// Upper end of the interval.
    #[serde(with = "unbounded")]
    pub high: f64,
}

/// JSON has no infinity: what has no end is written as a word, as in tables.
mod unbounded {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    enum Endless {
        #[serde(rename = "inf")]
        Above,
        #[serde(rename = "-inf")]
        Below,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum End {
        Finite(f64),
        Endless(Endless),
    }

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        let end = match *value {
            f64::INFINITY => End::Endless(Endless::Above),
            f64::NEG_INFINITY => End::Endless(Endless::Below),
            finite => End::Finite(finite),
        };
        end.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(match End::deserialize(deserializer)? {
            End::Finite(value) => value,
            End::Endless(Endless::Above) => f64::INFINITY,
            End::Endless(Endless::Below) => f64::NEG_INFINITY,
        })
    }
}

impl Estimate {
    fn around(value: f64, half_width: f64) -> Estimate {
        Estimate { value, low: value - half_width, high: value + half_width }
    }

    /// Half of the interval's length.
    pub fn half_width(self) -> f64 {
        (self.high - self.low) / 2.0
    }

    fn within(self, low: f64, high: f64) -> Estimate {
        Estimate {
            value: self.value.clamp(low, high),
            low: self.low.clamp(low, high),
            high: self.high.clamp(low, high),
        }
    }
}

/// The factor by which a standard error is to be multiplied: Student's quantile for a two-sided interval. Infinite with fewer
/// than two values, from which nothing can be said about the next.
fn student(values: usize, confidence: f64) -> f64 {
    if values < 2 {
        return f64::INFINITY;
    }
    match StudentsT::new(0.0, 1.0, (values - 1) as f64) {
        Ok(distribution) => distribution.inverse_cdf(0.5 + confidence / 2.0),
        Err(_) => f64::INFINITY,
    }
}

/// Half of the interval around the mean of so many values, whose squared deviations from it sum up to this.
///
/// An infinite factor on no deviation at all is infinite, too: one replication has no deviation and says nothing.
pub(super) fn half_width(values: usize, squares: f64, confidence: f64) -> f64 {
    let factor = student(values, confidence);
    if factor.is_infinite() {
        return f64::INFINITY;
    }
    let count = values as f64;
    factor * (squares / (count - 1.0) / count).sqrt()
}

/// The mean of independent values. `None` without values.
pub fn mean(values: &[f64], confidence: f64) -> Option<Estimate> {
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    Some(Estimate::around(mean, half_width(values.len(), squares, confidence)))
}

/// A ratio of two means, as seconds of use over seconds there were: the ratio of the sums, with the variance of its
/// linearisation (W. G. Cochran, *Sampling Techniques*, 3rd ed. 1977, section 6.3). `None` if the denominators sum up to nothing.
pub fn ratio(parts: &[(f64, f64)], confidence: f64) -> Option<Estimate> {
    let (over, under) = parts.iter().fold((0.0, 0.0), |(over, under), part| (over + part.0, under + part.1));
    if under <= 0.0 {
        return None;
    }
    let value = over / under;
    let mean_under = under / parts.len() as f64;
    let squares: f64 = parts.iter().map(|(over, under)| (over - value * under) / mean_under).map(|x| x * x).sum();
    Some(Estimate::around(value, half_width(parts.len(), squares, confidence)))
}

/// The [`ratio`] of a part to its whole: from 0 to 1.
pub fn part(parts: &[(f64, f64)], confidence: f64) -> Option<Estimate> {
    Some(ratio(parts, confidence)?.within(0.0, 1.0))
}

/// The share of jobs for which something holds: how many of how many, by replication.
///
/// The interval is the one of [`ratio`] on the scale of the logit (E. L. Korn, B. I. Graubard, *Analysis of Health Surveys*, 1999,
/// section 2.7): near 100 % it is longer downwards, as the bad replications are that are still to come. It is made as wide as E. B.
/// Wilson's for as many independent jobs (JASA 22, 1927) where that is wider: replications that all say 100 % have no
/// variance between them, and that does not make it certain.
pub fn share(parts: &[(u64, u64)], confidence: f64) -> Option<Estimate> {
    let floats: Vec<(f64, f64)> = parts.iter().map(|(hits, of)| (*hits as f64, *of as f64)).collect();
    let estimate = ratio(&floats, confidence)?;
    let (value, half_width) = (estimate.value, estimate.half_width());
    let (low, high) =
        wilson(floats.iter().map(|part| part.0).sum(), floats.iter().map(|part| part.1).sum(), confidence);
    if half_width.is_infinite() || value <= 0.0 || value >= 1.0 {
        return Some(Estimate { value, low: estimate.low.min(low), high: estimate.high.max(high) }.within(0.0, 1.0));
    }
    let on_logit = half_width / (value * (1.0 - value));
    let end = |logit: f64| 1.0 / (1.0 + (-logit).exp());
    let logit = (value / (1.0 - value)).ln();
    Some(Estimate { value, low: end(logit - on_logit).min(low), high: end(logit + on_logit).max(high) })
}

/// The normal law's quantile for a two-sided interval: what [`student`] comes to with ever more values.
pub(super) fn normal(confidence: f64) -> f64 {
    Normal::standard().inverse_cdf(0.5 + confidence / 2.0)
}

fn wilson(hits: f64, of: f64, confidence: f64) -> (f64, f64) {
    let z = normal(confidence);
    let (p, z2) = (hits / of, z * z);
    let centre = (p + z2 / (2.0 * of)) / (1.0 + z2 / of);
    let spread = z / (1.0 + z2 / of) * (p * (1.0 - p) / of + z2 / (4.0 * of * of)).sqrt();
    (centre - spread, centre + spread)
}

/// By how much a share is greater in one plan than in another, both met by the same jobs and the same luck: the differences
/// are taken replication by replication, so that what both have in common cancels out.
///
/// `None` if the plans have no replication in common, or no jobs.
pub fn difference_of_shares(one: &[(u64, u64)], other: &[(u64, u64)], confidence: f64) -> Option<Estimate> {
    let common = one.len().min(other.len());
    let (one, other) = (&one[..common], &other[..common]);
    let share_of = |parts: &[(u64, u64)]| {
        let (hits, of) = parts.iter().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        (of > 0).then(|| (hits as f64 / of as f64, of as f64 / common as f64))
    };
    let ((p, mean), (q, other_mean)) = (share_of(one)?, share_of(other)?);
    let deviation = |((hits, of), (other_hits, other_of)): (&(u64, u64), &(u64, u64))| {
        (*hits as f64 - p * *of as f64) / mean - (*other_hits as f64 - q * *other_of as f64) / other_mean
    };
    let squares = one.iter().zip(other).map(deviation).map(|x| x * x).sum();
    Some(Estimate::around(p - q, half_width(common, squares, confidence)).within(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Concern;

    #[track_caller]
    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }

    #[test]
    fn the_mean_of_a_textbook() {
        // Law, Simulation Modeling and Analysis, 4th ed., example 4.26 uses the same arithmetic: t(9, 0.95) = 1.833.
        let values = [1.20, 1.50, 1.68, 1.89, 0.95, 1.49, 1.58, 1.55, 0.50, 1.09];
        let estimate = mean(&values, 0.90).expect("ten values");
        near(estimate.value, 1.343);
        assert!((estimate.half_width() - 0.24).abs() < 0.005, "{estimate:?}");
    }

    #[test]
    fn one_replication_says_nothing() {
        let estimate = share(&[(9, 10)], 0.95).expect("ten jobs");
        assert_eq!((estimate.low, estimate.high), (0.0, 1.0));
        assert_eq!(mean(&[], 0.95), None);
        assert_eq!(ratio(&[(1.0, 0.0)], 0.95), None);
        assert!(mean(&[3.0], 0.95).expect("a value").half_width().is_infinite());
    }

    #[test]
    fn ends_that_are_not_there_come_back_as_they_went() {
        for (low, high) in [(f64::NEG_INFINITY, f64::INFINITY), (2.5, f64::INFINITY), (f64::INFINITY, f64::INFINITY)] {
            let estimate = Estimate { value: f64::INFINITY, low, high };
            let text = serde_json::to_string(&estimate).expect("JSON");
            assert_eq!(serde_json::from_str::<Estimate>(&text).expect("JSON"), estimate, "{text}");
        }
    }

    #[test]
    fn a_share_of_one_in_every_replication_is_not_certain() {
        let estimate = share(&[(20, 20); 5], 0.95).expect("a hundred jobs");
        assert_eq!((estimate.value, estimate.high), (1.0, 1.0));
        // Wilson's lower end for 100 of 100 is 1 / (1 + z²/100).
        near(estimate.low, 1.0 / (1.0 + 1.959_963_984_540_054_f64.powi(2) / 100.0));
    }

    #[test]
    fn what_plans_have_in_common_cancels_out() {
        let one = [(90, 100), (50, 100), (99, 100), (10, 100)];
        let other = one.map(|(hits, of)| (hits - 5, of));
        let difference = difference_of_shares(&one, &other, 0.95).expect("both have jobs");
        near(difference.value, 0.05);
        near(difference.half_width(), 0.0);
        let apart = share(&one, 0.95).expect("jobs").half_width();
        assert!(apart > 0.3, "taken by themselves the plans could not be told apart: {apart}");
    }

    /// Of a thousand intervals of 90 % about 900 must hold the truth.
    #[test]
    fn intervals_hold_as_often_as_they_say() {
        let concern = Concern::new(11, "coverage");
        let (mut held, experiments) = ([0, 0], 1000);
        for experiment in 0..experiments {
            let mut stream = concern.stream([experiment, 0, 0]);
            // Jobs of a replication share its luck: with chance 0.3 it is a bad one, and only half of its jobs are on time.
            let mut parts = Vec::new();
            for _ in 0..20 {
                let chance = if stream.chance(0.3) { 0.5 } else { 0.9 };
                let jobs = 30 + stream.below(40);
                let hits = (0..jobs).filter(|_| stream.chance(chance)).count();
                parts.push((hits as u64, jobs as u64));
            }
            let holds = |estimate: Estimate, truth: f64| u64::from(estimate.low <= truth && truth <= estimate.high);
            held[0] += holds(share(&parts, 0.9).expect("jobs"), 0.3 * 0.5 + 0.7 * 0.9);
            let floats: Vec<f64> = parts.iter().map(|part| part.1 as f64).collect();
            held[1] += holds(mean(&floats, 0.9).expect("values"), 49.5);
        }
        for (held, what) in held.into_iter().zip(["share", "mean"]) {
            assert!((870..=935).contains(&held), "{what}: {held} of {experiments} intervals of 90 % hold the truth");
        }
    }

    /// A share that a few bad months decide is not shown to be greater than it is more often than that: of a thousand
    /// intervals of 90 %, fifty may lie above it. (Symmetric ones would in some 120.)
    #[test]
    fn bad_months_that_have_not_come_are_reckoned_with() {
        let concern = Concern::new(13, "coverage of high shares");
        let truth = 1.0 - (0.25 * 0.2 + 0.75 * 0.01);
        let (mut above, mut below, experiments) = (0, 0, 1000);
        for experiment in 0..experiments {
            let mut stream = concern.stream([experiment, 0, 0]);
            let mut parts = Vec::new();
            for _ in 0..20 {
                let late = if stream.chance(0.25) { 0.4 * stream.unit() } else { 0.01 };
                let hits = (0..200).filter(|_| stream.chance(1.0 - late)).count();
                parts.push((hits as u64, 200));
            }
            let estimate = share(&parts, 0.9).expect("jobs");
            above += u64::from(estimate.low > truth);
            below += u64::from(estimate.high < truth);
        }
        assert!(above < 85 && below < 85, "of {experiments} intervals {above} lie above the truth, {below} below");
    }
}
