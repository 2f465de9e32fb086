//! What types cannot say about settings: ranges, files, combinations.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use lettre::message::Mailbox;
use tracing_subscriber::EnvFilter;
use yardmaster_engine::EntryStatus;

use super::sections::{Config, DronesSection, NotifySection};
use crate::database::DatabaseAddress;

/// A year: longer than any sensible period, short enough for every calculation.
const LONGEST_SEC: f64 = 366.0 * 86_400.0;

/// The settings that make no sense, and why.
pub(super) fn check(config: &Config) -> Vec<(&'static str, String)> {
    let mut wrong = Vec::new();
    check_database(config, &mut wrong);
    check_scheduler(config, &mut wrong);
    check_drones(&config.drones, &mut wrong);
    check_notify(&config.notify, &mut wrong);
    if !(0..=19).contains(&config.commands.nice) {
        wrong.push(("commands.nice", format!("{} is out of range: expected 0 to 19", config.commands.nice)));
    }
    if let Err(error) = EnvFilter::try_new(&config.log.filter) {
        wrong.push((
            "log.filter",
            format!("{error}; expected a level, as info, or part=level, as yardmaster::drones=debug"),
        ));
    }
    let lifetime = config.service.lifetime_hours;
    if !(0.0..=LONGEST_SEC).contains(&lifetime) {
        wrong.push(("service.lifetime_hours", format!("{lifetime} is out of range: expected hours, or 0 for no end")));
    }
    for (path, directory) in
        [("results.directory", &config.results.directory), ("results.repository", &config.results.repository)]
    {
        if directory.as_ref().is_some_and(|directory| !directory.is_absolute()) {
            wrong.push((path, "must be an absolute path: it must mean the same to every process".to_owned()));
        }
    }
    wrong
}

fn check_database(config: &Config, wrong: &mut Vec<(&'static str, String)>) {
    let database = &config.database;
    // What is wrong with the address is told without it: it may hold a password.
    if let Some(address) = &database.address
        && let Err(error) = address.parse::<DatabaseAddress>()
    {
        wrong.push(("database.address", error.to_string()));
    }
    if let Some(path) = &database.password_file {
        wrong.extend(secret(path).err().map(|what| ("database.password_file", what)));
    }
}

fn check_scheduler(config: &Config, wrong: &mut Vec<(&'static str, String)>) {
    let settings = &config.scheduler;
    let tick = settings.minimum_tick_sec;
    if !(tick > 0.0 && tick <= 3600.0) {
        wrong.push((
            "scheduler.minimum_tick_sec",
            format!("{tick} is out of range: expected seconds, more than 0 and at most 3600"),
        ));
    }
    if !(0.0..=LONGEST_SEC).contains(&settings.tick_pause_sec) {
        wrong.push((
            "scheduler.tick_pause_sec",
            format!("{} is out of range: expected seconds", settings.tick_pause_sec),
        ));
    }
    for (path, value) in [
        ("scheduler.max_processes_per_drone", settings.max_processes_per_drone),
        ("scheduler.max_parse_processes", settings.max_parse_processes),
        ("scheduler.max_transfer_processes", settings.max_transfer_processes),
        ("scheduler.clean_interval_minutes", settings.clean_interval_minutes),
        ("scheduler.pidfile_timeout_mins", settings.pidfile_timeout_mins),
        ("scheduler.max_pidfile_refreshes", settings.max_pidfile_refreshes),
        ("drones.connect_timeout_sec", config.drones.connect_timeout_sec),
        ("drones.max_transfers_per_drone", config.drones.max_transfers_per_drone),
    ] {
        if value == 0 {
            wrong.push((path, "must be at least 1".to_owned()));
        }
    }
    for word in settings.notify_email_statuses.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        wrong.extend(
            word.parse::<EntryStatus>().err().map(|error| ("scheduler.notify_email_statuses", error.to_string())),
        );
    }
}

fn check_drones(drones: &DronesSection, wrong: &mut Vec<(&'static str, String)>) {
    for (path, value) in [
        ("drones.refresh_deadline_sec", drones.refresh_deadline_sec),
        ("drones.act_deadline_sec", drones.act_deadline_sec),
        ("drones.reconnect_min_sec", drones.reconnect_min_sec),
        ("drones.reconnect_max_sec", drones.reconnect_max_sec),
        ("drones.transfer_stall_sec", drones.transfer_stall_sec),
    ] {
        if !(value > 0.0 && value <= 3600.0) {
            wrong.push((path, format!("{value} is out of range: expected seconds, more than 0 and at most 3600")));
        }
    }
    if !(0.0..=LONGEST_SEC / 3600.0).contains(&drones.clean_containers_hours) {
        let what = format!("{} is out of range: expected hours, or 0 for never", drones.clean_containers_hours);
        wrong.push(("drones.clean_containers_hours", what));
    }
    if drones.reconnect_max_sec < drones.reconnect_min_sec {
        wrong.push(("drones.reconnect_max_sec", "must not be less than drones.reconnect_min_sec".to_owned()));
    }
    if !(0.0..=3660.0).contains(&drones.clean_after_days) {
        let days = drones.clean_after_days;
        wrong.push(("drones.clean_after_days", format!("{days} is out of range: expected days, or 0 for never")));
    }
    if !drones.agent_path.is_absolute() {
        wrong.push(("drones.agent_path", "must be an absolute path".to_owned()));
    }
    if let Some(path) = &drones.identity_file {
        wrong.extend(secret(path).err().map(|what| ("drones.identity_file", what)));
    }
    let files = [("drones.known_hosts", &drones.known_hosts), ("drones.local_agent_path", &drones.local_agent_path)];
    for (path, file) in files {
        wrong.extend(file.as_ref().and_then(|file| readable(file).err()).map(|what| (path, what)));
    }
}

fn check_notify(notify: &NotifySection, wrong: &mut Vec<(&'static str, String)>) {
    let address =
        |text: &String| text.parse::<Mailbox>().err().map(|error| format!("{text:?} is no mail address: {error}"));
    wrong.extend(address(&notify.from).map(|what| ("notify.from", what)));
    wrong.extend(notify.operators.iter().filter_map(address).map(|what| ("notify.operators", what)));
    match (&notify.login, &notify.password_file) {
        (Some(_), None) => wrong.push(("notify.login", "needs notify.password_file".to_owned())),
        (None, Some(_)) => wrong.push(("notify.password_file", "needs notify.login".to_owned())),
        (Some(_), Some(path)) => wrong.extend(secret(path).err().map(|what| ("notify.password_file", what))),
        (None, None) => {}
    }
}

fn readable(path: &Path) -> Result<(), String> {
    std::fs::File::open(path).map(drop).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

/// That a file can be read, and by nobody else.
fn secret(path: &Path) -> Result<(), String> {
    readable(path)?;
    let metadata = std::fs::metadata(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("{0} is open to others (mode {mode:04o}): chmod 600 {0}", path.display()));
    }
    Ok(())
}
