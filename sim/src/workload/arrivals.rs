//! When the jobs of a generator are submitted.

use yardmaster_engine::{Span, Time};

use super::distribution::Distribution;
use super::error::ScenarioError;
use super::file::ArrivalsSpec;
use super::jobs::JOBS_MAX;
use super::random::Stream;
use super::source::Source;

const HOUR: f64 = 3600.0;
const DAY_HOURS: usize = 24;
const WEEK_HOURS: usize = 168;
/// The Unix epoch was a Thursday; hour 0 of a week is Monday's first.
const EPOCH_HOUR_OF_WEEK: i64 = 3 * 24;
/// The fastest arrivals, per hour.
const RATE_MAX: f64 = 1e9;

/// An arrival process, checked.
#[derive(Debug)]
pub(super) enum Arrivals {
    /// At random, so many an hour.
    Poisson { per_hour: f64 },
    /// At random, the rate following the hour of the day (24 rates) or of the week (168).
    Profile { per_hour: Vec<f64>, peak: f64 },
    /// Bursts at random, each of several jobs.
    Bursts { per_hour: f64, size: Distribution, spread: Distribution },
    /// At equal distances.
    Every { interval: Span },
}

/// Where arrivals begin and what ends them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) from: Time,
    pub(super) to: Time,
    pub(super) count: usize,
}

impl Arrivals {
    /// Checks the process; `key` is where it stands.
    pub(super) fn checked(source: &Source, key: &str, spec: &ArrivalsSpec) -> Result<Arrivals, ScenarioError> {
        let rate = |name: &str, rate: f64| {
            let fine = rate > 0.0 && rate <= RATE_MAX;
            let problem = format_args!("must be a rate > 0 and ≤ {RATE_MAX}, not {rate}").to_string();
            if fine { Ok(rate) } else { Err(source.wrong(&format!("{key}.{name}"), problem)) }
        };
        Ok(match spec {
            ArrivalsSpec::Poisson(spec) => Arrivals::Poisson { per_hour: rate("poisson.per_hour", spec.per_hour)? },
            ArrivalsSpec::Profile(spec) => {
                let (key, hours) = (format!("{key}.profile.per_hour"), spec.per_hour.len());
                if hours != DAY_HOURS && hours != WEEK_HOURS {
                    let problem = format_args!("needs 24 rates (a day) or 168 (a week from Monday), not {hours}");
                    return Err(source.wrong(&key, problem));
                }
                if let Some(bad) = spec.per_hour.iter().find(|rate| !(0.0..=RATE_MAX).contains(*rate)) {
                    return Err(source.wrong(&key, format_args!("must hold rates ≥ 0 and ≤ {RATE_MAX}, not {bad}")));
                }
                let peak = rate("profile.per_hour", spec.per_hour.iter().copied().fold(0.0, f64::max))?;
                Arrivals::Profile { per_hour: spec.per_hour.clone(), peak }
            }
            ArrivalsSpec::Bursts(spec) => {
                let key = format!("{key}.bursts");
                Arrivals::Bursts {
                    per_hour: rate("bursts.per_hour", spec.per_hour)?,
                    size: Distribution::checked(source, &format!("{key}.size"), &spec.size)?,
                    spread: Distribution::optional(source, &format!("{key}.spread_sec"), spec.spread_sec.as_ref())?
                        .unwrap_or(Distribution::Constant(0.0)),
                }
            }
            ArrivalsSpec::Every(spec) => {
                let per_hour = 60.0 / rate("every.minutes", spec.minutes)?;
                Arrivals::Every { interval: Span::from_seconds_f64(HOUR / per_hour).max(Span(1)) }
            }
        })
    }

    /// The submissions within the extent, ascending.
    ///
    /// # Errors
    /// There are more than a scenario may have.
    pub(super) fn times(&self, extent: Extent, stream: &mut Stream) -> Result<Vec<Time>, String> {
        let (mut times, mut clock) = (Vec::new(), extent.from);
        // A profile refuses most of its candidates; the limit is on what is drawn, so that the loop always ends.
        for candidate in 0..JOBS_MAX * 8 {
            clock += self.gap(candidate == 0, stream);
            if clock >= extent.to || times.len() >= extent.count {
                times.sort();
                return Ok(times);
            }
            self.arrive(clock, extent.count - times.len(), stream, &mut times);
            if times.len() > JOBS_MAX {
                break;
            }
        }
        Err(format!("comes to more than {JOBS_MAX} jobs"))
    }

