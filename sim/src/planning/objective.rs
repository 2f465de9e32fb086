//! What is to hold: service levels of jobs, and bounds on the use of hosts and drones.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use yardmaster_engine::Span;

/// By what jobs are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grouping {
    /// The kind of host that they ask for.
    HostKind,
    /// Their class.
    Class,
    /// Their priority.
    Priority,
    /// Their profile.
    Profile,
    /// The generator or trace that they come from.
    Workload,
}

impl Grouping {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Grouping::HostKind => "kind of host",
            Grouping::Class => "class",
            Grouping::Priority => "priority",
            Grouping::Profile => "profile",
            Grouping::Workload => "workload",
        }
    }
}

/// Jobs that are alike in all that objectives can tell apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobGroup {
    /// The kind of host that they ask for; empty for jobs without hosts.
    pub host_kind: Arc<str>,
    /// Their class.
    pub class: Arc<str>,
    /// The generator or trace that they come from.
    pub workload: Arc<str>,
    /// Their profile.
    pub profile: Arc<str>,
    /// Their priority.
    pub priority: i32,
}

impl JobGroup {
    /// Their value of one grouping, as people write it.
    pub fn value(&self, grouping: Grouping) -> String {
        match grouping {
            Grouping::HostKind => self.host_kind.to_string(),
            Grouping::Class => self.class.to_string(),
            Grouping::Priority => self.priority.to_string(),
            Grouping::Profile => self.profile.to_string(),
            Grouping::Workload => self.workload.to_string(),
        }
    }
}

/// A restriction to jobs whose value of a grouping is one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restriction {
    /// Which value.
    pub grouping: Grouping,
    /// One of these.
    pub values: Vec<String>,
}

/// What is measured, and its bound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Of the jobs at least this share starts within this time after submission.
    StartWithin {
        /// The time.
        limit: Span,
        /// The share, 0 to 1.
        share: f64,
    },
    /// Of the jobs at least this share ends within this time after submission.
    EndWithin {
        /// The time.
        limit: Span,
        /// The share, 0 to 1.
        share: f64,
    },
    /// Of the suites at least this share has its last job ended within this time after its submission.
    SuitesEndWithin {
        /// The time.
        limit: Span,
        /// The share, 0 to 1.
        share: f64,
    },
    /// So many in a hundred jobs start within this time.
    WaitQuantile {
        /// 0 to 100.
        percent: f64,
        /// The time.
        limit: Span,
    },
    /// So many in a hundred jobs end within this time.
    TurnaroundQuantile {
        /// 0 to 100.
        percent: f64,
        /// The time.
        limit: Span,
    },
    /// Hosts are in use for at most this share of the time.
    HostUse {
        /// The share, 0 to 1.
        at_most: f64,
    },
    /// Drones' room for processes is in use for at most this share.
    DroneUse {
        /// The share, 0 to 1.
        at_most: f64,
    },
}

impl Target {
    /// The bound in the unit of the estimate: a share or seconds.
    pub fn bound(self) -> f64 {
        match self {
            Target::StartWithin { share, .. } | Target::EndWithin { share, .. } => share,
            Target::SuitesEndWithin { share, .. } => share,
            Target::WaitQuantile { limit, .. } | Target::TurnaroundQuantile { limit, .. } => limit.as_seconds_f64(),
            Target::HostUse { at_most } | Target::DroneUse { at_most } => at_most,
        }
    }

    /// The time that it gives to jobs.
    pub(super) fn limit(self) -> Option<Span> {
        match self {
            Target::StartWithin { limit, .. }
            | Target::EndWithin { limit, .. }
            | Target::SuitesEndWithin { limit, .. }
            | Target::WaitQuantile { limit, .. }
            | Target::TurnaroundQuantile { limit, .. } => Some(limit),
            Target::HostUse { .. } | Target::DroneUse { .. } => None,
        }
    }

    /// Whether more is better.
    pub fn is_floor(self) -> bool {
        match self {
            Target::StartWithin { .. } | Target::EndWithin { .. } | Target::SuitesEndWithin { .. } => true,
            Target::WaitQuantile { .. }
            | Target::TurnaroundQuantile { .. }
            | Target::HostUse { .. }
            | Target::DroneUse { .. } => false,
        }
    }

