//! Yardmaster's production scheduler: the engine on the system's clock, a real database and real drones.
//!
//! * `database` speaks to MySQL, MariaDB and SQLite: connections, transactions, dialects, the schema and its migrations.
//! * `store` is the engine's `Store` on such a database.
//! * `agent` is what runs on a drone, and the messages it understands.
//! * `drones` is the engine's `DroneBackend`: agents on this machine and over SSH.
//! * `frontend` is what people do: submit, abort, lock, add; and reading it back.
//! * `snapshot` reads what is and what was, for forecasts.
//! * `service` puts them together: configuration, logs, mail, signals.
//! * `runner` sees one job to its end that was handed off.
//! * `quickstart` is a first run of all of it, on this machine.
//! * `cli` is the command line for people.

pub mod agent;
pub mod cli;
pub mod database;
pub mod drones;
pub mod frontend;
pub mod quickstart;
pub mod runner;
pub mod service;
pub mod snapshot;
pub mod store;
mod suggestion;
