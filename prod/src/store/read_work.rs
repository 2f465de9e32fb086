//! Reading what is to be done: jobs, entries, special tasks, ineligible rows, kills, strays.

use std::collections::BTreeMap;

use smallvec::SmallVec;
use yardmaster_engine::{
    DroneId, DroneSetId, Entry, EntryId, ExecutionPath, HandOff, HostId, Ineligible, Job, JobId, KillOrder, LabelId,
    PidfileName, RebootAfter, RebootBefore, ShardId, Span, SpecialTask, Stray, Subdir, TaskHistory, TaskId, TaskKind,
    Time, UserId,
};

use super::quarantine::Quarantine;
use super::read::{Columns, Which, by_ids, pairs};
use super::read_lab::{Logins, grouped, keep, whose};
use crate::database::{DatabaseError, Dialect, Row, Transaction};

/// The keyval of a suite that asks for hosts of its own.
const SUITE_MINIMUM: &str = "suite_min_duts";

/// An entry, and the columns that say whether it lives.
#[derive(Debug, Clone)]
pub(super) struct EntryRow {
    pub(super) entry: Entry,
    pub(super) complete: bool,
    pub(super) deleted: bool,
}

impl EntryRow {
    /// Whether the engine has to know of it.
    pub(super) fn is_live(&self) -> bool {
        !self.deleted && (!self.complete || self.entry.active)
    }
}

pub(super) async fn jobs(
    transaction: &mut Transaction,
    ids: &[u32],
    logins: &Logins,
    quarantine: &mut Quarantine,
) -> Result<Vec<Job>, DatabaseError> {
    let created = transaction.dialect().seconds_of("created_on");
    let sql = format!(
        "SELECT id, owner, name, priority, synch_count, run_verify, run_reset, reboot_before, reboot_after, parent_job_id, \
         timeout_mins, max_runtime_mins, {created}, drone_set_id, shard_id FROM afe_jobs WHERE"
    );
    let rows = by_ids(transaction, &sql, "id", ids, "").await?;
    let labels = "SELECT job_id, label_id FROM afe_jobs_dependency_labels WHERE";
    let labels = grouped::<LabelId>(pairs(transaction, labels, "job_id", Which::Ids(ids)).await?);
    // Only hosts of a synchronous job share a `groupN`; a job that becomes one is read again.
    let synchronous = rows.iter().filter(|row| row.get::<u32>(4).is_ok_and(|count| count > 1));
    let synchronous: Vec<u32> = synchronous.filter_map(|row| row.get(0).ok()).collect();
    let groups = next_groups(transaction, &synchronous).await?;
    let mut parents: Vec<u32> = rows.iter().filter_map(|row| row.get(9).ok()).collect();
    parents.sort_unstable();
    parents.dedup();
    let minimums = suite_minimums(transaction, &parents, quarantine).await?;
    let dialect = transaction.dialect();
    Ok(keep(&rows, "afe_jobs", quarantine, |row, id| {
        let job = job(row, id, logins, dialect)?;
        let minimum = job.parent.and_then(|parent| minimums.get(&parent.0));
        Ok(Job {
            labels: SmallVec::from_vec(labels.get(&id).cloned().unwrap_or_default()),
            suite_min_hosts: minimum.copied().unwrap_or(0),
            next_group: groups.get(&id).copied().unwrap_or(0),
            ..job
        })
    }))
}

fn job(row: &Columns<'_>, id: u32, logins: &Logins, dialect: Dialect) -> Result<Job, String> {
    let owner: String = row.get(1, "owner")?;
    let owner = whose(&owner, logins, dialect).ok_or_else(|| {
        format!("owner {owner} of job {id} has no row in afe_users: add it with `yardmaster user add {owner}`")
    })?;
    // Autotest writes 0, its default, for jobs of which nobody said how many hosts run them together, as suites.
    let synch_count = row.get::<u32>(4, "synch_count")?.max(1);
    Ok(Job {
        id: JobId(id),
        owner,
        name: row.get::<String>(2, "name")?.into(),
        priority: row.get(3, "priority")?,
        synch_count,
        run_verify: row.flag(5, "run_verify", true)?,
        run_reset: row.flag(6, "run_reset", true)?,
        reboot_before: row.level(7, "reboot_before", RebootBefore::ALL)?,
        reboot_after: row.level(8, "reboot_after", RebootAfter::ALL)?,
        labels: SmallVec::new(),
        parent: row.get::<Option<u32>>(9, "parent_job_id")?.map(JobId),
        suite_min_hosts: 0,
        timeout: Span::from_minutes(i64::from(row.get::<u32>(10, "timeout_mins")?)),
        max_runtime: Span::from_minutes(i64::from(row.get::<u32>(11, "max_runtime_mins")?)),
        created_on: Time::from_seconds(row.get(12, "created_on")?),
        drone_set: row.get::<Option<u32>>(13, "drone_set_id")?.map(DroneSetId),
        shard: row.get::<Option<u32>>(14, "shard_id")?.map(ShardId),
        next_group: 0,
    })
}

