//! From measured values to a distribution that a person can read: a named one where it fits, else the values' own quantiles.
//!
//! Parameters are those of maximum likelihood. A named distribution is taken if its Kolmogorov–Smirnov distance (the largest
//! difference between the share of measured values and the distribution's, below any value) is at most 0.05, or at most
//! 0.886 / √n where that is more: Lilliefors' limit at 5 % for parameters estimated from the same values (H. W. Lilliefors,
//! JASA 62, 1967). The nearest of those that qualify wins.

use std::fmt;

/// What is wide enough for any sample.
const DISTANCE_ENOUGH: f64 = 0.05;
/// Lilliefors' limit for many values, times √n.
const LILLIEFORS: f64 = 0.886;
/// With fewer values nothing but a mean is learned.
const FEW: usize = 5;
/// Longer lists are thinned evenly, by rank, to about so many values before parameters are looked for.
const THINNED: usize = 5_000;
/// From so many values on 51 quantiles are written down, not 21.
const MANY: usize = 500;

/// A fitted distribution, its parameters rounded as they will be written.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Always this.
    Constant(f64),
    /// Memoryless.
    Exponential {
        /// Its mean.
        mean: f64,
        /// Above which values are cut: the largest that was measured, or infinity.
        max: f64,
    },
    /// Its logarithm is normal.
    Lognormal {
        /// Its median.
        median: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
        /// Above which values are cut: the largest that was measured.
        max: f64,
    },
    /// Weibull's.
    Weibull {
        /// Below 1: the longer it has lasted, the longer it will last.
        shape: f64,
        /// 63 % of the values are below.
        scale: f64,
        /// Above which values are cut: the largest that was measured.
        max: f64,
    },
    /// Values at equally spaced probabilities, linear between them.
    Quantiles(Vec<f64>),
}

/// A distribution with what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The distribution.
    pub shape: Shape,
    /// How many values were measured.
    pub samples: usize,
    /// Kolmogorov–Smirnov distance between the values and the distribution.
    pub distance: f64,
    /// The nearest named distribution and its distance, where it was not near enough.
    pub refused: Option<(&'static str, f64)>,
}

impl Fitted {
    /// Fits values ≥ 0 in any order; results are rounded to multiples of `unit` where they are values, else to four
    /// significant digits. `None` without values.
    pub fn of(values: &[f64], unit: f64) -> Option<Fitted> {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite() && *value >= 0.0).collect();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let samples = sorted.len();
        if rounded(least, unit) == rounded(most, unit) {
            let mean = sorted.iter().sum::<f64>() / samples as f64;
            return Some(Fitted { shape: Shape::Constant(significant(mean)), samples, distance: 0.0, refused: None });
        }
        let thinned: Vec<f64> = sorted.iter().copied().step_by(samples.div_ceil(THINNED)).collect();
        let limit = DISTANCE_ENOUGH.max(LILLIEFORS / (samples as f64).sqrt());
        let mut candidates: Vec<(f64, Shape)> = named(&thinned, rounded_up(most, unit))
            .into_iter()
            .map(|shape| (distance(&sorted, &shape), shape))
            .collect();
        candidates.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (nearest, shape) = candidates.into_iter().next()?;
        if nearest <= limit || samples < FEW {
            return Some(Fitted { shape, samples, distance: nearest, refused: None });
        }
        let quantiles = quantiles(&sorted, unit);
        let refused = Some((shape.name(), nearest));
        Some(Fitted { distance: distance(&sorted, &quantiles), shape: quantiles, samples, refused })
    }
}

impl Fitted {
    /// An exponential distribution of a mean that is known otherwise, and how far these values are from it.
    pub(super) fn memoryless(mean: f64, values: &[f64], samples: usize) -> Fitted {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let shape = Shape::Exponential { mean: significant(mean), max: f64::INFINITY };
        Fitted { distance: distance(&sorted, &shape), shape, samples, refused: None }
    }
}

