//! What a user sees of a simulated run, made from its [`Recording`](crate::recording::Recording) alone.
//!
//! * [`write_all`] fills a folder: CSV tables (`tables`), `summary.json` (`summary`), pictures (`plots`) and the page
//!   that shows them (`report`). Their columns and units are in `docs/outputs.md`.
//! * [`Summary`] has the figures of a run, [`terminal_table`] shows them on a terminal; both and the report share the
//!   tables of `sheets`.
//! * [`digest`] proves that two runs did the same.
//! * [`Performance`] is about the machine that simulated, and kept apart so that the rest is reproducible.
//!
//! Underneath: `decimal` writes numbers exactly, `quantiles` defines percentiles, `derived` the times that follow from
//! the recorded ones, `duration` how people read them.

mod decimal;
mod derived;
mod digest;
mod duration;
mod performance;
pub(crate) mod plots;
mod quantiles;
mod report;
#[cfg(test)]
mod sample;
mod sheets;
mod summary;
mod tables;
mod terminal;
#[cfg(test)]
mod tests;
mod write;

pub use decimal::Decimal;
pub use digest::digest;
pub(crate) use duration::{grouped_count, readable_duration};
pub use performance::Performance;
pub use quantiles::Distribution;
pub use summary::{
    Comparison, DroneUse, HostsOfKind, JobCounts, Lab, ProcessCount, STRETCH_BOUND_SECONDS, Summary, WaitComparison,
    Waits, WaitsByGroup,
};
pub use terminal::terminal_table;
pub(crate) use write::{Folder, write_json, write_pictures};
pub use write::{OutputError, RunSummary, write_all, write_performance};