/// One more than the highest `groupN` among all entries of each job.
async fn next_groups(transaction: &mut Transaction, jobs: &[u32]) -> Result<BTreeMap<u32, u32>, DatabaseError> {
    let sql = "SELECT job_id, execution_subdir FROM afe_host_queue_entries WHERE execution_subdir LIKE 'group%' AND";
    let mut next = BTreeMap::new();
    for row in by_ids(transaction, sql, "job_id", jobs, "").await? {
        if let (Ok(job), Ok(subdir)) = (row.get::<u32>(0), row.get::<String>(1))
            && let Subdir::Group(number) = Subdir::parse(&subdir)
        {
            let highest: &mut u32 = next.entry(job).or_default();
            *highest = number.saturating_add(1).max(*highest);
        }
    }
    Ok(next)
}

async fn suite_minimums(
    transaction: &mut Transaction,
    parents: &[u32],
    quarantine: &mut Quarantine,
) -> Result<BTreeMap<u32, u32>, DatabaseError> {
    let sql = format!("SELECT id, job_id, value FROM afe_job_keyvals WHERE `key` = '{SUITE_MINIMUM}' AND");
    let rows = by_ids(transaction, &sql, "job_id", parents, "").await?;
    let minimums = keep(&rows, "afe_job_keyvals", quarantine, |row, _| {
        let value: String = row.get(2, "value")?;
        let number = value.trim().parse::<u32>();
        let number = number.map_err(|_| format!("{SUITE_MINIMUM} should be a number of hosts, but is {value:?}"))?;
        Ok((row.get(1, "job_id")?, number))
    });
    Ok(minimums.into_iter().collect())
}

