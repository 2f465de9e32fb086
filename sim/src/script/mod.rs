//! Scripted scenarios: what the lab looks like, what happens to it step by step, and what must hold after each step.
//!
//! `format` reads the files, `player` runs the scheduler, `view` shows what there is to see, `expect` compares. The format
//! is described in docs/scenario-format.md.

mod expect;
mod format;
mod player;
mod view;

pub use format::{
    Action, Expect, FormatError, LoadedScript, Script, ScriptDrone, ScriptHost, ScriptLabel, ScriptUser, Step, load,
    parse_lines, parse_toml,
};
pub use player::{FakeEngine, Player, Problem, play};
pub(crate) use player::{default_job, poll_now};
