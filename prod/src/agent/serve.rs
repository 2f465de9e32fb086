//! `yardmaster-drone serve`: one connection of one scheduler.
//!
//! Requests are answered in several threads, so that a refresh does not wait for a large copy: this one reads requests and
//! refreshes, one carries out commands in their order, one those that take long, one cleans up, one sees to it that what was to
//! be killed dies.
//!
//! An agent whose program has been replaced ends as soon as it has nothing to do: the scheduler finds the channel closed and
//! starts the new one. Processes go on.

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use yardmaster_engine::Fence;

use super::backlog::Backlog;
use super::claim::running;
use super::containers;
use super::error::AgentError;
use super::fence;
use super::files;
use super::frames::{self, FrameError, GREETING};
use super::kill::Killer;
use super::launch::{self, LaunchOrder};
use super::paths::Results;
use super::processes::boot_id;
use super::protocol::{
    AgentCommand, AgentHello, AgentNews, Outcome, PROTOCOL, PendingTransfer, Refusal, Reply, ReplyBody, Request,
    RequestBody, StartOrder,
};
use super::transfer;
use super::watch::Watches;

/// So many processes are started at once.
const STARTS_AT_ONCE: usize = 8;

struct Agent {
    results: Results,
    /// Whether only commands of the newest term count.
    fenced: bool,
    watches: Mutex<Watches>,
    killer: Killer,
    backlog: Backlog,
    /// Launched processes, which are ours to wait for as long as we live.
    children: Mutex<Vec<Child>>,
    out: Mutex<io::Stdout>,
    /// Requests that other threads are busy with.
    under_way: AtomicUsize,
    program: Program,
}

/// The file that this process was started from.
struct Program {
    path: Option<PathBuf>,
    file: Option<(u64, u64)>,
}

impl Program {
    fn own() -> Program {
        let path = std::env::current_exe().ok();
        let file = path.as_deref().and_then(Program::file);
        Program { path, file }
    }

    fn file(path: &Path) -> Option<(u64, u64)> {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    }

    /// Whether another program lies there by now.
    fn is_replaced(&self) -> bool {
        let now = self.path.as_deref().and_then(Program::file);
        now.is_some() && now != self.file
    }
}

/// Work for the thread that carries out commands.
struct Job {
    id: u64,
    body: RequestBody,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves the scheduler on standard input and output until it closes the channel. Processes go on.
///
/// # Errors
/// If the results directory cannot be used, or the channel breaks or brings nonsense.
pub(super) fn run(directory: &Path, grace: Duration, fenced: bool) -> Result<(), anyhow::Error> {
    let mut out = io::stdout();
    writeln!(out, "\n{GREETING}")?;
    out.flush()?;
    let results = match Results::open(directory) {
        Ok(results) => results,
        Err(error) => return refuse_all(&error),
    };
    let backlog = Backlog::resume(&results);
    let agent = Arc::new(Agent {
        results,
        fenced,
        watches: Mutex::default(),
        killer: Killer::default(),
        backlog,
        children: Mutex::default(),
        out: Mutex::new(out),
        under_way: AtomicUsize::new(0),
        program: Program::own(),
    });
    agent.killer.resume(&agent.results);
    let for_killer = Arc::clone(&agent);
    std::thread::spawn(move || for_killer.killer.watch_over(&for_killer.results, grace));
    let for_backlog = Arc::clone(&agent);
    std::thread::spawn(move || for_backlog.backlog.work_off(&for_backlog.results));
    let workers = Workers { commands: worker(&agent), cleaning: worker(&agent) };
    let mut input = io::stdin().lock();
    let mut lab = None;
    while let Some(request) = frames::read::<Request>(&mut input)? {
        let is_refresh = matches!(request.body, RequestBody::Refresh { .. });
        agent.answer(request, &mut lab, &workers)?;
        if is_refresh && agent.under_way.load(Ordering::Acquire) == 0 && agent.program.is_replaced() {
            break;
        }
    }
    Ok(())
}

/// The threads that do what takes long.
struct Workers {
    commands: Sender<Job>,
    /// Looking through all results must not hold up commands.
    cleaning: Sender<Job>,
}

/// A thread that does one job after the other.
fn worker(agent: &Arc<Agent>) -> Sender<Job> {
    let (jobs, inbox) = channel();
    let agent = Arc::clone(agent);
    std::thread::spawn(move || agent.work(&inbox));
    jobs
}

/// Without a results directory the scheduler is told why, instead of finding the channel closed.
fn refuse_all(error: &AgentError) -> Result<(), anyhow::Error> {
    let mut input = io::stdin().lock();
    while let Some(Request { id, .. }) = frames::read::<Request>(&mut input)? {
        let body = ReplyBody::Refused(Refusal::Failed(error.to_string()));
        frames::write(&mut io::stdout(), &Reply { id, body })?;
    }
    Ok(())
}

fn refused(error: AgentError) -> ReplyBody {
    ReplyBody::Refused(match error {
        AgentError::Refused(refusal) => refusal,
        other => Refusal::Failed(other.to_string()),
    })
}

impl Agent {
    fn reply(&self, id: u64, body: ReplyBody) -> Result<(), FrameError> {
        frames::write(&mut *lock(&self.out), &Reply { id, body })
    }

