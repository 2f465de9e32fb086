//! Virtual time.

use std::cell::Cell;
use std::rc::Rc;

use yardmaster_engine::{Clock, Time};

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
