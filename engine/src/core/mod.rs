//! The scheduler's core: a synchronous, deterministic state machine over the live rows.
//!
//! Everything enters through [`Core::tick`] and leaves in its [`TickOutput`]; the core never reads a clock, draws a random
//! number, or waits. Where things are:
//!
//! | file | story |
//! | --- | --- |
//! | `working_set` | the live rows, and what is derived from them |
//! | `queue`, `acquisition` | pending entries; which of them get which hosts |
//! | `entries` | an entry's way through its statuses; groups of synchronous jobs |
//! | `special_tasks` | Verify, Cleanup, Reset, Repair, Provision: their order, start and end |
//! | `job_tasks` | tests, gathering and parsing: adoption, start and end |
//! | `hand_offs` | jobs whose remaining life is a runner's |
//! | `agents`, `handling` | what the scheduler is busy with; throttling |
//! | `processes`, `drones`, `subnets` | pidfiles, the load of drones, choice of drone |
//! | `strays` | what a silent drone may have of what was started anew elsewhere |
//! | `delivery` | what is certain of orders that are on their way |
//! | `aborts`, `upkeep`, `time_limits` | aborts; periodic work; what has lasted too long |
//! | `inputs`, `recovery` | rows that change outside; the first tick |
//! | `explain` | why an entry waits |

mod aborts;
mod acquisition;
mod agents;
mod delivery;
mod drones;
mod entries;
mod explain;
mod hand_offs;
mod handling;
mod host_set;
mod inputs;
mod job_tasks;
mod processes;
mod queue;
mod reconfigure;
mod recovery;
mod special_tasks;
mod strays;
mod subnets;
mod table;
mod time_limits;
mod upkeep;
mod validate;
mod working_set;

use std::collections::BTreeSet;

pub use explain::{BusyHost, HeldUp, WaitPlace, WaitReason};

use serde::{Deserialize, Serialize};

use crate::ids::{DroneId, EntryId, HostId, UserId};
use crate::model::{Drone, Entry, EntryStatus, Host};
use crate::protocol::{
    ActReport, Changes, Command, DroneReport, EntryUpdate, HostUpdate, Notice, RowChange, TaskUpdate,
};
use crate::settings::Settings;
use crate::time::{Time, earliest};

use agents::Agents;
use drones::Drones;
use processes::Processes;
use working_set::{HostStep, TaskRowState, WorkingSet};

/// What a scheduler process is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// The dispatcher; it acquires hosts itself, or, where the settings say otherwise, ticks a host scheduler in turn with
    /// itself.
    Whole,
    /// The dispatcher beside a host scheduler in another process.
    Dispatcher,
    /// The host scheduler alone.
    HostScheduler,
    /// The runner of jobs that were handed off: it sees them to their end and does nothing else.
    Runner,
}

/// What has happened since the last tick.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickInput {
    /// Rows that changed outside.
    pub rows: Vec<RowChange>,
    /// What became of the last tick's commands.
    pub acts: Vec<ActReport>,
    /// What the drones report.
    pub drones: Vec<DroneReport>,
}

/// Commands for one drone, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroneBatch {
    /// The drone.
    pub drone: DroneId,
    /// What it is to do.
    pub commands: Vec<Command>,
}

/// What a tick decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickOutput {
    /// To be committed, in one transaction, before any command is sent.
    pub changes: Changes,
    /// To be carried out, drones in parallel.
    pub commands: Vec<DroneBatch>,
    /// To be told to people.
    pub notices: Vec<Notice>,
    /// What the tick did.
    pub stats: TickStats,
    /// Recovery found unclaimed processes and `die_on_orphans` is set: the scheduler must not go on.
    pub must_stop: bool,
}

/// Counts for the metrics of one tick.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickStats {
    /// Agents at the end of the tick.
    pub agents: usize,
    /// Pending entries that got a host.
    pub hosts_assigned: u32,
    /// Agents that started.
    pub agents_started: u32,
    /// Agents that ended.
    pub agents_ended: u32,
    /// Processes ordered.
    pub processes_started: u32,
    /// Processes that ended.
    pub processes_ended: u32,
    /// Rows that were set aside because they make no sense.
    pub quarantined: u32,
    /// Whether the throttle refused an agent.
    pub throttled: bool,
}

