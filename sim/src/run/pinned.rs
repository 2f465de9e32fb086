//! Jobs that ask for one very host, as far as they have not started.

use std::collections::VecDeque;

use yardmaster_engine::Time;

use super::observer::Observer;
use crate::workload::{Placement, Plan};

/// For each host the jobs that ask for it alone, in the order of their submission. Those at the front that have started
/// are dropped when somebody asks.
pub(super) struct Pinned {
    waiting: Vec<VecDeque<(Time, u32)>>,
}

impl Pinned {
    pub(super) fn of(plan: &Plan) -> Pinned {
        let mut waiting = vec![VecDeque::new(); plan.hosts.len()];
        for (number, job) in (0..).zip(&plan.jobs) {
            if let Placement::Hosts(hosts) = &job.placement
                && let [host] = hosts.as_slice()
            {
                waiting[*host as usize].push_back((job.submit, number));
            }
        }
        Pinned { waiting }
    }

    /// Whether every job that asks for this host alone, and is submitted until then, has started or ended.
    pub(super) fn are_served(&mut self, host: u32, until: Time, observer: &impl Observer) -> bool {
        let waiting = &mut self.waiting[host as usize];
        while waiting.front().is_some_and(|(_, job)| observer.is_served(*job)) {
            waiting.pop_front();
        }
        waiting.front().is_none_or(|(submit, _)| *submit > until)
    }
}