impl Shape {
    /// The name of the distribution.
    pub fn name(&self) -> &'static str {
        match self {
            Shape::Constant(_) => "constant",
            Shape::Exponential { .. } => "exponential",
            Shape::Lognormal { .. } => "lognormal",
            Shape::Weibull { .. } => "weibull",
            Shape::Quantiles(_) => "quantiles",
        }
    }

    /// The share of values that are at most `x`.
    fn share_below(&self, x: f64) -> f64 {
        let cut = |share: f64, max: f64| if x >= max { 1.0 } else { share };
        match self {
            Shape::Constant(value) => f64::from(x >= *value),
            Shape::Exponential { mean, max } => cut(-libm::expm1(-x / mean), *max),
            Shape::Lognormal { median, sigma, max } => {
                let normal = libm::log(x / median) / sigma;
                cut(0.5 * libm::erfc(-normal / std::f64::consts::SQRT_2), *max)
            }
            Shape::Weibull { shape, scale, max } => cut(-libm::expm1(-libm::pow(x / scale, *shape)), *max),
            Shape::Quantiles(values) => {
                let above = values.partition_point(|value| *value <= x);
                match (above.checked_sub(1).map(|index| values[index]), values.get(above)) {
                    (None, _) => 0.0,
                    (Some(_), None) => 1.0,
                    (Some(low), Some(high)) => {
                        ((above - 1) as f64 + (x - low) / (high - low)) / (values.len() - 1) as f64
                    }
                }
            }
        }
    }
}

/// As a scenario writes it.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Constant(value) => write!(f, "{value}"),
            Shape::Exponential { mean, max } if max.is_infinite() => {
                write!(f, "{{ exponential = {{ mean = {mean} }} }}")
            }
            Shape::Exponential { mean, max } => write!(f, "{{ exponential = {{ mean = {mean}, max = {max} }} }}"),
            Shape::Lognormal { median, sigma, max } => {
                write!(f, "{{ lognormal = {{ median = {median}, sigma = {sigma}, max = {max} }} }}")
            }
            Shape::Weibull { shape, scale, max } => {
                write!(f, "{{ weibull = {{ shape = {shape}, scale = {scale}, max = {max} }} }}")
            }
            Shape::Quantiles(values) => {
                let values: Vec<String> = values.iter().map(f64::to_string).collect();
                write!(f, "{{ quantiles = [{}] }}", values.join(", "))
            }
        }
    }
}

/// The figures that stand beside it as a comment.
impl fmt::Display for Fitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n = {}", self.samples)?;
        if !matches!(self.shape, Shape::Constant(_)) {
            write!(f, ", KS {:.3}", self.distance)?;
        }
        if let Some((name, distance)) = self.refused {
            write!(f, " ({name}: {distance:.3})")?;
        }
        Ok(())
    }
}

/// The named distributions of maximum likelihood.
fn named(sorted: &[f64], max: f64) -> Vec<Shape> {
    let count = sorted.len() as f64;
    let mean = sorted.iter().sum::<f64>() / count;
    if sorted.len() < FEW {
        // Cut at the largest of a few values, it would have another mean.
        return vec![Shape::Exponential { mean: significant(mean), max: f64::INFINITY }];
    }
    let mut shapes = vec![Shape::Exponential { mean: significant(mean), max }];
    if sorted[0] <= 0.0 {
        return shapes;
    }
    let logs: Vec<f64> = sorted.iter().map(|value| libm::log(*value)).collect();
    let log_mean = logs.iter().sum::<f64>() / count;
    let sigma = (logs.iter().map(|log| (log - log_mean).powi(2)).sum::<f64>() / count).sqrt();
    shapes.push(Shape::Lognormal { median: significant(libm::exp(log_mean)), sigma: significant(sigma), max });
    if let Some((shape, scale)) = weibull(&logs, log_mean) {
        shapes.push(Shape::Weibull { shape: significant(shape), scale: significant(scale), max });
    }
    shapes
}

