//! Log lines: for people on a terminal, JSON for programs. They go to stderr; stdout belongs to answers.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use super::config::{LogFormat, LogSection};

/// Begins to log.
///
/// # Errors
/// If the filter makes no sense; the text says what is wrong with it.
pub fn start(section: &LogSection) -> Result<(), String> {
    let filter = EnvFilter::try_new(&section.filter)
        .map_err(|error| format!("log.filter {:?}: {error}; an example: info,yardmaster=debug", section.filter))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(std::io::stderr);
    let terminal = std::io::stderr().is_terminal();
    let started = match (section.format, terminal) {
        (LogFormat::Human, _) | (LogFormat::Auto, true) => lines.with_ansi(terminal).try_init(),
        (LogFormat::Json, _) | (LogFormat::Auto, false) => lines.json().flatten_event(true).try_init(),
    };
    // Somebody who uses this as a library may have set up another log, which then is the one.
    drop(started);
    Ok(())
}
