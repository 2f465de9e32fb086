//! The named distributions of scenario files.
//!
//! Every value comes from one uniform number through the distribution's quantile function: a longer median never
//! changes who is lucky, and comparing two scenarios compares like with like. The logarithms and powers are those of
//! the `libm` crate and not the platform's: the last bit of `ln` differs from one C library to the next, and a
//! simulation must not.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};

use super::normal::normal_quantile;

/// A distribution as a scenario file writes it: a plain number, or a table with one key, the distribution's name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DistributionSpec(pub(super) Named);

/// The distributions by name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Named {
    Constant(f64),
    Uniform([f64; 2]),
    Exponential(Exponential),
    Lognormal(Lognormal),
    Weibull(Weibull),
    Empirical(Empirical),
    Quantiles(Vec<f64>),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exponential {
    mean: f64,
    max: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lognormal {
    median: f64,
    sigma: Option<f64>,
    p95: Option<f64>,
    max: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Weibull {
    shape: f64,
    scale: f64,
    max: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Empirical {
    /// CSV file, relative to the scenario.
    pub(super) file: PathBuf,
    /// Its column.
    pub(super) column: String,
}

impl<'de> Deserialize<'de> for DistributionSpec {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrTable;
        impl<'de> Visitor<'de> for NumberOrTable {
            type Value = DistributionSpec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a number, or a distribution such as { uniform = [1, 5] } or { exponential = { mean = 60 } }",
                )
            }
            fn visit_i64<E>(self, value: i64) -> Result<DistributionSpec, E> {
                Ok(DistributionSpec(Named::Constant(value as f64)))
            }
            fn visit_f64<E>(self, value: f64) -> Result<DistributionSpec, E> {
                Ok(DistributionSpec(Named::Constant(value)))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<DistributionSpec, A::Error> {
                Named::deserialize(MapAccessDeserializer::new(map)).map(DistributionSpec)
            }
        }
        deserializer.deserialize_any(NumberOrTable)
    }
}

/// A distribution of non-negative numbers, checked and ready to be drawn from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Distribution {
    /// Always this number.
    Constant(f64),
    /// Equally likely from the first number to the second.
    Uniform(f64, f64),
    /// Memoryless, with this mean.
    Exponential { mean: f64, max: f64 },
    /// Its logarithm is normal.
    Lognormal { log_median: f64, sigma: f64, max: f64 },
    /// Weibull's.
    Weibull { shape: f64, scale: f64, max: f64 },
    /// One of these numbers, ascending, each equally likely; never empty.
    Empirical(Vec<f64>),
    /// The values at equally spaced probabilities from 0 to 1, ascending, at least two; linear between them.
    Quantiles(Vec<f64>),
}

/// Standard normal quantile of 0.95.
const Z95: f64 = 1.644_853_626_951_472_2;

impl Distribution {
    /// Checks everything but empirical data, which have to be read first.
    ///
    /// # Errors
    /// The key within the distribution, and what is wrong with it.
    pub(super) fn new(named: &Named) -> Result<Distribution, (&'static str, String)> {
        let at_least_zero = |key, value: f64| {
            let fine = value.is_finite() && value >= 0.0;
            if fine { Ok(value) } else { Err((key, format!("must be a number ≥ 0, not {value}"))) }
        };
        let positive = |key, value: f64| {
            let fine = value.is_finite() && value > 0.0;
            if fine { Ok(value) } else { Err((key, format!("must be a number > 0, not {value}"))) }
        };
        let max = |key, value: Option<f64>| value.map_or(Ok(f64::MAX), |value| at_least_zero(key, value));
        Ok(match named {
            Named::Constant(value) => Distribution::Constant(at_least_zero("constant", *value)?),
            Named::Uniform([low, high]) => {
                let (low, high) = (at_least_zero("uniform", *low)?, at_least_zero("uniform", *high)?);
                if low > high {
                    return Err(("uniform", format!("runs downwards, from {low} to {high}")));
                }
                Distribution::Uniform(low, high)
            }
            Named::Exponential(Exponential { mean, max: most }) => Distribution::Exponential {
                mean: at_least_zero("exponential.mean", *mean)?,
                max: max("exponential.max", *most)?,
            },
            Named::Lognormal(Lognormal { median, sigma, p95, max: most }) => {
                let median = positive("lognormal.median", *median)?;
                let sigma = match (sigma, p95) {
                    (Some(sigma), None) => at_least_zero("lognormal.sigma", *sigma)?,
                    (None, Some(p95)) if p95.is_finite() && *p95 >= median => libm::log(p95 / median) / Z95,
                    (None, Some(p95)) => {
                        return Err(("lognormal.p95", format!("must not be below the median, {median}; it is {p95}")));
                    }
                    _ => return Err(("lognormal", "needs median and exactly one of sigma and p95".to_owned())),
                };
                Distribution::Lognormal { log_median: libm::log(median), sigma, max: max("lognormal.max", *most)? }
            }
            Named::Weibull(Weibull { shape, scale, max: most }) => Distribution::Weibull {
                shape: positive("weibull.shape", *shape)?,
                scale: at_least_zero("weibull.scale", *scale)?,
                max: max("weibull.max", *most)?,
            },
            Named::Quantiles(values) => {
                if values.len() < 2 {
                    return Err(("quantiles", "needs at least two values, the smallest and the largest".to_owned()));
                }
                let values: Vec<f64> =
                    values.iter().map(|value| at_least_zero("quantiles", *value)).collect::<Result<_, _>>()?;
                if let Some(pair) = values.windows(2).find(|pair| pair[0] > pair[1]) {
                    return Err(("quantiles", format!("must ascend; {} stands before {}", pair[0], pair[1])));
                }
                Distribution::Quantiles(values)
            }
            Named::Empirical(_) => return Err(("empirical", "has not been read".to_owned())),
        })
    }

