//! Words for what a job asks for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::suggestion::{did_you_mean, nearest};

/// How urgent a job is: higher first. Written as a word or as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(pub i32);

/// The words that Autotest has for priorities.
const PRIORITIES: [(&str, i32); 8] = [
    ("Weekly", 10),
    ("Daily", 20),
    ("PostBuild", 30),
    ("Default", 40),
    ("Build", 50),
    ("PFQ", 60),
    ("CQ", 70),
    ("Super", 80),
];

impl Default for Priority {
    fn default() -> Self {
        Priority(40)
    }
}

impl FromStr for Priority {
    type Err = String;

    fn from_str(text: &str) -> Result<Priority, String> {
        if let Ok(number) = text.parse() {
            return Ok(Priority(number));
        }
        let words = || PRIORITIES.iter().map(|(word, _)| *word);
        let found = PRIORITIES.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        found.map(|(_, number)| Priority(*number)).ok_or_else(|| {
            let suggestion = did_you_mean(nearest(text, words()));
            let expected = words().collect::<Vec<_>>().join(", ");
            format!("unknown priority {text:?}{suggestion}: expected a number or one of {expected}")
        })
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match PRIORITIES.iter().find(|(_, number)| *number == self.0) {
            Some((word, number)) => write!(f, "{word} ({number})"),
            None => self.0.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Priority {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(i32),
            Word(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(number) => Ok(Priority(number)),
            Written::Word(word) => word.parse().map_err(serde::de::Error::custom),
        }
    }
}

impl Serialize for Priority {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i32(self.0)
    }
}

/// What runs a job's control file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ControlType {
    /// The test driver on the drone: 1 in the database.
    #[default]
    Server,
    /// The host itself: 2 in the database.
    Client,
}

impl ControlType {
    /// The database's number for it.
    pub fn code(self) -> i32 {
        match self {
            ControlType::Server => 1,
            ControlType::Client => 2,
        }
    }
}

impl FromStr for ControlType {
    type Err = String;

    fn from_str(text: &str) -> Result<ControlType, String> {
        match text.to_ascii_lowercase().as_str() {
            "server" => Ok(ControlType::Server),
            "client" => Ok(ControlType::Client),
            _ => Err(format!("unknown control type {text:?}: expected server or client")),
        }
    }
}

/// "So many hosts with this label": `board:eve*3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaHost {
    /// The label's name.
    pub label: String,
    /// How many; at least 1.
    pub count: u32,
}

/// The most entries that one meta-host may ask for: beyond every lab, below every limit.
const COUNT_MAX: u32 = 100_000;

impl FromStr for MetaHost {
    type Err = String;

    fn from_str(text: &str) -> Result<MetaHost, String> {
        let (label, count) = text.rsplit_once('*').unwrap_or((text, "1"));
        let count = count.parse().ok().filter(|count| (1..=COUNT_MAX).contains(count));
        match count {
            Some(count) if !label.is_empty() => Ok(MetaHost { label: label.to_owned(), count }),
            Some(_) | None => Err(format!("{text:?} asks for no hosts: expected LABEL or LABEL*COUNT, as board:eve*3")),
        }
    }
}

impl<'de> Deserialize<'de> for MetaHost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
