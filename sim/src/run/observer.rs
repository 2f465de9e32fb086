//! Who runs a plan decides what is noted of it.

use yardmaster_engine::{Changes, Core, DroneId, Time, Work};

use crate::drones::ProcessKey;

/// Is told what happens in a run, and keeps of it what it is there for.
///
/// Of each kind of thing it is told in the order in which it happens. Processes end and jobs are submitted between two
/// ticks, and the scheduler learns of it in the next: these moments lie before that of the tick that is told of with them.
pub(super) trait Observer {
    /// Whether the run may end with its last tick.
    fn has_seen_enough(&self) -> bool;

    /// Jobs that have ended.
    fn jobs_ended(&self) -> usize;

    /// Whether a test of this job has started, or the job has ended without one.
    fn is_served(&self, job: u32) -> bool;

    /// A job with so many entries was submitted; entries are numbered in the order of submission.
    fn job_submitted(&mut self, job: usize, at: Time, entries: usize);

    /// A host was locked or unlocked by its operators.
    fn host_locked(&mut self, now: Time, host: u32, locked: bool);

    /// A process was started on a drone, where it counts as so many.
    fn process_started(&mut self, key: ProcessKey, work: &Work, drone: DroneId, processes: u32, now: Time);

    /// A process has ended: with a wait status and a number of failed tests, or without a trace.
    fn process_ended(&mut self, key: ProcessKey, end: Option<(i32, u32)>, at: Time);

    /// A tick is over: what it committed, and the scheduler as it left it. Until the next tick nothing changes there.
    fn ticked(&mut self, now: Time, changes: &Changes, core: &Core);
}
