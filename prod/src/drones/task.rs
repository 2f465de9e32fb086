//! The task that speaks to one drone. It owns the connection, makes it anew when it is lost, and waits so that nobody else
//! has to: who asks gets an answer at once when the drone is known not to give one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, info, warn};
use yardmaster_engine::{Fence, PidfileId};

use super::address::{DroneAddress, Multiplex, seconds};
use super::book::{DroneState, Question, SharedBook, open};
use super::channel::{Channel, remove_stale};
use super::fleet::{Cleaned, Common};
use super::transfers::Transfers;
use crate::agent::protocol::{AgentCommand, Outcome, Reply, ReplyBody, RequestBody};

/// What the task is asked for.
#[derive(Debug)]
pub(super) enum Order {
    /// To refresh. Its news are in the book by the time of the answer.
    Refresh(oneshot::Sender<Result<(), String>>),
    /// To have commands carried out.
    Act(Act),
    /// To delete old results.
    Clean { older_than: Duration, answer: oneshot::Sender<Result<Cleaned, String>> },
    /// To clean containers if it is time; the answer says why it failed the last time.
    Containers { argv: Vec<String>, every: Duration, answer: oneshot::Sender<Result<Option<String>, String>> },
}

/// Commands on their way, in portions.
#[derive(Debug)]
pub(super) struct Act {
    pub(super) fence: Fence,
    pub(super) portions: VecDeque<Vec<AgentCommand>>,
    pub(super) ticket: Arc<Mutex<Ticket>>,
    /// Why not all was answered, if so.
    pub(super) answer: oneshot::Sender<Option<String>>,
}

/// How far commands have come.
#[derive(Debug, Default)]
pub(super) struct Ticket {
    /// So many may have reached the agent.
    pub(super) sent: usize,
    /// So many were answered, and how.
    pub(super) outcomes: Vec<Outcome>,
    /// Nobody waits any more; nothing further must be sent.
    pub(super) withdrawn: bool,
}

/// A request that waits for its reply.
#[derive(Debug)]
struct Waiting {
    since: Instant,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Refresh(Question, Vec<oneshot::Sender<Result<(), String>>>),
    /// With the numbers that each command of the portion makes the agent watch.
    Act(Act, Vec<Option<PidfileId>>),
    /// Watches of which the agent may not know.
    Watch(Vec<PidfileId>),
    Clean(oneshot::Sender<Result<Cleaned, String>>),
    Containers(oneshot::Sender<Result<Option<String>, String>>),
    Transfers,
    Transferred,
}

/// Why a conversation ended.
enum End {
    /// Nobody needs the drone any more.
    Dismissed,
    Lost(String),
}

#[derive(Debug)]
pub(super) struct Task {
    pub(super) address: DroneAddress,
    pub(super) common: Arc<Common>,
    pub(super) book: SharedBook,
    pub(super) orders: UnboundedReceiver<Order>,
}

/// Up to a quarter less, so that drones that went down together are not tried together.
fn jitter(pause: Duration) -> Duration {
    let part = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.subsec_micros() % 256);
    pause - pause / 4 * part / 256
}

fn refuse(order: Order, reason: &str) {
    let reason = reason.to_owned();
    match order {
        // Who does not listen any more need not be told.
        Order::Refresh(answer) => drop(answer.send(Err(reason))),
        Order::Act(act) => drop(act.answer.send(Some(reason))),
        Order::Clean { answer, .. } => drop(answer.send(Err(reason))),
        Order::Containers { answer, .. } => drop(answer.send(Err(reason))),
    }
}

impl Task {
    /// Until nobody needs the drone any more.
    pub(super) async fn run(mut self) {
        let pauses = |common: &Common| {
            let settings = common.settings();
            (seconds(settings.retry_min_sec), seconds(settings.retry_max_sec))
        };
        let mut pause = pauses(&self.common).0;
        let mut down: Option<String> = None;
        loop {
            let (shortest, longest) = pauses(&self.common);
            let (reason, lasted) = match self.connect(down.as_deref()).await {
                Connected::Dismissed => return,
                Connected::Failed(reason) => (reason, Duration::ZERO),
                Connected::Stands(channel, held) => {
                    let began = Instant::now();
                    down = None;
                    match self.converse(*channel, held).await {
                        End::Dismissed => return,
                        End::Lost(reason) => (reason, began.elapsed()),
                    }
                }
            };
            self.went_down(&reason, down.is_none());
            pause = if lasted > longest { shortest } else { pause.min(longest) };
            if self.rest(jitter(pause), &reason).await {
                return;
            }
            pause = (pause * 2).min(longest);
            down = Some(reason);
        }
    }