    /// From one candidate to the next, or from the beginning to the first.
    fn gap(&self, first: bool, stream: &mut Stream) -> Span {
        let per_hour = match self {
            Arrivals::Every { .. } if first => return Span::ZERO,
            Arrivals::Every { interval } => return *interval,
            Arrivals::Poisson { per_hour } | Arrivals::Bursts { per_hour, .. } => per_hour,
            Arrivals::Profile { peak, .. } => peak,
        };
        Distribution::Exponential { mean: HOUR / per_hour, max: f64::MAX }.next_span(stream)
    }

    /// What a candidate at this moment brings: nothing, one submission, or a burst of at most `room`.
    fn arrive(&self, clock: Time, room: usize, stream: &mut Stream, times: &mut Vec<Time>) {
        match self {
            Arrivals::Poisson { .. } | Arrivals::Every { .. } => times.push(clock),
            Arrivals::Profile { per_hour, peak } => {
                if stream.chance(rate_at(per_hour, clock) / peak) {
                    times.push(clock);
                }
            }
            Arrivals::Bursts { size, spread, .. } => {
                let jobs = (size.next_count(stream).max(1) as usize).min(room).min(JOBS_MAX + 1);
                times.extend((0..jobs).map(|_| clock + spread.next_span(stream)));
            }
        }
    }
}

fn rate_at(per_hour: &[f64], time: Time) -> f64 {
    let offset = if per_hour.len() == WEEK_HOURS { EPOCH_HOUR_OF_WEEK } else { 0 };
    let hour = (time.as_seconds().div_euclid(3600) + offset).rem_euclid(per_hour.len() as i64);
    per_hour.get(hour as usize).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::random::Concern;

    fn draw(arrivals: &Arrivals, hours: i64, count: usize) -> Vec<Time> {
        let extent = Extent { from: Time(0), to: Time(0) + Span::from_hours(hours), count };
        let times = arrivals.times(extent, &mut Concern::new(1, "test").stream([0; 3])).expect("few");
        assert!(times.is_sorted());
        times
    }

    #[test]
    fn arrivals_come_at_their_rate() {
        assert!((9_700..10_300).contains(&draw(&Arrivals::Poisson { per_hour: 10.0 }, 1000, usize::MAX).len()));
        assert_eq!(draw(&Arrivals::Poisson { per_hour: 10.0 }, 1000, 7).len(), 7);
        let every = Arrivals::Every { interval: Span::from_minutes(30) };
        assert_eq!(draw(&every, 2, usize::MAX), [0, 1800, 3600, 5400].map(Time::from_seconds));
    }

    #[test]
    fn a_profile_follows_the_clock() {
        let mut per_hour = vec![0.0; 24];
        per_hour[9] = 100.0;
        let times = draw(&Arrivals::Profile { per_hour, peak: 100.0 }, 24 * 20, usize::MAX);
        assert!((1_800..2_200).contains(&times.len()), "{}", times.len());
        assert!(times.iter().all(|time| time.as_seconds() / 3600 % 24 == 9));
        // The epoch's own hour lies on a Thursday.
        let mut week = vec![0.0; 168];
        week[72] = 1.0;
        assert_eq!((rate_at(&week, Time(0)), rate_at(&week, Time::from_seconds(3600))), (1.0, 0.0));
    }

    #[test]
    fn bursts_hold_together() {
        let (size, spread) = (Distribution::Constant(20.0), Distribution::Uniform(0.0, 30.0));
        let times = draw(&Arrivals::Bursts { per_hour: 0.5, size, spread }, 24 * 10, usize::MAX);
        assert_eq!(times.len() % 20, 0);
        assert!((60..180).contains(&(times.len() / 20)));
    }

    #[test]
    fn too_many_jobs_are_refused() {
        let extent = Extent { from: Time(0), to: Time(0) + Span::from_hours(10), count: usize::MAX };
        let mut stream = Concern::new(1, "test").stream([0; 3]);
        assert!(Arrivals::Poisson { per_hour: 1e9 }.times(extent, &mut stream).is_err());
    }
}
