//! `yardmaster-drone serve`: one connection of one scheduler.
//!
//! Requests are answered in three threads, so that a refresh does not wait for a large copy: this one reads requests and
//! refreshes, one carries out commands in their order, one sees to it that what was to be killed dies.

use std::io::{self, Write};
use std::path::Path;
use std::process::Child;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
    /// Launched processes, which are ours to wait for as long as we live.
    children: Mutex<Vec<Child>>,
    out: Mutex<io::Stdout>,
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
    let agent = Arc::new(Agent {
        results,
        fenced,
        watches: Mutex::default(),
        killer: Killer::default(),
        children: Mutex::default(),
        out: Mutex::new(out),
    });
    agent.killer.resume(&agent.results);
    let for_killer = Arc::clone(&agent);
    std::thread::spawn(move || for_killer.killer.watch_over(&for_killer.results, grace));
    let (jobs, inbox) = channel();
    let worker = Arc::clone(&agent);
    std::thread::spawn(move || worker.work(&inbox));
    let mut input = io::stdin().lock();
    let mut lab = None;
    while let Some(request) = frames::read::<Request>(&mut input)? {
        agent.answer(request, &mut lab, &jobs)?;
    }
    Ok(())
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

    fn answer(&self, request: Request, lab: &mut Option<String>, jobs: &Sender<Job>) -> Result<(), anyhow::Error> {
        let Request { id, body } = request;
        if lab.is_none() && !matches!(body, RequestBody::Hello { .. }) {
            let why = "the first request of a connection must be a hello".to_owned();
            return Ok(self.reply(id, ReplyBody::Refused(Refusal::Failed(why)))?);
        }
        let reply = match body {
            RequestBody::Hello { protocol, lab: theirs } => match self.hello(protocol, &theirs) {
                Ok(hello) => {
                    *lab = Some(theirs);
                    ReplyBody::Hello(hello)
                }
                Err(error) => refused(error),
            },
            RequestBody::Refresh { term, unclaimed } => {
                self.refresh(term, unclaimed).map_or_else(refused, ReplyBody::News)
            }
            RequestBody::Transfers => transfer::pending(&self.results).map_or_else(refused, ReplyBody::Transfers),
            RequestBody::Containers { term, argv, every } => {
                let cleaned = self.enter(term).and_then(|()| containers::clean(&self.results, argv, every));
                cleaned.map_or_else(refused, |failure| ReplyBody::Containers { failure })
            }
            body @ (RequestBody::Act { .. } | RequestBody::Transferred { .. } | RequestBody::Clean { .. }) => {
                jobs.send(Job { id, body })
                    .map_err(|_| anyhow::anyhow!("the thread that carries out commands is gone"))?;
                return Ok(());
            }
        };
        Ok(self.reply(id, reply)?)
    }

    fn hello(&self, protocol: u32, lab: &str) -> Result<AgentHello, AgentError> {
        if protocol != PROTOCOL {
            return Err(Refusal::OtherProtocol { agent: PROTOCOL, scheduler: protocol }.into());
        }
        fence::belong(&self.results, lab)?;
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

    /// Lets a term's commands in, where terms count.
    fn enter(&self, term: u64) -> Result<(), AgentError> {
        if self.fenced { fence::enter(&self.results, term) } else { Ok(()) }
    }

    fn refresh(&self, term: u64, unclaimed: bool) -> Result<AgentNews, AgentError> {
        self.enter(term)?;
        self.results.check_room()?;
        // Those that have ended are no more in the process table once they have been waited for.
        lock(&self.children).retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        let mut watches = lock(&self.watches);
        watches.enter(term);
        let refreshed = watches.refresh(&self.results);
        let unclaimed = if unclaimed { watches.unclaimed(&self.results) } else { Vec::new() };
        drop(watches);
        for (path, name) in &refreshed.appeared {
            self.killer.late(&self.results, path, name);
        }
        Ok(AgentNews {
            term,
            pidfiles: refreshed.news,
            unclaimed,
            free_disk: self.free_disk(),
            transfers: transfer::count(&self.results),
        })
    }

    fn work(&self, inbox: &Receiver<Job>) {
        for Job { id, body } in inbox {
            let reply = match body {
                RequestBody::Act { term, commands } => self.act(term, commands),
                RequestBody::Transferred { transfer } => self.transferred(&transfer),
                RequestBody::Clean { term, older_than } => self.clean(term, older_than),
                RequestBody::Hello { .. }
                | RequestBody::Refresh { .. }
                | RequestBody::Containers { .. }
                | RequestBody::Transfers => continue,
            };
            if self.reply(id, reply).is_err() {
                // Nobody is listening. The reader finds the same and ends the process.
                return;
            }
        }
    }

    fn transferred(&self, transfer: &PendingTransfer) -> ReplyBody {
        transfer::confirm(&self.results, transfer).map_or_else(refused, |()| ReplyBody::Done)
    }

    fn clean(&self, term: u64, older_than: u64) -> ReplyBody {
        let watched = lock(&self.watches).paths();
        let cleaned =
            self.enter(term).and_then(|()| files::clean(&self.results, Duration::from_secs(older_than), &watched));
        cleaned.map_or_else(refused, |cleaned| ReplyBody::Cleaned { deleted: cleaned.deleted, failed: cleaned.failed })
    }

    fn act(&self, term: u64, commands: Vec<AgentCommand>) -> ReplyBody {
        if let Err(error) = self.enter(term) {
            return refused(error);
        }
        lock(&self.watches).enter(term);
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
                self.start_all(term, starts)
            } else {
                vec![self.carry_out(term, command)]
            };
            for result in results {
                match result {
                    Ok(outcome) => outcomes.push(outcome),
                    // A newer term has begun meanwhile. What was done stays done; all of it is told as refused.
                    Err(AgentError::Refused(refusal)) => return ReplyBody::Refused(refusal),
                    Err(error) => outcomes.push(error.outcome()),
                }
            }
        }
        ReplyBody::Acted(outcomes)
    }

    /// Starts that follow each other do not depend on each other, and each waits for the disk: some at a time.
    fn start_all(&self, term: u64, starts: Vec<StartOrder>) -> Vec<Result<Outcome, AgentError>> {
        let count = starts.len();
        let waiting = Mutex::new(starts.into_iter().enumerate());
        let done = Mutex::new(Vec::with_capacity(count));
        let work = || {
            loop {
                let next = lock(&waiting).next();
                let Some((place, start)) = next else { return };
                let result = self.start(term, start);
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

    fn carry_out(&self, term: u64, command: AgentCommand) -> Result<Outcome, AgentError> {
        let results = &self.results;
        match command {
            AgentCommand::Watch { number, path, name } => lock(&self.watches).watch(results, number, &path, &name)?,
            AgentCommand::Start(start) => return self.start(term, *start),
            AgentCommand::Kill { path, name } => self.killer.kill(results, &path, &name)?,
            AgentCommand::Forget { number } => lock(&self.watches).forget(number),
            AgentCommand::Append { path, text } => files::append(results, &results.place(&path)?, &text)?,
            AgentCommand::WriteIfAbsent { path, file } => {
                files::write_if_absent(results, &results.place(&path)?, &file)?
            }
            AgentCommand::Copy { from, to } => files::copy(&results.place(&from)?, &results.place(&to)?)?,
            AgentCommand::QueueTransfer { path } => transfer::queue(results, &results.place(&path)?)?,
        }
        Ok(Outcome::Done)
    }

    fn start(&self, term: u64, start: StartOrder) -> Result<Outcome, AgentError> {
        let (number, path, name) = (start.number, start.path.clone(), start.name.clone());
        let (outcome, child) = launch::start(&self.results, &LaunchOrder { term, fenced: self.fenced, start })?;
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
