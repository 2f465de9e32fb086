//! A plan as it is written: types are checked here, meaning in [`super::study`]. `docs/plans.md` explains every key.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: String,
    #[serde(default)]
    pub(super) about: String,
    pub(super) scenario: PathBuf,
    #[serde(default = "one")]
    pub(super) seed: u64,
    #[serde(default)]
    pub(super) search: SearchSpec,
    #[serde(default)]
    pub(super) simulation: SimulationSpec,
    #[serde(default)]
    pub(super) given: Vec<GivenSpec>,
    #[serde(default)]
    pub(super) change: Vec<ChangeSpec>,
    #[serde(default)]
    pub(super) objective: Vec<ObjectiveSpec>,
    #[serde(default)]
    pub(super) report: ReportSpec,
}

fn one() -> u64 {
    1
}

/// Which plans are tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SearchSpec {
    /// The cheapest one that meets all objectives is looked for.
    #[default]
    Cheapest,
    /// All combinations of all values.
    Grid,
    /// Each value of each change by itself.
    Single,
}

/// `[simulation]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SimulationSpec {
    pub(super) days: Option<f64>,
    pub(super) warm_up_days: Option<f64>,
    pub(super) drain_days: Option<f64>,
    pub(super) replications: Option<[u32; 2]>,
    pub(super) confidence: Option<f64>,
    pub(super) precision: Option<f64>,
}

/// `[[change]]`: something that may be different. Exactly one of the first seven keys says what.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeSpec {
    /// A kind of host; values are how many there are.
    pub(super) hosts: Option<String>,
    /// With `hosts`: labels of those that are added. Each takes the place of labels with the same word before the colon.
    #[serde(default)]
    pub(super) added_labels: Vec<String>,
    /// A drone, or `all`; values are the processes that it may run.
    pub(super) drone_processes: Option<String>,
    /// A drone that may be cloned; values are how many of it there are.
    pub(super) drones: Option<String>,
    /// A generator or shared bursts by name, or `all`; values multiply its arrivals.
    pub(super) arrivals: Option<String>,
    /// A kind of process (`repair`, `test` …); values multiply how long it takes.
    pub(super) runtimes: Option<String>,
    /// A dotted key of the scenario; values are what it is set to.
    pub(super) key: Option<String>,
    /// What one of several alternatives merges into the scenario.
    #[serde(default)]
    pub(super) options: Vec<OptionSpec>,

    pub(super) name: Option<String>,
    pub(super) values: Option<Vec<toml::Value>>,
    /// The values are base + these, both ends and all between them.
    pub(super) add: Option<[i64; 2]>,
    pub(super) cost: Option<f64>,
}

/// `[[given]]`: something that is different in every plan. What it is about is said as in a `[[change]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenSpec {
    pub(super) hosts: Option<String>,
    #[serde(default)]
    pub(super) added_labels: Vec<String>,
    pub(super) drone_processes: Option<String>,
    pub(super) drones: Option<String>,
    pub(super) arrivals: Option<String>,
    pub(super) runtimes: Option<String>,
    pub(super) key: Option<String>,
    /// What is merged into the scenario.
    pub(super) set: Option<toml::Table>,

    pub(super) name: Option<String>,
    /// What it is set to, or multiplied by.
    pub(super) value: Option<toml::Value>,
}

impl GivenSpec {
    /// The change to its one value.
    pub(super) fn as_change(&self) -> ChangeSpec {
        let option = |set: &toml::Table| OptionSpec { name: "given".to_owned(), cost: 0.0, set: set.clone() };
        ChangeSpec {
            hosts: self.hosts.clone(),
            added_labels: self.added_labels.clone(),
            drone_processes: self.drone_processes.clone(),
            drones: self.drones.clone(),
            arrivals: self.arrivals.clone(),
            runtimes: self.runtimes.clone(),
            key: self.key.clone(),
            options: self.set.iter().map(option).collect(),
            name: self.name.clone(),
            values: self.value.clone().map(|value| vec![value]),
            add: None,
            cost: None,
        }
    }
}

/// An alternative of a change.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OptionSpec {
    pub(super) name: String,
    #[serde(default)]
    pub(super) cost: f64,
    #[serde(default)]
    pub(super) set: toml::Table,
}

/// `[[objective]]`: what is to hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ObjectiveSpec {
    pub(super) name: Option<String>,
    pub(super) start_within: Option<f64>,
    pub(super) end_within: Option<f64>,
    pub(super) suites_end_within: Option<f64>,
    pub(super) share: Option<f64>,
    pub(super) percentile: Option<f64>,
    pub(super) wait_at_most: Option<f64>,
    pub(super) turnaround_at_most: Option<f64>,
    pub(super) host_use_at_most: Option<f64>,
    pub(super) drone_use_at_most: Option<f64>,
    pub(super) each: Option<GroupingSpec>,
    #[serde(default, rename = "where")]
    pub(super) only: BTreeMap<GroupingSpec, Vec<toml::Value>>,
}

/// By what jobs are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum GroupingSpec {
    HostKind,
    Class,
    Priority,
    Profile,
    Workload,
}

/// `[report]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportSpec {
    /// The two changes of the heat map, by name.
    pub(super) heat_map: Option<[String; 2]>,
    /// What a cost is counted in.
    pub(super) unit: Option<String>,
}
