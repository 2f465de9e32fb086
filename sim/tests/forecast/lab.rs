//! A small lab that goes its own way, to be forecast: the real engine on virtual time, with durations that only it knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use yardmaster_engine::{
    Clock, DroneId, Engine, EntryColumns, EntryStatus, Host, HostId, Job, JobId, RebootAfter, RebootBefore, Role,
    Settings, Setup, Span, Store, TaskKind, TickReport, Time, UserId, Work, WorkKind, earliest,
};
use yardmaster_sim::clock::VirtualClock;
use yardmaster_sim::drones::{Course, FakeDrones, Fate, ProcessKey};
use yardmaster_sim::frontend::{Target, new_host, sorted};
use yardmaster_sim::history::{
    HistoricDrone, HistoricHost, HistoricJob, HistoricRequest, HistoricTask, History, JobEnding, Snapshot,
};
use yardmaster_sim::store::MemoryStore;
use yardmaster_sim::workload::{Concern, Stream};

/// How long things take in a lab, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Law {
    /// Always this.
    Constant(f64),
    /// Log-normal with this median and sigma.
    Lognormal(f64, f64),
}

impl Law {
    pub(crate) fn draw(self, luck: &mut Stream) -> f64 {
        match self {
            Law::Constant(seconds) => seconds,
            Law::Lognormal(median, sigma) => {
                // Box and Muller.
                let radius = libm::sqrt(-2.0 * libm::log(luck.unit()));
                median * libm::exp(sigma * radius * libm::cos(std::f64::consts::TAU * luck.unit()))
            }
        }
    }
}

/// What a lab is like.
#[derive(Debug, Clone)]
pub(crate) struct Nature {
    /// How many hosts of each kind.
    pub(crate) hosts: Vec<(&'static str, u32)>,
    /// How long the test of each profile takes.
    pub(crate) profiles: Vec<(&'static str, Law)>,
    /// How long a Reset takes, and the chance that it fails.
    pub(crate) reset: (Law, f64),
    pub(crate) max_processes: u32,
    pub(crate) settings: Settings,
    pub(crate) seed: u64,
}

impl Nature {
    /// A lab of constant times, in which nothing fails.
    pub(crate) fn constant() -> Nature {
        Nature {
            hosts: vec![("eve", 3), ("kevin", 2)],
            profiles: vec![("boot", Law::Constant(120.0)), ("stress", Law::Constant(900.0))],
            reset: (Law::Constant(60.0), 0.0),
            max_processes: 100,
            settings: Settings { minimum_tick_sec: 1.0, ..Settings::default() },
            seed: 1,
        }
    }
}

/// A process that ran.
#[derive(Debug, Clone)]
struct Past {
    work: Work,
    started: Time,
    ended: Option<(Time, i32, u32)>,
}

/// Its own drones' fate; remembers everything.
pub(crate) struct Truth {
    nature: Nature,
    luck: Concern,
    profiles: BTreeMap<JobId, usize>,
    past: BTreeMap<ProcessKey, Past>,
    attempts: u64,
}

impl Fate for Truth {
    fn course(&mut self, work: &Work, _now: Time) -> Option<Course> {
        self.attempts += 1;
        let mut luck = self.luck.stream([self.attempts, 0, 0]);
        let (seconds, failure) = match work.kind {
            WorkKind::Test => {
                let profile = self.profiles[&work.job.expect("a test is of a job")];
                (self.nature.profiles[profile].1.draw(&mut luck), 0.0)
            }
            WorkKind::Special(TaskKind::Reset) => (self.nature.reset.0.draw(&mut luck), self.nature.reset.1),
            WorkKind::Special(_) => (Law::Lognormal(200.0, 0.3).draw(&mut luck), 0.0),
            // As a forecast takes them to be, which can learn nothing of them.
            WorkKind::Gather => (10.0, 0.0),
            WorkKind::HandOff => panic!("nothing is handed off here"),
            WorkKind::Parse => (5.0, 0.0),
        };
        let exit_status = if luck.chance(failure) { 256 } else { 0 };
        let runtime = Span::from_seconds_f64(seconds);
        Some(Course { startup: Span::ZERO, runtime, exit_status, tests_failed: 0 })
    }

    fn started(&mut self, process: ProcessKey, work: &Work, _drone: DroneId, _processes: u32, now: Time) {
        self.past.insert(process, Past { work: work.clone(), started: now, ended: None });
    }

    fn ended(&mut self, process: ProcessKey, end: Option<(i32, u32)>, at: Time) {
        let (status, failed) = end.unwrap_or((1, 0));
        self.past.get_mut(&process).expect("it has started").ended = Some((at, status, failed));
    }
}

/// A job that is to be submitted.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) profile: usize,
    /// Any host of this kind.
    pub(crate) kind: &'static str,
    pub(crate) hosts: u32,
    pub(crate) synch_count: u32,
    pub(crate) priority: i32,
    pub(crate) parent: Option<JobId>,
    pub(crate) timeout: Span,
}

impl Order {
    pub(crate) fn of(profile: usize, kind: &'static str) -> Order {
        Order { profile, kind, hosts: 1, synch_count: 1, priority: 40, parent: None, timeout: Span::from_hours(24) }
    }
}

pub(crate) const ORIGIN: Time = Time(0);

pub(crate) struct Lab {
    engine: Engine<VirtualClock, FakeDrones<Truth>, MemoryStore>,
    clock: VirtualClock,
    tick: Span,
    last_tick: Time,
    owner: UserId,
    /// When the first test of each job started, and its last entry ended.
    pub(crate) starts: BTreeMap<JobId, Time>,
    pub(crate) ends: BTreeMap<JobId, Time>,
}

/// Nothing in a simulation ever waits.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    pollster::block_on(future)
}

