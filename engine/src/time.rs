//! Moments and durations, as whole microseconds.

use std::fmt;
use std::ops::{Add, AddAssign, Mul, Sub};

use serde::{Deserialize, Serialize};

/// A moment: microseconds since the Unix epoch. The simulator's virtual clock counts from wherever a scenario begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

/// A length of time in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(pub i64);

const MICROS: i64 = 1_000_000;

impl Time {
    /// Before every other moment.
    pub const MIN: Time = Time(i64::MIN);
    /// After every other moment.
    pub const MAX: Time = Time(i64::MAX);

    /// The moment `seconds` after the Unix epoch.
    pub const fn from_seconds(seconds: i64) -> Time {
        Time(seconds.saturating_mul(MICROS))
    }

    /// Seconds since the Unix epoch, with their fraction.
    pub fn as_seconds_f64(self) -> f64 {
        self.0 as f64 / MICROS as f64
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(MICROS)
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// The longest span.
    pub const MAX: Span = Span(i64::MAX);

    /// A span of whole seconds.
    pub const fn from_seconds(seconds: i64) -> Span {
        Span(seconds.saturating_mul(MICROS))
    }

    /// A span of whole minutes.
    pub const fn from_minutes(minutes: i64) -> Span {
        Span::from_seconds(minutes.saturating_mul(60))
    }

    /// A span of whole hours.
    pub const fn from_hours(hours: i64) -> Span {
        Span::from_minutes(hours.saturating_mul(60))
    }

    /// The nearest whole number of microseconds; saturates, and takes what is not a number as zero.
    pub fn from_seconds_f64(seconds: f64) -> Span {
        Span((seconds * MICROS as f64).round() as i64)
    }

    /// Seconds with their fraction.
    pub fn as_seconds_f64(self) -> f64 {
        self.0 as f64 / MICROS as f64
    }
}

/// The first of some moments; `None` stands for never.
pub fn earliest(moments: &[Option<Time>]) -> Option<Time> {
    moments.iter().flatten().min().copied()
}

impl Add<Span> for Time {
    type Output = Time;
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for Time {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Sub<Span> for Time {
    type Output = Time;
    fn sub(self, span: Span) -> Time {
        Time(self.0.saturating_sub(span.0))
    }
}

impl Sub for Time {
    type Output = Span;
    fn sub(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl Mul<i64> for Span {
    type Output = Span;
    fn mul(self, times: i64) -> Span {
        Span(self.0.saturating_mul(times))
    }
}

impl fmt::Display for Span {
    /// Seconds with as many decimals as they need: `20s`, `0.5s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.as_seconds_f64())
    }
}
