//! What a shard has is left alone by the main scheduler, which sees it in the same tables.

mod common;

use common::rows::{entry, job, start};
use yardmaster_engine::{
    Clock, Entry, EntryId, EntryStatus, Host, HostId, HostStatus, Job, RowChange, ShardId, Span, Subdir,
};
use yardmaster_sim::frontend::new_host;
use yardmaster_sim::script::FakeEngine;
use yardmaster_sim::store::MemoryStore;

/// A job of the shard, and its entry on the host of the same number.
fn of_shard(id: u32, status: EntryStatus) -> (Job, Entry) {
    let subdir = if status.has_group() { Subdir::Named(format!("host{id}").into()) } else { Subdir::Unset };
    let job = Job { shard: Some(ShardId(1)), synch_count: 1, parent: None, ..job(id, 1, 1) };
    (job, Entry { subdir, ..entry(id, id, Some(id), status) })
}

fn lab(statuses: &[(EntryStatus, HostStatus)]) -> MemoryStore {
    let mut store = MemoryStore::default();
    let everyone = store.ensure_acl_group("everyone");
    store.add_user("autotest_system", &[everyone]);
    store.add_drone("drone1", 10, true, None, None);
    for (id, (status, of_host)) in (1..).zip(statuses) {
        let host = Host { shard: Some(ShardId(1)), status: *of_host, leased: true, ..new_host(format!("host{id}")) };
        store.hosts.put(id, Host { id: HostId(id), ..host });
        let (job, entry) = of_shard(id, *status);
        store.jobs.put(id, job);
        store.entries.put(id, entry);
    }
    store
}

fn rows(engine: &FakeEngine) -> (Vec<Entry>, Vec<Host>) {
    let store = engine.store();
    (store.entries.iter().cloned().collect(), store.hosts.iter().cloned().collect())
}

fn tick(engine: &mut FakeEngine) {
    let next = engine.clock_mut().now() + Span::from_seconds(1);
    engine.clock_mut().advance_to(next);
    pollster::block_on(engine.tick()).expect("the engine goes on");
    engine.core().validate().expect("the core agrees with itself");
}

fn nothing_was_done(engine: &FakeEngine) {
    assert_eq!(engine.store().tasks.iter().count(), 0, "no task was asked for");
    assert!(engine.drones().running().is_empty() && engine.drones().killed.is_empty(), "no process was touched");
    assert!(engine.store().kills.is_empty(), "nothing is to be killed");
}

#[test]
fn a_scheduler_that_starts_leaves_it_alone() {
    use EntryStatus::*;
    let statuses = [
        (Queued, HostStatus::Ready),
        (Pending, HostStatus::Pending),
        (Resetting, HostStatus::Resetting),
        (Running, HostStatus::Running),
        (Gathering, HostStatus::Running),
        (Parsing, HostStatus::Verifying),
    ];
    let store = lab(&statuses);
    let before = (store.entries.iter().cloned().collect(), store.hosts.iter().cloned().collect());
    let mut engine = start(store);
    (0..6).for_each(|_| tick(&mut engine));
    assert_eq!(rows(&engine), before);
    nothing_was_done(&engine);
}

#[test]
fn what_the_shard_writes_is_taken_over_and_nothing_is_done_about_it() {
    use EntryStatus::*;
    let mut engine = start(lab(&[(Queued, HostStatus::Ready), (Resetting, HostStatus::Resetting)]));
    tick(&mut engine);
    let hosts = rows(&engine).1;
    for status in [Resetting, Pending, Starting, Running, Gathering, Parsing] {
        engine.store_mut().tell(RowChange::Entry(of_shard(1, status).1));
        tick(&mut engine);
        assert_eq!(engine.core().entry(EntryId(1)).map(|entry| entry.status), Some(status));
    }
    engine.store_mut().tell(RowChange::Entry(of_shard(1, Completed).1));
    engine.store_mut().tell(RowChange::EntryGone(EntryId(2)));
    (0..3).for_each(|_| tick(&mut engine));
    assert!(engine.core().entry(EntryId(1)).is_none() && engine.core().entry(EntryId(2)).is_none());
    assert_eq!(rows(&engine).1, hosts);
    nothing_was_done(&engine);
}
