//! Values of scenarios of which not everything that their types can hold makes sense.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use yardmaster_engine::TaskKind;

use super::format::Action;

/// The value of a job's keyval.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged, expecting = "a keyval is a string or a number")]
pub enum Keyval {
    /// A text.
    Text(String),
    /// A number, kept as it is written.
    Number(serde_json::Number),
}

impl fmt::Display for Keyval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Keyval::Text(text) => f.write_str(text),
            Keyval::Number(number) => number.fmt(f),
        }
    }
}

/// By how much a clock can move.
pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    if seconds.is_finite() && seconds >= 0.0 {
        Ok(seconds)
    } else {
        Err(D::Error::custom(format!("{seconds} is out of range: expected seconds, 0 or more")))
    }
}

/// A special task that people may ask for.
pub(super) fn requestable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TaskKind, D::Error> {
    let kind = TaskKind::deserialize(deserializer)?;
    match kind {
        TaskKind::Verify | TaskKind::Cleanup | TaskKind::Reset | TaskKind::Repair => Ok(kind),
        TaskKind::Provision => {
            Err(D::Error::custom("nobody can ask for a Provision: expected one of Verify, Cleanup, Reset, Repair"))
        }
    }
}

/// The actions of a step, each in a table of its own.
pub(super) fn actions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Action>, D::Error> {
    let actions = Vec::<Alone>::deserialize(deserializer)?;
    Ok(actions.into_iter().map(|Alone(action)| action).collect())
}

/// An action that has its table to itself. Left to themselves, parsers say of a second one only that they want one element.
struct Alone(Action);

impl<'de> Deserialize<'de> for Alone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OneAction).map(Alone)
    }
}

struct OneAction;

impl<'de> Visitor<'de> for OneAction {
    type Value = Action;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table with one action, as { restart = {} }")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Action, A::Error> {
        let action = Action::deserialize(MapAccessDeserializer::new(&mut map))?;
        match map.next_key::<String>()? {
            None => Ok(action),
            Some(second) => {
                let first = action.name();
                let problem =
                    format!("{first:?} and {second:?} stand in one table: give each action a table of its own");
                Err(A::Error::custom(problem))
            }
        }
    }
}
