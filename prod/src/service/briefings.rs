//! What processes need to know beyond what the engine carries, from the database.

use std::collections::{BTreeMap, BTreeSet};

use yardmaster_engine::{EntryId, HostId, JobId, LabelId, Protection, Work};

use crate::database::{CHUNK, Database, DatabaseError, Row, marks, padded, times};
use crate::drones::{Abort, Brief, BriefingError, Briefings, ControlType, HostBrief, JobBrief};
use crate::store::{Which, host_labels};

/// Briefings out of Autotest's tables.
#[derive(Debug, Clone)]
pub struct SqlBriefings {
    database: Database,
}

impl SqlBriefings {
    /// Briefings out of this database.
    pub fn new(database: Database) -> SqlBriefings {
        SqlBriefings { database }
    }

    /// Runs a query for so many ids at a time; `{ids}` in it stands for their list.
    async fn by_ids(&self, sql: &str, ids: &[u32]) -> Result<Vec<Row>, DatabaseError> {
        let mut rows = Vec::new();
        for chunk in ids.chunks(CHUNK) {
            let ids = padded(chunk);
            rows.extend(self.database.query(&sql.replace("{ids}", &marks(ids.len())), ids).await?);
        }
        Ok(rows)
    }

    async fn jobs(&self, ids: &[u32]) -> Result<BTreeMap<JobId, Result<JobBrief, String>>, DatabaseError> {
        let created_on = self.database.dialect().seconds_of("created_on");
        let sql = format!(
            "SELECT id, COALESCE(name, ''), COALESCE(owner, ''), COALESCE(control_file, ''), COALESCE(control_type, 1), \
             test_retry, COALESCE(require_ssp, 0), parent_job_id, {created_on} FROM afe_jobs WHERE id IN ({{ids}})"
        );
        let mut jobs = BTreeMap::new();
        for row in self.by_ids(&sql, ids).await? {
            // A row that makes no sense is that job's trouble, and no other's.
            if let Ok(id) = row.get::<u32>(0) {
                jobs.insert(JobId(id), read_job(&row).map_err(|error| format!("job {id}: {error}")));
            }
        }
        let sql = "SELECT job_id, `key`, value FROM afe_job_keyvals WHERE job_id IN ({ids}) ORDER BY id";
        for row in self.by_ids(sql, ids).await? {
            if let Some(Ok(job)) = jobs.get_mut(&JobId(row.get(0)?)) {
                job.keyvals.push((row.get(1)?, row.get(2)?));
            }
        }
        let sql = "SELECT d.job_id, COALESCE(l.name, '') FROM afe_jobs_dependency_labels d JOIN afe_labels l ON l.id = d.label_id \
                   WHERE d.job_id IN ({ids}) ORDER BY l.name";
        for row in self.by_ids(sql, ids).await? {
            if let Some(Ok(job)) = jobs.get_mut(&JobId(row.get(0)?)) {
                job.labels.push(row.get(1)?);
            }
        }
        Ok(jobs)
    }

    async fn hosts(&self, ids: &[u32]) -> Result<BTreeMap<HostId, HostBrief>, DatabaseError> {
        let mut hosts = BTreeMap::new();
        let sql = "SELECT id, COALESCE(hostname, ''), protection FROM afe_hosts WHERE id IN ({ids})";
        for row in self.by_ids(sql, ids).await? {
            let (id, level) = (HostId(row.get(0)?), row.get::<i64>(2)?);
            let level = usize::try_from(level).ok().and_then(|level| Protection::ALL.get(level).copied());
            // A level that nobody knows was set aside when the host was read; the careful one stands in for it.
            let protection = level.unwrap_or(Protection::DoNotRepair);
            let host = HostBrief { id, name: row.get(1)?, platform: None, labels: Vec::new(), protection };
            hosts.insert(id, host);
        }
        // The labels by which the engine chose the hosts.
        let mut transaction = self.database.begin_snapshot().await?;
        let worn = host_labels(&mut transaction, Which::Ids(ids)).await?;
        transaction.rollback().await?;
        let labels: BTreeSet<u32> = worn.values().flatten().map(|label| label.0).collect();
        let sql =
            "SELECT id, COALESCE(name, ''), COALESCE(platform, 0) FROM afe_labels WHERE id IN ({ids}) AND invalid = 0";
        let mut labels = self.by_ids(sql, &Vec::from_iter(labels)).await?;
        labels.sort_by_key(|row| row.get::<String>(1).ok());
        for row in labels {
            let (id, name) = (LabelId(row.get(0)?), row.get::<String>(1)?);
            for (_, host) in hosts.iter_mut().filter(|(host, _)| worn.get(&host.0).is_some_and(|all| all.contains(&id)))
            {
                if row.get::<bool>(2)? {
                    host.platform = Some(name.clone());
                }
                host.labels.push(name.clone());
            }
        }
        Ok(hosts)
    }

