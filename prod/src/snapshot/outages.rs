//! When hosts were out of service, as far as the tables tell.
//!
//! A host is out from a failed Repair to its next task that succeeds, or test. Locks of the past leave no trace but silence:
//! a host that works on nearly every day on which jobs come that it could run, and then on none for days, was away. How long
//! is long enough hangs on the host's own regularity, so that one which is only needed when all others are busy is not
//! taken for broken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yardmaster_engine::{LabelUse, Span, TaskKind, Time};
use yardmaster_sim::history::{HistoricHost, HistoricOutage, HistoricRequest, History};

const DAY: Span = Span::from_hours(24);
/// A silence that chance would bring so rarely is none of chance's. A lab of 500 hosts has tens of thousands of days on which one
/// may begin.
const RARE: f64 = 0.0001;

/// Something that a host did.
#[derive(Debug, Clone, Copy)]
struct Deed {
    from: Time,
    to: Time,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// A test, or a task that succeeded.
    Works,
    FailedRepair,
    OtherFailure,
}

/// The outages of all hosts, ascending by their begin, and what is to be said of them.
pub(super) fn outages(history: &History) -> (Vec<HistoricOutage>, Option<String>) {
    let deeds = deeds(history);
    let demand = Demand::of(history);
    let (mut outages, mut silent) = (Vec::new(), 0);
    for ((index, host), deeds) in (0..).zip(&history.hosts).zip(&deeds) {
        let mut of_host = after_failed_repairs(deeds);
        let away = silences(history, host, deeds, &demand.days(index, host));
        let apart = away.into_iter().filter(|span| !of_host.iter().any(|known| overlap(*known, *span)));
        let apart: Vec<_> = apart.collect();
        silent += apart.len();
        of_host.extend(apart);
        outages.extend(of_host.into_iter().map(|(from, to)| HistoricOutage { host: index, from, to }));
    }
    outages.sort_by_key(|outage| (outage.from, outage.host));
    let broken = outages.len() - silent;
    let said = format!(
        "{broken} outages are the times from a failed Repair to the next success, {silent} are silences of hosts that else \
         ran something nearly every day: of other locks and breakdowns in the past the tables tell nothing"
    );
    let said = (!outages.is_empty()).then_some(said);
    (outages, said)
}

/// From when to when; `None`: it goes on.
type Away = (Time, Option<Time>);

fn overlap(one: Away, other: Away) -> bool {
    let before = |end: Option<Time>, begin: Time| end.is_some_and(|end| end <= begin);
    !before(one.1, other.0) && !before(other.1, one.0)
}

/// What each host did, ascending by the begin.
fn deeds(history: &History) -> Vec<Vec<Deed>> {
    let mut deeds: Vec<Vec<Deed>> = vec![Vec::new(); history.hosts.len()];
    let mut put = |host: u32, deed| {
        if let Some(of_host) = deeds.get_mut(host as usize) {
            of_host.push(deed);
        }
    };
    for job in &history.jobs {
        let Some(from) = job.started else { continue };
        let to = job.ended.unwrap_or(history.to);
        job.hosts.iter().for_each(|host| put(*host, Deed { from, to, what: What::Works }));
    }
    for task in &history.tasks {
        let what = match (task.success, task.kind) {
            (true, _) => What::Works,
            (false, TaskKind::Repair) => What::FailedRepair,
            (false, TaskKind::Verify | TaskKind::Cleanup | TaskKind::Reset | TaskKind::Provision) => What::OtherFailure,
        };
        put(task.host, Deed { from: task.started, to: task.ended, what });
    }
    deeds.iter_mut().for_each(|deeds| deeds.sort_by_key(|deed| (deed.from, deed.to)));
    deeds
}

fn after_failed_repairs(deeds: &[Deed]) -> Vec<Away> {
    let (mut outages, mut since) = (Vec::new(), None);
    for deed in deeds {
        match (deed.what, since) {
            (What::FailedRepair, None) => since = Some(deed.to),
            (What::Works, Some(from)) => {
                outages.push((from, Some(deed.from.max(from))));
                since = None;
            }
            (What::FailedRepair | What::OtherFailure, _) | (What::Works, None) => {}
        }
    }
    outages.extend(since.map(|from| (from, None)));
    outages
}

/// Times in which a host did nothing although jobs came for it on more days than chance explains. `demand` are the days on
/// which they came.
fn silences(history: &History, host: &HistoricHost, deeds: &[Deed], demand: &BTreeSet<i64>) -> Vec<Away> {
    let active: BTreeSet<i64> = deeds.iter().flat_map(|deed| day(deed.from)..=day(deed.to)).collect();
    let Some(first) = active.first().copied() else { return Vec::new() };
    let wanted = demand.range(first..).count();
    let missed = demand.range(first..).filter(|day| !active.contains(day)).count();
    // How likely it does nothing on such a day, by Laplace's rule of succession. Silences count, so that a host which is
    // seldom needed is not taken for one that is always at work.
    let idle = (missed + 1) as f64 / (wanted + 2) as f64;
    let mut gaps = Vec::new();
    let mut heard = deeds.first().map_or(history.from, |deed| deed.to);
    for deed in deeds {
        gaps.push((heard, Some(deed.from)));
        heard = heard.max(deed.to);
    }
    // One that is locked, or deleted, is so at the end.
    if !host.locked && host.until.is_none() {
        gaps.push((heard, None));
    }
    let is_silence = |(from, to): &Away| {
        // Whole days.
        let days = day(*from) + 1..day(to.unwrap_or(history.to));
        let silent = if days.is_empty() { 0 } else { demand.range(days).count() };
        silent > 0 && idle.powi(i32::try_from(silent).unwrap_or(i32::MAX)) < RARE
    };
    gaps.retain(is_silence);
    gaps
}

fn day(moment: Time) -> i64 {
    moment.0.div_euclid(DAY.0)
}

/// What a job asks for: a label, and the dependencies that restrict the choice of host.
type Request<'a> = (&'a Arc<str>, Vec<&'a Arc<str>>);

/// On which days jobs were submitted, by what they ask for.
struct Demand<'a> {
    any: BTreeMap<Request<'a>, BTreeSet<i64>>,
    certain: BTreeMap<u32, BTreeSet<i64>>,
}

impl<'a> Demand<'a> {
    fn of(history: &'a History) -> Demand<'a> {
        let mut demand = Demand { any: BTreeMap::new(), certain: BTreeMap::new() };
        for job in &history.jobs {
            let day = day(job.submitted);
            match &job.request {
                HistoricRequest::Any { label, .. } => {
                    let restricts = |label: &&Arc<str>| history.settings.label_use(label) == LabelUse::Restricts;
                    let depends = job.labels.iter().filter(restricts).collect();
                    demand.any.entry((label, depends)).or_default().insert(day);
                }
                HistoricRequest::Hosts(hosts) => hosts.iter().for_each(|host| {
                    demand.certain.entry(*host).or_default().insert(day);
                }),
                HistoricRequest::Hostless => {}
            }
        }
        demand
    }

    /// The days on which a job came that this host could have run.
    fn days(&self, index: u32, host: &HistoricHost) -> BTreeSet<i64> {
        let labels: BTreeSet<&Arc<str>> = host.labels.iter().collect();
        let fits = |(label, depends): &Request<'_>| {
            labels.contains(label) && depends.iter().all(|label| labels.contains(label))
        };
        let any = self.any.iter().filter(|(request, _)| fits(request)).flat_map(|(_, days)| days);
        any.chain(self.certain.get(&index).into_iter().flatten()).copied().collect()
    }
}
