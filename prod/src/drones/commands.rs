//! Which program is run for what, with which arguments.

use std::fmt;

use serde::{Deserialize, Serialize};
use yardmaster_engine::{TaskKind, WorkKind};

use super::address::DroneAddress;
use super::briefings::{Brief, ControlType};

/// A fact that a command line may contain, written `{name}` in its template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placeholder {
    ResultsDir,
    Hosts,
    Owner,
    JobName,
    ControlFile,
    ControlType,
    Tag,
    RequireSsp,
    ParentJob,
    JobLabels,
    Protection,
    TestRetry,
    JobId,
    Drone,
}

impl Placeholder {
    const ALL: [(&'static str, Placeholder); 14] = [
        ("results_dir", Placeholder::ResultsDir),
        ("hosts", Placeholder::Hosts),
        ("owner", Placeholder::Owner),
        ("job_name", Placeholder::JobName),
        ("control_file", Placeholder::ControlFile),
        ("control_type", Placeholder::ControlType),
        ("tag", Placeholder::Tag),
        ("require_ssp", Placeholder::RequireSsp),
        ("parent_job", Placeholder::ParentJob),
        ("job_labels", Placeholder::JobLabels),
        ("protection", Placeholder::Protection),
        ("test_retry", Placeholder::TestRetry),
        ("job_id", Placeholder::JobId),
        ("drone", Placeholder::Drone),
    ];
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Fact(Placeholder),
}

/// The command line for one kind of work. Each text of the list is split at spaces into arguments, and is left out as a
/// whole if a placeholder in it has nothing to say: `"-m {hosts}"` gives two arguments, or none for a hostless job. Spaces
/// in what a placeholder stands for split nothing, and no shell reads the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Template {
    texts: Vec<String>,
    /// Groups of arguments of pieces.
    groups: Vec<Vec<Vec<Piece>>>,
}

/// A template that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No such placeholder.
    #[error("unknown placeholder {{{name}}} in {text:?}: expected one of {}", known())]
    Unknown {
        /// Its name.
        name: String,
        /// Where it stands.
        text: String,
    },
    /// A brace without its other half.
    #[error("a brace without its other half in {0:?}: placeholders are written {{hosts}}")]
    Brace(String),
    /// Nothing to run.
    #[error("a command needs at least the path of a program, without placeholders")]
    NoProgram,
}

fn known() -> String {
    Placeholder::ALL.map(|(name, _)| format!("{{{name}}}")).join(", ")
}

fn pieces(argument: &str, text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = argument;
    while let Some(start) = rest.find(['{', '}']) {
        let inner = rest[start..].strip_prefix('{').ok_or_else(|| TemplateError::Brace(text.to_owned()))?;
        let (name, after) = inner.split_once('}').ok_or_else(|| TemplateError::Brace(text.to_owned()))?;
        let fact = Placeholder::ALL.into_iter().find(|(known, _)| *known == name);
        let unknown = || TemplateError::Unknown { name: name.to_owned(), text: text.to_owned() };
        pieces.push(Piece::Text(rest[..start].to_owned()));
        pieces.push(Piece::Fact(fact.ok_or_else(unknown)?.1));
        rest = after;
    }
    pieces.push(Piece::Text(rest.to_owned()));
    pieces.retain(|piece| *piece != Piece::Text(String::new()));
    Ok(pieces)
}

impl TryFrom<Vec<String>> for Template {
    type Error = TemplateError;

    fn try_from(texts: Vec<String>) -> Result<Self, TemplateError> {
        let group = |text: &String| text.split_ascii_whitespace().map(|argument| pieces(argument, text)).collect();
        let groups: Vec<Vec<Vec<Piece>>> = texts.iter().map(group).collect::<Result<_, _>>()?;
        match groups.first().and_then(|group| group.first()).map(Vec::as_slice) {
            Some([Piece::Text(_)]) => Ok(Template { texts, groups }),
            _ => Err(TemplateError::NoProgram),
        }
    }
}

impl From<Template> for Vec<String> {
    fn from(template: Template) -> Vec<String> {
        template.texts
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts.join(" "))
    }
}

