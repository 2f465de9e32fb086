//! The jobs of a history, with what became of their entries.

use std::collections::BTreeMap;
use std::sync::Arc;

use yardmaster_engine::{EntryStatus, HostId, LabelId, LiveRows, RebootAfter, RebootBefore, Span, Time};
use yardmaster_sim::forecast::profile_of;
use yardmaster_sim::history::{HistoricJob, HistoricRequest, JobEnding};

use crate::database::{CHUNK, DatabaseError, Transaction, Value};
use crate::store::{Columns, Quarantine, Which, by_ids, grouped, keep, pairs};

/// The keyvals that say more of a job: its suite's name, its build, and how many hosts a suite is promised.
const KEYVALS: &str = "'suite', 'build', 'suite_min_duts'";

/// What was read.
pub(super) struct PastJobs {
    jobs: Vec<PastJob>,
    /// When the first job was submitted, if none was before the time.
    pub(super) begin: Option<Time>,
    /// The job of each entry.
    pub(super) entries: BTreeMap<u32, u32>,
    /// What was left out or assumed.
    pub(super) remarks: Vec<String>,
}

/// A job whose hosts are known by their ids yet.
struct PastJob {
    ran_on: Vec<HostId>,
    /// Those that it names; empty where it asks otherwise.
    named: Vec<HostId>,
    job: HistoricJob,
}

/// A row of `afe_jobs`.
struct JobRow {
    id: u32,
    owner: Arc<str>,
    name: String,
    priority: i32,
    synch_count: u32,
    run_verify: bool,
    run_reset: bool,
    reboot_before: RebootBefore,
    reboot_after: RebootAfter,
    parent: Option<u32>,
    timeout: Span,
    max_runtime: Span,
    created: Time,
}

/// A row of `afe_host_queue_entries`.
struct EntryRow {
    id: u32,
    job: u32,
    host: Option<HostId>,
    meta_host: Option<LabelId>,
    status: EntryStatus,
    started: Option<Time>,
    finished: Option<Time>,
}

/// Reads the jobs that were submitted from a moment on until another.
pub(super) async fn read(
    transaction: &mut Transaction,
    from: Time,
    to: Time,
    live: &LiveRows,
    quarantine: &mut Quarantine,
) -> Result<PastJobs, DatabaseError> {
    let labels: BTreeMap<LabelId, &Arc<str>> = live.labels.iter().map(|label| (label.id, &label.name)).collect();
    let mut past = PastJobs { jobs: Vec::new(), begin: None, entries: BTreeMap::new(), remarks: Vec::new() };
    let (mut unknown_labels, mut mixed, mut various) = (0_usize, 0_usize, 0_usize);
    let mut page = Page::first(transaction, from).await?;
    let is_first = !page.has_earlier(transaction).await?;
    while let Some(rows) = page.next(transaction, quarantine).await? {
        let ids: Vec<u32> = rows.iter().map(|row| row.id).collect();
        let mut entries: BTreeMap<u32, Vec<EntryRow>> = BTreeMap::new();
        for entry in entries_of(transaction, &ids, quarantine).await? {
            past.entries.insert(entry.id, entry.job);
            entries.entry(entry.job).or_default().push(entry);
        }
        let dependencies = "SELECT job_id, label_id FROM afe_jobs_dependency_labels WHERE";
        let dependencies = pairs(transaction, dependencies, "job_id", Which::Ids(&ids)).await?;
        let mut dependencies = grouped::<LabelId>(dependencies);
        let mut keyvals = keyvals_of(transaction, &ids).await?;
        for row in rows.into_iter().filter(|row| row.created < to) {
            let entries = entries.remove(&row.id).unwrap_or_default();
            let wanted = dependencies.remove(&row.id).unwrap_or_default();
            let keyvals = keyvals.remove(&row.id).unwrap_or_default();
            if is_first && past.begin.is_none() {
                past.begin = Some(row.created);
            }
            mixed += usize::from(is_mixed(&entries));
            various += usize::from(is_various(&entries));
            match past_job(row, &entries, &wanted, keyvals, &labels) {
                Some(job) => past.jobs.push(job),
                None => unknown_labels += 1,
            }
        }
    }
    past.jobs.sort_by_key(|past| (past.job.submitted, past.job.id));
    past.remarks = remarks(unknown_labels, mixed, various);
    Ok(past)
}

fn remarks(unknown_labels: usize, mixed: usize, various: usize) -> Vec<String> {
    let mut remarks = vec![
        "the tables do not tell when a test ended, only when its results were parsed: durations of tests include that"
            .to_owned(),
        "the tables do not tell how many tests failed within a job: a failed job counts as one".to_owned(),
    ];
    if unknown_labels > 0 {
        remarks.push(format!("{unknown_labels} jobs ask for labels that have no row any more, and are left out"));
    }
    if mixed > 0 {
        remarks.push(format!(
            "{mixed} jobs name hosts and ask for others by label: they count as asking for labels alone"
        ));
    }
    if various > 0 {
        remarks.push(format!(
            "{various} jobs ask for hosts of several labels: they count as asking for as many of the first"
        ));
    }
    remarks
}