/// Shape and scale of the Weibull distribution of maximum likelihood, from the logarithms. The shape k solves
/// Σ xᵏ ln x / Σ xᵏ − 1/k = mean of ln x, whose left side ascends in k (N. Balakrishnan, M. Kateri, Statistics & Probability
/// Letters 78, 2008); the scale is then (Σ xᵏ / n)^(1/k).
fn weibull(logs: &[f64], log_mean: f64) -> Option<(f64, f64)> {
    // Values are divided by their geometric mean, so that powers stay small.
    let sums = |shape: f64| {
        logs.iter().fold((0.0, 0.0), |(plain, weighted), log| {
            let (log, power) = (log - log_mean, libm::exp(shape * (log - log_mean)));
            (plain + power, weighted + power * log)
        })
    };
    let excess = |shape: f64| {
        let (plain, weighted) = sums(shape);
        weighted / plain - 1.0 / shape
    };
    let (mut low, mut high) = (0.02, 60.0);
    if !(excess(low) < 0.0 && excess(high) > 0.0) {
        return None;
    }
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if excess(middle) < 0.0 { low = middle } else { high = middle }
    }
    let shape = (low + high) / 2.0;
    let scale = libm::exp(log_mean + libm::log(sums(shape).0 / logs.len() as f64) / shape);
    Some((shape, scale)).filter(|(shape, scale)| shape.is_finite() && scale.is_finite())
}

/// Kolmogorov–Smirnov distance.
fn distance(sorted: &[f64], shape: &Shape) -> f64 {
    let count = sorted.len() as f64;
    let mut worst: f64 = 0.0;
    let mut index = 0;
    while index < sorted.len() {
        let value = sorted[index];
        let next = index + sorted[index..].partition_point(|other| *other <= value);
        let share = shape.share_below(value);
        // A constant jumps where the values do; a smooth distribution is compared before the jump and after it.
        worst = worst.max((next as f64 / count - share).abs());
        if !matches!(shape, Shape::Constant(_) | Shape::Quantiles(_)) {
            worst = worst.max((share - index as f64 / count).abs());
        }
        index = next;
    }
    worst
}

/// 21 or 51 quantiles, in multiples of `unit`. The last is not the largest value: it is chosen so that the mean of the
/// largest values is kept, which would else be too large by far for skewed values.
fn quantiles(sorted: &[f64], unit: f64) -> Shape {
    let steps = if sorted.len() >= MANY { 50 } else { 20 };
    let last = (sorted.len() - 1) as f64;
    let at = |share: f64| {
        let place = share * last;
        let low = sorted[place as usize];
        let high = sorted.get(place as usize + 1).copied().unwrap_or(low);
        low + (high - low) * place.fract()
    };
    let mut values: Vec<f64> = (0..=steps).map(|step| rounded(at(f64::from(step) / f64::from(steps)), unit)).collect();
    let before = values[values.len() - 2];
    let top = &sorted[((1.0 - 1.0 / f64::from(steps)) * last) as usize..];
    let mean = top.iter().sum::<f64>() / top.len() as f64;
    let end = values.len() - 1;
    values[end] = rounded(2.0 * mean - before, unit).clamp(before, values[end].max(before));
    Shape::Quantiles(values)
}

fn rounded(value: f64, unit: f64) -> f64 {
    let units = (value / unit).round();
    // A unit below 1 is a power of ten: dividing by its inverse leaves no tail of digits.
    if unit < 1.0 { units / (1.0 / unit).round() } else { units * unit }
}

fn rounded_up(value: f64, unit: f64) -> f64 {
    let nearest = rounded(value, unit);
    if nearest < value { rounded(value + unit, unit) } else { nearest }
}

