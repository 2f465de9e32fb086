//! Recordings for tests: a tiny one made by hand, and a large, plausible one.

mod month;
mod tiny;

pub(super) use month::month;
pub(super) use tiny::tiny;
