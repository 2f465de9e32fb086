//! Plays scripted scenarios through the engine.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use yardmaster_engine::{
    Clock, DroneId, Engine, EngineError, EntryId, Host, HostId, Job, JobId, RebootAfter, RebootBefore, Role, Settings,
    Span, TickReport, Time, UserId, WaitReason, Work,
};

use super::expect::{Difference, expand};
use super::format::{Action, Script, Step};
use super::view::{EntryNames, View, process_name};
use crate::clock::VirtualClock;
use crate::drones::{FakeDrones, ProcessKey, UntilTold};
use crate::frontend::{Target, new_host, sorted};
use crate::store::{CommitFault, MemoryStore};

/// Ticks after which a scenario that still changes is given up.
const SETTLE_TICKS_MAX: u32 = 40;
/// So many ticks without a change, and it has settled.
const QUIET_TICKS: u32 = 3;
const EVERYONE: &str = "everyone";
const SYSTEM_USER: &str = "autotest_system";

/// Why a scenario did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The scheduler did something else than expected. The text has a line for each difference.
    Failed(String),
    /// The scenario itself makes no sense.
    BadInput(String),
}

/// The engine on virtual time, with drones whose processes run until they are told to end.
pub type FakeEngine = Engine<VirtualClock, FakeDrones<UntilTold>, MemoryStore>;

/// A scenario being played.
pub struct Player {
    engine: Option<FakeEngine>,
    clock: VirtualClock,
    tick: Span,
    settings: Settings,
    jobs: BTreeMap<String, JobId>,
    entries: EntryNames,
    entry_ids: BTreeMap<String, EntryId>,
    trace: Option<Vec<String>>,
    /// Checks the core's own consistency after every tick.
    validate: bool,
}

/// Plays a scenario to its end or to its first failing step.
///
/// # Errors
/// Says in which step what was expected and what was found.
pub fn play(script: &Script) -> Result<(), Problem> {
    let mut player = Player::new(script, false)?;
    script.step.iter().enumerate().try_for_each(|(number, step)| player.step(number, step))
}

fn bad<T>(text: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::BadInput(text.into()))
}

impl Player {
    /// Sets the lab up and starts the scheduler. With `trace`, every change is noted down, for [`Player::take_trace`].
    ///
    /// # Errors
    /// If the lab makes no sense.
    pub fn new(script: &Script, trace: bool) -> Result<Player, Problem> {
        let clock = VirtualClock::new(Time(0));
        let mut store = MemoryStore::default();
        set_up_lab(&mut store, script)?;
        let drones: Vec<DroneId> = store.drones.iter().map(|drone| drone.id).collect();
        let drones = FakeDrones::new(clock.clone(), drones, UntilTold, true);
        let engine = start_engine(clock.clone(), drones, store, script.settings.clone(), false)?;
        Ok(Player {
            engine: Some(engine),
            clock,
            tick: Span::from_seconds_f64(script.tick_sec),
            settings: script.settings.clone(),
            jobs: BTreeMap::new(),
            entries: BTreeMap::new(),
            entry_ids: BTreeMap::new(),
            trace: trace.then(Vec::new),
            validate: true,
        })
    }

