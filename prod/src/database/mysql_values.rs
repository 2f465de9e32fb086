//! mysql_async's values and errors as ours.

use mysql_async::consts::ColumnType;

use super::error::shortened;
use super::{DatabaseError, Row, Value};

pub(super) fn parameters(values: Vec<Value>) -> mysql_async::Params {
    if values.is_empty() {
        return mysql_async::Params::Empty;
    }
    let values = values.into_iter().map(|value| match value {
        Value::Null => mysql_async::Value::NULL,
        Value::Integer(number) => mysql_async::Value::Int(number),
        Value::Text(text) => mysql_async::Value::Bytes(text.into_bytes()),
    });
    mysql_async::Params::Positional(values.collect())
}

pub(super) fn row(row: mysql_async::Row) -> Row {
    let columns = row.columns();
    let values = row.unwrap_raw().into_iter().zip(columns.iter());
    Row(values.map(|(value, column)| value.map_or(Value::Null, |value| read(value, column.column_type()))).collect())
}

/// Statements without parameters answer in text, whatever the column's type: numbers have to be read then.
fn read(value: mysql_async::Value, kind: ColumnType) -> Value {
    match value {
        mysql_async::Value::NULL => Value::Null,
        mysql_async::Value::Int(number) => Value::Integer(number),
        mysql_async::Value::UInt(number) => match i64::try_from(number) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Text(number.to_string()),
        },
        mysql_async::Value::Bytes(bytes) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let is_number = kind.is_numeric_type();
            match text.parse() {
                Ok(number) if is_number => Value::Integer(number),
                Ok(_) | Err(_) => Value::Text(text),
            }
        }
        other @ (mysql_async::Value::Float(_)
        | mysql_async::Value::Double(_)
        | mysql_async::Value::Date(..)
        | mysql_async::Value::Time(..)) => Value::Text(other.as_sql(true).trim_matches('\'').to_owned()),
    }
}

/// What a failure of the driver or the server means.
pub(super) fn error(error: mysql_async::Error, statement: &str) -> DatabaseError {
    // It says what kind of error it is, and so does what it holds.
    let cause = match &error {
        mysql_async::Error::Io(mysql_async::IoError::Io(cause)) => cause.to_string(),
        other => other.to_string(),
    };
    let statement = shortened(statement);
    let mysql_async::Error::Server(server) = error else {
        return DatabaseError::Lost { statement, cause };
    };
    let cause = format!("{} (error {})", server.message, server.code);
    match server.code {
        1205 | 1213 | 3572 => DatabaseError::Busy { statement, cause },
        1062 | 1586 => DatabaseError::Duplicate { statement, cause },
        // Shutting down, killed, packets torn.
        1053 | 1152..=1161 | 1927 | 4031 => DatabaseError::Lost { statement, cause },
        1040 | 1203 | 1226 => DatabaseError::Refused { cause, advice: "allow more connections, or close some" },
        1044 | 1045 | 1698 => {
            DatabaseError::Refused { cause, advice: "check the user, the password file and the account's grants" }
        }
        1049 => DatabaseError::Refused { cause, advice: "create the database, or correct its name in the address" },
        1142 | 1143 | 1227 | 1370 => {
            DatabaseError::Refused { cause, advice: "grant the account what docs/operations.md lists" }
        }
        1419 => {
            let advice = "as the server's administrator, SET GLOBAL log_bin_trust_function_creators = 1, and try again";
            DatabaseError::Refused { cause, advice }
        }
        1665 => {
            let advice =
                "let the server log rows (binlog_format = ROW or MIXED, also in its configuration), and connect anew";
            DatabaseError::Refused { cause, advice }
        }
        1290 | 1792 | 1836 => {
            DatabaseError::Refused { cause, advice: "this server only reads: connect to the primary one" }
        }
        _ => DatabaseError::Other { statement, cause },
    }
}
