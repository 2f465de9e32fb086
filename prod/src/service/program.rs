//! The agent's program on this machine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::agent::PROGRAM;

/// The agent's program: beside this one, where both were installed; else this very program under the agent's name, in a
/// folder of the caller's. (`cargo run` builds only the program that it runs.)
///
/// # Errors
/// If the folder cannot be written to.
pub fn agent_program(folder: &Path) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("this program does not know where it is")?;
    let beside = own.with_file_name(PROGRAM);
    if beside.is_file() {
        return Ok(beside);
    }
    let there = folder.join(PROGRAM);
    if there.exists() {
        fs::remove_file(&there).with_context(|| format!("cannot replace {}", there.display()))?;
    }
    // A symbolic link would not do: a program that is started through one knows itself by the name that it leads to.
    let linked = fs::hard_link(&own, &there).or_else(|_| fs::copy(&own, &there).map(|_| ()));
    linked.with_context(|| format!("cannot make {}", there.display()))?;
    Ok(there)
}