    /// From measured values.
    ///
    /// # Errors
    /// Where there are none, or one that is negative or not a number.
    pub(super) fn empirical(mut values: Vec<f64>) -> Result<Distribution, String> {
        if values.is_empty() {
            return Err("has no values".to_owned());
        }
        if let Some(bad) = values.iter().find(|value| !(value.is_finite() && **value >= 0.0)) {
            return Err(format!("must hold numbers ≥ 0, not {bad}"));
        }
        values.sort_by(f64::total_cmp);
        Ok(Distribution::Empirical(values))
    }

    /// The same with every value multiplied by a number > 0.
    pub(super) fn scaled(self, by: f64) -> Distribution {
        match self {
            Distribution::Constant(value) => Distribution::Constant(value * by),
            Distribution::Uniform(low, high) => Distribution::Uniform(low * by, high * by),
            Distribution::Exponential { mean, max } => Distribution::Exponential { mean: mean * by, max: max * by },
            Distribution::Lognormal { log_median, sigma, max } => {
                Distribution::Lognormal { log_median: log_median + libm::log(by), sigma, max: max * by }
            }
            Distribution::Weibull { shape, scale, max } => {
                Distribution::Weibull { shape, scale: scale * by, max: max * by }
            }
            Distribution::Empirical(values) => {
                Distribution::Empirical(values.into_iter().map(|value| value * by).collect())
            }
            Distribution::Quantiles(values) => {
                Distribution::Quantiles(values.into_iter().map(|value| value * by).collect())
            }
        }
    }

    /// The value, where it needs no luck.
    pub(super) fn certain(&self) -> Option<f64> {
        match self {
            Distribution::Constant(value) => Some(*value),
            _ => None,
        }
    }

