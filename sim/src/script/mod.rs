//! Scripted scenarios: what the lab looks like, what happens to it step by step, and what must hold after each step.
//!
//! `format` reads the files, `lab` sets up what they describe, `player` runs the scheduler, `actions` does what a step
//! says, `view` shows what there is to see, `expect` compares. The format
//! is described in docs/scenario-format.md.

mod actions;
mod expect;
mod format;
mod lab;
mod player;
mod view;

pub use format::{
    Action, Expect, FormatError, LoadedScript, Script, ScriptDrone, ScriptHost, ScriptLabel, ScriptUser, Step, Submit,
    load, parse_lines, parse_toml,
};
pub use lab::tables;
pub(crate) use lab::{default_job, poll_now};
pub use player::{FakeEngine, Player, Problem, play};
