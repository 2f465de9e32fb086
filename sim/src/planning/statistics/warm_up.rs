//! How much of a run's beginning to leave out.
//!
//! A simulated lab begins empty, a real one does not. The rule is MSER-5 (K. P. White, M. J. Cobb, S. C. Spratt, *A comparison
//! of five steady-state truncation heuristics for simulation*, WSC 2000): of all beginnings up to half of the run, leave out
//! the one after which the mean of what remains is known best.

use serde::{Deserialize, Serialize};

/// Values that are taken together before the rule is applied.
const BATCH: usize = 5;

/// What MSER-5 says of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmUp {
    /// So many values are to be left out.
    pub values: usize,
    /// Whether the rule found the best beginning before the half of the series: otherwise the series is too short for its
    /// transient, or does not settle at all.
    pub settled: bool,
}

/// Where the transient at the beginning of a series ends.
pub fn warm_up(series: &[f64]) -> WarmUp {
    let batches: Vec<f64> = series.chunks_exact(BATCH).map(|batch| batch.iter().sum::<f64>() / BATCH as f64).collect();
    let candidates = batches.len() / 2;
    let error = |left_out: usize| {
        let rest = &batches[left_out..];
        let count = rest.len() as f64;
        let mean = rest.iter().sum::<f64>() / count;
        rest.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (count * count)
    };
    let errors = (0..=candidates).map(|left_out| (left_out, error(left_out)));
    // Of equally good ones the shortest: nothing is left out of a series that never changes.
    let best = errors.reduce(|best, next| if next.1 < best.1 { next } else { best });
    let left_out = best.map_or(0, |(left_out, _)| left_out);
    WarmUp { values: left_out * BATCH, settled: left_out < candidates || candidates == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Concern;

    #[test]
    fn a_transient_is_left_out() {
        let mut stream = Concern::new(4, "noise").stream([0; 3]);
        let series: Vec<f64> = (0..1000)
            .map(|hour| 10.0 * (1.0 - (-f64::from(hour) / 40.0).exp()) + 2.0 * (stream.unit() - 0.5))
            .collect();
        let found = warm_up(&series);
        // Three to five times the time constant is what textbooks leave out.
        assert!((80..=220).contains(&found.values) && found.settled, "{found:?}");
    }

    #[test]
    fn nothing_is_left_out_without_a_transient() {
        assert_eq!(warm_up(&[3.0; 100]), WarmUp { values: 0, settled: true });
        assert_eq!(warm_up(&[]), WarmUp { values: 0, settled: true });
    }

    #[test]
    fn what_only_grows_does_not_settle() {
        let growing: Vec<f64> = (0..500).map(f64::from).collect();
        assert!(!warm_up(&growing).settled);
    }
}
