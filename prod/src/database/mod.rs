//! Databases: MySQL, MariaDB and SQLite behind one handle.
//!
//! * [`Database`] runs statements and begins a [`Transaction`]; [`DatabaseAddress`] says where it is.
//! * [`Value`] goes in, [`Row`] comes out; [`DatabaseError`] says what a failure means for whoever asked.
//! * [`Dialect`] has the few words in which the two kinds of server differ.
//! * `lists` writes `id IN (…)`.
//! * [`schema`] makes the tables: Autotest's and ours.
//! * [`times`] converts between the engine's microseconds and the seconds that databases keep.

mod address;
mod dialect;
mod error;
mod handle;
mod lists;
mod mysql;
mod mysql_values;
pub mod schema;
mod sqlite;
pub mod times;
mod value;

pub use address::{AddressError, DatabaseAddress, MySqlAddress, Tls};
pub use dialect::Dialect;
pub use error::DatabaseError;
pub use handle::{Consumer, Database, Executed, Transaction};
pub(crate) use lists::{CHUNK, marks, padded};
pub(crate) use mysql::ConnectionId;
pub use value::{FromValue, Row, Value};
