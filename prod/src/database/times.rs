//! The engine's moments and the database's seconds.
//!
//! Autotest's `datetime` columns are local times of the server without a zone, to the second. The server converts them
//! (`UNIX_TIMESTAMP`, `FROM_UNIXTIME`); what comes and goes is seconds since the epoch. In the hour that a change to winter
//! time repeats, a moment may so be read an hour off: Autotest has that too. SQLite has no server, and the processes that
//! share a file may be set to different zones: there they are UTC.

use yardmaster_engine::Time;

use super::Value;

/// A moment as the parameter of [`super::Dialect::datetime_of`], rounded down to the second.
pub fn to_value(time: Time) -> Value {
    Value::Integer(time.as_seconds())
}

/// The moment of so many seconds since the epoch.
pub fn from_seconds(seconds: i64) -> Time {
    Time::from_seconds(seconds)
}

/// A moment as a database would give it back: without its fraction of a second.
pub fn to_the_second(time: Time) -> Time {
    Time::from_seconds(time.as_seconds())
}
