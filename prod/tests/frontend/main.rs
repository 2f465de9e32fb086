//! What people do to a lab, on SQLite and on a server: the rows that the scheduler then finds.

#[path = "../support/database_server.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod database_server;
mod hosts;
mod jobs;
mod lab;
#[path = "../stores/place.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod place;
mod reading;
mod surroundings;
