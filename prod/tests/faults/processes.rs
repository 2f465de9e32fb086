//! Processes that belong to a lab: their command lines name something in its folder.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// A process that lives.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    pub(crate) words: Vec<String>,
}

/// What a lab's process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// An agent that serves a scheduler.
    Agent,
    /// An agent's launcher, which has not become the program yet.
    Launcher,
    /// A process that a scheduler has ordered.
    Work,
    /// The SSH server, which is the test's.
    Sshd,
    /// Anything else: the service, SSH clients.
    Other,
}

impl Process {
    pub(crate) fn part(&self) -> Part {
        let word = |place: usize| self.words.get(place).map_or("", String::as_str);
        match (word(0), word(1)) {
            (program, _) if program.contains("sshd") => Part::Sshd,
            (program, "serve") if program.ends_with("yardmaster-drone") => Part::Agent,
            (_, "launch") => Part::Launcher,
            (_, "practice") => Part::Work,
            _ => Part::Other,
        }
    }

    /// Whether an argument is this folder or lies in it.
    pub(crate) fn is_of(&self, folder: &Path) -> bool {
        self.words.iter().any(|word| Path::new(word).starts_with(folder))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // It may have ended by itself.
        let _ = kill_process(self.pid, signal);
    }
}

/// All of a folder. Those that have ended and wait for their parents have no command line.
pub(crate) fn all(folder: &Path) -> Vec<Process> {
    let text = folder.to_string_lossy();
    let pids = fs::read_dir("/proc").expect("a process table").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let read = |pid: i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let words = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        Some(Process { pid: Pid::from_raw(pid)?, words })
    };
    pids.filter_map(read).filter(|process| process.words.iter().any(|word| word.contains(&*text))).collect()
}

/// Those of one kind that work in a results directory.
pub(crate) fn parts(results: &Path, part: Part) -> Vec<Process> {
    all(results).into_iter().filter(|process| process.part() == part && process.is_of(results)).collect()
}

/// Signals all of a kind; tells how many there were.
pub(crate) fn signal(results: &Path, part: Part, signal: Signal) -> usize {
    let found = parts(results, part);
    found.iter().for_each(|process| process.signal(signal));
    found.len()
}