    fn answer(&self, request: Request, lab: &mut Option<String>, workers: &Workers) -> Result<(), anyhow::Error> {
        let Request { id, body } = request;
        if lab.is_none() && !matches!(body, RequestBody::Hello { .. }) {
            let why = "the first request of a connection must be a hello".to_owned();
            return Ok(self.reply(id, ReplyBody::Refused(Refusal::Failed(why)))?);
        }
        let reply = match body {
            RequestBody::Hello { protocol, lab: theirs, drone } => match self.hello(protocol, &theirs, &drone) {
                Ok(hello) => {
                    *lab = Some(theirs);
                    ReplyBody::Hello(hello)
                }
                Err(error) => refused(error),
            },
            RequestBody::Refresh { fence, unclaimed } => {
                self.refresh(fence, unclaimed).map_or_else(refused, ReplyBody::News)
            }
            RequestBody::Transfers => transfer::pending(&self.results).map_or_else(refused, ReplyBody::Transfers),
            RequestBody::Containers { fence, argv, every } => {
                let cleaned = self.enter(fence).and_then(|()| containers::clean(&self.results, argv, every));
                cleaned.map_or_else(refused, |failure| ReplyBody::Containers { failure })
            }
            body @ (RequestBody::Act { .. } | RequestBody::Transferred { .. } | RequestBody::Clean { .. }) => {
                let is_cleaning = matches!(body, RequestBody::Clean { .. });
                let jobs = if is_cleaning { &workers.cleaning } else { &workers.commands };
                self.under_way.fetch_add(1, Ordering::AcqRel);
                jobs.send(Job { id, body })
                    .map_err(|_| anyhow::anyhow!("the thread that carries out commands is gone"))?;
                return Ok(());
            }
        };
        Ok(self.reply(id, reply)?)
    }

