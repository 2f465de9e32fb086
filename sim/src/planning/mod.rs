//! planning
mod cache;
mod change;
mod error;
mod evaluate;
mod figures;
mod file;
mod objective;
mod observation;
mod patch;
pub mod statistics;
mod study;
pub use change::{Change, Level, Point};
pub use error::PlanError;
pub use objective::{Grouping, JobGroup, Objective, Restriction, Target};
pub use study::{Search, Simulation, Study};
