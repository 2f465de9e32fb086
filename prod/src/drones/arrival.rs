//! Results that arrive in the repository: unpacked beside their place, and then put there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::agent::{MISSING, Results};

/// Where results are unpacked.
fn incoming(repository: &Path) -> PathBuf {
    repository.join(".yardmaster").join("incoming")
}

/// What was being unpacked when an earlier scheduler was killed.
pub(super) fn left_behind(repository: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(incoming(repository)).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).collect()
}

/// Unpacks into a directory beside the results, which is removed unless it is used.
pub(super) fn unpack_beside(repository: &Path, stream: impl io::Read) -> io::Result<tempfile::TempDir> {
    let incoming = incoming(repository);
    fs::create_dir_all(&incoming)?;
    let directory = tempfile::tempdir_in(&incoming)?;
    let mut archive = tar::Archive::new(stream);
    archive.set_preserve_permissions(true);
    archive.set_overwrite(true);
    archive.unpack(directory.path())?;
    Ok(directory)
}

/// Moves results to where they belong: at once if there are none, else file by file over those that are there.
pub(super) fn put_in_place(repository: &Path, path: &str, unpacked: &Path) -> Result<(), String> {
    let place = Results::open(repository).and_then(|results| results.place(path)).map_err(|error| error.to_string())?;
    let target = place.directory;
    merge(unpacked, &target).map_err(|error| format!("cannot put results to {}: {error}", target.display()))
}

fn merge(unpacked: &Path, target: &Path) -> io::Result<()> {
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    // Its own temporary directory is closed to others; results are not.
    let open = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    fs::set_permissions(unpacked, open)?;
    if !target.exists() {
        return fs::rename(unpacked, target);
    }
    // What was missing the last time is there now, or named again.
    remove(&target.join(MISSING))?;
    // A directory comes before what is in it, so all that a file is moved through has been looked at.
    for entry in WalkDir::new(unpacked).min_depth(1) {
        let entry = entry?;
        let Ok(relative) = entry.path().strip_prefix(unpacked) else { continue };
        let to = target.join(relative);
        let there = kind(&to)?;
        if entry.file_type().is_dir() {
            make_directory(&to, there)?;
        } else {
            if there.is_some_and(|there| there.is_dir()) {
                fs::remove_dir_all(&to)?;
            }
            fs::rename(entry.path(), &to)?;
        }
    }
    Ok(())
}

/// What there is under a name, no symlink followed.
fn kind(path: &Path) -> io::Result<Option<fs::FileType>> {
    match path.symlink_metadata() {
        Ok(metadata) => Ok(Some(metadata.file_type())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a directory in place of anything else: a symlink of an earlier fetch would lead what follows out of the results.
fn make_directory(path: &Path, there: Option<fs::FileType>) -> io::Result<()> {
    match there {
        Some(there) if there.is_dir() => return Ok(()),
        Some(_) => fs::remove_file(path)?,
        None => {}
    }
    fs::create_dir(path)
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
