//! When the jobs of a generator are submitted.

use yardmaster_engine::{Span, Time};

use super::distribution::{Distribution, Named};
use super::draw::chance;
use super::error::{ScenarioError, nearest};
use super::file::{ArrivalsSpec, EverySpec, OnSpec, SharedBurstsSpec};
use super::jobs::JOBS_MAX;
use super::random::{Concern, Stream};
use super::rates::{Rates, TooMany};
use super::source::Source;

/// The shortest distance of jobs that come again and again.
const DISTANCE_MIN: Span = Span(1);

/// An arrival process, checked.
#[derive(Debug)]
pub(super) enum Arrivals {
    /// At random.
    Random(Rates),
    /// Bursts at random, each of several jobs.
    Bursts { rates: Rates, size: Distribution, spread: Distribution },
    /// By chance at each of the bursts that several generators share.
    On(On),
    /// Again and again, so many seconds after the last.
    Every { distance: Distribution },
}

/// A part in bursts that are shared.
#[derive(Debug)]
pub(super) struct On {
    /// Index into the scenario's shared bursts.
    bursts: usize,
    chance: f64,
    size: Distribution,
    /// From the burst to its first job here.
    delay: Distribution,
    /// From there to each job.
    spread: Distribution,
}

/// Where arrivals begin and what ends them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) from: Time,
    pub(super) to: Time,
    pub(super) count: usize,
}

/// Whose luck it is: the generator's, or that of one of its hosts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Luck<'a> {
    pub(super) seed: u64,
    pub(super) name: &'a str,
}

/// The first arrival of a series that comes again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// At once.
    AtOnce,
    /// After a random part of the first distance: the series has been going on for long.
    Underway,
}

impl Arrivals {
    /// Checks the process; `key` is where it stands.
    pub(super) fn checked(
        source: &Source,
        key: &str,
        spec: &ArrivalsSpec,
        shared: &[SharedBurstsSpec],
    ) -> Result<Arrivals, ScenarioError> {
        Ok(match spec {
            ArrivalsSpec::Poisson(spec) => {
                let key = format!("{key}.poisson");
                Arrivals::Random(Rates::even(source, &key, spec.per_hour, spec.day_factor.as_ref())?)
            }
            ArrivalsSpec::Profile(spec) => {
                let key = format!("{key}.profile");
                Arrivals::Random(Rates::by_hour(source, &key, &spec.per_hour, spec.day_factor.as_ref())?)
            }
            ArrivalsSpec::Bursts(spec) => {
                let key = format!("{key}.bursts");
                Arrivals::Bursts {
                    rates: Rates::even(source, &key, spec.per_hour, None)?,
                    size: Distribution::checked(source, &format!("{key}.size"), &spec.size)?,
                    spread: seconds(source, &format!("{key}.spread_sec"), spec.spread_sec.as_ref())?,
                }
            }
            ArrivalsSpec::On(spec) => Arrivals::On(On::checked(source, &format!("{key}.on"), spec, shared)?),
            ArrivalsSpec::Every(spec) => {
                Arrivals::Every { distance: distance(source, &format!("{key}.every.minutes"), spec)? }
            }
        })
    }

    /// Which of the shared bursts it takes part in: an index.
    pub(super) fn shared_bursts(&self) -> Option<usize> {
        match self {
            Arrivals::On(on) => Some(on.bursts),
            Arrivals::Random(_) | Arrivals::Bursts { .. } | Arrivals::Every { .. } => None,
        }
    }

    /// The submissions within these times, which ascend and do not overlap; at most so many. A series that comes again
    /// and again begins anew in each of them. `moments` are those of the shared bursts.
    pub(super) fn times(
        &self,
        intervals: &[(Time, Time)],
        count: usize,
        first: First,
        luck: Luck<'_>,
        moments: &[Vec<Time>],
    ) -> Result<Vec<Time>, TooMany> {
        let Luck { seed, name } = luck;
        let concern = Concern::new(seed, &format!("arrivals {name}"));
        let mut stream = concern.stream([0; 3]);
        let (mut times, mut first) = (Vec::new(), first);
        for (from, to) in intervals.iter().copied() {
            let extent = Extent { from, to, count };
            match self {
                Arrivals::Random(rates) => random(rates, extent, luck, &mut stream, &mut times)?,
                Arrivals::Bursts { rates, size, spread } => {
                    bursts(rates, [size, spread], extent, luck, &mut stream, &mut times)?;
                }
                Arrivals::On(on) => on.times(extent, &concern, &moments[on.bursts], &mut times)?,
                Arrivals::Every { distance } => again(distance, first, extent, &mut stream, &mut times)?,
            }
            first = First::AtOnce;
        }
        times.sort();
        Ok(times)
    }
}

