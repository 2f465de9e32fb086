//! Why entries wait: the engine's own reason, from rows read beside the running scheduler, which does not notice.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::frontend::view::Live;
use yardmaster_engine::{
    BusyHost, Core, DroneId, Entry, EntryId, EntryStatus, HostId, Job, JobId, LabelId, LiveRows, Role, Settings, Time,
    UserId, WaitReason,
};

/// Why an entry does not go on, in plain words and with what would help.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// The entry.
    pub entry: u32,
    /// Its job.
    pub job: u32,
    /// The host that it names or was given.
    pub host: Option<String>,
    /// Where it stands.
    pub status: EntryStatus,
    /// The reason's name, for programs: `running`, `next_tick`, `no_such_host`, `access_denied`, `locked`, `all_busy`,
    /// `behind_others`, `waits_for_task`, `drones_full`, `waits_for_group`, `parse_limit`, `gathering`, `parsing`,
    /// `on_shard`, `drone_silent`, `no_drone`, `handed_off` or `aborting`.
    pub reason: &'static str,
    /// The reason in words.
    pub text: String,
    /// What would help, if anything would.
    pub help: Option<String>,
    /// The hosts that the reason is about.
    pub hosts: Vec<String>,
}

/// What is kept of the rows for words: the core takes them.
struct Names {
    hosts: BTreeMap<HostId, String>,
    labels: BTreeMap<LabelId, String>,
    jobs: BTreeMap<JobId, JobNames>,
    entries: BTreeMap<EntryId, Entry>,
    tasks: BTreeMap<HostId, String>,
    drones: BTreeMap<u32, String>,
    /// The drones to which jobs were handed off.
    runners: BTreeMap<JobId, String>,
}

struct JobNames {
    owner: UserId,
    labels: Vec<LabelId>,
}

/// Why the entries of a job that have not ended do not go on; without a job, why any entry does not.
///
/// `live` is what the running scheduler tells of entries under way.
pub fn explain(rows: LiveRows, settings: &Settings, now: Time, job: Option<JobId>, live: &Live) -> Vec<Explained> {
    let owners: BTreeMap<_, _> = rows.users.iter().map(|user| (user.id, user.login.to_string())).collect();
    let names = Names::of(&rows);
    // Acquisition is the same whichever process does it, and this core never ticks.
    let (core, _) = Core::recover_from(settings.clone(), Role::Whole, rows, now, false);
    let cores = Cores { now: core, next: OnceCell::new() };
    let is_live = |entry: &&Entry| !entry.status.is_complete();
    let wanted = names.entries.values().filter(is_live).filter(|entry| job.is_none_or(|job| entry.job == job));
    wanted.map(|entry| names.explain(&cores, settings, &owners, live, entry)).collect()
}

/// The lab as it is, and, should anybody ask, as it will be when its idle hosts are given away.
struct Cores {
    now: Core,
    next: OnceCell<Core>,
}

impl Cores {
    fn why(&self, entry: EntryId) -> WaitReason {
        let now = self.now.why(entry);
        if now != WaitReason::Nothing {
            return now;
        }
        match self.next.get_or_init(|| self.now.after_acquisition()).why(entry) {
            later @ (WaitReason::AllBusy { .. } | WaitReason::BehindOthers { .. }) => later,
            _ => now,
        }
    }
}

impl Names {
    fn of(rows: &LiveRows) -> Names {
        let job = |job: &Job| (job.id, JobNames { owner: job.owner, labels: job.labels.to_vec() });
        let drones: BTreeMap<DroneId, &str> = rows.drones.iter().map(|drone| (drone.id, &*drone.name)).collect();
        let drone = |id: DroneId| drones.get(&id).map_or_else(|| format!("number {id}"), |name| (*name).to_owned());
        let handed_off = rows.hand_offs.iter().filter(|hand_off| !hand_off.over);
        let running = rows.tasks.iter().filter(|task| !task.complete).rev();
        Names {
            hosts: rows.hosts.iter().map(|host| (host.id, host.name.to_string())).collect(),
            labels: rows.labels.iter().map(|label| (label.id, label.name.to_string())).collect(),
            jobs: rows.jobs.iter().map(job).collect(),
            entries: rows.entries.iter().map(|entry| (entry.id, entry.clone())).collect(),
            drones: rows.drones.iter().map(|drone| (drone.id.0, drone.name.to_string())).collect(),
            tasks: running.map(|task| (task.host, format!("{} {}", task.kind, task.id))).collect(),
            runners: handed_off.map(|hand_off| (hand_off.job, drone(hand_off.drone))).collect(),
        }
    }

    fn host(&self, host: HostId) -> String {
        self.hosts.get(&host).cloned().unwrap_or_else(|| format!("number {host}"))
    }

    fn list(&self, hosts: &[HostId]) -> Vec<String> {
        hosts.iter().map(|host| self.host(*host)).collect()
    }

