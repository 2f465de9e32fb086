//! Waits of the jobs of many replications, and their quantiles.

use std::cmp::Ordering;

use super::estimate::{Estimate, half_width, normal};
use super::waits::Waits;

/// The waits of all replications together, with what tells how much replications differ. Memory does not grow with their number.
#[derive(Debug, Clone, Default)]
pub struct Sections {
    all: Waits,
    /// Ascending: one for every wait that occurs.
    steps: Vec<Step>,
    /// Of the jobs of each replication, the sum of squares.
    jobs_squared: u64,
}

/// The jobs that waited no longer than this: of all replications, and sums over these.
#[derive(Debug, Clone, Copy, Default)]
struct Step {
    wait: u64,
    within: u64,
    /// The sum of their squares.
    squared: u64,
    /// The sum of their products with the replication's jobs.
    by_jobs: u64,
}

impl Sections {
    /// Adds a replication.
    pub fn add(&mut self, section: &Waits) {
        let jobs = section.jobs();
        self.all.merge(section);
        self.jobs_squared += jobs * jobs;
        let (mut old, mut new) = (self.steps.iter().peekable(), section.counts().iter().peekable());
        let mut steps = Vec::with_capacity(self.steps.len() + section.counts().len());
        // As it was, and of this replication, for waits up to where the two have been read.
        let (mut before, mut within) = (Step::default(), 0);
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some((wait, _))) => old.wait.cmp(wait),
            };
            let mut wait = 0;
            if order.is_le()
                && let Some(step) = old.next()
            {
                (before, wait) = (*step, step.wait);
            }
            if order.is_ge()
                && let Some((its, count)) = new.next()
            {
                within += count;
                wait = *its;
            }
            steps.push(Step {
                wait,
                within: before.within + within,
                squared: before.squared + within * within,
                by_jobs: before.by_jobs + within * jobs,
            });
        }
        self.steps = steps;
    }

    /// All waits together.
    pub fn all(&self) -> &Waits {
        &self.all
    }

    /// A quantile of all jobs' waits in seconds, of so many replications (those without jobs included). `None` without jobs.
    ///
    /// The interval is R. S. Woodruff's (JASA 47, 1952): the share of jobs that wait no longer than the estimate is a ratio with a
    /// standard error from the replications; the waits of those shares that Student's quantile of this error allows around the
    /// wanted one are its ends. So it is as lopsided as the waits are. An end at which there are no jobs left is open: 0,
    /// or infinite. It is never narrower than for as many independent jobs: replications that are all alike do not make it certain.
    pub fn quantile(&self, percent: f64, replications: u32, confidence: f64) -> Option<Estimate> {
        let value = self.all.quantile(percent)?;
        let share = percent / 100.0;
        let jobs = self.all.jobs() as f64;
        let of_jobs = normal(confidence) * (share * (1.0 - share) / jobs).sqrt();
        let half_width = self.share_half_width(value, replications, confidence).max(of_jobs);
        let end = |share: f64| match share {
            none if none <= 0.0 => 0.0,
            all if all >= 1.0 => f64::INFINITY,
            share => self.all.quantile(100.0 * share).unwrap_or(f64::INFINITY),
        };
        Some(Estimate { value, low: end(share - half_width), high: end(share + half_width) })
    }

    /// How uncertain the share of jobs is that wait no longer than this.
    fn share_half_width(&self, wait: f64, replications: u32, confidence: f64) -> f64 {
        let within = self.steps.partition_point(|step| step.wait as f64 <= wait);
        let jobs = self.all.jobs() as f64;
        let of_step = |step: &Step| {
            let share = step.within as f64 / jobs;
            let (squared, by_jobs, jobs_squared) = (step.squared as f64, step.by_jobs as f64, self.jobs_squared as f64);
            let squares = (squared - 2.0 * share * by_jobs + share * share * jobs_squared).max(0.0);
            half_width(replications as usize, squares, confidence) * f64::from(replications) / jobs
        };
        // Where many jobs wait equally long, the wanted share lies between that of this step and that of the one before.
        let none = half_width(replications as usize, 0.0, confidence);
        self.steps[within.saturating_sub(2)..within].iter().map(of_step).fold(none, f64::max)
    }

    /// How many jobs there must be, whatever they wait, for a quantile's interval to have an upper end.
    pub fn jobs_needed(percent: f64, confidence: f64) -> u64 {
        (normal(confidence).powi(2) * percent / (100.0 - percent)).floor() as u64 + 1
    }
}

#[cfg(test)]
mod tests {
    use statrs::distribution::{ContinuousCDF, LogNormal};
    use yardmaster_engine::Span;

    use super::*;
    use crate::workload::Concern;

    fn waits(seconds: &[u32]) -> Waits {
        seconds.iter().map(|wait| Some(Span::from_seconds(i64::from(*wait)))).collect()
    }

    fn together(sections: &[Waits]) -> Sections {
        let mut all = Sections::default();
        sections.iter().for_each(|section| all.add(section));
        all
    }

