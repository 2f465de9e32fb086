//! Results on their way to the repository. That they are to be fetched is a file in the results directory, until the
//! scheduler confirms that they have arrived: nothing is lost whoever dies meanwhile.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use super::claim::{read_json, replace_file, to_json};
use super::error::{AgentError, During};
use super::files::is_about_processes;
use super::paths::{Place, Results};
use super::protocol::PendingTransfer;

#[derive(Serialize, Deserialize)]
struct Note {
    path: String,
    stamp: String,
}

fn note_file(results: &Results, path: &str) -> PathBuf {
    results.ours("transfers").join(format!("{}.json", path.replace('%', "%25").replace('/', "%2F")))
}

/// Notes that results are to be fetched. Asked for anew while they are being fetched, they are fetched anew.
///
/// # Errors
/// If the note cannot be written.
pub(super) fn queue(results: &Results, place: &Place) -> Result<(), AgentError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let note = Note { path: place.relative.clone(), stamp: format!("{now}-{}", std::process::id()) };
    replace_file(&note_file(results, &place.relative), &to_json(&note))
}

/// What waits to be fetched, by path.
///
/// # Errors
/// If the notes cannot be read.
pub(super) fn pending(results: &Results) -> Result<Vec<PendingTransfer>, AgentError> {
    let directory = results.ours("transfers");
    let mut found = Vec::new();
    for entry in fs::read_dir(&directory).during("read", &directory)? {
        let file = entry.during("read", &directory)?.path();
        if file.extension().is_some_and(|extension| extension == "json")
            && let Some(note) = read_json::<Note>(&file)?
        {
            found.push(PendingTransfer { path: note.path, stamp: note.stamp });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// How many wait, as cheaply as can be had.
pub(super) fn count(results: &Results) -> u32 {
    let notes = fs::read_dir(results.ours("transfers")).into_iter().flatten().flatten();
    let is_note = |entry: &fs::DirEntry| {
        entry.file_name().to_string_lossy().ends_with(".json") && !entry.file_name().to_string_lossy().starts_with('.')
    };
    notes.filter(is_note).count().try_into().unwrap_or(u32::MAX)
}

/// Results have arrived: their note goes, unless they were asked for anew.
///
/// # Errors
/// If the note cannot be removed.
pub(super) fn confirm(results: &Results, transfer: &PendingTransfer) -> Result<(), AgentError> {
    let file = note_file(results, &transfer.path);
    match read_json::<Note>(&file)? {
        Some(note) if note.stamp == transfer.stamp => fs::remove_file(&file).during("remove", &file),
        Some(_) | None => Ok(()),
    }
}

/// Writes a results path as a tar stream: everything but what is about processes. An empty one if there is nothing.
///
/// # Errors
/// If the results cannot be read or the stream breaks.
pub(super) fn send(place: &Place, out: impl Write) -> Result<(), AgentError> {
    let mut tar = tar::Builder::new(out);
    tar.follow_symlinks(false);
    let walk = WalkDir::new(&place.directory).min_depth(1).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(|entry| !is_about_processes(&entry.file_name().to_string_lossy())) {
        let entry = match entry {
            Err(error) if error.io_error().is_some_and(|cause| cause.kind() == std::io::ErrorKind::NotFound) => {
                continue;
            }
            other => other.map_err(std::io::Error::from).during("read", &place.directory)?,
        };
        let Ok(relative) = entry.path().strip_prefix(&place.directory) else { continue };
        let kind = entry.file_type();
        if kind.is_dir() || kind.is_file() || kind.is_symlink() {
            tar.append_path_with_name(entry.path(), relative).during("send", entry.path())?;
        }
    }
    tar.into_inner().and_then(|mut out| out.flush()).during("send", &place.directory)
}
