//! The engine's `DroneBackend`.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use yardmaster_engine::{
    ActOutcome, ActReport, Command, DroneAnswer, DroneBackend, DroneBatch, DroneId, DroneReport, EntryId, Fence,
    ResultNote, Work,
};

use super::address::{DroneAddress, seconds};
use super::book::open;
use super::briefings::{Abort, Brief, BriefingError, Briefings};
use super::commands::Commands;
use super::fleet::Fleet;
use super::task::{Act, Order, Ticket};
use super::translate::{Surroundings, translate};
use super::under_way::UnderWay;
use crate::agent::protocol::AgentCommand;

/// Commands go to an agent in portions of at most so many, so that what a deadline leaves unsent is known to be undone …
const PORTION: usize = 50;
/// … and of about so many bytes.
const PORTION_BYTES: usize = 4 << 20;
/// A drone that was slow the last time is waited for no longer than this.
const MOMENT: Duration = Duration::from_millis(20);

/// All drones of a lab, for the engine.
#[derive(Debug)]
pub struct Drones<B> {
    fleet: Fleet,
    briefings: B,
    commands: Commands,
    fence: Fence,
    /// What slow drones have been given, of which they have not told what became of it.
    under_way: BTreeMap<DroneId, UnderWay>,
}

/// The facts for one call of `act`.
#[derive(Debug, Default)]
struct FactsOfCall {
    /// In the order of the starts in all batches.
    briefs: VecDeque<Result<Brief, String>>,
    aborts: BTreeMap<EntryId, Abort>,
}

impl<B: Briefings> Drones<B> {
    /// The drones of a fleet. Its roster is set there.
    pub fn new(fleet: Fleet, briefings: B, commands: Commands) -> Drones<B> {
        Drones { fleet, briefings, commands, fence: Fence::default(), under_way: BTreeMap::new() }
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
        repository: Option<&Path>,
        deadline: Instant,
    ) -> Result<UnderWay, ActReport> {
        let DroneBatch { drone, commands } = batch;
        let members = self.fleet.members();
        let Some(member) = members.get(&drone) else {
            let briefs = commands.iter().filter(|command| matches!(command, Command::Start { .. })).count();
            facts.briefs.drain(..briefs);
            return Err(not_done(drone, "there is no such drone".to_owned(), commands));
        };
        let around =
            Surroundings { address: &member.address, commands: &self.commands, repository, aborts: &facts.aborts };
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
        Ok(UnderWay { drone, name, book, commands, parts, ticket, answer, deadline, ended: None })
    }

    /// Takes in what has become of what slow drones were given. Gives the batches without what is done by now; those that
    /// cannot be sent, because their drone is still busy, become reports.
    async fn settle_earlier(&mut self, batches: Vec<DroneBatch>) -> (Vec<DroneBatch>, Vec<ActReport>) {
        let mut done: BTreeMap<DroneId, Vec<Command>> = BTreeMap::new();
        for (drone, mut earlier) in std::mem::take(&mut self.under_way) {
            if earlier.is_over(Instant::now()).await {
                done.insert(drone, earlier.settle().done);
            } else {
                self.under_way.insert(drone, earlier);
            }
        }
        let (mut left, mut reports) = (Vec::new(), Vec::new());
        for mut batch in batches {
            if let Some(earlier) = self.under_way.get(&batch.drone) {
                reports.extend(earlier.unanswered(batch.commands));
                continue;
            }
            for command in done.get(&batch.drone).into_iter().flatten() {
                // The engine was told that it may not be done, and has sent it again.
                if let Some(place) = batch.commands.iter().position(|again| again == command) {
                    batch.commands.remove(place);
                }
            }
            left.push(batch);
        }
        (left, reports)
    }
}

pub(super) fn not_done(drone: DroneId, why: String, undelivered: Vec<Command>) -> ActReport {
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

impl<B: Briefings> DroneBackend for Drones<B> {
    async fn refresh(&mut self) -> Vec<DroneReport> {
        let now = Instant::now();
        let patience = seconds(self.fleet.common.settings().refresh_deadline_sec);
        let ask = |(id, member): (&DroneId, &super::fleet::Member)| {
            let (tell, answer) = oneshot::channel();
            let is_slow = {
                let mut book = open(&member.book);
                book.join(self.fence);
                book.is_slow
            };
            let _ = member.orders.send(Order::Refresh(tell));
            (*id, Arc::clone(&member.book), answer, now + if is_slow { MOMENT.min(patience) } else { patience })
        };
        let asked: Vec<_> = self.fleet.members().iter().map(ask).collect();
        let mut reports = Vec::with_capacity(asked.len());
        // They answer at the same time; the slowest is waited for, and none beyond the deadline.
        for (drone, book, mut answer, deadline) in asked {
            let answered = timeout_at(deadline, &mut answer).await;
            let mut book = open(&book);
            let answer = match answered {
                Ok(Ok(Ok(()))) => book.news(),
                Ok(Ok(Err(reason))) => DroneAnswer::Silent { reason },
                Ok(Err(_)) => DroneAnswer::Silent { reason: "the drone was let go".to_owned() },
                // It is slow, and known to be: its news come when they come, and until then there are none.
                Err(_) if deadline < now + patience && book.is_up_to_date() => book.news(),
                Err(_) => {
                    if deadline == now + patience {
                        book.was_late();
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
        if fence != self.fence {
            std::mem::take(&mut self.under_way).into_values().for_each(UnderWay::withdraw);
        }
        self.fence = fence;
        for (id, member) in self.fleet.members().iter() {
            let mut book = open(&member.book);
            book.enter(fence);
            if batches.iter().all(|batch| batch.drone != *id) {
                book.knows_watches();
            }
        }
        let (batches, mut reports) = self.settle_earlier(batches).await;
        let mut facts = match self.facts(&batches).await {
            Ok(facts) => facts,
            Err(error) => {
                let report = |batch: DroneBatch| not_done(batch.drone, error.to_string(), batch.commands);
                reports.extend(batches.into_iter().map(report));
                return reports;
            }
        };
        let settings = self.fleet.common.settings();
        let now = Instant::now();
        let deadline = now + seconds(settings.act_deadline_sec);
        let mut sent = Vec::new();
        for batch in batches.into_iter().filter(|batch| !batch.commands.is_empty()) {
            match self.dispatch(batch, &mut facts, settings.repository.as_deref(), deadline) {
                Ok(started) => sent.push(started),
                Err(report) => reports.push(report),
            }
        }
        for mut started in sent {
            let patience = if started.is_slow() { now + MOMENT } else { deadline };
            if started.is_over(patience).await {
                reports.extend(started.settle().reports);
            } else {
                let commands = started.commands.clone();
                reports.extend(started.unanswered(commands));
                self.under_way.insert(started.drone, started);
            }
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
