//! WIP
#![allow(missing_docs)]
pub mod host_list;
pub mod recording;
pub mod workload;
