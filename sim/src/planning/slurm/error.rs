//! Why a job array cannot be written, worked on or merged.

use std::path::PathBuf;

/// Why a job array cannot be written, worked on or merged.
#[derive(Debug, thiserror::Error)]
pub enum ArrayError {
    /// The folder is taken.
    #[error("{} holds a job array already: choose another folder, or remove this one", .0.display())]
    Occupied(PathBuf),
    /// A path that cannot be written into a batch script.
    #[error("the path {0:?} cannot stand in a batch script: it must be UTF-8, without backslashes, % and line breaks")]
    Path(PathBuf),
    /// A file or folder of the array cannot be read or written.
    #[error("{} cannot be {action}: {error}", .path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Read, written, renamed.
        action: &'static str,
        /// What the system says.
        error: std::io::Error,
    },
    /// What is in `parts.json` is no job array of this version.
    #[error("{} is no job array of this version: {problem}; write it anew with --emit slurm", .file.display())]
    Nonsense {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// What was asked of is no longer what it was.
    #[error(
        "{what} {} is not what it was when the job array was written, and results of both do not go together: put it back, \
         or write a new array with --emit slurm",
        .file.display()
    )]
    Changed {
        /// The plan, the scenario or a data file.
        what: &'static str,
        /// Which file.
        file: PathBuf,
    },
    /// Another version of the program.
    #[error(
        "{} was written by another version of yardmaster-sim, which would come to other results: use that one (YARDMASTER_SIM \
         names the program that elements run), or write a new array with --emit slurm",
        .0.display()
    )]
    OtherProgram(PathBuf),
    /// A number that no element has.
    #[error("the job array has no element {element}, only 0 to {last}")]
    NoElement {
        /// The number.
        element: u32,
        /// The last one's.
        last: u32,
    },
    /// What an element wrote cannot be read again.
    #[error("{} does not hold all results that were written there: is the disk full?", .0.display())]
    Lost(PathBuf),
    /// There is nothing to simulate.
    #[error("nothing is missing: merge without --emit")]
    NothingMissing,
}
