//! To what a wait is owed.

use serde::{Deserialize, Serialize};
use yardmaster_engine::{Span, TaskKind};

use super::measurement::HostUse;

/// What kept a job from starting for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The hosts that it could use were in other hands, or out of service.
    Hosts {
        /// Of which kind: index into [`Measurement::kinds`](super::Measurement::kinds).
        kind: u32,
        /// What they did. A moment is shared out evenly among all hosts that the job could use.
        host_use: HostUse,
    },
    /// A job of higher priority waited for the same hosts.
    Priority,
    /// It had its hosts, and no drone had room for its processes.
    Drones,
    /// Its host was ready, and other hosts of its job were not.
    Partners,
    /// Its own host was prepared for it.
    Preparation(TaskKind),
    /// Nothing was in its way: the scheduler's next tick moved it on.
    Tick,
    /// No host of the lab could serve it.
    Unservable,
    /// Its host could not be prepared: what that left was gathered and parsed, and then it ended without a test …
    Ending,
    /// … or waited for its turn to be parsed.
    ParseLimit,
}

/// A part of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// To what it is owed.
    pub cause: Cause,
    /// How much.
    pub span: Span,
}

/// To what the waits of a run are owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// The jobs of [`Measurement::jobs`](super::Measurement::jobs), in the same order.
    pub jobs: Vec<JobCauses>,
}

/// To what a job's waiting is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobCauses {
    /// Every microsecond from its submission until its first test started, it ended without one, or the run ended: the
    /// sum is the length of its [`Wait`](super::Wait). Each cause once, in their order. Where a job has several entries
    /// each of them counts for as long as it waited.
    pub waiting: Vec<Owed>,
    /// After its test: how long its results waited for a parser to start, because as many ran as may and for the next
    /// tick.
    pub parser: Span,
}

/// Spans by cause, being added up.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally(Vec<(Cause, i64)>);

impl Tally {
    pub(super) fn add(&mut self, cause: Cause, micros: i64) {
        match self.0.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, sum)) => *sum += micros,
            None => self.0.push((cause, micros)),
        }
    }

    /// Adds what `now` has more than `before`.
    pub(super) fn add_since(&mut self, now: &Tally, before: &Tally) {
        for (cause, sum) in &now.0 {
            let old = before.0.iter().find(|(known, _)| known == cause).map_or(0, |(_, sum)| *sum);
            if *sum > old {
                self.add(*cause, *sum - old);
            }
        }
    }

    pub(super) fn add_all(&mut self, other: Tally) {
        for (cause, micros) in other.0 {
            self.add(cause, micros);
        }
    }

    /// Shares so much out by weight. What does not divide goes to the first, a microsecond each.
    pub(super) fn share(&mut self, micros: i64, weights: &[(Cause, i64)]) {
        let total: i128 = weights.iter().map(|(_, weight)| i128::from(*weight)).sum();
        if total == 0 {
            return;
        }
        let part = |weight: i64| (i128::from(micros) * i128::from(weight) / total) as i64;
        let mut left = micros - weights.iter().map(|(_, weight)| part(*weight)).sum::<i64>();
        for (cause, weight) in weights {
            let extra = i64::from(left > 0);
            left -= extra;
            self.add(*cause, part(*weight) + extra);
        }
    }

    /// Its parts, as weights for sharing.
    pub(super) fn into_weights(self) -> Vec<(Cause, i64)> {
        self.0
    }

    /// The same proportions, of this sum.
    pub(super) fn scaled_to(self, sum: Span) -> Tally {
        let mut scaled = Tally::default();
        scaled.share(sum.0, &self.0);
        scaled
    }

    /// Its parts, in the order of the causes.
    pub(super) fn into_parts(mut self) -> Vec<Owed> {
        self.0.retain(|(_, micros)| *micros > 0);
        self.0.sort_unstable();
        self.0.into_iter().map(|(cause, micros)| Owed { cause, span: Span(micros) }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_where_it_does_not_divide() {
        let mut tally = Tally::default();
        tally.share(100, &[(Cause::Tick, 1), (Cause::Drones, 1), (Cause::Priority, 1)]);
        tally.share(7, &[(Cause::Tick, 2), (Cause::Partners, 1)]);
        assert_eq!(tally.0.iter().map(|(_, micros)| micros).sum::<i64>(), 107);
        let owed = tally.scaled_to(Span(1_000)).into_parts();
        assert_eq!(owed.iter().map(|owed| owed.span.0).sum::<i64>(), 1_000);
        assert!(owed.is_sorted_by_key(|owed| owed.cause));
        assert_eq!(owed.len(), 4);
    }
}
