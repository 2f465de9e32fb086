//! The system's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use yardmaster_engine::{Clock, Time};

/// The clock of this machine. Times are microseconds since 1970, UTC.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        // A clock before 1970 is one that was never set; the engine only needs it not to go back.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    async fn sleep_until(&mut self, until: Time) {
        let left = until.0.saturating_sub(self.now().0);
        if let Ok(left) = u64::try_from(left) {
            tokio::time::sleep(Duration::from_micros(left)).await;
        }
    }
}