/// The scheduler's state: the live rows, the agents at work on them, and the drones' load, all in memory.
#[derive(Debug, Clone)]
pub struct Core {
    settings: Settings,
    role: Role,
    now: Time,
    /// Periods count from here.
    started_at: Time,
    recovered_at: Time,
    /// Recovery has stopped to wait for drones that keep silent.
    silence_is_over: bool,
    rows: WorkingSet,
    agents: Agents,
    processes: Processes,
    drones: Drones,
    notices: Vec<Notice>,
    changes: Changes,
    stats: TickStats,
    notify_statuses: Vec<EntryStatus>,
    /// Drones not heard since the start: they may run what recovery did not find.
    unheard: BTreeSet<DroneId>,
    release_held_agents: bool,
    orphans_found: bool,
    recovery: Option<recovery::Recovery>,
    upkeep: upkeep::Upkeep,
    suite_holdings: std::collections::BTreeMap<crate::ids::JobId, u32>,
    system_user: Option<UserId>,
}

impl Core {
    /// Decides what to do at `now` about what has happened. A clock that was set back counts as standing still.
    ///
    /// The steps are those of the original dispatcher, in its order. The first tick finishes the recovery and does nothing
    /// else.
    pub fn tick(&mut self, now: Time, input: TickInput) -> TickOutput {
        self.now = now.max(self.now);
        self.processes.begin_tick();
        self.hear_rows(input.rows);
        self.hear_drones(input.drones);
        self.hear_acts(input.acts);
        self.check_process_deadlines();
        if self.recovery.as_ref().is_some_and(recovery::Recovery::is_due) {
            self.finish_recovery();
            return self.drain();
        }
        match self.role {
            Role::HostScheduler => self.host_scheduler_steps(),
            Role::Dispatcher => self.dispatcher_steps(),
            Role::Runner => self.runner_steps(),
            Role::Whole => {
                if !self.settings.inline_host_acquisition {
                    self.host_scheduler_steps();
                }
                self.dispatcher_steps();
            }
        }
        self.drain()
    }

    fn dispatcher_steps(&mut self) {
        self.take_back_jobs();
        self.adopt_entries();
        self.schedule_special_tasks();
        self.schedule_hostless_entries();
        if self.acquires_inline() {
            self.acquire_hosts();
        }
        self.run_upkeep();
        self.abort_entries();
        self.abort_tasks();
        self.handle_agents();
        if self.acquires_inline() {
            self.release_hosts();
        }
    }

    /// Special tasks and hosts are not its business: those that the ends of jobs ask for are left to the dispatcher.
    fn runner_steps(&mut self) {
        self.adopt_entries();
        self.run_upkeep();
        self.abort_entries();
        self.handle_agents();
    }

    fn host_scheduler_steps(&mut self) {
        self.lease_for_requested_tasks();
        self.acquire_hosts();
        for host in self.release_hosts() {
            self.forget_suite_holding(host);
        }
    }

    fn acquires_inline(&self) -> bool {
        self.role == Role::Whole && self.settings.inline_host_acquisition
    }

    /// The next moment at which a tick could do anything without news from outside. `None`: never.
    pub fn next_wake(&self) -> Option<Time> {
        if self.has_work() {
            return Some(self.now);
        }
        earliest(&[self.processes.next_deadline(), self.next_upkeep(), self.silence_limit()])
    }

    /// Whether a tick at this very moment would find something to do. What is quickly answered is asked first.
    fn has_work(&self) -> bool {
        let rows = &self.rows;
        let recovers = self.recovery.as_ref().is_some_and(recovery::Recovery::is_due);
        let dispatches = self.role != Role::HostScheduler
            && (self.release_held_agents
                || self.agents.may_start
                || (self.drones.has_passed_over() && !self.agents.waiting.is_empty())
                || !self.agents.news.is_empty()
                || !rows.recalled.is_empty()
                || !rows.to_adopt.is_empty()
                || !rows.to_abort.is_empty()
                || !rows.tasks_to_abort.is_empty()
                || !rows.queue.hostless.is_empty());
        let acquires = self.role == Role::HostScheduler || self.role == Role::Whole;
        let asks = |step: &HostStep| rows.touched(*step).iter().any(|host| self.asks_for(*step, *host));
        recovers || dispatches || (acquires && !rows.queue.woken.is_empty()) || self.steps_of_role().iter().any(asks)
    }