fn random(
    rates: &Rates,
    extent: Extent,
    luck: Luck<'_>,
    stream: &mut Stream,
    times: &mut Vec<Time>,
) -> Result<(), TooMany> {
    let mut moments = rates.moments(extent.from, luck.seed, luck.name);
    while times.len() < extent.count
        && let Some(moment) = moments.next_before(extent.to, stream)?
    {
        times.push(moment);
        within_limit(times)?;
    }
    Ok(())
}

fn bursts(
    rates: &Rates,
    [size, spread]: [&Distribution; 2],
    extent: Extent,
    luck: Luck<'_>,
    stream: &mut Stream,
    times: &mut Vec<Time>,
) -> Result<(), TooMany> {
    let mut moments = rates.moments(extent.from, luck.seed, luck.name);
    while times.len() < extent.count
        && let Some(moment) = moments.next_before(extent.to, stream)?
    {
        let jobs = burst_size(size, extent.count - times.len(), stream);
        times.extend((0..jobs).map(|_| moment + spread.next_span(stream)));
        within_limit(times)?;
    }
    Ok(())
}

fn again(
    distance: &Distribution,
    first: First,
    extent: Extent,
    stream: &mut Stream,
    times: &mut Vec<Time>,
) -> Result<(), TooMany> {
    let mut clock = extent.from;
    if first == First::Underway {
        // Where in the first distance the extent begins is anybody's guess; that long ones are likelier to be met is left
        // out.
        let distance = distance.next_span(stream);
        clock += Span((distance.0 as f64 * stream.unit()) as i64);
    }
    while clock < extent.to && times.len() < extent.count {
        times.push(clock);
        within_limit(times)?;
        clock += distance.next_span(stream).max(DISTANCE_MIN);
    }
    Ok(())
}

impl On {
    fn checked(source: &Source, key: &str, spec: &OnSpec, shared: &[SharedBurstsSpec]) -> Result<On, ScenarioError> {
        let bursts = shared.iter().position(|bursts| bursts.name == spec.bursts).ok_or_else(|| {
            let problem = format!("there are no [[workload.bursts]] called {:?}", spec.bursts);
            let like = nearest(&spec.bursts, shared.iter().map(|bursts| bursts.name.as_str()));
            source.wrong_name(&format!("{key}.bursts"), problem, like)
        })?;
        Ok(On {
            bursts,
            chance: chance(source, &format!("{key}.chance"), spec.chance)?.unwrap_or(1.0),
            size: Distribution::checked(source, &format!("{key}.size"), &spec.size)?,
            delay: seconds(source, &format!("{key}.delay_sec"), spec.delay_sec.as_ref())?,
            spread: seconds(source, &format!("{key}.spread_sec"), spec.spread_sec.as_ref())?,
        })
    }

    /// Each burst has a stream of its own: another generator, or a longer time, changes nothing about it.
    fn times(&self, extent: Extent, concern: &Concern, moments: &[Time], times: &mut Vec<Time>) -> Result<(), TooMany> {
        for (number, moment) in (0..).zip(moments).filter(|(_, moment)| (extent.from..extent.to).contains(*moment)) {
            let mut stream = concern.stream([number, 1, 0]);
            if !stream.chance(self.chance) {
                continue;
            }
            let jobs = burst_size(&self.size, extent.count - times.len(), &mut stream);
            let begin = *moment + self.delay.next_span(&mut stream);
            times.extend((0..jobs).map(|_| begin + self.spread.next_span(&mut stream)));
            within_limit(times)?;
        }
        Ok(())
    }
}

/// At least one job, and no more than there is room for.
fn burst_size(size: &Distribution, room: usize, stream: &mut Stream) -> usize {
    (size.next_count(stream).max(1) as usize).min(room).min(JOBS_MAX + 1)
}

