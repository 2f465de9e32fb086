//! Rows as the database has them, and a scheduler that finds them there.

use yardmaster_engine::{
    DroneId, Engine, Entry, EntryId, EntryStatus, HostId, Job, JobId, LabelId, RebootAfter, RebootBefore, Role,
    Settings, Setup, Span, Subdir, Time, UserId,
};
use yardmaster_sim::clock::VirtualClock;
use yardmaster_sim::drones::{FakeDrones, UntilTold};
use yardmaster_sim::script::FakeEngine;
use yardmaster_sim::store::MemoryStore;

/// A scheduler that starts with these rows, at the moment 0.
pub(crate) fn start(mut store: MemoryStore) -> FakeEngine {
    let clock = VirtualClock::new(Time(0));
    let term = store.begin_term();
    let drones: Vec<DroneId> = store.drones.iter().map(|drone| drone.id).collect();
    let drones = FakeDrones::new(clock.clone(), drones, UntilTold, true);
    let setup = Setup { settings: Settings::default(), role: Role::Whole, term, recover_hosts: true, journal: None };
    pollster::block_on(Engine::start(clock, drones, store, setup)).expect("it starts")
}

/// A job of this user that asks for this label; some want several hosts at once, some are children of another.
pub(crate) fn job(id: u32, owner: u32, label: u32) -> Job {
    Job {
        id: JobId(id),
        owner: UserId(owner),
        name: "odd".into(),
        priority: 40,
        synch_count: id % 4,
        run_verify: false,
        run_reset: true,
        reboot_before: RebootBefore::IfDirty,
        reboot_after: RebootAfter::Never,
        labels: [LabelId(label)].into_iter().collect(),
        parent: (id.is_multiple_of(3)).then_some(JobId(id + 1)),
        suite_min_hosts: 0,
        timeout: Span::from_hours(24),
        max_runtime: Span::from_hours(24),
        created_on: Time(0),
        drone_set: None,
        shard: None,
        next_group: 0,
    }
}

/// An entry that stands so.
pub(crate) fn entry(id: u32, job: u32, host: Option<u32>, status: EntryStatus) -> Entry {
    Entry {
        id: EntryId(id),
        job: JobId(job),
        host: host.map(HostId),
        meta_host: None,
        status,
        active: status.is_active(),
        aborted: false,
        subdir: Subdir::Unset,
        started_on: None,
        finished_on: None,
    }
}
