//! From a history to a fitted lab: one question after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yardmaster_engine::{Settings, Span, TaskKind, Time};

use crate::history::{HistoricHost, History, JobEnding};
use crate::workload::Past;

use super::bursts::{self, Bursts};
use super::checks;
use super::group::{Group, Sorted};
use super::mix::{job_types, lengths, most_frequent};
use super::model::{Arrivals, FittedLab, Generator, HostGroup, JobType, Manner, Place};
use super::outages::outages;
use super::rates::{Rate, days};
use super::sample::Fitted;
use super::suites;
use super::tasks::tasks;
use super::text::moment;
use super::{FitError, FitOptions};

/// Learns a lab from its past.
///
/// # Errors
/// The past has no jobs, or no hosts that are still there.
pub fn fit(past: &Past, options: &FitOptions) -> Result<FittedLab, FitError> {
    let history = &past.history;
    if history.jobs.is_empty() || history.from >= history.to {
        return Err(FitError::NoJobs { from: history.source.clone() });
    }
    let kept: Vec<bool> = history.hosts.iter().map(|host| host.until.is_none()).collect();
    if !kept.contains(&true) {
        return Err(FitError::NoHosts { from: history.source.clone() });
    }
    let sorted = Sorted::new(history, &kept);
    let bursts = Bursts::of(&sorted.of_bursts(), options.burst_gap);
    let generators = generators(history, &kept, &sorted, &bursts, options);
    if generators.is_empty() {
        return Err(FitError::NoJobsLeft { from: history.source.clone(), jobs: history.jobs.len() });
    }
    let (tasks, became_outages) = tasks(history, &kept);
    let learned = outages(history, &kept, options.longest_outage);
    let mut notes = notes(history, &kept, &sorted, &bursts, options);
    if became_outages > 0 {
        notes.push(format!("{became_outages} failed repairs are counted as the outages that followed them"));
    }
    if learned.absences > 0 {
        let (count, days) = (learned.absences, options.longest_outage.as_seconds_f64() / 86_400.0);
        notes.push(format!("dropped: {count} outages longer than {days} days; the hosts are taken to be there"));
    }
    if learned.in_common > 0 {
        notes.push(format!("{} outages of single hosts were parts of common ones", learned.in_common));
    }
    let processes = processes(past, tasks.iter().map(|tasks| tasks.kind), &mut notes);
    Ok(FittedLab {
        name: options.name.clone(),
        about: about(history, &kept),
        notes,
        start: history.to,
        end: history.to + Span::from_hours(24 * i64::from(options.days)),
        unix_time: history.unix_time,
        settings: unusual(&history.settings),
        hosts: host_groups(history, &kept),
        drones: history.drones.iter().map(|drone| (drone.name.clone(), drone.max_processes)).collect(),
        usual: usual(history).ok_or_else(|| FitError::NoJobs { from: history.source.clone() })?,
        bursts: (bursts.moments().into_iter())
            .filter_map(|(name, moments)| Some((name, Rate::of(&moments, history.from, history.to)?)))
            .collect(),
        generators,
        tests: Fitted::of(&lengths(history.jobs.iter()), 1.0),
        tasks,
        processes,
        outages: learned.outages,
    })
}

fn about(history: &History, kept: &[bool]) -> String {
    let hosts = kept.iter().filter(|kept| **kept).count();
    let days = days(history.from, history.to).round();
    format!("{hosts} hosts as {} shows them over {days} days: {} jobs.", history.source, history.jobs.len())
}

