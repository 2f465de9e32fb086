//! The data that scheduling is about: words and rows.

mod rows;
mod words;

pub use rows::{Drone, DroneSet, Entry, Host, Ineligible, Job, Label, SpecialTask, Subdir, User};
pub use words::{EntryStatus, HandOffLevel, HostStatus, Protection, RebootAfter, RebootBefore, TaskKind, UnknownWord};
