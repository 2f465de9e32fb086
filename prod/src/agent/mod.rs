//! What runs on a drone, and the messages it understands.
//!
//! * `protocol` has the messages, `frames` how they go over a channel.
//! * `serve` answers them, `watch` reads pidfiles, `kill` ends processes, `files` copies and appends, `backlog` does so when
//!   it takes long, `transfer` hands results to the repository.
//! * `launch` starts a process, `claim` keeps it from being started twice, `fence` keeps older schedulers out, `supervise`
//!   writes pidfiles for programs that do not.
//! * `containers` cleans up containers now and then.
//! * `paths` says which paths may be named at all, `processes` reads the process table.
//! * `practice` is a test driver for trying things out.
//!
//! The agent remembers nothing: whatever must outlive it lies in files in the results directory, and processes go on
//! without it.

mod backlog;
mod claim;
mod cli;
mod containers;
mod error;
mod fence;
mod files;
pub mod frames;
mod kill;
mod launch;
mod paths;
mod practice;
mod processes;
pub mod protocol;
mod serve;
mod supervise;
mod transfer;
mod watch;

pub use cli::main;
pub use error::AgentError;
pub use paths::{Place, Results};
pub(crate) use processes::ProcessIdentity;
pub(crate) use transfer::MISSING;

/// The name of the agent's program. The main program is the agent, too, when it is started under this name.
pub const PROGRAM: &str = "yardmaster-drone";
