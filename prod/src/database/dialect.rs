//! Where MySQL's SQL and SQLite's differ.

use std::fmt;

/// The SQL that a database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
}

impl Dialect {
    /// An expression: epoch seconds of a `datetime` column.
    pub fn seconds_of(self, column: &str) -> String {
        match self {
            Dialect::MySql => format!("CAST(UNIX_TIMESTAMP({column}) AS SIGNED)"),
            Dialect::Sqlite => format!("CAST(strftime('%s', {column}) AS INTEGER)"),
        }
    }

    /// An expression: the `datetime` of epoch seconds, which may be NULL.
    pub fn datetime_of(self, seconds: &str) -> String {
        match self {
            Dialect::MySql => format!("FROM_UNIXTIME({seconds})"),
            Dialect::Sqlite => format!("datetime({seconds}, 'unixepoch')"),
        }
    }

    /// An expression: now, by the server's clock, as a `datetime`.
    pub fn now(self) -> &'static str {
        match self {
            Dialect::MySql => "NOW()",
            Dialect::Sqlite => "datetime('now')",
        }
    }

    /// An expression: now, by the server's clock, in epoch seconds.
    pub fn now_seconds(self) -> &'static str {
        match self {
            Dialect::MySql => "UNIX_TIMESTAMP()",
            Dialect::Sqlite => "CAST(strftime('%s', 'now') AS INTEGER)",
        }
    }

    /// `INSERT`, unless a row with such a key is there.
    pub fn insert_ignore(self) -> &'static str {
        match self {
            Dialect::MySql => "INSERT IGNORE INTO",
            Dialect::Sqlite => "INSERT OR IGNORE INTO",
        }
    }

    /// Ends a `SELECT` that locks what it finds. SQLite's transactions are alone anyway.
    pub fn for_update(self) -> &'static str {
        match self {
            Dialect::MySql => " FOR UPDATE",
            Dialect::Sqlite => "",
        }
    }

    /// A whole number as a parameter whose type the server cannot infer.
    pub fn integer_parameter(self) -> &'static str {
        match self {
            Dialect::MySql => "CAST(? AS SIGNED)",
            Dialect::Sqlite => "CAST(? AS INTEGER)",
        }
    }

    /// A text as a parameter whose type the server cannot infer.
    pub fn text_parameter(self) -> &'static str {
        match self {
            Dialect::MySql => "CAST(? AS CHAR)",
            Dialect::Sqlite => "CAST(? AS TEXT)",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dialect::MySql => "MySQL",
            Dialect::Sqlite => "SQLite",
        })
    }
}
