//! The engine's `DroneBackend`.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tracing::warn;
use yardmaster_engine::{
    ActOutcome, ActReport, Command, DroneAnswer, DroneBackend, DroneBatch, DroneId, DroneReport, EntryId, Fence,
    ResultNote, Work,
};

use super::address::{DroneAddress, seconds};
use super::book::{DroneState, SharedBook, open};
use super::briefings::{Abort, Brief, BriefingError, Briefings};
use super::commands::Commands;
use super::fleet::Fleet;
use super::task::{Act, Order, Ticket};
use super::translate::{Surroundings, translate};
use crate::agent::protocol::{AgentCommand, Outcome, Seen};

/// Commands go to an agent in portions of at most so many, so that what a deadline leaves unsent is known to be undone …
const PORTION: usize = 50;
/// … and of about so many bytes.
const PORTION_BYTES: usize = 4 << 20;

/// All drones of a lab, for the engine.
#[derive(Debug)]
pub struct Drones<B> {
    fleet: Fleet,
    briefings: B,
    commands: Commands,
    fence: Fence,
}

/// The facts for one call of `act`.
#[derive(Debug, Default)]
struct FactsOfCall {
    /// In the order of the starts in all batches.
    briefs: VecDeque<Result<Brief, String>>,
    aborts: BTreeMap<EntryId, Abort>,
}

/// A batch on its way to its drone.
struct UnderWay {
    drone: DroneId,
    name: String,
    book: SharedBook,
    commands: Vec<Command>,
    /// For every command, how many agent commands it became.
    parts: Vec<usize>,
    ticket: Arc<Mutex<Ticket>>,
    answer: oneshot::Receiver<Option<String>>,
}

impl<B: Briefings> Drones<B> {
    /// The drones of a fleet. Its roster is set there.
    pub fn new(fleet: Fleet, briefings: B, commands: Commands) -> Drones<B> {
        Drones { fleet, briefings, commands, fence: Fence::default() }
    }

    /// The fleet, for its roster and its health.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Where the facts come from.
    pub fn briefings_mut(&mut self) -> &mut B {
        &mut self.briefings
    }

    /// Other command lines, for processes that start from now on.
    pub fn set_commands(&mut self, commands: Commands) {
        self.commands = commands;
    }

    async fn facts(&mut self, batches: &[DroneBatch]) -> Result<FactsOfCall, BriefingError> {
        let mut works: Vec<&Work> = Vec::new();
        let mut entries: Vec<EntryId> = Vec::new();
        for command in batches.iter().flat_map(|batch| &batch.commands) {
            match command {
                Command::Start { work, .. } => works.push(work),
                Command::Write { note: ResultNote::Aborted(aborted), .. } => entries.extend(aborted),
                Command::Write { .. }
                | Command::Watch { .. }
                | Command::Kill { .. }
                | Command::Forget { .. }
                | Command::CopyOnDrone { .. }
                | Command::CopyToRepository { .. } => {}
            }
        }
        let mut facts = FactsOfCall::default();
        if !works.is_empty() {
            let count = works.len();
            facts.briefs = self.briefings.brief(&works).await?.into();
            if facts.briefs.len() != count {
                return Err(BriefingError(format!("{} briefs came for {count} processes", facts.briefs.len())));
            }
        }
        if !entries.is_empty() {
            facts.aborts = self.briefings.aborts(&entries).await?;
        }
        Ok(facts)
    }

    /// Translates a batch and hands it to its drone's task.
    fn dispatch(
        &self,
        batch: DroneBatch,
        facts: &mut FactsOfCall,
        repository: Option<&PathBuf>,
    ) -> Result<UnderWay, ActReport> {
        let DroneBatch { drone, commands } = batch;
        let members = self.fleet.members();
        let Some(member) = members.get(&drone) else {
            let briefs = commands.iter().filter(|command| matches!(command, Command::Start { .. })).count();
            facts.briefs.drain(..briefs);
            return Err(not_done(drone, "there is no such drone".to_owned(), commands));
        };
        let around = Surroundings {
            address: &member.address,
            commands: &self.commands,
            repository: repository.map(PathBuf::as_path),
            aborts: &facts.aborts,
        };
        let mut book = open(&member.book);
        let (mut all, mut parts) = (Vec::new(), Vec::new());
        for command in &commands {
            let brief = if matches!(command, Command::Start { .. }) { facts.briefs.pop_front() } else { None };
            let translated = translate(command, brief.as_ref(), &mut book, &around);
            parts.push(translated.len());
            all.extend(translated);
        }
        drop(book);
        let ticket = Arc::new(Mutex::new(Ticket::default()));
        let (tell, answer) = oneshot::channel();
        let act = Act { fence: self.fence, portions: portions(all), ticket: Arc::clone(&ticket), answer: tell };
        // Should its task be gone, the answer is dropped, which says so.
        let _ = member.orders.send(Order::Act(act));
        let (name, book) = (member.address.name.clone(), Arc::clone(&member.book));
        Ok(UnderWay { drone, name, book, commands, parts, ticket, answer })
    }
}

