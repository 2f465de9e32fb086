//! Watched pidfiles. A refresh reads those that have changed, then the process table, and then, where a process is gone,
//! its pidfile a second time: the process may have written its status and ended between the two.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use yardmaster_engine::{Fence, PidfileContents, PidfileName};

use super::claim::{Claim, running, sweep};
use super::error::AgentError;
use super::paths::{Place, Results, pidfile_name};
use super::processes::{self, ProcessIdentity};
use super::protocol::Seen;

/// By what a file is known to be unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A pidfile as it was read.
#[derive(Debug, Clone)]
struct Reading {
    version: Version,
    pid: Option<i32>,
    contents: PidfileContents,
}

#[derive(Debug)]
struct Watched {
    path: String,
    name: String,
    pidfile: PathBuf,
    claim_file: PathBuf,
    claim: Option<Claim>,
    reading: Option<Reading>,
    told: Option<Seen>,
}

/// The pidfiles that a connection watches, by number. Numbers belong to a fence.
#[derive(Debug, Default)]
pub(super) struct Watches {
    fence: Fence,
    by_number: BTreeMap<u32, Watched>,
    /// Processes that are over for their pidfiles and have yet to leave the process table, and with it the notes of what runs.
    ended: Vec<ProcessIdentity>,
}

/// What a refresh found.
#[derive(Debug, Default)]
pub(super) struct Refreshed {
    /// News, by number.
    pub(super) news: Vec<(u32, Seen)>,
    /// Results path and pidfile name of those that were just seen to run.
    pub(super) appeared: Vec<(String, String)>,
}

