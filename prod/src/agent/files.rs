//! What the agent does to files beside a process's results.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use walkdir::WalkDir;

use super::claim::{create_file, read_json, replace_file, running, to_json};
use super::error::{AgentError, During};
use super::paths::{OURS, Place, Results};
use super::protocol::{AppendText, FileText};
use super::transfer;

/// The pidfiles that the scheduler knows; a copy of results must not look as if their processes had run there.
const PIDFILES: [&str; 5] =
    [".autoserv_execute", ".collect_crashinfo_execute", ".parser_execute", ".archiver_execute", ".handoff_execute"];

/// Whether a file is about processes and not a result.
pub(super) fn is_about_processes(name: &str) -> bool {
    name == OURS || PIDFILES.contains(&name) || name.ends_with(".yardmaster-tmp")
}

/// Writes a file in a results path, in place of an older one.
///
/// # Errors
/// If its name is bad or the file system does not let us.
pub(super) fn write(results: &Results, place: &Place, file: &FileText) -> Result<(), AgentError> {
    replace_file(&results.file(place, &file.file)?, file.text.as_bytes())
}

/// Writes a file in a results path unless there is one.
///
/// # Errors
/// As [`write`].
pub(super) fn write_if_absent(results: &Results, place: &Place, file: &FileText) -> Result<(), AgentError> {
    create_file(&results.file(place, &file.file)?, file.text.as_bytes()).map(|_| ())
}

/// Appends to a file in a results path; under one key only once.
///
/// Before anything is appended under a key, the key is noted with the file's length. Should the note be there already, the
/// text is looked for behind that length: it may be that it was noted and not appended.
///
/// # Errors
/// As [`write`].
pub(super) fn append(results: &Results, place: &Place, append: &AppendText) -> Result<(), AgentError> {
    let file = results.file(place, &append.file)?;
    place.make()?;
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).during("make the directory", parent)?;
    }
    let lock = place.directory.join(OURS).join("append.lock");
    let guard = OpenOptions::new().create(true).truncate(false).write(true).open(&lock).during("open", &lock)?;
    guard.lock().during("lock", &lock)?;
    if let Some(key) = &append.once {
        let note = place.about(super::paths::pidfile_name(key)?, "appended");
        if let Some(length) = read_json::<u64>(&note)? {
            if contains_after(&file, length, &append.text)? {
                return Ok(());
            }
        } else {
            let length = fs::metadata(&file).map_or(0, |metadata| metadata.len());
            replace_file(&note, &to_json(&length))?;
        }
    }
    let mut open = OpenOptions::new().create(true).append(true).open(&file).during("open", &file)?;
    open.write_all(append.text.as_bytes()).and_then(|()| open.sync_data()).during("append to", &file)
}

fn contains_after(file: &Path, length: u64, text: &str) -> Result<bool, AgentError> {
    let mut open = match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other.during("read", file)?,
    };
    let mut rest = Vec::new();
    open.seek(SeekFrom::Start(length)).and_then(|_| open.read_to_end(&mut rest)).during("read", file)?;
    let text = text.as_bytes();
    Ok(text.is_empty() || rest.windows(text.len()).any(|window| window == text))
}

/// Checks that a copy would not go into what is copied.
///
/// # Errors
/// If it would.
pub(super) fn check_copy(from: &Place, to: &Place) -> Result<(), AgentError> {
    if to.directory.starts_with(&from.directory) {
        return Err(AgentError::BadPath { path: to.relative.clone(), why: "it lies in what is to be copied" });
    }
    Ok(())
}

/// Copies results from one path to another, over what is there. Where there is nothing to copy, nothing is copied.
///
/// # Errors
/// If the file system does not let us.
pub(super) fn copy(from: &Place, to: &Place) -> Result<(), AgentError> {
    if !from.directory.is_dir() {
        return Ok(());
    }
    check_copy(from, to)?;
    let walk = WalkDir::new(&from.directory).into_iter();
    for entry in walk.filter_entry(|entry| !is_about_processes(&entry.file_name().to_string_lossy())) {
        let entry = entry.map_err(io::Error::from).during("read", &from.directory)?;
        let Ok(relative) = entry.path().strip_prefix(&from.directory) else { continue };
        let target = if relative.as_os_str().is_empty() { to.directory.clone() } else { to.directory.join(relative) };
        copy_one(entry.path(), entry.file_type(), &target)?;
    }
    Ok(())
}

