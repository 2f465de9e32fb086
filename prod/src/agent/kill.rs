//! Ending processes: SIGTERM at once, SIGKILL after a grace. That a process was to be killed is a file beside its claim,
//! so a new agent goes on with it, and a process that only comes later is not let go.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::time::Instant;

use super::claim::{Claim, KillMark, running};
use super::error::AgentError;
use super::paths::{Place, Results, pidfile_name};
use super::processes::{self, ProcessRow};

/// How often is looked at what has to be killed.
const PACE: Duration = Duration::from_millis(100);

/// Kills that are under way, by results path and pidfile name.
#[derive(Debug, Default)]
pub(super) struct Killer {
    under_way: Mutex<BTreeMap<(String, String), Asked>>,
    more: Condvar,
}

/// When a process was asked to end.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// When this agent knew. No wall clock: it may be set while the process has its grace.
    known: Instant,
    /// How long that was after it was asked, by an earlier agent.
    before: Duration,
}

impl Asked {
    fn now() -> Asked {
        Asked { known: Instant::now(), before: Duration::ZERO }
    }

    /// By whoever has made this mark.
    fn at(mark: KillMark) -> Asked {
        Asked { before: Duration::from_millis(now().saturating_sub(mark.at)), ..Asked::now() }
    }

    fn elapsed(self) -> Duration {
        self.before.saturating_add(self.known.elapsed())
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().try_into().unwrap_or(u64::MAX)
}

/// What may be killed for a pidfile. A process is ours if the claim names it, if it belongs to the session that the claimed
/// process began, or, where there is no claim (another scheduler started it), if the pidfile names it, it is not younger
/// than the pidfile, and its command line or working directory names the results path.
struct Target {
    leader: Option<ProcessRow>,
    members: Vec<ProcessRow>,
    supervised: bool,
}

fn target(place: &Place, name: &str, table: &[ProcessRow]) -> Result<Target, AgentError> {
    if let Some(claim) = Claim::read(place, name)? {
        let members = claim.process.session_in(table);
        let leader = members.iter().find(|row| row.pid == claim.process.pid).copied();
        return Ok(Target { leader, members, supervised: claim.supervised });
    }
    let leader = unclaimed(place, name);
    Ok(Target { leader, members: leader.into_iter().collect(), supervised: false })
}

/// The process that an unclaimed pidfile names, if it is certain to be meant.
fn unclaimed(place: &Place, name: &str) -> Option<ProcessRow> {
    let file = place.pidfile(name);
    let pid = fs::read_to_string(&file).ok()?.lines().next()?.trim().parse().ok()?;
    let row = processes::row(pid)?;
    let written = fs::metadata(&file).ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs();
    (!row.is_over && row.started_at() <= written + 2 && row.mentions(&place.directory)).then_some(row)
}

fn send(row: &ProcessRow, signal: Signal) {
    // It is the same process still, unless it has ended this moment.
    if processes::row(row.pid).is_some_and(|now| now.started == row.started)
        && let Some(pid) = Pid::from_raw(row.pid)
    {
        let _ = kill_process(pid, signal);
    }
}

impl Target {
    fn ask(&self) {
        match self.leader.and_then(|leader| Pid::from_raw(leader.pid)) {
            // A process that was not started by an agent may lead no group.
            Some(pid) if kill_process_group(pid, Signal::TERM).is_ok() => {}
            _ => self.members.iter().for_each(|row| send(row, Signal::TERM)),
        }
    }

    /// Whoever looks after the program is left for the next time, so that it can write down how the program ended.
    fn force(&self) {
        let is_spared = |row: &ProcessRow| {
            self.supervised && self.members.len() > 1 && self.leader.is_some_and(|leader| leader.pid == row.pid)
        };
        self.members.iter().filter(|row| !is_spared(row)).for_each(|row| send(row, Signal::KILL));
        if let Some(pid) = self.leader.filter(|leader| !is_spared(leader)).and_then(|leader| Pid::from_raw(leader.pid))
        {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Killer {
    /// Goes on with the kills that an earlier agent has begun.
    pub(super) fn resume(&self, results: &Results) {
        for (note, _) in running(results) {
            let Ok(place) = results.place(&note.path) else { continue };
            if let Ok(Some(mark)) = KillMark::read(&place, &note.name) {
                self.add(&place, &note.name, Asked::at(mark));
            }
        }
    }

    /// Ends the process of a pidfile, and every one that comes later.
    ///
    /// # Errors
    /// If that cannot be noted, or the claim not be read. What runs is ended even so, if it can be found.
    pub(super) fn kill(&self, results: &Results, path: &str, name: &str) -> Result<(), AgentError> {
        let place = results.place(path)?;
        let name = pidfile_name(name)?;
        let mark = KillMark::make(&place, name, now());
        let target = target(&place, name, &processes::all())?;
        if !target.members.is_empty() {
            target.ask();
            self.add(&place, name, mark.as_ref().map_or_else(|_| Asked::now(), |mark| Asked::at(*mark)));
        }
        mark.map(|_| ())
    }

    /// A process shows that was to be killed before.
    pub(super) fn late(&self, results: &Results, path: &str, name: &str) {
        let Ok(place) = results.place(path) else { return };
        if matches!(KillMark::read(&place, name), Ok(Some(_)))
            && let Ok(target) = target(&place, name, &processes::all())
            && !target.members.is_empty()
        {
            target.ask();
            self.add(&place, name, Asked::now());
        }
    }

    fn add(&self, place: &Place, name: &str, since: Asked) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.entry((place.relative.clone(), name.to_owned())).or_insert(since);
        self.more.notify_all();
    }

    /// Watches over kills that are under way, for ever.
    pub(super) fn watch_over(&self, results: &Results, grace: Duration) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            while under_way.is_empty() {
                under_way = self.more.wait(under_way).unwrap_or_else(PoisonError::into_inner);
            }
            let todo = under_way.clone();
            drop(under_way);
            std::thread::sleep(PACE);
            let table = processes::all();
            let is_over = |(key, since): &(_, Asked)| is_over(results, &table, key, *since, grace);
            let over: Vec<_> = todo.into_iter().filter(is_over).collect();
            under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, _) in over {
                under_way.remove(&key);
            }
        }
    }
}

/// Kills for good what has had its grace. Tells whether nothing is left to kill.
fn is_over(
    results: &Results,
    table: &[ProcessRow],
    (path, name): &(String, String),
    since: Asked,
    grace: Duration,
) -> bool {
    let Ok(place) = results.place(path) else { return true };
    let Ok(target) = target(&place, name, table) else { return true };
    if target.members.is_empty() {
        return true;
    }
    if since.elapsed() >= grace {
        target.force();
    }
    false
}