    fn went_down(&self, reason: &str, is_news: bool) {
        if is_news {
            warn!(drone = %self.address.name, reason, "the drone cannot be spoken to");
        } else {
            debug!(drone = %self.address.name, reason, "the drone still cannot be spoken to");
        }
        let mut book = open(&self.book);
        book.set_state(DroneState::Down);
        book.note_error(reason.to_owned());
    }

    /// Waits before the next attempt; `true` if it was dismissed meanwhile.
    async fn rest(&mut self, pause: Duration, reason: &str) -> bool {
        let end = sleep(pause);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return false,
                order = self.orders.recv() => match order {
                    None => return true,
                    Some(order) => refuse(order, reason),
                },
            }
        }
    }

    /// Connects. Orders that come meanwhile wait if nothing bad is known of the drone yet.
    async fn connect(&mut self, down: Option<&str>) -> Connected {
        let socket = self.common.new_socket(self.address.id);
        remove_stale(&socket);
        let multiplex = Multiplex::Master(&socket);
        let settings = self.common.settings();
        let connect = Channel::connect(&self.address, &settings, &self.common.lab, multiplex);
        tokio::pin!(connect);
        let mut held = Vec::new();
        loop {
            tokio::select! {
                connected = &mut connect => match connected {
                    Err(error) => {
                        let reason = error.to_string();
                        held.into_iter().for_each(|order| refuse(order, &reason));
                        return Connected::Failed(reason);
                    }
                    Ok((channel, hello)) => {
                        info!(drone = %self.address.name, host = %hello.host, version = %hello.version, "the drone answers");
                        let mut book = open(&self.book);
                        book.set_state(DroneState::Up);
                        book.health.free_disk = Some(hello.free_disk);
                        book.health.agent = Some(hello);
                        return Connected::Stands(Box::new(channel), held);
                    }
                },
                order = self.orders.recv() => match (order, down) {
                    (None, _) => return Connected::Dismissed,
                    (Some(order), Some(reason)) => refuse(order, reason),
                    (Some(order), None) => held.push(order),
                },
            }
        }
    }

    async fn converse(&mut self, channel: Channel, held: Vec<Order>) -> End {
        let transfers = Transfers::new(self.address.clone(), Arc::clone(&self.common));
        let mut talk =
            Talk { task: self, channel, waiting: BTreeMap::new(), transfers, held: Vec::new(), has_dead: None };
        open(&talk.task.book).new_agent();
        for order in held {
            talk.take(order);
        }
        let end = talk.go_on().await;
        let reason = match &end {
            End::Dismissed => "the drone is no longer part of the lab".to_owned(),
            End::Lost(reason) => reason.clone(),
        };
        give_up(std::mem::take(&mut talk.held), &reason);
        for waiting in std::mem::take(&mut talk.waiting).into_values() {
            waiting.kind.give_up(&reason);
        }
        end
    }
}

fn give_up(refreshes: Vec<oneshot::Sender<Result<(), String>>>, reason: &str) {
    refreshes.into_iter().for_each(|answer| drop(answer.send(Err(reason.to_owned()))));
}

enum Connected {
    Dismissed,
    Failed(String),
    Stands(Box<Channel>, Vec<Order>),
}

impl Kind {
    fn give_up(self, reason: &str) {
        match self {
            Kind::Refresh(_, answers) => give_up(answers, reason),
            Kind::Act(act, _) => drop(act.answer.send(Some(reason.to_owned()))),
            Kind::Clean(answer) => drop(answer.send(Err(reason.to_owned()))),
            Kind::Containers(answer) => drop(answer.send(Err(reason.to_owned()))),
            Kind::Watch(_) | Kind::Transfers | Kind::Transferred => {}
        }
    }
}

/// The number under which a command makes an agent watch a pidfile.
fn watches(command: &AgentCommand) -> Option<PidfileId> {
    match command {
        AgentCommand::Watch { number, .. } => Some(PidfileId(*number)),
        AgentCommand::Start(start) => Some(PidfileId(start.number)),
        AgentCommand::Kill { .. }
        | AgentCommand::Forget { .. }
        | AgentCommand::Append { .. }
        | AgentCommand::WriteIfAbsent { .. }
        | AgentCommand::Copy { .. }
        | AgentCommand::QueueTransfer { .. } => None,
    }
}

/// A conversation over a connection that stands.
struct Talk<'a> {
    task: &'a mut Task,
    channel: Channel,
    waiting: BTreeMap<u64, Waiting>,
    transfers: Transfers,
    /// Refreshes that wait until the agent knows what to watch.
    held: Vec<oneshot::Sender<Result<(), String>>>,
    /// Set when the channel turned out to be broken while something was sent.
    has_dead: Option<String>,
}