    fn explain(
        &self,
        cores: &Cores,
        settings: &Settings,
        owners: &BTreeMap<UserId, String>,
        live: &Live,
        entry: &Entry,
    ) -> Explained {
        let job = self.jobs.get(&entry.job);
        let owner = job.and_then(|job| owners.get(&job.owner)).cloned().unwrap_or_else(|| "its owner".to_owned());
        let without_drone = || match cores.why(entry.id) {
            reason @ WaitReason::NoDrone(_) if !entry.aborted => Some(self.reason(reason, entry, &owner)),
            _ => None,
        };
        let known = self.handed_off(entry).or_else(without_drone).or_else(|| self.told(live, entry));
        let said = match known.or_else(|| under_way(entry, settings, live.is_fresh())) {
            Some(said) => said,
            None => self.reason(cores.why(entry.id), entry, &owner),
        };
        Explained {
            entry: entry.id.0,
            job: entry.job.0,
            host: entry.host.map(|host| self.host(host)),
            status: entry.status,
            reason: said.reason,
            text: said.text,
            help: said.help,
            hosts: said.hosts,
        }
    }

    /// What the running scheduler tells of an entry that it is busy with.
    fn told(&self, live: &Live, entry: &Entry) -> Option<Said> {
        if !live.is_fresh() {
            return None;
        }
        let wait = live.waits.get(&entry.id.0)?;
        match wait.reason.as_str() {
            "drones_full" => Some(self.reason(WaitReason::DronesFull, entry, "")),
            "parse_limit" => Some(self.reason(WaitReason::ParseLimit, entry, "")),
            "drone_silent" => {
                let Some(drone) = wait.drone else { return Some(self.reason(WaitReason::DroneSilent, entry, "")) };
                let name = self.drones.get(&drone).cloned().unwrap_or_else(|| format!("number {drone}"));
                let state = live.drones.get(&drone);
                let since = state.map_or_else(String::new, |state| format!(", since {}", state.since));
                let why = state.and_then(|state| state.error.as_ref()).map(|error| format!(": {error}"));
                let what = format!("its process is, or may be, on drone {name}, which does not answer");
                let text = format!("{what}{since}{}", why.unwrap_or_default());
                let help = format!("`yardmaster drone show {name}`; it goes on when the drone answers, or is removed");
                Some(Said::new("drone_silent", text).help(help))
            }
            _ => None,
        }
    }

    fn reason(&self, reason: WaitReason, entry: &Entry, owner: &str) -> Said {
        let job = entry.job;
        match reason {
            WaitReason::Nothing => {
                Said::new("next_tick", "nothing holds it up: it goes on in the scheduler's next tick")
                    .help("if it does not, `yardmaster status` shows whether a scheduler is at work")
            }
            WaitReason::Ended => Said::new("next_tick", "it has ended, or its row makes no sense to the scheduler"),
            WaitReason::NoSuchHost => self.no_such_host(entry),
            WaitReason::AccessDenied => Said::new(
                "access_denied",
                format!("hosts would fit, but {owner} belongs to no ACL group that may use one"),
            )
            .help(format!("`yardmaster acl list` shows the groups, `yardmaster acl add-user GROUP {owner}` adds one")),
            WaitReason::Locked(hosts) => {
                let names = self.list(&hosts);
                Said::new("locked", format!("every host that it could use is locked: {}", names.join(", ")))
                    .help("`yardmaster host show HOST` says by whom and why; `yardmaster host unlock HOST`")
                    .about(names)
            }
            WaitReason::AllBusy { busy, locked } => self.all_busy(&busy, &locked),
            WaitReason::BehindOthers { entry, priority } => {
                let before = self.entries.get(&entry).map(|entry| format!("job {}", entry.job)).unwrap_or_default();
                Said::new("behind_others", format!("entry {entry} of {before} (priority {priority}) comes first"))
                    .help("it gets a host when that one has one; a higher priority, or more hosts, would help")
            }
            WaitReason::WaitsForTask(host) => {
                let task = self.tasks.get(&host).cloned().unwrap_or_else(|| "a special task".to_owned());
                let name = self.host(host);
                Said::new("waits_for_task", format!("it has host {name}, on which {task} comes first"))
                    .about(vec![name])
            }
            WaitReason::DronesFull => {
                Said::new("drones_full", "it is ready, and waits for room on a drone, or for those before it")
                    .help("`yardmaster drone list` shows limits; another drone, or a higher limit, would help")
            }
            WaitReason::WaitsForGroup { job, ready, needed } => {
                let text =
                    format!("its host is prepared; of the {needed} hosts that job {job} needs at once, {ready} are");
                Said::new("waits_for_group", text).help(format!("`yardmaster job show {job}` shows the others"))
            }
            WaitReason::ParseLimit => Said::new("parse_limit", "its test has ended; as many parsers run as may")
                .help("a higher scheduler.max_parse_processes would help"),
            WaitReason::OnShard => {
                Said::new("on_shard", format!("another scheduler, a shard, is responsible for job {job}"))
            }
            WaitReason::NoDrone(hosts) => {
                let names = self.list(&hosts);
                let text = format!(
                    "no drone may drive its hosts together ({}): they are in different restricted subnets, or no drone is \
                     in theirs",
                    names.join(", ")
                );
                Said::new("no_drone", text)
                    .help(
                        "drones.restricted_subnets says which subnets there are; a drone in the hosts' own, or hosts of one \
                         subnet, would help",
                    )
                    .about(names)
            }
            WaitReason::DroneSilent => {
                Said::new("drone_silent", "a process of it may run on a drone that does not answer")
                    .help("`yardmaster drone list` shows which; it goes on when the drone answers, or is removed")
            }
        }
    }

