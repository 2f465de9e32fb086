//! Why there is no forecast.

use std::path::PathBuf;

use yardmaster_engine::EngineError;

use crate::host_list::HostListError;

/// Why there is no forecast.
#[derive(Debug, thiserror::Error)]
pub enum ForecastError {
    /// The snapshot cannot be read.
    #[error("cannot read the snapshot {}: {cause}", file.display())]
    Read {
        /// Its file.
        file: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The file is no snapshot.
    #[error("{} is no snapshot of this version: {cause}; `yardmaster snapshot -o FILE` writes one", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong with it, and where.
        cause: String,
    },
    /// The snapshot cannot be written.
    #[error("cannot write the snapshot {}: {cause}", file.display())]
    Write {
        /// Its file.
        file: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Arrivals are to be drawn from a history that has no whole day.
    #[error(
        "--arrivals history needs a history of at least a day; this one has {hours:.1} hours: take the snapshot with more --days, \
         or leave arrivals out"
    )]
    HistoryTooShort {
        /// Its length.
        hours: f64,
    },
    /// A list of hosts makes no sense.
    #[error(transparent)]
    HostList(#[from] HostListError),
    /// A host is named that is not there.
    #[error("no host is called {name:?}{}", did_you_mean(suggestion))]
    UnknownHost {
        /// The name.
        name: String,
        /// One that may have been meant.
        suggestion: Option<String>,
    },
    /// A kind of host is named of which there is none.
    #[error("no host is of kind {kind:?}{}", did_you_mean(suggestion))]
    UnknownKind {
        /// The kind.
        kind: String,
        /// One that may have been meant.
        suggestion: Option<String>,
    },
    /// A job is named that is not alive.
    #[error("job {job} does not exist, or has ended: the snapshot knows nothing of its future")]
    UnknownJob {
        /// Its number.
        job: u32,
    },
    /// There is nothing to count.
    #[error("a forecast needs at least one replication")]
    NoReplications,
    /// Time ran out before the first replication had ended.
    #[error("not one replication ended in the time allowed")]
    OutOfTime,
    /// The engine gave up.
    #[error("the engine gave up: {0}")]
    Engine(#[from] EngineError),
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map_or_else(String::new, |name| format!(": did you mean {name:?}?"))
}