    /// By hand: of 3 and 5 jobs, 2 and 5 wait at most 20 s. Their share is 7/8; the deviations, 2 − 3 · 7/8 and 5 − 5 · 7/8, are
    /// ∓5/8. Less than 20 s wait 1 and 4; their share is 5/8, and the deviations are ∓7/8, which is more. Student's quantile for
    /// two values is 1 where the confidence is a half.
    #[test]
    fn the_arithmetic() {
        let all = together(&[waits(&[10, 20, 90]), waits(&[5, 10, 10, 15, 20])]);
        let half_width = all.share_half_width(20.0, 2, 0.5);
        assert!((half_width - 7.0 / 8.0 / 4.0).abs() < 1e-9, "{half_width}");
        // The order does not matter.
        let turned = together(&[waits(&[5, 10, 10, 15, 20]), waits(&[10, 20, 90])]);
        assert!((turned.share_half_width(20.0, 2, 0.5) - half_width).abs() < 1e-9);
        // 3/4 ± 0.22 of the jobs: of eight the fifth, and the last (as many independent jobs would have ± 0.10).
        let estimate = all.quantile(75.0, 2, 0.5).expect("eight jobs");
        assert_eq!((estimate.low, estimate.value, estimate.high), (15.0, 20.0, 90.0));
    }

    /// Two bad replications of twenty: whether one in ten or one in five of all are bad cannot be told from them, though all of their
    /// jobs wait equally long.
    #[test]
    fn equal_waits_are_not_certain() {
        let [good, bad] = [5, 60].map(|wait| waits(&[wait; 100]));
        let all = together(&[vec![good; 18], vec![bad; 2]].concat());
        let estimate = all.quantile(95.0, 20, 0.95).expect("jobs");
        assert_eq!((estimate.low, estimate.value, estimate.high), (5.0, 60.0, f64::INFINITY));
    }

    #[test]
    fn few_jobs_have_no_upper_end_whatever_they_wait() {
        for (percent, needed) in [(50.0, 4), (95.0, 73), (99.0, 381)] {
            assert_eq!(Sections::jobs_needed(percent, 0.95), needed);
            let high = |jobs: u64| {
                let same =
                    together(&[waits(&vec![7; jobs as usize / 2]), waits(&vec![7; jobs as usize - jobs as usize / 2])]);
                same.quantile(percent, 2, 0.95).expect("jobs").high
            };
            assert_eq!((high(needed), high(needed - 1)), (7.0, f64::INFINITY), "p{percent}");
        }
    }

    #[test]
    fn what_few_jobs_leave_open_is_open() {
        let few = together(&[waits(&[90, 92]), waits(&[90, 92])]);
        let estimate = few.quantile(95.0, 2, 0.95).expect("four jobs");
        assert_eq!((estimate.low, estimate.value, estimate.high), (92.0, 92.0, f64::INFINITY));
        let one = together(&[waits(&[90, 92])]).quantile(50.0, 1, 0.95).expect("two jobs");
        assert_eq!((one.low, one.value, one.high), (0.0, 90.0, f64::INFINITY));
        assert_eq!(Sections::default().quantile(50.0, 3, 0.95), None);
    }

    #[test]
    fn what_never_starts_has_waits_without_end() {
        let never: Waits = std::iter::repeat_n(None, 9).chain([Some(Span::from_seconds(5))]).collect();
        let estimate = together(&[never.clone(), never]).quantile(50.0, 2, 0.95).expect("twenty jobs");
        assert!(estimate.value.is_infinite() && estimate.low.is_infinite(), "{estimate:?}");
        let some: Waits = std::iter::repeat_n(Some(Span::from_seconds(5)), 80).chain([None; 20]).collect();
        let estimate = together(&[some.clone(), some]).quantile(80.0, 2, 0.95).expect("jobs");
        assert_eq!((estimate.low, estimate.value, estimate.high), (5.0, 5.0, f64::INFINITY));
    }

    /// Of 500 intervals of 90 % about 450 must hold the truth: where jobs have nothing in common, and where each
    /// replication is a bad or a good one for all of its jobs.
    #[test]
    fn intervals_hold_as_often_as_they_say() {
        let concern = Concern::new(12, "coverage of quantiles");
        let luck = LogNormal::new(0.0, 0.7).expect("a law");
        // Waits are rounded up to whole seconds. Those of shared luck are quantiles of a mixture, found by numerical integration.
        for (number, (shared, percent, truth)) in
            [(false, 90.0, 231.0), (true, 50.0, 66.0), (true, 90.0, 308.0), (true, 95.0, 454.0)].into_iter().enumerate()
        {
            let (mut held, mut below, experiments) = (0, 0, 500);
            for experiment in 0..experiments {
                let mut stream = concern.stream([number as u64, experiment, 0]);
                let mut all = Sections::default();
                for _ in 0..20 {
                    let scale = if shared { 100.0 * luck.inverse_cdf(stream.unit()) } else { 100.0 };
                    let mut wait = || Some(Span::from_seconds_f64(-scale * (1.0 - stream.unit()).ln()));
                    all.add(&(0..100).map(|_| wait()).collect());
                }
                let estimate = all.quantile(percent, 20, 0.9).expect("waits");
                held += u64::from(estimate.low <= truth && truth <= estimate.high);
                below += u64::from(estimate.high < truth);
            }
            assert!(
                (430..=475).contains(&held),
                "p{percent}: {held} of {experiments} intervals of 90 % hold the truth"
            );
            assert!(below < 40, "p{percent}: {below} of {experiments} intervals of 90 % lie below the truth");
        }
    }
}
