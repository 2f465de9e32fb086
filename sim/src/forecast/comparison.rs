//! Two forecasts of one lab, as it is and with a change, replication by replication under the same luck.

use serde::Serialize;
use yardmaster_engine::Span;

use super::run::{Outcomes, milliseconds};
use super::summary::{Quantiles, perhaps_seconds};
use super::{Forecast, ForecastError};
use crate::planning::statistics::{self, Estimate};

/// A lab as it is, and changed.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// As it is.
    pub before: Forecast,
    /// Changed.
    pub after: Forecast,
    /// How much later the last job ends.
    pub last_end: Difference,
    /// How much longer jobs wait that have not started, on average over those that start both times.
    pub mean_wait: Difference,
    /// How many jobs do not start before and after, on average: what `mean_wait` leaves out.
    pub not_started: [f64; 2],
    /// Every job that is in both and has not started, ascending.
    pub jobs: Vec<JobDifference>,
}

/// A difference, after minus before, in each replication: negative = earlier.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// Its mean over those replications in which it happens both times, in seconds.
    pub mean_seconds: Option<f64>,
    /// Half the width of the 95 % confidence interval of the mean, in seconds; `None` with fewer than two of them.
    pub half_width_seconds: Option<f64>,
    /// In how many replications it happens both times.
    pub pairs: usize,
    /// In how many only before: the change keeps it from happening.
    pub lost: usize,
    /// In how many only after.
    pub gained: usize,
}

/// The difference that a change makes to a job.
#[derive(Debug, Clone, Serialize)]
pub struct JobDifference {
    /// The job.
    pub job: u32,
    /// Its start as the lab is.
    pub before: Quantiles,
    /// Its start with the change.
    pub after: Quantiles,
    /// The difference of its starts.
    pub start: Difference,
    /// The median of the difference.
    #[serde(serialize_with = "perhaps_seconds", rename = "median_seconds")]
    pub median: Option<Span>,
}

/// Of the interval around the mean of differences.
const CONFIDENCE: f64 = 0.95;

impl Difference {
    fn of(pairs: &[(Option<f64>, Option<f64>)]) -> Difference {
        let differences: Vec<f64> = pairs.iter().filter_map(|(before, after)| Some((*after)? - (*before)?)).collect();
        let mean = statistics::mean(&differences, CONFIDENCE);
        Difference {
            mean_seconds: mean.map(|mean| mean.value),
            half_width_seconds: mean.map(Estimate::half_width).filter(|half_width| half_width.is_finite()),
            pairs: differences.len(),
            lost: pairs.iter().filter(|(before, after)| before.is_some() && after.is_none()).count(),
            gained: pairs.iter().filter(|(before, after)| before.is_none() && after.is_some()).count(),
        }
    }
}

impl Comparison {
    /// Compares replications of the same numbers.
    ///
    /// # Errors
    /// If there are none.
    pub fn of(
        before: &Outcomes,
        after: &Outcomes,
        history: &crate::history::History,
    ) -> Result<Comparison, ForecastError> {
        if before.courses.is_empty() || before.courses.len() != after.courses.len() {
            return Err(ForecastError::NoReplications);
        }
        let (said_before, said_after) = (Forecast::of(before, history), Forecast::of(after, history));
        let waiting: Vec<(usize, usize, u32)> = said_before
            .jobs
            .iter()
            .filter(|job| job.start.is_some())
            .filter_map(|job| {
                let place = |outcomes: &Outcomes| outcomes.jobs.iter().position(|known| known.0 == job.job);
                Some((place(before)?, place(after)?, job.job))
            })
            .collect();
        let jobs = waiting.iter().map(|&(here, there, job)| job_difference(before, after, here, there, job)).collect();
        let replications = 0..before.courses.len();
        let waits: Vec<_> = replications.map(|number| mean_starts(before, after, number, &waiting)).collect();
        let seconds = |span: &Option<Span>| span.map(Span::as_seconds_f64);
        let ends = said_before.drain.last_ends.iter().zip(&said_after.drain.last_ends);
        let ends: Vec<_> = ends.map(|(before, after)| (seconds(before), seconds(after))).collect();
        Ok(Comparison {
            last_end: Difference::of(&ends),
            mean_wait: Difference::of(&waits),
            not_started: [&said_before, &said_after].map(Forecast::not_started),
            jobs,
            before: said_before,
            after: said_after,
        })
    }
}

/// The mean moments of start, in seconds, of those jobs of a replication that start both times.
fn mean_starts(
    before: &Outcomes,
    after: &Outcomes,
    replication: usize,
    waiting: &[(usize, usize, u32)],
) -> (Option<f64>, Option<f64>) {
    let (before, after) = (&before.courses[replication], &after.courses[replication]);
    let starts = waiting.iter().filter_map(|&(here, there, _)| before[here].started.zip(after[there].started));
    let (count, sums) = starts.fold((0_u32, (0.0, 0.0)), |(count, sums), (here, there)| {
        (count + 1, (sums.0 + f64::from(here) / 1000.0, sums.1 + f64::from(there) / 1000.0))
    });
    if count == 0 {
        return (None, None);
    }
    (Some(sums.0 / f64::from(count)), Some(sums.1 / f64::from(count)))
}

fn job_difference(before: &Outcomes, after: &Outcomes, here: usize, there: usize, job: u32) -> JobDifference {
    let starts = |outcomes: &Outcomes, place: usize| -> Vec<Option<Span>> {
        outcomes.courses.iter().map(|courses| courses[place].started.map(milliseconds)).collect()
    };
    let (starts_before, starts_after) = (starts(before, here), starts(after, there));
    let seconds = |span: Option<Span>| span.map(Span::as_seconds_f64);
    let pairs: Vec<_> =
        starts_before.iter().zip(&starts_after).map(|(before, after)| (seconds(*before), seconds(*after))).collect();
    let both = starts_before.iter().zip(&starts_after);
    let differences: Vec<Option<Span>> =
        both.filter_map(|(before, after)| Some(Some(Span((*after)?.0 - (*before)?.0)))).collect();
    JobDifference {
        job,
        before: Quantiles::of(starts_before),
        after: Quantiles::of(starts_after),
        start: Difference::of(&pairs),
        median: Quantiles::of(differences).p50,
    }
}