    /// The value below which a share `u`, within (0, 1), of all values lies.
    pub(super) fn quantile(&self, u: f64) -> f64 {
        match self {
            Distribution::Constant(value) => *value,
            Distribution::Uniform(low, high) => low + (high - low) * u,
            Distribution::Exponential { mean, max } => (-mean * libm::log1p(-u)).min(*max),
            Distribution::Lognormal { log_median, sigma, max } => {
                libm::exp(log_median + sigma * normal_quantile(u)).min(*max)
            }
            Distribution::Weibull { shape, scale, max } => (scale * libm::pow(-libm::log1p(-u), 1.0 / shape)).min(*max),
            Distribution::Empirical(values) => {
                let index = (u * values.len() as f64) as usize;
                values.get(index).or(values.last()).copied().unwrap_or_default()
            }
            Distribution::Quantiles(values) => {
                let place = u * values.len().saturating_sub(1) as f64;
                let low = values.get(place as usize).copied().unwrap_or_default();
                let high = values.get(place as usize + 1).copied().unwrap_or(low);
                low + (high - low) * (place - place.floor())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Holder {
        d: DistributionSpec,
    }

    fn parse(text: &str) -> Result<Distribution, String> {
        let holder: Holder = toml::from_str(&format!("d = {text}")).map_err(|e| e.message().to_owned())?;
        Distribution::new(&holder.d.0).map_err(|(key, problem)| format!("{key} {problem}"))
    }

    #[track_caller]
    fn check(text: &str, u: f64, expected: f64) {
        let value = parse(text).expect(text).quantile(u);
        assert!((value - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{text} at {u}: {value}, not {expected}");
    }

    #[test]
    fn quantiles_are_those_of_the_textbooks() {
        check("30", 0.7, 30.0);
        check("2.5", 0.7, 2.5);
        check("{ constant = 4 }", 0.1, 4.0);
        check("{ uniform = [10, 20] }", 0.25, 12.5);
        check("{ exponential = { mean = 60 } }", 0.5, 60.0 * std::f64::consts::LN_2);
        check("{ exponential = { mean = 60, max = 30 } }", 0.5, 30.0);
        check("{ lognormal = { median = 100, p95 = 400 } }", 0.5, 100.0);
        check("{ lognormal = { median = 100, p95 = 400 } }", 0.95, 400.0);
        check("{ lognormal = { median = 1, sigma = 1 } }", 0.001, (-3.090_232_306_167_813_f64).exp());
        check("{ lognormal = { median = 1, sigma = 1 } }", 1e-14, (-7.650_628_092_935_268_f64).exp());
        check("{ weibull = { shape = 1, scale = 60 } }", 0.5, 60.0 * std::f64::consts::LN_2);
        check("{ weibull = { shape = 2, scale = 10 } }", 1.0 - (-4.0_f64).exp(), 20.0);
        check("{ quantiles = [0, 10, 100] }", 0.25, 5.0);
        check("{ quantiles = [0, 10, 100] }", 0.5, 10.0);
        check("{ quantiles = [0, 10, 100] }", 0.75, 55.0);
        check("{ quantiles = [7, 7] }", 0.999, 7.0);
    }

    #[test]
    fn a_scaled_distribution_has_scaled_quantiles() {
        for text in [
            "30",
            "{ uniform = [10, 20] }",
            "{ exponential = { mean = 60, max = 90 } }",
            "{ lognormal = { median = 100, p95 = 400 } }",
            "{ weibull = { shape = 2, scale = 10, max = 12 } }",
            "{ quantiles = [0, 10, 100] }",
        ] {
            let plain = parse(text).expect(text);
            let scaled = plain.clone().scaled(60.0);
            for u in [0.1, 0.5, 0.99] {
                let (expected, found) = (plain.quantile(u) * 60.0, scaled.quantile(u));
                assert!((found - expected).abs() < 1e-9 * expected, "{text} at {u}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn an_empirical_distribution_repeats_what_was_measured() {
        let measured = Distribution::empirical(vec![3.0, 1.0, 2.0]).expect("three values");
        assert_eq!([0.01, 0.34, 0.99].map(|u| measured.quantile(u)), [1.0, 2.0, 3.0]);
        assert_eq!(Distribution::empirical(vec![]), Err("has no values".to_owned()));
        assert!(Distribution::empirical(vec![1.0, f64::NAN]).is_err());
    }

    #[track_caller]
    fn check_error(text: &str, expected: &str) {
        let error = parse(text).expect_err(text);
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }

    #[test]
    fn mistakes_are_named() {
        check_error("-1", "must be a number ≥ 0");
        check_error("nan", "must be a number ≥ 0");
        check_error("{ uniform = [5, 1] }", "runs downwards");
        check_error("{ uniform = [5] }", "");
        check_error("{ gaussian = 3 }", "unknown variant `gaussian`");
        check_error("{ exponential = { meen = 3 } }", "unknown field `meen`");
        check_error("{ lognormal = { median = 3 } }", "exactly one of sigma and p95");
        check_error("{ lognormal = { median = 3, p95 = 2 } }", "must not be below the median");
        check_error("{ weibull = { shape = 0, scale = 2 } }", "must be a number > 0");
        check_error("{ quantiles = [1] }", "at least two values");
        check_error("{ quantiles = [1, 3, 2] }", "must ascend; 3 stands before 2");
        check_error("{ quantiles = [-1, 3] }", "must be a number ≥ 0");
        check_error("\"30\"", "a number, or a distribution");
    }

    /// `rand_distr` draws by other methods; it must come to the same distributions.
    #[test]
    fn rand_distr_agrees() {
        use rand_chacha::ChaCha8Rng;
        use rand_chacha::rand_core::SeedableRng;

        #[track_caller]
        fn compare(ours: &str, theirs: impl rand_distr::Distribution<f64>) {
            let ours = parse(ours).expect(ours);
            let mut rng = ChaCha8Rng::seed_from_u64(5);
            let mut drawn: Vec<f64> = (0..200_000).map(|_| theirs.sample(&mut rng)).collect();
            drawn.sort_by(f64::total_cmp);
            for u in [0.1, 0.5, 0.9, 0.99] {
                let (expected, found) = (drawn[(u * drawn.len() as f64) as usize], ours.quantile(u));
                assert!((found / expected - 1.0).abs() < 0.04, "{ours:?} at {u}: {found}, not {expected}");
            }
        }
        compare("{ exponential = { mean = 2 } }", rand_distr::Exp::new(0.5).expect("positive"));
        compare("{ lognormal = { median = 1, sigma = 0.5 } }", rand_distr::LogNormal::new(0.0, 0.5).expect("finite"));
        compare("{ weibull = { shape = 1.5, scale = 3 } }", rand_distr::Weibull::new(3.0, 1.5).expect("positive"));
    }
}