    async fn all(&self, works: &[&Work]) -> Result<Vec<Result<Brief, String>>, DatabaseError> {
        let jobs: BTreeSet<u32> = works.iter().filter_map(|work| Some(work.job?.0)).collect();
        let hosts: BTreeSet<u32> = works.iter().flat_map(|work| work.hosts.iter().map(|host| host.0)).collect();
        let jobs = self.jobs(&Vec::from_iter(jobs)).await?;
        let hosts = self.hosts(&Vec::from_iter(hosts)).await?;
        let brief = |work: &&Work| {
            let job = work.job.map(|id| jobs.get(&id).cloned().unwrap_or_else(|| Err(format!("job {id} was deleted"))));
            let host = |id: &HostId| hosts.get(id).cloned().ok_or_else(|| format!("host {id} was deleted"));
            Ok(Brief { job: job.transpose()?, hosts: work.hosts.iter().map(host).collect::<Result<_, String>>()? })
        };
        Ok(works.iter().map(brief).collect())
    }

    async fn who_aborted(&self, entries: &[EntryId]) -> Result<BTreeMap<EntryId, Abort>, DatabaseError> {
        let aborted_on = self.database.dialect().seconds_of("a.aborted_on");
        let sql = format!(
            "SELECT a.queue_entry_id, COALESCE(u.login, ''), {aborted_on} FROM afe_aborted_host_queue_entries a \
             LEFT JOIN afe_users u ON u.id = a.aborted_by_id WHERE a.queue_entry_id IN ({{ids}})"
        );
        let ids: Vec<u32> = entries.iter().map(|entry| entry.0).collect();
        let rows = self.by_ids(&sql, &ids).await?;
        let abort =
            |row: &Row| Ok((EntryId(row.get(0)?), Abort { by: row.get(1)?, on: times::from_seconds(row.get(2)?) }));
        rows.iter().map(abort).collect()
    }
}

fn read_job(row: &Row) -> Result<JobBrief, DatabaseError> {
    let control_type = if row.get::<i64>(4)? == 2 { ControlType::Client } else { ControlType::Server };
    Ok(JobBrief {
        id: JobId(row.get(0)?),
        name: row.get(1)?,
        owner: row.get(2)?,
        control_file: row.get(3)?,
        control_type,
        keyvals: Vec::new(),
        // Less than no second attempt is none.
        test_retry: u32::try_from(row.get::<i64>(5)?).unwrap_or(0),
        require_ssp: row.get(6)?,
        parent: row.get::<Option<u32>>(7)?.map(JobId),
        created_on: times::from_seconds(row.get::<Option<i64>>(8)?.unwrap_or(0)),
        labels: Vec::new(),
    })
}

impl Briefings for SqlBriefings {
    async fn brief(&mut self, works: &[&Work]) -> Result<Vec<Result<Brief, String>>, BriefingError> {
        self.all(works).await.map_err(|error| BriefingError(error.to_string()))
    }

    async fn aborts(&mut self, entries: &[EntryId]) -> Result<BTreeMap<EntryId, Abort>, BriefingError> {
        self.who_aborted(entries).await.map_err(|error| BriefingError(error.to_string()))
    }
}
