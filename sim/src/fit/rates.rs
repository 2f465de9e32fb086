//! At which rate moments come, by the hour of the day and of the week, and how much days differ beyond that.

use std::collections::BTreeMap;

use yardmaster_engine::{Span, Time};

use super::sample::significant;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// The Unix epoch was a Thursday; hour 0 of a week is Monday's first.
const EPOCH_HOUR_OF_WEEK: i64 = 3 * 24;
/// With fewer moments no rhythm is looked for.
const MOMENTS_FOR_RHYTHM: usize = 50;
/// With fewer days neither weekdays nor the days' difference are looked for.
const DAYS_ENOUGH: usize = 14;
/// How many moments' weight the even rate has against that of an hour or weekday, and those two together against an hour
/// of the week.
const PRIOR_MOMENTS: f64 = 10.0;
/// Standard normal quantile of 0.99: what chance brings once in a hundred is taken for chance.
const Z99: f64 = 2.326_347_874_040_841;

/// How often something happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Rate {
    /// Times an hour: one figure, 24 for the hours of the day (UTC), or 168 for those of the week, from Monday.
    pub per_hour: Vec<f64>,
    /// How many moments it rests on.
    pub moments: usize,
    /// How much days differ beyond chance: sigma of a lognormal factor of mean 1.
    pub day_sigma: Option<f64>,
}

impl Rate {
    /// The rate of these moments, all of which lie from `from` up to, not including, `to`. `None` without any.
    pub fn of(moments: &[Time], from: Time, to: Time) -> Option<Rate> {
        let counts = Counts::new(moments, from, to);
        let hours = (to - from).as_seconds_f64() / HOUR as f64;
        if moments.is_empty() || hours <= 0.0 {
            return None;
        }
        let even = moments.len() as f64 / hours;
        let week = counts.rhythm(even, counts.seen_days());
        let day_sigma = counts.day_sigma(&week);
        let per_hour = match () {
            () if week.iter().all(|rate| *rate == week[0]) => vec![week[0]],
            () if week.chunks(24).all(|day| day == &week[..24]) => week[..24].to_vec(),
            () => week,
        };
        let per_hour = per_hour.into_iter().map(significant).collect();
        Some(Rate { per_hour, moments: moments.len(), day_sigma })
    }

    /// The mean over all hours.
    pub fn mean(&self) -> f64 {
        self.per_hour.iter().sum::<f64>() / self.per_hour.len() as f64
    }
}

/// Moments counted by hour of the week and by day, beside the time in which they could have been.
struct Counts {
    seen: Vec<f64>,
    /// Hours of the window that were this hour of the week.
    there: Vec<f64>,
    /// Of each whole day of the window: its first hour of the week, and how many moments it had.
    days: Vec<(usize, f64)>,
}

impl Counts {
    fn new(moments: &[Time], from: Time, to: Time) -> Counts {
        let (mut seen, mut there) = (vec![0.0; 168], vec![0.0; 168]);
        for moment in moments {
            seen[hour_of_week(moment.as_seconds())] += 1.0;
        }
        let (first, last) = (from.as_seconds(), to.as_seconds());
        let mut second = first;
        while second < last {
            let next = ((second.div_euclid(HOUR) + 1) * HOUR).min(last);
            there[hour_of_week(second)] += (next - second) as f64 / HOUR as f64;
            second = next;
        }
        let (begin, end) = (-(-first).div_euclid(DAY), last.div_euclid(DAY));
        let mut days: Vec<(usize, f64)> = (begin..end).map(|day| (hour_of_week(day * DAY), 0.0)).collect();
        for moment in moments {
            if let Some((_, count)) =
                usize::try_from(moment.as_seconds().div_euclid(DAY) - begin).ok().and_then(|day| days.get_mut(day))
            {
                *count += 1.0;
            }
        }
        Counts { seen, there, days }
    }

    fn seen_days(&self) -> usize {
        self.days.len()
    }

