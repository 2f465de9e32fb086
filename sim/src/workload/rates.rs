//! Moments at random: so many an hour, by the hour of the day or of the week, and on some days more than on others.

use yardmaster_engine::Time;

use super::distribution::{Distribution, DistributionSpec};
use super::error::ScenarioError;
use super::jobs::JOBS_MAX;
use super::random::{Concern, Stream};
use super::source::Source;

const HOUR: f64 = 3600.0;
const DAY_HOURS: usize = 24;
const WEEK_HOURS: usize = 168;
/// The Unix epoch was a Thursday; hour 0 of a week is Monday's first.
const EPOCH_HOUR_OF_WEEK: i64 = 3 * 24;
/// The fastest arrivals, per hour.
const RATE_MAX: f64 = 1e9;
const DAY_SECONDS: i64 = 86_400;
/// A profile refuses most of its candidates; the limit is on what is drawn, so that every series ends.
const CANDIDATES_MAX: usize = JOBS_MAX * 8;

/// Rates of arrivals, checked.
#[derive(Debug)]
pub(super) struct Rates {
    /// One for all hours, 24 for those of the day, or 168 for those of the week.
    per_hour: Vec<f64>,
    peak: f64,
    /// What each day's rates are multiplied by.
    day_factor: Option<Distribution>,
}

/// There are more moments than a scenario may have jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("comes to more than {JOBS_MAX} jobs")]
pub(super) struct TooMany;

impl Rates {
    /// Checks one rate, which must be above 0; `key` is where it stands.
    pub(super) fn even(
        source: &Source,
        key: &str,
        per_hour: f64,
        day_factor: Option<&DistributionSpec>,
    ) -> Result<Rates, ScenarioError> {
        let peak = rate(source, &format!("{key}.per_hour"), per_hour)?;
        let day_factor = Distribution::optional(source, &format!("{key}.day_factor"), day_factor)?;
        Ok(Rates { per_hour: vec![peak], peak, day_factor })
    }

    /// Checks rates by hour, of which one must be above 0; `key` is where they stand.
    pub(super) fn by_hour(
        source: &Source,
        key: &str,
        per_hour: &[f64],
        day_factor: Option<&DistributionSpec>,
    ) -> Result<Rates, ScenarioError> {
        let (list, hours) = (format!("{key}.per_hour"), per_hour.len());
        if hours != DAY_HOURS && hours != WEEK_HOURS {
            let problem = format_args!("needs 24 rates (a day) or 168 (a week from Monday), not {hours}");
            return Err(source.wrong(&list, problem));
        }
        if let Some(bad) = per_hour.iter().find(|rate| !(0.0..=RATE_MAX).contains(*rate)) {
            return Err(source.wrong(&list, format_args!("must hold rates ≥ 0 and ≤ {RATE_MAX}, not {bad}")));
        }
        let peak = rate(source, &list, per_hour.iter().copied().fold(0.0, f64::max))?;
        let day_factor = Distribution::optional(source, &format!("{key}.day_factor"), day_factor)?;
        Ok(Rates { per_hour: per_hour.to_vec(), peak, day_factor })
    }

    /// The moments of a series from this one on; `name` is what its days' luck hangs on.
    pub(super) fn moments(&self, from: Time, seed: u64, name: &str) -> Moments<'_> {
        let days = self.day_factor.as_ref().map(|factor| (factor, Concern::new(seed, &format!("days {name}"))));
        let mut moments = Moments { rates: self, days, clock: from, day: 0, factor: 1.0, candidates: 0 };
        moments.look_up_day();
        moments
    }

    fn at(&self, time: Time) -> f64 {
        let offset = if self.per_hour.len() == WEEK_HOURS { EPOCH_HOUR_OF_WEEK } else { 0 };
        let hour = (time.as_seconds().div_euclid(3600) + offset).rem_euclid(self.per_hour.len() as i64);
        self.per_hour.get(hour as usize).copied().unwrap_or(0.0)
    }
}

/// Checks a rate, which must be above 0.
fn rate(source: &Source, key: &str, rate: f64) -> Result<f64, ScenarioError> {
    if rate > 0.0 && rate <= RATE_MAX {
        return Ok(rate);
    }
    Err(source.wrong(key, format_args!("must be a rate > 0 and ≤ {RATE_MAX}, not {rate}")))
}

/// A series of moments, drawn one after the other.
pub(super) struct Moments<'a> {
    rates: &'a Rates,
    days: Option<(&'a Distribution, Concern)>,
    clock: Time,
    day: i64,
    factor: f64,
    candidates: usize,
}

impl Moments<'_> {
    /// The next moment, if it lies before `to`.
    pub(super) fn next_before(&mut self, to: Time, stream: &mut Stream) -> Result<Option<Time>, TooMany> {
        while self.candidates < CANDIDATES_MAX {
            self.candidates += 1;
            let mean = HOUR / (self.rates.peak * self.factor);
            let next = self.clock + Distribution::Exponential { mean, max: f64::MAX }.next_span(stream);
            let midnight = Time::from_seconds((self.day + 1) * DAY_SECONDS);
            // Tomorrow has a rate of its own; of what has not happened until midnight nothing is known then.
            if self.days.is_some() && next >= midnight {
                self.clock = midnight;
                self.look_up_day();
            } else {
                self.clock = next;
            }
            if self.clock >= to {
                return Ok(None);
            }
            let even = self.rates.per_hour.len() == 1;
            if self.clock == next && (even || stream.chance(self.rates.at(next) / self.rates.peak)) {
                return Ok(Some(next));
            }
        }
        Err(TooMany)
    }

    fn look_up_day(&mut self) {
        if let Some((factor, concern)) = &self.days {
            self.day = self.clock.as_seconds().div_euclid(DAY_SECONDS);
            self.factor = factor.quantile(concern.stream([self.day.cast_unsigned(), 0, 0]).unit());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yardmaster_engine::Span;

    #[test]
    fn the_epochs_first_hour_lies_on_a_thursday() {
        let mut per_hour = vec![0.0; 168];
        per_hour[72] = 1.0;
        let rates = Rates { per_hour, peak: 1.0, day_factor: None };
        assert_eq!((rates.at(Time(0)), rates.at(Time::from_seconds(3600))), (1.0, 0.0));
    }

    #[test]
    fn days_differ_by_their_factor_and_by_no_more_than_chance_without() {
        let dispersion = |day_factor| {
            let rates = Rates { per_hour: vec![2.0], peak: 2.0, day_factor };
            let mut moments = rates.moments(Time(0), 1, "test");
            let mut stream = Concern::new(1, "test").stream([0; 3]);
            let mut days = vec![0.0; 2000];
            let to = Time(0) + Span::from_hours(24 * 2000);
            while let Some(moment) = moments.next_before(to, &mut stream).expect("few") {
                days[(moment.as_seconds() / DAY_SECONDS) as usize] += 1.0;
            }
            let mean = days.iter().sum::<f64>() / 2000.0;
            assert!((mean - 48.0).abs() < 1.5, "{mean}");
            days.iter().map(|day| (day - mean).powi(2)).sum::<f64>() / 1999.0 / mean
        };
        let even = dispersion(None);
        assert!((even - 1.0).abs() < 0.1, "{even}");
        // Half the days have the rate 1, the others 3 jobs an hour: variance 48 + 24², mean 48.
        let uneven = dispersion(Some(Distribution::Empirical(vec![0.5, 1.5])));
        assert!((uneven - 13.0).abs() < 1.0, "{uneven}");
    }
}
