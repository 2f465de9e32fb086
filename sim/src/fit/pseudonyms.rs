//! Other names for people, hosts and places, the same name always for the same one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::history::History;

/// Labels `key:value` with one of these keys name a place.
const PLACES: [&str; 6] = ["lab", "site", "location", "room", "rack", "row"];

/// The history with owners called `user1` …, hosts `host1` …, drones `drone1` …, places `site1` …, what it came with `burst1`
/// …, and its source not named. Which number somebody gets depends on the salt: whoever does not know it cannot find
/// out by trying names. Kinds of hosts, profiles, classes and all other labels stay.
pub fn pseudonymised(history: &History, salt: &str) -> History {
    let mut history = history.clone();
    let salt = blake3::derive_key("yardmaster-sim pseudonyms v1", salt.as_bytes());
    let owners = numbered(&salt, "user", history.jobs.iter().map(|job| &job.owner));
    let hosts = numbered(&salt, "host", history.hosts.iter().map(|host| &host.name));
    let drones = numbered(&salt, "drone", history.drones.iter().map(|drone| &drone.name));
    let bursts = numbered(&salt, "burst", history.jobs.iter().filter_map(|job| job.burst.as_ref()));
    let host_labels = history.hosts.iter().flat_map(|host| &host.labels);
    let labels = host_labels.chain(history.jobs.iter().flat_map(|job| &job.labels));
    let places = numbered(&salt, "site", labels.filter(|label| is_place(label)));
    let relabel = |label: &mut Arc<str>| {
        if let (Some(place), Some((key, _))) = (places.get(label), label.split_once(':')) {
            *label = format!("{key}:{place}").into();
        }
    };
    history.source = "a lab".to_owned();
    // Remarks may name what must not be named.
    for names in [&owners, &hosts, &drones] {
        history.remarks.retain(|remark| !names.keys().any(|name| remark.contains(&**name)));
    }
    for host in &mut history.hosts {
        host.name = renamed(&hosts, &host.name);
        host.labels.iter_mut().for_each(relabel);
    }
    for drone in &mut history.drones {
        drone.name = renamed(&drones, &drone.name);
    }
    for job in &mut history.jobs {
        job.owner = renamed(&owners, &job.owner);
        job.burst = job.burst.as_ref().map(|burst| renamed(&bursts, burst));
        job.labels.iter_mut().for_each(relabel);
        if let crate::history::HistoricRequest::Any { label, .. } = &mut job.request {
            relabel(label);
        }
    }
    history
}

fn is_place(label: &str) -> bool {
    label.split_once(':').is_some_and(|(key, _)| PLACES.contains(&key))
}

fn renamed(names: &BTreeMap<Arc<str>, Arc<str>>, name: &Arc<str>) -> Arc<str> {
    names.get(name).unwrap_or(name).clone()
}

/// Each name with its number, in the order of their salted hashes.
fn numbered<'a>(
    salt: &[u8; 32],
    word: &str,
    names: impl Iterator<Item = &'a Arc<str>>,
) -> BTreeMap<Arc<str>, Arc<str>> {
    let names: BTreeSet<&Arc<str>> = names.collect();
    let mut order: Vec<_> =
        names.into_iter().map(|name| (*blake3::keyed_hash(salt, name.as_bytes()).as_bytes(), name)).collect();
    order.sort();
    let width = order.len().to_string().len();
    (1..)
        .zip(order)
        .map(|(number, (_, name)): (usize, _)| (name.clone(), format!("{word}{number:0width$}").into()))
        .collect()
}
