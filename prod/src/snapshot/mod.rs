//! A lab as it is and as it was, read beside the running scheduler, which does not notice.
//!
//! [`take`] reads everything in one transaction that only reads and sees the database as it was at its beginning: no row is
//! locked, and what the scheduler commits meanwhile is not in it. `jobs` and `tasks` read the history, `pseudonyms` hides who
//! people are. `yardmaster_sim::forecast` looks ahead from what is found.

mod jobs;
mod outages;
mod pseudonyms;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};

use yardmaster_engine::{Host, HostId, Label, LabelId, LiveRows, Settings, Span, Time};
use yardmaster_sim::forecast::kind_of_host;
use yardmaster_sim::history::{HistoricDrone, HistoricHost, History, Snapshot};

use crate::database::{Database, DatabaseError, Transaction};
use crate::store::{Quarantine, Which, hosts, read_live};

/// What to read.
#[derive(Debug, Clone)]
pub struct SnapshotOptions {
    /// How many days of history.
    pub days: u32,
    /// Replace logins by pseudonyms, and names of jobs by their profiles.
    pub pseudonyms: bool,
    /// The scheduler's settings.
    pub settings: Settings,
    /// Where the database is, for people.
    pub source: String,
}

/// Takes a snapshot. The handle should be the caller's own: on SQLite nobody else can use it meanwhile.
///
/// # Errors
/// If the database cannot be read.
pub async fn take(database: &Database, options: &SnapshotOptions) -> Result<Snapshot, DatabaseError> {
    let mut transaction = database.begin_snapshot().await?;
    let snapshot = read(&mut transaction, options).await?;
    transaction.rollback().await?;
    Ok(snapshot)
}

async fn read(transaction: &mut Transaction, options: &SnapshotOptions) -> Result<Snapshot, DatabaseError> {
    let mut quarantine = Quarantine::default();
    let live = read_live(transaction, options.settings.max_processes_per_drone, &mut quarantine).await?;
    // Moments of rows are those of the server's clock.
    let now = format!("SELECT {}", transaction.dialect().now_seconds());
    let now = transaction.query(&now, Vec::new()).await?.first().map_or(Ok(0), |row| row.get::<i64>(0))?;
    let taken_at = Time::from_seconds(now);
    // Moments are whole seconds: what was submitted within this one is part of it.
    let to = taken_at + Span::from_seconds(1);
    let asked_from = to - Span::from_hours(24 * i64::from(options.days));
    let mut past = jobs::read(transaction, asked_from, to, &live, &mut quarantine).await?;
    // Of a time before the first job nothing is known: a lab that was not there, or rows that were purged.
    let from = past.begin.unwrap_or(asked_from);
    let ended = tasks::read(transaction, from, &past.entries, &mut quarantine).await?;
    let mut lab = Hosts::of(&live, to);
    lab.find(transaction, past.host_ids().chain(ended.iter().map(|task| task.host)), &mut quarantine).await?;
    let mut remarks = std::mem::take(&mut past.remarks);
    let days = (to - from).as_seconds_f64() / 86_400.0;
    // A tenth of a day less is no news.
    if past.begin.is_some() && days < f64::from(options.days) - 0.1 {
        let last = if days < 1.0 { format!("{:.1} hours", days * 24.0) } else { format!("{days:.1} days") };
        remarks.push(format!("the database has jobs of the last {last} only, not of {} days", options.days));
    }
    let handed_off = handed_off(transaction).await?;
    if handed_off > 0 {
        remarks.push(format!(
            "{handed_off} entries of jobs handed to another runner are left out: their hosts count as busy"
        ));
    }
    let quarantined = quarantine.take_untold().len();
    if quarantined > 0 {
        remarks.push(format!("{quarantined} rows make no sense and are left out: `yardmaster why` names those alive"));
    }
    let mut history = History {
        source: options.source.clone(),
        from,
        to,
        unix_time: true,
        settings: options.settings.clone(),
        jobs: past.into_history(&lab.places),
        tasks: ended.into_iter().filter_map(|task| task.into_history(&lab.places)).collect(),
        hosts: lab.hosts,
        drones: drones(&live),
        outages: Vec::new(),
        remarks,
    };
    let (outages, said) = outages::outages(&history);
    history.outages = outages;
    history.remarks.extend(said);
    let mut snapshot = Snapshot { taken_at, history, live };
    if options.pseudonyms {
        pseudonyms::hide(&mut snapshot);
    }
    Ok(snapshot)
}

fn drones(live: &LiveRows) -> Vec<HistoricDrone> {
    let enabled = live.drones.iter().filter(|drone| drone.enabled);
    enabled.map(|drone| HistoricDrone { name: drone.name.clone(), max_processes: drone.max_processes }).collect()
}

/// Live entries that are another runner's.
async fn handed_off(transaction: &mut Transaction) -> Result<i64, DatabaseError> {
    let sql = "SELECT COUNT(*) FROM afe_host_queue_entries e JOIN afe_job_handoffs f ON f.job_id = e.job_id \
               WHERE e.complete = 0 AND e.deleted = 0";
    transaction.query(sql, Vec::new()).await?.first().map_or(Ok(0), |row| row.get(0))
}

/// The hosts of a history, and where each is among them.
struct Hosts {
    labels: BTreeMap<LabelId, Label>,
    hosts: Vec<HistoricHost>,
    places: BTreeMap<HostId, u32>,
    /// When deleted hosts count as gone.
    gone: Time,
}

impl Hosts {
    /// The live ones, in the order of their ids.
    fn of(live: &LiveRows, gone: Time) -> Hosts {
        let labels = live.labels.iter().map(|label| (label.id, label.clone())).collect();
        let mut hosts = Hosts { labels, hosts: Vec::new(), places: BTreeMap::new(), gone };
        live.hosts.iter().for_each(|host| hosts.add(host));
        hosts
    }

    fn add(&mut self, host: &Host) {
        let place = self.hosts.len() as u32;
        if self.places.insert(host.id, place).is_some() {
            return;
        }
        let label = |id: LabelId| self.labels.get(&id);
        let names = host.labels.iter().filter_map(|id| label(*id)).filter(|label| !label.invalid);
        self.hosts.push(HistoricHost {
            name: host.name.clone(),
            kind: kind_of_host(&host.labels, label),
            labels: names.map(|label| label.name.clone()).collect(),
            locked: host.locked,
            since: None,
            // A deleted host is gone; when it went, its row does not tell.
            until: host.invalid.then_some(self.gone),
        });
    }

    /// Reads those of these that are not known: deleted hosts on which something ran.
    async fn find(
        &mut self,
        transaction: &mut Transaction,
        ids: impl Iterator<Item = HostId>,
        quarantine: &mut Quarantine,
    ) -> Result<(), DatabaseError> {
        let missing: BTreeSet<u32> = ids.filter(|id| !self.places.contains_key(id)).map(|id| id.0).collect();
        let missing: Vec<u32> = missing.into_iter().collect();
        let mut found = hosts(transaction, Which::Ids(&missing), quarantine).await?;
        found.sort_unstable_by_key(|host| host.id);
        found.iter().for_each(|host| self.add(host));
        Ok(())
    }
}
