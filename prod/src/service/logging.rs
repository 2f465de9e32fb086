//! Log lines: for people on a terminal, JSON for programs. They go to stderr; stdout belongs to answers.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;

use super::config::{LogFormat, LogSection};

type Change = Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;

/// The way to the filter of the log that was begun.
static CHANGE: OnceLock<Change> = OnceLock::new();

/// Begins to log.
///
/// # Errors
/// If the filter makes no sense; the text says what is wrong with it.
pub fn start(section: &LogSection) -> Result<(), String> {
    let filter = EnvFilter::try_new(&section.filter)
        .map_err(|error| format!("log.filter {:?}: {error}; an example: info,yardmaster=debug", section.filter))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(std::io::stderr);
    let terminal = std::io::stderr().is_terminal();
    let (started, change): (_, Change) = match (section.format, terminal) {
        (LogFormat::Human, _) | (LogFormat::Auto, true) => {
            let lines = lines.with_ansi(terminal).with_filter_reloading();
            let filter = lines.reload_handle();
            (lines.try_init(), Box::new(move |new| filter.reload(new).map_err(|error| error.to_string())))
        }
        (LogFormat::Json, _) | (LogFormat::Auto, false) => {
            let lines = lines.json().flatten_event(true).with_filter_reloading();
            let filter = lines.reload_handle();
            (lines.try_init(), Box::new(move |new| filter.reload(new).map_err(|error| error.to_string())))
        }
    };
    // Somebody who uses this as a library may have set up another log, which then is the one.
    if started.is_ok() {
        let _ = CHANGE.set(change);
    }
    Ok(())
}

/// Changes what is worth a line.
///
/// # Errors
/// If the filter makes no sense, or somebody else's log is the one.
pub(super) fn set_filter(filter: &str) -> Result<(), String> {
    let change = CHANGE.get().ok_or("another log was set up before this one")?;
    change(EnvFilter::try_new(filter).map_err(|error| error.to_string())?)
}
