//! How long things of one kind last, and how they end, as far as has been seen; and what that says of one that has lasted
//! for a while already.
//!
//! The estimator is Kaplan and Meier's (1958): whatever was aborted, or still runs, has lasted *at least* so long. Three
//! things are added, so that few observations do not pass for certainty:
//!
//! * One more observation is thought to lie beyond all others: the next one is the longest of n + 1 with the chance
//!   1 / (n + 1). What lies beyond the longest follows an exponential law, fitted by maximum likelihood to what is above the
//!   upper quartile. With the same chance the next one is the shortest: as far below the shortest yet, in proportion, as that
//!   one is below the lower quartile.
//! * Between two ends that were seen, the curve is a straight line.
//! * Every replication weighs the observations anew, with independent exponential weights: Rubin's Bayesian bootstrap
//!   (1981), for censored observations as Lo (1993) has it. All draws of one replication share the weights, so that the
//!   doubt about a profile does not average out over its jobs.
//!
//! Things that have always taken the same time are forecast to take that time.

use crate::workload::Stream;

/// Observations kept of one kind, the latest: older ones say less of today's lab and cost time in every replication.
pub(super) const KEPT_MAX: usize = 1000;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending {
    /// Wait status.
    pub(super) exit_status: i32,
    /// How many of its tests failed.
    pub(super) tests_failed: u32,
}

/// One process that was seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Observation {
    /// How long it lasted, at least, in seconds.
    pub(super) seconds: f64,
    /// How it ended; `None`: it was aborted, or still runs.
    pub(super) ending: Option<Ending>,
}

/// What was seen of one kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Lifetimes {
    /// Ascending; of equals those that ended come first.
    observations: Vec<Observation>,
    events: usize,
    longest: Option<f64>,
    /// Nothing is shorter than this, in seconds.
    least: f64,
    /// Mean of what lies beyond the longest, in seconds.
    tail: f64,
}

impl Lifetimes {
    /// From observations in the order in which they were made.
    pub(super) fn new(mut observations: Vec<Observation>) -> Lifetimes {
        let surplus = observations.len().saturating_sub(KEPT_MAX);
        observations.drain(..surplus);
        observations.retain(|seen| seen.seconds.is_finite() && seen.seconds >= 0.0);
        observations.sort_by(|a, b| a.seconds.total_cmp(&b.seconds).then(a.ending.is_none().cmp(&b.ending.is_none())));
        let ends: Vec<f64> =
            observations.iter().filter(|seen| seen.ending.is_some()).map(|seen| seen.seconds).collect();
        let tail = tail(&observations, &ends);
        Lifetimes { events: ends.len(), longest: ends.last().copied(), least: least(&ends), tail, observations }
    }

    /// How many ends were seen.
    pub(super) fn events(&self) -> usize {
        self.events
    }

    /// The longest that was seen to its end, in seconds.
    pub(super) fn longest(&self) -> Option<f64> {
        self.longest
    }

    /// The curve of one replication.
    pub(super) fn curve(&self, weights: &mut Stream) -> Curve {
        let exponential: Vec<f64> = self.observations.iter().map(|_| -libm::log(weights.unit())).collect();
        let mut at_risk = exponential.iter().sum::<f64>() - libm::log(weights.unit());
        let mut points = Vec::with_capacity(self.events + 1);
        let mut survival = 1.0;
        for (seen, weight) in self.observations.iter().zip(exponential) {
            if let Some(ending) = seen.ending {
                if points.is_empty() {
                    points.push(Point { seconds: self.least, survival, ending });
                }
                survival *= 1.0 - weight / at_risk;
                points.push(Point { seconds: seen.seconds, survival, ending });
            }
            at_risk -= weight;
        }
        Curve { points, tail: self.tail }
    }
}

/// As far below the shortest as that is below the lower quartile, in proportion.
fn least(ends: &[f64]) -> f64 {
    match (ends.first(), ends.get(ends.len() / 4)) {
        (Some(shortest), Some(quartile)) if *quartile > 0.0 => shortest * (shortest / quartile),
        _ => 0.0,
    }
}

/// The mean excess over the upper quartile of the ends, all observations beyond it counting as time under watch.
fn tail(observations: &[Observation], ends: &[f64]) -> f64 {
    let Some(quartile) = ends.get(ends.len().saturating_sub(1) * 3 / 4) else { return 0.0 };
    // The quartile itself is among the larger ones: at least one end is always counted.
    let beyond = ends.iter().filter(|seconds| *seconds >= quartile).count().max(1);
    let watched: f64 = observations.iter().map(|seen| (seen.seconds - quartile).max(0.0)).sum();
    watched / beyond as f64
}

#[derive(Debug, Clone, Copy)]
struct Point {
    seconds: f64,
    /// Share that lasts longer.
    survival: f64,
    ending: Ending,
}

/// The curve of survival of one kind in one replication; at least one end was seen.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    /// Ascending in time; the first is where all still last.
    points: Vec<Point>,
    tail: f64,
}

