//! A batch of commands on its way to its drone, and what becomes of it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tracing::warn;
use yardmaster_engine::{ActOutcome, ActReport, Command, DroneId};

use super::book::{DroneState, SharedBook, open};
use super::task::Ticket;
use crate::agent::protocol::{Outcome, Seen};

/// See the module.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) drone: DroneId,
    /// Its name.
    pub(super) name: String,
    pub(super) book: SharedBook,
    pub(super) commands: Vec<Command>,
    /// For every command, how many agent commands it became.
    pub(super) parts: Vec<usize>,
    pub(super) ticket: Arc<Mutex<Ticket>>,
    pub(super) answer: oneshot::Receiver<Option<String>>,
    /// It is waited for no longer than until then.
    pub(super) deadline: Instant,
    /// It is over; and why not all was answered, if so.
    pub(super) ended: Option<Option<String>>,
}

/// What has become of a batch.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// What is not certain to have been done: in the order of the commands, a report for each run of them of which the same
    /// is known.
    pub(super) reports: Vec<ActReport>,
    /// What need not be sent again.
    pub(super) done: Vec<Command>,
}

/// What is known of a command that was not confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certainty {
    NotDone,
    /// It had been sent.
    Unknown,
}

/// A report for each run of commands of which the same is known.
fn reports(drone: DroneId, commands: &[(Command, Certainty)], why: &str) -> Vec<ActReport> {
    let report = |run: &[(Command, Certainty)]| ActReport {
        drone,
        outcome: match run.first().map(|(_, certainty)| *certainty) {
            Some(Certainty::Unknown) => ActOutcome::Unknown(why.to_owned()),
            Some(Certainty::NotDone) | None => ActOutcome::NotDone(why.to_owned()),
        },
        undelivered: run.iter().map(|(command, _)| command.clone()).collect(),
    };
    commands.chunk_by(|(_, one), (_, next)| one == next).map(report).collect()
}

impl UnderWay {
    /// Whether its drone answers, and takes long to.
    pub(super) fn is_slow(&self) -> bool {
        let book = open(&self.book);
        book.is_slow && book.health.state == DroneState::Up
    }

    /// Waits until that moment. Tells whether it is over: answered, or too late for an answer.
    pub(super) async fn is_over(&mut self, until: Instant) -> bool {
        if self.ended.is_none() {
            self.ended = match timeout_at(until.min(self.deadline), &mut self.answer).await {
                Ok(Ok(reason)) => Some(reason),
                Ok(Err(_)) => Some(Some("the drone was let go".to_owned())),
                Err(_) if Instant::now() >= self.deadline => {
                    open(&self.book).is_slow = true;
                    Some(Some("no answer in time".to_owned()))
                }
                Err(_) => None,
            };
        }
        self.ended.is_some()
    }

    /// What is to be said of commands, some of which may be this batch's and sent again, as long as it is not over.
    pub(super) fn unanswered(&self, commands: Vec<Command>) -> Vec<ActReport> {
        let what_is_known = |command: Command| {
            let certainty = if self.commands.contains(&command) { Certainty::Unknown } else { Certainty::NotDone };
            (command, certainty)
        };
        let commands: Vec<(Command, Certainty)> = commands.into_iter().map(what_is_known).collect();
        reports(self.drone, &commands, "it is slow, and has yet to answer to earlier commands")
    }

    /// Nothing further of it must be sent.
    pub(super) fn withdraw(self) {
        self.ticket.lock().unwrap_or_else(PoisonError::into_inner).withdrawn = true;
    }

    /// Takes in what was answered. What is sent of it from here on would not be heard of.
    pub(super) fn settle(mut self) -> Settled {
        let (sent, outcomes) = {
            let mut ticket = self.ticket.lock().unwrap_or_else(PoisonError::into_inner);
            ticket.withdrawn = true;
            (ticket.sent, std::mem::take(&mut ticket.outcomes))
        };
        let (undelivered, done, complaint) = self.sort_out(outcomes, sent);
        if undelivered.is_empty() {
            open(&self.book).knows_watches();
        }
        let why = self.ended.take().flatten().or(complaint).unwrap_or_else(|| "it was not done".to_owned());
        Settled { reports: reports(self.drone, &undelivered, &why), done }
    }

    /// Takes in what was answered of the first `sent` parts. Gives the commands that must be sent again, those that need not,
    /// and what went wrong, if the agent told.
    fn sort_out(
        &mut self,
        outcomes: Vec<Outcome>,
        sent: usize,
    ) -> (Vec<(Command, Certainty)>, Vec<Command>, Option<String>) {
        let mut outcomes = outcomes.into_iter();
        let (mut undelivered, mut done) = (Vec::new(), Vec::new());
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
                continue;
            }
            if let Command::Forget { pidfile } = command {
                open(&self.book).forgotten(pidfile);
            }
            done.push(command);
        }
        (undelivered, done, complaint)
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