impl Lab {
    pub(crate) fn new(nature: &Nature) -> Lab {
        let mut store = MemoryStore::default();
        let everyone = store.ensure_acl_group("everyone");
        let owner = store.add_user("alice", &[everyone]);
        for (kind, count) in &nature.hosts {
            let label = store.ensure_label(&format!("board:{kind}"));
            for number in 1..=*count {
                let row = new_host(format!("{kind}{number}"));
                store.add_host(Host { labels: sorted(&[label]), acls: sorted(&[everyone]), dirty: true, ..row });
            }
        }
        let drone = store.add_drone("drone1", nature.max_processes, true, None, None);
        let clock = VirtualClock::new(ORIGIN);
        let truth = Truth {
            nature: nature.clone(),
            luck: Concern::new(nature.seed, "truth"),
            profiles: BTreeMap::new(),
            past: BTreeMap::new(),
            attempts: 0,
        };
        let drones = FakeDrones::new(clock.clone(), [drone], truth, false);
        let term = store.begin_term();
        let settings = nature.settings.clone();
        let tick = settings.tick();
        let setup = Setup { settings, role: Role::Whole, term, recover_hosts: false, journal: None };
        let engine = now(Engine::start(clock.clone(), drones, store, setup)).expect("it starts");
        Lab { engine, clock, tick, last_tick: ORIGIN, owner, starts: BTreeMap::new(), ends: BTreeMap::new() }
    }

    pub(crate) fn moment(&self) -> Time {
        self.clock.now()
    }

    pub(crate) fn submit(&mut self, order: &Order) -> JobId {
        let profile = self.engine.drones().fate.nature.profiles[order.profile].0;
        let label = self.engine.store_mut().ensure_label(&format!("board:{}", order.kind));
        let created_on = self.moment();
        let row = Job {
            id: JobId(0),
            owner: self.owner,
            name: format!("eve-release/R66-1.2.{}/bvt/{profile}", created_on.0).into(),
            priority: order.priority,
            synch_count: order.synch_count,
            run_verify: false,
            run_reset: true,
            reboot_before: RebootBefore::IfDirty,
            reboot_after: RebootAfter::Never,
            labels: sorted(&[label]),
            parent: order.parent,
            suite_min_hosts: 0,
            timeout: order.timeout,
            max_runtime: Span::from_hours(72),
            created_on,
            drone_set: None,
            shard: None,
            next_group: 0,
        };
        let targets = vec![Target::Any(label); order.hosts as usize];
        let (job, _) = self.engine.store_mut().submit(row, &targets);
        self.engine.drones_mut().fate.profiles.insert(job, order.profile);
        job
    }

    /// Goes on until that moment, and stands there, on the grid of ticks.
    pub(crate) fn run_until(&mut self, end: Time) {
        loop {
            let pending =
                self.engine.store().has_news() || self.engine.drones().has_pressing_news() || self.engine.has_backlog();
            let next = if pending {
                Some(self.clock.now())
            } else {
                earliest(&[self.engine.core().next_wake(), self.engine.drones().next_event()])
            };
            let Some(next) = next else { break };
            let ticks = ((next - ORIGIN).0 + self.tick.0 - 1).div_euclid(self.tick.0);
            let moment = (ORIGIN + self.tick * ticks).max(self.last_tick + self.tick);
            if moment > end {
                break;
            }
            self.tick(moment);
        }
        self.clock.advance_to(end);
    }

