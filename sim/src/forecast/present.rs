//! The processes that run in a lab at the moment of its snapshot, found out from the rows alone.
//!
//! Rows do not tell which drone a process runs on. Processes are spread as the scheduler would: each on the enabled drone
//! that is used least.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smallvec::SmallVec;
use yardmaster_engine::{
    Drone, DroneId, Entry, EntryStatus, ExecutionPath, HostId, Job, JobId, LiveRows, PidfileName, Settings, Subdir,
    Time, UserId, Work, WorkKind,
};

/// Wait status of a test that SIGKILL ended, as an abort does.
const KILLED: i32 = 9;

/// A process of which the drones know.
#[derive(Debug, Clone)]
pub(super) struct Present {
    pub(super) drone: DroneId,
    pub(super) path: ExecutionPath,
    pub(super) pidfile: PidfileName,
    pub(super) work: Work,
    /// For how many it counts on its drone.
    pub(super) processes: u32,
    pub(super) standing: Standing,
}

/// How it stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Standing {
    /// It runs, since that moment as far as the rows say.
    Runs { since: Option<Time> },
    /// It ended with this wait status.
    Ended { exit_status: i32 },
}

/// A process before it is known where it runs.
struct Found {
    path: ExecutionPath,
    pidfile: PidfileName,
    work: Work,
    standing: Standing,
}

/// All of them, those of entries first.
pub(super) fn processes(rows: &LiveRows, settings: &Settings) -> Vec<Present> {
    let mut room = Room::of(&rows.drones);
    if room.drones.is_empty() {
        return Vec::new();
    }
    let (mut processes, mut parsers) = (Vec::new(), 0);
    for group in groups(rows) {
        let found = of_group(&group, parsers < settings.max_parse_processes);
        parsers += found.iter().filter(|found| found.work.kind == WorkKind::Parse).count() as u32;
        let drone = room.take(found.iter().map(weight).sum());
        processes.extend(found.into_iter().map(|found| found.on(drone)));
    }
    let hosts: BTreeMap<HostId, _> = rows.hosts.iter().map(|host| (host.id, host)).collect();
    let jobs: BTreeMap<_, JobId> = rows.entries.iter().map(|entry| (entry.id, entry.job)).collect();
    for task in rows.tasks.iter().filter(|task| task.active && !task.complete) {
        let Some(host) = hosts.get(&task.host).filter(|host| host.shard.is_none()) else { continue };
        let path = ExecutionPath::Task { hostname: host.name.clone(), task: task.id, kind: task.kind };
        let work = Work {
            kind: WorkKind::Special(task.kind),
            job: task.entry.and_then(|entry| jobs.get(&entry)).copied(),
            entries: task.entry.into_iter().collect(),
            hosts: SmallVec::from_elem(task.host, 1),
        };
        let standing = Standing::Runs { since: task.started_at };
        let found = Found { path, pidfile: PidfileName::Execute, work, standing };
        processes.push(found.on(room.take(1)));
    }
    processes
}

impl Found {
    fn on(self, drone: DroneId) -> Present {
        let processes = weight(&self);
        let Found { path, pidfile, work, standing } = self;
        Present { drone, path, pidfile, work, processes, standing }
    }
}

/// For how many processes one counts; those that have ended, and parsers, for none.
fn weight(found: &Found) -> u32 {
    match (found.standing, found.work.kind) {
        (Standing::Ended { .. }, _) | (_, WorkKind::Parse) => 0,
        (Standing::Runs { .. }, _) => found.work.entries.len() as u32,
    }
}

/// Entries that one process serves.
struct Group<'a> {
    job: &'a Job,
    owner: Arc<str>,
    entries: Vec<&'a Entry>,
}

