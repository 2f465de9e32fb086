//! Jobs that ask for one certain host: as a rule checks that every host of a kind gets again and again.

use std::collections::BTreeMap;

use yardmaster_engine::Time;

use crate::history::History;

use super::group::Group;
use super::model::{Arrivals, Place};
use super::sample::Fitted;

/// With fewer distances, these jobs are taken to come at random.
const DISTANCES_ENOUGH: usize = 20;

/// How such jobs come. From the submission of one to that of the next on the same host, distances in which the host was out of
/// service left out: nothing is submitted for it then, and at its return at once.
pub(super) fn arrivals(group: &Group<'_>, history: &History, kept: &[bool]) -> Option<Arrivals> {
    let mut by_host: BTreeMap<u32, Vec<Time>> = BTreeMap::new();
    for job in &group.jobs {
        by_host.entry(job.host?).or_default().push(job.job.submitted);
    }
    let mut minutes = Vec::new();
    for (host, times) in &by_host {
        let away: Vec<(Time, Time)> = (history.outages.iter())
            .filter(|outage| outage.host == *host)
            .map(|outage| (outage.from, outage.to.unwrap_or(Time::MAX)))
            .collect();
        for pair in times.windows(2) {
            // An outage that ends with the second of them lies between them, too.
            if !away.iter().any(|(from, to)| *from < pair[1] && pair[0] < *to) {
                minutes.push((pair[1] - pair[0]).as_seconds_f64() / 60.0);
            }
        }
    }
    if minutes.len() >= DISTANCES_ENOUGH {
        return Fitted::of(&minutes, 0.1).map(Arrivals::EachHostEvery);
    }
    let Place::EachOfKind(kind) = &group.place else { return None };
    let hosts = history.hosts.iter().zip(kept).filter(|(host, kept)| **kept && host.kind == *kind).count();
    let hours = (history.to - history.from).as_seconds_f64() / 3600.0 * hosts as f64;
    let jobs = group.jobs.len();
    (hours > 0.0).then(|| Arrivals::EachHostAtRandom { per_hour: jobs as f64 / hours, jobs })
}
