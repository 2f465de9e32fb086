//! A plan goes through the engine, jumping from one moment at which something can happen to the next.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use yardmaster_engine::{
    AclGroupId, Clock, DroneId, Engine, EngineError, HandOffLevel, Host, HostId, Job, JobId, LabelId, Role, Settings,
    Setup, TickReport, Time, UserId,
};

use super::Progress;
use super::board::Board;
use super::fate::PlannedFate;
use super::observer::Observer;
use super::pinned::Pinned;
use crate::clock::{Ticks, VirtualClock};
use crate::drones::FakeDrones;
use crate::frontend::{Target, new_host, sorted};
use crate::script::{default_job, poll_now};
use crate::store::MemoryStore;
use crate::workload::{JobPlan, OutageEffect, Placement, Plan};

type PlannedEngine<'a, O> = Engine<VirtualClock, FakeDrones<PlannedFate<'a, O>>, Board>;

/// Ids of names, found without a search through tables.
#[derive(Default)]
struct Names {
    labels: FxHashMap<Arc<str>, LabelId>,
    users: FxHashMap<Arc<str>, UserId>,
    everyone: Option<AclGroupId>,
}

/// A plan on its way through the engine.
pub(super) struct Run<'a, O> {
    plan: &'a Plan,
    engine: PlannedEngine<'a, O>,
    clock: VirtualClock,
    names: Names,
    submitted: usize,
    outages: usize,
    /// The next outage that locks a host or unlocks it, or one before.
    next_lock: usize,
    /// Outages that last, by host and effect.
    failing: Vec<u32>,
    locking: Vec<u32>,
    pinned: Pinned,
    /// Silences that cannot begin yet: hosts, and when each should have begun.
    held_back: Vec<(u32, Time)>,
    ticks: Ticks,
    /// How many ticks there were.
    ticked: u64,
}

impl<'a, O: Observer> Run<'a, O> {
    /// A lab as the plan has it, before anything has happened there.
    ///
    /// # Errors
    /// If the engine gives up.
    pub(super) fn new(plan: &'a Plan, observer: O) -> Result<Self, EngineError> {
        let mut names = Names::default();
        let mut store = set_up_lab(plan, &mut names);
        let clock = VirtualClock::new(plan.start);
        let drones: Vec<DroneId> = store.drones.iter().map(|drone| drone.id).collect();
        let drones = FakeDrones::new(clock.clone(), drones, PlannedFate::new(plan, observer), false);
        let term = store.begin_term();
        // What a runner does is what the scheduler would do; a simulated lab leaves it to the scheduler.
        let settings = Settings { hand_off_level: HandOffLevel::Off, ..plan.settings.clone() };
        let store = Board::new(store);
        let setup = Setup { settings, role: Role::Whole, term, recover_hosts: false, journal: None };
        let engine = poll_now(Engine::start(clock.clone(), drones, store, setup))?;
        let well = vec![0; plan.hosts.len()];
        Ok(Run {
            plan,
            engine,
            clock,
            names,
            submitted: 0,
            outages: 0,
            next_lock: 0,
            failing: well.clone(),
            locking: well,
            pinned: Pinned::of(plan),
            held_back: Vec::new(),
            ticks: Ticks::from(plan.start, plan.settings.tick()),
            ticked: 0,
        })
    }

    /// Goes on until nothing is left to happen, or the observer has seen enough. Gives the observer back, with the moment
    /// of the last tick and how many there were.
    ///
    /// # Errors
    /// If the engine gives up.
    pub(super) fn play(mut self, mut progress: impl FnMut(Progress)) -> Result<(O, Time, u64), EngineError> {
        while self.step()? {
            if self.ticked.is_multiple_of(256) {
                progress(self.progress());
            }
        }
        progress(self.progress());
        let (ticks, end) = (self.ticked, self.clock.now());
        let (_, drones, _) = self.engine.into_parts();
        Ok((drones.fate.observer, end, ticks))
    }

    /// Jumps to the next tick that can do anything and runs it. Says whether there was one.
    fn step(&mut self) -> Result<bool, EngineError> {
        let Some(now) = self.next_tick() else { return Ok(false) };
        if self.plan.end.is_some_and(|end| now > end) || self.observer().has_seen_enough() {
            return Ok(false);
        }
        self.ticks.jump_to(now, &mut self.engine);
        self.pass_outages(now);
        self.submit_jobs(now);
        let report = poll_now(self.engine.tick())?;
        self.ticked += 1;
        if let TickReport::Done(output) = report {
            let (core, drones) = self.engine.core_and_drones();
            drones.fate.observer.ticked(now, &output.changes, core);
        }
        Ok(true)
    }

    fn observer(&self) -> &O {
        &self.engine.drones().fate.observer
    }

    fn observer_mut(&mut self) -> &mut O {
        &mut self.engine.drones_mut().fate.observer
    }

    fn next_tick(&mut self) -> Option<Time> {
        let observer = &self.engine.drones().fate.observer;
        let has_news = self.engine.store().lab.has_news()
            || self.held_back.iter().any(|&(host, since)| self.pinned.are_served(host, since, observer));
        let submission = self.plan.jobs.get(self.submitted).map(|job| job.submit);
        let lock = self.next_lock();
        self.ticks.next(&self.engine, has_news, &[submission, lock])
    }

    /// The next moment at which a host is locked or unlocked. Of one that fails the scheduler hears by what happens on it.
    fn next_lock(&mut self) -> Option<Time> {
        let outages = &self.plan.outages;
        self.next_lock = self.next_lock.max(self.outages);
        while outages.get(self.next_lock).is_some_and(|outage| outage.effect == OutageEffect::Fails) {
            self.next_lock += 1;
        }
        Some(outages.get(self.next_lock)?.time)
    }