fn within_limit(times: &[Time]) -> Result<(), TooMany> {
    if times.len() > JOBS_MAX { Err(TooMany) } else { Ok(()) }
}

/// A distribution that may be left out, being 0 then.
fn seconds(
    source: &Source,
    key: &str,
    spec: Option<&super::distribution::DistributionSpec>,
) -> Result<Distribution, ScenarioError> {
    Ok(Distribution::optional(source, key, spec)?.unwrap_or(Distribution::Constant(0.0)))
}

/// The distance in seconds, from one in minutes. A plain number must be above 0: it would be no distance.
fn distance(source: &Source, key: &str, spec: &EverySpec) -> Result<Distribution, ScenarioError> {
    if let Named::Constant(minutes) = spec.minutes.0
        && !(minutes > 0.0 && minutes <= 1e9)
    {
        return Err(source.wrong(key, format_args!("must be > 0 and ≤ 1000000000 minutes, not {minutes}")));
    }
    Ok(Distribution::checked(source, key, &spec.minutes)?.scaled(60.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(arrivals: &Arrivals, hours: i64, count: usize, moments: &[Vec<Time>]) -> Vec<Time> {
        let extent = [(Time(0), Time(0) + Span::from_hours(hours))];
        let luck = Luck { seed: 1, name: "test" };
        let times = arrivals.times(&extent, count, First::AtOnce, luck, moments).expect("few");
        assert!(times.is_sorted());
        times
    }

    fn source() -> Source {
        Source::of_table("test.toml".as_ref())
    }

    fn rates(per_hour: &[f64]) -> Rates {
        match per_hour {
            [one] => Rates::even(&source(), "test", *one, None),
            many => Rates::by_hour(&source(), "test", many, None),
        }
        .expect("good rates")
    }

    #[test]
    fn arrivals_come_at_their_rate() {
        let poisson = Arrivals::Random(rates(&[10.0]));
        assert!((9_700..10_300).contains(&draw(&poisson, 1000, usize::MAX, &[]).len()));
        assert_eq!(draw(&poisson, 1000, 7, &[]).len(), 7);
        let every = Arrivals::Every { distance: Distribution::Constant(1800.0) };
        assert_eq!(draw(&every, 2, usize::MAX, &[]), [0, 1800, 3600, 5400].map(Time::from_seconds));
    }

    #[test]
    fn a_profile_follows_the_clock() {
        let mut per_hour = vec![0.0; 24];
        per_hour[9] = 100.0;
        let times = draw(&Arrivals::Random(rates(&per_hour)), 24 * 20, usize::MAX, &[]);
        assert!((1_800..2_200).contains(&times.len()), "{}", times.len());
        assert!(times.iter().all(|time| time.as_seconds() / 3600 % 24 == 9));
    }

    #[test]
    fn bursts_hold_together() {
        let (size, spread) = (Distribution::Constant(20.0), Distribution::Uniform(0.0, 30.0));
        let times = draw(&Arrivals::Bursts { rates: rates(&[0.5]), size, spread }, 24 * 10, usize::MAX, &[]);
        assert_eq!(times.len() % 20, 0);
        assert!((60..180).contains(&(times.len() / 20)));
    }

    #[test]
    fn shared_bursts_are_met_by_chance_and_all_of_a_part_come_after_its_delay() {
        let moments: Vec<Time> = (0..1000).map(|hour| Time(0) + Span::from_hours(hour)).collect();
        let on = On {
            bursts: 0,
            chance: 0.3,
            size: Distribution::Constant(4.0),
            delay: Distribution::Uniform(600.0, 1200.0),
            spread: Distribution::Uniform(0.0, 5.0),
        };
        let times = draw(&Arrivals::On(on), 1000, usize::MAX, &[moments]);
        assert!((1_040..1_360).contains(&times.len()), "{}", times.len());
        for part in times.chunks_exact(4) {
            assert!(part[3] - part[0] <= Span::from_seconds(5));
            assert!((600..=1205).contains(&(part[0].as_seconds() % 3600)));
        }
    }

    #[test]
    fn too_many_jobs_are_refused() {
        let extent = [(Time(0), Time(0) + Span::from_hours(10))];
        let luck = Luck { seed: 1, name: "test" };
        assert!(Arrivals::Random(rates(&[1e9])).times(&extent, usize::MAX, First::AtOnce, luck, &[]).is_err());
    }
}