    fn tick(&mut self, moment: Time) {
        self.clock.advance_to(moment);
        self.last_tick = moment;
        let TickReport::Done(output) = now(self.engine.tick()).expect("it ticks") else {
            panic!("a tick was not done")
        };
        for update in output.changes.entries.iter().filter(|update| update.columns.contains(EntryColumns::STATUS)) {
            match update.entry.status {
                EntryStatus::Running => {
                    self.starts.entry(update.entry.job).or_insert(moment);
                }
                status if status.is_complete() => {
                    self.ends.insert(update.entry.job, moment);
                }
                _ => {}
            }
        }
    }

    pub(crate) fn store_mut(&mut self) -> &mut MemoryStore {
        self.engine.store_mut()
    }

    /// What a scheduler's database would show at this moment.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let live = now(self.engine.store().clone().load()).expect("memory does not fail");
        Snapshot { taken_at: self.moment(), live, history: self.history() }
    }

    fn history(&self) -> History {
        let store = self.engine.store();
        let truth = &self.engine.drones().fate;
        let hosts = store.hosts.iter().map(|host| HistoricHost {
            name: host.name.clone(),
            kind: host.name.trim_end_matches(|letter: char| letter.is_ascii_digit()).into(),
            labels: Vec::new(),
            locked: host.locked,
            since: None,
            until: None,
        });
        let index = |host: &HostId| host.0 - 1;
        let task = |past: &Past| {
            let WorkKind::Special(kind) = past.work.kind else { return None };
            let (ended, status, _) = past.ended?;
            Some(HistoricTask {
                kind,
                host: index(past.work.hosts.first()?),
                requested: past.started,
                started: past.started,
                ended,
                success: status == 0,
                job: past.work.job.map(|job| u64::from(job.0)),
            })
        };
        History {
            source: "a test".to_owned(),
            from: ORIGIN,
            to: self.moment(),
            unix_time: false,
            settings: truth.nature.settings.clone(),
            hosts: hosts.collect(),
            drones: vec![HistoricDrone { name: "drone1".into(), max_processes: truth.nature.max_processes }],
            jobs: store.jobs.iter().map(|job| self.historic_job(job)).collect(),
            tasks: truth.past.values().filter_map(task).collect(),
            outages: Vec::new(),
            remarks: Vec::new(),
        }
    }

    fn historic_job(&self, job: &Job) -> HistoricJob {
        let truth = &self.engine.drones().fate;
        let is_test = |past: &&Past| past.work.kind == WorkKind::Test && past.work.job == Some(job.id);
        let tests: Vec<&Past> = truth.past.values().filter(is_test).collect();
        let ended = tests.iter().map(|test| test.ended).collect::<Option<Vec<_>>>().filter(|ends| !ends.is_empty());
        let entries = self.engine.store().entries.iter().filter(|entry| entry.job == job.id).count() as u32;
        let label = job.labels.first().and_then(|label| self.engine.store().labels.get(label.0));
        HistoricJob {
            id: u64::from(job.id.0),
            submitted: job.created_on,
            started: tests.iter().map(|test| test.started).min(),
            ended: ended.as_ref().and_then(|ends| ends.iter().map(|(at, _, _)| *at).max()),
            ending: if ended.is_some() { JobEnding::Completed } else { JobEnding::Open },
            tests_failed: 0,
            hosts: tests.iter().flat_map(|test| test.work.hosts.iter().map(|host| host.0 - 1)).collect(),
            request: HistoricRequest::Any {
                count: entries,
                label: label.map_or_else(|| Arc::from(""), |label| label.name.clone()),
            },
            synch_count: job.synch_count,
            labels: Vec::new(),
            profile: truth.nature.profiles[truth.profiles[&job.id]].0.into(),
            class: "".into(),
            owner: "alice".into(),
            priority: job.priority,
            parent: job.parent.map(|parent| u64::from(parent.0)),
            burst: None,
            run_verify: job.run_verify,
            run_reset: job.run_reset,
            reboot_before: job.reboot_before,
            reboot_after: job.reboot_after,
            suite_min_hosts: 0,
            timeout: job.timeout,
            max_runtime: job.max_runtime,
        }
    }
}
