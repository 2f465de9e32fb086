//! Why a scenario did not pass, and where.

use std::fmt::Display;

/// Why a scenario did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The scheduler did something else than expected. The text has a line for each difference.
    Failed(String),
    /// The scenario itself makes no sense.
    BadInput(String),
}

impl Problem {
    /// The same problem, with the place where it lies before its text.
    fn at(self, place: impl Display) -> Problem {
        match self {
            Problem::Failed(text) => Problem::Failed(format!("{place}: {text}")),
            Problem::BadInput(text) => Problem::BadInput(format!("{place}: {text}")),
        }
    }
}

/// Says where a problem lies: a step, an action, a key.
pub(super) trait At {
    fn at(self, place: impl Display) -> Self;
}

impl<T> At for Result<T, Problem> {
    fn at(self, place: impl Display) -> Self {
        self.map_err(|problem| problem.at(place))
    }
}

pub(super) fn bad<T>(text: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::BadInput(text.into()))
}