/// What is known of a command that was not confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certainty {
    NotDone,
    /// It had been sent.
    Unknown,
}

fn not_done(drone: DroneId, why: String, undelivered: Vec<Command>) -> ActReport {
    ActReport { drone, outcome: ActOutcome::NotDone(why), undelivered }
}

fn size(command: &AgentCommand) -> usize {
    match command {
        AgentCommand::Start(start) => {
            1000 + start.files.iter().map(|file| file.text.len()).sum::<usize>()
                + start.append.iter().map(|append| append.text.len()).sum::<usize>()
        }
        AgentCommand::Append { text, .. } => 200 + text.text.len(),
        AgentCommand::WriteIfAbsent { file, .. } => 200 + file.text.len(),
        AgentCommand::Watch { .. }
        | AgentCommand::Kill { .. }
        | AgentCommand::Forget { .. }
        | AgentCommand::Copy { .. }
        | AgentCommand::QueueTransfer { .. } => 200,
    }
}

fn portions(commands: Vec<AgentCommand>) -> VecDeque<Vec<AgentCommand>> {
    let mut portions: VecDeque<Vec<AgentCommand>> = VecDeque::new();
    let mut bytes = 0;
    for command in commands {
        bytes += size(&command);
        match portions.back_mut() {
            Some(portion) if portion.len() < PORTION && bytes <= PORTION_BYTES => portion.push(command),
            _ => {
                bytes = size(&command);
                portions.push_back(vec![command]);
            }
        }
    }
    portions
}

impl UnderWay {
    /// Waits until the deadline, and then says what is not certain to have been done: in the order of the commands, a report
    /// for each run of them of which the same is known.
    async fn finish(mut self, deadline: Instant) -> Vec<ActReport> {
        let answer = timeout_at(deadline, &mut self.answer).await;
        let reason = match answer {
            Ok(Ok(reason)) => reason,
            Ok(Err(_)) => Some("the drone was let go".to_owned()),
            Err(_) => Some("no answer in time".to_owned()),
        };
        let (sent, outcomes) = {
            let mut ticket = self.ticket.lock().unwrap_or_else(PoisonError::into_inner);
            ticket.withdrawn = true;
            (ticket.sent, std::mem::take(&mut ticket.outcomes))
        };
        let (undelivered, complaint) = self.settle(outcomes, sent);
        if undelivered.is_empty() {
            open(&self.book).knows_watches();
        }
        let why = reason.or(complaint).unwrap_or_else(|| "it was not done".to_owned());
        let report = |run: &[(Command, Certainty)]| ActReport {
            drone: self.drone,
            outcome: match run.first().map(|(_, certainty)| *certainty) {
                Some(Certainty::Unknown) => ActOutcome::Unknown(why.clone()),
                Some(Certainty::NotDone) | None => ActOutcome::NotDone(why.clone()),
            },
            undelivered: run.iter().map(|(command, _)| command.clone()).collect(),
        };
        undelivered.chunk_by(|(_, one), (_, next)| one == next).map(report).collect()
    }

    /// Takes in what was answered of the first `sent` parts. Gives the commands that must be sent again, and why, if the agent
    /// told.
    fn settle(&mut self, outcomes: Vec<Outcome>, sent: usize) -> (Vec<(Command, Certainty)>, Option<String>) {
        let mut outcomes = outcomes.into_iter();
        let mut undelivered = Vec::new();
        let mut complaint = None;
        let mut before = 0;
        let commands = std::mem::take(&mut self.commands);
        for (command, parts) in commands.into_iter().zip(std::mem::take(&mut self.parts)) {
            let answered: Vec<Outcome> = outcomes.by_ref().take(parts).collect();
            let mut again = answered.len() < parts;
            let is_unknown = again && before + answered.len() < sent;
            let certainty = if is_unknown { Certainty::Unknown } else { Certainty::NotDone };
            before += parts;
            for outcome in answered {
                match outcome {
                    Outcome::Done => {}
                    Outcome::Killed => self.tell(&command, Seen::Vanished),
                    Outcome::Failed { why, lasting } => {
                        if open(&self.book).note_error(why.clone()) {
                            warn!(drone = %self.name, why, lasting, ?command, "the drone could not carry out a command");
                        }
                        let gives_up = self.gives_up(&command, &why, lasting);
                        again |= !gives_up;
                        complaint = Some(why);
                    }
                }
            }
            if again {
                undelivered.push((command, certainty));
            } else if let Command::Forget { pidfile } = command {
                open(&self.book).forgotten(pidfile);
            }
        }
        (undelivered, complaint)
    }

