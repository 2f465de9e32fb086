//! The service: configuration, logs, mail, signals.

pub mod config;
