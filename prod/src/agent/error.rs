//! What can go wrong on a drone.

use std::io;
use std::path::{Path, PathBuf};

use super::protocol::{Outcome, Refusal};

/// A command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A path that must not be used.
    #[error("the path {path:?} is refused: {why}")]
    BadPath {
        /// As it was given.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file system did not let us.
    #[error("cannot {doing} {path}: {cause}")]
    Io {
        /// What was to be done.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file of ours makes no sense.
    #[error("{path} makes no sense ({cause}): look at it, and delete it if nothing runs for it")]
    Nonsense {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The whole request is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A process could not be started.
    #[error("cannot start a process: {0}")]
    Launch(String),
}

impl AgentError {
    /// Whether trying again is of no use.
    pub fn is_lasting(&self) -> bool {
        match self {
            AgentError::BadPath { .. } | AgentError::Nonsense { .. } => true,
            AgentError::Io { cause, .. } => matches!(
                cause.kind(),
                io::ErrorKind::InvalidFilename
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::IsADirectory
                    | io::ErrorKind::InvalidInput
            ),
            AgentError::Refused(_) | AgentError::Launch(_) => false,
        }
    }

    /// Whether it failed because the drone's disk is full.
    pub fn is_without_room(&self) -> bool {
        let is_full = |kind| {
            matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
        };
        matches!(self, AgentError::Io { cause, .. } if is_full(cause.kind()))
    }

    /// As the outcome of a command.
    pub fn outcome(&self) -> Outcome {
        Outcome::Failed { why: self.to_string(), lasting: self.is_lasting() }
    }
}

/// Says with an IO error what was to be done with which file.
pub(super) trait During<T> {
    fn during(self, doing: &'static str, path: &Path) -> Result<T, AgentError>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, doing: &'static str, path: &Path) -> Result<T, AgentError> {
        self.map_err(|cause| AgentError::Io { doing, path: path.to_owned(), cause })
    }
}

impl<T> During<T> for rustix::io::Result<T> {
    fn during(self, doing: &'static str, path: &Path) -> Result<T, AgentError> {
        self.map_err(io::Error::from).during(doing, path)
    }
}
