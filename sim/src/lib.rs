//! WIP
#![allow(missing_docs)]
pub mod recording;
pub mod workload { pub mod plan; }
