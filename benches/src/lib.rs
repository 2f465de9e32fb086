//! Labs for benchmarks: of any size, busy or idle, driven without a simulator so that only the scheduler is measured.
//!
//! The criterion benches in `benches/` and the table that `cargo run --release -p yardmaster-benches` prints use the same
//! labs. All times are CPU time: of the calling thread, or, of plans, which take all processors, of the process.

mod busy_lab;
mod event_queue;
mod lifecycles;
mod month;
mod placement;
mod plans;

pub use busy_lab::{BusyLab, LabSize};
pub use event_queue::run_bare_events;
pub use lifecycles::{LIFECYCLE_PROCESSES, lifecycle_plan};
pub use month::{month, month_window};
pub use placement::placement_problem;
pub use plans::{Differ, PlanSize, run_plan};
