//! Copies of results, of which one may take as long as it likes, and what follows them at the path that they are copied to:
//! done one after the other by a thread of their own, so that starts and kills need not wait. Each is a file in the results
//! directory until it is done. An agent that dies loses none of them; the next goes on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::claim::{create_file, read_json, to_json};
use super::error::{AgentError, During};
use super::files;
use super::paths::Results;
use super::protocol::AgentCommand;
use super::transfer;

/// What must not be given up is tried again after this.
const PAUSE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    waiting: Mutex<Waiting>,
    more: Condvar,
    /// What went wrong and was not told yet.
    complaints: Mutex<Vec<String>>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// In the order in which they are to be done; one that is being done is the first.
    items: VecDeque<Item>,
    /// The number of the last one's file.
    last: u64,
}

#[derive(Debug, Clone)]
struct Item {
    file: PathBuf,
    command: AgentCommand,
}

/// The results path whose files a command changes, where it is one of those that may have to wait for a copy.
fn target(command: &AgentCommand) -> Option<&str> {
    match command {
        AgentCommand::Copy { to: path, .. }
        | AgentCommand::Append { path, .. }
        | AgentCommand::WriteIfAbsent { path, .. }
        | AgentCommand::QueueTransfer { path } => Some(path),
        AgentCommand::Watch { .. }
        | AgentCommand::Start(_)
        | AgentCommand::Kill { .. }
        | AgentCommand::Forget { .. } => None,
    }
}

/// The results path that a command copies.
fn source(command: &AgentCommand) -> Option<&str> {
    match command {
        AgentCommand::Copy { from, .. } => Some(from),
        AgentCommand::Append { .. }
        | AgentCommand::WriteIfAbsent { .. }
        | AgentCommand::QueueTransfer { .. }
        | AgentCommand::Watch { .. }
        | AgentCommand::Start(_)
        | AgentCommand::Kill { .. }
        | AgentCommand::Forget { .. } => None,
    }
}

/// Does what a command says of files. What is about processes is not done here.
fn carry_out(results: &Results, command: &AgentCommand) -> Result<(), AgentError> {
    match command {
        AgentCommand::Copy { from, to } => files::copy(&results.place(from)?, &results.place(to)?),
        AgentCommand::Append { path, text } => files::append(results, &results.place(path)?, text),
        AgentCommand::WriteIfAbsent { path, file } => files::write_if_absent(results, &results.place(path)?, file),
        AgentCommand::QueueTransfer { path } => transfer::queue(results, &results.place(path)?),
        AgentCommand::Watch { .. }
        | AgentCommand::Start(_)
        | AgentCommand::Kill { .. }
        | AgentCommand::Forget { .. } => Ok(()),
    }
}

fn number(file: &Path) -> Option<u64> {
    file.file_name()?.to_str()?.strip_suffix(".json")?.parse().ok()
}

impl Backlog {
    /// What earlier agents have left.
    pub(super) fn resume(results: &Results) -> Backlog {
        let entries = fs::read_dir(results.ours("backlog")).into_iter().flatten().flatten();
        let numbered = entries.filter_map(|entry| Some((number(&entry.path())?, entry.path())));
        let files: BTreeMap<u64, PathBuf> = numbered.collect();
        let last = files.last_key_value().map_or(0, |(number, _)| *number);
        // One that cannot be read is no command of ours, or of a later version's; it stays where it is.
        let item = |file: PathBuf| Some(Item { command: read_json(&file).ok().flatten()?, file });
        let items = files.into_values().filter_map(item).collect();
        Backlog { waiting: Mutex::new(Waiting { items, last }), ..Backlog::default() }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what a command says of files, at once or later: a copy, and what has to follow one, later.
    ///
    /// # Errors
    /// If it cannot be done, or not be noted down for later.
    pub(super) fn take(&self, results: &Results, command: AgentCommand) -> Result<(), AgentError> {
        let mut waiting = self.waiting();
        let follows = waiting.items.iter().any(|item| target(&item.command) == target(&command));
        match (source(&command), target(&command)) {
            // A bad path is told at once.
            (Some(from), Some(to)) => files::check_copy(&results.place(from)?, &results.place(to)?)?,
            (None, Some(path)) if follows => drop(results.place(path)?),
            (Some(_) | None, None) | (None, Some(_)) => {
                drop(waiting);
                return carry_out(results, &command);
            }
        }
        let file = loop {
            waiting.last += 1;
            let file = results.ours("backlog").join(format!("{:012}.json", waiting.last));
            // Another agent may have the number.
            if create_file(&file, &to_json(&command))? {
                break file;
            }
        };
        waiting.items.push_back(Item { file, command });
        self.more.notify_all();
        Ok(())
    }

    /// Does what waits, for ever.
    pub(super) fn work_off(&self, results: &Results) {
        loop {
            let item = {
                let mut waiting = self.waiting();
                loop {
                    match waiting.items.front() {
                        Some(item) => break item.clone(),
                        None => waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                    }
                }
            };
            if let Err(error) = self.work_off_one(results, &item) {
                self.complain(error.to_string());
            }
            self.waiting().items.pop_front();
        }
    }

    fn work_off_one(&self, results: &Results, item: &Item) -> Result<(), AgentError> {
        // An agent of an earlier connection may be at it still.
        let lock = results.ours("backlog.lock");
        let guard = OpenOptions::new().create(true).truncate(false).write(true).open(&lock).during("open", &lock)?;
        guard.lock().during("lock", &lock)?;
        if !item.file.exists() {
            return Ok(());
        }
        let done = loop {
            match carry_out(results, &item.command) {
                // Results that nobody is told of would never be fetched. Without the others the job goes on.
                Err(error) if matches!(item.command, AgentCommand::QueueTransfer { .. }) && !error.is_lasting() => {
                    self.complain(error.to_string());
                    std::thread::sleep(PAUSE);
                }
                done => break done,
            }
        };
        fs::remove_file(&item.file).during("remove", &item.file)?;
        done
    }

    /// The same trouble is told once.
    fn complain(&self, complaint: String) {
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        if !complaints.contains(&complaint) {
            complaints.push(complaint);
        }
    }

    /// What went wrong since the last call.
    pub(super) fn take_complaints(&self) -> Vec<String> {
        std::mem::take(&mut self.complaints.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The results paths that are still to be read or written.
    pub(super) fn paths(&self) -> BTreeSet<String> {
        let waiting = self.waiting();
        let commands = waiting.items.iter().map(|item| &item.command);
        commands.flat_map(|command| [source(command), target(command)]).flatten().map(str::to_owned).collect()
    }
}
