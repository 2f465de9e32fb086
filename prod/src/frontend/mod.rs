//! What people do to a lab, as functions over its database: each is one transaction, tried again when the database is busy,
//! and writes what Autotest's own frontend would write. The scheduler hears of it with its next poll.
//!
//! * [`jobs`], [`suites`], [`abort`]: submit and abort.
//! * [`hosts`], [`labels`], [`acls`], [`users`], [`drones`], [`tasks`]: what a lab consists of.
//! * [`view`]: reading it back, for tables and programs.
//! * [`why`]: why entries wait.
//! * `error`, `lookup`, `transaction`, `words`: what they share.

pub mod abort;
pub mod acls;
pub mod drones;
mod error;
pub mod hosts;
pub mod jobs;
pub mod labels;
mod lookup;
pub mod suites;
pub mod tasks;
mod transaction;
pub mod users;
pub mod view;
pub mod why;
mod words;

pub use error::{FrontendError, Thing};
pub use words::{ControlType, MetaHost, Priority};
