//! What went wrong in a database, told by what follows from it.

/// Why a statement, or a whole transaction, failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// Somebody else holds what it needs: a deadlock, a lock that was not released in time. Nothing of the transaction was
    /// kept; the way out is to try the whole of it again.
    #[error("the database is busy: {cause} (in: {statement})")]
    Busy {
        /// The statement, without its parameters.
        statement: String,
        /// What the server said.
        cause: String,
    },
    /// The connection broke, or the statement did not answer in time. Of a COMMIT, nobody knows whether it was done;
    /// anything before it was not.
    #[error("the connection to the database was lost: {cause} (in: {statement})")]
    Lost {
        /// The statement, without its parameters.
        statement: String,
        /// What happened.
        cause: String,
    },
    /// No connection could be made, so nothing was done.
    #[error("the database at {address} cannot be reached: {cause}: is the server running, and is the address right?")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// What happened.
        cause: String,
    },
    /// A row with the same key is there already.
    #[error("duplicate key: {cause} (in: {statement})")]
    Duplicate {
        /// The statement, without its parameters.
        statement: String,
        /// What the server said.
        cause: String,
    },
    /// The server does not allow it.
    #[error("the database refuses: {cause}: {advice}")]
    Refused {
        /// What the server said.
        cause: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// A row does not hold what its column should.
    #[error("column {column} of a row should hold {expected}, but holds {found}")]
    BadRow {
        /// Which column of the answer, from 0.
        column: usize,
        /// What it should hold.
        expected: &'static str,
        /// What it holds.
        found: String,
    },
    /// Anything else: as a rule, a table or column that is not there.
    #[error("the database reports: {cause} (in: {statement})")]
    Other {
        /// The statement, without its parameters.
        statement: String,
        /// What the server said.
        cause: String,
    },
}

impl DatabaseError {
    /// Whether the whole transaction should be tried again at once.
    pub fn is_busy(&self) -> bool {
        matches!(self, DatabaseError::Busy { .. })
    }

    /// Whether the connection broke in the middle of something.
    pub fn is_lost(&self) -> bool {
        matches!(self, DatabaseError::Lost { .. })
    }

    /// Whether the server may come back by itself.
    pub fn is_outage(&self) -> bool {
        matches!(self, DatabaseError::Lost { .. } | DatabaseError::Unreachable { .. })
    }

    /// Whether a row with the same key is there already.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, DatabaseError::Duplicate { .. })
    }
}

/// A statement as errors show it.
pub(super) fn shortened(statement: &str) -> String {
    const SHOWN: usize = 120;
    let text: String = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}
