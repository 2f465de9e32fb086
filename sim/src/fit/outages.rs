//! When hosts were out of service: many at once, or one by itself.
//!
//! A site without power, or a server that is being upgraded, takes all hosts of a type away at the same time, and that is what
//! makes jobs wait for days; outages drawn for each host by itself would hardly ever do so. So outages that begin and end
//! together are taken out first, each for the label whose hosts it hits best. They are few, and when they begin has to do with how
//! long they last (a site that is lost on a Friday night is back on Monday) and with how many jobs come then, so they
//! are kept as they were, each by its hour of the week. What remains is fitted for each kind of host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yardmaster_engine::{Span, Time};

use crate::history::History;

use super::model::{OutageOf, OutageTimes, Outages};
use super::sample::{Fitted, significant};

/// Outages on fewer hosts at once are a coincidence.
const HOSTS_TOGETHER: usize = 3;
/// How long after the first host of a common outage the others may be back.
const BACK_WITHIN: Span = Span::from_hours(1);
/// And how long after the first the others may have been lost. When a host is lost is noticed late where it is inferred from
/// silence.
const LOST_WITHIN: Span = Span::from_hours(8);
/// How far a common outage must resemble the hosts of a label: those of both over those of either.
const ALIKE: f64 = 0.5;
/// A host has a line of its own if it is out so many times as often as the rest of its kind, and longer than so much of the time.
const UNLIKE: f64 = 2.5;
const UNLIKE_SHARE: f64 = 0.1;
const HOUR: f64 = 3600.0;
const WEEK: f64 = 168.0 * HOUR;

/// An outage within the window.
#[derive(Debug, Clone, Copy)]
struct One {
    host: u32,
    from: Time,
    to: Time,
}

/// What was learned of outages.
pub(super) struct Learned {
    pub(super) outages: Vec<Outages>,
    /// Outages that were too long to be more than an absence.
    pub(super) absences: usize,
    /// How many outages were part of common ones.
    pub(super) in_common: usize,
}

/// Fits the outages of the hosts that are kept; those longer than `longest` are left out.
pub(super) fn outages(history: &History, kept: &[bool], longest: Span) -> Learned {
    let mut absences = 0;
    let mut all = Vec::new();
    for outage in &history.outages {
        let (from, to) = (outage.from.max(history.from), outage.to.unwrap_or(history.to).min(history.to));
        if !kept.get(outage.host as usize).copied().unwrap_or(false) || from >= to {
            continue;
        }
        if to - from > longest {
            absences += 1;
        } else {
            all.push(One { host: outage.host, from, to });
        }
    }
    let (common, mut alone) = common(all);
    let of_all = alone.len() + common.iter().map(Vec::len).sum::<usize>();
    let mut outages = together(history, kept, common, &mut alone);
    let in_common = of_all - alone.len();
    outages.extend(each(history, kept, &alone));
    Learned { outages, absences, in_common }
}

/// Outages of several hosts that end within an hour and began within eight; and all others.
fn common(mut all: Vec<One>) -> (Vec<Vec<One>>, Vec<One>) {
    all.sort_by_key(|one| (one.to, one.host, one.from));
    let mut taken = vec![false; all.len()];
    let (mut events, mut alone) = (Vec::new(), Vec::new());
    for (index, first) in all.iter().enumerate() {
        if taken[index] {
            continue;
        }
        let back = all[index..].iter().take_while(|one| one.to - first.to <= BACK_WITHIN).count();
        let fits = |place: &usize| {
            let one = &all[*place];
            !taken[*place] && Span((one.from - first.from).0.abs()) <= LOST_WITHIN && one.from < first.to
        };
        let places: Vec<usize> = (index..index + back).filter(fits).collect();
        let hosts: BTreeSet<u32> = places.iter().map(|place| all[*place].host).collect();
        if hosts.len() >= HOSTS_TOGETHER {
            events.push(places.iter().map(|place| all[*place]).collect());
            places.into_iter().for_each(|place| taken[place] = true);
        } else {
            alone.push(*first);
        }
    }
    (events, alone)
}

/// Each common outage is counted to the label whose hosts it resembles most: the hosts that both have are at least half of those
/// that either has. Those of its hosts that do not have the label, and all of one that resembles none, are `alone`.
fn together(history: &History, kept: &[bool], events: Vec<Vec<One>>, alone: &mut Vec<One>) -> Vec<Outages> {
    let groups = groups(history, kept);
    let mut by_group: BTreeMap<usize, Vec<Vec<One>>> = BTreeMap::new();
    for event in events {
        let hit: BTreeSet<u32> = event.iter().map(|one| one.host).collect();
        let likeness =
            |hosts: &BTreeSet<u32>| hosts.intersection(&hit).count() as f64 / hosts.union(&hit).count() as f64;
        let alike = groups.iter().map(|(_, hosts)| likeness(hosts)).enumerate();
        let most = alike.filter(|(_, likeness)| *likeness >= ALIKE).fold(None, |most: Option<(usize, f64)>, one| {
            most.filter(|(_, likeness)| *likeness >= one.1).or(Some(one))
        });
        let Some((index, _)) = most else {
            alone.extend(event);
            continue;
        };
        let (theirs, others) = event.into_iter().partition(|one| groups[index].1.contains(&one.host));
        alone.extend::<Vec<One>>(others);
        by_group.entry(index).or_default().push(theirs);
    }
    let mut outages = Vec::new();
    for (index, events) in by_group {
        let (label, hosts) = &groups[index];
        let spans: Vec<(Time, Time)> = events.iter().filter_map(|event| typical(event)).collect();
        let hit = |event: &Vec<One>| event.iter().map(|one| one.host).collect::<BTreeSet<_>>().len();
        let hits: usize = events.iter().map(hit).sum();
        let share = significant(hits as f64 / (events.len() * hosts.len()) as f64);
        let when = OutageTimes::AsTheyWere {
            outages: spans.into_iter().map(hour_and_hours).collect(),
            weeks: significant(((history.to - history.from).as_seconds_f64() / WEEK).max(1.0)),
        };
        outages.push(Outages { of: OutageOf::Together { label: label.clone(), share }, when });
    }
    outages
}