    fn tell(&self, command: &Command, seen: Seen) {
        if let Command::Start { pidfile, .. } = command {
            open(&self.book).tell(*pidfile, seen);
        }
    }

    /// What becomes of a command that an agent could not carry out; `false`: it is tried again.
    ///
    /// A start that will never succeed is told as a corrupt pidfile: the engine hears the reason, fails the task at once, and
    /// sends a kill, which keeps a start from elsewhere out. Kills, forgets and transfers are tried until they succeed, unless
    /// they never can. Notes and copies that fail are told in the log and given up: the job goes on without them.
    fn gives_up(&self, command: &Command, why: &str, lasting: bool) -> bool {
        match command {
            Command::Start { .. } => {
                if lasting {
                    self.tell(command, Seen::Corrupt(format!("no process was started: {why}")));
                }
                lasting
            }
            Command::Kill { .. }
            | Command::Watch { .. }
            | Command::Forget { .. }
            | Command::CopyToRepository { .. } => lasting,
            Command::Write { .. } | Command::CopyOnDrone { .. } => true,
        }
    }
}

impl<B: Briefings> DroneBackend for Drones<B> {
    async fn refresh(&mut self) -> Vec<DroneReport> {
        let deadline = Instant::now() + seconds(self.fleet.common.settings().refresh_deadline_sec);
        let ask = |(id, member): (&DroneId, &super::fleet::Member)| {
            let (tell, answer) = oneshot::channel();
            open(&member.book).join(self.fence);
            let _ = member.orders.send(Order::Refresh(tell));
            (*id, Arc::clone(&member.book), answer)
        };
        let asked: Vec<_> = self.fleet.members().iter().map(ask).collect();
        let mut reports = Vec::with_capacity(asked.len());
        // They answer at the same time; the slowest is waited for, and none beyond the deadline.
        for (drone, book, mut answer) in asked {
            let answered = timeout_at(deadline, &mut answer).await;
            let mut book = open(&book);
            let answer = match answered {
                Ok(Ok(Ok(()))) => {
                    let (pidfiles, unclaimed) = book.take_news();
                    DroneAnswer::News { pidfiles, unclaimed }
                }
                Ok(Ok(Err(reason))) => DroneAnswer::Silent { reason },
                Ok(Err(_)) => DroneAnswer::Silent { reason: "the drone was let go".to_owned() },
                Err(_) => {
                    if book.health.state == DroneState::Up {
                        book.set_state(DroneState::Late);
                    }
                    DroneAnswer::Silent { reason: "no answer in time".to_owned() }
                }
            };
            reports.push(DroneReport { drone, answer });
        }
        reports
    }

    async fn act(&mut self, fence: Fence, batches: Vec<DroneBatch>) -> Vec<ActReport> {
        if fence < self.fence {
            let why = format!("term {fence} is over; term {} commands", self.fence);
            return batches.into_iter().map(|batch| not_done(batch.drone, why.clone(), batch.commands)).collect();
        }
        self.fence = fence;
        for (id, member) in self.fleet.members().iter() {
            let mut book = open(&member.book);
            book.enter(fence);
            if batches.iter().all(|batch| batch.drone != *id) {
                book.knows_watches();
            }
        }
        let mut facts = match self.facts(&batches).await {
            Ok(facts) => facts,
            Err(error) => {
                let report = |batch: DroneBatch| not_done(batch.drone, error.to_string(), batch.commands);
                return batches.into_iter().map(report).collect();
            }
        };
        let repository = self.fleet.common.settings().repository.as_ref().and_then(|path| path.canonicalize().ok());
        let deadline = Instant::now() + seconds(self.fleet.common.settings().act_deadline_sec);
        let mut reports = Vec::new();
        let mut under_way = Vec::new();
        for batch in batches.into_iter().filter(|batch| !batch.commands.is_empty()) {
            match self.dispatch(batch, &mut facts, repository.as_ref()) {
                Ok(started) => under_way.push(started),
                Err(report) => reports.push(report),
            }
        }
        for started in under_way {
            reports.extend(started.finish(deadline).await);
        }
        reports.sort_by_key(|report| report.drone);
        reports
    }
}

/// A drone's name and where it is, for messages.
impl std::fmt::Display for DroneAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.connection {
            super::address::Connection::Local => write!(f, "{} (this machine)", self.name),
            super::address::Connection::Ssh(address) => write!(f, "{} (ssh {})", self.name, address.host),
            super::address::Connection::Nowhere(_) => write!(f, "{} (nowhere)", self.name),
        }
    }
}
