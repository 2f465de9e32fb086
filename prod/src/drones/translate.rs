//! The engine's commands as an agent understands them: numbers become paths, work becomes a command line with its files,
//! notes become lines of text. All of it is in Autotest's formats.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use yardmaster_engine::{Command, EntryId, ExecutionPath, ResultNote, Time, Work, WorkKind};

use super::address::DroneAddress;
use super::book::Book;
use super::briefings::{Abort, Brief, HostBrief, JobBrief};
use super::commands::{Commands, Facts};
use crate::agent::protocol::{AgentCommand, AppendText, FileText, Seen, StartOrder};

/// The control file as the job was queued with it. The test driver leaves its own copy under another name.
const CONTROL_FILE: &str = "control.queued";

const LOST_PROCESS: &str = "The test driver disappeared without an exit status: it was killed, or its drone went down.\n\
    The results may be incomplete. The job counts as failed.\n";

/// What a translation needs besides the command.
pub(super) struct Surroundings<'a> {
    pub(super) address: &'a DroneAddress,
    pub(super) commands: &'a Commands,
    /// The results repository, if there is to be one. It may be out of reach for the moment.
    pub(super) repository: Option<&'a Path>,
    pub(super) aborts: &'a BTreeMap<EntryId, Abort>,
}

/// What an agent has to do for a command; `brief` is that of a start. The book learns which numbers mean what.
pub(super) fn translate(
    command: &Command,
    brief: Option<&Result<Brief, String>>,
    book: &mut Book,
    around: &Surroundings<'_>,
) -> Vec<AgentCommand> {
    match command {
        Command::Watch { pidfile, path, name } => {
            let (number, path, name) = (pidfile.0, path.to_string(), name.as_str().to_owned());
            book.look_for(*pidfile, path.clone(), name.clone());
            vec![AgentCommand::Watch { number, path, name }]
        }
        Command::Start { pidfile, path, name, work, processes: _ } => {
            book.want(*pidfile, path.to_string(), name.as_str().to_owned());
            match brief {
                Some(Ok(brief)) => {
                    let start = around.start(path, work, brief);
                    let start = StartOrder { number: pidfile.0, name: name.as_str().to_owned(), ..start };
                    vec![AgentCommand::Start(Box::new(start))]
                }
                Some(Err(why)) => {
                    book.tell(*pidfile, Seen::Corrupt(format!("no process was started: {why}")));
                    Vec::new()
                }
                None => Vec::new(),
            }
        }
        Command::Kill { pidfile } => {
            let known = book.get(*pidfile);
            known
                .map(|known| AgentCommand::Kill { path: known.path.clone(), name: known.name.clone() })
                .into_iter()
                .collect()
        }
        Command::Forget { pidfile } => {
            book.forget(*pidfile);
            vec![AgentCommand::Forget { number: pidfile.0 }]
        }
        Command::Write { path, note } => around.note(path, note),
        Command::CopyOnDrone { from, to } => vec![AgentCommand::Copy { from: from.to_string(), to: to.to_string() }],
        Command::CopyToRepository { path } => around.to_repository(path),
    }
}

fn append(path: &ExecutionPath, file: &str, text: String, once: &str) -> AgentCommand {
    let text = AppendText { file: file.to_owned(), text, once: Some(format!(".{once}")) };
    AgentCommand::Append { path: path.to_string(), text }
}

/// A line of a keyval file. What Autotest could not read back is left out.
fn keyval(key: &str, value: &str) -> String {
    let is_plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if is_plain { format!("{key}={}\n", value.replace(['\n', '\r'], " ")) } else { String::new() }
}

fn local(time: Time) -> String {
    let moment = Timestamp::from_second(time.as_seconds()).unwrap_or_default();
    moment.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// As in a URL, so that a label may contain commas.
fn url_quoted(label: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte);
    let quote = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    label.bytes().map(quote).collect()
}

fn host_keyvals(host: &HostBrief) -> FileText {
    let labels: Vec<String> = host.labels.iter().map(|label| url_quoted(label)).collect();
    let platform = host.platform.as_deref().unwrap_or("None");
    let text = format!("{}{}", keyval("platform", platform), keyval("labels", &labels.join(",")));
    FileText { file: format!("host_keyvals/{}", host.name), text }
}

