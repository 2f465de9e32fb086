//! A lab in full swing.

use std::sync::Arc;
use std::time::Duration;

use cpu_time::ThreadTime;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use smallvec::smallvec;
use yardmaster_engine::{
    AclGroupId, Command, Core, Drone, DroneAnswer, DroneId, DroneReport, Entry, EntryId, Host, HostId, HostStatus, Job,
    JobId, Label, LabelId, LiveRows, PidfileContents, PidfileEvent, PidfileId, Protection, RebootAfter, RebootBefore,
    Role, RowChange, Settings, Span, TickInput, TickOutput, Time, User, UserId,
};

/// How large a lab is.
#[derive(Debug, Clone, Copy)]
pub struct LabSize {
    /// Hosts, of one board type for every hundred.
    pub hosts: u32,
    /// Entries that wait for a host, at all times.
    pub queued: u32,
}

/// A lab whose hosts are all busy and whose queue never gets shorter.
pub struct BusyLab {
    core: Core,
    size: LabSize,
    boards: u32,
    now: Time,
    random: ChaCha8Rng,
    running: Vec<(DroneId, PidfileId)>,
    appeared: Vec<(DroneId, PidfileId)>,
    next_job: u32,
    new_rows: Vec<RowChange>,
}

const DRONES: u32 = 20;
const OWNERS: u32 = 20;
const EVERYONE: AclGroupId = AclGroupId(1);

impl BusyLab {
    /// A lab some time after its opening: every tick, a tenth of all processes has ended, until hosts were at different
    /// points of their jobs.
    pub fn new(size: LabSize) -> BusyLab {
        let mut lab = BusyLab::open(size);
        lab.submit(size.hosts + size.queued);
        for _ in 0..60 {
            let tenth = lab.running.len() / 10;
            lab.tick(tenth);
        }
        lab
    }

    /// A lab of so many hosts and no jobs.
    pub fn idle(hosts: u32) -> BusyLab {
        let mut lab = BusyLab::open(LabSize { hosts, queued: 0 });
        // The first tick recovers, the second looks around.
        lab.tick(0);
        lab.tick(0);
        lab
    }

    fn open(size: LabSize) -> BusyLab {
        let boards = (size.hosts / 100).max(1);
        let rows = LiveRows {
            labels: (1..=boards).map(|id| label(id, &format!("board:b{id}"))).collect(),
            users: (1..=OWNERS).map(user).collect(),
            hosts: (1..=size.hosts).map(|id| host(id, id % boards + 1)).collect(),
            drones: (1..=DRONES).map(|id| drone(id, size.hosts * 2)).collect(),
            next_task: 1,
            ..LiveRows::default()
        };
        let settings = Settings { max_parse_processes: size.hosts, ..Settings::default() };
        let now = Time::from_seconds(1_600_000_000);
        let (core, _) = Core::recover_from(settings, Role::Whole, rows, now, false);
        let random = ChaCha8Rng::seed_from_u64(1);
        let (running, appeared, new_rows) = (Vec::new(), Vec::new(), Vec::new());
        BusyLab { core, size, boards, now, random, running, appeared, next_job: 1, new_rows }
    }

    /// The core, for questions.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Processes that run.
    pub fn processes(&self) -> usize {
        self.running.len() + self.appeared.len()
    }

    fn submit(&mut self, count: u32) {
        for _ in 0..count {
            let id = self.next_job;
            self.next_job += 1;
            let board = LabelId(self.random.random_range(1..=self.boards));
            let owner = UserId(self.random.random_range(1..=OWNERS));
            let priority = 10 * self.random.random_range(1..=6);
            self.new_rows.push(RowChange::Job(Job { priority, ..job(id, owner, &[board], self.now) }));
            self.new_rows.push(RowChange::Entry(entry(id, Some(board))));
        }
    }

    /// Lets `ends` processes end, runs a tick, and gives the CPU time that the tick took.
    pub fn tick(&mut self, ends: usize) -> Duration {
        let mut news: Vec<Vec<(PidfileId, PidfileEvent)>> = vec![Vec::new(); DRONES as usize];
        for (drone, pidfile) in self.appeared.drain(..) {
            news[drone.0 as usize - 1].push((pidfile, PidfileEvent::Changed(PidfileContents::Running)));
            self.running.push((drone, pidfile));
        }
        for _ in 0..ends.min(self.running.len()) {
            let place = self.random.random_range(0..self.running.len());
            let (drone, pidfile) = self.running.swap_remove(place);
            let end = PidfileContents::Ended { exit_status: 0, tests_failed: 0 };
            news[drone.0 as usize - 1].push((pidfile, PidfileEvent::Changed(end)));
        }
        let report = |(index, pidfiles)| DroneReport {
            drone: DroneId(index as u32 + 1),
            answer: DroneAnswer::News { pidfiles, unclaimed: Vec::new() },
        };
        let drones = news.into_iter().enumerate().map(report).collect();
        let input = TickInput { rows: std::mem::take(&mut self.new_rows), acts: Vec::new(), drones };
        self.now += Span::from_seconds(1);
        let start = ThreadTime::now();
        let output = self.core.tick(self.now, input);
        let took = start.elapsed();
        self.take(output);
        took
    }

    /// Notes what was started, and refills the queue.
    fn take(&mut self, output: TickOutput) {
        self.submit(output.stats.hosts_assigned);
        for batch in output.commands {
            for command in batch.commands {
                if let Command::Start { pidfile, .. } = command {
                    self.appeared.push((batch.drone, pidfile));
                }
            }
        }
    }

    /// How large the lab is.
    pub fn size(&self) -> LabSize {
        self.size
    }
}

pub(crate) fn label(id: u32, name: &str) -> Label {
    Label { id: LabelId(id), name: name.into(), platform: false, invalid: false, shard: None }
}

pub(crate) fn user(id: u32) -> User {
    User { id: UserId(id), login: format!("user{id}").into(), acls: smallvec![EVERYONE], drone_set: None }
}

pub(crate) fn host(id: u32, board: u32) -> Host {
    Host {
        id: HostId(id),
        name: format!("host{id}").into(),
        status: HostStatus::Ready,
        locked: false,
        leased: false,
        invalid: false,
        dirty: true,
        protection: Protection::None,
        labels: smallvec![LabelId(board)],
        acls: smallvec![EVERYONE],
        shard: None,
    }
}

pub(crate) fn drone(id: u32, max_processes: u32) -> Drone {
    Drone { id: DroneId(id), name: format!("drone{id}").into(), enabled: true, max_processes, users: Vec::new() }
}

pub(crate) fn job(id: u32, owner: UserId, labels: &[LabelId], now: Time) -> Job {
    Job {
        id: JobId(id),
        owner,
        name: Arc::from("benchmark"),
        priority: 40,
        synch_count: 1,
        run_verify: false,
        run_reset: true,
        reboot_before: RebootBefore::IfDirty,
        reboot_after: RebootAfter::Always,
        labels: labels.into(),
        parent: None,
        suite_min_hosts: 0,
        timeout: Span::from_hours(24),
        max_runtime: Span::from_hours(72),
        created_on: now,
        drone_set: None,
        shard: None,
        next_group: 0,
    }
}

pub(crate) fn entry(id: u32, meta_host: Option<LabelId>) -> Entry {
    Entry::queued(EntryId(id), JobId(id), None, meta_host)
}
