//! Drones, from the outside: real agents, real processes, and real SSH servers.

#[path = "../support/sshd.rs"]
mod sshd;

mod agent;
mod commands;
mod contract;
mod faults;
mod lab;
mod transfers;
