//! The lab: hosts and drones that the scenario lists, and those that a trace saw.

use std::collections::BTreeMap;
use std::sync::Arc;

use yardmaster_engine::{LabelUse, Protection, Settings};

use super::error::{ScenarioError, nearest};
use super::file::{File, HostSpec, LabSpec};
use super::plan::{DronePlan, HostPlan};
use super::source::Source;
use super::trace::TraceData;
use crate::host_list::{EXPANSION_LIMIT, host_list};

/// Processes of the one drone of a scenario that lists none.
const DEFAULT_DRONE_PROCESSES: u32 = 1000;

/// Hosts and drones, and what jobs look up about them.
pub(super) struct Lab {
    pub(super) hosts: Vec<HostPlan>,
    pub(super) drones: Vec<DronePlan>,
    by_name: BTreeMap<Arc<str>, u32>,
    labels: HostsByLabel,
}

/// Which hosts have which labels: what requests for hosts are checked against.
pub(crate) struct HostsByLabel {
    /// Ascending.
    hosts: BTreeMap<Arc<str>, Vec<u32>>,
    /// Which labels restrict the choice of host is a setting.
    settings: Settings,
}

impl Lab {
    /// The lab of this file; `trace` is asked for its boards where `[lab] from_trace` wants them.
    pub(super) fn new(source: &Source, file: &File, trace: Option<&TraceData>) -> Result<Lab, ScenarioError> {
        let mut lab = Lab {
            hosts: Vec::new(),
            drones: Vec::new(),
            by_name: BTreeMap::new(),
            labels: HostsByLabel::new(file.settings.clone()),
        };
        for (index, spec) in file.host.iter().enumerate() {
            lab.add_listed(source, &format!("host[{index}]"), spec)?;
        }
        if file.lab.from_trace {
            let trace = trace.ok_or_else(|| source.wrong("lab.from_trace", "there is no [workload.trace]"))?;
            lab.add_boards(source, &file.lab, trace)?;
        } else if let Some(key) = stray_key(&file.lab) {
            return Err(source.wrong(key, "has a meaning only with from_trace = true"));
        }
        if lab.hosts.is_empty() {
            return Err(source.wrong("host", "the lab has no hosts: list some as [[host]], or set lab.from_trace"));
        }
        lab.add_drones(source, file)?;
        Ok(lab)
    }

    fn add_listed(&mut self, source: &Source, key: &str, spec: &HostSpec) -> Result<(), ScenarioError> {
        let names = host_list(&spec.name).map_err(|error| source.wrong(&format!("{key}.name"), error))?;
        let labels: Vec<Arc<str>> = spec.labels.iter().map(|label| label.as_str().into()).collect();
        let kind: Arc<str> = spec.kind.as_deref().unwrap_or_else(|| kind_of(&spec.labels)).into();
        let acls: Vec<Arc<str>> = spec.acls.iter().map(|acl| acl.as_str().into()).collect();
        for name in names {
            let host = HostPlan {
                name: name.into(),
                kind: kind.clone(),
                labels: labels.clone(),
                locked: spec.locked,
                dirty: spec.dirty,
                protection: spec.protection.unwrap_or(Protection::None),
                acls: acls.clone(),
            };
            self.add_host(host).map_err(|problem| source.wrong(&format!("{key}.name"), problem))?;
        }
        Ok(())
    }

    /// Of every kind of board the share `pool`, at least one: those first by name.
    fn add_boards(&mut self, source: &Source, spec: &LabSpec, trace: &TraceData) -> Result<(), ScenarioError> {
        let pool = spec.pool.unwrap_or(1.0);
        if !(pool > 0.0 && pool <= 1.0) {
            return Err(source.wrong("lab.pool", format_args!("must lie within 0 (excluded) and 1, not {pool}")));
        }
        let mut boards: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for board in &trace.boards {
            boards.entry(&board.kind).or_default().push(board);
        }
        for of_kind in boards.values_mut() {
            of_kind.sort_by(|a, b| a.name.cmp(&b.name));
            of_kind.truncate((of_kind.len() as f64 * pool).ceil() as usize);
            for board in of_kind.iter() {
                let host = HostPlan {
                    name: board.name.clone(),
                    kind: board.kind.clone(),
                    labels: board.labels.clone(),
                    locked: false,
                    dirty: false,
                    protection: spec.protection.unwrap_or(Protection::None),
                    acls: Vec::new(),
                };
                self.add_host(host).map_err(|problem| source.wrong("lab.from_trace", problem))?;
            }
        }
        Ok(())
    }

    fn add_host(&mut self, host: HostPlan) -> Result<(), String> {
        let index = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        if index as usize >= EXPANSION_LIMIT {
            return Err(format!("the lab has more than {EXPANSION_LIMIT} hosts"));
        }
        if self.by_name.insert(host.name.clone(), index).is_some() {
            return Err(format!("host {:?} is listed twice", host.name));
        }
        self.labels.add(index, &host.labels);
        self.hosts.push(host);
        Ok(())
    }

