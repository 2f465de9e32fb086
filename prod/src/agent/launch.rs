//! `yardmaster-drone launch`: a process of its own that becomes the process to be started. It leaves the agent's session,
//! writes what has to be there before, takes the claim, and only then turns into the program. What it is to do comes on
//! its standard input; how it went goes to its standard output, which closes when the program has taken over.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};
use yardmaster_engine::Fence;

use super::PROGRAM;
use super::claim::{Claim, KillMark, create_file};
use super::error::{AgentError, During};
use super::fence;
use super::files;
use super::paths::{Place, Results, pidfile_name};
use super::processes::ProcessIdentity;
use super::protocol::{Outcome, Refusal, StartOrder};
use super::supervise;

/// The wait status of a program that could not be run, as a shell gives it: exit 127.
const NOT_RUN: i32 = 127 << 8;

/// What the launcher is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LaunchOrder {
    pub(crate) fence: Fence,
    /// Whether the fence must still count when the claim is taken.
    pub(crate) fenced: bool,
    pub(crate) start: StartOrder,
}

/// What a launcher says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LaunchReply {
    /// The claim stands, its own or an older one.
    Claimed,
    /// A kill has come first.
    Killed,
    /// A newer term has begun.
    Refused(Refusal),
    /// It was not started.
    Failed {
        why: String,
        /// Whether it would fail wherever it is tried. A full disk is its drone's trouble, and a drone with room may do it.
        lasting: bool,
    },
}

/// Starts a process by a launcher, and returns when it is certain whether it was started. The child, should there be one,
/// is to be waited for when it ends.
///
/// # Errors
/// If nothing was started.
pub(super) fn start(results: &Results, order: &LaunchOrder) -> Result<(Outcome, Option<Child>), AgentError> {
    let name = pidfile_name(&order.start.name)?;
    let place = results.place(&order.start.path)?;
    if is_taken(&place, name)? {
        return Ok((Outcome::Done, None));
    }
    if KillMark::read(&place, name)?.is_some() {
        return Ok((Outcome::Killed, None));
    }
    let launch = |error: io::Error| AgentError::Launch(format!("the launcher did not run: {error}"));
    let mut child = Command::new(own_program().map_err(launch)?)
        // The main program is the agent only under the agent's name, and `/proc/self/exe` is another.
        .arg0(PROGRAM)
        .arg("launch")
        .arg("--results")
        .arg(results.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(launch)?;
    if let Some(mut orders) = child.stdin.take() {
        // A launcher that is gone says so by its silence.
        let _ = orders.write_all(&super::claim::to_json(order));
    }
    let mut first = String::new();
    if let Some(replies) = child.stdout.take() {
        let mut replies = BufReader::new(replies);
        let _ = replies.read_line(&mut first);
        // Until the program has taken over, or could not.
        let _ = io::copy(&mut replies, &mut io::sink());
    }
    let outcome = match serde_json::from_str(&first) {
        Ok(LaunchReply::Claimed) => Ok(Outcome::Done),
        Ok(LaunchReply::Killed) => Ok(Outcome::Killed),
        Ok(LaunchReply::Refused(refusal)) => Err(refusal.into()),
        Ok(LaunchReply::Failed { why, lasting }) => Ok(Outcome::Failed { why, lasting }),
        // It died before it could say anything; whether it had claimed can be seen.
        Err(_) if Claim::read(&place, name)?.is_some() => Ok(Outcome::Done),
        Err(_) => Err(AgentError::Launch("the launcher died before it had claimed the path".to_owned())),
    };
    outcome.map(|outcome| (outcome, Some(child)))
}

/// Whether a process was started there: by an agent, or, if there is a pidfile without a claim, by another scheduler that
/// was in charge of these results before.
fn is_taken(place: &Place, name: &str) -> Result<bool, AgentError> {
    Ok(Claim::read(place, name)?.is_some() || place.pidfile(name).symlink_metadata().is_ok())
}

/// The agent's program, also when its file has been replaced by a newer one.
fn own_program() -> io::Result<PathBuf> {
    let link = PathBuf::from("/proc/self/exe");
    match fs::read_link(&link) {
        Ok(_) => Ok(link),
        Err(_) => std::env::current_exe(),
    }
}

/// The launcher itself. Returns only if there is nothing, or nothing more, to run.
///
/// # Errors
/// If its orders make no sense.
pub(super) fn run(results: &Results) -> Result<(), AgentError> {
    let stdin = PathBuf::from("the launcher's orders");
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text).during("read", &stdin)?;
    let order: LaunchOrder = serde_json::from_slice(&text)
        .map_err(|error| AgentError::Nonsense { path: stdin.clone(), cause: error.to_string() })?;
    // Kept apart from standard output, which the program gets, and closed when the program takes over.
    let replies = rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3).during("keep", &stdin)?;
    let mut replies = File::from(replies);
    let mut reply = |reply: &LaunchReply| {
        let mut line = super::claim::to_json(reply);
        line.push(b'\n');
        // Nobody may be listening any more. The claim counts.
        let _ = replies.write_all(&line);
    };
    match prepare(results, &order) {
        Ok(Prepared::Go(place)) => {
            reply(&LaunchReply::Claimed);
            turn_into(results, &place, &order.start, replies)
        }
        Ok(Prepared::AlreadyClaimed) => {
            reply(&LaunchReply::Claimed);
            Ok(())
        }
        Ok(Prepared::Killed) => {
            reply(&LaunchReply::Killed);
            Ok(())
        }
        Err(AgentError::Refused(refusal)) => {
            reply(&LaunchReply::Refused(refusal));
            Ok(())
        }
        Err(error) => {
            // Whoever waits for the process should hear so now and not try for ever.
            reply(&LaunchReply::Failed { why: error.to_string(), lasting: !error.is_without_room() });
            Ok(())
        }
    }
}

