//! What may be different from one plan to another, and how it is done to a scenario.

use toml::{Table, Value};

use super::patch::{self, PatchError};

/// Something that may be different: a list of levels, of which one is how things are.
#[derive(Debug, Clone)]
pub struct Change {
    /// Its name, for people.
    pub name: String,
    /// The levels, cheapest first; of more capacity comes later.
    pub levels: Vec<Level>,
    /// Which of the levels is how things are.
    pub base: usize,
    /// It is not asked about, but tried once: what would one more of this bring?
    pub is_probe: bool,
    pub(super) lever: Lever,
}

impl Change {
    /// What it is called in a sentence.
    pub(super) fn called(&self) -> String {
        self.lever.called(&self.name)
    }
}

/// A value that a [`Change`] can have.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// For people: `6`, `+30 %`, `two nightly suites`.
    pub label: String,
    /// What it costs, compared with how things are; less than nothing where it saves.
    pub cost: f64,
    pub(super) setting: Setting,
}

/// What holds in every plan, how things are included: arrivals that will have grown, say.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) name: String,
    pub(super) lever: Lever,
    pub(super) level: Level,
}

/// What a level is set to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Setting {
    /// As the scenario has it.
    AsItIs,
    Count(u32),
    Factor(f64),
    Value(Value),
    /// A table that is merged into the scenario.
    Merge(Table),
}

/// What a change takes hold of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Lever {
    /// Hosts of a kind, by their number. Those that are added have these labels in place of like ones.
    Hosts { kind: String, added_labels: Vec<String> },
    /// Room for processes on one drone, or on each (`None`).
    DroneProcesses(Option<String>),
    /// Drones like this one, by their number.
    Drones(String),
    /// Arrivals of a generator, of shared bursts, or of all (`None`), by a factor.
    Arrivals(Option<String>),
    /// How long processes of a kind take, by a factor.
    Runtimes(String),
    /// A dotted key.
    Key(String),
    /// Tables to be merged.
    Options,
}

impl Lever {
    /// Whether a higher level can be relied on to be no worse: then the best one is found by bisection.
    pub(super) fn is_monotone(&self) -> bool {
        match self {
            Lever::Hosts { .. } | Lever::DroneProcesses(_) | Lever::Drones(_) | Lever::Runtimes(_) => true,
            Lever::Arrivals(_) | Lever::Key(_) | Lever::Options => false,
        }
    }

    /// What something of this name is called in a sentence: `qemu hosts`.
    pub(super) fn called(&self, name: &str) -> String {
        match self {
            Lever::Hosts { kind, .. } if kind == name => format!("{name} hosts"),
            Lever::Hosts { .. }
            | Lever::DroneProcesses(_)
            | Lever::Drones(_)
            | Lever::Arrivals(_)
            | Lever::Runtimes(_)
            | Lever::Key(_)
            | Lever::Options => name.to_owned(),
        }
    }

    /// Whether one would undo what the other does to this scenario.
    pub(super) fn is_about_the_same(&self, other: &Lever, scenario: &Table) -> bool {
        match self {
            Lever::Hosts { kind, .. } => matches!(other, Lever::Hosts { kind: other, .. } if kind == other),
            Lever::Options => false,
            // All drones are each of them, too.
            Lever::DroneProcesses(drone) => match other {
                Lever::DroneProcesses(other) => drone.is_none() || other.is_none() || drone == other,
                _ => false,
            },
            Lever::Drones(drone) => {
                matches!(other, Lever::Drones(other) if patch::are_drones_alike(scenario, drone, other))
            }
            Lever::Arrivals(_) | Lever::Runtimes(_) | Lever::Key(_) => self == other,
        }
    }

    /// Whether its levels are numbers of machines or of processes.
    pub(super) fn is_number(&self) -> bool {
        match self {
            Lever::Hosts { .. } | Lever::DroneProcesses(_) | Lever::Drones(_) => true,
            Lever::Arrivals(_) | Lever::Runtimes(_) | Lever::Key(_) | Lever::Options => false,
        }
    }

    /// Does it to a scenario.
    pub(super) fn set(&self, scenario: &mut Table, setting: &Setting) -> Result<(), PatchError> {
        match (self, setting) {
            (_, Setting::AsItIs) => Ok(()),
            (Lever::Hosts { kind, added_labels }, Setting::Count(count)) => {
                patch::set_hosts(scenario, kind, *count, added_labels)
            }
            (Lever::DroneProcesses(drone), Setting::Count(count)) => {
                patch::set_drone_processes(scenario, drone.as_deref(), *count)
            }
            (Lever::Drones(drone), Setting::Count(count)) => patch::set_drones(scenario, drone, *count),
            (Lever::Arrivals(name), Setting::Factor(factor)) => {
                patch::scale_arrivals(scenario, name.as_deref(), *factor)
            }
            (Lever::Runtimes(kind), Setting::Factor(factor)) => patch::scale_runtimes(scenario, kind, *factor),
            (Lever::Key(key), Setting::Value(value)) => patch::set_key(scenario, key, value.clone()),
            (Lever::Options, Setting::Merge(table)) => {
                patch::merge(scenario, table);
                Ok(())
            }
            (_, Setting::Count(_) | Setting::Factor(_) | Setting::Value(_) | Setting::Merge(_)) => {
                Err(PatchError::new("is set to something of another type"))
            }
        }
    }
}

/// One of the plans that can be tried: a level of each change, as indices into [`Change::levels`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Point(pub Vec<usize>);

impl Point {
    /// The same with another level of one change.
    pub(super) fn with(&self, change: usize, level: usize) -> Point {
        let mut levels = self.0.clone();
        levels[change] = level;
        Point(levels)
    }
}