    fn add_drones(&mut self, source: &Source, file: &File) -> Result<(), ScenarioError> {
        for (index, spec) in file.drone.iter().enumerate() {
            let key = format!("drone[{index}].name");
            for name in host_list(&spec.name).map_err(|error| source.wrong(&key, error))? {
                self.drones.push(DronePlan { name: name.into(), max_processes: spec.max_processes });
            }
        }
        if self.drones.is_empty() {
            self.drones.push(DronePlan { name: "drone1".into(), max_processes: DEFAULT_DRONE_PROCESSES });
        }
        let mut names: Vec<_> = self.drones.iter().map(|drone| drone.name.clone()).collect();
        names.sort();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(source.wrong("drone", format_args!("drone {:?} is listed twice", pair[0]))),
            None => Ok(()),
        }
    }

    /// Index of the host of this name.
    pub(super) fn host(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// A host's name like this one.
    pub(super) fn host_like(&self, name: &str) -> Option<String> {
        nearest(name, self.by_name.keys().map(|name| &**name))
    }

    /// As [`HostsByLabel::check_request`].
    ///
    /// # Errors
    /// What is wrong, and a label that may have been meant.
    pub(super) fn check_request(
        &self,
        count: u32,
        own: &str,
        depends: &[Arc<str>],
    ) -> Result<(), (String, Option<String>)> {
        self.labels.check_request(count, own, depends)
    }

    /// Indices of the hosts of a kind.
    pub(super) fn of_kind(&self, kind: &str) -> Vec<u32> {
        (0..).zip(&self.hosts).filter(|(_, host)| &*host.kind == kind).map(|(index, _)| index).collect()
    }

    /// Indices of the hosts with a label.
    pub(super) fn with_label(&self, label: &str) -> Vec<u32> {
        self.labels.hosts.get(label).cloned().unwrap_or_default()
    }

    /// Whether there is a host of this kind; else, perhaps, a kind like it.
    ///
    /// # Errors
    /// The kind is unknown.
    pub(super) fn check_kind(&self, source: &Source, key: &str, kind: &str) -> Result<(), ScenarioError> {
        if self.hosts.iter().any(|host| &*host.kind == kind) {
            return Ok(());
        }
        let suggestion = nearest(kind, self.hosts.iter().map(|host| &*host.kind));
        Err(source.wrong_name(key, format_args!("no host is of kind {kind:?}"), suggestion))
    }
}

impl HostsByLabel {
    /// No hosts yet.
    pub(crate) fn new(settings: Settings) -> HostsByLabel {
        HostsByLabel { hosts: BTreeMap::new(), settings }
    }

    /// Adds a host; its number is above those of all before.
    pub(crate) fn add(&mut self, host: u32, labels: &[Arc<str>]) {
        for label in labels {
            let hosts = self.hosts.entry(label.clone()).or_default();
            // A label that a host has twice is one.
            if hosts.last() != Some(&host) {
                hosts.push(host);
            }
        }
    }

    /// Of the labels that a job depends on, those that restrict its choice of host.
    pub(crate) fn restricting<'a>(&'a self, depends: &'a [Arc<str>]) -> impl Iterator<Item = &'a str> {
        let labels = depends.iter().map(|label| &**label);
        labels.filter(|label| self.settings.label_use(label) == LabelUse::Restricts)
    }

    /// Checks that `count` hosts have the label `own` and, of the labels that a job depends on, all that restrict its
    /// choice.
    ///
    /// # Errors
    /// What is wrong, and a label that may have been meant.
    pub(crate) fn check_request(
        &self,
        count: u32,
        own: &str,
        depends: &[Arc<str>],
    ) -> Result<(), (String, Option<String>)> {
        let wanted: Vec<&str> = [own].into_iter().chain(self.restricting(depends)).collect();
        let mut lists: Vec<&[u32]> = Vec::with_capacity(wanted.len());
        for label in &wanted {
            let Some(hosts) = self.hosts.get(*label) else {
                let like = nearest(label, self.hosts.keys().map(|label| &**label));
                return Err((format!("no host of the lab has label {label:?}"), like));
            };
            lists.push(hosts);
        }
        lists.sort_by_key(|hosts| hosts.len());
        let there = lists.split_first().map_or(0, |(fewest, others)| {
            fewest.iter().filter(|host| others.iter().all(|hosts| hosts.binary_search(host).is_ok())).count()
        });
        if count == 0 || (count as usize) > there {
            let wanted = wanted.join(", ");
            return Err((format!("asks for {count} host(s) with {wanted}; the lab has {there}"), None));
        }
        Ok(())
    }
}

/// A key of `[lab]` that needs `from_trace`.
fn stray_key(spec: &LabSpec) -> Option<&'static str> {
    [
        (spec.pool.is_some(), "lab.pool"),
        (!spec.host_labels.is_empty(), "lab.host_labels"),
        (spec.protection.is_some(), "lab.protection"),
        (spec.availability.is_some(), "lab.availability"),
    ]
    .into_iter()
    .find_map(|(given, key)| given.then_some(key))
}

/// The kind that labels speak of: the first `board:` or `type:` label's value, else `host`.
fn kind_of(labels: &[String]) -> &str {
    labels.iter().find_map(|label| label.strip_prefix("board:").or(label.strip_prefix("type:"))).unwrap_or("host")
}
