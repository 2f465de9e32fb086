//! Of what kind hosts are, and of what kind the hosts that jobs ask for.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::workload::{Placement, Plan};

/// Kinds of hosts first, in the order of the hosts; then whatever else jobs ask for, in their order.
#[derive(Debug, Clone)]
pub(super) struct Kinds {
    pub(super) names: Vec<Arc<str>>,
    /// How many hosts there are of each.
    pub(super) hosts: Vec<u32>,
    /// The kind of each host.
    pub(super) of_host: Vec<u32>,
    /// The kind that each job asks for.
    pub(super) of_job: Vec<u32>,
}

impl Kinds {
    pub(super) fn of(plan: &Plan) -> Kinds {
        let mut names = Names::default();
        let of_host: Vec<u32> = plan.hosts.iter().map(|host| names.number(&host.kind)).collect();
        let mut hosts = vec![0; names.known.len()];
        of_host.iter().for_each(|kind| hosts[*kind as usize] += 1);
        let mut labels = FxHashMap::default();
        for (host, kind) in plan.hosts.iter().zip(&of_host) {
            for label in &host.labels {
                let only = labels.entry(label.clone()).or_insert(Some(*kind));
                *only = only.filter(|only| only == kind);
            }
        }
        let mut asked: FxHashMap<Arc<str>, u32> = FxHashMap::default();
        let mut of_job = Vec::with_capacity(plan.jobs.len());
        for job in &plan.jobs {
            of_job.push(match &job.placement {
                Placement::Hosts(named) => match named.first().and_then(|host| of_host.get(*host as usize)) {
                    Some(kind) => *kind,
                    None => names.number(&"".into()),
                },
                Placement::Any { label, .. } => match asked.get(label) {
                    Some(kind) => *kind,
                    None => {
                        // A label that only hosts of one kind have asks for that kind.
                        let only = labels.get(label).copied().flatten();
                        let kind = only.unwrap_or_else(|| names.number(label));
                        asked.insert(label.clone(), kind);
                        kind
                    }
                },
                Placement::Hostless => names.number(&"".into()),
            });
        }
        hosts.resize(names.known.len(), 0);
        Kinds { names: names.known, hosts, of_host, of_job }
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// How many of them are kinds of hosts.
    pub(super) fn of_hosts(&self) -> usize {
        self.hosts.iter().take_while(|hosts| **hosts > 0).count()
    }
}

#[derive(Default)]
struct Names {
    known: Vec<Arc<str>>,
    numbers: FxHashMap<Arc<str>, u32>,
}

impl Names {
    fn number(&mut self, name: &Arc<str>) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.known.len() as u32;
        self.known.push(name.clone());
        self.numbers.insert(name.clone(), number);
        number
    }
}