/// The facts of one start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// Absolute, on the drone.
    pub(super) results_dir: &'a str,
    /// Absolute, on the drone.
    pub(super) control_file: &'a str,
    /// The execution path.
    pub(super) tag: &'a str,
    /// The drone's name.
    pub(super) drone: &'a str,
    pub(super) brief: &'a Brief,
}

impl Facts<'_> {
    fn value(&self, placeholder: Placeholder) -> String {
        let job = self.brief.job.as_ref();
        let hosts = &self.brief.hosts;
        let of_job = |value: fn(&super::briefings::JobBrief) -> String| job.map(value).unwrap_or_default();
        match placeholder {
            Placeholder::ResultsDir => self.results_dir.to_owned(),
            Placeholder::ControlFile => self.control_file.to_owned(),
            Placeholder::Tag => self.tag.to_owned(),
            Placeholder::Drone => self.drone.to_owned(),
            Placeholder::JobId => of_job(|job| job.id.to_string()),
            Placeholder::Hosts => hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>().join(","),
            Placeholder::Protection => {
                hosts.first().map(|host| host.protection.as_str().to_uppercase().replace(' ', "_")).unwrap_or_default()
            }
            Placeholder::Owner => of_job(|job| job.owner.clone()),
            Placeholder::JobName => of_job(|job| job.name.clone()),
            Placeholder::ControlType => of_job(|job| match job.control_type {
                ControlType::Server => "-s".to_owned(),
                ControlType::Client => "-c".to_owned(),
            }),
            Placeholder::RequireSsp => {
                of_job(|job| if job.require_ssp { "--require-ssp".to_owned() } else { String::new() })
            }
            Placeholder::ParentJob => of_job(|job| job.parent.map(|id| id.to_string()).unwrap_or_default()),
            Placeholder::JobLabels => of_job(|job| job.labels.join(",")),
            Placeholder::TestRetry => {
                of_job(|job| if job.test_retry > 0 { job.test_retry.to_string() } else { String::new() })
            }
        }
    }
}

impl Template {
    /// Program and arguments of something that concerns a drone as a whole: of the facts only `{results_dir}`, the whole of
    /// the results there, and `{drone}` say anything.
    pub(super) fn line_of_drone(&self, address: &DroneAddress) -> Vec<String> {
        let results = address.results_dir.to_string_lossy();
        let brief = Brief::default();
        self.line(&Facts { results_dir: &results, control_file: "", tag: "", drone: &address.name, brief: &brief })
    }

    /// Program and arguments.
    pub(super) fn line(&self, facts: &Facts<'_>) -> Vec<String> {
        let mut line = Vec::new();
        for group in &self.groups {
            let mut arguments = Vec::new();
            let mut says_nothing = false;
            for argument in group {
                let mut text = String::new();
                for piece in argument {
                    match piece {
                        Piece::Text(plain) => text.push_str(plain),
                        Piece::Fact(placeholder) => {
                            let value = facts.value(*placeholder);
                            says_nothing |= value.is_empty();
                            text.push_str(&value);
                        }
                    }
                }
                arguments.push(text);
            }
            if !says_nothing {
                line.append(&mut arguments);
            }
        }
        line
    }
}

/// The command lines for all kinds of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Commands {
    /// A test.
    pub test: Template,
    /// Verify.
    pub verify: Template,
    /// Cleanup.
    pub cleanup: Template,
    /// Reset.
    pub reset: Template,
    /// Repair.
    pub repair: Template,
    /// Provision.
    pub provision: Template,
    /// The gathering of crash information.
    pub gather: Template,
    /// The parser.
    pub parse: Template,
    /// The runner of a job that is handed off. The agent always writes its pidfile.
    pub handoff: Template,
    /// What cleans orphaned containers on a drone, where that is enabled.
    pub clean_containers: Template,
    /// Added to the niceness of every process.
    pub nice: i32,
    /// The kinds of work whose programs write no pidfile: the agent does it for them.
    pub supervise: Vec<WorkName>,
}

/// The kinds of work, as the settings name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkName {
    /// A test.
    Test,
    /// Verify.
    Verify,
    /// Cleanup.
    Cleanup,
    /// Reset.
    Reset,
    /// Repair.
    Repair,
    /// Provision.
    Provision,
    /// The gathering of crash information.
    Gather,
    /// The parser.
    Parse,
    /// The runner of a job that is handed off.
    Handoff,
}

