//! A lab that lives through events. After every tick everything is checked that must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use yardmaster_engine::{DroneId, Span};
use yardmaster_sim::script::{Action, FakeEngine, Keyval, Player, Problem, Submit};

use crate::checks::Watcher;
use crate::world::{Deed, End, LABELS, Lab, Order, USERS, Where};

pub(crate) struct Story {
    pub(crate) player: Player,
    pub(crate) hosts: usize,
    pub(crate) drones: usize,
    jobs: usize,
    /// All entries by name.
    pub(crate) entries: Vec<String>,
    pub(crate) watcher: Watcher,
    told: Vec<String>,
    /// Nothing but the time has passed since the last tick.
    undisturbed: bool,
    tick: Span,
}

impl Story {
    pub(crate) fn new(lab: &Lab) -> Story {
        let player = Player::new(&lab.0, false).unwrap_or_else(|problem| panic!("{problem:?}"));
        let watcher = Watcher::new(player.engine());
        let (hosts, drones) = (lab.0.host.len(), lab.0.drone.len());
        let tick = Span::from_seconds_f64(lab.0.tick_sec);
        Story {
            player,
            hosts,
            drones,
            jobs: 0,
            entries: Vec::new(),
            watcher,
            told: Vec::new(),
            undisturbed: false,
            tick,
        }
    }

    /// What happened, a line each.
    pub(crate) fn told(&self) -> String {
        self.told.join("\n")
    }

    pub(crate) fn engine(&self) -> &FakeEngine {
        self.player.engine()
    }

    fn host(&self, number: u8) -> String {
        format!("host{}", usize::from(number) % self.hosts + 1)
    }

    fn drone(&self, number: u8) -> String {
        format!("drone{}", usize::from(number) % self.drones + 1)
    }

    fn job(&self, number: u8) -> Option<String> {
        (self.jobs > 0).then(|| format!("j{}", usize::from(number) % self.jobs))
    }

    pub(crate) fn live_through(&mut self, deed: &Deed) -> Result<(), String> {
        match deed {
            Deed::Tick(count) => (0..*count).try_for_each(|_| self.tick()),
            Deed::FinishAll => self.finish_all(),
            Deed::MissBatches(drone, count) => {
                self.interfere(&format!("{} misses {count} batches", self.drone(*drone)));
                let drone = self.drone_id(*drone);
                self.player.engine_mut().drones_mut().miss_batches(drone, *count);
                Ok(())
            }
            Deed::SlowKills(drone, slow) => {
                self.interfere(&format!("{} kills slowly: {slow}", self.drone(*drone)));
                let drone = self.drone_id(*drone);
                self.player.engine_mut().drones_mut().set_slow_kills(drone, *slow);
                Ok(())
            }
            Deed::LongSilence(drone) => {
                self.live_through(&Deed::DroneDown(*drone))?;
                self.live_through(&Deed::Restart(false))?;
                self.tick()?;
                self.live_through(&Deed::Advance(301))?;
                self.tick()
            }
            deed => match self.action(deed) {
                Some(action) => self.act(action),
                None => Ok(()),
            },
        }
    }

    pub(crate) fn act(&mut self, action: Action) -> Result<(), String> {
        self.told.push(format!("do {action:?}"));
        self.undisturbed = false;
        self.watcher.before(self.player.engine(), &action);
        self.player.act(&action).map_err(|problem| describe(&problem))?;
        // A scheduler that starts has its first tick at once.
        self.watcher.kills_have_reasons(self.player.engine())
    }

    fn drone_id(&self, number: u8) -> DroneId {
        DroneId((usize::from(number) % self.drones + 1) as u32)
    }

    fn interfere(&mut self, what: &str) {
        self.undisturbed = false;
        self.told.push(what.to_owned());
    }

    pub(crate) fn finish_all(&mut self) -> Result<(), String> {
        // By key: a drone that lost track of a restart may run something under the name of another.
        let keys: Vec<u32> = self.engine().drones().running().into_iter().map(|(key, _)| key).collect();
        if !keys.is_empty() {
            self.undisturbed = false;
            self.told.push(format!("finish {:?}", self.player.running()));
        }
        for key in keys {
            self.player.engine_mut().drones_mut().finish(key, 0, 0);
        }
        Ok(())
    }