fn job_keyvals(job: &JobBrief) -> String {
    let given: String = job.keyvals.iter().map(|(key, value)| keyval(key, value)).collect();
    given + &keyval("job_queued", &job.created_on.as_seconds().to_string())
}

impl Surroundings<'_> {
    fn start(&self, path: &ExecutionPath, work: &Work, brief: &Brief) -> StartOrder {
        let tag = path.to_string();
        let results = self.address.results_dir.join(&tag);
        let control = results.join(CONTROL_FILE);
        let facts = Facts {
            results_dir: &results.to_string_lossy(),
            control_file: &control.to_string_lossy(),
            tag: &tag,
            drone: &self.address.name,
            brief,
        };
        let mut files = Vec::new();
        let mut append = Vec::new();
        match (work.kind, &brief.job) {
            // A runner may start the test itself, and finds what the test would have found.
            (WorkKind::Test | WorkKind::HandOff, Some(job)) => {
                files.push(FileText { file: CONTROL_FILE.to_owned(), text: job.control_file.clone() });
                files.extend(brief.hosts.iter().map(host_keyvals));
                let (file, text) = ("keyval".to_owned(), job_keyvals(job));
                append.push(AppendText { file, text, once: Some(".job_queued".to_owned()) });
            }
            (WorkKind::Special(_), _) => files.extend(brief.hosts.iter().map(host_keyvals)),
            (WorkKind::Test | WorkKind::HandOff | WorkKind::Gather | WorkKind::Parse, _) => {}
        }
        StartOrder {
            number: 0,
            path: tag.clone(),
            name: String::new(),
            argv: self.commands.template(work.kind).line(&facts),
            environment: BTreeMap::new(),
            working_directory: String::new(),
            files,
            append,
            nice: self.commands.nice,
            supervise: self.commands.supervises(work.kind),
        }
    }

    fn note(&self, path: &ExecutionPath, note: &ResultNote) -> Vec<AgentCommand> {
        match note {
            ResultNote::JobQueued(time) => {
                vec![append(path, "keyval", keyval("job_queued", &time.as_seconds().to_string()), "job_queued")]
            }
            ResultNote::JobFinished(time) => {
                vec![append(path, "keyval", keyval("job_finished", &time.as_seconds().to_string()), "job_finished")]
            }
            ResultNote::LostProcess => {
                let file = FileText { file: "job_failure".to_owned(), text: LOST_PROCESS.to_owned() };
                vec![AgentCommand::WriteIfAbsent { path: path.to_string(), file }]
            }
            ResultNote::Aborted(entries) => self.aborted(path, entries),
        }
    }

    /// Once for every path and first entry. Nobody is known to have done it: then the scheduler itself has.
    fn aborted(&self, path: &ExecutionPath, entries: &[EntryId]) -> Vec<AgentCommand> {
        let Some(first) = entries.first() else { return Vec::new() };
        let abort = entries.iter().find_map(|entry| self.aborts.get(entry));
        let by = abort.map_or("autotest_system", |abort| abort.by.as_str());
        let on = abort.map_or_else(super::book::now, |abort| abort.on);
        let keyvals = keyval("aborted_by", by) + &keyval("aborted_on", &on.as_seconds().to_string());
        let by = by.replace(['\n', '\r', '\t'], " ");
        let line = format!("INFO\t----\t----\tJob aborted by {by} on {}\n", local(on));
        vec![
            append(path, "keyval", keyvals, &format!("aborted-{first}")),
            append(path, "status.log", line, &format!("aborted-{first}-status")),
        ]
    }

    /// Nothing, if there is no repository, or the results are known to lie in it. Where that cannot be seen they are noted
    /// down on the drone all the same: what is not would never be fetched.
    fn to_repository(&self, path: &ExecutionPath) -> Vec<AgentCommand> {
        match self.repository.map(|repository| self.address.is_in(repository)) {
            None | Some(Some(true)) => Vec::new(),
            Some(Some(false) | None) => vec![AgentCommand::QueueTransfer { path: path.to_string() }],
        }
    }
}