impl From<WorkKind> for WorkName {
    fn from(kind: WorkKind) -> WorkName {
        match kind {
            WorkKind::Test => WorkName::Test,
            WorkKind::Gather => WorkName::Gather,
            WorkKind::Parse => WorkName::Parse,
            WorkKind::HandOff => WorkName::Handoff,
            WorkKind::Special(TaskKind::Verify) => WorkName::Verify,
            WorkKind::Special(TaskKind::Cleanup) => WorkName::Cleanup,
            WorkKind::Special(TaskKind::Reset) => WorkName::Reset,
            WorkKind::Special(TaskKind::Repair) => WorkName::Repair,
            WorkKind::Special(TaskKind::Provision) => WorkName::Provision,
        }
    }
}

impl Commands {
    /// The command lines of Autotest, with these programs for `autoserv` and for the parser. Each may have arguments of its
    /// own, as words.
    ///
    /// # Errors
    /// If a program's path has braces in it.
    pub fn autotest(autoserv: &[&str], parser: &[&str]) -> Result<Commands, TemplateError> {
        let template = |program: &[&str], more: &[&str]| {
            Template::try_from(program.iter().chain(more).map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        let host = |more: &[&str]| {
            let common =
                ["-p", "-r {results_dir}", "-m {hosts}", "-u {owner}", "-l {job_name}", "--verbose", "--lab True"];
            template(autoserv, &[&common, more].concat())
        };
        Ok(Commands {
            test: host(&[
                "{control_type}",
                "-P {tag}",
                "--test-retry={test_retry}",
                "{require_ssp}",
                "--parent_job_id={parent_job}",
                "--verify_job_repo_url",
                "-n",
                "{control_file}",
            ])?,
            verify: host(&["-v", "--job-labels {job_labels}"])?,
            cleanup: host(&["--cleanup", "--job-labels {job_labels}"])?,
            reset: host(&["--reset", "--job-labels {job_labels}"])?,
            repair: host(&["-R", "--host-protection {protection}", "--job-labels {job_labels}"])?,
            provision: host(&["--provision", "--job-labels {job_labels}"])?,
            gather: host(&["--pidfile-label=collect_crashinfo", "--use-existing-results", "--collect-crashinfo"])?,
            parse: template(parser, &["--write-pidfile", "-l 2", "-r", "-o", "{results_dir}"])?,
            clean_containers: template(&["/usr/local/autotest/site_utils/lxc_cleanup.py"], &["-x", "-v"])?,
            handoff: template(&["/usr/local/bin/yardmaster"], &["run-job {job_id}", "--drone {drone}"])?,
            nice: 10,
            supervise: Vec::new(),
        })
    }

    /// Command lines for the practice driver that comes with the agent: nothing is done to any host.
    ///
    /// # Errors
    /// If the program's path has braces in it.
    pub fn practice(agent: &str) -> Result<Commands, TemplateError> {
        let runner = [agent, "practice", "runner", "--handoff", "-r {results_dir}"].map(str::to_owned).to_vec();
        let commands = Commands::autotest(&[agent, "practice", "autoserv"], &[agent, "practice", "parse"])?;
        Ok(Commands { handoff: Template::try_from(runner)?, ..commands })
    }

    /// Whether the agent writes the pidfile of such a process. A runner may be any program, and is not asked to.
    pub(super) fn supervises(&self, kind: WorkKind) -> bool {
        kind == WorkKind::HandOff || self.supervise.contains(&WorkName::from(kind))
    }

    pub(super) fn template(&self, kind: WorkKind) -> &Template {
        match WorkName::from(kind) {
            WorkName::Test => &self.test,
            WorkName::Verify => &self.verify,
            WorkName::Cleanup => &self.cleanup,
            WorkName::Reset => &self.reset,
            WorkName::Repair => &self.repair,
            WorkName::Provision => &self.provision,
            WorkName::Gather => &self.gather,
            WorkName::Parse => &self.parse,
            WorkName::Handoff => &self.handoff,
        }
    }
}

impl Default for Commands {
    /// Autotest where it is usually installed.
    fn default() -> Self {
        Commands::autotest(&["/usr/local/autotest/server/autoserv"], &["/usr/local/autotest/tko/parse"])
            .expect("the built-in templates are correct")
    }
}
