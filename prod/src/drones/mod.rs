//! The engine's drones: agents on this machine and over SSH.
//!
//! * `backend` is the engine's `DroneBackend`: [`Drones`]; `under_way` is what it has sent and has yet to hear of.
//! * `fleet` keeps the roster and a `task` for each drone, which owns the connection (`channel`) and waits so that nobody
//!   else has to; `book` is what is known of the drone over all connections.
//! * `translate` turns the engine's commands into an agent's, with the facts of `briefings` and the command lines of
//!   `commands`.
//! * `transfers` fetches results, and `arrival` puts them into the repository; `install` puts the agent on a drone.
//! * `address` says where drones are and how long is waited for them.

mod address;
mod arrival;
mod backend;
mod book;
mod briefings;
mod channel;
mod commands;
mod fleet;
mod install;
mod task;
mod transfers;
mod translate;
mod under_way;

pub use address::{Connection, DroneAddress, DroneSettings, SshAddress, SshOptions};
pub use backend::Drones;
pub use book::{DroneHealth, DroneState};
pub use briefings::{Abort, Brief, BriefingError, Briefings, ControlType, HostBrief, JobBrief, MemoryBriefings};
pub use channel::ConnectError;
pub use commands::{Commands, Template, TemplateError, WorkName};
pub use fleet::{Cleaned, Fleet};
pub use install::{InstallError, check, install};
