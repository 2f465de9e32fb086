//! Time limits of many things, few of which ever reach theirs.

use std::collections::BTreeMap;

use crate::time::{Span, Time};

/// Limits are looked at in steps of this length, so that setting one costs no search.
const STEP: Span = Span::from_minutes(5);

/// What is to be looked at when. A limit is never taken back: whoever looks asks whether it still holds.
#[derive(Debug, Clone)]
pub(super) struct TimeLimits<I> {
    steps: BTreeMap<i64, Vec<I>>,
}

impl<I> Default for TimeLimits<I> {
    fn default() -> Self {
        TimeLimits { steps: BTreeMap::new() }
    }
}

impl<I: Copy> TimeLimits<I> {
    /// Has `id` looked at when `due` has passed.
    pub(super) fn set(&mut self, due: Time, id: I) {
        self.steps.entry(due.0.div_euclid(STEP.0)).or_default().push(id);
    }

    /// A moment before which no limit is reached.
    pub(super) fn earliest(&self) -> Option<Time> {
        self.steps.first_key_value().map(|(step, _)| Time(step.saturating_mul(STEP.0)))
    }

    /// Takes out those that have passed their limit at `now`. `limit_of` tells the limit that holds now; `None`: none.
    pub(super) fn take_passed(&mut self, now: Time, limit_of: impl Fn(I) -> Option<Time>) -> Vec<I> {
        let mut passed = Vec::new();
        let mut later = Vec::new();
        while let Some(step) = self.steps.first_entry().filter(|step| *step.key() <= now.0.div_euclid(STEP.0)) {
            for id in step.remove() {
                match limit_of(id) {
                    Some(due) if due < now => passed.push(id),
                    Some(due) => later.push((due, id)),
                    None => {}
                }
            }
        }
        for (due, id) in later {
            self.set(due, id);
        }
        passed
    }
}