    fn handed_off(&self, entry: &Entry) -> Option<Said> {
        let drone = self.runners.get(&entry.job)?;
        let text = format!("a runner on drone {drone} sees to it: {}", entry.status);
        let said = Said::new("handed_off", text);
        Some(said.help("its log is debug/handoff_execute.log in the job's results on that drone; an abort ends it"))
    }

    fn no_such_host(&self, entry: &Entry) -> Said {
        if let Some(host) = entry.host {
            let name = self.host(host);
            let text = format!("it names host {name}, which is deleted or lacks a label that the job depends on");
            return Said::new("no_such_host", text)
                .help(format!(
                    "`yardmaster host show {name}` shows its labels, `yardmaster job show {}` the job's",
                    entry.job
                ))
                .about(vec![name]);
        }
        let job = self.jobs.get(&entry.job).map(|job| job.labels.as_slice()).unwrap_or_default();
        let labels: Vec<String> = entry
            .meta_host
            .iter()
            .chain(job)
            .map(|label| self.labels.get(label).cloned().unwrap_or_else(|| format!("number {label}")))
            .collect();
        Said::new(
            "no_such_host",
            format!("no valid host has all of the labels that it asks for: {}", labels.join(", ")),
        )
        .help("`yardmaster host list --label LABEL` shows which have one; `yardmaster host label HOST --add LABEL`")
    }

    fn all_busy(&self, busy: &[BusyHost], locked: &[HostId]) -> Said {
        let one = |busy: &BusyHost| {
            let user =
                busy.entry.and_then(|entry| self.entries.get(&entry)).map(|entry| format!(" for job {}", entry.job));
            format!("{} ({}{})", self.host(busy.host), busy.status, user.unwrap_or_default())
        };
        let locked_ones = locked.iter().map(|host| format!("{} (locked)", self.host(*host)));
        let texts: Vec<String> = busy.iter().map(one).chain(locked_ones).collect();
        let hosts = busy.iter().map(|busy| busy.host).chain(locked.iter().copied());
        Said::new("all_busy", format!("every host that it could use is in other hands: {}", texts.join(", ")))
            .about(hosts.map(|host| self.host(host)).collect())
    }
}

/// What can be said of entries whose processes only the running scheduler knows.
///
/// `is_told`: it would tell if they did not get on.
fn under_way(entry: &Entry, settings: &Settings, is_told: bool) -> Option<Said> {
    if entry.aborted {
        let said = Said::new(
            "aborting",
            format!("it is being aborted ({}); results are still gathered and parsed", entry.status),
        );
        return Some(said);
    }
    match entry.status {
        EntryStatus::Running => Some(Said::new("running", "its test runs")),
        EntryStatus::Resetting | EntryStatus::Verifying | EntryStatus::Provisioning | EntryStatus::Cleaning => {
            Some(Said::new("running", format!("its host is being prepared: {}", entry.status)))
        }
        EntryStatus::Starting if is_told => Some(Said::new("running", "its test is being started")),
        EntryStatus::Gathering if is_told => {
            Some(Said::new("gathering", "its test has ended; what it left is being gathered"))
        }
        EntryStatus::Parsing if is_told => Some(Said::new("parsing", "its results are being parsed")),
        EntryStatus::Gathering => Some(Said::new(
            "gathering",
            "its test has ended; what it left is being gathered, or waits for room on a drone",
        )),
        EntryStatus::Parsing => {
            let most = settings.max_parse_processes;
            Some(
                Said::new(
                    "parse_limit",
                    format!("its results are being parsed, or wait until fewer than {most} parsers run"),
                )
                .help("a higher scheduler.max_parse_processes helps where many wait"),
            )
        }
        // The core that is asked has heard no drone and takes every process for one that a silent drone may run.
        EntryStatus::Starting => Some(
            Said::new("drones_full", "it is ready, and waits for room on a drone, or for those before it")
                .help("`yardmaster drone list` shows limits; another drone, or a higher limit, would help"),
        ),
        EntryStatus::Queued | EntryStatus::Pending => None,
        EntryStatus::Aborted
        | EntryStatus::Completed
        | EntryStatus::Failed
        | EntryStatus::Stopped
        | EntryStatus::Template => None,
    }
}

/// A reason in words.
struct Said {
    reason: &'static str,
    text: String,
    help: Option<String>,
    hosts: Vec<String>,
}

impl Said {
    fn new(reason: &'static str, text: impl Into<String>) -> Said {
        Said { reason, text: text.into(), help: None, hosts: Vec::new() }
    }

    fn help(self, help: impl Into<String>) -> Said {
        Said { help: Some(help.into()), ..self }
    }

    fn about(self, hosts: Vec<String>) -> Said {
        Said { hosts, ..self }
    }
}
