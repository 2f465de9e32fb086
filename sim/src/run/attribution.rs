//! Finds out for every moment of waiting to what it is owed.
//!
//! The scheduler's state is constant between two ticks, and after each tick it is asked for its reasons
//! (`Core::why`, `Core::why_at`). Entries that stand at the same place wait for the same reasons: what is owed to what is
//! added up by place, and an entry takes with it what has come together while it stood there. So the cost of a tick goes
//! with the places and their hosts, and not with the length of the queue.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;
use yardmaster_engine::{
    BusyHost, Changes, Core, DroneId, EntryId, EntryStatus, HostId, JobId, Span, TaskKind, Time, WaitPlace, WaitReason,
    Work, WorkKind,
};

use super::cause::{Attribution, Cause, JobCauses, Tally};
use super::measurement::{HostUse, Measurement};
use super::measures::Measures;
use super::observer::Observer;
use crate::drones::ProcessKey;

/// A place, and for jobs with several entries the job: hosts that one entry has are no help to the others.
type PlaceKey = (WaitPlace, Option<JobId>);

/// Takes measures, and finds out to what the waits are owed.
pub(super) struct Attributing<'a> {
    measures: Measures<'a>,
    /// The first entry of each job that was submitted, and how many it has.
    entries_of: Vec<(u32, u32)>,
    next_entry: u32,
    /// Entries that wait. Looked up, never walked.
    waiting: FxHashMap<EntryId, Waiting>,
    /// Those of them that have to be looked at after every tick, since they stand at no place.
    loose: BTreeSet<EntryId>,
    places: BTreeMap<PlaceKey, Place>,
    /// What came together, by job.
    owed: Vec<Tally>,
    /// Jobs whose first test started in this tick.
    started: Vec<u32>,
    parsing: Vec<Parsing>,
}

/// An entry that waits.
#[derive(Debug)]
struct Waiting {
    job: u32,
    standing: Standing,
    owed: Tally,
}

/// Where an entry stands, and what has happened since it came there.
#[derive(Debug)]
enum Standing {
    /// At a place, where this much had come together.
    At(PlaceKey, Tally),
    /// Nowhere in particular, for this reason, since then.
    Loose(Cause, Time),
}

/// What is known of a place.
#[derive(Debug)]
struct Place {
    entries: u32,
    since: Time,
    /// To what the present is owed, and in which parts.
    weights: Vec<(Cause, i64)>,
    owed: Tally,
}

/// How long a job's results waited for a parser.
#[derive(Debug, Clone, Copy, Default)]
struct Parsing {
    since: Option<Time>,
    waited: Span,
}

impl Place {
    fn settle(&mut self, now: Time) {
        self.owed.share((now - self.since).0, &self.weights);
        self.since = now;
    }
}

