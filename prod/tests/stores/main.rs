//! The engine's store on SQLite and on a real server: what it loads, hears and commits, and how it fails.

#[path = "../support/cutter.rs"]
mod cutter;
#[path = "../support/database_server.rs"]
mod database_server;

mod committing;
mod faults;
mod hand_offs;
mod hearing;
mod lab;
mod place;
mod schema;
mod servers;
