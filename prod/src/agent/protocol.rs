//! The messages between a scheduler and the agent on a drone.
//!
//! Everything that is text here was written by the other side and is checked where it is used: a bad path fails its own
//! command and no other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use yardmaster_engine::Fence;

/// The version of these messages. An agent of another version is refused, and has to be installed anew.
pub const PROTOCOL: u32 = 2;

/// What a scheduler asks for. Requests may be sent before earlier ones are answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Comes back with the reply.
    pub id: u64,
    /// What is asked.
    pub body: RequestBody,
}

/// The kinds of request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestBody {
    /// The first request of every connection.
    Hello {
        /// The version that the scheduler speaks.
        protocol: u32,
        /// To which lab it belongs; a results directory belongs to one lab only …
        lab: String,
        /// … and to one drone of it, by name.
        #[serde(default)]
        drone: String,
    },
    /// Carry out commands, in this order, unless a newer fence is known.
    Act {
        /// Under which right.
        fence: Fence,
        /// What to do.
        commands: Vec<AgentCommand>,
    },
    /// Tell the news of all watched pidfiles since the last refresh of this connection.
    Refresh {
        /// Under which right. Numbers of older ones are forgotten.
        fence: Fence,
        /// Whether to tell also of processes that no watch claims.
        unclaimed: bool,
    },
    /// Tell which results wait to be fetched for the repository.
    Transfers,
    /// These results have arrived in the repository.
    Transferred {
        /// Which.
        transfer: PendingTransfer,
    },
    /// Delete results in which nothing has changed for so long, of paths where nothing is alive.
    Clean {
        /// Under which right.
        fence: Fence,
        /// In seconds.
        older_than: u64,
    },
    /// Clean orphaned containers, unless that was begun less than so long ago; and tell how it went the last time.
    Containers {
        /// The scheduler's fence.
        fence: Fence,
        /// The program that cleans, and its arguments. No shell reads them.
        argv: Vec<String>,
        /// In seconds.
        every: u64,
    },
}

/// Something to be done on the drone. Each may be sent again without harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentCommand {
    /// Report a pidfile from now on.
    Watch {
        /// Under this number.
        number: u32,
        /// In this results path.
        path: String,
        /// The pidfile's name.
        name: String,
    },
    /// Start a process, never twice for the same path and pidfile name, and watch its pidfile.
    Start(Box<StartOrder>),
    /// End the process of a pidfile, also one that comes later.
    Kill {
        /// Its results path.
        path: String,
        /// The pidfile's name.
        name: String,
    },
    /// Stop reporting a pidfile.
    Forget {
        /// Its number.
        number: u32,
    },
    /// Append to a file.
    Append {
        /// In this results path.
        path: String,
        /// What, and to which file.
        text: AppendText,
    },
    /// Write a file, unless there is one.
    WriteIfAbsent {
        /// In this results path.
        path: String,
        /// The file.
        file: FileText,
    },
    /// Copy results, but not pidfiles and claims. It is noted down and done later, and so is what is said of the path that is
    /// copied to until then.
    Copy {
        /// From here.
        from: String,
        /// To there.
        to: String,
    },
    /// Note that results are to be fetched for the repository.
    QueueTransfer {
        /// Which.
        path: String,
    },
}

/// A file with its contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileText {
    /// Its name, relative to the results path.
    pub file: String,
    /// Its contents.
    pub text: String,
}

/// Text for the end of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendText {
    /// The file's name, relative to the results path.
    pub file: String,
    /// Whole lines.
    pub text: String,
    /// What has been appended under a key is not appended under it again.
    pub once: Option<String>,
}

/// A process to be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartOrder {
    /// Report its pidfile under this number.
    pub number: u32,
    /// Its results path.
    pub path: String,
    /// Its pidfile's name.
    pub name: String,
    /// Program and arguments. No shell reads them.
    pub argv: Vec<String>,
    /// Variables added to the agent's own environment.
    pub environment: BTreeMap<String, String>,
    /// Where it runs; the results path if empty.
    pub working_directory: String,
    /// Files that are written before it starts.
    pub files: Vec<FileText>,
    /// Text that is appended before it starts.
    pub append: Vec<AppendText>,
    /// Added to its niceness.
    pub nice: i32,
    /// Whether the agent writes the pidfile, because the program does not.
    pub supervise: bool,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Of the request.
    pub id: u64,
    /// The answer.
    pub body: ReplyBody,
}