    /// Whether a step would find something to do about a host.
    fn asks_for(&self, step: HostStep, host: HostId) -> bool {
        let Some(state) = self.rows.hosts.get(host) else { return false };
        match step {
            HostStep::Lease => self.asks_for_lease(state),
            HostStep::Tasks => self.next_task(state).is_some(),
            HostStep::Acquire => {
                state.is_available() && !(state.waiting.is_empty() && self.rows.queue.requirements_len() == 0)
            }
            HostStep::Release => state.is_leased_in_vain(),
        }
    }

    fn steps_of_role(&self) -> &'static [HostStep] {
        match self.role {
            Role::HostScheduler => &[HostStep::Lease, HostStep::Acquire, HostStep::Release],
            Role::Dispatcher => &[HostStep::Tasks],
            Role::Runner => &[],
            Role::Whole if self.settings.inline_host_acquisition => {
                &[HostStep::Tasks, HostStep::Acquire, HostStep::Release]
            }
            Role::Whole => &[HostStep::Lease, HostStep::Tasks, HostStep::Acquire, HostStep::Release],
        }
    }

    /// Collects what the tick decided, and lets go of the rows that have ended.
    fn drain(&mut self) -> TickOutput {
        self.forget_strays();
        let mut changes = std::mem::take(&mut self.changes);
        let rows = &mut self.rows;
        changes.hosts.reserve_exact(rows.changed_hosts.len());
        for id in rows.changed_hosts.drain(..) {
            let Some(state) = rows.hosts.get_mut(id) else { continue };
            let columns = std::mem::take(&mut state.changed);
            let row = &state.row;
            changes.hosts.push(HostUpdate { id, columns, status: row.status, leased: row.leased, dirty: row.dirty });
        }
        changes.entries.reserve_exact(rows.changed_entries.len());
        for id in rows.changed_entries.drain(..) {
            let Some(state) = rows.entries.get_mut(id) else { continue };
            let columns = std::mem::take(&mut state.changed);
            changes.entries.push(EntryUpdate { columns, entry: state.row.clone() });
        }
        changes.tasks.reserve_exact(rows.changed_tasks.len());
        for id in rows.changed_tasks.drain(..) {
            let Some(state) = rows.tasks.get_mut(id) else { continue };
            match std::mem::replace(&mut state.changed, TaskRowState::Unchanged) {
                TaskRowState::Unchanged => {}
                TaskRowState::Inserted => changes.tasks.push(TaskUpdate::Insert(state.row.clone())),
                TaskRowState::Updated => changes.tasks.push(TaskUpdate::Update(state.row.clone())),
            }
        }
        changes.tasks.extend(rows.deleted_tasks.drain(..).map(TaskUpdate::Delete));
        self.drop_ended_rows();
        self.stats.agents = self.agents.len();
        TickOutput {
            changes,
            commands: self.drones.take_batches(),
            notices: std::mem::take(&mut self.notices),
            stats: std::mem::take(&mut self.stats),
            must_stop: std::mem::take(&mut self.orphans_found) && self.settings.die_on_orphans,
        }
    }

    /// What it is there for.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How many live entries there are of each status, in the order of the statuses. A pass over all of them.
    pub fn entries_by_status(&self) -> impl Iterator<Item = (EntryStatus, usize)> {
        let mut counts = std::collections::BTreeMap::new();
        self.rows.entries.iter().for_each(|(_, entry)| *counts.entry(entry.row.status).or_default() += 1);
        EntryStatus::ALL.iter().map(move |status| (*status, counts.get(status).copied().unwrap_or(0)))
    }

    /// Processes that drone limits count at present on each drone, in the order of the drones' ids.
    pub fn processes_by_drone(&self) -> impl Iterator<Item = (&Drone, u32)> {
        self.drones.by_id.values().map(|state| (&state.row, state.active))
    }

    /// Processes that drone limits count at present, over all drones.
    pub fn active_processes(&self) -> u32 {
        self.drones.by_id.values().map(|drone| drone.active).sum()
    }

    /// A host of the working set.
    pub fn host(&self, host: HostId) -> Option<&Host> {
        Some(&self.rows.hosts.get(host)?.row)
    }

    /// A live entry.
    pub fn entry(&self, entry: EntryId) -> Option<&Entry> {
        Some(&self.rows.entries.get(entry)?.row)
    }

    /// The name of a drone of the lab.
    pub fn drone_name(&self, drone: DroneId) -> Option<&str> {
        Some(&self.drones.by_id.get(&drone)?.row.name)
    }

    /// The drones of the lab, in the order of their ids.
    pub fn drones(&self) -> impl Iterator<Item = &Drone> {
        self.drones.by_id.values().map(|drone| &drone.row)
    }
}
