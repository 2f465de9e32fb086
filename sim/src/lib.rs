//! WIP
#![allow(missing_docs)]
pub mod clock;
pub mod drones;
pub mod frontend;
pub mod host_list;
pub mod output;
pub mod recording;
pub mod script;
pub mod store;
pub mod workload { pub mod plan; }
