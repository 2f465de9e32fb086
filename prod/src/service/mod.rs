//! The service: one scheduler on one database, from its start to its end.
//!
//! * [`serve`] is that story: connect, begin a term, recover, tick, stop. Signals, the lifetime and systemd are here.
//! * [`config`] is what an operator can set; [`logging`] and `announce` say what happens, `mail` says it to people,
//!   `metrics` to Prometheus.
//! * `containers` has drones clean containers.
//! * `subnets` finds out which hosts and drones are in restricted subnets.
//! * `roster` knows how drones are reached, `briefings` what their processes need to know; both ask the database.

mod announce;
mod board;
mod briefings;
mod cleaning;
mod clock;
pub mod config;
mod containers;
mod holder;
pub mod logging;
mod mail;
mod metrics;
mod program;
mod reload;
mod roster;
mod serve;
mod subnets;
mod trouble;

pub use briefings::SqlBriefings;
pub use clock::SystemClock;
pub use program::agent_program;
pub(crate) use serve::open_database;
pub use serve::{Ending, ServeOptions, serve};
pub use subnets::{Places, Whereabouts};
