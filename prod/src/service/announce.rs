//! What a tick did, as log lines: one for each change of state, with job, entry and host, and one for each notice.

use std::fmt::Display;

use tracing::{debug, error, info, warn};
use yardmaster_engine::{
    Changes, Core, EntryColumns, HostColumns, HostId, Notice, TaskUpdate, TickOutput, TickReport, TickStats,
};

/// Writes down what a tick did.
pub(super) fn announce(report: &TickReport, core: &Core) {
    match report {
        TickReport::Done(output) => {
            let TickOutput { changes, notices, stats, .. } = &**output;
            announce_changes(changes, core);
            notices.iter().for_each(|notice| announce_notice(notice, core));
            announce_stats(stats);
        }
        TickReport::Skipped(cause) => {
            error!(%cause, "the database does not answer: nothing is decided until it does; processes go on");
        }
        TickReport::NotCommitted(cause) => {
            warn!(%cause, "a decision did not reach the database: nothing of it was done; it is decided again");
        }
    }
}

fn announce_changes(changes: &Changes, core: &Core) {
    for update in &changes.entries {
        let entry = &update.entry;
        if update.columns.contains(EntryColumns::STATUS) {
            let host = entry.host.map(|host| name_of(core, host));
            let (job, status) = (entry.job.0, entry.status);
            info!(job, entry = entry.id.0, host, %status, "entry");
        }
    }
    for update in &changes.hosts {
        if update.columns.contains(HostColumns::STATUS) {
            info!(host = name_of(core, update.id), status = %update.status, "host");
        }
    }
    for update in &changes.tasks {
        match update {
            TaskUpdate::Insert(task) | TaskUpdate::Update(task) => {
                let state = match (task.complete, task.active, task.success) {
                    (true, _, true) => "done",
                    (true, _, false) => "failed",
                    (false, true, _) => "running",
                    (false, false, _) => "queued",
                };
                let (host, entry) = (name_of(core, task.host), task.entry.map(|entry| entry.0));
                info!(task = task.id.0, kind = %task.kind, host, entry, state, "special task");
            }
            TaskUpdate::Delete(task) => info!(task = task.0, state = "deleted", "special task"),
        }
    }
}

fn announce_stats(stats: &TickStats) {
    if *stats != (TickStats { agents: stats.agents, ..TickStats::default() }) {
        let TickStats { agents, hosts_assigned, agents_started, agents_ended, processes_started, .. } = *stats;
        let (processes_ended, throttled) = (stats.processes_ended, stats.throttled);
        debug!(
            agents,
            hosts_assigned, agents_started, agents_ended, processes_started, processes_ended, throttled, "tick"
        );
    }
}

fn announce_notice(notice: &Notice, core: &Core) {
    let text = describe(notice, core);
    match notice {
        Notice::EntryStatus { .. } | Notice::JobEnded { .. } => {}
        Notice::DroneBack { .. } | Notice::HostRecovered { .. } => info!("{text}"),
        Notice::StartRefused { .. }
        | Notice::NoResults { .. }
        | Notice::CorruptPidfile { .. }
        | Notice::LostProcess { .. }
        | Notice::DroneSilent { .. }
        | Notice::Quarantined { .. }
        | Notice::ActiveAndComplete { .. }
        | Notice::PlatformCount { .. }
        | Notice::NoDroneSet { .. }
        | Notice::Orphans { .. } => warn!("{text}"),
    }
}

/// A notice in words.
pub(super) fn describe(notice: &Notice, core: &Core) -> String {
    let drone = |id| core.drone_name(id).map_or_else(|| format!("drone {id}"), str::to_owned);
    let at = |path: &Option<_>| or_unknown(path.as_ref(), "an unknown path");
    match notice {
        Notice::EntryStatus { entry, job, status } => format!("entry {entry} of job {job} is {status}"),
        Notice::JobEnded { job } => format!("job {job} has ended"),
        Notice::StartRefused { entry, status, host_status } => format!(
            "entry {entry} is {status} and its host {}: its test cannot start from there, and its job is aborted",
            or_unknown(host_status.as_ref(), "is unknown")
        ),
        Notice::NoResults { job, entries } => {
            format!("job {job} left nothing from which results could be made (entries {entries:?})")
        }
        Notice::CorruptPidfile { path, drone: id, what } => {
            format!("a pidfile in {} on {} makes no sense, its process counts as lost: {what}", at(path), drone(*id))
        }
        Notice::LostProcess { path, drone: id } => {
            format!("the process of {} on {} disappeared without an exit status", at(path), drone(*id))
        }
        Notice::DroneSilent { drone: id, reason } => {
            format!("{} does not answer: {reason}; nothing new goes there, what runs there goes on", drone(*id))
        }
        Notice::DroneBack { drone: id } => format!("{} answers again", drone(*id)),
        Notice::Quarantined { what } => format!("set aside until it is mended: {what}"),
        Notice::ActiveAndComplete { entry } => format!("entry {entry} is active and complete at once"),
        Notice::PlatformCount { host, platforms } => {
            format!("host {} has {platforms} platform labels; exactly one is right", name_of(core, *host))
        }
        Notice::HostRecovered { host, status } => {
            format!("host {} was left {status} with nothing to do: it gets a Reset", name_of(core, *host))
        }
        Notice::NoDroneSet { job, user } => format!(
            "a drone set is named that does not exist (job {}, user {}): nothing of theirs can run; make it with \
             `yardmaster drone set`, or name another",
            or_unknown(job.as_ref(), "none"),
            or_unknown(user.as_ref(), "none")
        ),
        Notice::Orphans { drone: id, processes } => {
            format!("processes on {} that no entry or task claims: {}", drone(*id), processes.join("; "))
        }
    }
}

fn or_unknown<T: Display>(value: Option<&T>, unknown: &str) -> String {
    value.map_or_else(|| unknown.to_owned(), T::to_string)
}

fn name_of(core: &Core, host: HostId) -> String {
    core.host(host).map_or_else(|| host.to_string(), |row| row.name.to_string())
}