fn version(file: &Path) -> Option<Version> {
    let metadata = fs::metadata(file).ok()?;
    Some(Version {
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

/// No pidfile is longer; what is, makes no sense.
const LONGEST: u64 = 4096;

fn read(file: &Path) -> Option<Reading> {
    let version = version(file)?;
    if version.size > LONGEST {
        let contents = PidfileContents::Corrupt(format!("{} bytes", version.size));
        return Some(Reading { version, pid: None, contents });
    }
    let text = match fs::read(file) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            let contents = PidfileContents::Corrupt(format!("cannot read {}: {error}", file.display()));
            return Some(Reading { version, pid: None, contents });
        }
    };
    let contents = PidfileContents::parse(&text);
    let pid = match contents {
        PidfileContents::Running | PidfileContents::Ended { .. } => {
            text.lines().next().and_then(|line| line.trim().parse().ok())
        }
        PidfileContents::Empty | PidfileContents::Corrupt(_) => None,
    };
    Some(Reading { version, pid, contents })
}

impl Watches {
    /// From here on numbers are those of this fence. Watches of an older one are dropped.
    pub(super) fn enter(&mut self, fence: Fence) {
        if self.fence != fence {
            self.fence = fence;
            self.by_number.clear();
        }
    }

    /// Watches a pidfile, and tells at the next refresh how it stands.
    ///
    /// # Errors
    /// If the path is bad.
    pub(super) fn watch(&mut self, results: &Results, number: u32, path: &str, name: &str) -> Result<(), AgentError> {
        let place = results.place(path)?;
        let name = pidfile_name(name)?;
        let watched = Watched {
            path: place.relative.clone(),
            name: name.to_owned(),
            pidfile: place.pidfile(name),
            claim_file: place.about(name, "claim"),
            claim: None,
            reading: None,
            told: None,
        };
        self.by_number.insert(number, watched);
        Ok(())
    }

    /// Watches it no longer.
    pub(super) fn forget(&mut self, number: u32) {
        self.by_number.remove(&number);
    }

    /// The results paths in which something is watched.
    pub(super) fn paths(&self) -> BTreeSet<String> {
        self.by_number.values().map(|watched| watched.path.clone()).collect()
    }

    /// What has changed since the last refresh.
    pub(super) fn refresh(&mut self, results: &Results) -> Refreshed {
        let mut refreshed = Refreshed::default();
        // All pidfiles come before all processes.
        for watched in self.by_number.values_mut().filter(|watched| !watched.is_over()) {
            watched.look(results);
        }
        for (number, watched) in &mut self.by_number {
            if watched.is_over() {
                continue;
            }
            let Some(seen) = watched.judge() else { continue };
            if watched.told.as_ref() == Some(&seen) {
                continue;
            }
            if matches!(seen, Seen::Running | Seen::Empty) {
                refreshed.appeared.push((watched.path.clone(), watched.name.clone()));
            }
            watched.told = Some(seen.clone());
            if watched.is_over() {
                self.ended.extend(watched.claim.as_ref().map(|claim| claim.process.clone()));
            }
            refreshed.news.push((*number, seen));
        }
        self.ended = sweep(results, std::mem::take(&mut self.ended));
        refreshed
    }

    /// Processes that were started here, still run, are not being killed, and that no watch claims: described for people.
    pub(super) fn unclaimed(&self, results: &Results) -> Vec<String> {
        let claimed: BTreeSet<(&str, &str)> =
            self.by_number.values().map(|watched| (watched.path.as_str(), watched.name.as_str())).collect();
        let is_doomed =
            |path: &str, name: &str| results.place(path).is_ok_and(|place: Place| place.about(name, "killed").exists());
        // What the runner of a job has started at the job's path is the runner's.
        let is_claimed = |path: &str, name: &str| {
            claimed.contains(&(path, name)) || claimed.contains(&(path, PidfileName::HandOff.as_str()))
        };
        running(results)
            .into_iter()
            .filter(|(note, _)| !is_claimed(&note.path, &note.name) && !is_doomed(&note.path, &note.name))
            .map(|(note, claim)| {
                let (path, name) = (note.path, note.name);
                format!(
                    "{path} {name}: pid {}, started in term {}: {}",
                    claim.process.pid,
                    claim.term,
                    claim.argv.join(" ")
                )
            })
            .collect()
    }
}

impl Watched {
    /// Whether nothing more can come.
    fn is_over(&self) -> bool {
        match self.told {
            Some(Seen::Ended { .. } | Seen::Corrupt(_) | Seen::Vanished) => true,
            Some(Seen::Empty | Seen::Running) | None => false,
        }
    }

    /// Reads what has changed.
    fn look(&mut self, results: &Results) {
        if self.claim.is_none() {
            let claim = results.place(&self.path).and_then(|place| Claim::read(&place, &self.name));
            // One that cannot be read is not there for us; the pidfile may still speak.
            self.claim = claim.ok().flatten();
        }
        let known = self.reading.as_ref().map(|reading| reading.version);
        if known.is_none() || version(&self.pidfile) != known {
            self.reading = read(&self.pidfile);
        }
    }

    /// What the pidfile, the process table, and the pidfile again come to. `None`: there is no trace.
    fn judge(&mut self) -> Option<Seen> {
        if let Some(over) = self.reading.as_ref().and_then(ending) {
            return Some(over);
        }
        if self.claim.is_none() && self.reading.is_none() {
            return None;
        }
        if self.lives() {
            return Some(self.alive());
        }
        if self.claim.is_none() && self.claim_file.exists() {
            // It was made this moment, or cannot be read: the next refresh will see more.
            return Some(self.alive());
        }
        self.reading = read(&self.pidfile);
        match self.reading.as_ref().map(|reading| &reading.contents) {
            // An empty pidfile and no claim: whoever made it has yet to write its pid.
            Some(PidfileContents::Empty) if self.claim.is_none() => Some(Seen::Empty),
            None if self.claim.is_none() => None,
            Some(_) => Some(self.reading.as_ref().and_then(ending).unwrap_or(Seen::Vanished)),
            None => Some(Seen::Vanished),
        }
    }

    fn alive(&self) -> Seen {
        match self.reading.as_ref().map(|reading| &reading.contents) {
            Some(PidfileContents::Running) => Seen::Running,
            Some(PidfileContents::Empty) | None => Seen::Empty,
            Some(PidfileContents::Ended { .. } | PidfileContents::Corrupt(_)) => {
                self.reading.as_ref().and_then(ending).unwrap_or(Seen::Running)
            }
        }
    }

    /// Whether the process runs: the claimed one; or the one that the pidfile names, if it belongs to the claimed one's
    /// session, or, without a claim, if it is not younger than the pidfile that names it.
    fn lives(&self) -> bool {
        if self.claim.as_ref().is_some_and(|claim| claim.process.lives()) {
            return true;
        }
        let Some(reading) = &self.reading else { return false };
        let Some(row) = reading.pid.and_then(processes::row).filter(|row| !row.is_over) else { return false };
        match &self.claim {
            Some(claim) => !claim.process.session_in(&[row]).is_empty(),
            None => {
                let modified = fs::metadata(&self.pidfile).ok().and_then(|metadata| metadata.modified().ok());
                let written =
                    modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |age| age.as_secs());
                row.started_at() <= written + 2
            }
        }
    }
}

/// What a pidfile says of the end, if it does.
fn ending(reading: &Reading) -> Option<Seen> {
    match &reading.contents {
        PidfileContents::Empty | PidfileContents::Running => None,
        PidfileContents::Ended { exit_status, tests_failed } => {
            Some(Seen::Ended { exit_status: *exit_status, tests_failed: *tests_failed })
        }
        PidfileContents::Corrupt(what) => Some(Seen::Corrupt(what.clone())),
    }
}
