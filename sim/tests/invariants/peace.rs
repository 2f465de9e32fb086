//! All faults are over and everything succeeds: now every job ends, and every host becomes free.

use yardmaster_engine::{DroneId, EntryId, EntryStatus, HostStatus, Protection, WaitReason};
use yardmaster_sim::script::Action;

use crate::story::Story;
use crate::world::USERS;

/// Ticks after which every job that hosts can serve has ended: some forty jobs, one after the other, each in a dozen.
const TICKS: u32 = 700;
/// Ticks in which the rest ends once it is aborted.
const TICKS_OF_ABORTS: u32 = 60;

pub(crate) fn settle(story: &mut Story) -> Result<(), String> {
    end_faults(story)?;
    run(story, TICKS)?;
    only_hopeless_jobs_wait(story)?;
    abort_what_is_left(story)?;
    run(story, TICKS_OF_ABORTS)?;
    everything_is_over(story)
}

fn end_faults(story: &mut Story) -> Result<(), String> {
    story.player.engine_mut().store_mut().faults.clear();
    for number in 1..=story.drones {
        let drone = format!("drone{number}");
        story.act(Action::LoseReplies { drone: drone.clone(), count: 0 })?;
        let id = DroneId(number as u32);
        story.player.engine_mut().drones_mut().miss_batches(id, 0);
        story.player.engine_mut().drones_mut().set_slow_kills(id, false);
        story.act(Action::DroneUp { drone: drone.clone() })?;
        story.act(Action::ShowPidfiles { drone: drone.clone() })?;
        story.act(Action::SetDrone {
            drone,
            max_processes: Some(50),
            enabled: Some(true),
            users: Some(USERS.map(str::to_owned).to_vec()),
            late_pidfiles: None,
        })?;
    }
    for number in 1..=story.hosts {
        story.act(Action::SetHost {
            host: format!("host{number}"),
            locked: Some(false),
            protection: Some(Protection::None),
            dirty: None,
            status: None,
            invalid: None,
            labels: None,
            acls: None,
        })?;
    }
    Ok(())
}

/// Whether there is nothing left to do.
fn is_over(story: &Story) -> bool {
    let store = story.engine().store();
    let free = store.hosts.iter().all(|host| host.status == HostStatus::Ready);
    free && store.live_entries() == 0
        && store.tasks.iter().all(|task| task.complete)
        && story.engine().drones().running().is_empty()
}

/// Ends whatever runs with success, until all is over.
fn run(story: &mut Story, ticks: u32) -> Result<(), String> {
    for number in 0..ticks {
        if is_over(story) {
            // One more, to release hosts; and one after a time, when processes that never showed are given up.
            story.tick()?;
            story.act(Action::Advance { seconds: 2_000.0 })?;
            return story.tick();
        }
        // Now and then time passes, for the periodic work: hosts that were given up are looked at again.
        if number % 50 == 20 {
            story.act(Action::Advance { seconds: 1_900.0 })?;
        }
        story.finish_all()?;
        story.tick()?;
    }
    Ok(())
}

/// Entries that have not ended.
fn live(story: &Story) -> Vec<EntryId> {
    story.engine().store().entries.iter().filter(|entry| !entry.status.is_complete()).map(|entry| entry.id).collect()
}

/// Jobs of several entries may wait for ever: for more hosts than there are, or, synchronous ones, for each other. Other
/// jobs end, unless no host is right for them, or all that are right are held by such jobs.
fn only_hopeless_jobs_wait(story: &Story) -> Result<(), String> {
    let engine = story.engine();
    let store = engine.store();
    let entries = || live(story).into_iter().filter_map(|id| store.entries.get(id.0));
    let of_many =
        |entry: &yardmaster_engine::Entry| store.entries.iter().filter(|other| other.job == entry.job).count() > 1;
    let someone_holds = entries().any(|entry| entry.active);
    for entry in entries() {
        let hopeless = matches!(engine.core().why(entry.id), WaitReason::NoSuchHost | WaitReason::AccessDenied);
        let may_wait =
            entry.status == EntryStatus::Queued && !entry.active && (hopeless || someone_holds || of_many(entry));
        let may_hold = entry.status == EntryStatus::Pending && of_many(entry);
        if !may_wait && !may_hold {
            let why = engine.core().why(entry.id);
            return Err(format!("after {TICKS} ticks without faults, this entry has not ended: {entry:?}: {why:?}"));
        }
    }
    Ok(())
}

fn abort_what_is_left(story: &mut Story) -> Result<(), String> {
    for entry in story.entries.clone() {
        story.act(Action::Abort { job: None, entry: Some(entry) })?;
    }
    Ok(())
}

fn everything_is_over(story: &Story) -> Result<(), String> {
    let store = story.engine().store();
    if let Some(entry) = live(story).first().and_then(|id| store.entries.get(id.0)) {
        return Err(format!("never ends, although aborted: {entry:?}"));
    }
    if let Some(task) = store.tasks.iter().find(|task| !task.complete) {
        return Err(format!("never ends: {task:?}"));
    }
    if let Some(host) = store.hosts.iter().find(|host| host.status != HostStatus::Ready || host.leased) {
        return Err(format!("never becomes free: {host:?}"));
    }
    if !store.ineligible.is_empty() && story.entries.is_empty() {
        return Err("ineligible rows without jobs".to_owned());
    }
    match story.player.running().first() {
        Some(process) => Err(format!("still runs: {process}")),
        None if story.engine().core().active_processes() > 0 => Err("drones are thought to run something".to_owned()),
        None => Ok(()),
    }
}
