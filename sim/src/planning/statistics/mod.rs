//! From replications to figures that can be defended.
//!
//! A replication is one simulated run with random numbers of its own; jobs within it depend on each other (they stand in one
//! queue), replications do not. So every interval here treats a replication, never a job, as the unit of observation.
//!
//! * `estimate`: means, ratios and shares with Student's intervals; differences are paired by replication.
//! * `waits`: a set of waits in constant memory; `sections`: those of many replications, with intervals for their quantiles.
//! * `warm_up`: how much of a run's beginning to leave out (MSER-5).
//! * `stability`: whether a queue grows without bound.

mod estimate;
mod sections;
mod stability;
mod waits;
mod warm_up;

pub use estimate::{Estimate, difference_of_shares, mean, part, ratio, share};
pub use sections::Sections;
pub use stability::{Growth, growth, slope};
pub use waits::Waits;
pub use warm_up::{WarmUp, warm_up};
