//! What is to hold: service levels of jobs, and bounds on the use of hosts and drones.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use yardmaster_engine::Span;

use crate::workload::nearest;

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
    /// In files.
    pub fn key(self) -> &'static str {
        match self {
            Grouping::HostKind => "host_kind",
            Grouping::Class => "class",
            Grouping::Priority => "priority",
            Grouping::Profile => "profile",
            Grouping::Workload => "workload",
        }
    }

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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Restriction {
    /// Which value.
    pub grouping: Grouping,
    /// One of these.
    pub values: Vec<String>,
}

impl Restriction {
    /// Whether these jobs are meant.
    pub(super) fn fits(&self, group: &JobGroup) -> bool {
        self.values.contains(&group.value(self.grouping))
    }
}

/// Jobs or suites (`noun`) that fit restrictions, in words: `ci jobs on qemu`.
pub(super) fn restricted(noun: &str, only: &[&Restriction]) -> String {
    let mut words = noun.to_owned();
    for Restriction { grouping, values } in only {
        let values = values.join(" or ");
        words = match grouping {
            Grouping::Class => format!("{values} {words}"),
            Grouping::HostKind => format!("{words} on {values}"),
            Grouping::Priority | Grouping::Profile | Grouping::Workload => {
                format!("{words} of {} {values}", grouping.words())
            }
        };
    }
    words
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

    /// Whether a share or a number of seconds is on the right side of the bound.
    pub(super) fn is_met_by(self, value: f64) -> bool {
        if self.is_floor() { value >= self.bound() } else { value <= self.bound() }
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

fn percent(share: f64) -> String {
    format!("{} %", (share * 1000.0).round() / 10.0)
}

fn time(limit: &Span) -> String {
    crate::output::readable_duration(limit.0)
}

impl Target {
    /// What is to hold of what fits these restrictions.
    fn said_of(&self, only: &[&Restriction]) -> String {
        let [jobs, suites, hosts] = ["jobs", "suites", "hosts"].map(|noun| restricted(noun, only));
        match self {
            Target::StartWithin { limit, share } => {
                format!("{} of the {jobs} start within {}", percent(*share), time(limit))
            }
            Target::EndWithin { limit, share } => {
                format!("{} of the {jobs} end within {}", percent(*share), time(limit))
            }
            Target::SuitesEndWithin { limit, share } => {
                format!("{} of the {suites} end within {}", percent(*share), time(limit))
            }
            Target::WaitQuantile { percent, limit } => {
                format!("p{percent} of the waits of {jobs} at most {}", time(limit))
            }
            Target::TurnaroundQuantile { percent, limit } => {
                format!("p{percent} of the turnarounds of {jobs} at most {}", time(limit))
            }
            Target::HostUse { at_most } => format!("{hosts} in use at most {}", percent(*at_most)),
            Target::DroneUse { .. } => self.to_string(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
        self.only.iter().all(|only| only.fits(group))
    }

    /// Its restrictions without the one that it has for being one of several for the values of a grouping.
    pub(super) fn common(&self) -> Vec<&Restriction> {
        let own = self.of.as_ref().map(|(grouping, value)| (*grouping, std::slice::from_ref(value)));
        let is_own = |only: &&Restriction| own == Some((only.grouping, &only.values[..]));
        self.only.iter().filter(|only| !is_own(only)).collect()
    }

    /// What is to hold of which jobs, in words; the same for all values of a grouping.
    pub(super) fn goal(&self) -> String {
        let each = match &self.of {
            Some((Grouping::HostKind, _)) => " on each kind of host".to_owned(),
            Some((grouping, _)) => format!(" for each {}", grouping.words()),
            None => String::new(),
        };
        format!("{}{each}", self.target.said_of(&self.common()))
    }

    /// Whether it speaks of this kind of host.
    pub(super) fn concerns_kind(&self, kind: &str) -> bool {
        let of_kinds = |only: &&Restriction| only.grouping == Grouping::HostKind;
        self.only.iter().filter(of_kinds).all(|only| only.values.iter().any(|value| value == kind))
    }

    /// The kind of host that it speaks of, if of one only.
    pub(super) fn host_kind(&self) -> Option<&str> {
        let of_one = |only: &&Restriction| only.grouping == Grouping::HostKind && only.values.len() == 1;
        self.only.iter().find(of_one)?.values.first().map(String::as_str)
    }
}

/// What there is in a lab that objectives can speak of.
#[derive(Debug, Default)]
pub(super) struct Occurring {
    pub(super) jobs: BTreeSet<JobGroup>,
    pub(super) suites: BTreeSet<JobGroup>,
    /// Kinds of host.
    pub(super) kinds: BTreeSet<String>,
}

/// What a rule speaks of does not occur.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown {
    pub(super) problem: String,
    /// What may have been meant.
    pub(super) suggestion: Option<String>,
}

impl ObjectiveRule {
    fn whole(&self) -> Objective {
        Objective { name: self.name.clone(), target: self.target, only: self.only.clone(), of: None }
    }

    /// All values of a grouping that there are of what it speaks of; only of what it concerns, if so asked.
    fn values(&self, occurring: &Occurring, grouping: Grouping, concerned: bool) -> BTreeSet<String> {
        let whole = self.whole();
        let of_groups = |groups: &BTreeSet<JobGroup>| {
            let meant = groups.iter().filter(|group| !concerned || whole.concerns(group));
            meant.map(|group| group.value(grouping)).collect()
        };
        match self.target {
            Target::HostUse { .. } => {
                let kinds = occurring.kinds.iter().filter(|kind| !concerned || whole.concerns_kind(kind));
                kinds.cloned().collect()
            }
            Target::SuitesEndWithin { .. } => of_groups(&occurring.suites),
            Target::StartWithin { .. }
            | Target::EndWithin { .. }
            | Target::WaitQuantile { .. }
            | Target::TurnaroundQuantile { .. }
            | Target::DroneUse { .. } => of_groups(&occurring.jobs),
        }
    }

    /// What it speaks of and does not occur: else a misspelt name would be an objective that is always met.
    pub(super) fn unknown(&self, occurring: &Occurring) -> Option<Unknown> {
        let what = match self.target {
            Target::HostUse { .. } => "host",
            Target::SuitesEndWithin { .. } => "suite",
            Target::StartWithin { .. }
            | Target::EndWithin { .. }
            | Target::WaitQuantile { .. }
            | Target::TurnaroundQuantile { .. } => "job",
            Target::DroneUse { .. } => return None,
        };
        for Restriction { grouping, values } in &self.only {
            let known = self.values(occurring, *grouping, false);
            if let Some(value) = values.iter().find(|value| !known.contains(*value)) {
                let suggestion = nearest(value, known.iter().map(String::as_str));
                let known = known.into_iter().map(|known| format!("{known:?}")).collect::<Vec<_>>().join(", ");
                let known = if known.is_empty() { "nothing".to_owned() } else { known };
                let problem = format!("no {what} has the {} {value:?}; there is {known}", grouping.words());
                return Some(Unknown { problem, suggestion });
            }
        }
        let speaks_of_any = !self.values(occurring, Grouping::HostKind, true).is_empty();
        let problem = match self.only.is_empty() {
            true => format!("there is no {what} that it could speak of"),
            false => format!("each of these occurs, but no {what} is all of it at once"),
        };
        (!speaks_of_any).then_some(Unknown { problem, suggestion: None })
    }

    /// One objective for each value that occurs among what it speaks of, in order; just one without a grouping.
    pub(super) fn for_each(&self, occurring: &Occurring) -> Vec<Objective> {
        let Some(grouping) = self.each else { return vec![self.whole()] };
        let mut values = self.values(occurring, grouping, true);
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
        let occurring = Occurring { jobs: groups.iter().cloned().collect(), ..Occurring::default() };
        let objectives = rule.for_each(&occurring);
        let names: Vec<&str> = objectives.iter().map(|objective| objective.name.as_str()).collect();
        assert_eq!(names, ["prompt: a", "prompt: b"]);
        assert_eq!(objectives[0].host_kind(), Some("a"));
        assert!(objectives[0].concerns(&groups[1]) && !objectives[0].concerns(&groups[0]));
        assert_eq!(objectives[0].target.to_string(), "95 % start within 10 min");
        assert_eq!(objectives[0].goal(), "95 % of the ci jobs start within 10 min on each kind of host");
    }

    #[test]
    fn what_does_not_occur_is_named() {
        let rule = |target, only: &[(Grouping, &str)]| ObjectiveRule {
            key: "objective[0]".to_owned(),
            name: String::new(),
            target,
            each: None,
            only: only
                .iter()
                .map(|(grouping, value)| Restriction { grouping: *grouping, values: vec![(*value).to_owned()] })
                .collect(),
        };
        let prompt = Target::StartWithin { limit: Span::from_seconds(600), share: 0.95 };
        let jobs = [group("eve", "ci"), group("kevin", "health")].into();
        let lab = Occurring { jobs, suites: BTreeSet::new(), kinds: ["eve".to_owned()].into() };
        let unknown = |target, only: &[_]| rule(target, only).unknown(&lab).map(|unknown| unknown.problem);
        assert_eq!(unknown(prompt, &[(Grouping::Class, "ci"), (Grouping::HostKind, "eve")]), None);
        let misspelt = rule(prompt, &[(Grouping::HostKind, "kevn")]).unknown(&lab).expect("no such kind");
        assert_eq!(misspelt.suggestion.as_deref(), Some("kevin"));
        assert!(misspelt.problem.contains("no job has the kind of host \"kevn\""), "{}", misspelt.problem);
        let both = unknown(prompt, &[(Grouping::Class, "ci"), (Grouping::HostKind, "kevin")]).expect("no such job");
        assert!(both.contains("no job is all of it at once"), "{both}");
        let suites = Target::SuitesEndWithin { limit: Span::from_seconds(600), share: 0.95 };
        assert!(unknown(suites, &[]).expect("no suites").contains("there is no suite"));
        assert_eq!(unknown(Target::HostUse { at_most: 0.5 }, &[(Grouping::HostKind, "eve")]), None);
        assert!(unknown(Target::HostUse { at_most: 0.5 }, &[(Grouping::HostKind, "kevin")]).is_some());
    }
}