    /// Rates for the hours of the week. The rhythm of the day and that of the week are taken up where they differ from an even
    /// rate by more than chance (χ² at 1 %, that of the week over the [dispersion](Self::dispersion) of days); each figure, and then each
    /// hour of the week against the product of the two, is drawn towards what is known without it with the weight of ten moments.
    fn rhythm(&self, even: f64, days: usize) -> Vec<f64> {
        let total: f64 = self.seen.iter().sum();
        if total < MOMENTS_FOR_RHYTHM as f64 {
            return vec![even; 168];
        }
        let by_hour = self.factors(even, 24, |hour| hour % 24, 1.0);
        let by_day = if days < DAYS_ENOUGH { None } else { self.factors(even, 7, |hour| hour / 24, self.dispersion()) };
        if by_hour.is_none() && by_day.is_none() {
            return vec![even; 168];
        }
        let product = |hour: usize| {
            let of = |factors: &Option<Vec<f64>>, place: usize| factors.as_ref().map_or(1.0, |factors| factors[place]);
            even * of(&by_hour, hour % 24) * of(&by_day, hour / 24)
        };
        let drawn = |hour: usize| {
            let expected = product(hour) * self.there[hour];
            if by_day.is_none() { 1.0 } else { (self.seen[hour] + PRIOR_MOMENTS) / (expected + PRIOR_MOMENTS) }
        };
        let rates: Vec<f64> = (0..168).map(|hour| product(hour) * drawn(hour)).collect();
        let come: f64 = rates.iter().zip(&self.there).map(|(rate, there)| rate * there).sum();
        rates.into_iter().map(|rate| rate * total / come).collect()
    }

    /// By how much the counts of equal weekdays vary more than chance would have it: χ² over its degrees of freedom, 1 at the least.
    /// Where days differ, weekdays seem to.
    fn dispersion(&self) -> f64 {
        let mut weekdays = BTreeMap::<usize, Vec<f64>>::new();
        for (first, count) in &self.days {
            weekdays.entry(first / 24).or_default().push(*count);
        }
        let of_weekday = |counts: &Vec<f64>| {
            let mean = counts.iter().sum::<f64>() / counts.len() as f64;
            let chi = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / mean;
            if mean > 0.0 { (chi, counts.len() as f64 - 1.0) } else { (0.0, 0.0) }
        };
        let (chi, freedom) =
            weekdays.values().map(of_weekday).fold((0.0, 0.0), |sum, of_one| (sum.0 + of_one.0, sum.1 + of_one.1));
        if freedom > 0.0 { (chi / freedom).max(1.0) } else { 1.0 }
    }

    /// How many times the even rate each of so many groups of hours has, whose counts vary so many times as much as by chance; `None`
    /// where they differ by no more.
    fn factors(&self, even: f64, groups: usize, group: impl Fn(usize) -> usize, dispersion: f64) -> Option<Vec<f64>> {
        let (mut seen, mut expected) = (vec![0.0; groups], vec![0.0; groups]);
        for hour in 0..168 {
            seen[group(hour)] += self.seen[hour];
            expected[group(hour)] += self.there[hour] * even;
        }
        let chi: f64 = seen.iter().zip(&expected).filter(|(_, e)| **e > 0.0).map(|(n, e)| (n - e).powi(2) / e).sum();
        let prior = PRIOR_MOMENTS * dispersion;
        let factor = |(n, e): (f64, f64)| (n + prior) / (e + prior);
        (chi / dispersion > chance_limit(groups - 1)).then(|| seen.into_iter().zip(expected).map(factor).collect())
    }

    /// By the method of moments: the variance of daily counts is their mean, by chance, and the square of the mean times the
    /// variance of the factor.
    fn day_sigma(&self, week: &[f64]) -> Option<f64> {
        let expected = |first: usize| (0..24).map(|hour| week[(first + hour) % 168]).sum::<f64>();
        let days: Vec<(f64, f64)> = self.days.iter().map(|(first, count)| (expected(*first), *count)).collect();
        let chi: f64 = days.iter().filter(|(e, _)| *e > 0.0).map(|(e, n)| (n - e).powi(2) / e).sum();
        if days.len() < DAYS_ENOUGH || chi <= chance_limit(days.len() - 1) {
            return None;
        }
        let excess: f64 = days.iter().map(|(e, n)| (n - e).powi(2) - e).sum();
        let variance = excess / days.iter().map(|(e, _)| e * e).sum::<f64>();
        (variance > 0.0).then(|| significant(libm::sqrt(libm::log1p(variance))))
    }
}

fn hour_of_week(second: i64) -> usize {
    (second.div_euclid(HOUR) + EPOCH_HOUR_OF_WEEK).rem_euclid(168) as usize
}

