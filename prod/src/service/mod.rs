//! The service: configuration, logs, mail, signals.

mod announce;
mod clock;
pub mod config;
pub mod logging;

pub use clock::SystemClock;
