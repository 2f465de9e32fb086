//! The service: configuration, logs, mail, signals.

mod announce;
mod clock;
pub mod config;
pub mod logging;
mod mail;

pub use clock::SystemClock;
