//! Jobs that ask for one certain host: as a rule checks that every host of a kind gets again and again.

use std::collections::BTreeMap;
use std::sync::Arc;

use yardmaster_engine::Time;

use crate::history::History;

use super::group::{Group, Job};
use super::mix::job_types;
use super::model::{Arrivals, JobType, Place};
use super::rates::{Rate, chance_limit};
use super::sample::Fitted;

/// With fewer distances, these jobs are taken to come at random.
const DISTANCES_ENOUGH: usize = 20;
/// A host is like its kind if it gets, for its time in service, as many jobs as the others, give or take this share.
const LIKE: f64 = 0.5;
/// The hosts of a kind are alike if so many of them are like it.
const NEARLY_ALL: f64 = 0.8;

/// A host of the kind, with its jobs.
struct Checked<'a> {
    name: &'a Arc<str>,
    jobs: Vec<Job<'a>>,
    away: Vec<(Time, Time)>,
    /// How long it was in service, in hours.
    there: f64,
}

/// How such jobs come, and what they are. Where all hosts of the kind get about as many, each gets its own. Else they come as
/// others do, each for the host that it was for.
pub(super) fn generator(
    group: &Group<'_>,
    history: &History,
    kept: &[bool],
    enough: usize,
) -> Option<(Arrivals, Vec<JobType>)> {
    let hosts = hosts(group, history, kept);
    if alike(&hosts) {
        return Some((each_host(&hosts)?, job_types(&group.place, &group.jobs, enough)));
    }
    let times: Vec<Time> = group.jobs.iter().map(|job| job.job.submitted).collect();
    let rate = Rate::of(&times, history.from, history.to)?;
    let mix = hosts.iter().flat_map(|host| job_types(&Place::Host(host.name.clone()), &host.jobs, enough));
    Some((Arrivals::Single(rate), mix.collect()))
}

fn hosts<'a>(group: &Group<'a>, history: &'a History, kept: &[bool]) -> Vec<Checked<'a>> {
    let Place::EachOfKind(kind) = &group.place else { return Vec::new() };
    let mut jobs: BTreeMap<u32, Vec<Job<'a>>> = BTreeMap::new();
    for job in &group.jobs {
        if let Some(host) = job.host {
            jobs.entry(host).or_default().push(*job);
        }
    }
    let hosts = (0..).zip(&history.hosts).zip(kept).filter(|((_, host), kept)| **kept && host.kind == *kind);
    let checked = |((index, host), _): ((u32, _), _)| {
        let host: &'a crate::history::HistoricHost = host;
        let outages = history.outages.iter().filter(|outage| outage.host == index);
        let away: Vec<(Time, Time)> = outages.map(|outage| (outage.from, outage.to.unwrap_or(Time::MAX))).collect();
        let there = history.in_service(index).max(1.0) / 3600.0;
        Checked { name: &host.name, jobs: jobs.remove(&index).unwrap_or_default(), away, there }
    };
    hosts.map(checked).collect()
}

/// Whether nearly all hosts get about as many of these jobs for the time that they are in service, or differ by chance only (χ²
/// at 1 %).
fn alike(hosts: &[Checked<'_>]) -> bool {
    let jobs: usize = hosts.iter().map(|host| host.jobs.len()).sum();
    let there: f64 = hosts.iter().map(|host| host.there).sum();
    let expected = |host: &Checked<'_>| jobs as f64 * host.there / there;
    let off = |host: &Checked<'_>| host.jobs.len() as f64 - expected(host);
    let like = hosts.iter().filter(|host| off(host).abs() <= LIKE * expected(host)).count();
    let chi: f64 = hosts.iter().map(|host| off(host).powi(2) / expected(host).max(f64::MIN_POSITIVE)).sum();
    like as f64 >= NEARLY_ALL * hosts.len() as f64 || chi <= chance_limit(hosts.len().saturating_sub(1))
}

/// From the submission of one to that of the next on the same host, distances in which the host was out of service left out:
/// nothing is submitted for it then, and at its return at once.
fn each_host(hosts: &[Checked<'_>]) -> Option<Arrivals> {
    let mut minutes = Vec::new();
    for host in hosts {
        for pair in host.jobs.windows(2) {
            let [last, next] = [0, 1].map(|place: usize| pair[place].job.submitted);
            // An outage that ends with the second of them lies between them, too.
            if !host.away.iter().any(|(from, to)| *from < next && last < *to) {
                minutes.push((next - last).as_seconds_f64() / 60.0);
            }
        }
    }
    if minutes.len() >= DISTANCES_ENOUGH {
        return Fitted::of(&minutes, 0.1).map(Arrivals::EachHostEvery);
    }
    let jobs: usize = hosts.iter().map(|host| host.jobs.len()).sum();
    let there: f64 = hosts.iter().map(|host| host.there).sum();
    (jobs > 0).then(|| Arrivals::EachHostAtRandom { per_hour: jobs as f64 / there, jobs })
}
