//! The drone's process table. A pid alone names nothing: it is used again. With the moment of its start and the boot in
//! which that was, it names one process for ever.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// One process, past or present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessIdentity {
    /// Its pid.
    pub(crate) pid: i32,
    /// When it started, in clock ticks since boot.
    pub(crate) started: u64,
    /// The boot in which it ran.
    pub(crate) boot: String,
}

/// What the process table says of a pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProcessRow {
    /// Its pid.
    pub(super) pid: i32,
    /// Its session.
    pub(super) session: i32,
    /// When it started, in clock ticks since boot.
    pub(super) started: u64,
    /// It has ended and only waits to be noticed by its parent.
    pub(super) is_over: bool,
}

/// This boot of the drone. Tests pretend a reboot by the environment variable `YARDMASTER_BOOT_ID`.
pub(super) fn boot_id() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        std::env::var("YARDMASTER_BOOT_ID").unwrap_or_else(|_| {
            fs::read_to_string("/proc/sys/kernel/random/boot_id")
                .map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned())
        })
    })
}

/// When this boot was, in seconds since 1970.
fn boot_seconds() -> u64 {
    static BOOTED: OnceLock<u64> = OnceLock::new();
    *BOOTED.get_or_init(|| {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok()).unwrap_or(0)
    })
}

/// What the process table says of a pid now.
pub(super) fn row(pid: i32) -> Option<ProcessRow> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    // The program's name is in parentheses and may contain anything.
    let fields: Vec<&str> = text.get(text.rfind(')')? + 2..)?.split_ascii_whitespace().collect();
    let is_over = matches!(*fields.first()?, "Z" | "X" | "x");
    Some(ProcessRow { pid, session: fields.get(3)?.parse().ok()?, started: fields.get(19)?.parse().ok()?, is_over })
}

/// All processes there are.
pub(super) fn all() -> Vec<ProcessRow> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(row).collect()
}

impl ProcessRow {
    /// When it started, in seconds since 1970.
    pub(super) fn started_at(&self) -> u64 {
        boot_seconds() + self.started / rustix::param::clock_ticks_per_second().max(1)
    }

    /// Whether its command line or its working directory names a directory.
    pub(super) fn mentions(&self, directory: &Path) -> bool {
        let Some(wanted) = directory.to_str() else { return false };
        let line = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let named = line.split(|byte| *byte == 0).any(|argument| {
            let argument = String::from_utf8_lossy(argument);
            let value = argument.rsplit('=').next().unwrap_or_default();
            Path::new(value).starts_with(wanted)
        });
        named || fs::read_link(format!("/proc/{}/cwd", self.pid)).is_ok_and(|cwd| cwd.starts_with(directory))
    }
}

impl ProcessIdentity {
    /// The calling process.
    pub(crate) fn own() -> ProcessIdentity {
        let pid = std::process::id().cast_signed();
        ProcessIdentity { pid, started: row(pid).map_or(0, |row| row.started), boot: boot_id().to_owned() }
    }

    /// Whether this very process runs now.
    pub(crate) fn lives(&self) -> bool {
        self.boot == boot_id() && row(self.pid).is_some_and(|row| row.started == self.started && !row.is_over)
    }

    /// Those of a process table that are of the session which it began, itself included, and are not over. The session's
    /// number is not given again while any of them lives. If the pid belongs to another process now, it was given again, and
    /// the session is another one.
    pub(super) fn session_in(&self, table: &[ProcessRow]) -> Vec<ProcessRow> {
        if self.boot != boot_id() || row(self.pid).is_some_and(|row| row.started != self.started) {
            return Vec::new();
        }
        let is_of_it = |row: &&ProcessRow| row.session == self.pid && row.started >= self.started && !row.is_over;
        table.iter().filter(is_of_it).copied().collect()
    }
}
