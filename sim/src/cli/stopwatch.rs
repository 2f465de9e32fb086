//! The only place that reads this machine's clock: how long things took, for people, never for a result.

use std::time::Duration;

/// Runs from its creation on.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::disallowed_types, reason = "measures this program, not the simulation")]
pub(crate) struct Stopwatch {
    started: std::time::Instant,
}

impl Stopwatch {
    #[expect(clippy::disallowed_types, reason = "measures this program, not the simulation")]
    pub(crate) fn start() -> Stopwatch {
        Stopwatch { started: std::time::Instant::now() }
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.started.elapsed()
    }
}
