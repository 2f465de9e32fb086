//! Workload runs: a plan goes through the engine, and an observer notes what it is there for.
//!
//! | file | story |
//! | --- | --- |
//! | `driver` | jumps from one moment at which something can happen to the next |
//! | `board` | the database of a run |
//! | `fate`, `pinned` | how processes go; jobs that ask for one very host |
//! | `observer` | what a run is told by: submissions, processes, ticks |
//! | `recorder` | everything that happened, as a `Recording` |
//! | `measures`, `measurement` | little of it, for those who ask for thousands of runs |
//! | `attribution`, `cause` | to what every moment of waiting is owed |
//! | `level`, `load`, `kinds`, `stage` | what is integrated over hours; how much runs at once; kinds of hosts and of requests; stages of an entry |
//! | `parts` | what in a lab has nothing to do with what else |

mod attribution;
mod board;
mod cause;
mod driver;
mod fate;
mod kinds;
mod level;
mod load;
mod measurement;
mod measures;
mod observer;
mod parts;
mod pinned;
mod recorder;
mod stage;

use yardmaster_engine::{EngineError, Time};

use crate::recording::Recording;
use crate::workload::Plan;
use attribution::Attributing;
use driver::Run;
use measures::Measures;
use recorder::Recorder;

pub use cause::{Attribution, Cause, JobCauses, Owed};
pub use measurement::{Grid, HostUse, Hourly, JobOutcome, KindMeasure, Load, Measurement, SuiteOutcome, Wait, Window};
pub use parts::{fit, identify, parts};

/// How far a run has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Simulated moment.
    pub now: Time,
    /// Jobs that have ended.
    pub jobs_ended: usize,
    /// Jobs that have been submitted.
    pub jobs_submitted: usize,
    /// Ticks so far.
    pub ticks: u64,
}

/// Runs a plan to its end. `progress` is called now and then, a few thousand times a second at most.
///
/// # Errors
/// If the engine gives up, which on fake drones and an in-memory store would be a defect.
pub fn simulate(plan: &Plan, seed: u64, progress: impl FnMut(Progress)) -> Result<Recording, EngineError> {
    let (recorder, end, ticks) = Run::new(plan, Recorder::new(plan, seed))?.play(progress)?;
    Ok(recorder.finish(end, ticks))
}

/// Runs a plan until the window is over and every job that was submitted within it has ended, its suite's children
/// included, or until the plan ends; and takes its measures. Memory: a few words a job, and the hours of the window.
///
/// # Errors
/// As [`simulate`].
pub fn measure(plan: &Plan, window: Window) -> Result<Measurement, EngineError> {
    let (measures, end, ticks) = Run::new(plan, Measures::new(plan, window))?.play(|_| {})?;
    Ok(measures.finish(end, ticks))
}

/// As [`measure`], of a run that goes on until the plan ends: all of its load is seen, whenever the jobs of the window have ended.
///
/// # Errors
/// As [`simulate`].
pub fn measure_to_the_end(plan: &Plan, window: Window) -> Result<Measurement, EngineError> {
    let (measures, end, ticks) = Run::new(plan, Measures::new(plan, window).going_to_the_end())?.play(|_| {})?;
    Ok(measures.finish(end, ticks))
}

/// As [`measure`], and finds out to what every moment of waiting is owed. Slower: the scheduler is asked for its reasons
/// after every tick.
///
/// # Errors
/// As [`simulate`].
pub fn attribute(plan: &Plan, window: Window) -> Result<(Measurement, Attribution), EngineError> {
    let observer = Attributing::new(Measures::new(plan, window), plan.jobs.len());
    let (observer, end, ticks) = Run::new(plan, observer)?.play(|_| {})?;
    Ok(observer.finish(end, ticks))
}
