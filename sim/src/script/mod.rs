//! Scripted scenarios: what the lab looks like, what happens to it step by step, and what must hold after each step.
//!
//! `format` is what the files may say, `values` and `why` its narrower words; `reading` reads them. `lab` sets up what they
//! describe, `player` runs the scheduler, `actions` does what a step says, `view` shows what there is to see, `expect`
//! compares; a `problem` is why a scenario did not pass. The format is described in docs/scenario-format.md.

mod actions;
mod expect;
mod format;
mod lab;
mod player;
mod problem;
mod reading;
mod values;
mod view;
mod why;

pub use format::{Action, Expect, Script, ScriptDrone, ScriptHost, ScriptLabel, ScriptUser, Step, Submit};
pub use lab::tables;
pub(crate) use lab::{default_job, poll_now};
pub use player::{FakeEngine, Player, play};
pub use problem::Problem;
pub use reading::{FormatError, LoadedScript, load, parse_lines, parse_toml};
pub use values::Keyval;
pub use why::Why;
