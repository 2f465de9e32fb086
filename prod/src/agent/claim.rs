//! Claims: a process may be started for a path and pidfile name only by who has put a claim there. The claim appears at
//! once with its contents, and stays for ever, so nothing is started twice whoever dies when.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::{AgentError, During};
use super::paths::{Place, Results};
use super::processes::ProcessIdentity;

/// Who has started the process of a path and pidfile name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    /// The term under which it was started.
    pub(super) term: u64,
    /// The process, leader of its own session.
    pub(super) process: ProcessIdentity,
    /// Its command line, for people.
    pub(super) argv: Vec<String>,
    /// Whether the process is ours and looks after the program proper.
    pub(super) supervised: bool,
}

/// That a process was to be killed, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KillMark {
    /// Milliseconds since 1970.
    pub(super) at: u64,
}

/// Where in the results directory a process that may run works. Kept so that nobody has to search all results for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RunningNote {
    /// The results path.
    pub(super) path: String,
    /// The pidfile's name.
    pub(super) name: String,
}

/// Writes a file that appears at once with its contents, in place of any older one.
pub(super) fn replace_file(file: &Path, contents: &[u8]) -> Result<(), AgentError> {
    let temporary = write_temporary(file, contents)?;
    fs::rename(&temporary, file).during("write", file)
}

/// Writes a file that appears at once with its contents, unless there is one. Tells whether it was written.
pub(super) fn create_file(file: &Path, contents: &[u8]) -> Result<bool, AgentError> {
    let temporary = write_temporary(file, contents)?;
    let linked = fs::hard_link(&temporary, file);
    // What stays is swept with the results; the file itself counts.
    let _ = fs::remove_file(&temporary);
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        other => other.during("write", file).map(|()| true),
    }
}

fn write_temporary(file: &Path, contents: &[u8]) -> Result<PathBuf, AgentError> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let parent = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).during("make the directory", parent)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let temporary = parent.join(format!(".{name}.{}-{number}.yardmaster-tmp", std::process::id()));
    let write = || -> io::Result<()> {
        let mut open = fs::File::create(&temporary)?;
        open.write_all(contents)?;
        open.sync_all()
    };
    // Named after the file that was to be: the same trouble has the same words, and is told once.
    write().during("write", file).inspect_err(|_| {
        // A full disk should not keep the torn half as well.
        let _ = fs::remove_file(&temporary);
    })?;
    Ok(temporary)
}

/// A file of ours, if it is there.
pub(super) fn read_json<T: DeserializeOwned>(file: &Path) -> Result<Option<T>, AgentError> {
    match fs::read(file) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error).during("read", file),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| AgentError::Nonsense { path: file.to_owned(), cause: error.to_string() }),
    }
}

pub(super) fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

impl Claim {
    /// The claim of a pidfile, if there is one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn read(place: &Place, name: &str) -> Result<Option<Claim>, AgentError> {
        read_json(&place.about(name, "claim"))
    }

    /// Puts the claim there. `false`: there is one already.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn make(&self, results: &Results, place: &Place, name: &str) -> Result<bool, AgentError> {
        // First the note: one too many is swept, one too few would hide a process.
        let note = RunningNote { path: place.relative.clone(), name: name.to_owned() };
        replace_file(&note_file(results, &self.process), &to_json(&note))?;
        let claimed = create_file(&place.about(name, "claim"), &to_json(self))?;
        if claimed && let Err(error) = sync_directory(&place.directory.join(super::paths::OURS)) {
            // Nothing will be started: a claim that stayed would say for ever that something was.
            let _ = fs::remove_file(place.about(name, "claim"));
            return Err(error);
        }
        Ok(claimed)
    }
}

/// Makes the names in a directory last.
fn sync_directory(directory: &Path) -> Result<(), AgentError> {
    fs::File::open(directory).and_then(|open| open.sync_all()).during("sync", directory)
}

fn note_file(results: &Results, process: &ProcessIdentity) -> PathBuf {
    results.ours("running").join(format!("{}-{}.json", process.pid, process.started))
}

/// Sweeps the notes of processes of which nothing is alive any more. Gives back those that are not over yet.
pub(super) fn sweep(results: &Results, ended: Vec<ProcessIdentity>) -> Vec<ProcessIdentity> {
    let (alive, gone): (Vec<_>, Vec<_>) = ended.into_iter().partition(ProcessIdentity::lives);
    if gone.is_empty() {
        return alive;
    }
    let table = super::processes::all();
    // What others of its session do after its end is left to the next start of an agent.
    for process in gone.iter().filter(|process| process.session_in(&table).is_empty()) {
        let _ = fs::remove_file(note_file(results, process));
    }
    alive
}

/// All processes that were started here and still run, with their claims. Notes of those that are over are swept.
pub(super) fn running(results: &Results) -> Vec<(RunningNote, Claim)> {
    let Ok(entries) = fs::read_dir(results.ours("running")) else { return Vec::new() };
    let table = super::processes::all();
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let file = entry.path();
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let Ok(Some(note)) = read_json::<RunningNote>(&file) else { continue };
        let claim = results.place(&note.path).and_then(|place| Claim::read(&place, &note.name));
        let named = file.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.split_once('-'));
        let founder = named.and_then(|(pid, started)| Some((pid.parse::<i32>().ok()?, started.parse::<u64>().ok()?)));
        match (claim, founder) {
            (Ok(Some(claim)), _) if !claim.process.session_in(&table).is_empty() => found.push((note, claim)),
            // Its process may be about to claim.
            (Ok(None), Some((pid, started)))
                if super::processes::row(pid).is_some_and(|row| row.started == started && !row.is_over) => {}
            (Ok(_), _) => {
                let _ = fs::remove_file(&file);
            }
            (Err(_), _) => {}
        }
    }
    found.sort_by(|a, b| (&a.0.path, &a.0.name).cmp(&(&b.0.path, &b.0.name)));
    found
}

impl KillMark {
    /// The mark of a pidfile, if there is one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn read(place: &Place, name: &str) -> Result<Option<KillMark>, AgentError> {
        read_json(&place.about(name, "killed"))
    }

    /// Puts a mark there, or finds the older one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn make(place: &Place, name: &str, now: u64) -> Result<KillMark, AgentError> {
        let mark = KillMark { at: now };
        if create_file(&place.about(name, "killed"), &to_json(&mark))? {
            return Ok(mark);
        }
        Ok(KillMark::read(place, name)?.unwrap_or(mark))
    }
}
