//! Parts of a lab that have nothing to do with each other: each goes its own way, whatever becomes of the others.
//!
//! Jobs compete for hosts, and all of them for room on drones and for parsers. Where two sets of jobs can never get the same
//! host, and no limit is ever reached, a scheduler treats each of them as if the other were not there. So a plan may be
//! simulated part by part, each part without limits; that is what happens in the whole lab if the parts together stay below its
//! limits. What does not change from plan to plan, as one kind of host among twenty gets more, need not be simulated again.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use yardmaster_engine::{LabelUse, Settings};

use super::kinds::Kinds;
use super::measurement::Load;
use crate::workload::{Behaviour, DronePlan, Ending, HostPlan, JobPlan, Outage, Placement, Plan, ProcessStart};

/// The parts of a plan, as plans without limits. `None`: it cannot be taken apart.
pub fn parts(plan: &Plan) -> Option<Vec<Plan>> {
    let settings = &plan.settings;
    // The limit of a job that is heard of with the tick in which it would be passed depends on which ticks there are.
    let limits_last = plan.jobs.iter().all(|job| job.timeout > settings.tick());
    // A part without an end would end with the last of its own jobs; drone sets may leave jobs without any drone.
    if plan.end.is_none() || settings.drone_sets_enabled || !limits_last {
        return None;
    }
    let kinds = Kinds::of(plan);
    let of_kind = bound(plan, &kinds);
    let mut parts: BTreeMap<u32, Members> = BTreeMap::new();
    for (host, kind) in (0..).zip(&kinds.of_host) {
        parts.entry(of_kind[*kind as usize]).or_default().hosts.push(host);
    }
    for (job, kind) in (0..).zip(&kinds.of_job) {
        parts.entry(of_kind[*kind as usize]).or_default().jobs.push(job);
    }
    Some(parts.into_values().map(|members| members.of(plan)).collect())
}

/// Whether parts whose loads these are never keep each other waiting in the plan's lab.
pub fn fit(plan: &Plan, loads: &[&Load]) -> bool {
    let highest = |which: fn(&Load) -> &[u32]| {
        let hours = loads.iter().map(|load| which(load).len()).max().unwrap_or(0);
        let at = |hour: usize| loads.iter().filter_map(|load| which(load).get(hour)).map(|peak| u64::from(*peak)).sum();
        (0..hours).map(at).max().unwrap_or(0_u64)
    };
    // Each drone may have room for all but one of the processes that one task counts as, and so none for the task.
    let heaviest = loads.iter().map(|load| load.heaviest).max().unwrap_or(0);
    // Room to gather is asked for by groups, too, that were aborted before anything of theirs ran.
    let heaviest = plan.jobs.iter().map(|job| job.synch_count).max().unwrap_or(0).max(heaviest);
    let lost = (plan.drones.len() as u64).saturating_sub(1) * u64::from(heaviest.saturating_sub(1));
    let settings = &plan.settings;
    let reverified = match settings.reverify_max_hosts_at_once {
        0 => u64::MAX,
        limit => u64::from(limit),
    };
    highest(|load| &load.processes) + lost <= plan.room()
        // Entries without results ask for a parser, too, although none runs for them: one must be free.
        && highest(|load| &load.parsers) < u64::from(settings.max_parse_processes)
        && (settings.reverify_period_minutes == 0 || highest(|load| &load.broken) <= reverified)
}

/// Feeds everything into a hasher that decides how a plan goes, but for what it has in common with others of the same `[processes]`
/// and seed: how special tasks go that serve no job, and how luck is drawn.
pub fn identify(plan: &Plan, state: &mut impl Hasher) {
    let Plan { name: _, about: _, settings, start, end, unix_time, hosts, drones, jobs, behaviour, outages } = plan;
    format!("{settings:?}").hash(state);
    (start, end, unix_time, hosts, drones, jobs, outages).hash(state);
    (0..jobs.len() as u32).for_each(|job| behaviour.identify(job, state));
}

