//! A quick look ahead, for `yardmaster why`.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use yardmaster_engine::Span;
use yardmaster_sim::forecast::{Forecast, Options, Quantiles, forecast};

use super::snapshot::taken;
use crate::database::Database;
use crate::service::config::Loaded;

/// Enough for a median, and not for a tail.
const REPLICATIONS: u32 = 40;
/// Whoever asks why is waiting for the answer.
const TIME: Duration = Duration::from_secs(3);
const DAYS: u32 = 14;

/// What was found out in so short a time.
#[derive(Debug, Default)]
pub(super) struct Estimates {
    forecast: Option<Forecast>,
}

/// When a job starts and ends, in seconds from now; `null`: not within a week.
#[derive(Debug, Serialize)]
pub(super) struct Estimate {
    /// `None` if it has started.
    start: Option<Quantiles>,
    end: Quantiles,
    replications: usize,
}

impl Estimates {
    /// Reads the lab and looks ahead. Where that does not work there is no estimate, and it is said why: the reasons are what
    /// was asked for.
    pub(super) async fn make(database: &Database, loaded: &Loaded) -> Estimates {
        let snapshot = match taken(database, loaded, DAYS, false).await {
            Ok(snapshot) => snapshot,
            Err(error) => return without(&error),
        };
        let until = Instant::now() + TIME;
        let options = Options { replications: REPLICATIONS, ..Options::default() };
        match forecast(&snapshot, &options, |_| Instant::now() < until) {
            Ok(outcomes) => Estimates { forecast: Some(Forecast::of(&outcomes, &snapshot.history)) },
            Err(error) => without(&error),
        }
    }

    pub(super) fn of(&self, job: u32) -> Option<Estimate> {
        let forecast = self.forecast.as_ref()?;
        let job = forecast.job(job)?;
        Some(Estimate { start: job.start, end: job.end, replications: forecast.replications })
    }
}

fn without(error: &impl fmt::Display) -> Estimates {
    eprintln!("yardmaster: no estimate of starts and ends: {error}");
    Estimates::default()
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let both = |quantiles: &Quantiles| format!("{} (in 90 % {})", within(quantiles.p50), within(quantiles.p90));
        match &self.start {
            Some(Quantiles { p50: None, .. }) => write!(f, "it will probably not start within a week"),
            Some(start) => write!(f, "it will probably start {} and end {}", both(start), both(&self.end)),
            None => write!(f, "it will probably end {}", both(&self.end)),
        }?;
        write!(f, ", if no new jobs come")?;
        match self.replications as u32 {
            REPLICATIONS.. => Ok(()),
            1 => write!(f, " (a single replication ended in time)"),
            few => write!(f, " (only {few} replications ended in time)"),
        }
    }
}

fn within(span: Option<Span>) -> String {
    let Some(span) = span else { return "later than in a week".to_owned() };
    let seconds = u64::try_from(span.as_seconds_f64().round() as i64).unwrap_or(0);
    let rounded = match seconds {
        0..120 => seconds,
        120..7200 => seconds.div_ceil(60) * 60,
        _ => seconds.div_ceil(600) * 600,
    };
    format!("within {}", humantime::format_duration(Duration::from_secs(rounded)))
}
