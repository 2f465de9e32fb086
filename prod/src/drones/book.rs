//! What is known of one drone: kept over lost connections, shared by the backend and the task that speaks to the drone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use yardmaster_engine::{DroneAnswer, Fence, PidfileContents, PidfileEvent, PidfileId, Time};

use crate::agent::protocol::{AgentHello, AgentNews, Seen};

/// A drone that answers within this is not slow.
const SLOW: Duration = Duration::from_millis(500);

/// How the connection to a drone is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DroneState {
    /// It is being made for the first time.
    Connecting,
    /// The drone answers.
    Up,
    /// It is connected but did not answer in time.
    Late,
    /// There is no connection; it is tried again now and then.
    Down,
}

impl DroneState {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            DroneState::Connecting => "connecting",
            DroneState::Up => "up",
            DroneState::Late => "late",
            DroneState::Down => "down",
        }
    }
}

/// How a drone is, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroneHealth {
    /// How the connection is.
    pub state: DroneState,
    /// Since when.
    pub since: Time,
    /// How long the last refresh took.
    pub latency: Option<Duration>,
    /// Bytes that are free for its results.
    pub free_disk: Option<u64>,
    /// What its agent told of itself.
    pub agent: Option<AgentHello>,
    /// Results that wait to be fetched.
    pub transfers: u32,
    /// What went wrong last, and when.
    pub last_error: Option<(Time, String)>,
}

/// This moment.
pub(super) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// A pidfile with a number of this fence.
#[derive(Debug, Clone)]
pub(super) struct Numbered {
    pub(super) path: String,
    pub(super) name: String,
    /// Whether the engine wants to hear of it. One that is forgotten keeps its name until the agent knows, since commands
    /// that name its number may have to be sent again.
    pub(super) wanted: bool,
    /// Whether the agent at the other end of the present connection is known to watch it.
    known: bool,
    told: Option<Seen>,
    /// An agent of before has told of it, and the present one, who will if anything of it is left, has not yet.
    is_to_show: bool,
}

/// What a refresh asks for, and its answer speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) fence: Fence,
    watches: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) fence: Fence,
    numbers: BTreeMap<PidfileId, Numbered>,
    news: Vec<(PidfileId, PidfileEvent)>,
    unclaimed: Vec<String>,
    /// Whether processes that nobody claims have not been asked for in this term; and whether it is time to: the agent
    /// must know first what is watched.
    unclaimed_unknown: bool,
    pub(super) ask_unclaimed: bool,
    /// How often the engine has asked to watch pidfiles that it did not have started: an answer from before such a moment does
    /// not say that nothing is there.
    watches: u64,
    /// Whether the agent at the other end has answered since then.
    has_answered: bool,
    /// Whether it took long, the last time that it answered or should have.
    pub(super) is_slow: bool,
    pub(super) health: DroneHealth,
}

pub(super) type SharedBook = Arc<Mutex<Book>>;