enum Prepared {
    Go(Place),
    AlreadyClaimed,
    Killed,
}

/// Everything up to the claim. Whoever dies in here has started nothing.
fn prepare(results: &Results, order: &LaunchOrder) -> Result<Prepared, AgentError> {
    let start = &order.start;
    let name = pidfile_name(&start.name)?;
    let place = results.place(&start.path)?;
    rustix::process::setsid().during("leave the agent's session for", &place.directory)?;
    if start.nice != 0 {
        rustix::process::nice(start.nice).during("set the priority for", &place.directory)?;
    }
    place.make()?;
    if is_taken(&place, name)? {
        return Ok(Prepared::AlreadyClaimed);
    }
    for file in &start.files {
        files::write(results, &place, file)?;
    }
    for text in &start.append {
        files::append(results, &place, text)?;
    }
    let process = ProcessIdentity::own();
    let claim = Claim { term: order.fence.term.0, process, argv: start.argv.clone(), supervised: start.supervise };
    let take = || {
        if KillMark::read(&place, name)?.is_some() {
            return Ok(Prepared::Killed);
        }
        let claimed = claim.make(results, &place, name)?;
        Ok(if claimed { Prepared::Go(place.clone()) } else { Prepared::AlreadyClaimed })
    };
    let claimed = if order.fenced { fence::guarded(results, order.fence, take) } else { take() }?;
    // A kill that was marked while the claim was being made has not seen it.
    match (&claimed, KillMark::read(&place, name)?) {
        (Prepared::Go(_), Some(_)) => Ok(Prepared::Killed),
        _ => Ok(claimed),
    }
}

/// The program, ready to run, with its output going to a log beside its results.
fn program(results: &Results, place: &Place, start: &StartOrder) -> Result<(Command, File), AgentError> {
    let Some((program, arguments)) = start.argv.split_first() else {
        return Err(AgentError::Launch("no program is named".to_owned()));
    };
    let debug = place.directory.join("debug");
    fs::create_dir_all(&debug).during("make the directory", &debug)?;
    let log = debug.join(format!("{}.log", start.name.trim_start_matches('.')));
    let log = OpenOptions::new().create(true).append(true).open(&log).during("open", &log)?;
    let directory = match start.working_directory.as_str() {
        "" => place.directory.clone(),
        directory => PathBuf::from(directory),
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(directory)
        .envs(&start.environment)
        .env("YARDMASTER_RESULTS", results.root())
        .stdin(Stdio::null())
        .stdout(log.try_clone().during("use the log of", &place.directory)?)
        .stderr(log.try_clone().during("use the log of", &place.directory)?);
    Ok((command, log))
}

fn turn_into(results: &Results, place: &Place, start: &StartOrder, replies: File) -> Result<(), AgentError> {
    let failure = match program(results, place, start) {
        Err(error) => error,
        Ok((mut command, log)) => {
            if start.supervise {
                return supervise::run(place, &start.name, command, log, replies);
            }
            let error = command.exec();
            let _ = writeln!(&log, "yardmaster: cannot run {:?}: {error}", start.argv);
            AgentError::Launch(error.to_string())
        }
    };
    not_run(place, &start.name);
    Err(failure)
}

/// The claim stands and the program will never run: its pidfile says so, in its stead.
pub(super) fn not_run(place: &Place, name: &str) {
    let text = format!("{}\n{NOT_RUN}\n0\n", std::process::id());
    if let Err(error) = create_file(&place.pidfile(name), text.as_bytes()) {
        eprintln!("yardmaster-drone: {error}");
    }
}
