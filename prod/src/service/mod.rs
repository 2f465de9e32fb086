//! The service: configuration, logs, mail, signals.
