//! Comparison of what a step expects with what there is.

use super::format::Expect;
use super::problem::{At, Problem};
use super::view::View;
use super::why::Why;

/// Something expected that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) key: String,
    pub(super) expected: String,
    pub(super) found: String,
}

fn unknown(key: &str, what: &str, name: &str) -> Problem {
    Problem::BadInput(format!("expect.{key}: there is no {what} {name:?} in this scenario"))
}

impl Expect {
    /// Everything that differs. `killed`: processes that have been sent a kill. `why`: answers by entry.
    pub(super) fn differences(
        &self,
        view: &View,
        killed: &[String],
        why: impl Fn(&str) -> Option<Why>,
    ) -> Result<Vec<Difference>, Problem> {
        let mut found = Vec::new();
        let mut compare = |key: String, expected: &str, actual: &str| {
            if expected != actual {
                found.push(Difference { key, expected: expected.to_owned(), found: actual.to_owned() });
            }
        };
        for (entry, status) in &self.entries {
            let (actual, _) = view.entries.get(entry).ok_or_else(|| unknown("entries", "entry", entry))?;
            check_status(status)?;
            compare(format!("entries.{entry}"), status, actual);
        }
        for (entry, host) in &self.on {
            let (_, actual) = view.entries.get(entry).ok_or_else(|| unknown("on", "entry", entry))?;
            if !host.is_empty() && !view.hosts.contains_key(host) {
                return Err(unknown("on", "host", host));
            }
            compare(format!("on.{entry}"), host, actual);
        }
        for (host, status) in &self.hosts {
            let (actual, _) = view.hosts.get(host).ok_or_else(|| unknown("hosts", "host", host))?;
            compare(format!("hosts.{host}"), status.as_str(), actual.as_str());
        }
        for (place, (key, list)) in
            [("locked", &self.locked), ("leased", &self.leased), ("dirty", &self.dirty)].iter().enumerate()
        {
            let Some(list) = list else { continue };
            let expected = expand(list).at(format_args!("expect.{key}"))?;
            if let Some(host) = expected.iter().find(|host| !view.hosts.contains_key(*host)) {
                return Err(unknown(key, "host", host));
            }
            let actual = view.hosts.iter().filter(|(_, (_, flags))| flags[place]).map(|(name, _)| name.clone());
            compare((*key).to_owned(), &listing(expected), &listing(actual.collect()));
        }
        let running: Vec<String> = view.running.iter().map(|(name, _)| name.clone()).collect();
        if let Some(expected) = &self.running {
            compare("running".to_owned(), &listing(expected.clone()), &listing(running.clone()));
        }
        if let Some(expected) = &self.tasks {
            compare("tasks".to_owned(), &listing(expected.clone()), &listing(view.tasks.clone()));
        }
        for process in self.killed.iter().filter(|process| !killed.contains(process)) {
            compare("killed".to_owned(), process, &listing(killed.to_vec()));
        }
        for (process, drone) in &self.drone_of {
            let place = view.running.iter().find(|(name, _)| name == process);
            compare(format!("drone_of.{process}"), drone, place.map_or("not running", |(_, drone)| drone));
        }
        for (entry, reason) in &self.why {
            let actual = why(entry).ok_or_else(|| unknown("why", "entry", entry))?;
            compare(format!("why.{entry}"), reason.as_str(), actual.as_str());
        }
        Ok(found)
    }
}

fn check_status(status: &str) -> Result<(), Problem> {
    let word = if status == "Queued*" { "Queued" } else { status };
    let parsed: Result<yardmaster_engine::EntryStatus, _> = word.parse();
    parsed.map(|_| ()).map_err(|error| Problem::BadInput(format!("expect.entries: {error}")))
}

/// Host lists within a list, expanded.
pub(super) fn expand(lists: &[String]) -> Result<Vec<String>, Problem> {
    let mut names = Vec::new();
    for list in lists {
        names.extend(crate::host_list::host_list(list).map_err(|error| Problem::BadInput(error.to_string()))?);
    }
    Ok(names)
}

fn listing(mut names: Vec<String>) -> String {
    names.sort();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
