//! Looks after a program that writes no pidfile: runs it as a child, writes its pid and then its wait status.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::signal::unix::{SignalKind, signal};

use super::claim::replace_file;
use super::error::{AgentError, During};
use super::launch::not_run;
use super::paths::Place;

/// Runs a program to its end. SIGTERM is passed on to it.
///
/// # Errors
/// If its pidfile cannot be written.
pub(super) fn run(place: &Place, name: &str, command: Command, log: File, replies: File) -> Result<(), AgentError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.during("look after", &place.directory)?.block_on(look_after(place, name, command, log, replies))
}

async fn look_after(
    place: &Place,
    name: &str,
    mut command: Command,
    log: File,
    replies: File,
) -> Result<(), AgentError> {
    // Before there is a child: a signal must not end us and leave it.
    let mut terminate = signal(SignalKind::terminate()).during("look after", &place.directory)?;
    let mut hangup = signal(SignalKind::hangup()).during("look after", &place.directory)?;
    let mut interrupt = signal(SignalKind::interrupt()).during("look after", &place.directory)?;
    rustix::stdio::dup2_stdout(&log).during("use the log of", &place.directory)?;
    command.process_group(0);
    let mut child = match tokio::process::Command::from(command).spawn() {
        Ok(child) => child,
        Err(error) => {
            let _ = writeln!(&log, "yardmaster: cannot run it: {error}");
            not_run(place, name);
            return Ok(());
        }
    };
    drop(replies);
    let pid = child.id().map_or(0, u32::cast_signed);
    replace_file(&place.pidfile(name), format!("{pid}\n").as_bytes())?;
    let status = loop {
        let asked = tokio::select! {
            status = child.wait() => break status.during("wait for the program of", &place.directory)?,
            _ = terminate.recv() => Signal::TERM,
            _ = hangup.recv() => Signal::HUP,
            _ = interrupt.recv() => Signal::INT,
        };
        if let Some(group) = Pid::from_raw(pid) {
            // It may be over just now.
            let _ = kill_process_group(group, asked);
        }
    };
    let text = format!("{pid}\n{}\n0\n", status.into_raw());
    replace_file(&place.pidfile(name), text.as_bytes())
}