impl Curve {
    /// How long one lasts in all, in seconds, that has lasted `age` already, and how it ends. `luck` is within (0, 1): the
    /// luckless last longest. `None` where no end was ever seen.
    pub(super) fn draw(&self, age: Option<f64>, luck: f64) -> Option<(f64, Ending)> {
        let last = self.points.last()?;
        let survival = age.map_or(1.0, |age| self.survival(age)) * luck;
        let index = self.points.partition_point(|point| point.survival > survival);
        let Some(point) = self.points.get(index) else {
            let beyond = -libm::log(survival / last.survival) * self.tail;
            let from = age.map_or(last.seconds, |age| age.max(last.seconds));
            let beyond = match age {
                // Where everything beyond follows the exponential law, what lies behind does not matter.
                Some(age) if age > last.seconds => -libm::log(luck) * self.tail,
                Some(_) | None => beyond,
            };
            return Some((from + beyond, last.ending));
        };
        let Some(before) = index.checked_sub(1).and_then(|index| self.points.get(index)) else {
            return Some((age.map_or(point.seconds, |age| age.max(point.seconds)), point.ending));
        };
        let share = (before.survival - survival) / (before.survival - point.survival);
        let seconds = before.seconds + (point.seconds - before.seconds) * share.clamp(0.0, 1.0);
        Some((age.map_or(seconds, |age| age.max(seconds)), point.ending))
    }

    /// The share that lasts longer than this.
    fn survival(&self, age: f64) -> f64 {
        let index = self.points.partition_point(|point| point.seconds <= age);
        let Some(before) = index.checked_sub(1).and_then(|index| self.points.get(index)) else { return 1.0 };
        match self.points.get(index) {
            Some(point) => {
                let share = (age - before.seconds) / (point.seconds - before.seconds);
                before.survival + (point.survival - before.survival) * share
            }
            None => before.survival,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Concern;

    const WELL: Ending = Ending { exit_status: 0, tests_failed: 0 };

    fn ended(seconds: f64) -> Observation {
        Observation { seconds, ending: Some(WELL) }
    }

    fn censored(seconds: f64) -> Observation {
        Observation { seconds, ending: None }
    }

    fn draws(lifetimes: &Lifetimes, age: Option<f64>) -> Vec<f64> {
        let (weights, luck) = (Concern::new(1, "weights"), Concern::new(1, "luck"));
        let draw = |number| {
            let curve = lifetimes.curve(&mut weights.stream([number, 0, 0]));
            curve.draw(age, luck.stream([number, 0, 0]).unit()).expect("an end was seen").0
        };
        let mut draws: Vec<f64> = (0..4000).map(draw).collect();
        draws.sort_by(f64::total_cmp);
        draws
    }

    #[test]
    fn what_always_takes_as_long_will_take_as_long() {
        let lifetimes = Lifetimes::new(vec![ended(60.0); 7]);
        assert!(draws(&lifetimes, None).iter().all(|seconds| *seconds == 60.0));
        assert!(draws(&lifetimes, Some(59.0)).iter().all(|seconds| *seconds == 60.0));
    }

    #[test]
    fn nobody_is_younger_than_he_is() {
        let lifetimes = Lifetimes::new((1..=50).map(|seconds| ended(f64::from(seconds))).collect());
        for age in [0.0, 0.5, 1.0, 17.3, 49.9, 50.0, 80.0] {
            let draws = draws(&lifetimes, Some(age));
            assert!(draws.iter().all(|seconds| *seconds >= age), "{age}");
        }
        // Uniform within 17.3 and 50: the median is half way.
        let median = draws(&lifetimes, Some(17.3))[2000];
        assert!((31.0..37.0).contains(&median), "{median}");
    }

    /// An exponential law forgets its age, also beyond everything that was seen.
    #[test]
    fn a_memoryless_law_stays_memoryless() {
        let exponential = |number: u32| ended(-100.0 * libm::log((f64::from(number) + 0.5) / 400.0));
        let lifetimes = Lifetimes::new((0..400).map(exponential).collect());
        for age in [0.0, 100.0, 300.0] {
            let draws = draws(&lifetimes, Some(age));
            let mean = draws.iter().map(|seconds| seconds - age).sum::<f64>() / draws.len() as f64;
            assert!((80.0..125.0).contains(&mean), "{age}: {mean}");
        }
    }

    /// Half of them were aborted after ten seconds: their ends are still to come, and are not taken for ends.
    #[test]
    fn what_was_aborted_lasted_at_least_so_long() {
        let observations = (0..100).map(|number| if number % 2 == 0 { censored(10.0) } else { ended(20.0) });
        let draws = draws(&Lifetimes::new(observations.collect()), None);
        assert!(draws.iter().all(|seconds| *seconds == 20.0));
    }

    /// Of n + 1 exchangeable ones the last is the longest with the chance 1 / (n + 1), and the shortest.
    #[test]
    fn few_observations_leave_room_beyond_them() {
        let lifetimes = Lifetimes::new(vec![ended(10.0), ended(20.0), ended(30.0), ended(40.0)]);
        let draws = draws(&lifetimes, None);
        let (below, beyond) =
            (draws.partition_point(|drawn| *drawn < 10.0), draws.partition_point(|drawn| *drawn <= 40.0));
        assert!((700..900).contains(&below), "{below} of 4000, expected 800");
        assert!((3100..3300).contains(&beyond), "{beyond} of 4000, expected 3200");
    }

    #[test]
    fn only_the_latest_are_kept() {
        let mut observations = vec![ended(1.0); 10];
        observations.extend(vec![ended(2.0); KEPT_MAX]);
        assert!(draws(&Lifetimes::new(observations), None).iter().all(|seconds| *seconds == 2.0));
        assert_eq!(Lifetimes::new(Vec::new()).longest(), None);
        assert!(
            Lifetimes::new(vec![censored(5.0)])
                .curve(&mut Concern::new(1, "").stream([0; 3]))
                .draw(None, 0.5)
                .is_none()
        );
    }
}