/// Puts a copy of one file, directory or symlink in a place. Sockets, pipes and the like are no results.
pub(super) fn copy_one(from: &Path, kind: fs::FileType, to: &Path) -> Result<(), AgentError> {
    if kind.is_dir() {
        return fs::create_dir_all(to).during("make the directory", to);
    }
    if kind.is_symlink() {
        let target = fs::read_link(from).during("read", from)?;
        match fs::remove_file(to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).during("replace", to),
            _ => {}
        }
        return std::os::unix::fs::symlink(target, to).during("write", to);
    }
    if kind.is_file() {
        // Never through a symlink that lies where the copy goes.
        if to.symlink_metadata().is_ok_and(|there| there.is_symlink()) {
            fs::remove_file(to).during("replace", to)?;
        }
        return fs::copy(from, to).during("copy", from).map(|_| ());
    }
    Ok(())
}

/// What was cleaned away.
#[derive(Debug, Default)]
pub(super) struct Cleaned {
    /// Results paths that are gone.
    pub(super) deleted: Vec<String>,
    /// Those that could not be deleted, with reasons.
    pub(super) failed: Vec<String>,
}

/// Deletes results paths in which nothing has changed for so long, where nothing runs, and which do not wait to be fetched.
/// These are `JOB-OWNER/SUBDIR` and `hosts/HOST/TASK`.
///
/// # Errors
/// If the results directory cannot be read.
pub(super) fn clean(results: &Results, older_than: Duration, needed: &BTreeSet<String>) -> Result<Cleaned, AgentError> {
    let mut keep: BTreeSet<PathBuf> =
        running(results).iter().map(|(note, _)| results.root().join(&note.path)).collect();
    keep.extend(transfer::pending(results)?.iter().map(|transfer| results.root().join(&transfer.path)));
    keep.extend(needed.iter().map(|path| results.root().join(path)));
    let Some(limit) = SystemTime::now().checked_sub(older_than) else { return Ok(Cleaned::default()) };
    let mut cleaned = Cleaned::default();
    for path in candidates(results.root())? {
        let is_needed = keep.iter().any(|kept| kept.starts_with(&path) || path.starts_with(kept));
        if is_needed || newest_change(&path).is_none_or(|newest| newest > limit) {
            continue;
        }
        let name = path.strip_prefix(results.root()).unwrap_or(&path).display().to_string();
        match fs::remove_dir_all(&path) {
            Ok(()) => cleaned.deleted.push(name),
            Err(error) => cleaned.failed.push(format!("{name}: {error}")),
        }
        // The job's directory goes with its last entry's.
        if let Some(parent) = path.parent().filter(|parent| *parent != results.root()) {
            let _ = fs::remove_dir(parent);
        }
    }
    Ok(cleaned)
}

fn directories(parent: &Path) -> Result<Vec<PathBuf>, AgentError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(parent).during("read", parent)? {
        let entry = entry.during("read", parent)?;
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !is_hidden && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn candidates(root: &Path) -> Result<Vec<PathBuf>, AgentError> {
    let mut found = Vec::new();
    for top in directories(root)? {
        let name = top.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "hosts" {
            for host in directories(&top)? {
                found.extend(directories(&host)?);
            }
        } else if name.starts_with(|first: char| first.is_ascii_digit()) && name.contains('-') {
            found.extend(directories(&top)?);
        }
    }
    Ok(found)
}

fn newest_change(path: &Path) -> Option<SystemTime> {
    let times = WalkDir::new(path).into_iter().map(|entry| entry.ok()?.metadata().ok()?.modified().ok());
    times.collect::<Option<Vec<_>>>()?.into_iter().max()
}
