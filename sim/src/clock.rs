//! Virtual time, and how it jumps over ticks in which nothing can happen.

use std::cell::Cell;
use std::rc::Rc;

use yardmaster_engine::{Clock, Engine, Span, Store, Time};

use crate::drones::{FakeDrones, Fate};

/// A clock that stands still until it is told to move. Clones show the same time.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    now: Rc<Cell<Time>>,
}

impl VirtualClock {
    /// A clock that shows `start`.
    pub fn new(start: Time) -> VirtualClock {
        VirtualClock { now: Rc::new(Cell::new(start)) }
    }

    /// Moves to `to`, unless that lies in the past.
    pub fn advance_to(&self, to: Time) {
        self.now.set(self.now.get().max(to));
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Time {
        self.now.get()
    }

    async fn sleep_until(&mut self, until: Time) {
        self.advance_to(until);
    }
}

/// The ticks of a scheduler whose time jumps from one at which something can happen to the next. They lie on a grid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticks {
    begin: Time,
    length: Span,
    /// The first of the grid that is yet to come.
    next: Time,
}

impl Ticks {
    /// The first one may be at `begin`.
    pub(crate) fn from(begin: Time, length: Span) -> Ticks {
        Ticks { begin, length, next: begin }
    }

    /// One was at `begin`.
    pub(crate) fn after(begin: Time, length: Span) -> Ticks {
        Ticks { begin, length, next: begin + length }
    }

    /// The next tick at which something can happen: the very next one where the engine has news of any kind, else the first one
    /// once one of these moments has come, a process appears or ends, or the engine wakes by itself. `None`: never.
    pub(crate) fn next<F: Fate, S: Store>(
        &self,
        engine: &Engine<VirtualClock, FakeDrones<F>, S>,
        has_news: bool,
        moments: &[Option<Time>],
    ) -> Option<Time> {
        if has_news || engine.drones().has_pressing_news() || engine.has_backlog() {
            return Some(self.next);
        }
        let own = [engine.core().next_wake(), engine.drones().next_event()];
        let moment = moments.iter().copied().chain(own).flatten().min()?;
        let since = (moment - self.begin).0.max(0);
        let number = since.div_euclid(self.length.0) + i64::from(since.rem_euclid(self.length.0) > 0);
        Some((self.begin + self.length * number).max(self.next))
    }

    /// Leaves out the ticks before this one.
    pub(crate) fn jump_to<F: Fate, S: Store>(
        &mut self,
        tick: Time,
        engine: &mut Engine<VirtualClock, FakeDrones<F>, S>,
    ) {
        engine.clock_mut().advance_to(tick);
        engine.pass_idle_ticks(tick - self.length);
        self.next = tick + self.length;
    }
}