impl<'a> Attributing<'a> {
    pub(super) fn new(measures: Measures<'a>, jobs: usize) -> Attributing<'a> {
        Attributing {
            measures,
            entries_of: Vec::with_capacity(jobs),
            next_entry: 1,
            waiting: FxHashMap::default(),
            loose: BTreeSet::new(),
            places: BTreeMap::new(),
            owed: vec![Tally::default(); jobs],
            started: Vec::new(),
            parsing: vec![Parsing::default(); jobs],
        }
    }

    /// What a run whose last tick was at this moment comes to.
    pub(super) fn finish(mut self, end: Time, ticks: u64) -> (Measurement, Attribution) {
        let last = self.measures.last_moment(end);
        self.places.values_mut().for_each(|place| place.settle(last));
        for (job, (first, count)) in self.entries_of.clone().into_iter().enumerate() {
            for entry in first..first + count {
                self.stop_waiting(EntryId(entry), last, job);
            }
        }
        let measurement = self.measures.finish(end, ticks);
        let causes = measurement.jobs.iter().map(|outcome| {
            let job = outcome.job as usize;
            let mut owed = std::mem::take(&mut self.owed[job]);
            if self.entries_of.get(job).is_some_and(|(_, count)| *count > 1) {
                owed = owed.scaled_to(outcome.wait.length());
            }
            JobCauses { waiting: owed.into_parts(), parser: self.parsing[job].waited }
        });
        let attribution = Attribution { jobs: causes.collect() };
        (measurement, attribution)
    }

    /// An entry waits no longer: what it waited is its job's.
    fn stop_waiting(&mut self, entry: EntryId, now: Time, job: usize) {
        self.leave(entry, now);
        if let Some(waiting) = self.waiting.remove(&entry) {
            self.loose.remove(&entry);
            self.owed[job].add_all(waiting.owed);
        }
    }

    /// An entry leaves where it stands, with what has come together there.
    fn leave(&mut self, entry: EntryId, now: Time) {
        let Some(waiting) = self.waiting.get_mut(&entry) else { return };
        match &mut waiting.standing {
            Standing::Loose(cause, since) => {
                waiting.owed.add(*cause, (now - *since).0);
                *since = now;
            }
            Standing::At(key, before) => {
                let Some(place) = self.places.get_mut(key) else { return };
                waiting.owed.add_since(&place.owed, before);
                place.entries -= 1;
                if place.entries == 0 {
                    self.places.remove(key);
                }
                waiting.standing = Standing::Loose(Cause::Tick, now);
            }
        }
    }

    /// Looks where an entry stands now.
    fn look_at(&mut self, core: &Core, entry: EntryId, now: Time) {
        let Some(job) = self.waiting.get(&entry).map(|waiting| waiting.job) else { return };
        let has_several = self.entries_of[job as usize].1 > 1;
        let place = core.wait_place(entry).map(|place| (place, has_several.then_some(JobId(job + 1))));
        if let (Some(key), Standing::At(known, _)) = (place, &self.waiting[&entry].standing)
            && key == *known
        {
            return;
        }
        self.leave(entry, now);
        if let Some(key) = place {
            let none = || Place { entries: 0, since: now, weights: Vec::new(), owed: Tally::default() };
            let place = self.places.entry(key).or_insert_with(none);
            place.entries += 1;
            let standing = Standing::At(key, place.owed.clone());
            self.loose.remove(&entry);
            self.waiting.entry(entry).and_modify(|waiting| waiting.standing = standing);
            return;
        }
        match self.loose_cause(core, entry) {
            None => self.stop_waiting(entry, now, job as usize),
            Some(cause) => {
                self.loose.insert(entry);
                self.waiting.entry(entry).and_modify(|waiting| waiting.standing = Standing::Loose(cause, now));
            }
        }
    }

    /// Why an entry waits that stands at no place; `None`: it has ended.
    fn loose_cause(&self, core: &Core, entry: EntryId) -> Option<Cause> {
        use EntryStatus::*;
        match core.entry(entry)?.status {
            Resetting => Some(Cause::Preparation(TaskKind::Reset)),
            Verifying => Some(Cause::Preparation(TaskKind::Verify)),
            Provisioning => Some(Cause::Preparation(TaskKind::Provision)),
            Cleaning => Some(Cause::Preparation(TaskKind::Cleanup)),
            Queued | Starting | Pending => self.cause(&core.why(entry)),
            Running | Gathering | Parsing => {
                let cause = self.cause(&core.why(entry))?;
                Some(if cause == Cause::Tick { Cause::Ending } else { cause })
            }
            Aborted | Completed | Failed | Stopped | Template => None,
        }
    }

    fn cause(&self, reason: &WaitReason) -> Option<Cause> {
        match reason {
            WaitReason::Nothing => Some(Cause::Tick),
            WaitReason::WaitsForTask(host) => Some(match self.measures.host_use(*host) {
                HostUse::Held | HostUse::Idle => Cause::Tick,
                host_use => Cause::Hosts { kind: self.measures.host_kind(*host), host_use },
            }),
            WaitReason::DronesFull | WaitReason::DroneSilent | WaitReason::NoDrone(_) => Some(Cause::Drones),
            WaitReason::WaitsForGroup { .. } => Some(Cause::Partners),
            WaitReason::ParseLimit => Some(Cause::ParseLimit),
            WaitReason::BehindOthers { .. } => Some(Cause::Priority),
            WaitReason::NoSuchHost | WaitReason::AccessDenied | WaitReason::OnShard => Some(Cause::Unservable),
            WaitReason::Locked(hosts) => hosts.first().map(|host| self.owed_to(*host)),
            WaitReason::AllBusy { busy, .. } => busy.first().map(|busy| self.owed_to(busy.host)),
            WaitReason::Ended => None,
        }
    }

    fn owed_to(&self, host: HostId) -> Cause {
        let host_use = match self.measures.host_use(host) {
            // It is not to be had and seems idle: a task that somebody asked for is about to begin.
            HostUse::Idle => HostUse::Held,
            host_use => host_use,
        };
        Cause::Hosts { kind: self.measures.host_kind(host), host_use }
    }

    /// A host that somebody holds who has no room on a drone is not what is short: more hosts would wait for room, too.
    fn owed_to_busy(&self, core: &Core, busy: &BusyHost) -> Cause {
        match busy.entry.map(|holder| core.why(holder)) {
            Some(WaitReason::DronesFull) => Cause::Drones,
            Some(_) | None => self.owed_to(busy.host),
        }
    }

    /// To what waiting at a place is owed now, and in which parts.
    fn weights(&self, core: &Core, key: PlaceKey) -> Vec<(Cause, i64)> {
        let mut counts = Tally::default();
        match core.why_at(key.0, key.1) {
            WaitReason::AllBusy { busy, locked } => {
                busy.iter().for_each(|busy| counts.add(self.owed_to_busy(core, busy), 1));
                locked.into_iter().for_each(|host| counts.add(self.owed_to(host), 1));
            }
            WaitReason::Locked(hosts) => hosts.into_iter().for_each(|host| counts.add(self.owed_to(host), 1)),
            reason => counts.add(self.cause(&reason).unwrap_or(Cause::Tick), 1),
        }
        counts.into_weights()
    }
}

impl Observer for Attributing<'_> {
    fn has_seen_enough(&self) -> bool {
        self.measures.has_seen_enough()
    }