/// All generators: parts of pushes, single jobs, checks, suites.
fn generators(
    history: &History,
    kept: &[bool],
    sorted: &Sorted<'_>,
    bursts: &Bursts,
    options: &FitOptions,
) -> Vec<Generator> {
    let mut names = Names::default();
    let mut generators = Vec::new();
    let mut add = |group: &Group<'_>, what: Option<&str>, arrivals: Vec<Arrivals>, mix: Vec<JobType>| {
        if arrivals.is_empty() || mix.is_empty() {
            return;
        }
        let leading = mix.iter().max_by_key(|one| one.weight).map(|one| one.profile.clone());
        let name = names.unique(&group.place, &group.class, what.map(Arc::from).or(leading));
        generators.push(Generator { name, arrivals, mix });
    };
    let types = |group: &Group<'_>| job_types(&group.place, &group.jobs, options.enough);
    let singly = |group: &Group<'_>| {
        let times: Vec<Time> = group.jobs.iter().map(|job| job.job.submitted).collect();
        Rate::of(&times, history.from, history.to).map(Arrivals::Single).into_iter().collect::<Vec<_>>()
    };
    for part in sorted.burst.iter().flat_map(|group| bursts::parts(group, bursts)) {
        add(&part, None, bursts::arrivals(&part, bursts), types(&part));
    }
    for group in &sorted.single {
        add(group, None, singly(group), types(group));
    }
    for group in &sorted.pinned {
        if let Some((arrivals, mix)) = checks::generator(group, history, kept, options.enough) {
            add(group, None, vec![arrivals], mix);
        }
    }
    let suites = |group: &Group<'_>| suites::mix(group, sorted, options.enough);
    for part in sorted.pushed_suites.iter().flat_map(|group| bursts::parts(group, bursts)) {
        add(&part, Some("suites"), bursts::arrivals(&part, bursts), suites(&part));
    }
    for group in &sorted.suites {
        add(group, Some("suites"), singly(group), suites(group));
    }
    generators
}

/// Names of generators; no two are the same.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    fn unique(&mut self, place: &Place, class: &str, what: Option<Arc<str>>) -> String {
        let place = match place {
            Place::Any { label, count: 1 } => label.to_string(),
            Place::Any { label, count } => format!("{count} of {label}"),
            Place::EachOfKind(kind) => format!("each {kind}"),
            Place::Host(name) => name.to_string(),
            Place::Hostless => "hostless".to_owned(),
        };
        let words = [class, &place, what.as_deref().unwrap_or_default()];
        let name = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        let mut unique = name.clone();
        let mut number = 1;
        while !self.0.insert(unique.clone()) {
            number += 1;
            unique = format!("{name} {number}");
        }
        unique
    }
}

/// What most jobs are like.
fn usual(history: &History) -> Option<Manner> {
    let mut counts: BTreeMap<Manner, usize> = BTreeMap::new();
    for job in &history.jobs {
        *counts.entry(Manner::of(job, u32::MAX)).or_default() += 1;
    }
    most_frequent(&counts)
}

/// Hosts that are alike, in the order of the first of them.
fn host_groups(history: &History, kept: &[bool]) -> Vec<HostGroup> {
    let mut groups: Vec<HostGroup> = Vec::new();
    let mut hosts: Vec<&HistoricHost> =
        history.hosts.iter().zip(kept).filter(|(_, kept)| **kept).map(|(host, _)| host).collect();
    hosts.sort_by(|a, b| (&a.kind, &a.labels, a.locked, &a.name).cmp(&(&b.kind, &b.labels, b.locked, &b.name)));
    for host in hosts {
        match groups.last_mut() {
            Some(group) if group.kind == host.kind && group.labels == host.labels && group.locked == host.locked => {
                group.names.push(host.name.clone());
            }
            _ => groups.push(HostGroup {
                names: vec![host.name.clone()],
                kind: host.kind.clone(),
                labels: host.labels.clone(),
                locked: host.locked,
            }),
        }
    }
    groups
}

/// The settings that are not the scheduler's own.
fn unusual(settings: &Settings) -> toml::Table {
    let table = |settings: &Settings| toml::Table::try_from(settings).unwrap_or_default();
    let usual = table(&Settings::default());
    table(settings).into_iter().filter(|(key, value)| usual.get(key) != Some(value)).collect()
}

/// What the source says of processes of which nothing was learned.
fn processes(past: &Past, learned: impl Iterator<Item = TaskKind>, notes: &mut Vec<String>) -> toml::Table {
    let learned: BTreeSet<&str> = learned.map(TaskKind::lower).chain(["test"]).collect();
    let mut table = toml::Table::new();
    for (key, value) in &past.processes {
        if learned.contains(&**key) {
            continue;
        }
        if value.to_string().contains("empirical") {
            notes.push(format!("dropped: processes.{key}, which names a file of measured values"));
            continue;
        }
        table.insert(key.clone(), value.clone());
    }
    if !table.is_empty() {
        let keys: Vec<&str> = table.keys().map(String::as_str).collect();
        notes.push(format!("taken over from the scenario, not learned: processes.{}", keys.join(", processes.")));
    }
    table
}

