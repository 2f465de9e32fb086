//! Results on their way to the repository. That they are to be fetched is a file in the results directory, until the
//! scheduler confirms that they have arrived: nothing is lost whoever dies meanwhile.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
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

/// A file of this name among results that were fetched names what is missing, and why. It is not there if nothing is.
pub(crate) const MISSING: &str = "yardmaster_not_fetched";

/// Writes a results path as a tar stream: everything but what is about processes. An empty one if there is nothing.
///
/// What cannot be read is left out and named, in [`MISSING`] and in what comes back: else one such file would keep all others
/// from ever arriving.
///
/// # Errors
/// If the stream breaks.
pub(super) fn send(place: &Place, out: impl Write) -> Result<Vec<String>, AgentError> {
    let mut tar = tar::Builder::new(out);
    tar.follow_symlinks(false);
    let mut missing = Vec::new();
    let walk = WalkDir::new(&place.directory).min_depth(1).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(|entry| !is_about_processes(&entry.file_name().to_string_lossy())) {
        let path = match &entry {
            Ok(entry) => entry.path(),
            Err(error) => error.path().unwrap_or(&place.directory),
        };
        let Ok(relative) = path.strip_prefix(&place.directory).map(Path::to_owned) else { continue };
        let trouble = match entry {
            Ok(entry) => send_one(&mut tar, &entry, &relative).during("send", entry.path())?,
            Err(error) => Some(io::Error::from(error)),
        };
        // What has gone since it was listed is no loss.
        if let Some(cause) = trouble.filter(|cause| cause.kind() != io::ErrorKind::NotFound) {
            missing.push(format!("{}: {cause}", relative.display()));
        }
    }
    if !missing.is_empty() {
        let text = missing.join("\n") + "\n";
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, MISSING, text.as_bytes()).during("send", &place.directory)?;
    }
    tar.into_inner().and_then(|mut out| out.flush()).during("send", &place.directory)?;
    Ok(missing)
}

/// Sends a file, directory or symlink; sockets, pipes and the like are no results. What comes back is why it could not be
/// read; the stream is whole even so.
///
/// # Errors
/// If the stream breaks.
fn send_one(
    tar: &mut tar::Builder<impl Write>,
    entry: &walkdir::DirEntry,
    relative: &Path,
) -> io::Result<Option<io::Error>> {
    let kind = entry.file_type();
    let mut header = tar::Header::new_gnu();
    if kind.is_file() {
        let opened = File::open(entry.path()).and_then(|file| Ok((file.metadata()?, has_holes(&file)?, file)));
        let (metadata, has_holes, mut file) = match opened {
            Ok(opened) => opened,
            Err(cause) => return Ok(Some(cause)),
        };
        if has_holes {
            // An image of a disk may be nothing but holes. Its pieces are announced, too, each with its length.
            tar.append_file(relative, &mut file)?;
            return Ok(None);
        }
        header.set_metadata(&metadata);
        let mut contents = Announced { file, left: metadata.len(), trouble: None };
        tar.append_data(&mut header, relative, &mut contents)?;
        return Ok(contents.trouble);
    }
    let metadata = match entry.metadata() {
        Ok(metadata) => metadata,
        Err(error) => return Ok(Some(error.into())),
    };
    header.set_metadata(&metadata);
    header.set_size(0);
    if kind.is_dir() {
        // Whoever fetches must be able to put into it what belongs there, and to move that on.
        header.set_mode(metadata.mode() | 0o700);
        tar.append_data(&mut header, relative, io::empty())?;
    } else if kind.is_symlink() {
        match fs::read_link(entry.path()) {
            Ok(target) => tar.append_link(&mut header, relative, target)?,
            Err(cause) => return Ok(Some(cause)),
        }
    }
    Ok(None)
}

/// Whether parts of a file take no room on the disk.
fn has_holes(mut file: &File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    let hole = rustix::fs::seek(file, rustix::fs::SeekFrom::Hole(0));
    file.rewind()?;
    // There is one at the end of every file; where holes are unknown, or there is nothing, there are none.
    Ok(hole.is_ok_and(|hole| hole < length))
}

/// A file of which so many bytes were announced, and so many come whatever is done to it meanwhile: of one that grows the
/// beginning, and zeros for what of it is gone or cannot be read.
struct Announced {
    file: File,
    left: u64,
    trouble: Option<io::Error>,
}

impl Read for Announced {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..room];
        let read = if self.trouble.is_none() { self.file.read(buffer) } else { Ok(0) };
        let count = match read {
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => return Err(cause),
            Ok(count @ 1..) => count,
            Ok(0) | Err(_) => {
                let shortened = || io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was sent");
                if self.trouble.is_none() && room > 0 {
                    self.trouble = Some(read.err().unwrap_or_else(shortened));
                }
                buffer.fill(0);
                room
            }
        };
        self.left -= count as u64;
        Ok(count)
    }
}