/// The groups of entries that run, or have run, in the order of their first entries.
fn groups(rows: &LiveRows) -> Vec<Group<'_>> {
    let jobs: BTreeMap<JobId, &Job> = rows.jobs.iter().map(|job| (job.id, job)).collect();
    let owners: BTreeMap<UserId, &Arc<str>> = rows.users.iter().map(|user| (user.id, &user.login)).collect();
    let mut places: BTreeMap<(JobId, &Subdir), usize> = BTreeMap::new();
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut entries: Vec<&Entry> = rows.entries.iter().filter(|entry| has_process(entry.status)).collect();
    entries.sort_unstable_by_key(|entry| entry.id);
    for entry in entries {
        let Some(job) = jobs.get(&entry.job).filter(|job| job.shard.is_none()) else { continue };
        let place = *places.entry((entry.job, &entry.subdir)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.entries.push(entry),
            None => {
                let owner = owners.get(&job.owner).map_or_else(|| "unknown".into(), |login| Arc::clone(login));
                groups.push(Group { job, owner, entries: vec![entry] });
            }
        }
    }
    groups
}

fn has_process(status: EntryStatus) -> bool {
    match status {
        EntryStatus::Running | EntryStatus::Gathering | EntryStatus::Parsing => true,
        // A test starts in the tick that makes its entry Running.
        EntryStatus::Starting
        | EntryStatus::Queued
        | EntryStatus::Pending
        | EntryStatus::Resetting
        | EntryStatus::Verifying
        | EntryStatus::Cleaning
        | EntryStatus::Provisioning
        | EntryStatus::Aborted
        | EntryStatus::Completed
        | EntryStatus::Failed
        | EntryStatus::Stopped
        | EntryStatus::Template => false,
    }
}

/// The processes of a group: what runs, and the test before it.
fn of_group(group: &Group<'_>, may_parse: bool) -> Vec<Found> {
    let Some(first) = group.entries.first() else { return Vec::new() };
    let path = ExecutionPath::Entry { job: group.job.id, owner: group.owner.clone(), subdir: first.subdir.clone() };
    let since = group.entries.iter().filter_map(|entry| entry.started_on).min();
    let process = |pidfile, kind, standing| Found {
        path: path.clone(),
        pidfile,
        work: Work {
            kind,
            job: Some(group.job.id),
            entries: group.entries.iter().map(|entry| entry.id).collect(),
            hosts: group.entries.iter().filter_map(|entry| entry.host).collect(),
        },
        standing,
    };
    let test = |standing| process(PidfileName::Execute, WorkKind::Test, standing);
    match first.status {
        EntryStatus::Gathering if group.entries.iter().any(|entry| entry.aborted) => vec![
            test(Standing::Ended { exit_status: KILLED }),
            process(PidfileName::Gather, WorkKind::Gather, Standing::Runs { since: None }),
        ],
        // Its test has just ended, or it waits for room. One that crashed cannot be told from these, and is rarer.
        EntryStatus::Gathering => vec![test(Standing::Ended { exit_status: 0 })],
        EntryStatus::Parsing => {
            // One that never came to its test has nothing to parse.
            if since.is_none() {
                return Vec::new();
            }
            let mut found = vec![test(Standing::Ended { exit_status: 0 })];
            if may_parse {
                found.push(process(PidfileName::Parse, WorkKind::Parse, Standing::Runs { since: None }));
            }
            found
        }
        _ => vec![test(Standing::Runs { since })],
    }
}

/// How much each drone is used.
struct Room {
    /// Enabled ones, or all where none is; used and limit.
    drones: Vec<(DroneId, u32, u32)>,
}

impl Room {
    fn of(drones: &[Drone]) -> Room {
        let enabled: BTreeSet<DroneId> = drones.iter().filter(|drone| drone.enabled).map(|drone| drone.id).collect();
        let usable = drones.iter().filter(|drone| enabled.is_empty() || enabled.contains(&drone.id));
        Room { drones: usable.map(|drone| (drone.id, 0, drone.max_processes)).collect() }
    }

    /// The drone that is used least, for so many processes more.
    fn take(&mut self, processes: u32) -> DroneId {
        let used = |&(_, used, limit): &(DroneId, u32, u32)| (u64::from(used) << 32) / u64::from(limit.max(1));
        let place = (0..self.drones.len()).min_by_key(|place| used(&self.drones[*place])).unwrap_or(0);
        self.drones[place].1 += processes;
        self.drones[place].0
    }
}
