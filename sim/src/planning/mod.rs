//! planning
pub mod statistics;
