//! WIP
#![allow(missing_docs)]
pub mod output;
pub mod recording;
pub mod workload { pub mod plan; }