pub(super) fn open(book: &SharedBook) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Book {
    pub(super) fn new() -> SharedBook {
        let health = DroneHealth {
            state: DroneState::Connecting,
            since: now(),
            latency: None,
            free_disk: None,
            agent: None,
            transfers: 0,
            last_error: None,
        };
        let (fence, numbers, news, unclaimed) = (Fence::default(), BTreeMap::new(), Vec::new(), Vec::new());
        Arc::new(Mutex::new(Book {
            fence,
            numbers,
            news,
            unclaimed,
            unclaimed_unknown: false,
            ask_unclaimed: false,
            watches: 0,
            has_answered: false,
            is_slow: false,
            health,
        }))
    }

    /// A new beginning: its numbers are other ones. What nobody claims is asked for once in a term.
    pub(super) fn enter(&mut self, fence: Fence) {
        if self.fence == fence {
            return;
        }
        let was_asked = self.fence.term == fence.term && !self.unclaimed_unknown && !self.ask_unclaimed;
        self.fence = fence;
        self.numbers.clear();
        self.news.clear();
        self.unclaimed.clear();
        (self.unclaimed_unknown, self.ask_unclaimed) = (!was_asked, false);
        self.has_answered = false;
    }

    /// The drone has joined the lab in the course of a term. What runs there is nobody's orphan: recovery is over.
    pub(super) fn join(&mut self, fence: Fence) {
        if self.fence != fence {
            self.enter(fence);
            self.unclaimed_unknown = false;
        }
    }

    /// The agent knows all that is watched.
    pub(super) fn knows_watches(&mut self) {
        self.ask_unclaimed |= std::mem::take(&mut self.unclaimed_unknown);
    }

    pub(super) fn want(&mut self, number: PidfileId, path: String, name: String) {
        let told = self.numbers.get(&number).and_then(|numbered| numbered.told.clone());
        self.numbers.insert(number, Numbered { path, name, wanted: true, known: false, told, is_to_show: false });
    }

    pub(super) fn get(&self, number: PidfileId) -> Option<&Numbered> {
        self.numbers.get(&number)
    }

    pub(super) fn forget(&mut self, number: PidfileId) {
        if let Some(numbered) = self.numbers.get_mut(&number) {
            numbered.wanted = false;
        }
        self.news.retain(|(of, _)| *of != number);
    }

    /// The agent knows that it is forgotten.
    pub(super) fn forgotten(&mut self, number: PidfileId) {
        if self.numbers.get(&number).is_some_and(|numbered| !numbered.wanted) {
            self.numbers.remove(&number);
        }
    }

    /// Something is to be looked for that was not started just now.
    pub(super) fn look_for(&mut self, number: PidfileId, path: String, name: String) {
        self.want(number, path, name);
        self.watches += 1;
        self.has_answered = false;
    }

    /// What a refresh would ask for now.
    pub(super) fn question(&self) -> Question {
        Question { fence: self.fence, watches: self.watches }
    }

    /// Whether all that the engine wants to know has been answered at least once, by an agent that is still there: what is
    /// new comes when it comes, and until then there is nothing new.
    pub(super) fn is_up_to_date(&self) -> bool {
        self.has_answered && self.health.state == DroneState::Up
    }

    /// A refresh was answered after so long. A tenth of what is waited for is much.
    pub(super) fn answered(&mut self, question: Question, took: Duration, deadline: Duration) {
        self.set_state(DroneState::Up);
        self.health.latency = Some(took);
        self.is_slow = took > SLOW.max(deadline / 10);
        // What comes too late every time would seem to answer and to fall silent in turns.
        self.has_answered = took < deadline && (self.has_answered || question == self.question());
    }

    /// Nothing came until the deadline.
    pub(super) fn was_late(&mut self) {
        self.is_slow = true;
        if self.health.state == DroneState::Up {
            self.set_state(DroneState::Late);
        }
    }

    /// A new connection watches nothing.
    pub(super) fn new_agent(&mut self) {
        self.has_answered = false;
        for numbered in self.numbers.values_mut() {
            numbered.known = false;
            numbered.is_to_show = numbered.told.is_some() && !numbered.is_over();
        }
    }

    /// The agent says that it never can watch it: it sees nothing of it, whatever there is.
    pub(super) fn out_of_sight(&mut self, number: PidfileId) {
        if let Some(numbered) = self.numbers.get_mut(&number) {
            (numbered.known, numbered.is_to_show) = (true, false);
        }
    }

    /// The agent watches it now.
    pub(super) fn known_to_agent(&mut self, number: PidfileId) {
        if let Some(numbered) = self.numbers.get_mut(&number) {
            numbered.known = true;
        }
    }

    /// What the agent must watch and is not known to.
    pub(super) fn unknown_to_agent(&self) -> impl Iterator<Item = (PidfileId, &Numbered)> {
        let is_unknown = |numbered: &Numbered| numbered.wanted && !numbered.known && !numbered.is_over();
        self.numbers.iter().filter(move |(_, numbered)| is_unknown(numbered)).map(|(id, numbered)| (*id, numbered))
    }

    /// Takes in an agent's news. What was said already is not said again. What an agent of before had seen, and this one, who
    /// watches it, sees nothing of, is gone: the results were emptied, or the drone was reinstalled.
    pub(super) fn hear(&mut self, news: AgentNews) {
        self.health.free_disk = Some(news.free_disk);
        self.health.transfers = news.transfers;
        if news.fence != self.fence {
            return;
        }
        for (number, seen) in news.pidfiles {
            self.tell(PidfileId(number), seen);
        }
        let unseen = self.numbers.iter().filter(|(_, numbered)| numbered.is_to_show);
        for number in unseen.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.tell(number, Seen::Vanished);
        }
        self.unclaimed.extend(news.unclaimed);
    }

    /// Something that has become known of a pidfile.
    pub(super) fn tell(&mut self, number: PidfileId, seen: Seen) {
        let Some(numbered) = self.numbers.get_mut(&number) else { return };
        numbered.is_to_show = false;
        if !numbered.wanted || numbered.is_over() || numbered.told.as_ref() == Some(&seen) {
            return;
        }
        numbered.told = Some(seen.clone());
        let event = match seen {
            Seen::Empty => PidfileEvent::Changed(PidfileContents::Empty),
            Seen::Running => PidfileEvent::Changed(PidfileContents::Running),
            Seen::Ended { exit_status, tests_failed } => {
                PidfileEvent::Changed(PidfileContents::Ended { exit_status, tests_failed })
            }
            Seen::Corrupt(what) => PidfileEvent::Changed(PidfileContents::Corrupt(what)),
            Seen::Vanished => PidfileEvent::Vanished,
        };
        self.news.push((number, event));
    }

    /// The news since the last time, and the processes that nobody claims.
    pub(super) fn news(&mut self) -> DroneAnswer {
        DroneAnswer::News { pidfiles: std::mem::take(&mut self.news), unclaimed: std::mem::take(&mut self.unclaimed) }
    }

    pub(super) fn set_state(&mut self, state: DroneState) {
        if self.health.state != state {
            self.health.state = state;
            self.health.since = now();
        }
    }

    /// Tells whether it is another error than the last.
    pub(super) fn note_error(&mut self, error: String) -> bool {
        let is_news = self.health.last_error.as_ref().is_none_or(|(_, last)| *last != error);
        self.health.last_error = Some((now(), error));
        is_news
    }
}

impl Numbered {
    /// Whether the last that can be told of it was told.
    fn is_over(&self) -> bool {
        match self.told {
            Some(Seen::Ended { .. } | Seen::Corrupt(_) | Seen::Vanished) => true,
            Some(Seen::Empty | Seen::Running) | None => false,
        }
    }
}