/// For each kind of host or request the first of those with which it is bound together: by jobs that may run on hosts of both,
/// and by suites.
fn bound(plan: &Plan, kinds: &Kinds) -> Vec<u32> {
    let mut bonds = Bonds((0..kinds.len() as u32).collect());
    let mut with_label: FxHashMap<&str, Vec<u32>> = FxHashMap::default();
    for (host, kind) in plan.hosts.iter().zip(&kinds.of_host) {
        for label in &host.labels {
            let known = with_label.entry(label).or_default();
            if known.last() != Some(kind) {
                known.push(*kind);
            }
        }
    }
    for (job, kind) in plan.jobs.iter().zip(&kinds.of_job) {
        match &job.placement {
            Placement::Hosts(hosts) => hosts.iter().for_each(|host| bonds.bind(*kind, kinds.of_host[*host as usize])),
            // Once for all jobs that ask for it.
            Placement::Any { label, .. } if plan.settings.label_use(label) == LabelUse::Restricts => {
                with_label.remove(&**label).into_iter().flatten().for_each(|of_host| bonds.bind(*kind, of_host));
            }
            // What a host can be given, any host may be given.
            Placement::Any { .. } => kinds.of_host.iter().for_each(|of_host| bonds.bind(*kind, *of_host)),
            Placement::Hostless => {}
        }
        if let Some(parent) = job.parent {
            bonds.bind(*kind, kinds.of_job[parent as usize]);
        }
    }
    (0..kinds.len() as u32).map(|kind| bonds.first(kind)).collect()
}

/// Sets of numbers: each has another one of its set, the first has itself.
struct Bonds(Vec<u32>);

impl Bonds {
    fn first(&self, mut number: u32) -> u32 {
        while self.0[number as usize] != number {
            number = self.0[number as usize];
        }
        number
    }

    fn bind(&mut self, one: u32, other: u32) {
        let (one, other) = (self.first(one), self.first(other));
        self.0[one.max(other) as usize] = one.min(other);
    }
}

/// The hosts and jobs of a part, by their numbers in the whole, ascending.
#[derive(Default)]
struct Members {
    hosts: Vec<u32>,
    jobs: Vec<u32>,
}

impl Members {
    /// The part as a plan of its own.
    fn of(self, whole: &Plan) -> Plan {
        let place = |all: &[u32], number: u32| all.binary_search(&number).ok().map(|place| place as u32);
        let job = |number: &u32| {
            let job = &whole.jobs[*number as usize];
            let placement = match &job.placement {
                Placement::Hosts(hosts) => {
                    Placement::Hosts(hosts.iter().filter_map(|host| place(&self.hosts, *host)).collect())
                }
                other => other.clone(),
            };
            JobPlan { placement, parent: job.parent.and_then(|parent| place(&self.jobs, parent)), ..job.clone() }
        };
        let outage = |outage: &Outage| Some(Outage { host: place(&self.hosts, outage.host)?, ..*outage });
        let hosts: Vec<HostPlan> = self.hosts.iter().map(|host| whole.hosts[*host as usize].clone()).collect();
        Plan {
            name: whole.name.clone(),
            about: whole.about.clone(),
            settings: Settings {
                max_parse_processes: u32::MAX,
                reverify_max_hosts_at_once: 0,
                ..whole.settings.clone()
            },
            start: whole.start,
            end: whole.end,
            unix_time: whole.unix_time,
            hosts,
            // Where there is room for everything, one drone is as good as many.
            drones: vec![DronePlan { name: "drone".into(), max_processes: u32::MAX }],
            jobs: self.jobs.iter().map(job).collect(),
            outages: whole.outages.iter().filter_map(outage).collect(),
            behaviour: Arc::new(OfPart { whole: whole.behaviour.clone(), hosts: self.hosts, jobs: self.jobs }),
        }
    }
}

/// The behaviour of a part: that of the whole.
struct OfPart {
    whole: Arc<dyn Behaviour>,
    hosts: Vec<u32>,
    jobs: Vec<u32>,
}

impl Behaviour for OfPart {
    fn ending(&self, start: &ProcessStart<'_>) -> Ending {
        let job = start.job.map(|job| self.jobs[job as usize]);
        let host = start.host.map(|host| self.hosts[host as usize]);
        self.whole.ending(&ProcessStart { job, host, ..*start })
    }

    fn identify(&self, job: u32, state: &mut dyn Hasher) {
        self.whole.identify(self.jobs[job as usize], state);
    }
}
