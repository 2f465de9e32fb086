//! Values that go into statements, and rows that come out.

use super::DatabaseError;

/// One value of a statement's parameters or of a row. Moments travel as epoch seconds, see [`super::Dialect`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// SQL's NULL.
    Null,
    /// A whole number; truth is 0 or 1.
    Integer(i64),
    /// A text.
    Text(String),
}

macro_rules! from_integers {
    ($($integer:ty),*) => {$(
        impl From<$integer> for Value {
            fn from(value: $integer) -> Value {
                Value::Integer(i64::from(value))
            }
        }
    )*};
}

from_integers!(i64, i32, u32, u16, u8, bool);

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::Text(value)
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Value {
        Value::Text(value.clone())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

impl Value {
    /// What it is, for people.
    pub(super) fn describe(&self) -> String {
        match self {
            Value::Null => "NULL".to_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => format!("{:?}", text.chars().take(60).collect::<String>()),
        }
    }
}

/// One row of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(pub(super) Vec<Value>);

impl Row {
    /// The value of a column, counted from 0.
    ///
    /// # Errors
    /// [`DatabaseError::BadRow`] if there is no such column, or if it holds something else.
    pub fn get<T: FromValue>(&self, column: usize) -> Result<T, DatabaseError> {
        let value = self.0.get(column).ok_or_else(|| DatabaseError::BadRow {
            column,
            expected: T::EXPECTED,
            found: format!("a row of {} columns", self.0.len()),
        })?;
        T::from_value(value).ok_or_else(|| DatabaseError::BadRow {
            column,
            expected: T::EXPECTED,
            found: value.describe(),
        })
    }
}

/// What a column can be read as.
pub trait FromValue: Sized {
    /// What is expected, for people.
    const EXPECTED: &'static str;
    /// Reads it, if it is that.
    fn from_value(value: &Value) -> Option<Self>;
}

macro_rules! read_integers {
    ($($integer:ty = $expected:literal),*) => {$(
        impl FromValue for $integer {
            const EXPECTED: &'static str = $expected;
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    Value::Integer(number) => <$integer>::try_from(*number).ok(),
                    Value::Null | Value::Text(_) => None,
                }
            }
        }
    )*};
}

read_integers!(
    i64 = "a whole number",
    i32 = "a whole number of 32 bits",
    u32 = "a whole number from 0 to 4294967295",
    u64 = "a whole number from 0"
);

impl FromValue for bool {
    const EXPECTED: &'static str = "0 or 1";
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(number) => Some(*number != 0),
            Value::Null | Value::Text(_) => None,
        }
    }
}

impl FromValue for String {
    const EXPECTED: &'static str = "a text";
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.clone()),
            // SQLite keeps what it is given: a hostname of digits may come back as a number.
            Value::Integer(number) => Some(number.to_string()),
            Value::Null => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            Value::Integer(_) | Value::Text(_) => T::from_value(value).map(Some),
        }
    }
}