/// Labels that at least three hosts have, and all hosts together; of labels with the same hosts the first.
fn groups(history: &History, kept: &[bool]) -> Vec<(Option<Arc<str>>, BTreeSet<u32>)> {
    let hosts = || (0..).zip(&history.hosts).zip(kept).filter(|(_, kept)| **kept).map(|(host, _)| host);
    let mut by_label: BTreeMap<Arc<str>, BTreeSet<u32>> = BTreeMap::new();
    for (index, host) in hosts() {
        for label in &host.labels {
            by_label.entry(label.clone()).or_default().insert(index);
        }
    }
    let mut groups: Vec<(Option<Arc<str>>, BTreeSet<u32>)> = vec![(None, hosts().map(|(index, _)| index).collect())];
    for (label, hosts) in by_label {
        if hosts.len() >= HOSTS_TOGETHER && groups.iter().all(|(_, known)| *known != hosts) {
            groups.push((Some(label), hosts));
        }
    }
    groups
}

/// From the middle one of the begins to the middle one of the ends.
fn typical(event: &[One]) -> Option<(Time, Time)> {
    let (mut begins, mut ends): (Vec<Time>, Vec<Time>) = event.iter().map(|one| (one.from, one.to)).unzip();
    begins.sort();
    ends.sort();
    let (begin, end) = (*begins.get(begins.len() / 2)?, *ends.get(ends.len() / 2)?);
    (begin < end).then_some((begin, end))
}

/// The outages of each kind, and of hosts that are not like their kind.
fn each(history: &History, kept: &[bool], alone: &[One]) -> Vec<Outages> {
    let mut by_kind: BTreeMap<&Arc<str>, Vec<u32>> = BTreeMap::new();
    for ((index, host), _) in (0..).zip(&history.hosts).zip(kept).filter(|(_, kept)| **kept) {
        by_kind.entry(&host.kind).or_default().push(index);
    }
    let mut of_host: BTreeMap<u32, Vec<(Time, Time)>> = BTreeMap::new();
    alone.iter().for_each(|one| of_host.entry(one.host).or_default().push((one.from, one.to)));
    let spans = |host: u32| of_host.get(&host).cloned().unwrap_or_default();
    let window = history.to - history.from;
    let away = |host: u32| spans(host).iter().map(|(from, to)| (*to - *from).as_seconds_f64()).sum::<f64>();
    let name = |host: u32| history.hosts[host as usize].name.clone();
    let mut outages = Vec::new();
    for (kind, hosts) in by_kind {
        let total: f64 = hosts.iter().map(|host| away(*host)).sum();
        let unlike = |host: &u32| {
            let others = (total - away(*host)) / (hosts.len() - 1).max(1) as f64;
            hosts.len() > 1 && away(*host) > UNLIKE * others && away(*host) > UNLIKE_SHARE * window.as_seconds_f64()
        };
        let (odd, alike): (Vec<u32>, Vec<u32>) = hosts.iter().partition(|host| unlike(host));
        let series: Vec<Vec<(Time, Time)>> = alike.iter().map(|host| spans(*host)).collect();
        // A line for the whole kind would befall the odd ones, too.
        let of = OutageOf::Kind { kind: kind.clone(), except: odd.iter().map(|host| name(*host)).collect() };
        let in_service = |host: &u32| history.in_service(*host);
        outages.extend(fitted(of, &series, alike.iter().map(in_service).sum()));
        for host in odd {
            outages.extend(fitted(OutageOf::Host(name(host)), &[spans(host)], in_service(&host)));
        }
    }
    outages
}

/// Distributions for outages that befell so many hosts, each with a series of its own. Times between outages are taken to be
/// exponential: their mean is the time for each outage that the hosts were in service altogether (seconds), so that hosts without
/// any count.
fn fitted(of: OutageOf, series: &[Vec<(Time, Time)>], in_service: f64) -> Option<Outages> {
    let mut lasting = Vec::new();
    let mut between = Vec::new();
    for spans in series {
        let mut spans = spans.clone();
        spans.sort();
        lasting.extend(spans.iter().map(|(from, to)| (*to - *from).as_seconds_f64() / HOUR));
        between.extend(spans.windows(2).map(|pair| ((pair[1].0 - pair[0].1).as_seconds_f64() / HOUR).max(0.0)));
    }
    let count = lasting.len();
    let lasting = Fitted::of(&lasting, 0.01)?;
    let between = Fitted::memoryless((in_service / HOUR).max(0.01) / count as f64, &between, count);
    Some(Outages { of, when: OutageTimes::Again { between, lasting } })
}

/// The hour of the week at which it begins, from Monday, UTC, and how many hours it lasts.
fn hour_and_hours((from, to): (Time, Time)) -> [f64; 2] {
    // The Unix epoch was a Thursday.
    let begin = (from.0 as f64 / 1e6 + 3.0 * 24.0 * HOUR).rem_euclid(WEEK) / HOUR;
    [(begin * 10.0).floor() / 10.0, significant((to - from).as_seconds_f64() / HOUR)]
}