/// The χ² that chance exceeds once in a hundred, by the cube-root approximation (E. B. Wilson, M. M. Hilferty, PNAS 17, 1931).
pub(super) fn chance_limit(freedom: usize) -> f64 {
    let freedom = freedom.max(1) as f64;
    let part = 2.0 / (9.0 * freedom);
    freedom * (1.0 - part + Z99 * part.sqrt()).powi(3)
}

/// How long the window is, in days.
pub(super) fn days(from: Time, to: Time) -> f64 {
    let span: Span = to - from;
    span.as_seconds_f64() / DAY as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Concern;

    /// Moments over so many days, the rate of an hour being given by its day and its hour of the day.
    fn drawn(days: i64, per_hour: impl Fn(i64, i64) -> f64) -> Vec<Time> {
        let mut stream = Concern::new(3, "rates").stream([0; 3]);
        let mut moments = Vec::new();
        for minute in 0..days * 24 * 60 {
            if stream.chance(per_hour(minute / 1440, minute / 60 % 24) / 60.0) {
                moments.push(Time::from_seconds(minute * 60));
            }
        }
        moments
    }

    fn fit(days: i64, moments: &[Time]) -> Rate {
        Rate::of(moments, Time(0), Time::from_seconds(days * DAY)).expect("moments")
    }

    #[test]
    fn an_even_rate_has_no_rhythm() {
        let moments = drawn(60, |_, _| 2.0);
        let rate = fit(60, &moments);
        assert_eq!((rate.per_hour.len(), rate.day_sigma), (1, None));
        assert!((rate.per_hour[0] - 2.0).abs() < 0.1, "{rate:?}");
    }

    #[test]
    fn the_rhythm_of_the_day_is_found_again() {
        let rate = fit(60, &drawn(60, |_, hour| if (8..16).contains(&hour) { 3.0 } else { 0.5 }));
        assert_eq!((rate.per_hour.len(), rate.day_sigma), (24, None));
        assert!((rate.mean() - 4.0 / 3.0).abs() < 0.08, "{rate:?}");
        assert!(rate.per_hour[8..16].iter().all(|rate| (2.3..3.6).contains(rate)), "{rate:?}");
        assert!(rate.per_hour[..8].iter().all(|rate| (0.3..0.8).contains(rate)), "{rate:?}");
    }

    #[test]
    fn weekends_are_found_again() {
        // The epoch was a Thursday: days 2 and 3 of each seven are a weekend.
        let rate = fit(84, &drawn(84, |day, _| if matches!(day % 7, 2 | 3) { 0.2 } else { 2.0 }));
        assert_eq!(rate.per_hour.len(), 168);
        let mean =
            |hours: std::ops::Range<usize>| rate.per_hour[hours.clone()].iter().sum::<f64>() / hours.len() as f64;
        assert!((1.85..2.15).contains(&mean(0..120)), "{}", mean(0..120));
        assert!((0.15..0.3).contains(&mean(120..168)), "{}", mean(120..168));
        assert_eq!(rate.day_sigma, None);
    }

    #[test]
    fn days_that_differ_make_no_weekdays() {
        let concern = Concern::new(5, "days");
        let found = (0..20).filter(|experiment| {
            // Quiet days and busy ones, whatever their names.
            let busy = |day: i64| concern.stream([*experiment, day as u64, 0]).chance(0.5);
            fit(28, &drawn(28, |day, _| if busy(day) { 6.0 } else { 1.0 })).per_hour.len() == 168
        });
        assert!(found.count() <= 2, "weekdays where there are none");
    }

    #[test]
    fn days_that_differ_beyond_chance_are_noticed() {
        // The factor is 0.2 or 1.8: variance 0.64, sigma² = ln 1.64.
        let rate = fit(200, &drawn(200, |day, _| if day * 7 % 13 < 6 { 0.4 } else { 3.6 }));
        let sigma = rate.day_sigma.expect("days that differ");
        assert!((sigma - 1.64_f64.ln().sqrt()).abs() < 0.08, "{sigma}");
    }

    #[test]
    fn a_short_window_and_few_moments_do() {
        assert_eq!(Rate::of(&[], Time(0), Time(1)), None);
        assert_eq!(Rate::of(&[Time(0)], Time(0), Time(0)), None);
        assert_eq!(fit(1, &[Time(5)]).per_hour, [0.04167]);
    }
}
