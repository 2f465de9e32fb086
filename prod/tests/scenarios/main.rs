//! The scenario library and the recordings of the original on real parts: SQLite and a server, real agents and processes.
//!
//! * `duel` plays a scenario in the simulator and on real parts at once and compares after every tick.
//! * `tables` copies what people do into the database, `rows` shows what is there, `drones` are real agents and processes
//!   that wait to be told how to end, `surroundings` are the engine's, with faults.
//! * `playing` plays many scenarios at once; `excused` says which cannot be, and why.
//! * `reload` is what no scenario can say: a start that is stuck half-way.

#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../support/database_server.rs"]
mod database_server;

mod drones;
mod duel;
mod excused;
mod playing;
mod reload;
mod rows;
mod surroundings;
mod tables;