    /// Lets the outages begin and end that are due. They overlap: a host is well when all that began are over.
    fn pass_outages(&mut self, now: Time) {
        while let Some(outage) = self.plan.outages.get(self.outages).filter(|outage| outage.time <= now) {
            self.outages += 1;
            match (outage.effect, outage.broken) {
                (OutageEffect::Fails, begins) => {
                    let count = &mut self.failing[outage.host as usize];
                    *count = if begins { *count + 1 } else { count.saturating_sub(1) };
                    let broken = *count > 0;
                    self.engine.drones_mut().fate.set_broken(outage.host, broken);
                }
                (OutageEffect::Locked, begins) => self.lock(now, outage.host, begins),
                (OutageEffect::Silent, true) => self.held_back.push((outage.host, outage.time)),
                (OutageEffect::Silent, false) => match self.held_back.iter().position(|held| held.0 == outage.host) {
                    Some(never_begun) => drop(self.held_back.remove(never_begun)),
                    None => self.lock(now, outage.host, false),
                },
            }
        }
        if !self.held_back.is_empty() {
            self.begin_held_back(now);
        }
    }

    /// Lets the silences begin that no longer have to wait.
    fn begin_held_back(&mut self, now: Time) {
        let observer = &self.engine.drones().fate.observer;
        let begins = |held: &mut (u32, Time)| self.pinned.are_served(held.0, held.1, observer);
        let begun: Vec<(u32, Time)> = self.held_back.extract_if(.., begins).collect();
        for (host, _) in begun {
            self.lock(now, host, true);
        }
    }

    /// One more outage locks a host, or one fewer.
    fn lock(&mut self, now: Time, host: u32, begins: bool) {
        let count = &mut self.locking[host as usize];
        *count = if begins { *count + 1 } else { count.saturating_sub(1) };
        let locked = *count > 0 || self.plan.hosts[host as usize].locked;
        self.engine.store_mut().lock_host(HostId(host + 1), locked);
        self.observer_mut().host_locked(now, host, locked);
    }

    fn submit_jobs(&mut self, now: Time) {
        while let Some(job) = self.plan.jobs.get(self.submitted).filter(|job| job.submit <= now) {
            let (row, targets) = self.job_row(job);
            let entries = self.engine.store_mut().submit(row, targets);
            let number = self.submitted;
            self.observer_mut().job_submitted(number, job.submit, entries);
            self.submitted += 1;
        }
    }

    fn job_row(&mut self, job: &JobPlan) -> (Job, Vec<Target>) {
        let mut labels: Vec<LabelId> =
            job.labels.iter().map(|label| self.names.label(&mut self.engine.store_mut().lab, label)).collect();
        let targets = match &job.placement {
            Placement::Hosts(hosts) => hosts.iter().map(|host| Target::Host(HostId(host + 1))).collect(),
            Placement::Any { count, label } => {
                let label = self.names.label(&mut self.engine.store_mut().lab, label);
                labels.push(label);
                vec![Target::Any(label); *count as usize]
            }
            Placement::Hostless => vec![Target::None],
        };
        let row = Job {
            owner: self.names.user(&mut self.engine.store_mut().lab, &job.owner),
            name: job.name.clone(),
            priority: job.priority,
            synch_count: job.synch_count,
            run_verify: job.run_verify,
            run_reset: job.run_reset,
            reboot_before: job.reboot_before,
            reboot_after: job.reboot_after,
            labels: sorted(&labels),
            parent: job.parent.map(|parent| JobId(parent + 1)),
            suite_min_hosts: job.suite_min_hosts,
            timeout: job.timeout,
            max_runtime: job.max_runtime,
            created_on: job.submit,
            ..default_job("")
        };
        (row, targets)
    }

    fn progress(&self) -> Progress {
        Progress {
            now: self.clock.now(),
            jobs_ended: self.observer().jobs_ended(),
            jobs_submitted: self.submitted,
            ticks: self.ticked,
        }
    }
}

impl Names {
    fn label(&mut self, store: &mut MemoryStore, name: &Arc<str>) -> LabelId {
        *self.labels.entry(name.clone()).or_insert_with(|| store.ensure_label(name))
    }

    fn everyone(&mut self, store: &mut MemoryStore) -> AclGroupId {
        *self.everyone.get_or_insert_with(|| store.ensure_acl_group("everyone"))
    }

    /// The user of this login; made, as a member of `everyone`, when first needed.
    fn user(&mut self, store: &mut MemoryStore, login: &Arc<str>) -> UserId {
        let everyone = self.everyone(store);
        *self.users.entry(login.clone()).or_insert_with(|| store.add_user(login, &[everyone]))
    }
}

fn set_up_lab(plan: &Plan, names: &mut Names) -> MemoryStore {
    let mut store = MemoryStore::default();
    let everyone = names.everyone(&mut store);
    for host in &plan.hosts {
        let labels: Vec<LabelId> = host.labels.iter().map(|label| names.label(&mut store, label)).collect();
        let mut acls: Vec<AclGroupId> = host.acls.iter().map(|acl| store.ensure_acl_group(acl)).collect();
        if acls.is_empty() {
            acls.push(everyone);
        }
        store.add_host(Host {
            locked: host.locked,
            dirty: host.dirty,
            protection: host.protection,
            labels: sorted(&labels),
            acls: sorted(&acls),
            ..new_host(host.name.clone())
        });
    }
    for drone in &plan.drones {
        store.add_drone(&drone.name, drone.max_processes, true, None, None);
    }
    store
}
