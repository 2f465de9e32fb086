//! Whose results these are, and which scheduler's commands count: only those of the newest term, and in it of its newest
//! beginning. Both are files in the results directory, so that they hold for all agents that work there at once, and for all
//! to come.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use yardmaster_engine::{Fence, Term};

use super::claim::{create_file, replace_file};
use super::error::{AgentError, During};
use super::paths::Results;
use super::protocol::Refusal;

/// For so long a start under way may hold up a newer fence.
const PATIENCE: Duration = Duration::from_secs(5);

fn lock_file(results: &Results) -> Result<File, AgentError> {
    let file = results.ours("term.lock");
    OpenOptions::new().create(true).truncate(false).write(true).open(&file).during("open", &file)
}

/// The newest fence: a term and a beginning of it, in words of their own so that people can read them.
fn highest(results: &Results) -> Result<Fence, AgentError> {
    let file = results.ours("term");
    let text = match std::fs::read_to_string(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Fence::default()),
        other => other.during("read", &file)?,
    };
    let mut words = text.split_whitespace();
    let term = words.next().and_then(|word| word.parse().ok());
    // Agents of before knew of terms only.
    let beginning = words.next().map_or(Some(0), |word| word.parse().ok());
    match (term, beginning, words.next()) {
        (Some(term), Some(beginning), None) => Ok(Fence { term: Term(term), beginning }),
        _ => Err(AgentError::Nonsense { path: file, cause: "it is no term and beginning".to_owned() }),
    }
}

fn check(results: &Results, fence: Fence) -> Result<Fence, AgentError> {
    let newer = highest(results)?;
    if newer > fence { Err(Refusal::OlderTerm { mine: fence, newer }.into()) } else { Ok(newer) }
}

/// Lets a fence's commands in, and from then on none of an older one.
///
/// # Errors
/// If it is over, or a start of an older one does not come to an end.
pub(super) fn enter(results: &Results, fence: Fence) -> Result<(), AgentError> {
    if check(results, fence)? == fence {
        return Ok(());
    }
    let lock = lock_file(results)?;
    let pause = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if waited < PATIENCE => {
                std::thread::sleep(pause);
                waited += pause;
            }
            Err(TryLockError::WouldBlock) => {
                let why = "an older start is stuck half-way: look for a stopped `yardmaster-drone launch` on the drone";
                return Err(Refusal::Failed(why.to_owned()).into());
            }
            Err(TryLockError::Error(error)) => return Err(error).during("lock", &results.ours("term.lock")),
        }
    }
    if check(results, fence)? == fence {
        return Ok(());
    }
    replace_file(&results.ours("term"), format!("{} {}", fence.term, fence.beginning).as_bytes())
}

/// Does something of which it must be certain that no newer fence has begun before it is done.
///
/// # Errors
/// If it is over, or as `act` does.
pub(super) fn guarded<T>(
    results: &Results,
    fence: Fence,
    act: impl FnOnce() -> Result<T, AgentError>,
) -> Result<T, AgentError> {
    let lock = lock_file(results)?;
    lock.lock_shared().during("lock", &results.ours("term.lock"))?;
    check(results, fence)?;
    act()
}

/// Makes the results directory a drone's of a lab, if it is nobody's yet. Two drones with one directory would take each
/// other's processes for their own.
///
/// # Errors
/// If it is another lab's or another drone's.
pub(super) fn belong(results: &Results, lab: &str, drone: &str) -> Result<(), AgentError> {
    let place = || results.root().display().to_string();
    let theirs = claim_for(&results.ours("lab"), lab)?;
    if theirs != lab.trim() {
        return Err(Refusal::OtherLab { results: place(), mine: lab.to_owned(), theirs }.into());
    }
    let theirs = claim_for(&results.ours("drone"), drone)?;
    if theirs != drone.trim() {
        return Err(Refusal::OtherDrone { results: place(), mine: drone.to_owned(), theirs }.into());
    }
    Ok(())
}

/// Writes a name into a file, unless there is one. Gives the one that is there.
fn claim_for(file: &Path, name: &str) -> Result<String, AgentError> {
    if !file.is_file() {
        create_file(file, name.as_bytes())?;
    }
    Ok(std::fs::read_to_string(file).during("read", file)?.trim().to_owned())
}
