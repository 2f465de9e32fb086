//! Moments as people and programs read them.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

use crate::database::{DatabaseError, FromValue, Value};

/// A moment, to the second. Shown in this machine's time zone; for programs as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Moment {
    /// How many seconds it lies before another.
    pub fn seconds_before(self, later: Moment) -> i64 {
        later.0.saturating_sub(self.0)
    }

    /// This machine's clock.
    pub fn now() -> Moment {
        Moment(Timestamp::now().as_second())
    }

    /// Reads what `Dialect::seconds_of` gave.
    pub(super) fn read(row: &crate::database::Row, column: usize) -> Result<Option<Moment>, DatabaseError> {
        row.get::<Option<Moment>>(column)
    }
}

impl FromValue for Moment {
    const EXPECTED: &'static str = "a moment in seconds";
    fn from_value(value: &Value) -> Option<Self> {
        i64::from_value(value).map(Moment)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_second(self.0) {
            Ok(moment) => f.pad(&moment.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()),
            Err(_) => write!(f, "{} s", self.0),
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match Timestamp::from_second(self.0) {
            Ok(moment) => serializer.collect_str(&moment),
            Err(_) => serializer.serialize_none(),
        }
    }
}
