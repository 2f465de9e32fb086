//! Snapshots of SQLite and a server, beside whoever writes, and forecasts from the command line.

mod beside;
mod commands;
mod contents;
#[path = "../support/database_server.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod database_server;
mod lab;
#[path = "../command_line/machine.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod machine;
#[path = "../stores/place.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod place;
