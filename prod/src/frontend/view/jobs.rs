//! Jobs and their entries.

use std::collections::BTreeMap;

use serde::Serialize;
use yardmaster_engine::{EntryStatus, JobId};

use super::Moment;
use crate::database::{Database, DatabaseError, Row, Value, marks};
use crate::frontend::Priority;

/// A job in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobView {
    /// Its id.
    pub id: u32,
    /// What people call it.
    pub name: String,
    /// Who asked for it.
    pub owner: String,
    /// Higher first.
    pub priority: Priority,
    /// When it was submitted.
    pub created: Option<Moment>,
    /// The suite that it belongs to.
    pub parent: Option<u32>,
    /// How many entries it has, by status.
    pub entries: BTreeMap<String, u32>,
}

/// Which jobs are wanted. What is empty does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// This user's.
    pub owner: Option<String>,
    /// Those with an entry in one of these statuses.
    pub statuses: Vec<EntryStatus>,
    /// Those that ask for this label, as a dependency or a meta-host.
    pub label: Option<String>,
    /// Those with an entry on this host.
    pub host: Option<String>,
    /// Those of this suite.
    pub parent: Option<u32>,
    /// Those submitted since.
    pub since: Option<Moment>,
    /// Those with an entry that has not ended.
    pub unfinished: bool,
    /// At most so many, the latest.
    pub limit: u32,
}

impl JobFilter {
    fn conditions(&self, database: &Database) -> (String, Vec<Value>) {
        let mut conditions = vec!["1 = 1".to_owned()];
        let mut parameters: Vec<Value> = Vec::new();
        let mut put = |condition: &str, values: Vec<Value>| {
            conditions.push(condition.to_owned());
            parameters.extend(values);
        };
        let entries = "EXISTS (SELECT 1 FROM afe_host_queue_entries e";
        if let Some(owner) = &self.owner {
            put("j.owner = ?", vec![owner.into()]);
        }
        if let Some(parent) = self.parent {
            put("j.parent_job_id = ?", vec![parent.into()]);
        }
        if let Some(since) = self.since {
            put(&format!("j.created_on >= {}", database.dialect().datetime_of("?")), vec![since.0.into()]);
        }
        if !self.statuses.is_empty() {
            let places = marks(self.statuses.len());
            let words = self.statuses.iter().map(|status| status.as_str().into()).collect();
            put(&format!("{entries} WHERE e.job_id = j.id AND e.status IN ({places}))"), words);
        }
        if self.unfinished {
            put(&format!("{entries} WHERE e.job_id = j.id AND e.complete = 0)"), Vec::new());
        }
        if let Some(host) = &self.host {
            let on = "JOIN afe_hosts h ON h.id = e.host_id WHERE e.job_id = j.id AND h.hostname = ?)";
            put(&format!("{entries} {on}"), vec![host.into()]);
        }
        if let Some(label) = &self.label {
            let meta = "JOIN afe_labels l ON l.id = e.meta_host WHERE e.job_id = j.id AND l.name = ?)";
            let dependency = "EXISTS (SELECT 1 FROM afe_jobs_dependency_labels d JOIN afe_labels l ON l.id = d.label_id \
                              WHERE d.job_id = j.id AND l.name = ?)";
            put(&format!("({entries} {meta} OR {dependency})"), vec![label.into(), label.into()]);
        }
        (conditions.join(" AND "), parameters)
    }
}

/// The jobs that pass a filter, the latest first.
///
/// # Errors
/// As the database has it.
pub async fn jobs(database: &Database, filter: &JobFilter) -> Result<Vec<JobView>, DatabaseError> {
    let (conditions, parameters) = filter.conditions(database);
    let sql = format!(
        "SELECT j.id, j.name, j.owner, j.priority, {}, j.parent_job_id FROM afe_jobs j WHERE {conditions} \
         ORDER BY j.id DESC LIMIT {}",
        database.dialect().seconds_of("j.created_on"),
        filter.limit
    );
    let mut jobs: Vec<JobView> =
        database.query(&sql, parameters).await?.iter().map(view).collect::<Result<_, DatabaseError>>()?;
    for chunk in jobs.chunks_mut(500) {
        let places = marks(chunk.len());
        let sql = format!(
            "SELECT job_id, status, COUNT(*) FROM afe_host_queue_entries WHERE job_id IN ({places}) \
             GROUP BY job_id, status"
        );
        let ids = chunk.iter().map(|job| job.id.into()).collect();
        let mut counts: BTreeMap<u32, BTreeMap<String, u32>> = BTreeMap::new();
        for row in database.query(&sql, ids).await? {
            let status = row.get::<Option<String>>(1)?.unwrap_or_default();
            counts.entry(row.get(0)?).or_default().insert(status, row.get(2)?);
        }
        for job in chunk {
            job.entries = counts.remove(&job.id).unwrap_or_default();
        }
    }
    Ok(jobs)
}

fn view(row: &Row) -> Result<JobView, DatabaseError> {
    Ok(JobView {
        id: row.get(0)?,
        name: row.get::<Option<String>>(1)?.unwrap_or_default(),
        owner: row.get::<Option<String>>(2)?.unwrap_or_default(),
        priority: Priority(row.get::<Option<i32>>(3)?.unwrap_or(0)),
        created: Moment::read(row, 4)?,
        parent: row.get(5)?,
        entries: BTreeMap::new(),
    })
}

