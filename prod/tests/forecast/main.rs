//! Snapshots of SQLite and MariaDB, beside whoever writes, and forecasts from the command line.

mod beside;
mod commands;
mod contents;
mod lab;
#[path = "../command_line/machine.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod machine;
#[path = "../support/mariadb.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod mariadb;
#[path = "../stores/place.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod place;
