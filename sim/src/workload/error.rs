//! What can be wrong with a workload scenario, said so that it can be mended.

use std::fmt;
use std::path::PathBuf;

/// Why a workload scenario could not be read. Every variant is a mistake in a file; none is worth a retry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// The scenario file itself could not be read.
    #[error("{}: {problem}", .file.display())]
    Read {
        /// The scenario file.
        file: PathBuf,
        /// What the operating system said.
        problem: String,
    },
    /// Something in the scenario file is wrong.
    #[error(transparent)]
    Scenario(Box<KeyError>),
    /// Something in a trace, or in another data file that a scenario names, is wrong.
    #[error(transparent)]
    Data(Box<ValueError>),
}

/// A key of a scenario file, or its value, is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{} {}{problem}{}", .file.display(), LineSuffix(*.line), KeyPrefix(.key), Suggested(.suggestion))]
pub struct KeyError {
    /// The scenario file.
    pub file: PathBuf,
    /// Its line, from 1; `None` where the scenario is a table that a program has changed, and has no lines.
    pub line: Option<usize>,
    /// The dotted key, as `workload.trace.columns.submit`; lists count from 0, as `host[0].name`. Empty where the file
    /// as a whole is meant.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// A name that may have been meant.
    pub suggestion: Option<String>,
}

/// A value of a data file is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {column}: {problem}{}", .file.display(), Suggested(.suggestion))]
pub struct ValueError {
    /// The data file.
    pub file: PathBuf,
    /// Its line, from 1, counted after decompression.
    pub line: u64,
    /// The column's name; `row` where the row as a whole is meant.
    pub column: String,
    /// What the column holds there.
    pub value: String,
    /// What is wrong, with the value.
    pub problem: String,
    /// A name that may have been meant.
    pub suggestion: Option<String>,
}

struct LineSuffix(Option<usize>);

impl fmt::Display for LineSuffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, "{line}:"))
    }
}

struct KeyPrefix<'a>(&'a str);

impl fmt::Display for KeyPrefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{}: ", self.0) }
    }
}

struct Suggested<'a>(&'a Option<String>);

impl fmt::Display for Suggested<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |name| write!(f, "; did you mean {name:?}?"))
    }
}

/// The known name that `word` was most likely meant to be, if one is near enough to be worth a guess.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let length = word.chars().count();
    let tolerance = (length / 3).max(1).min(length.saturating_sub(1));
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&word.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= tolerance)
        // People seldom mistake a word's beginning: of equally near names the one that shares more of it.
        .min_by_key(|(distance, name)| (*distance, std::cmp::Reverse(common_beginning(word, name)), *name))
        .map(|(_, name)| name.to_owned())
}

fn common_beginning(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let known = ["submit", "start", "end"];
        assert_eq!(nearest("submitt", known).as_deref(), Some("submit"));
        assert_eq!(nearest("Start", known).as_deref(), Some("start"));
        assert_eq!(nearest("host", ["cost", "hosts"]).as_deref(), Some("hosts"));
        assert_eq!(nearest("verdict", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest("a", ["b"]), None);
    }

    #[test]
    fn messages_name_file_line_key_and_suggestion() {
        let error = ScenarioError::Scenario(Box::new(KeyError {
            file: "scenarios/x.toml".into(),
            line: Some(12),
            key: "workload.trace.columns.submit".to_owned(),
            problem: "no column \"submitt\" in scenarios/data/cip.csv.gz".to_owned(),
            suggestion: Some("submit".to_owned()),
        }));
        assert_eq!(
            error.to_string(),
            "scenarios/x.toml:12: workload.trace.columns.submit: no column \"submitt\" in scenarios/data/cip.csv.gz; \
             did you mean \"submit\"?"
        );
    }
}