/// Where the history comes from and what it covers.
fn window(history: &History) -> String {
    let [from, to] = [history.from, history.to].map(|time| moment(time, history.unix_time));
    let (jobs, tasks, outages) = (history.jobs.len(), history.tasks.len(), history.outages.len());
    let hosts = history.hosts.len();
    format!(
        "source: {}, from {from} up to {to}: {jobs} jobs, {tasks} special tasks and {outages} outages on {hosts} hosts",
        history.source
    )
}

/// An end of the window without jobs that is as long as this many of them usually take to come is hardly chance.
const UNLIKELY_GAP: f64 = 100.0;

/// Ends of the window in which no job came, for longer than chance would have it: perhaps nothing was recorded then.
fn silent_ends(history: &History) -> Vec<String> {
    let submitted = || history.jobs.iter().map(|job| job.submitted);
    let (Some(first), Some(last)) = (submitted().min(), submitted().max()) else { return Vec::new() };
    let chance = (UNLIKELY_GAP * days(first, last) / history.jobs.len() as f64).max(1.0);
    let gaps = [(days(history.from, first), "first", "--from"), (days(last, history.to), "last", "--to")];
    let note = |(gap, end, option): (f64, &str, &str)| {
        format!(
            "no job came in the {end} {gap:.0} days, and they count as days on which none comes; if nothing was recorded then, \
             give another {option}"
        )
    };
    gaps.into_iter().filter(|(gap, ..)| *gap > chance).map(note).collect()
}

fn notes(history: &History, kept: &[bool], sorted: &Sorted<'_>, bursts: &Bursts, options: &FitOptions) -> Vec<String> {
    let mut notes = vec![window(history)];
    notes.extend(silent_ends(history));
    notes.extend(history.remarks.iter().cloned());
    let mut say = |count: usize, what: &str| {
        if count > 0 {
            notes.push(format!("{count} {what}"));
        }
    };
    let ending = |ending: JobEnding| history.jobs.iter().filter(|job| job.ending == ending).count();
    say(ending(JobEnding::Aborted), "jobs were aborted: they arrive, but their lengths and failures count for nothing");
    say(ending(JobEnding::Open), "jobs had not ended: they arrive, but their lengths count for nothing");
    say(kept.iter().filter(|kept| !**kept).count(), "hosts were gone at the end and are dropped");
    let mut ran = vec![false; history.hosts.len()];
    for host in history.jobs.iter().flat_map(|job| &job.hosts) {
        if let Some(ran) = ran.get_mut(*host as usize) {
            *ran = true;
        }
    }
    if ran.contains(&true) {
        say(ran.iter().zip(kept).filter(|(ran, kept)| !**ran && **kept).count(), "hosts ran no job and are kept");
    }
    say(
        sorted.homeless,
        "jobs asked for hosts that are gone, labels that nothing has together, or more hosts than have them, and are dropped",
    );
    say(sorted.grandchildren, "jobs are children of a suite's children, and count as the suite's");
    say(
        sorted.orphans,
        "jobs are children of suites that are not among these jobs, and are taken to come by themselves",
    );
    say(
        sorted.widened,
        "jobs asked for several certain hosts, and are taken to have asked for any as many of a label of these",
    );
    if bursts.count() > 0 {
        let (jobs, gap) = (sorted.of_bursts().len(), options.burst_gap);
        let minutes = gap.as_seconds_f64() / 60.0;
        let pushes = bursts.count();
        notes.push(format!("{jobs} jobs came with {pushes} pushes; what follows within {minutes} min is one push"));
    }
    notes.push(format!("profiles with fewer than {} jobs in a group are one, \"other\"", options.enough));
    if history.outages.is_empty() {
        notes.push("assumed: hosts are never out of service; the source knows of no outages".to_owned());
    }
    if history.tasks.is_empty() {
        notes.push("assumed: special tasks take as long as usual ([processes]); the source knows of none".to_owned());
    }
    notes.push("assumed: job types, lengths and failures are independent of each other and of the hour".to_owned());
    notes
}
