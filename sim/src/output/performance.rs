//! How fast a machine simulated: the only output that differs from one machine, or moment, to the next.

use std::time::Duration;

use serde::Serialize;

use crate::recording::Recording;

/// How fast a run was simulated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Performance {
    /// Version of the simulator.
    pub version: &'static str,
    /// Operating system and processor architecture, as `linux-x86_64`.
    pub platform: String,
    /// Real seconds that the simulation took, without the writing of outputs.
    pub wall_time: f64,
    /// Simulated seconds in one real second.
    pub speedup: f64,
    /// Ticks of the scheduler in one real second.
    pub ticks_per_second: f64,
    /// Jobs in one real second.
    pub jobs_per_second: f64,
    /// Processes of drones in one real second.
    pub processes_per_second: f64,
}

impl Performance {
    /// The performance of a run that took so long.
    pub fn of(recording: &Recording, wall_time: Duration) -> Performance {
        // A run too short for the clock still has finite figures.
        let seconds = wall_time.as_secs_f64().max(1e-6);
        Performance {
            version: env!("CARGO_PKG_VERSION"),
            platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
            wall_time: wall_time.as_secs_f64(),
            speedup: (recording.end - recording.start).as_seconds_f64() / seconds,
            ticks_per_second: recording.ticks as f64 / seconds,
            jobs_per_second: recording.jobs.len() as f64 / seconds,
            processes_per_second: recording.processes.len() as f64 / seconds,
        }
    }
}