/// How to find entries.
#[derive(Debug, Clone, Copy)]
pub(super) enum Entries<'a> {
    /// All that live.
    Live,
    /// These, alive or not.
    Ids(&'a [u32]),
    /// The live ones of these jobs.
    LiveOfJobs(&'a [u32]),
    /// The live ones that name these hosts.
    LiveOnHosts(&'a [u32]),
}

/// Reads entries. Those of a job that another scheduler handed off belong to its runner, whoever it is: they are left alone.
pub(super) async fn entries(
    transaction: &mut Transaction,
    which: Entries<'_>,
    quarantine: &mut Quarantine,
) -> Result<Vec<EntryRow>, DatabaseError> {
    entries_but(
        transaction,
        which,
        " AND NOT EXISTS (SELECT 1 FROM yardmaster_handoffs y WHERE y.job_id = f.job_id)",
        quarantine,
    )
    .await
}

/// The same of a database that has none of our tables: whatever was handed off, another scheduler did it.
pub(super) async fn plain_entries(
    transaction: &mut Transaction,
    which: Entries<'_>,
    quarantine: &mut Quarantine,
) -> Result<Vec<EntryRow>, DatabaseError> {
    entries_but(transaction, which, "", quarantine).await
}

/// Entries whose job has no hand-off `f` of which this holds.
async fn entries_but(
    transaction: &mut Transaction,
    which: Entries<'_>,
    hand_off: &str,
    quarantine: &mut Quarantine,
) -> Result<Vec<EntryRow>, DatabaseError> {
    let dialect = transaction.dialect();
    let (started, finished) = (dialect.seconds_of("started_on"), dialect.seconds_of("finished_on"));
    let sql = format!(
        "SELECT id, job_id, host_id, meta_host, status, active, complete, aborted, deleted, execution_subdir, {started}, \
         {finished} FROM afe_host_queue_entries WHERE \
         NOT EXISTS (SELECT 1 FROM afe_job_handoffs f WHERE f.job_id = afe_host_queue_entries.job_id{hand_off}) AND"
    );
    let live = "AND deleted = 0 AND (complete = 0 OR active = 1)";
    let rows = match which {
        Entries::Live => {
            let mut rows =
                transaction.query(&format!("{sql} complete = 0 AND deleted = 0 ORDER BY id"), Vec::new()).await?;
            let both = format!("{sql} active = 1 AND complete = 1 AND deleted = 0 ORDER BY id");
            rows.extend(transaction.query(&both, Vec::new()).await?);
            rows
        }
        Entries::Ids(ids) => by_ids(transaction, &sql, "id", ids, "").await?,
        Entries::LiveOfJobs(ids) => by_ids(transaction, &sql, "job_id", ids, live).await?,
        Entries::LiveOnHosts(ids) => by_ids(transaction, &sql, "host_id", ids, live).await?,
    };
    Ok(keep(&rows, "afe_host_queue_entries", quarantine, entry))
}

fn entry(row: &Columns<'_>, id: u32) -> Result<EntryRow, String> {
    let moment = |column, name| Ok::<_, String>(row.get::<Option<i64>>(column, name)?.map(Time::from_seconds));
    let entry = Entry {
        id: EntryId(id),
        job: JobId(row.get(1, "job_id")?),
        host: row.get::<Option<u32>>(2, "host_id")?.map(HostId),
        meta_host: row.get::<Option<u32>>(3, "meta_host")?.map(LabelId),
        status: row.word(4, "status")?,
        active: row.flag(5, "active", false)?,
        aborted: row.flag(7, "aborted", false)?,
        subdir: Subdir::parse(&row.get::<String>(9, "execution_subdir")?),
        started_on: moment(10, "started_on")?,
        finished_on: moment(11, "finished_on")?,
    };
    let (complete, deleted) = (row.flag(6, "complete", false)?, row.flag(8, "deleted", false)?);
    if complete && entry.active && !entry.status.is_complete() {
        return Err(format!("complete and active are set, but the status is {}", entry.status));
    }
    Ok(EntryRow { entry, complete, deleted })
}

/// How to find special tasks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tasks<'a> {
    /// All that are incomplete.
    Live,
    /// These, complete or not.
    Ids(&'a [u32]),
    /// The incomplete ones of these hosts.
    LiveOnHosts(&'a [u32]),
}

pub(super) async fn tasks(
    transaction: &mut Transaction,
    which: Tasks<'_>,
    quarantine: &mut Quarantine,
) -> Result<Vec<SpecialTask>, DatabaseError> {
    let dialect = transaction.dialect();
    let [requested, started, finished] =
        ["time_requested", "time_started", "time_finished"].map(|column| dialect.seconds_of(column));
    let sql = format!(
        "SELECT id, task, host_id, queue_entry_id, requested_by_id, {requested}, is_active, is_complete, is_aborted, success, \
         {started}, {finished} FROM afe_special_tasks WHERE"
    );
    let rows = match which {
        // The index is on (is_active, is_complete).
        Tasks::Live => {
            transaction.query(&format!("{sql} is_active IN (0, 1) AND is_complete = 0 ORDER BY id"), Vec::new()).await?
        }
        Tasks::Ids(ids) => by_ids(transaction, &sql, "id", ids, "").await?,
        Tasks::LiveOnHosts(ids) => by_ids(transaction, &sql, "host_id", ids, "AND is_complete = 0").await?,
    };
    Ok(keep(&rows, "afe_special_tasks", quarantine, task))
}

fn task(row: &Columns<'_>, id: u32) -> Result<SpecialTask, String> {
    let moment = |column, name| Ok::<_, String>(row.get::<Option<i64>>(column, name)?.map(Time::from_seconds));
    Ok(SpecialTask {
        id: TaskId(id),
        kind: row.word(1, "task")?,
        host: HostId(row.get(2, "host_id")?),
        entry: row.get::<Option<u32>>(3, "queue_entry_id")?.map(EntryId),
        requested_by: row.get::<Option<u32>>(4, "requested_by_id")?.map(UserId),
        requested_at: Time::from_seconds(row.get(5, "time_requested")?),
        active: row.flag(6, "is_active", false)?,
        complete: row.flag(7, "is_complete", false)?,
        aborted: row.flag(8, "is_aborted", false)?,
        success: row.flag(9, "success", false)?,
        started_at: moment(10, "time_started")?,
        finished_at: moment(11, "time_finished")?,
    })
}

pub(super) async fn ineligible(
    transaction: &mut Transaction,
    which: Which<'_>,
) -> Result<Vec<Ineligible>, DatabaseError> {
    let sql = "SELECT job_id, host_id FROM afe_ineligible_host_queues WHERE";
    let mut rows = pairs(transaction, sql, "job_id", which).await?;
    rows.sort_unstable();
    Ok(rows.into_iter().map(|(job, host)| Ineligible { job: JobId(job), host: HostId(host) }).collect())
}

/// How often entries have had a Repair or a Provision.
pub(super) async fn history(transaction: &mut Transaction, entries: &[u32]) -> Result<Vec<TaskHistory>, DatabaseError> {
    let sql = "SELECT queue_entry_id, host_id, task, COUNT(*) FROM afe_special_tasks WHERE task IN ('Repair', 'Provision') AND";
    let rows = by_ids(transaction, sql, "queue_entry_id", entries, "GROUP BY queue_entry_id, host_id, task").await?;
    let read = |row: &Row| {
        let kind: TaskKind = row.get::<String>(2).ok()?.parse().ok()?;
        Some(TaskHistory {
            entry: EntryId(row.get(0).ok()?),
            host: HostId(row.get(1).ok()?),
            kind,
            count: row.get(3).ok()?,
        })
    };
    Ok(rows.iter().filter_map(read).collect())
}

/// Above every id of a special task.
pub(super) async fn next_task(transaction: &mut Transaction) -> Result<u32, DatabaseError> {
    let rows = transaction.query("SELECT COALESCE(MAX(id), 0) + 1 FROM afe_special_tasks", Vec::new()).await?;
    rows.first().map_or(Ok(1), |row| row.get(0))
}

/// Kills that were decided and not yet seen to have worked.
pub(super) async fn kills(
    transaction: &mut Transaction,
    quarantine: &mut Quarantine,
) -> Result<Vec<KillOrder>, DatabaseError> {
    let rows = transaction
        .query("SELECT path, pidfile, drone_id FROM yardmaster_kills ORDER BY path, pidfile", Vec::new())
        .await?;
    let mut kills = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let columns = Columns(row);
        let kill = pidfile_place(&columns).and_then(|(path, name)| {
            Ok(KillOrder { path, name, drone: columns.get::<Option<u32>>(2, "drone_id")?.map(DroneId) })
        });
        match kill {
            Ok(kill) => kills.push(kill),
            Err(why) => quarantine.put("yardmaster_kills", number as i64, why),
        }
    }
    Ok(kills)
}

/// What drones that were silent may still have of processes that were started anew elsewhere.
pub(super) async fn strays(
    transaction: &mut Transaction,
    quarantine: &mut Quarantine,
) -> Result<Vec<Stray>, DatabaseError> {
    let sql = "SELECT path, pidfile, drone_id FROM yardmaster_strays ORDER BY path, pidfile, drone_id";
    let rows = transaction.query(sql, Vec::new()).await?;
    let mut strays = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let columns = Columns(row);
        let stray = pidfile_place(&columns)
            .and_then(|(path, name)| Ok(Stray { path, name, drone: DroneId(columns.get::<u32>(2, "drone_id")?) }));
        match stray {
            Ok(stray) => strays.push(stray),
            Err(why) => quarantine.put("yardmaster_strays", number as i64, why),
        }
    }
    Ok(strays)
}

/// Where a pidfile lies, by the first two columns.
fn pidfile_place(columns: &Columns<'_>) -> Result<(ExecutionPath, PidfileName), String> {
    let path = columns.get::<String>(0, "path")?;
    let name = columns.get::<String>(1, "pidfile")?;
    Ok((
        path.parse().map_err(|error: yardmaster_engine::NotAnExecutionPath| error.to_string())?,
        PidfileName::parse(&name).ok_or_else(|| format!("{name:?} is no pidfile's name"))?,
    ))
}

/// Jobs that this scheduler, or one before it, handed off and has not seen the end of.
pub(super) async fn hand_offs(
    transaction: &mut Transaction,
    quarantine: &mut Quarantine,
) -> Result<Vec<HandOff>, DatabaseError> {
    // Without a row in Autotest's table nobody else knows of the hand-off: it is as good as over.
    let sql = "SELECT y.job_id, y.drone_id, y.path, COALESCE(f.completed, 1) FROM yardmaster_handoffs y \
               LEFT JOIN afe_job_handoffs f ON f.job_id = y.job_id ORDER BY y.job_id";
    let rows = transaction.query(sql, Vec::new()).await?;
    Ok(keep(&rows, "yardmaster_handoffs", quarantine, |row, job| {
        let path: String = row.get(2, "path")?;
        let path = path.parse().map_err(|error: yardmaster_engine::NotAnExecutionPath| error.to_string())?;
        let (drone, over) = (DroneId(row.get(1, "drone_id")?), row.get(3, "completed")?);
        Ok(HandOff { job: JobId(job), drone, path, over })
    }))
}
