//! Cleaning containers that tests have left behind, by a program of the operator's choice: now and then, and beside
//! everything else. When it was begun and how it went is a file in the results directory, so that it is not begun more often
//! because agents or schedulers come and go.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

use super::claim::{read_json, replace_file, to_json};
use super::error::{AgentError, During};
use super::paths::Results;

/// The program gets so long, and is killed then.
const LIMIT: Duration = Duration::from_secs(1800);
/// How often is looked whether it has ended.
const PACE: Duration = Duration::from_millis(100);
/// So much of the end of what it has said is told.
const SAID: usize = 500;

/// The last cleaning.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Record {
    /// Seconds since 1970.
    begun: u64,
    /// Why it failed, until that was told.
    failure: Option<String>,
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Begins to clean if it is time. Gives what went wrong the last time, if that was not told yet.
///
/// # Errors
/// If the record cannot be read or written: nothing is begun then.
pub(super) fn clean(results: &Results, argv: Vec<String>, every: u64) -> Result<Option<String>, AgentError> {
    let file = results.ours("containers.json");
    let last: Option<Record> = read_json(&file)?;
    let is_due = last.as_ref().is_none_or(|last| last.begun.saturating_add(every) <= now());
    let failure = last.as_ref().and_then(|last| last.failure.clone());
    let begun = if is_due { now() } else { last.map_or(0, |last| last.begun) };
    if is_due || failure.is_some() {
        replace_file(&file, &to_json(&Record { begun, failure: None }))?;
    }
    if is_due {
        let results = results.clone();
        std::thread::spawn(move || {
            if let Err(failure) = run(&results, &argv) {
                let record = Record { begun, failure: Some(failure) };
                // On a full disk nobody hears of it; the next attempt comes all the same.
                let _ = replace_file(&results.ours("containers.json"), &to_json(&record));
            }
        });
    }
    Ok(failure)
}

fn run(results: &Results, argv: &[String]) -> Result<(), String> {
    let (program, arguments) = argv.split_first().ok_or("no program is named")?;
    let log = open_log(results).map_err(|error| error.to_string())?;
    let output = || log.try_clone().map_err(|error| format!("its log cannot be used: {error}"));
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(results.root())
        .stdin(Stdio::null())
        .stdout(output()?)
        .stderr(output()?)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{program} cannot be run: {error}"))?;
    let mut waited = Duration::ZERO;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(describe(program, status, log)),
            Ok(None) if waited < LIMIT => {
                std::thread::sleep(PACE);
                waited += PACE;
            }
            Ok(None) => {
                if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
                    // It may be over just now.
                    let _ = kill_process_group(group, Signal::KILL);
                }
                let _ = child.wait();
                return Err(format!("{program} did not end within {} s and was killed", LIMIT.as_secs()));
            }
            Err(error) => return Err(format!("{program} cannot be waited for: {error}")),
        }
    }
}

fn open_log(results: &Results) -> Result<File, AgentError> {
    let file = results.ours("containers.log");
    File::options().create(true).truncate(true).read(true).write(true).open(&file).during("open", &file)
}

fn describe(program: &str, status: ExitStatus, mut log: File) -> String {
    let mut bytes = Vec::new();
    // What it said helps, but is not needed.
    let _ = log.seek(SeekFrom::Start(0)).and_then(|_| log.read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim();
    let end = &text[text.ceil_char_boundary(text.len().saturating_sub(SAID))..];
    let said = end.lines().collect::<Vec<_>>().join(" / ");
    format!("{program} ended with {status}{}{said}", if said.is_empty() { "" } else { ": " })
}
