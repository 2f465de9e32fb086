//! planning
mod change;
mod error;
mod file;
mod objective;
mod patch;
pub mod statistics;
mod study;
pub use change::{Change, Level, Point};
pub use error::PlanError;
pub use objective::{Grouping, JobGroup, Objective, Restriction, Target};
pub use study::{Search, Simulation, Study};