    fn jobs_ended(&self) -> usize {
        self.measures.jobs_ended()
    }

    fn is_served(&self, job: u32) -> bool {
        self.measures.is_served(job)
    }

    fn job_submitted(&mut self, job: usize, at: Time, entries: usize) {
        self.measures.job_submitted(job, at, entries);
        let (first, count) = (self.next_entry, entries as u32);
        self.next_entry += count;
        self.entries_of.push((first, count));
        if !self.measures.window().contains(at) {
            return;
        }
        for entry in (first..first + count).map(EntryId) {
            let standing = Standing::Loose(Cause::Tick, at);
            self.waiting.insert(entry, Waiting { job: job as u32, standing, owed: Tally::default() });
            self.loose.insert(entry);
        }
    }

    fn host_locked(&mut self, now: Time, host: u32, locked: bool) {
        self.measures.host_locked(now, host, locked);
    }

    fn process_started(&mut self, key: ProcessKey, work: &Work, drone: DroneId, processes: u32, now: Time) {
        if let Some(job) = work.job.map(|job| job.0 - 1) {
            match work.kind {
                WorkKind::Test if !self.measures.is_served(job) => self.started.push(job),
                WorkKind::Parse => {
                    let parsing = &mut self.parsing[job as usize];
                    if let Some(since) = parsing.since.take() {
                        parsing.waited = parsing.waited + (now - since);
                    }
                }
                WorkKind::Test | WorkKind::HandOff | WorkKind::Gather | WorkKind::Special(_) => {}
            }
        }
        self.measures.process_started(key, work, drone, processes, now);
    }

    fn process_ended(&mut self, key: ProcessKey, end: Option<(i32, u32)>, at: Time) {
        self.measures.process_ended(key, end, at);
    }