    pub(crate) fn tick(&mut self) -> Result<(), String> {
        self.watcher.before_tick(self.player.engine());
        let expected = self.expects_anything();
        let changed = self.player.tick().map_err(|problem| describe(&problem))?;
        let now = yardmaster_engine::Clock::now(self.player.engine_mut().clock_mut());
        let undisturbed = std::mem::replace(&mut self.undisturbed, true);
        if changed && undisturbed && !expected {
            let now = now.as_seconds_f64();
            return Err(format!(
                "the tick at {now:.0} s did something, and whoever jumps over idle ones would have left it out"
            ));
        }
        let running = self.player.running().join(", ");
        // Of a long silence, the last tick is enough.
        if self.told.last().is_some_and(|line| line.starts_with("tick") && line.ends_with(": ") && running.is_empty()) {
            self.told.pop();
        }
        self.told.push(format!("tick {:.0} s: {running}", now.as_seconds_f64()));
        self.watcher.after_tick(self.player.engine())
    }

    /// Whether whoever jumps over ticks in which nothing can happen would run the next one.
    fn expects_anything(&mut self) -> bool {
        let engine = self.player.engine_mut();
        let next = yardmaster_engine::Clock::now(engine.clock_mut()) + self.tick;
        let wakes = [engine.core().next_wake(), engine.drones().next_event()];
        engine.store().has_news()
            || engine.drones().has_pressing_news()
            || engine.has_backlog()
            || wakes.into_iter().flatten().any(|wake| wake <= next)
    }

    fn action(&mut self, deed: &Deed) -> Option<Action> {
        Some(match deed {
            Deed::Submit(order) => self.submit(order),
            Deed::AbortJob(job) => Action::Abort { job: Some(self.job(*job)?), entry: None },
            Deed::AbortEntry(entry) => {
                let entry = self.entries.get(usize::from(*entry) % self.entries.len().max(1))?;
                Action::Abort { job: None, entry: Some(entry.clone()) }
            }
            Deed::RequestTask(host, task) => Action::RequestTask { host: self.host(*host), task: *task },
            Deed::AbortTask(process) => {
                let tasks: Vec<String> =
                    self.player.running().into_iter().filter(|name| name.contains(" host")).collect();
                Action::AbortTask { process: tasks.get(usize::from(*process) % tasks.len().max(1))?.clone() }
            }
            Deed::Finish(process, end) => {
                let running = self.player.running();
                let process = running.get(usize::from(*process) % running.len().max(1))?.clone();
                match *end {
                    End::Success => Action::Finish { process, exit: 0, tests_failed: 0 },
                    End::FailedTests => Action::Finish { process, exit: 0, tests_failed: 2 },
                    End::Exit(exit) => Action::Finish { process, exit, tests_failed: 0 },
                    End::Lost => Action::Lose { process },
                    End::Corrupt => Action::CorruptPidfile { process },
                }
            }
            Deed::Lock(host, locked) => set_host(self.host(*host), |locks, _, _, _| *locks = Some(*locked)),
            Deed::Protect(host, level) => set_host(self.host(*host), |_, protection, _, _| *protection = Some(*level)),
            Deed::Dirty(host, dirty) => set_host(self.host(*host), |_, _, dirt, _| *dirt = Some(*dirty)),
            Deed::Relabel(host, labels) => {
                set_host(self.host(*host), |_, _, _, names| *names = Some(labels.iter().copied().map(label).collect()))
            }
            Deed::SetDrone(drone, max_processes, enabled) => Action::SetDrone {
                drone: self.drone(*drone),
                max_processes: *max_processes,
                enabled: *enabled,
                users: None,
                late_pidfiles: None,
            },
            Deed::Prioritise(job, priority) => Action::SetJob { job: self.job(*job)?, priority: Some(*priority) },
            Deed::Restart(recover_hosts) => Action::Restart { recover_hosts: *recover_hosts },
            Deed::DroneDown(drone) => Action::DroneDown { drone: self.drone(*drone) },
            Deed::DroneUp(drone) => Action::DroneUp { drone: self.drone(*drone) },
            Deed::Reboot(drone) => Action::RebootDrone { drone: self.drone(*drone) },
            Deed::LoseReplies(drone, count) => Action::LoseReplies { drone: self.drone(*drone), count: *count },
            Deed::LatePidfiles(drone) => Action::SetDrone {
                drone: self.drone(*drone),
                max_processes: None,
                enabled: None,
                users: None,
                late_pidfiles: Some(true),
            },
            Deed::ShowPidfiles(drone) => Action::ShowPidfiles { drone: self.drone(*drone) },
            Deed::RefuseCommit { count, reply_lost, landed } => {
                Action::RefuseCommit { count: *count, reply_lost: *reply_lost, landed: *landed }
            }
            Deed::Advance(seconds) => Action::Advance { seconds: f64::from(*seconds) },
            Deed::Tick(_) | Deed::FinishAll | Deed::MissBatches(..) | Deed::SlowKills(..) | Deed::LongSilence(_) => {
                return None;
            }
        })
    }

