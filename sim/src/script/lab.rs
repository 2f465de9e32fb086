//! Setting up a scripted lab, and starting a scheduler on it.

use futures_util::FutureExt;
use yardmaster_engine::{
    Engine, EntryStatus, Host, Job, JobId, Journal, RebootAfter, RebootBefore, Role, Settings, Setup, Span, SubnetId,
    Time, UserId,
};

use super::expect::expand;
use super::format::Script;
use super::player::FakeEngine;
use super::problem::{At, Problem, bad};
use super::reading::with_suggestion;
use crate::clock::VirtualClock;
use crate::drones::{FakeDrones, UntilTold};
use crate::frontend::{new_host, sorted};
use crate::store::MemoryStore;

const EVERYONE: &str = "everyone";
pub(super) const SYSTEM_USER: &str = "autotest_system";

/// The tables of a scenario's lab, as they are before any scheduler works on them: for whoever plays it elsewhere.
///
/// # Errors
/// If the lab makes no sense.
pub fn tables(script: &Script) -> Result<MemoryStore, Problem> {
    let mut store = MemoryStore::default();
    set_up_lab(&mut store, script)?;
    check_settings(&script.settings, &store).map_err(|what| Problem::BadInput(format!("settings.{what}")))?;
    Ok(store)
}

/// What the types of settings cannot say; the text begins with the key.
pub(super) fn check_settings(settings: &Settings, store: &MemoryStore) -> Result<(), String> {
    for word in settings.notify_email_statuses.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let status: Result<EntryStatus, _> = word.parse();
        status.map_err(|error| format!("notify_email_statuses: {}", with_suggestion(&error.to_string())))?;
    }
    match &settings.default_drone_set {
        Some(set) if !store.drone_sets.iter().any(|known| *known.name == **set) => {
            Err(format!("default_drone_set: no drone belongs to the set {set:?}"))
        }
        Some(_) | None => Ok(()),
    }
}

fn set_up_lab(store: &mut MemoryStore, script: &Script) -> Result<(), Problem> {
    let everyone = store.ensure_acl_group(EVERYONE);
    for label in &script.label {
        let id = store.ensure_label(&label.name);
        if let Some(row) = store.labels.get_mut(id.0) {
            row.platform = label.platform;
        }
    }
    let drone_sets: Vec<&String> = script.drone.iter().filter_map(|drone| drone.set.as_ref()).collect();
    if script.user.is_empty() {
        store.add_user(SYSTEM_USER, &[everyone]);
    }
    for user in &script.user {
        if store.user_id(&user.name).is_some() {
            return bad(format!("user.name: user {:?} is there twice", user.name));
        }
        let groups = user.acls.as_ref().map(|acls| acls.iter().map(|acl| store.ensure_acl_group(acl)).collect());
        store.add_user(&user.name, &groups.unwrap_or_else(|| vec![everyone]));
        if let Some(set) = &user.drone_set
            && !drone_sets.contains(&set)
        {
            return bad(format!("user.drone_set: user {:?}: no drone belongs to the set {set:?}", user.name));
        }
    }
    for host in &script.host {
        let labels: Vec<_> = host.labels.iter().map(|label| store.ensure_label(label)).collect();
        let groups = host.acls.as_ref().map(|acls| acls.iter().map(|acl| store.ensure_acl_group(acl)).collect());
        let groups = groups.unwrap_or_else(|| vec![everyone]);
        for name in expand(std::slice::from_ref(&host.name)).at("host.name")? {
            if store.hosts.iter().any(|known| *known.name == *name) {
                return bad(format!("host.name: host {name:?} is there twice"));
            }
            let fresh = new_host(name);
            let id = store.add_host(Host {
                status: host.status.unwrap_or(fresh.status),
                protection: host.protection.unwrap_or(fresh.protection),
                dirty: host.dirty,
                locked: host.locked,
                leased: host.leased,
                invalid: host.invalid,
                labels: sorted(&labels),
                acls: sorted(&groups),
                ..fresh
            });
            if let Some(subnet) = &host.subnet {
                store.subnets.hosts.insert(id, subnet_id(script, subnet));
            }
        }
    }
    set_up_drones(store, script)
}

/// Subnets are numbered as they are first named, hosts before drones.
fn subnet_id(script: &Script, name: &str) -> SubnetId {
    let of_hosts = script.host.iter().filter_map(|host| host.subnet.as_deref());
    let of_drones = script.drone.iter().filter_map(|drone| drone.subnet.as_deref());
    SubnetId(of_hosts.chain(of_drones).position(|known| known == name).unwrap_or(0) as u32)
}

fn set_up_drones(store: &mut MemoryStore, script: &Script) -> Result<(), Problem> {
    if script.drone.is_empty() {
        store.add_drone("drone1", 100, true, None, None);
    }
    for drone in &script.drone {
        if store.drones.iter().any(|known| *known.name == *drone.name) {
            return bad(format!("drone.name: drone {:?} is there twice", drone.name));
        }
        let mut users = None;
        for name in drone.users.iter().flatten() {
            let Some(user) = store.user_id(name) else {
                return bad(format!("drone.users: drone {:?}: there is no user {name:?}", drone.name));
            };
            users.get_or_insert_with(Vec::new).push(user);
        }
        let users = users.or_else(|| drone.users.as_ref().map(|_| Vec::new()));
        let capacity = drone.max_processes.unwrap_or(script.settings.max_processes_per_drone);
        let id = store.add_drone(&drone.name, capacity, drone.enabled, users, drone.set.as_deref());
        if let Some(subnet) = &drone.subnet {
            store.subnets.drones.insert(id, subnet_id(script, subnet));
        }
    }
    for user in &script.user {
        let set = user
            .drone_set
            .as_ref()
            .and_then(|set| store.drone_sets.iter().find(|known| *known.name == **set).map(|known| known.id));
        let id = store.user_id(&user.name);
        if let Some(row) = id.and_then(|id| store.users.get_mut(id.0)) {
            row.drone_set = set;
        }
    }
    Ok(())
}

pub(super) fn start_engine(
    clock: VirtualClock,
    drones: FakeDrones<UntilTold>,
    mut store: MemoryStore,
    settings: Settings,
    recover_hosts: bool,
    journal: Option<Box<dyn Journal>>,
) -> Result<FakeEngine, Problem> {
    let term = store.begin_term();
    let setup = Setup { settings, role: Role::Whole, term, recover_hosts, journal };
    let start = Engine::start(clock, drones, store, setup);
    poll_now(start).map_err(|error| Problem::Failed(error.to_string()))
}

/// Runs a future that never waits: in a simulation, none does.
pub(crate) fn poll_now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("nothing waits in a simulation")
}

/// A job with every default but its owner, labels and times.
pub(crate) fn default_job(name: &str) -> Job {
    Job {
        id: JobId(0),
        owner: UserId(0),
        name: name.into(),
        priority: 40,
        synch_count: 1,
        run_verify: false,
        run_reset: true,
        reboot_before: RebootBefore::IfDirty,
        reboot_after: RebootAfter::Never,
        labels: Default::default(),
        parent: None,
        suite_min_hosts: 0,
        timeout: Span::from_hours(24),
        max_runtime: Span::from_hours(72),
        created_on: Time(0),
        drone_set: None,
        shard: None,
        next_group: 0,
    }
}