    /// Whether the estimate is a share, not a number of seconds.
    pub fn is_share(self) -> bool {
        match self {
            Target::WaitQuantile { .. } | Target::TurnaroundQuantile { .. } => false,
            Target::StartWithin { .. }
            | Target::EndWithin { .. }
            | Target::SuitesEndWithin { .. }
            | Target::HostUse { .. }
            | Target::DroneUse { .. } => true,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: f64| format!("{} %", (share * 1000.0).round() / 10.0);
        let time = |limit: &Span| crate::output::readable_duration(limit.0);
        match self {
            Target::StartWithin { limit, share } => write!(f, "{} start within {}", percent(*share), time(limit)),
            Target::EndWithin { limit, share } => write!(f, "{} end within {}", percent(*share), time(limit)),
            Target::SuitesEndWithin { limit, share } => {
                write!(f, "{} of the suites end within {}", percent(*share), time(limit))
            }
            Target::WaitQuantile { percent, limit } => write!(f, "p{percent} of waits at most {}", time(limit)),
            Target::TurnaroundQuantile { percent, limit } => {
                write!(f, "p{percent} of turnarounds at most {}", time(limit))
            }
            Target::HostUse { at_most } => write!(f, "hosts in use at most {}", percent(*at_most)),
            Target::DroneUse { at_most } => write!(f, "drones in use at most {}", percent(*at_most)),
        }
    }
}

/// An objective as the plan has it: perhaps one for each value of a grouping.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ObjectiveRule {
    /// Where it stands in the plan.
    pub(super) key: String,
    pub(super) name: String,
    pub(super) target: Target,
    pub(super) each: Option<Grouping>,
    pub(super) only: Vec<Restriction>,
}

/// One thing that is to hold, of one set of jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// Its name, with the value of its grouping.
    pub name: String,
    /// What is to hold.
    pub target: Target,
    /// Of which jobs; all restrictions hold at once.
    pub only: Vec<Restriction>,
    /// What it was made for, where there is one for each value of a grouping.
    pub of: Option<(Grouping, String)>,
}

impl Objective {
    /// Whether it speaks of these jobs.
    pub fn concerns(&self, group: &JobGroup) -> bool {
        let fits = |only: &Restriction| only.values.contains(&group.value(only.grouping));
        self.only.iter().all(fits)
    }

    /// The kind of host that it speaks of, if of one only.
    pub(super) fn host_kind(&self) -> Option<&str> {
        let kinds = self.only.iter().find(|only| only.grouping == Grouping::HostKind)?;
        match &kinds.values[..] {
            [kind] => Some(kind),
            _ => None,
        }
    }
}

impl ObjectiveRule {
    /// One objective for each value that occurs among these jobs, in order; just one without a grouping. For the use of hosts
    /// the values are the kinds of the lab.
    pub(super) fn for_each<'a>(
        &self,
        groups: impl Iterator<Item = &'a JobGroup>,
        kinds: &[Arc<str>],
    ) -> Vec<Objective> {
        let whole = Objective { name: self.name.clone(), target: self.target, only: self.only.clone(), of: None };
        let Some(grouping) = self.each else { return vec![whole] };
        let mut values: Vec<String> = match self.target {
            Target::HostUse { .. } => kinds.iter().map(|kind| kind.to_string()).collect(),
            Target::StartWithin { .. }
            | Target::EndWithin { .. }
            | Target::SuitesEndWithin { .. }
            | Target::WaitQuantile { .. }
            | Target::TurnaroundQuantile { .. }
            | Target::DroneUse { .. } => {
                groups.filter(|group| whole.concerns(group)).map(|group| group.value(grouping)).collect()
            }
        };
        values.sort_unstable();
        values.dedup();
        // Jobs without hosts have no kind of host.
        values.retain(|value| !value.is_empty() || grouping != Grouping::HostKind);
        let of_value = |value: String| {
            let mut only = self.only.clone();
            only.push(Restriction { grouping, values: vec![value.clone()] });
            Objective {
                name: if self.name.is_empty() { value.clone() } else { format!("{}: {value}", self.name) },
                target: self.target,
                only,
                of: Some((grouping, value)),
            }
        };
        values.into_iter().map(of_value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(kind: &str, class: &str) -> JobGroup {
        JobGroup {
            host_kind: kind.into(),
            class: class.into(),
            workload: "w".into(),
            profile: "p".into(),
            priority: 40,
        }
    }

    #[test]
    fn one_for_each_kind_that_occurs() {
        let rule = ObjectiveRule {
            key: "objective[0]".to_owned(),
            name: "prompt".to_owned(),
            target: Target::StartWithin { limit: Span::from_seconds(600), share: 0.95 },
            each: Some(Grouping::HostKind),
            only: vec![Restriction { grouping: Grouping::Class, values: vec!["ci".to_owned()] }],
        };
        let groups = [group("b", "ci"), group("a", "ci"), group("c", "health"), group("", "ci"), group("a", "ci")];
        let objectives = rule.for_each(groups.iter(), &[]);
        let names: Vec<&str> = objectives.iter().map(|objective| objective.name.as_str()).collect();
        assert_eq!(names, ["prompt: a", "prompt: b"]);
        assert_eq!(objectives[0].host_kind(), Some("a"));
        assert!(objectives[0].concerns(&groups[1]) && !objectives[0].concerns(&groups[0]));
        assert_eq!(objectives[0].target.to_string(), "95 % start within 10 min");
    }
}
