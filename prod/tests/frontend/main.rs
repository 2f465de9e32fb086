//! What people do to a lab, on SQLite and on MariaDB: the rows that the scheduler then finds.

mod hosts;
mod jobs;
mod lab;
#[path = "../support/mariadb.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod mariadb;
#[path = "../stores/place.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod place;
mod reading;
mod surroundings;
