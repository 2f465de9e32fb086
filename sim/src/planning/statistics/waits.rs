//! A set of waits in little memory.

use serde::{Deserialize, Serialize};
use yardmaster_engine::Span;

/// Waits of any number of jobs, in whole seconds of three significant digits, rounded up: memory does not grow with the number
/// of jobs, and whether a wait is within a limit that has three significant digits itself (600 s, 3,600 s) stays exact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// Seconds, ascending, and how many jobs waited so long.
    counts: Vec<(u64, u64)>,
    /// Jobs that never got what they waited for.
    never: u64,
}

fn rounded(wait: Span) -> u64 {
    let seconds = u64::try_from(wait.0.max(0)).unwrap_or(0).div_ceil(1_000_000);
    let mut step = 1;
    while seconds.div_ceil(step) > 999 {
        step *= 10;
    }
    seconds.div_ceil(step) * step
}

/// Of waits; `None` = it never ended.
impl FromIterator<Option<Span>> for Waits {
    fn from_iter<I: IntoIterator<Item = Option<Span>>>(waits: I) -> Waits {
        let mut never = 0;
        let count_never = |wait: Option<Span>| {
            never += u64::from(wait.is_none());
            wait.map(rounded)
        };
        let mut ended: Vec<u64> = waits.into_iter().filter_map(count_never).collect();
        ended.sort_unstable();
        let counts = ended.chunk_by(|one, next| one == next).map(|same| (same[0], same.len() as u64)).collect();
        Waits { counts, never }
    }
}

impl Waits {
    /// Adds all waits of another set.
    pub fn merge(&mut self, other: &Waits) {
        self.never += other.never;
        if other.counts.is_empty() {
            return;
        }
        let mut all = std::mem::take(&mut self.counts);
        all.extend_from_slice(&other.counts);
        all.sort_unstable();
        all.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 += if same { next.1 } else { 0 };
            same
        });
        self.counts = all;
    }

    /// How many jobs there are.
    pub fn jobs(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum::<u64>() + self.never
    }

    /// How many never got what they waited for.
    pub fn never(&self) -> u64 {
        self.never
    }

    /// How many waited no longer than this.
    pub fn within(&self, limit: Span) -> u64 {
        // A wait was rounded up within its whole seconds; so is the limit rounded down.
        let limit = u64::try_from(limit.0.max(0)).unwrap_or(0) / 1_000_000;
        self.counts.iter().take_while(|(wait, _)| *wait <= limit).map(|(_, count)| count).sum()
    }

    /// The wait in seconds that at least `percent` (0 to 100) in a hundred jobs did not exceed: the value of rank
    /// ⌈percent / 100 · n⌉. Infinite where that job never got what it waited for, `None` without jobs.
    pub fn quantile(&self, percent: f64) -> Option<f64> {
        let jobs = self.jobs();
        if jobs == 0 {
            return None;
        }
        // 95 % of 20 jobs are 19 jobs, although 0.95 × 20 is a little more as a floating-point number.
        let rank = ((percent * jobs as f64 / 100.0 - 1e-9).ceil() as u64).clamp(1, jobs);
        let mut seen = 0;
        let reached = self.counts.iter().find(|(_, count)| {
            seen += count;
            seen >= rank
        });
        Some(reached.map_or(f64::INFINITY, |(wait, _)| *wait as f64))
    }

    /// Their mean in seconds, without those that never ended; `None` if there are none.
    pub fn mean(&self) -> Option<f64> {
        let ended = self.jobs() - self.never;
        let sum: u64 = self.counts.iter().map(|(wait, count)| wait * count).sum();
        (ended > 0).then(|| sum as f64 / ended as f64)
    }

    /// Waits in seconds, ascending, with how many jobs waited so long.
    pub fn counts(&self) -> &[(u64, u64)] {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(seconds: &[f64]) -> Waits {
        seconds.iter().map(|wait| Some(Span::from_seconds_f64(*wait))).collect()
    }

    #[test]
    fn limits_of_three_digits_are_exact() {
        let waits = waits(&[599.9, 600.0, 600.000001, 3599.0, 3600.0, 3600.5]);
        assert_eq!(waits.within(Span::from_seconds(600)), 2);
        assert_eq!(waits.within(Span::from_seconds(3600)), 5);
        assert_eq!(waits.within(Span::from_seconds(3610)), 6);
    }

    #[test]
    fn quantiles_are_those_of_nearest_rank() {
        let mut waits = waits(&(1..=20).map(f64::from).collect::<Vec<_>>());
        assert_eq!(waits.quantile(95.0), Some(19.0));
        assert_eq!(waits.quantile(50.0), Some(10.0));
        assert_eq!(waits.quantile(100.0), Some(20.0));
        waits.merge(&std::iter::once(None).collect());
        assert_eq!(waits.quantile(100.0), Some(f64::INFINITY));
        assert_eq!((waits.jobs(), waits.never()), (21, 1));
        assert_eq!(Waits::default().quantile(50.0), None);
    }

    #[test]
    fn sets_join() {
        let mut one = waits(&[1.0, 2.0]);
        one.merge(&waits(&[2.0, 30_001.0]));
        assert_eq!(one.counts(), [(1, 1), (2, 2), (30_100, 1)]);
        assert_eq!(one.mean(), Some((1.0 + 2.0 + 2.0 + 30_100.0) / 4.0));
    }
}
