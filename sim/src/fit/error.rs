//! Why a lab could not be learned, said so that it can be mended.

use std::path::PathBuf;

use crate::workload::ScenarioError;

/// Why a lab could not be learned from a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// A scenario or its trace is wrong.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The file cannot be read, or makes no sense.
    #[error("{}: {problem}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Its name does not say what it is.
    #[error(
        "{}: its name must end in .toml (a scenario with a trace), .csv or .swf (a trace) or .json (a snapshot), each with \
         .gz or without",
        .file.display()
    )]
    UnknownKind {
        /// The file.
        file: PathBuf,
    },
    /// A CSV table without columns of the usual names.
    #[error(
        "{}: no column of the usual names for: {missing}. It has: {header}. Say which they are in a scenario:\n\
         \n  name = \"lab\"\n  [lab]\n  from_trace = true\n  [workload.trace]\n  file = \"{name}\"\n  \
         [workload.trace.columns]\n  submit = \"{guess}\"\n  start = \"…\"\n  end = \"…\"\n  host_type = \"…\"\n  host = \"…\"\n\
         \nand fit that (docs/workloads.md, docs/fit.md)",
        .file.display()
    )]
    Columns {
        /// The table.
        file: PathBuf,
        /// Keys of columns that were not found.
        missing: String,
        /// The columns that it has.
        header: String,
        /// Its name without folders.
        name: String,
        /// A column that may be the first of the missing.
        guess: String,
    },
    /// Nothing happened in the history.
    #[error("{from}: no job was submitted in this time; choose another --from and --to")]
    NoJobs {
        /// Where the history comes from.
        from: String,
    },
    /// Every job was dropped.
    #[error(
        "{from}: none of the {jobs} jobs asked for hosts that were there at the end of this time; choose another --from and \
         --to"
    )]
    NoJobsLeft {
        /// Where the history comes from.
        from: String,
        /// How many there were.
        jobs: usize,
    },
    /// No host is left at the end of the history.
    #[error("{from}: no host was there at the end of this time; choose another --to")]
    NoHosts {
        /// Where the history comes from.
        from: String,
    },
}