    fn submit(&mut self, order: &Order) -> Action {
        let (hosts, metahosts, hostless) = match &order.place {
            Where::Hosts(hosts) => (hosts.clone(), Vec::new(), false),
            Where::Any(labels) => (Vec::new(), labels.clone(), false),
            Where::Both(hosts, labels) => (hosts.clone(), labels.clone(), false),
            Where::Nowhere => (Vec::new(), Vec::new(), true),
        };
        // A job names no host twice.
        let hosts: Vec<String> =
            hosts.iter().map(|host| self.host(*host)).collect::<BTreeSet<_>>().into_iter().collect();
        let metahosts: Vec<String> =
            metahosts.iter().map(|number| LABELS[usize::from(*number) % 2].to_owned()).collect();
        let count = hosts.len() + metahosts.len() + usize::from(hostless);
        let parent = order.parent.and_then(|parent| self.job(parent));
        let job = format!("j{}", self.jobs);
        self.jobs += 1;
        self.entries.extend((0..count).map(|number| format!("{job}#{number}")));
        let minimum = (order.minimum > 0).then(|| ("suite_min_duts".to_owned(), Keyval::Number(order.minimum.into())));
        Action::Submit(Submit {
            job,
            owner: Some(USERS[usize::from(order.owner) % USERS.len()].to_owned()),
            priority: Some(order.priority),
            hosts,
            metahosts,
            hostless,
            synch_count: NonZeroU32::new(order.synch_count.min(count as u32)),
            run_verify: Some(order.run_verify),
            run_reset: Some(order.run_reset),
            reboot_before: Some(order.reboot_before),
            reboot_after: Some(order.reboot_after),
            labels: order.labels.iter().copied().map(label).collect(),
            parent,
            keyvals: minimum.into_iter().collect::<BTreeMap<_, _>>(),
            timeout_mins: Some(order.timeout_mins),
            max_runtime_mins: None,
            drone_set: None,
        })
    }
}

fn label(number: u8) -> String {
    LABELS[usize::from(number) % LABELS.len()].to_owned()
}

type Edited<'a, T> = &'a mut Option<T>;

fn set_host(
    host: String,
    edit: impl FnOnce(
        Edited<'_, bool>,
        Edited<'_, yardmaster_engine::Protection>,
        Edited<'_, bool>,
        Edited<'_, Vec<String>>,
    ),
) -> Action {
    let (mut locked, mut protection, mut dirty, mut labels) = (None, None, None, None);
    edit(&mut locked, &mut protection, &mut dirty, &mut labels);
    Action::SetHost { host, locked, protection, dirty, status: None, invalid: None, labels, acls: None }
}

fn describe(problem: &Problem) -> String {
    match problem {
        Problem::Failed(text) => text.clone(),
        Problem::BadInput(text) => format!("the test itself is wrong: {text}"),
    }
}