/// An entry: one job on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntryView {
    /// Its id.
    pub id: u32,
    /// The host that it names or was given.
    pub host: Option<String>,
    /// "Any host with this label."
    pub meta_host: Option<String>,
    /// Where it stands: the database's word.
    pub status: String,
    /// Whether it occupies its host.
    pub active: bool,
    /// Whether it has ended.
    pub complete: bool,
    /// Whether somebody asked for its abort.
    pub aborted: bool,
    /// Who did.
    pub aborted_by: Option<String>,
    /// Where its results are, below the results directory.
    pub results: Option<String>,
    /// When its test started.
    pub started: Option<Moment>,
    /// When it ended.
    pub finished: Option<Moment>,
}

/// A job with everything about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobDetail {
    /// The job.
    #[serde(flatten)]
    pub job: JobView,
    /// How many hosts run it together.
    pub synch_count: u32,
    /// The labels that its hosts must have.
    pub dependencies: Vec<String>,
    /// What the test driver finds in its keyval file.
    pub keyvals: BTreeMap<String, String>,
    /// Aborted so many minutes after its creation.
    pub timeout_mins: u32,
    /// Its entries are aborted so many minutes after their start.
    pub max_runtime_mins: u32,
    /// The ids of its children.
    pub children: Vec<u32>,
    /// The text of the control file.
    pub control_file: String,
    /// Its entries.
    pub host_queue_entries: Vec<EntryView>,
}

/// A job with everything about it; `None` if there is none of this id.
///
/// # Errors
/// As the database has it.
pub async fn job(database: &Database, id: JobId) -> Result<Option<JobDetail>, DatabaseError> {
    let dialect = database.dialect();
    let key = || vec![Value::from(id.0)];
    let sql = format!(
        "SELECT j.id, j.name, j.owner, j.priority, {}, j.parent_job_id, j.synch_count, j.timeout_mins, \
         j.max_runtime_mins, j.control_file FROM afe_jobs j WHERE j.id = ?",
        dialect.seconds_of("j.created_on")
    );
    let rows = database.query(&sql, key()).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let mut detail = JobDetail {
        job: view(row)?,
        synch_count: row.get(6)?,
        dependencies: Vec::new(),
        keyvals: BTreeMap::new(),
        timeout_mins: row.get(7)?,
        max_runtime_mins: row.get(8)?,
        children: Vec::new(),
        control_file: row.get::<Option<String>>(9)?.unwrap_or_default(),
        host_queue_entries: entries(database, id).await?,
    };
    for entry in &detail.host_queue_entries {
        *detail.job.entries.entry(entry.status.clone()).or_default() += 1;
    }
    let sql = "SELECT l.name FROM afe_jobs_dependency_labels d JOIN afe_labels l ON l.id = d.label_id \
               WHERE d.job_id = ? ORDER BY l.name";
    for row in database.query(sql, key()).await? {
        detail.dependencies.push(row.get::<Option<String>>(0)?.unwrap_or_default());
    }
    for row in database.query("SELECT `key`, value FROM afe_job_keyvals WHERE job_id = ? ORDER BY id", key()).await? {
        detail.keyvals.insert(row.get(0)?, row.get(1)?);
    }
    for row in database.query("SELECT id FROM afe_jobs WHERE parent_job_id = ? ORDER BY id", key()).await? {
        detail.children.push(row.get(0)?);
    }
    Ok(Some(detail))
}

async fn entries(database: &Database, job: JobId) -> Result<Vec<EntryView>, DatabaseError> {
    let dialect = database.dialect();
    // Results lie under the login as the user's row spells it, which a server finds whatever the case.
    let owner = "COALESCE((SELECT MIN(o.login) FROM afe_users o WHERE o.login = j.owner), j.owner)";
    let sql = format!(
        "SELECT e.id, h.hostname, l.name, e.status, e.active, e.complete, e.aborted, u.login, e.execution_subdir, \
         {owner}, {}, {} FROM afe_host_queue_entries e JOIN afe_jobs j ON j.id = e.job_id \
         LEFT JOIN afe_hosts h ON h.id = e.host_id LEFT JOIN afe_labels l ON l.id = e.meta_host \
         LEFT JOIN afe_aborted_host_queue_entries a ON a.queue_entry_id = e.id \
         LEFT JOIN afe_users u ON u.id = a.aborted_by_id WHERE e.job_id = ? ORDER BY e.id",
        dialect.seconds_of("e.started_on"),
        dialect.seconds_of("e.finished_on"),
    );
    let mut entries = Vec::new();
    for row in database.query(&sql, vec![job.0.into()]).await? {
        let truth = |column| row.get::<Option<bool>>(column).map(|truth| truth.unwrap_or(false));
        let subdir = row.get::<Option<String>>(8)?.filter(|subdir| !subdir.is_empty());
        let owner = row.get::<Option<String>>(9)?.unwrap_or_default();
        entries.push(EntryView {
            id: row.get(0)?,
            host: row.get(1)?,
            meta_host: row.get(2)?,
            status: row.get::<Option<String>>(3)?.unwrap_or_default(),
            active: truth(4)?,
            complete: truth(5)?,
            aborted: truth(6)?,
            aborted_by: row.get(7)?,
            results: subdir.map(|subdir| format!("{job}-{owner}/{subdir}")),
            started: Moment::read(&row, 10)?,
            finished: Moment::read(&row, 11)?,
        });
    }
    Ok(entries)
}
