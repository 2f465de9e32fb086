//! Everything that lives, as it is at one moment.

use yardmaster_engine::{HostId, Ineligible, JobId, LiveRows, Subnets};

use super::quarantine::{Quarantine, Quarantined};
use super::read::{Which, by_ids};
use super::read_lab::{self, Logins};
use super::read_work::{self, Entries, Tasks};
use crate::database::{Database, DatabaseError, Dialect, Transaction};

/// Everything that lives, and what makes no sense.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The rows.
    pub rows: LiveRows,
    /// What was set aside.
    pub quarantined: Vec<Quarantined>,
}

/// Reads everything that lives without touching anything: for programs that only look, as `yardmaster why`. A drone that
/// says nothing about it has room for `usual_room` processes.
///
/// # Errors
/// If the database cannot be read.
pub async fn snapshot(database: &Database, usual_room: u32) -> Result<Snapshot, DatabaseError> {
    let (rows, mut quarantine) = read(database, usual_room).await?;
    Ok(Snapshot { rows, quarantined: quarantine.take_untold() })
}

pub(super) async fn read(database: &Database, usual_room: u32) -> Result<(LiveRows, Quarantine), DatabaseError> {
    let mut transaction = database.begin_snapshot().await?;
    let mut quarantine = Quarantine::default();
    let rows = read_all(&mut transaction, usual_room, OurTables::ALL, &mut quarantine).await?;
    transaction.rollback().await?;
    Ok((rows, quarantine))
}

/// Hosts on which a live job has an entry that is not told: it has ended, was deleted or set aside. There can be no second
/// entry of the job there, so that the database would refuse whoever gave the job this host.
pub(super) async fn taken_hosts(database: &Database, rows: &LiveRows) -> Result<Vec<Ineligible>, DatabaseError> {
    let jobs: Vec<u32> = rows.jobs.iter().map(|job| job.id.0).collect();
    let sql = "SELECT id, job_id, host_id FROM afe_host_queue_entries WHERE host_id IS NOT NULL AND";
    let mut transaction = database.begin_snapshot().await?;
    let found = by_ids(&mut transaction, sql, "job_id", &jobs, "").await?;
    transaction.rollback().await?;
    let mut taken = Vec::new();
    for row in found {
        // Ids that cannot be are nobody's.
        let (Ok(entry), Ok(job), Ok(host)) = (row.get::<u32>(0), row.get(1), row.get(2)) else { continue };
        if rows.entries.binary_search_by_key(&entry, |told| told.id.0).is_err() {
            taken.push(Ineligible { job: JobId(job), host: HostId(host) });
        }
    }
    Ok(taken)
}

/// Reads everything that lives in a transaction, also where Yardmaster's own tables have never been made.
pub(crate) async fn read_live(
    transaction: &mut Transaction,
    usual_room: u32,
    quarantine: &mut Quarantine,
) -> Result<LiveRows, DatabaseError> {
    let tables = match transaction.dialect() {
        Dialect::MySql => {
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name"
        }
        Dialect::Sqlite => "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name",
    };
    let mut ours = [0, 0];
    // Strays are younger than the rest: a database that has yet to be migrated does without.
    for (count, names) in ours.iter_mut().zip(["'yardmaster_drones', 'yardmaster_kills'", "'yardmaster_strays'"]) {
        let sql = format!("{tables} IN ({names})");
        *count = transaction.query(&sql, Vec::new()).await?.first().map_or(Ok(0), |row| row.get::<i64>(0))?;
    }
    let has = OurTables { all_but_strays: ours[0] == 2, strays: ours[1] == 1 };
    read_all(transaction, usual_room, has, quarantine).await
}

/// Which of Yardmaster's own tables are there.
#[derive(Clone, Copy)]
struct OurTables {
    all_but_strays: bool,
    strays: bool,
}

impl OurTables {
    const ALL: OurTables = OurTables { all_but_strays: true, strays: true };
}

async fn read_all(
    transaction: &mut Transaction,
    usual_room: u32,
    has: OurTables,
    quarantine: &mut Quarantine,
) -> Result<LiveRows, DatabaseError> {
    let users = read_lab::users(transaction, Which::All, quarantine).await?;
    let logins: Logins = users.iter().map(|user| (user.login.clone(), user.id)).collect();
    let labels = read_lab::labels(transaction, Which::All, quarantine).await?;
    let drones = match has.all_but_strays {
        true => read_lab::drones(transaction, Which::All, &logins, usual_room, quarantine).await?,
        false => read_lab::plain_drones(transaction, usual_room, quarantine).await?,
    };
    let drone_sets = read_lab::drone_sets(transaction, Which::All, quarantine).await?;
    let entries = match has.all_but_strays {
        true => read_work::entries(transaction, Entries::Live, quarantine).await?,
        false => read_work::plain_entries(transaction, Entries::Live, quarantine).await?,
    };
    let mut entries: Vec<_> = entries.into_iter().map(|row| row.entry).collect();
    entries.sort_unstable_by_key(|entry| entry.id);
    let mut tasks = read_work::tasks(transaction, Tasks::Live, quarantine).await?;

    let mut hosts = read_lab::hosts(transaction, Which::All, quarantine).await?;
    let known: std::collections::BTreeSet<u32> = hosts.iter().map(|host| host.id.0).collect();
    let named = entries.iter().filter_map(|entry| entry.host).chain(tasks.iter().map(|task| task.host));
    let named: std::collections::BTreeSet<u32> =
        named.map(|host| host.0).filter(|host| !known.contains(host)).collect();
    let named: Vec<u32> = named.into_iter().collect();
    hosts.extend(read_lab::hosts(transaction, Which::Ids(&named), quarantine).await?);
    hosts.sort_unstable_by_key(|host| host.id);

    let mut jobs: Vec<u32> = entries.iter().map(|entry| entry.job.0).collect();
    jobs.sort_unstable();
    jobs.dedup();
    let mut jobs = read_work::jobs(transaction, &jobs, &logins, quarantine).await?;
    jobs.sort_unstable_by_key(|job| job.id);
    // Rows that hang on one that was set aside, or is not there, wait for it.
    let has_job = |id: JobId| jobs.binary_search_by_key(&id, |job| job.id).is_ok();
    let has_host = |id| hosts.binary_search_by_key(&id, |host| host.id).is_ok();
    entries.retain(|entry| has_job(entry.job) && entry.host.is_none_or(has_host));
    tasks.retain(|task| has_host(task.host));
    let living: std::collections::BTreeSet<JobId> = entries.iter().map(|entry| entry.job).collect();
    jobs.retain(|job| living.contains(&job.id));

    let (kills, hand_offs) = match has.all_but_strays {
        true => {
            (read_work::kills(transaction, quarantine).await?, read_work::hand_offs(transaction, quarantine).await?)
        }
        false => Default::default(),
    };
    let strays = if has.strays { read_work::strays(transaction, quarantine).await? } else { Vec::new() };
    let entry_ids: Vec<u32> = entries.iter().map(|entry| entry.id.0).collect();
    Ok(LiveRows {
        ineligible: read_work::ineligible(transaction, Which::All).await?,
        history: read_work::history(transaction, &entry_ids).await?,
        next_task: read_work::next_task(transaction).await?,
        kills,
        strays,
        hand_offs,
        // No table knows them.
        subnets: Subnets::default(),
        labels,
        users,
        hosts,
        drones,
        drone_sets,
        jobs,
        entries,
        tasks,
    })
}