/// The kinds of answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyBody {
    /// To a hello.
    Hello(AgentHello),
    /// To commands: one outcome for each.
    Acted(Vec<Outcome>),
    /// To a refresh.
    News(AgentNews),
    /// To a question for transfers.
    Transfers(Vec<PendingTransfer>),
    /// Done.
    Done,
    /// To a cleaning: what was deleted, and what could not be.
    Cleaned {
        /// Results paths.
        deleted: Vec<String>,
        /// With their reasons.
        failed: Vec<String>,
    },
    /// To a wish for cleaned containers: why the last attempt failed, told once.
    Containers {
        /// For people; `None` if it did not fail, or that was told before.
        failure: Option<String>,
    },
    /// Nothing of the request was done.
    Refused(Refusal),
}

/// Who the agent is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentHello {
    /// The version of the messages that it speaks.
    pub protocol: u32,
    /// Its own version.
    pub version: String,
    /// The drone's name for itself.
    pub host: String,
    /// New with every boot of the drone.
    pub boot: String,
    /// Bytes that are free for results.
    pub free_disk: u64,
    /// Processors.
    pub cores: u32,
    /// The results directory, symlinks resolved.
    pub results: String,
}

/// Why a whole request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// A newer scheduler has been here, or the same one has begun anew.
    #[error("term {mine} is over: the drone has been given commands of term {newer}")]
    OlderTerm {
        /// The request's.
        mine: Fence,
        /// The one that counts.
        newer: Fence,
    },
    /// The results are another lab's.
    #[error(
        "the results directory {results} belongs to lab {theirs:?}, not to {mine:?}: give this drone a results directory \
         of its own, or delete {results}/.yardmaster/lab if the other lab is gone"
    )]
    OtherLab {
        /// The results directory.
        results: String,
        /// The scheduler's lab.
        mine: String,
        /// The directory's.
        theirs: String,
    },
    /// The results are another drone's.
    #[error(
        "the results directory {results} belongs to drone {theirs:?} of this lab: give {mine:?} one of its own, or delete \
         {results}/.yardmaster/drone if it is the same drone under a new name"
    )]
    OtherDrone {
        /// The results directory.
        results: String,
        /// The drone that was asked for.
        mine: String,
        /// The one that has it.
        theirs: String,
    },
    /// Another version of the messages.
    #[error(
        "the agent speaks protocol {agent}, the scheduler {scheduler}: `yardmaster drone upgrade` puts the scheduler's agent there"
    )]
    OtherProtocol {
        /// The agent's.
        agent: u32,
        /// The scheduler's.
        scheduler: u32,
    },
    /// It could not be done.
    #[error("{0}")]
    Failed(String),
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is done, now or earlier.
    Done,
    /// A start that came after its kill: it will never run.
    Killed,
    /// It was not done.
    Failed {
        /// Why.
        why: String,
        /// Whether it would fail for ever, as a bad path does, and a full disk does not.
        lasting: bool,
    },
}

/// The answer to a refresh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentNews {
    /// Under which the numbers were given.
    pub fence: Fence,
    /// By number, in order.
    pub pidfiles: Vec<(u32, Seen)>,
    /// Processes that no watch claims, for people.
    pub unclaimed: Vec<String>,
    /// Bytes that are free for results.
    pub free_disk: u64,
    /// How many results wait to be fetched.
    pub transfers: u32,
    /// What could not be done of what was put off, for people. Told once.
    #[serde(default)]
    pub complaints: Vec<String>,
}

/// What a pidfile and its process show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// The process was started and has written nothing.
    Empty,
    /// It runs.
    Running,
    /// It has ended.
    Ended {
        /// As wait(2) gives it.
        exit_status: i32,
        /// How many tests failed.
        tests_failed: u32,
    },
    /// The pidfile makes no sense.
    Corrupt(String),
    /// The process is gone without an exit status.
    Vanished,
}

/// Results that wait to be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingTransfer {
    /// Which.
    pub path: String,
    /// Changes whenever the transfer is asked for anew, so that what was asked for meanwhile is not taken for done.
    pub stamp: String,
}
