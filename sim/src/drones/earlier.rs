//! Processes that ran before the fake drones were there: those of a lab that is taken over as it is.

use smallvec::SmallVec;
use yardmaster_engine::{DroneId, ExecutionPath, PidfileName, Span, Work};

use super::{Clock, Due, FakeDrones, FakeProcess, Fate, ProcessKey, Stage};

/// How a process that was started earlier stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// It runs, and will end after so long, unless somebody ends it.
    Runs {
        /// From now on.
        remaining: Span,
        /// Its wait status then.
        exit_status: i32,
        /// How many of its tests will have failed.
        tests_failed: u32,
    },
    /// It has ended, and its pidfile is still there.
    Ended {
        /// Its wait status.
        exit_status: i32,
        /// How many of its tests failed.
        tests_failed: u32,
    },
}

impl<F: Fate> FakeDrones<F> {
    /// Puts a process on a drone that was started earlier. Whoever watches its pidfile finds it.
    pub fn put_earlier(
        &mut self,
        drone: DroneId,
        (path, name): (ExecutionPath, PidfileName),
        work: Work,
        processes: u32,
        earlier: Earlier,
    ) -> ProcessKey {
        let key = self.next;
        self.next += 1;
        let stage = match earlier {
            Earlier::Runs { remaining, exit_status, tests_failed } => {
                self.plan(self.clock.now() + remaining, key, Due::End { exit_status, tests_failed });
                Stage::Running
            }
            Earlier::Ended { exit_status, tests_failed } => Stage::Ended { exit_status, tests_failed },
        };
        self.files.insert((drone, path.clone(), name), key);
        let watched_as = SmallVec::new();
        let process =
            FakeProcess { path, name, work, drone, processes, stage, hidden: false, dying: false, watched_as };
        self.processes.insert(key, process);
        key
    }
}