/// Where reading has come to, in the order of creation. The moment is kept as the database writes it: a local time that a
/// change to winter time repeats would not come back from a conversion as it went in.
struct Page {
    created: String,
    id: u32,
    done: bool,
}

impl Page {
    async fn first(transaction: &mut Transaction, from: Time) -> Result<Page, DatabaseError> {
        let dialect = transaction.dialect();
        let text = match dialect {
            crate::database::Dialect::MySql => "CHAR",
            crate::database::Dialect::Sqlite => "TEXT",
        };
        let sql = format!("SELECT CAST({} AS {text})", dialect.datetime_of(dialect.integer_parameter()));
        let rows = transaction.query(&sql, vec![Value::Integer(from.as_seconds())]).await?;
        let created = rows.first().map_or(Ok(String::new()), |row| row.get(0))?;
        Ok(Page { created, id: 0, done: false })
    }

    /// Whether there are jobs from before it.
    async fn has_earlier(&self, transaction: &mut Transaction) -> Result<bool, DatabaseError> {
        let sql = "SELECT id FROM afe_jobs WHERE created_on < ? LIMIT 1";
        Ok(!transaction.query(sql, vec![self.created.as_str().into()]).await?.is_empty())
    }

    /// The next rows; `None` after the last.
    async fn next(
        &mut self,
        transaction: &mut Transaction,
        quarantine: &mut Quarantine,
    ) -> Result<Option<Vec<JobRow>>, DatabaseError> {
        if self.done {
            return Ok(None);
        }
        let created = transaction.dialect().seconds_of("created_on");
        let sql = format!(
            "SELECT id, owner, name, priority, synch_count, run_verify, run_reset, reboot_before, reboot_after, parent_job_id, \
             timeout_mins, max_runtime_mins, {created}, created_on FROM afe_jobs WHERE created_on >= ? \
             AND (created_on > ? OR id > ?) ORDER BY created_on, id LIMIT {CHUNK}"
        );
        let sql = match transaction.dialect() {
            // As a text: the engine knows no values of the database's own type.
            crate::database::Dialect::MySql => sql.replace(", created_on FROM", ", CAST(created_on AS CHAR) FROM"),
            crate::database::Dialect::Sqlite => sql,
        };
        let parameters = vec![self.created.as_str().into(), self.created.as_str().into(), self.id.into()];
        let rows = transaction.query(&sql, parameters).await?;
        self.done = rows.len() < CHUNK;
        if let Some(last) = rows.last() {
            (self.id, self.created) = (last.get(0)?, last.get(13)?);
        }
        Ok(Some(keep(&rows, "afe_jobs", quarantine, job_row)))
    }
}

fn job_row(row: &Columns<'_>, id: u32) -> Result<JobRow, String> {
    let minutes = |column, name| Ok::<_, String>(Span::from_minutes(i64::from(row.get::<u32>(column, name)?)));
    Ok(JobRow {
        id,
        owner: row.get::<String>(1, "owner")?.into(),
        name: row.get(2, "name")?,
        priority: row.get(3, "priority")?,
        synch_count: row.get(4, "synch_count")?,
        run_verify: row.flag(5, "run_verify", true)?,
        run_reset: row.flag(6, "run_reset", true)?,
        reboot_before: row.level(7, "reboot_before", RebootBefore::ALL)?,
        reboot_after: row.level(8, "reboot_after", RebootAfter::ALL)?,
        parent: row.get(9, "parent_job_id")?,
        timeout: minutes(10, "timeout_mins")?,
        max_runtime: minutes(11, "max_runtime_mins")?,
        created: Time::from_seconds(row.get(12, "created_on")?),
    })
}

async fn entries_of(
    transaction: &mut Transaction,
    jobs: &[u32],
    quarantine: &mut Quarantine,
) -> Result<Vec<EntryRow>, DatabaseError> {
    let dialect = transaction.dialect();
    let (started, finished) = (dialect.seconds_of("started_on"), dialect.seconds_of("finished_on"));
    let sql = format!(
        "SELECT id, job_id, host_id, meta_host, status, {started}, {finished} FROM afe_host_queue_entries WHERE deleted = 0 AND"
    );
    let rows = by_ids(transaction, &sql, "job_id", jobs, "ORDER BY id").await?;
    Ok(keep(&rows, "afe_host_queue_entries", quarantine, |row, id| {
        let moment = |column, name| Ok::<_, String>(row.get::<Option<i64>>(column, name)?.map(Time::from_seconds));
        Ok(EntryRow {
            id,
            job: row.get(1, "job_id")?,
            host: row.get::<Option<u32>>(2, "host_id")?.map(HostId),
            meta_host: row.get::<Option<u32>>(3, "meta_host")?.map(LabelId),
            status: row.word(4, "status")?,
            started: moment(5, "started_on")?,
            finished: moment(6, "finished_on")?,
        })
    }))
}