    fn ticked(&mut self, now: Time, changes: &Changes, core: &Core) {
        self.measures.ticked(now, changes, core);
        self.places.values_mut().for_each(|place| place.settle(now));
        for job in std::mem::take(&mut self.started) {
            let (first, count) = self.entries_of[job as usize];
            (first..first + count).for_each(|entry| self.stop_waiting(EntryId(entry), now, job as usize));
        }
        let mut look: Vec<EntryId> = self.loose.iter().copied().collect();
        for update in &changes.entries {
            let job = update.entry.job.0 - 1;
            if update.entry.status == EntryStatus::Parsing && self.measures.has_started(job) {
                self.parsing[job as usize].since.get_or_insert(now);
            }
            look.push(update.entry.id);
        }
        look.sort_unstable();
        look.dedup();
        for entry in look {
            self.look_at(core, entry, now);
        }
        let keys: Vec<PlaceKey> = self.places.keys().copied().collect();
        for key in keys {
            let weights = self.weights(core, key);
            self.places.entry(key).and_modify(|place| place.weights = weights);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::driver::Run;
    use super::super::measurement::Window;
    use super::*;
    use crate::workload;

    /// Shares out every moment of every entry by itself, beside the real thing.
    struct OneByOne<'a> {
        real: Attributing<'a>,
        last: Time,
        present: BTreeMap<EntryId, (u32, Vec<(Cause, i64)>)>,
        owed: BTreeMap<(u32, Cause), i64>,
    }

    impl Observer for OneByOne<'_> {
        fn has_seen_enough(&self) -> bool {
            self.real.has_seen_enough()
        }

        fn jobs_ended(&self) -> usize {
            self.real.jobs_ended()
        }

        fn is_served(&self, job: u32) -> bool {
            self.real.is_served(job)
        }

        fn job_submitted(&mut self, job: usize, at: Time, entries: usize) {
            self.real.job_submitted(job, at, entries);
        }

        fn host_locked(&mut self, now: Time, host: u32, locked: bool) {
            self.real.host_locked(now, host, locked);
        }

        fn process_started(&mut self, key: ProcessKey, work: &Work, drone: DroneId, processes: u32, now: Time) {
            self.real.process_started(key, work, drone, processes, now);
        }

        fn process_ended(&mut self, key: ProcessKey, end: Option<(i32, u32)>, at: Time) {
            self.real.process_ended(key, end, at);
        }

        fn ticked(&mut self, now: Time, changes: &Changes, core: &Core) {
            for (job, weights) in self.present.values() {
                let mut tally = Tally::default();
                tally.share((now - self.last).0, weights);
                tally.into_parts().iter().for_each(|owed| {
                    *self.owed.entry((*job, owed.cause)).or_default() += owed.span.0;
                });
            }
            self.real.ticked(now, changes, core);
            self.last = now;
            self.present.clear();
            for entry in (1..self.real.next_entry).map(EntryId) {
                let Some(waiting) = self.real.waiting.get(&entry) else { continue };
                let several = self.real.entries_of[waiting.job as usize].1 > 1;
                let weights = match core.wait_place(entry) {
                    Some(place) => self.real.weights(core, (place, several.then_some(JobId(waiting.job + 1)))),
                    None => vec![(self.real.loose_cause(core, entry).expect("it waits"), 1)],
                };
                self.present.insert(entry, (waiting.job, weights));
            }
        }
    }

    #[test]
    fn places_give_what_every_entry_by_itself_would() {
        let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/push-bursts.toml");
        let plan = workload::load(scenario.as_ref(), 3).unwrap_or_else(|error| panic!("{error}"));
        let window = Window { from: plan.start, to: plan.start + Span::from_hours(14 * 24) };
        let real = Attributing::new(Measures::new(&plan, window), plan.jobs.len());
        let both = OneByOne { real, last: plan.start, present: BTreeMap::new(), owed: BTreeMap::new() };
        let (both, end, ticks) = Run::new(&plan, both).and_then(|run| run.play(|_| {})).expect("a run");
        let (measured, found) = both.real.finish(end, ticks);
        let mut compared = 0;
        for (outcome, causes) in measured.jobs.iter().zip(&found.jobs) {
            for owed in causes.waiting.iter().filter(|owed| owed.cause != Cause::Tick) {
                let expected = both.owed.get(&(outcome.job, owed.cause)).copied().unwrap_or(0);
                // Both round to whole microseconds in every tick.
                let difference = (owed.span.0 - expected).abs();
                assert!(difference <= 20_000, "job {}: {owed:?}, one by one {expected} µs", outcome.job);
                compared += 1;
            }
        }
        assert!(compared > 500, "{compared} parts are too few to show anything");
    }
}
