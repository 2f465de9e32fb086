//! The queues of a lab that may grow without bound, and whose times say nothing then.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::figures::JobSet;
use super::objective::{Grouping, Objective, Target};

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Queue {
    /// Entries that wait for hosts of this kind, or with this label.
    Hosts(String),
    /// Results that wait for a parser: a job has not ended before its results are parsed.
    Results,
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // They wait for room on drones.
            Queue::Hosts(kind) if kind.is_empty() => f.write_str("jobs without hosts"),
            Queue::Hosts(kind) => f.write_str(kind),
            Queue::Results => f.write_str("results to be parsed"),
        }
    }
}

impl Queue {
    /// Whether jobs of a set wait in it before they start.
    fn delays_starts_of(&self, jobs: &JobSet) -> bool {
        let Queue::Hosts(kind) = self else { return false };
        match jobs {
            JobSet::Of(Grouping::HostKind, of) => of == kind,
            JobSet::Asked(only) => {
                let mut of_kinds = only.iter().filter(|restriction| restriction.grouping == Grouping::HostKind);
                of_kinds.all(|restriction| restriction.values.contains(kind))
            }
            JobSet::All | JobSet::Of(..) => true,
        }
    }

    /// Whether jobs of a set wait in it before they end.
    fn delays_ends_of(&self, jobs: &JobSet) -> bool {
        *self == Queue::Results || self.delays_starts_of(jobs)
    }

    /// Whether it makes what an objective asks for a matter of how long one looks. How much machines are used is none.
    fn decides(&self, objective: &Objective) -> bool {
        let jobs = || JobSet::of(&objective.only.iter().collect::<Vec<_>>());
        match objective.target {
            Target::StartWithin { .. } | Target::WaitQuantile { .. } => self.delays_starts_of(&jobs()),
            Target::EndWithin { .. } | Target::SuitesEndWithin { .. } | Target::TurnaroundQuantile { .. } => {
                self.delays_ends_of(&jobs())
            }
            Target::HostUse { .. } | Target::DroneUse { .. } => false,
        }
    }
}

/// Whether what an objective asks for says nothing, where these queues grow without bound.
pub(super) fn says_nothing(growing: &[Queue], objective: &Objective) -> bool {
    growing.iter().any(|queue| queue.decides(objective))
}

/// Whether the waits of these jobs say nothing, where these queues grow without bound.
pub(super) fn has_no_waits(growing: &[Queue], jobs: &JobSet) -> bool {
    growing.iter().any(|queue| queue.delays_starts_of(jobs))
}

#[cfg(test)]
mod tests {
    use yardmaster_engine::Span;

    use super::*;
    use crate::planning::objective::Restriction;

    #[test]
    fn a_queue_decides_what_is_asked_of_its_own_jobs_alone() {
        let of_kinds = |kinds: &[&str]| Restriction {
            grouping: Grouping::HostKind,
            values: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        };
        let limit = Span::from_seconds(600);
        let starts = |only: Vec<Restriction>| Objective {
            name: String::new(),
            target: Target::StartWithin { limit, share: 0.95 },
            only,
            of: None,
        };
        let growing = [Queue::Hosts("bob".to_owned())];
        assert!(says_nothing(&growing, &starts(Vec::new())), "bob's are among all jobs");
        assert!(says_nothing(&growing, &starts(vec![of_kinds(&["eve", "bob"])])));
        // Both hold: of eve and bob, for eve.
        assert!(!says_nothing(&growing, &starts(vec![of_kinds(&["eve", "bob"]), of_kinds(&["eve"])])));
        let ends = Objective { target: Target::EndWithin { limit, share: 0.95 }, ..starts(vec![of_kinds(&["eve"])]) };
        assert!(!says_nothing(&growing, &ends) && says_nothing(&[Queue::Results], &ends));
        assert!(!says_nothing(&[Queue::Results], &starts(Vec::new())), "nobody waits for a parser before a test");
        let used = Objective { target: Target::DroneUse { at_most: 0.8 }, ..starts(Vec::new()) };
        assert!(!says_nothing(&growing, &used));
    }
}
