//! From the distributions that a file writes to spans and counts drawn from streams.

use yardmaster_engine::Span;

use super::csv_trace::column_values;
use super::distribution::{Distribution, DistributionSpec, Named};
use super::error::ScenarioError;
use super::random::{Concern, Stream};
use super::source::Source;

/// No span that is drawn is longer (some 30 years): sums with it stay far from overflow.
const SECONDS_MAX: f64 = 1e9;

impl Distribution {
    /// Checks a distribution and reads the data file of an empirical one; `key` is where it stands.
    pub(super) fn checked(source: &Source, key: &str, spec: &DistributionSpec) -> Result<Distribution, ScenarioError> {
        if let Named::Empirical(empirical) = &spec.0 {
            let key = format!("{key}.empirical");
            let file = source.read_data(&format!("{key}.file"), &empirical.file)?;
            let values = column_values(source, &key, &file, &empirical.column)?;
            return Distribution::empirical(values)
                .map_err(|problem| source.wrong(&key, format_args!("column {:?} {problem}", empirical.column)));
        }
        Distribution::new(&spec.0).map_err(|(part, problem)| source.wrong(&format!("{key}.{part}"), problem))
    }

    /// The same, where the scenario may leave it out.
    pub(super) fn optional(
        source: &Source,
        key: &str,
        spec: Option<&DistributionSpec>,
    ) -> Result<Option<Distribution>, ScenarioError> {
        spec.map(|spec| Distribution::checked(source, key, spec)).transpose()
    }

    /// The span for this question, the distribution being in seconds. A constant makes no stream.
    pub(super) fn span(&self, concern: &Concern, numbers: [u64; 3]) -> Span {
        span(self.certain().unwrap_or_else(|| self.quantile(concern.stream(numbers).unit())))
    }

    /// The next span of a stream. Draws even for a constant, so that what follows stays as it is.
    pub(super) fn next_span(&self, stream: &mut Stream) -> Span {
        span(self.quantile(stream.unit()))
    }

    /// The next whole number of a stream, rounded to the nearest.
    pub(super) fn next_count(&self, stream: &mut Stream) -> u32 {
        self.quantile(stream.unit()).round().min(f64::from(u32::MAX)) as u32
    }
}

fn span(seconds: f64) -> Span {
    Span::from_seconds_f64(seconds.min(SECONDS_MAX))
}

/// Checks a chance, which must lie within 0 and 1.
pub(super) fn chance(source: &Source, key: &str, value: Option<f64>) -> Result<Option<f64>, ScenarioError> {
    match value {
        Some(chance) if !(0.0..=1.0).contains(&chance) => {
            Err(source.wrong(key, format_args!("must be a chance within 0 and 1, not {chance}")))
        }
        _ => Ok(value),
    }
}