    /// What has happened since the last call, a line a change.
    pub fn take_trace(&mut self) -> Vec<String> {
        self.trace.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The scheduler with its clock, drones and store, to look at.
    pub fn engine(&self) -> &FakeEngine {
        self.engine.as_ref().expect("taken out only within restart")
    }

    /// The same, to interfere in ways that no action does.
    pub fn engine_mut(&mut self) -> &mut FakeEngine {
        self.engine.as_mut().expect("taken out only within restart")
    }

    /// Plays one step and compares. `number` counts from 0.
    ///
    /// # Errors
    /// As [`play`].
    pub fn step(&mut self, number: usize, step: &Step) -> Result<(), Problem> {
        let title = if step.name.is_empty() {
            format!("step {}", number + 1)
        } else {
            format!("step {} ({})", number + 1, step.name)
        };
        if let Some(trace) = &mut self.trace {
            trace.push(title.clone());
        }
        self.step_inner(step).map_err(|problem| match problem {
            Problem::Failed(text) => Problem::Failed(format!("{title}: {text}")),
            Problem::BadInput(text) => Problem::BadInput(format!("{title}: {text}")),
        })
    }

    fn step_inner(&mut self, step: &Step) -> Result<(), Problem> {
        for action in &step.actions {
            if let Some(trace) = &mut self.trace {
                trace.push(format!("  do {action:?}"));
            }
            self.act(action)?;
        }
        match step.ticks {
            Some(ticks) => (0..ticks).try_for_each(|_| self.tick().map(|_| ()))?,
            None => self.settle()?,
        }
        let differences = self.compare(step)?;
        if differences.is_empty() {
            return Ok(());
        }
        let line = |difference: &Difference| {
            format!("\n    {}: expected {}, found {}", difference.key, difference.expected, difference.found)
        };
        Err(Problem::Failed(differences.iter().map(line).collect()))
    }

    fn compare(&mut self, step: &Step) -> Result<Vec<Difference>, Problem> {
        let view = self.view();
        let engine = self.engine();
        let killed: Vec<String> =
            engine.drones().killed.iter().map(|work| process_name(engine.store(), &self.entries, work)).collect();
        let ids = &self.entry_ids;
        let why = |name: &str| {
            let id = *ids.get(name)?;
            let named = engine.store().entries.get(id.0).is_some_and(|entry| entry.host.is_some());
            Some(reason_word(&engine.core().why(id), named))
        };
        step.expect.differences(&view, &killed, why)
    }

    fn view(&self) -> View {
        let engine = self.engine();
        View::of(engine.store(), engine.drones(), &self.entries)
    }

    /// Runs ticks until nothing changes any more.
    fn settle(&mut self) -> Result<(), Problem> {
        let mut quiet = 0;
        for _ in 0..SETTLE_TICKS_MAX {
            quiet = if self.tick()? { 0 } else { quiet + 1 };
            if quiet == QUIET_TICKS {
                return Ok(());
            }
        }
        Err(Problem::Failed(format!("has not settled after {SETTLE_TICKS_MAX} ticks")))
    }

    /// Runs one tick; says whether it changed anything that can be seen.
    ///
    /// # Errors
    /// If the engine gives up, or its core contradicts itself.
    pub fn tick(&mut self) -> Result<bool, Problem> {
        let before = self.view();
        let next = self.clock.now() + self.tick;
        self.clock.advance_to(next);
        let report = poll_now(self.engine_mut().tick());
        let report = report.map_err(|error: EngineError| Problem::Failed(error.to_string()))?;
        if self.validate
            && let Err(problem) = self.engine_mut().core().validate()
        {
            return Err(Problem::Failed(format!("the core contradicts itself: {problem}")));
        }
        let after = self.view();
        let changes = before.changes(&after);
        if let Some(trace) = &mut self.trace {
            let time = next.as_seconds_f64();
            trace.extend(changes.iter().map(|line| format!("  {time:>8.3} s  {line}")));
            if let TickReport::NotCommitted(reason) = &report {
                trace.push(format!("  {time:>8.3} s  commit  {reason}"));
            }
        }
        Ok(before != after || !matches!(report, TickReport::Done(_)))
    }

    /// Lets something happen, before the next tick.
    ///
    /// # Errors
    /// If the action makes no sense, or concerns a process that does not run.
    pub fn act(&mut self, action: &Action) -> Result<(), Problem> {
        let now = self.clock.now();
        match action {
            Action::Submit { .. } => self.submit(action)?,
            Action::Abort { job, entry } => match (job, entry) {
                (Some(job), None) => {
                    let job = self.job(job)?;
                    self.engine_mut().store_mut().abort_job(job);
                }
                (None, Some(entry)) => {
                    let entry = self.entry(entry)?;
                    self.engine_mut().store_mut().abort_entry(entry);
                }
                _ => return bad("abort: give either job or entry"),
            },
            Action::RequestTask { host, task } => {
                for host in self.hosts(host)? {
                    self.engine_mut().store_mut().request_task(host, *task, now);
                }
            }
            Action::AbortTask { process } => self.abort_task(process)?,
            Action::Finish { process, exit, tests_failed } => {
                let key = self.process(process)?;
                self.engine_mut().drones_mut().finish(key, *exit, *tests_failed);
            }
            Action::Lose { process } => {
                let key = self.process(process)?;
                self.engine_mut().drones_mut().lose(key);
            }
            Action::CorruptPidfile { process } => {
                let key = self.process(process)?;
                self.engine_mut().drones_mut().corrupt(key);
            }
            Action::SetDrone { .. } => self.set_drone(action)?,
            Action::SetHost { .. } => self.set_host(action)?,
            Action::SetJob { job, priority } => {
                let job = self.job(job)?;
                let priority = *priority;
                self.engine_mut().store_mut().edit_job(job, |row| row.priority = priority.unwrap_or(row.priority));
            }
            Action::Set(changes) => self.set(changes)?,
            Action::Advance { seconds } => self.clock.advance_to(now + Span::from_seconds_f64(*seconds)),
            Action::Restart { recover_hosts } => self.restart(*recover_hosts)?,
            Action::DroneDown { drone } => self.with_drone(drone, |drones, id| drones.set_silent(id, true))?,
            Action::DroneUp { drone } => self.with_drone(drone, |drones, id| drones.set_silent(id, false))?,
            Action::RebootDrone { drone } => self.with_drone(drone, FakeDrones::reboot)?,
            Action::LoseReplies { drone, count } => {
                self.with_drone(drone, |drones, id| drones.lose_replies(id, *count))?;
            }
            Action::ShowPidfiles { drone } => self.with_drone(drone, |drones, id| {
                drones.set_late_pidfiles(id, false);
                drones.show_pidfiles(id);
            })?,
            Action::RefuseCommit { count, reply_lost, landed } => {
                let fault = match (reply_lost | landed, landed) {
                    (false, _) => CommitFault::Refused,
                    (true, landed) => CommitFault::ReplyLost { landed: *landed },
                };
                let count = *count as usize;
                self.engine_mut().store_mut().faults.extend(std::iter::repeat_n(fault, count));
            }
        }
        Ok(())
    }

    // ---- Names

    /// The processes that run, as scenarios call them, in the order of their start.
    pub fn running(&self) -> Vec<String> {
        let engine = self.engine();
        let name = |work: &Work| process_name(engine.store(), &self.entries, work);
        engine.drones().running().into_iter().map(|(_, process)| name(&process.work)).collect()
    }

    fn job(&self, name: &str) -> Result<JobId, Problem> {
        self.jobs.get(name).copied().map_or_else(|| bad(format!("no job {name:?} was submitted so far")), Ok)
    }

    fn entry(&self, name: &str) -> Result<EntryId, Problem> {
        self.entry_ids.get(name).copied().map_or_else(|| bad(format!("there is no entry {name:?} so far")), Ok)
    }

    fn hosts(&mut self, list: &str) -> Result<Vec<HostId>, Problem> {
        let names = expand(&[list.to_owned()])?;
        let store = self.engine_mut().store();
        let find = |name: &String| {
            let host = store.hosts.iter().find(|host| *host.name == **name).map(|host| host.id);
            host.map_or_else(|| bad(format!("there is no host {name:?}")), Ok)
        };
        names.iter().map(find).collect()
    }

    fn users(&mut self, names: &[String]) -> Result<Vec<UserId>, Problem> {
        let store = self.engine_mut().store();
        names
            .iter()
            .map(|name| store.user_id(name).map_or_else(|| bad(format!("there is no user {name:?}")), Ok))
            .collect()
    }

    fn drone(&mut self, name: &str) -> Result<DroneId, Problem> {
        let drone = self.engine_mut().store().drones.iter().find(|drone| &*drone.name == name).map(|drone| drone.id);
        drone.map_or_else(|| bad(format!("there is no drone {name:?}")), Ok)
    }

    fn with_drone(&mut self, name: &str, act: impl FnOnce(&mut FakeDrones<UntilTold>, DroneId)) -> Result<(), Problem> {
        let drone = self.drone(name)?;
        act(self.engine_mut().drones_mut(), drone);
        Ok(())
    }

    /// A process that runs.
    fn process(&mut self, name: &str) -> Result<ProcessKey, Problem> {
        self.check_process_name(name)?;
        let engine = self.engine();
        let is_it = |work: &Work| process_name(engine.store(), &self.entries, work) == name;
        let found = engine.drones().running().into_iter().find(|(_, process)| is_it(&process.work));
        found.map_or_else(|| Err(Problem::Failed(format!("process {name:?} is not running"))), |(key, _)| Ok(key))
    }

    fn check_process_name(&mut self, name: &str) -> Result<(), Problem> {
        match name.split_once(' ') {
            Some(("verify" | "cleanup" | "reset" | "repair" | "provision", host)) => self.hosts(host).map(|_| ()),
            Some(("job" | "gather" | "parse", entry)) => self.entry(entry).map(|_| ()),
            _ => bad(format!("{name:?} names no process: expected KIND HOST or KIND JOB#N")),
        }
    }

    // ---- Actions

    fn submit(&mut self, action: &Action) -> Result<(), Problem> {
        let Action::Submit {
            job: name,
            owner,
            priority,
            hosts,
            metahosts,
            hostless,
            synch_count,
            run_verify,
            run_reset,
            reboot_before,
            reboot_after,
            labels,
            parent,
            keyvals,
            timeout_mins,
            max_runtime_mins,
            drone_set,
        } = action
        else {
            return Ok(());
        };
        if self.jobs.contains_key(name) {
            return bad(format!("submit: there is a job {name:?} already"));
        }
        let mut targets = Vec::new();
        for host in expand(hosts)? {
            targets.extend(self.hosts(&host)?.into_iter().map(Target::Host));
        }
        let parent = parent.as_deref().map(|parent| self.job(parent)).transpose()?;
        let owner = self.users(&[owner.clone().unwrap_or_else(|| SYSTEM_USER.to_owned())]);
        let now = self.clock.now();
        let store = self.engine_mut().store_mut();
        // With users of its own, a scenario may do without the default one.
        let owner = match owner {
            Ok(owners) => owners[0],
            Err(problem) => return Err(problem),
        };
        targets.extend(metahosts.iter().map(|label| Target::Any(store.ensure_label(label))));
        match (targets.is_empty(), hostless) {
            (true, true) => targets.push(Target::None),
            (false, false) => {}
            (true, false) => return bad(format!("submit: job {name:?} needs hosts, metahosts or hostless = true")),
            (false, true) => return bad(format!("submit: job {name:?} is hostless and names hosts")),
        }
        let drone_set = match drone_set {
            None => None,
            Some(set) => {
                let known = store.drone_sets.iter().find(|known| *known.name == **set).map(|known| known.id);
                Some(known.map_or_else(|| bad(format!("submit: there is no drone set {set:?}")), Ok)?)
            }
        };
        let label_ids: Vec<_> = labels.iter().chain(metahosts).map(|label| store.ensure_label(label)).collect();
        let job = Job {
            owner,
            priority: priority.unwrap_or(40),
            synch_count: synch_count.unwrap_or(1),
            run_verify: run_verify.unwrap_or(false),
            run_reset: run_reset.unwrap_or(true),
            reboot_before: reboot_before.unwrap_or(RebootBefore::IfDirty),
            reboot_after: reboot_after.unwrap_or(RebootAfter::Never),
            labels: sorted(&label_ids),
            parent,
            suite_min_hosts: suite_minimum(keyvals)?,
            timeout: Span::from_minutes(timeout_mins.unwrap_or(24 * 60)),
            max_runtime: Span::from_minutes(max_runtime_mins.unwrap_or(72 * 60)),
            created_on: now,
            drone_set,
            ..default_job(name)
        };
        let (id, entries) = store.submit(job, &targets);
        self.jobs.insert(name.clone(), id);
        for (number, entry) in entries.into_iter().enumerate() {
            self.entries.insert(entry.0, format!("{name}#{number}"));
            self.entry_ids.insert(format!("{name}#{number}"), entry);
        }
        Ok(())
    }

    fn abort_task(&mut self, process: &str) -> Result<(), Problem> {
        let key = self.process(process)?;
        let running = self.engine_mut().drones_mut().running();
        let path = running.iter().find(|(other, _)| *other == key).map(|(_, process)| process.path.clone());
        match path {
            Some(yardmaster_engine::ExecutionPath::Task { task, .. }) => {
                self.engine_mut().store_mut().abort_task(task);
                Ok(())
            }
            _ => bad(format!("abort_task: {process:?} is no special task")),
        }
    }

    fn set_drone(&mut self, action: &Action) -> Result<(), Problem> {
        let Action::SetDrone { drone, max_processes, enabled, users, late_pidfiles } = action else { return Ok(()) };
        let id = self.drone(drone)?;
        let users = users.as_ref().map(|users| self.users(users)).transpose()?;
        self.engine_mut().store_mut().edit_drone(id, |row| {
            row.max_processes = max_processes.unwrap_or(row.max_processes);
            row.enabled = enabled.unwrap_or(row.enabled);
            row.users = users.unwrap_or_else(|| std::mem::take(&mut row.users));
        });
        if let Some(late) = late_pidfiles {
            self.engine_mut().drones_mut().set_late_pidfiles(id, *late);
        }
        Ok(())
    }

    fn set_host(&mut self, action: &Action) -> Result<(), Problem> {
        let Action::SetHost { host, locked, protection, dirty, status, invalid, labels, acls } = action else {
            return Ok(());
        };
        for id in self.hosts(host)? {
            let store = self.engine_mut().store_mut();
            let labels: Option<Vec<_>> =
                labels.as_ref().map(|labels| labels.iter().map(|label| store.ensure_label(label)).collect());
            let acls: Option<Vec<_>> =
                acls.as_ref().map(|acls| acls.iter().map(|acl| store.ensure_acl_group(acl)).collect());
            store.edit_host(id, |row: &mut Host| {
                row.locked = locked.unwrap_or(row.locked);
                row.protection = protection.unwrap_or(row.protection);
                row.dirty = dirty.unwrap_or(row.dirty);
                row.status = status.unwrap_or(row.status);
                row.invalid = invalid.unwrap_or(row.invalid);
                if let Some(labels) = labels {
                    row.labels = sorted(&labels);
                }
                if let Some(acls) = acls {
                    row.acls = sorted(&acls);
                }
            });
        }
        Ok(())
    }

    fn set(&mut self, changes: &Map<String, Value>) -> Result<(), Problem> {
        let mut settings =
            serde_json::to_value(&self.settings).map_err(|error| Problem::BadInput(error.to_string()))?;
        if let Value::Object(settings) = &mut settings {
            settings.extend(changes.clone());
        }
        let settings: Settings =
            serde_json::from_value(settings).map_err(|error| Problem::BadInput(format!("set: {error}")))?;
        self.settings = settings.clone();
        self.engine_mut().core_mut().set_settings(settings);
        Ok(())
    }

    fn restart(&mut self, recover_hosts: bool) -> Result<(), Problem> {
        let (clock, drones, store) = self.engine.take().expect("put back at once").into_parts();
        self.engine = Some(start_engine(clock, drones, store, self.settings.clone(), recover_hosts)?);
        Ok(())
    }
}

fn start_engine(
    clock: VirtualClock,
    drones: FakeDrones<UntilTold>,
    mut store: MemoryStore,
    settings: Settings,
    recover_hosts: bool,
) -> Result<FakeEngine, Problem> {
    let term = store.begin_term();
    let start = Engine::start(clock, drones, store, settings, Role::Whole, term, recover_hosts);
    poll_now(start).map_err(|error| Problem::Failed(error.to_string()))
}

/// Runs a future that never waits: in a simulation, none does.
pub(crate) fn poll_now<T>(future: impl Future<Output = T>) -> T {
    pollster::block_on(future)
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

fn suite_minimum(keyvals: &BTreeMap<String, Value>) -> Result<u32, Problem> {
    let text = match keyvals.get("suite_min_duts") {
        None => return Ok(0),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    text.trim().parse().map_err(|error| Problem::BadInput(format!("keyvals.suite_min_duts: {text:?}: {error}")))
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
        let groups = user.acls.as_ref().map(|acls| acls.iter().map(|acl| store.ensure_acl_group(acl)).collect());
        store.add_user(&user.name, &groups.unwrap_or_else(|| vec![everyone]));
        if let Some(set) = &user.drone_set
            && !drone_sets.contains(&set)
        {
            return bad(format!("user {:?}: no drone belongs to the set {set:?}", user.name));
        }
    }
    for host in &script.host {
        let labels: Vec<_> = host.labels.iter().map(|label| store.ensure_label(label)).collect();
        let groups = host.acls.as_ref().map(|acls| acls.iter().map(|acl| store.ensure_acl_group(acl)).collect());
        let groups = groups.unwrap_or_else(|| vec![everyone]);
        for name in expand(std::slice::from_ref(&host.name))? {
            if store.hosts.iter().any(|known| *known.name == *name) {
                return bad(format!("host {name:?} is there twice"));
            }
            let fresh = new_host(name);
            store.add_host(Host {
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
        }
    }
    set_up_drones(store, script)
}

fn set_up_drones(store: &mut MemoryStore, script: &Script) -> Result<(), Problem> {
    if script.drone.is_empty() {
        store.add_drone("drone1", 100, true, None, None);
    }
    for drone in &script.drone {
        let mut users = None;
        for name in drone.users.iter().flatten() {
            let Some(user) = store.user_id(name) else {
                return bad(format!("drone {:?}: there is no user {name:?}", drone.name));
            };
            users.get_or_insert_with(Vec::new).push(user);
        }
        let users = users.or_else(|| drone.users.as_ref().map(|_| Vec::new()));
        let capacity = drone.max_processes.unwrap_or(script.settings.max_processes_per_drone);
        store.add_drone(&drone.name, capacity, drone.enabled, users, drone.set.as_deref());
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

/// The words that scenarios use for the reasons to wait.
fn reason_word(reason: &WaitReason, names_host: bool) -> &'static str {
    match reason {
        WaitReason::Nothing => "nothing",
        WaitReason::Ended => "ended",
        WaitReason::NoSuchHost => "no such host",
        WaitReason::AccessDenied => "access denied",
        WaitReason::Locked(_) => "locked",
        WaitReason::AllBusy(_) if names_host => "host in use",
        WaitReason::AllBusy(_) => "all hosts busy",
        WaitReason::BehindOthers { .. } => "behind higher priority",
        WaitReason::WaitsForTask(_) => "waiting for task",
        WaitReason::DronesFull => "drones full",
        WaitReason::WaitsForGroup { .. } => "waiting for group",
        WaitReason::ParseLimit => "parse limit",
        WaitReason::OnShard => "on shard",
        WaitReason::DroneSilent => "drone silent",
    }
}