impl Talk<'_> {
    async fn go_on(&mut self) -> End {
        loop {
            let patience = seconds(self.task.common.settings().dead_after_sec);
            if let Some(reason) = self.has_dead.take() {
                return End::Lost(
                    self.channel.explain(crate::agent::frames::FrameError::Closed).await.to_string() + &reason,
                );
            }
            // Looking through all results may take as long as it likes.
            let urgent = self.waiting.values().filter(|waiting| !matches!(waiting.kind, Kind::Clean(_)));
            let oldest = urgent.map(|waiting| waiting.since).min();
            let dead = oldest.unwrap_or_else(Instant::now) + patience;
            tokio::select! {
                reply = self.channel.receive() => match reply {
                    Ok(reply) => self.hear(reply),
                    Err(error) => return End::Lost(self.channel.explain(error).await.to_string()),
                },
                order = self.task.orders.recv() => match order {
                    Some(order) => self.take(order),
                    None => return End::Dismissed,
                },
                arrived = self.transfers.next() => {
                    self.send(RequestBody::Transferred { transfer: arrived }, Kind::Transferred);
                }
                () = sleep_until(dead), if oldest.is_some() => {
                    return End::Lost(format!("no answer for {patience:?}"));
                }
            }
        }
    }

    fn send(&mut self, body: RequestBody, kind: Kind) {
        match self.channel.send(body) {
            Ok(id) => {
                self.waiting.insert(id, Waiting { since: Instant::now(), kind });
            }
            Err(error) => {
                self.has_dead = Some(String::new());
                kind.give_up(&error.to_string());
            }
        }
    }

    /// Whether something has waited for longer than it should.
    fn late(&self) -> Option<String> {
        let limit = seconds(self.task.common.settings().refresh_deadline_sec);
        // A refresh may have to wait for watches first.
        let is_refresh = |waiting: &&Waiting| matches!(waiting.kind, Kind::Refresh(..) | Kind::Watch(_));
        let since = self.waiting.values().filter(is_refresh).map(|waiting| waiting.since).min()?;
        let age = since.elapsed();
        (age >= limit).then(|| format!("no answer for {} s", age.as_secs()))
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Refresh(answer) => self.refresh(answer),
            Order::Act(act) => {
                let is_busy = self.waiting.values().any(|waiting| matches!(waiting.kind, Kind::Act(..)));
                match self.late() {
                    Some(reason) => drop(act.answer.send(Some(reason))),
                    None if is_busy => drop(act.answer.send(Some("it is still busy with earlier commands".to_owned()))),
                    None => self.act(act),
                }
            }
            Order::Clean { older_than, answer } => {
                let fence = open(&self.task.book).fence;
                self.send(RequestBody::Clean { fence, older_than: older_than.as_secs() }, Kind::Clean(answer));
            }
            Order::Containers { argv, every, answer } => {
                let fence = open(&self.task.book).fence;
                let body = RequestBody::Containers { fence, argv, every: every.as_secs() };
                self.send(body, Kind::Containers(answer));
            }
        }
    }

    fn refresh(&mut self, answer: oneshot::Sender<Result<(), String>>) {
        if let Some(reason) = self.late() {
            open(&self.task.book).set_state(DroneState::Late);
            drop(answer.send(Err(reason)));
            return;
        }
        let (question, unclaimed) = {
            let book = open(&self.task.book);
            (book.question(), book.ask_unclaimed)
        };
        // One that was sent under an older fence, or before it was known what to watch, will not tell what is asked now.
        let asked = self.waiting.values_mut().find_map(|waiting| match &mut waiting.kind {
            Kind::Refresh(sent, answers) if *sent == question => Some(answers),
            Kind::Refresh(..)
            | Kind::Act(..)
            | Kind::Watch(_)
            | Kind::Clean(_)
            | Kind::Containers(_)
            | Kind::Transfers
            | Kind::Transferred => None,
        });
        if let Some(answers) = asked {
            answers.push(answer);
            return;
        }
        // A refresh that overtakes a watch would say that nothing is there, which may not be so.
        self.watch_unknown();
        if self.waiting.values().any(|waiting| matches!(waiting.kind, Kind::Watch(_))) {
            self.held.push(answer);
            return;
        }
        let body = RequestBody::Refresh { fence: question.fence, unclaimed };
        self.send(body, Kind::Refresh(question, vec![answer]));
    }

    /// Sends the next portion, if somebody still waits for it.
    fn act(&mut self, mut act: Act) {
        let portion = {
            let mut ticket = act.ticket.lock().unwrap_or_else(PoisonError::into_inner);
            match act.portions.pop_front() {
                Some(_) if ticket.withdrawn => return,
                Some(portion) => {
                    ticket.sent += portion.len();
                    Some(portion)
                }
                None => None,
            }
        };
        match portion {
            None => drop(act.answer.send(None)),
            Some(commands) => {
                let watched = commands.iter().map(watches).collect();
                self.send(RequestBody::Act { fence: act.fence, commands }, Kind::Act(act, watched));
            }
        }
    }

    /// Has the agent watch what it may not know of: everything, on a new connection; and what was to be watched by commands
    /// that were not sent or not answered.
    fn watch_unknown(&mut self) {
        let (fence, numbers, commands) = {
            let book = open(&self.task.book);
            let watch = |(number, numbered): (PidfileId, &super::book::Numbered)| {
                let (path, name) = (numbered.path.clone(), numbered.name.clone());
                (number, AgentCommand::Watch { number: number.0, path, name })
            };
            let (numbers, commands): (Vec<_>, Vec<_>) = book.unknown_to_agent().map(watch).unzip();
            (book.fence, numbers, commands)
        };
        let is_asked = |number: &PidfileId| {
            self.waiting.values().any(|waiting| matches!(&waiting.kind, Kind::Watch(asked) if asked.contains(number)))
        };
        if numbers.iter().any(|number| !is_asked(number)) {
            self.send(RequestBody::Act { fence, commands }, Kind::Watch(numbers));
        }
    }

    /// The agent has answered to watches; refreshes that waited for it can be sent, unless it could not look.
    fn watches_known(&mut self, numbers: &[PidfileId], outcomes: Vec<Outcome>) {
        let mut trouble = None;
        {
            let mut book = open(&self.task.book);
            for (number, outcome) in numbers.iter().zip(outcomes) {
                match outcome {
                    Outcome::Done | Outcome::Killed => book.known_to_agent(*number),
                    Outcome::Failed { lasting: true, .. } => book.out_of_sight(*number),
                    Outcome::Failed { why, lasting: false } => trouble = Some(why),
                }
            }
        }
        let held = std::mem::take(&mut self.held);
        match trouble {
            None => held.into_iter().for_each(|answer| self.refresh(answer)),
            Some(why) => give_up(held, &why),
        }
    }

    fn hear(&mut self, reply: Reply) {
        let Some(Waiting { since, kind }) = self.waiting.remove(&reply.id) else { return };
        match (kind, reply.body) {
            (Kind::Refresh(question, answers), ReplyBody::News(news)) => {
                if self.transfers.wants_more(news.transfers) {
                    self.send(RequestBody::Transfers, Kind::Transfers);
                }
                for why in &news.complaints {
                    warn!(drone = %self.task.address.name, why, "the drone could not carry out a command");
                }
                let deadline = seconds(self.task.common.settings().refresh_deadline_sec);
                let mut book = open(&self.task.book);
                book.answered(question, since.elapsed(), deadline);
                book.ask_unclaimed &= news.fence != book.fence;
                let is_of_before = question != book.question();
                book.hear(news);
                drop(book);
                if is_of_before {
                    // It says nothing of what whoever waits now wants to know.
                    return answers.into_iter().for_each(|answer| self.refresh(answer));
                }
                answers.into_iter().for_each(|answer| drop(answer.send(Ok(()))));
            }
            (Kind::Act(act, watched), ReplyBody::Acted(outcomes)) => {
                if act.fence == open(&self.task.book).fence {
                    let known = watched.into_iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Outcome::Done);
                    known
                        .filter_map(|(number, _)| number)
                        .for_each(|number| open(&self.task.book).known_to_agent(number));
                }
                act.ticket.lock().unwrap_or_else(PoisonError::into_inner).outcomes.extend(outcomes);
                self.act(act);
            }
            (Kind::Clean(answer), ReplyBody::Cleaned { deleted, failed }) => {
                drop(answer.send(Ok(Cleaned { deleted, failed })))
            }
            (Kind::Containers(answer), ReplyBody::Containers { failure }) => drop(answer.send(Ok(failure))),
            (Kind::Transfers, ReplyBody::Transfers(pending)) => self.transfers.fetch(pending),
            (Kind::Watch(numbers), ReplyBody::Acted(outcomes)) => self.watches_known(&numbers, outcomes),
            (Kind::Transferred, ReplyBody::Done) => {}
            (kind, ReplyBody::Refused(refusal)) => {
                let reason = refusal.to_string();
                if open(&self.task.book).note_error(reason.clone()) {
                    warn!(drone = %self.task.address.name, reason, "the drone refuses");
                }
                give_up(std::mem::take(&mut self.held), &reason);
                kind.give_up(&reason);
            }
            (kind, other) => {
                let reason = format!("the agent gave an answer to another question: {other:?}");
                kind.give_up(&reason);
                self.has_dead = Some(format!(" ({reason})"));
            }
        }
    }
}
