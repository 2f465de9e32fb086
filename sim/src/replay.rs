//! What a scheduler took in and decided, tick by tick, written to a file, and decided all over again from it.
//!
//! A file of JSON lines, each an [`Event`]: a core begins from rows; it hears a tick's inputs; it decides, told by the digest
//! of its decision; its settings change. The inputs are written before the core sees them: should it panic, the file ends
//! with what it choked on. `yardmaster serve --record FILE` writes such files, `yardmaster-sim replay FILE` reads them.

use std::io::{BufRead, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use yardmaster_engine::{Beginning, Core, Journal, LiveRows, Role, Settings, TickInput, TickOutput, Time};

/// One line of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A core begins.
    Begun {
        /// Its settings.
        settings: Box<Settings>,
        /// What it is there for.
        role: Role,
        /// The live rows.
        rows: Box<LiveRows>,
        /// When, in microseconds.
        now: Time,
        /// Whether hosts out of service get another chance.
        recover_hosts: bool,
        /// Whether it goes on numbering the pidfiles of the core before.
        again: bool,
    },
    /// A tick took this in.
    Heard {
        /// When, in microseconds.
        now: Time,
        /// What.
        input: TickInput,
    },
    /// The same tick decided.
    Decided {
        /// The BLAKE3 hash of the decision.
        digest: String,
    },
    /// The settings changed.
    Settings(Box<Settings>),
}

/// The hash of a decision: changes, commands, notices and counts, as JSON.
fn digest(output: &TickOutput) -> String {
    let text = serde_json::to_vec(output).expect("plain data with string keys can be written as JSON");
    blake3::hash(&text).to_hex().to_string()
}

/// A journal on any writer. Clones write to the same.
///
/// A scheduler must not stop because its journal cannot be written: the first failure ends the writing and is kept for
/// [`JournalWriter::failure`].
#[derive(Debug)]
pub struct JournalWriter<W> {
    shared: Arc<Mutex<Shared<W>>>,
}

#[derive(Debug)]
struct Shared<W> {
    out: W,
    failure: Option<String>,
}

impl<W> Clone for JournalWriter<W> {
    fn clone(&self) -> Self {
        JournalWriter { shared: Arc::clone(&self.shared) }
    }
}

impl<W: Write> JournalWriter<W> {
    /// A journal that writes there.
    pub fn new(out: W) -> Self {
        JournalWriter { shared: Arc::new(Mutex::new(Shared { out, failure: None })) }
    }

    /// Why nothing more is written, if so.
    pub fn failure(&self) -> Option<String> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).failure.clone()
    }

    /// What was written to, if nobody else writes to it any more.
    pub fn into_inner(self) -> Option<W> {
        let shared = Arc::into_inner(self.shared)?;
        Some(shared.into_inner().unwrap_or_else(PoisonError::into_inner).out)
    }

    fn write(&self, event: &Event) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.failure.is_some() {
            return;
        }
        let line = serde_json::to_string(event).expect("plain data with string keys can be written as JSON");
        if let Err(error) = writeln!(shared.out, "{line}").and_then(|()| shared.out.flush()) {
            shared.failure = Some(error.to_string());
        }
    }
}

impl<W: Write + Send> Journal for JournalWriter<W> {
    fn begun(&mut self, beginning: &Beginning<'_>) {
        self.write(&Event::Begun {
            settings: Box::new(beginning.settings.clone()),
            role: beginning.role,
            rows: Box::new(beginning.rows.clone()),
            now: beginning.now,
            recover_hosts: beginning.recover_hosts,
            again: beginning.again,
        });
    }

    fn heard(&mut self, now: Time, input: &TickInput) {
        self.write(&Event::Heard { now, input: input.clone() });
    }

    fn decided(&mut self, output: &TickOutput) {
        self.write(&Event::Decided { digest: digest(output) });
    }

    fn settings_changed(&mut self, settings: &Settings) {
        self.write(&Event::Settings(Box::new(settings.clone())));
    }
}

/// What a replay went through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Schedulers that began, those that began again included.
    pub beginnings: u64,
    /// Ticks that were decided again, all as recorded.
    pub ticks: u64,
    /// Inputs at the end of the file of which the decision was not recorded: the scheduler was stopped in that moment.
    pub undecided: u64,
    /// The BLAKE3 hash of all decisions in a row.
    pub digest: String,
}

/// Why a file cannot be replayed, or shows something else than was recorded.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file cannot be read.
    #[error("cannot read it: {0}")]
    Read(#[from] std::io::Error),
    /// A line makes no sense.
    #[error("line {line} is no event of a scheduler's journal: {cause}")]
    Malformed {
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        cause: String,
    },
    /// The engine decides otherwise today.
    #[error(
        "line {line}: tick {tick} decided otherwise than recorded (digest {found}, recorded {recorded}): the file comes \
         from another version of the engine, or the engine is not deterministic"
    )]
    Differs {
        /// The line of the recorded decision, counted from 1.
        line: u64,
        /// The tick, counted from 1 over the whole file.
        tick: u64,
        /// What was recorded.
        recorded: String,
        /// What was found.
        found: String,
    },
}

/// Decides everything in a journal again.
///
/// # Errors
/// If a line cannot be read, or a decision differs from the recorded one.
pub fn replay(journal: impl BufRead) -> Result<Replayed, ReplayError> {
    let mut replayed = Replayed::default();
    let mut all = blake3::Hasher::new();
    let mut core: Option<Core> = None;
    let mut found: Option<String> = None;
    for (number, text) in (1..).zip(journal.lines()) {
        let malformed = |cause: &str| ReplayError::Malformed { line: number, cause: cause.to_owned() };
        let event = serde_json::from_str(&text?).map_err(|error| malformed(&error.to_string()))?;
        match event {
            Event::Begun { settings, role, rows, now, recover_hosts, again } => {
                replayed.beginnings += 1;
                let next = match core.take().filter(|_| again) {
                    Some(core) => core.recover_again(*rows, now).0,
                    None => Core::recover_from(*settings, role, *rows, now, recover_hosts).0,
                };
                core = Some(next);
            }
            Event::Heard { now, input } => {
                let core = core.as_mut().ok_or_else(|| malformed("a tick before any scheduler began"))?;
                replayed.undecided += u64::from(found.is_some());
                found = Some(digest(&core.tick(now, input)));
            }
            Event::Decided { digest: recorded } => {
                let found = found.take().ok_or_else(|| malformed("a decision without a tick"))?;
                replayed.ticks += 1;
                if found != recorded {
                    return Err(ReplayError::Differs { line: number, tick: replayed.ticks, recorded, found });
                }
                all.update(found.as_bytes());
            }
            Event::Settings(settings) => {
                core.as_mut().ok_or_else(|| malformed("settings before any scheduler began"))?.set_settings(*settings);
            }
        }
    }
    replayed.undecided += u64::from(found.is_some());
    replayed.digest = all.finalize().to_hex().to_string();
    Ok(replayed)
}