    fn hello(&self, protocol: u32, lab: &str, drone: &str) -> Result<AgentHello, AgentError> {
        if protocol != PROTOCOL {
            return Err(Refusal::OtherProtocol { agent: PROTOCOL, scheduler: protocol }.into());
        }
        fence::belong(&self.results, lab, drone)?;
        let system = rustix::system::uname();
        Ok(AgentHello {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: system.nodename().to_string_lossy().into_owned(),
            boot: boot_id().to_owned(),
            free_disk: self.free_disk(),
            cores: std::thread::available_parallelism()
                .map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX)),
            results: self.results.root().display().to_string(),
        })
    }

    fn free_disk(&self) -> u64 {
        rustix::fs::statvfs(self.results.root()).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Lets a fence's commands in, where fences count.
    fn enter(&self, fence: Fence) -> Result<(), AgentError> {
        if self.fenced { fence::enter(&self.results, fence) } else { Ok(()) }
    }

    fn refresh(&self, fence: Fence, unclaimed: bool) -> Result<AgentNews, AgentError> {
        self.enter(fence)?;
        self.results.check_room()?;
        // Those that have ended are no more in the process table once they have been waited for.
        lock(&self.children).retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        let mut watches = lock(&self.watches);
        watches.enter(fence);
        let refreshed = watches.refresh(&self.results);
        let unclaimed = if unclaimed { watches.unclaimed(&self.results) } else { Vec::new() };
        drop(watches);
        for (path, name) in &refreshed.appeared {
            self.killer.late(&self.results, path, name);
        }
        Ok(AgentNews {
            fence,
            pidfiles: refreshed.news,
            unclaimed,
            free_disk: self.free_disk(),
            transfers: transfer::count(&self.results),
            complaints: self.backlog.take_complaints(),
        })
    }

    fn work(&self, inbox: &Receiver<Job>) {
        for Job { id, body } in inbox {
            let reply = match body {
                RequestBody::Act { fence, commands } => self.act(fence, commands),
                RequestBody::Transferred { transfer } => self.transferred(&transfer),
                RequestBody::Clean { fence, older_than } => self.clean(fence, older_than),
                // The reader answers these itself.
                RequestBody::Hello { .. }
                | RequestBody::Refresh { .. }
                | RequestBody::Containers { .. }
                | RequestBody::Transfers => continue,
            };
            let replied = self.reply(id, reply);
            self.under_way.fetch_sub(1, Ordering::AcqRel);
            if replied.is_err() {
                // Nobody is listening. The reader finds the same and ends the process.
                return;
            }
        }
    }

    fn transferred(&self, transfer: &PendingTransfer) -> ReplyBody {
        transfer::confirm(&self.results, transfer).map_or_else(refused, |()| ReplyBody::Done)
    }

    fn clean(&self, fence: Fence, older_than: u64) -> ReplyBody {
        let mut needed = lock(&self.watches).paths();
        needed.append(&mut self.backlog.paths());
        let cleaned =
            self.enter(fence).and_then(|()| files::clean(&self.results, Duration::from_secs(older_than), &needed));
        cleaned.map_or_else(refused, |cleaned| ReplyBody::Cleaned { deleted: cleaned.deleted, failed: cleaned.failed })
    }

    fn act(&self, fence: Fence, commands: Vec<AgentCommand>) -> ReplyBody {
        if let Err(error) = self.enter(fence) {
            return refused(error);
        }
        lock(&self.watches).enter(fence);
        let mut outcomes = Vec::with_capacity(commands.len());
        let mut commands = commands.into_iter().peekable();
        while let Some(command) = commands.next() {
            let results = if let AgentCommand::Start(start) = command {
                let mut starts = vec![*start];
                while let Some(AgentCommand::Start(next)) =
                    commands.next_if(|next| matches!(next, AgentCommand::Start(_)))
                {
                    starts.push(*next);
                }
                self.start_all(fence, starts)
            } else {
                vec![self.carry_out(fence, command)]
            };
            for result in results {
                match result {
                    Ok(outcome) => outcomes.push(outcome),
                    // A newer fence has begun meanwhile. What was done stays done; all of it is told as refused.
                    Err(AgentError::Refused(refusal)) => return ReplyBody::Refused(refusal),
                    Err(error) => outcomes.push(error.outcome()),
                }
            }
        }
        ReplyBody::Acted(outcomes)
    }

    /// Starts that follow each other do not depend on each other, and each waits for the disk: some at a time.
    fn start_all(&self, fence: Fence, starts: Vec<StartOrder>) -> Vec<Result<Outcome, AgentError>> {
        let count = starts.len();
        let waiting = Mutex::new(starts.into_iter().enumerate());
        let done = Mutex::new(Vec::with_capacity(count));
        let work = || {
            loop {
                let next = lock(&waiting).next();
                let Some((place, start)) = next else { return };
                let result = self.start(fence, start);
                lock(&done).push((place, result));
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..STARTS_AT_ONCE.min(count) {
                scope.spawn(work);
            }
            work();
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, result)| result).collect()
    }

    fn carry_out(&self, fence: Fence, command: AgentCommand) -> Result<Outcome, AgentError> {
        let results = &self.results;
        match command {
            AgentCommand::Watch { number, path, name } => lock(&self.watches).watch(results, number, &path, &name)?,
            AgentCommand::Start(start) => return self.start(fence, *start),
            AgentCommand::Kill { path, name } => self.killer.kill(results, &path, &name)?,
            AgentCommand::Forget { number } => lock(&self.watches).forget(number),
            AgentCommand::Append { .. }
            | AgentCommand::WriteIfAbsent { .. }
            | AgentCommand::Copy { .. }
            | AgentCommand::QueueTransfer { .. } => self.backlog.take(results, command)?,
        }
        Ok(Outcome::Done)
    }

    fn start(&self, fence: Fence, start: StartOrder) -> Result<Outcome, AgentError> {
        let (number, path, name) = (start.number, start.path.clone(), start.name.clone());
        let (outcome, child) = launch::start(&self.results, &LaunchOrder { fence, fenced: self.fenced, start })?;
        lock(&self.children).extend(child);
        if outcome == Outcome::Done {
            lock(&self.watches).watch(&self.results, number, &path, &name)?;
        }
        Ok(outcome)
    }
}

/// What runs here, for people: `yardmaster-drone list`.
pub(super) fn list(results: &Results) -> Vec<String> {
    let line = |(note, claim): (super::claim::RunningNote, super::claim::Claim)| {
        format!("{}\t{}\t{}\t{}", note.path, note.name, claim.process.pid, claim.argv.join(" "))
    };
    running(results).into_iter().map(line).collect()
}
