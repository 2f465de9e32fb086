//! The results directory, and the paths in it that a scheduler may name.

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::error::{AgentError, During};

/// Where the agent keeps its own files, in the results directory and in every results path.
pub(super) const OURS: &str = ".yardmaster";

/// A results directory.
#[derive(Debug, Clone)]
pub struct Results {
    root: PathBuf,
}

/// A results path, checked, with the pidfiles in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// As the scheduler names it.
    pub relative: String,
    /// Where it is.
    pub directory: PathBuf,
}

fn refuse(path: &str, why: &'static str) -> AgentError {
    AgentError::BadPath { path: path.chars().take(200).collect(), why }
}

/// A path below something, of plain names only.
fn plain<'a>(path: &'a str) -> Result<&'a Path, AgentError> {
    if path.is_empty() {
        return Err(refuse(path, "it is empty"));
    }
    if path.len() > 1024 || path.chars().any(char::is_control) {
        return Err(refuse(path, "it is too long or has control characters"));
    }
    let parts: &'a Path = Path::new(path);
    for part in parts.components() {
        match part {
            Component::Normal(name) if name == OsStr::new(OURS) => {
                return Err(refuse(path, ".yardmaster is the agent's own"));
            }
            Component::Normal(_) => {}
            Component::Prefix(_) | Component::RootDir => {
                return Err(refuse(path, "it must be relative to the results directory"));
            }
            Component::CurDir | Component::ParentDir => return Err(refuse(path, "it must not contain . or ..")),
        }
    }
    Ok(parts)
}

impl Results {
    /// Takes a results directory into use.
    ///
    /// # Errors
    /// If it cannot be made or written to.
    pub fn open(directory: &Path) -> Result<Results, AgentError> {
        fs::create_dir_all(directory).during("make the results directory", directory)?;
        let root = directory.canonicalize().during("find", directory)?;
        let results = Results { root };
        for part in ["running", "transfers", "backlog"] {
            let ours = results.ours(part);
            fs::create_dir_all(&ours).during("make the directory", &ours)?;
        }
        Ok(results)
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A file of the agent's own.
    pub fn ours(&self, name: &str) -> PathBuf {
        self.root.join(OURS).join(name)
    }

    /// Whether anything can be written here. On a full disk nothing can be started, and every task that is sent here would
    /// fail: a drone that says so at each refresh gets none, until it has room again.
    ///
    /// # Errors
    /// If it cannot, with the reason.
    pub(super) fn check_room(&self) -> Result<(), AgentError> {
        let probe = self.ours("probe");
        fs::write(&probe, [0; 4096]).during("write", &probe)
    }

    /// Checks a results path. It need not exist. Symlinks must not lead out of the results directory.
    ///
    /// # Errors
    /// If it is not one that a scheduler may name.
    pub fn place(&self, path: &str) -> Result<Place, AgentError> {
        let parts = plain(path)?;
        if path.starts_with('.') {
            return Err(refuse(path, "names that begin with a dot are not results"));
        }
        let directory = self.root.join(parts);
        self.stays_inside(path, &directory)?;
        Ok(Place { relative: parts.to_string_lossy().into_owned(), directory })
    }

    /// Checks the name of a file in a results path.
    ///
    /// # Errors
    /// If it is not one that a scheduler may name.
    pub fn file(&self, place: &Place, name: &str) -> Result<PathBuf, AgentError> {
        let file = place.directory.join(plain(name)?);
        self.stays_inside(name, &file)?;
        Ok(file)
    }

    /// What exists of a path must lie in the results directory once its symlinks are followed.
    fn stays_inside(&self, path: &str, absolute: &Path) -> Result<(), AgentError> {
        for part in absolute.ancestors() {
            match part.symlink_metadata() {
                Ok(_) => {
                    let real = part.canonicalize().map_err(|_| refuse(path, "a symlink in it leads nowhere"))?;
                    return if real.starts_with(&self.root) {
                        Ok(())
                    } else {
                        Err(refuse(path, "a symlink in it leads out of the results directory"))
                    };
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).during("look at", part),
            }
        }
        Err(refuse(path, "the results directory is gone"))
    }
}

/// Checks the name of a pidfile.
///
/// # Errors
/// If it is more than a plain hidden file's name.
pub(super) fn pidfile_name(name: &str) -> Result<&str, AgentError> {
    let rest = name.strip_prefix('.').unwrap_or_default();
    let is_plain = !rest.is_empty()
        && rest.len() <= 100
        && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if is_plain && name != OURS { Ok(name) } else { Err(refuse(name, "a pidfile is named like .autoserv_execute")) }
}

impl Place {
    /// The pidfile of this name.
    pub fn pidfile(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Our own file about a pidfile: `what` is `claim`, `killed` …
    pub fn about(&self, name: &str, what: &str) -> PathBuf {
        self.directory.join(OURS).join(format!("{name}.{what}"))
    }

    /// Makes the directory, and our own in it.
    ///
    /// # Errors
    /// If the file system does not let us.
    pub fn make(&self) -> Result<(), AgentError> {
        let ours = self.directory.join(OURS);
        fs::create_dir_all(&ours).during("make the directory", &ours)
    }
}
