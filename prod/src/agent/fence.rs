//! Whose results these are, and which scheduler's commands count: only the newest term's. Both are files in the results
//! directory, so that they hold for all agents that work there at once, and for all to come.

use std::fs::{File, OpenOptions, TryLockError};
use std::time::Duration;

use super::claim::{create_file, replace_file};
use super::error::{AgentError, During};
use super::paths::Results;
use super::protocol::Refusal;

/// For so long a start under way may hold up a newer term.
const PATIENCE: Duration = Duration::from_secs(5);

fn lock_file(results: &Results) -> Result<File, AgentError> {
    let file = results.ours("term.lock");
    OpenOptions::new().create(true).truncate(false).write(true).open(&file).during("open", &file)
}

fn highest(results: &Results) -> Result<u64, AgentError> {
    let file = results.ours("term");
    match std::fs::read_to_string(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error).during("read", &file),
        Ok(text) => {
            text.trim().parse().map_err(|_| AgentError::Nonsense { path: file, cause: "it is no number".to_owned() })
        }
    }
}

fn check(results: &Results, term: u64) -> Result<u64, AgentError> {
    let newer = highest(results)?;
    if newer > term { Err(Refusal::OlderTerm { mine: term, newer }.into()) } else { Ok(newer) }
}

/// Lets a term's commands in, and from then on none of an older one.
///
/// # Errors
/// If the term is over, or a start of an older one does not come to an end.
pub(super) fn enter(results: &Results, term: u64) -> Result<(), AgentError> {
    if check(results, term)? == term {
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
                let why = "a start of an older term is stuck half-way: look for a stopped `yardmaster-drone launch` on the drone";
                return Err(Refusal::Failed(why.to_owned()).into());
            }
            Err(TryLockError::Error(error)) => return Err(error).during("lock", &results.ours("term.lock")),
        }
    }
    if check(results, term)? == term {
        return Ok(());
    }
    replace_file(&results.ours("term"), term.to_string().as_bytes())
}

/// Does something of which it must be certain that no newer term has begun before it is done.
///
/// # Errors
/// If the term is over, or as `act` does.
pub(super) fn guarded<T>(
    results: &Results,
    term: u64,
    act: impl FnOnce() -> Result<T, AgentError>,
) -> Result<T, AgentError> {
    let lock = lock_file(results)?;
    lock.lock_shared().during("lock", &results.ours("term.lock"))?;
    check(results, term)?;
    act()
}

/// Makes the results directory a lab's, if it is nobody's yet.
///
/// # Errors
/// If it is another lab's.
pub(super) fn belong(results: &Results, lab: &str) -> Result<(), AgentError> {
    let file = results.ours("lab");
    let stands = std::fs::read_to_string(&file).is_ok();
    if !stands {
        create_file(&file, lab.as_bytes())?;
    }
    let theirs = std::fs::read_to_string(&file).during("read", &file)?;
    if theirs.trim() == lab.trim() {
        return Ok(());
    }
    let results = results.root().display().to_string();
    Err(Refusal::OtherLab { results, mine: lab.to_owned(), theirs: theirs.trim().to_owned() }.into())
}