/// The keyvals of each job by their keys.
async fn keyvals_of(
    transaction: &mut Transaction,
    jobs: &[u32],
) -> Result<BTreeMap<u32, BTreeMap<String, String>>, DatabaseError> {
    let sql = format!("SELECT job_id, `key`, value FROM afe_job_keyvals WHERE `key` IN ({KEYVALS}) AND");
    let mut keyvals: BTreeMap<u32, BTreeMap<String, String>> = BTreeMap::new();
    for row in by_ids(transaction, &sql, "job_id", jobs, "").await? {
        keyvals.entry(row.get(0)?).or_default().insert(row.get(1)?, row.get(2)?);
    }
    Ok(keyvals)
}

fn is_mixed(entries: &[EntryRow]) -> bool {
    let by_label = entries.iter().filter(|entry| entry.meta_host.is_some()).count();
    by_label > 0 && by_label < entries.len()
}

fn is_various(entries: &[EntryRow]) -> bool {
    let mut labels = entries.iter().filter_map(|entry| entry.meta_host);
    let first = labels.next();
    labels.any(|label| Some(label) != first)
}

/// `None`: it asks for a label that is not there.
fn past_job(
    row: JobRow,
    entries: &[EntryRow],
    wanted: &[LabelId],
    mut keyvals: BTreeMap<String, String>,
    labels: &BTreeMap<LabelId, &Arc<str>>,
) -> Option<PastJob> {
    let name_of = |id: &LabelId| labels.get(id).map(|name| Arc::clone(name));
    let asked: Vec<LabelId> = entries.iter().filter_map(|entry| entry.meta_host).collect();
    let named: Vec<HostId> = match asked.is_empty() {
        true => entries.iter().filter_map(|entry| entry.host).collect(),
        false => Vec::new(),
    };
    let request = match asked.first() {
        Some(label) => HistoricRequest::Any { count: asked.len() as u32, label: name_of(label)? },
        // Filled in once it is known where its hosts are.
        None if !named.is_empty() => HistoricRequest::Hosts(Vec::new()),
        None => HistoricRequest::Hostless,
    };
    let others = wanted.iter().filter(|label| asked.first() != Some(label));
    let labels: Vec<Arc<str>> = others.map(name_of).collect::<Option<_>>()?;
    let ran: Vec<&EntryRow> = entries.iter().filter(|entry| entry.started.is_some()).collect();
    let minimum = keyvals.get("suite_min_duts").and_then(|value| value.trim().parse().ok()).unwrap_or(0);
    let job = HistoricJob {
        id: u64::from(row.id),
        submitted: row.created,
        started: ran.iter().filter_map(|entry| entry.started).min(),
        ended: ran
            .iter()
            .map(|entry| entry.finished)
            .collect::<Option<Vec<_>>>()
            .and_then(|ends| ends.into_iter().max()),
        ending: ending(entries),
        tests_failed: entries.iter().filter(|entry| entry.status == EntryStatus::Failed).count() as u32,
        hosts: Vec::new(),
        request,
        synch_count: row.synch_count.max(1),
        labels,
        profile: profile_of(&row.name),
        class: keyvals.remove("suite").unwrap_or_default().into(),
        owner: row.owner,
        priority: row.priority,
        parent: row.parent.map(u64::from),
        burst: keyvals.remove("build").map(Arc::from),
        run_verify: row.run_verify,
        run_reset: row.run_reset,
        reboot_before: row.reboot_before,
        reboot_after: row.reboot_after,
        suite_min_hosts: minimum,
        timeout: row.timeout,
        max_runtime: row.max_runtime,
    };
    Some(PastJob { ran_on: ran.iter().filter_map(|entry| entry.host).collect(), named, job })
}

/// A job goes on while an entry does; an abort of one makes its length worthless; then a failure counts.
fn ending(entries: &[EntryRow]) -> JobEnding {
    let any = |statuses: &[EntryStatus]| entries.iter().any(|entry| statuses.contains(&entry.status));
    if entries.iter().any(|entry| !entry.status.is_complete()) {
        JobEnding::Open
    } else if any(&[EntryStatus::Aborted]) {
        JobEnding::Aborted
    } else if any(&[EntryStatus::Failed, EntryStatus::Stopped]) || entries.is_empty() {
        JobEnding::Failed
    } else {
        JobEnding::Completed
    }
}

impl PastJobs {
    /// The hosts that jobs name or ran on.
    pub(super) fn host_ids(&self) -> impl Iterator<Item = HostId> {
        self.jobs.iter().flat_map(|past| past.ran_on.iter().chain(&past.named)).copied()
    }

    /// The jobs, their hosts being at these places.
    pub(super) fn into_history(self, places: &BTreeMap<HostId, u32>) -> Vec<HistoricJob> {
        let at = |hosts: &[HostId]| hosts.iter().filter_map(|host| places.get(host)).copied().collect::<Vec<u32>>();
        let job = |past: PastJob| {
            let request = match past.job.request {
                HistoricRequest::Hosts(_) => HistoricRequest::Hosts(at(&past.named)),
                other => other,
            };
            HistoricJob { hosts: at(&past.ran_on), request, ..past.job }
        };
        self.jobs.into_iter().map(job).collect()
    }
}