/// A number with four significant digits.
pub(super) fn significant(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Concern;

    /// Values at random by a quantile function.
    fn drawn(count: usize, quantile: impl Fn(f64) -> f64) -> Vec<f64> {
        let mut stream = Concern::new(7, "sample").stream([0; 3]);
        (0..count).map(|_| quantile(stream.unit())).collect()
    }

    fn fit(values: &[f64]) -> Fitted {
        Fitted::of(values, 1.0).expect("values")
    }

    #[track_caller]
    fn near(found: f64, expected: f64, tolerance: f64) {
        assert!((found / expected - 1.0).abs() < tolerance, "{found}, not {expected}");
    }

    #[test]
    fn named_distributions_are_found_again() {
        let Shape::Exponential { mean, .. } = fit(&drawn(3000, |u| -60.0 * (-u).ln_1p())).shape else {
            // A Weibull distribution of shape 1 is an exponential one.
            let Shape::Weibull { shape, scale, .. } = fit(&drawn(3000, |u| -60.0 * (-u).ln_1p())).shape else {
                panic!("neither exponential nor weibull")
            };
            near(shape, 1.0, 0.04);
            return near(scale, 60.0, 0.04);
        };
        near(mean, 60.0, 0.04);
    }

    #[test]
    fn a_weibull_distribution_is_found_again() {
        let Shape::Weibull { shape, scale, .. } = fit(&drawn(3000, |u| 900.0 * (-(-u).ln_1p()).powf(1.0 / 2.5))).shape
        else {
            panic!("not weibull")
        };
        near(shape, 2.5, 0.05);
        near(scale, 900.0, 0.02);
    }

    #[test]
    fn two_humps_are_no_named_distribution_and_keep_their_quantiles_and_mean() {
        let values = drawn(2000, |u| if u < 0.7 { 60.0 + 40.0 * u } else { 3000.0 + 1000.0 * u });
        let fitted = fit(&values);
        let Shape::Quantiles(quantiles) = &fitted.shape else { panic!("{fitted:?}") };
        assert_eq!(quantiles.len(), 51);
        assert!(fitted.refused.is_some_and(|(_, distance)| distance > 0.05) && fitted.distance < 0.05, "{fitted:?}");
        let mean: f64 = quantiles.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).sum::<f64>() / 50.0;
        near(mean, values.iter().sum::<f64>() / 2000.0, 0.03);
    }

    #[test]
    fn a_long_tail_does_not_lengthen_the_mean() {
        // One value in a thousand is huge.
        let mut values = vec![60.0; 500];
        values.extend([61.0; 497]);
        values.extend([80.0, 90.0, 10_000.0]);
        let Shape::Quantiles(quantiles) = fit(&values).shape else { panic!("named") };
        let mean: f64 = quantiles.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).sum::<f64>() / 50.0;
        near(mean, values.iter().sum::<f64>() / 1000.0, 0.03);
    }

    #[test]
    fn few_and_equal_values_make_something_simple() {
        assert_eq!(fit(&[30.0, 30.2, 29.9]).shape, Shape::Constant(30.03));
        assert!(matches!(fit(&[30.0, 90.0]).shape, Shape::Exponential { mean: 60.0, max: f64::INFINITY }));
        assert!(matches!(fit(&[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 900.0]).shape, Shape::Quantiles(_)));
        assert_eq!(Fitted::of(&[], 1.0), None);
        assert_eq!(Fitted::of(&[f64::NAN], 1.0), None);
    }

    #[test]
    fn hours_are_rounded_to_hundredths_without_a_tail_of_digits() {
        let values = drawn(100, |u| if u < 0.5 { u } else { 100.0 + u });
        let text = Fitted::of(&values, 0.01).expect("values").shape.to_string();
        let longest = text.split(['[', ']', ',']).map(|word| word.trim().len()).filter(|length| *length < 12).max();
        assert!(longest.is_some_and(|longest| longest <= 6), "{text}");
    }
}
