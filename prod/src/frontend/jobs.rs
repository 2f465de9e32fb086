//! Submitting jobs, with the rows that Autotest's `create_job` writes.

use std::collections::BTreeSet;

use yardmaster_engine::{EntryId, JobId, RebootAfter, RebootBefore};

use super::transaction::{insert_rows, new_id, transact};
use super::words::{ControlType, MetaHost, Priority};
use super::{FrontendError, lookup};
use crate::database::{Database, Transaction, Value, marks};

/// What somebody wants to have run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRequest {
    /// The login of whoever asks.
    pub owner: String,
    /// What people call it.
    pub name: String,
    /// Higher first.
    pub priority: Priority,
    /// The text of the control file.
    pub control_file: String,
    /// What runs it.
    pub control_type: ControlType,
    /// Hosts by name; an entry for each.
    pub hosts: Vec<String>,
    /// Hosts by label; as many entries as each asks for.
    pub meta_hosts: Vec<MetaHost>,
    /// It needs no host.
    pub hostless: bool,
    /// How many hosts run it together.
    pub synch_count: u32,
    /// Labels that its hosts must have, or be provisioned for.
    pub dependencies: Vec<String>,
    /// When its hosts are cleaned before the test.
    pub reboot_before: RebootBefore,
    /// When its hosts are cleaned after the test.
    pub reboot_after: RebootAfter,
    /// Verify hosts before the test.
    pub run_verify: bool,
    /// Reset hosts before the test.
    pub run_reset: bool,
    /// Aborted so many minutes after its creation.
    pub timeout_mins: u32,
    /// Its entries are aborted so many minutes after their start.
    pub max_runtime_mins: u32,
    /// What the test driver finds in its keyval file.
    pub keyvals: Vec<(String, String)>,
    /// The suite that it belongs to.
    pub parent: Option<JobId>,
    /// The drones that may run it.
    pub drone_set: Option<String>,
    /// Who is told by mail when it has ended.
    pub email: Vec<String>,
    /// How often the test driver may repeat failed tests.
    pub test_retry: u32,
    /// Whether the server side must be packaged; `None` leaves it to the test driver.
    pub require_ssp: Option<bool>,
}

impl JobRequest {
    /// A request with Autotest's defaults, for no host yet.
    pub fn new(owner: &str, name: &str) -> JobRequest {
        JobRequest {
            owner: owner.to_owned(),
            name: name.to_owned(),
            priority: Priority::default(),
            control_file: String::new(),
            control_type: ControlType::Server,
            hosts: Vec::new(),
            meta_hosts: Vec::new(),
            hostless: false,
            synch_count: 1,
            dependencies: Vec::new(),
            reboot_before: RebootBefore::IfDirty,
            reboot_after: RebootAfter::Never,
            run_verify: false,
            run_reset: true,
            timeout_mins: 24 * 60,
            max_runtime_mins: 72 * 60,
            keyvals: Vec::new(),
            parent: None,
            drone_set: None,
            email: Vec::new(),
            test_retry: 0,
            require_ssp: None,
        }
    }

    fn entries(&self) -> usize {
        self.hosts.len() + self.meta_hosts.iter().map(|meta_host| meta_host.count as usize).sum::<usize>()
    }

    /// What can be known to be wrong without a database.
    fn check(&self) -> Result<(), FrontendError> {
        let refuse = |why: String| Err(FrontendError::Senseless(format!("job {:?} {why}", self.name)));
        let entries = self.entries();
        if self.name.trim().is_empty() {
            return refuse("has no name".to_owned());
        }
        if self.hostless && entries > 0 {
            return refuse("is hostless and names hosts: leave out one or the other".to_owned());
        }
        if !self.hostless && entries == 0 {
            return refuse("is for no host: name hosts, a label, or make it hostless".to_owned());
        }
        if self.synch_count == 0 || (!self.hostless && self.synch_count as usize > entries) {
            return refuse(format!(
                "wants {} hosts at once and has {entries}: a synch count lies between 1 and the number of hosts",
                self.synch_count
            ));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = self.hosts.iter().find(|host| !seen.insert(*host)) {
            return refuse(format!("names host {twice:?} twice: a job runs once on a host"));
        }
        if self.timeout_mins == 0 || self.max_runtime_mins == 0 {
            return refuse("has no time: timeout and max_runtime are at least one minute".to_owned());
        }
        // What a server would cut off silently, or refuse without saying where.
        let mut limits = vec![("name", self.name.as_str(), 255)];
        limits.extend(
            self.keyvals
                .iter()
                .flat_map(|(key, value)| [("keyval", key.as_str(), 90), ("keyval", value.as_str(), 300)]),
        );
        let email = self.email.join(",");
        limits.push(("list of mail addresses", &email, 250));
        match limits.into_iter().find(|(_, text, most)| text.chars().count() > *most) {
            Some((what, text, most)) => {
                let start: String = text.chars().take(20).collect();
                refuse(format!("has a {what} of more than {most} characters, beginning with {start:?}"))
            }
            None => Ok(()),
        }
    }
}

/// A job that has been submitted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Submitted {
    /// Its id.
    pub job: JobId,
    /// Its entries: those of named hosts first, in the order of the request.
    pub entries: Vec<EntryId>,
}

/// Submits a job.
///
/// # Errors
/// If the request contradicts itself or names what does not exist.
pub async fn submit(database: &Database, request: &JobRequest) -> Result<Submitted, FrontendError> {
    transact!(database, |transaction| submit_in(transaction, request).await)
}

/// Submits a job as part of a larger transaction.
pub(super) async fn submit_in(transaction: &mut Transaction, request: &JobRequest) -> Result<Submitted, FrontendError> {
    request.check()?;
    let owner = lookup::login(transaction, &request.owner).await?;
    let hosts = lookup::hosts(transaction, &request.hosts).await?;
    let labels: Vec<String> = request.meta_hosts.iter().map(|meta_host| meta_host.label.clone()).collect();
    let meta_labels = lookup::labels(transaction, &labels).await?;
    let dependencies: BTreeSet<_> = lookup::labels(transaction, &request.dependencies).await?.into_iter().collect();
    let job = insert_job(transaction, request, owner).await?;

    let keyvals = request.keyvals.iter().map(|(key, value)| vec![job.0.into(), key.into(), value.into()]).collect();
    insert_rows(transaction, "afe_job_keyvals", &["job_id", "key", "value"], keyvals, false).await?;
    let rows = dependencies.iter().map(|label| vec![job.0.into(), label.0.into()]).collect();
    insert_rows(transaction, "afe_jobs_dependency_labels", &["job_id", "label_id"], rows, false).await?;
    let rows = hosts.iter().map(|host| vec![job.0.into(), host.0.into()]).collect();
    insert_rows(transaction, "afe_ineligible_host_queues", &["job_id", "host_id"], rows, false).await?;

    let mut targets: Vec<(Option<u32>, Option<u32>)> = hosts.iter().map(|host| (Some(host.0), None)).collect();
    for (label, meta_host) in meta_labels.iter().zip(&request.meta_hosts) {
        targets.extend((0..meta_host.count).map(|_| (None, Some(label.0))));
    }
    if request.hostless {
        targets.push((None, None));
    }
    insert_entries(transaction, job, targets).await?;
    let sql = "SELECT id FROM afe_host_queue_entries WHERE job_id = ? ORDER BY id";
    let rows = transaction.query(sql, vec![job.0.into()]).await?;
    let entries = rows.iter().map(|row| row.get(0).map(EntryId)).collect::<Result<_, _>>()?;
    Ok(Submitted { job, entries })
}

async fn insert_job(
    transaction: &mut Transaction,
    request: &JobRequest,
    owner: String,
) -> Result<JobId, FrontendError> {
    if let Some(parent) = request.parent {
        lookup::need(transaction, super::Thing::Job, &parent.to_string()).await?;
    }
    let drone_set = lookup::drone_set(transaction, request.drone_set.as_deref()).await?;
    let hours = |minutes: u32| Value::from(minutes.div_ceil(60));
    let columns: [(&str, Value); 21] = [
        ("owner", owner.into()),
        ("name", request.name.as_str().into()),
        ("priority", request.priority.0.into()),
        ("control_file", request.control_file.as_str().into()),
        ("control_type", request.control_type.code().into()),
        ("synch_count", request.synch_count.into()),
        ("timeout", hours(request.timeout_mins)),
        ("timeout_mins", request.timeout_mins.into()),
        ("max_runtime_hrs", hours(request.max_runtime_mins)),
        ("max_runtime_mins", request.max_runtime_mins.into()),
        ("run_verify", request.run_verify.into()),
        ("run_reset", request.run_reset.into()),
        ("email_list", request.email.join(",").into()),
        ("reboot_before", code(RebootBefore::ALL, request.reboot_before).into()),
        ("reboot_after", code(RebootAfter::ALL, request.reboot_after).into()),
        ("parse_failed_repair", true.into()),
        ("drone_set_id", drone_set.map(|set| set.0).into()),
        ("parent_job_id", request.parent.map(|job| job.0).into()),
        ("test_retry", request.test_retry.into()),
        ("require_ssp", request.require_ssp.into()),
        ("parameterized_job_id", Value::Null),
    ];
    let (names, values): (Vec<&str>, Vec<Value>) = columns.into_iter().unzip();
    let sql = format!(
        "INSERT INTO afe_jobs ({}, created_on) VALUES ({}, {})",
        names.join(", "),
        marks(values.len()),
        transaction.dialect().now(),
    );
    let inserted = transaction.execute(&sql, values).await?;
    new_id(inserted).map(JobId)
}

/// The database's number for a word whose numbers follow the order of declaration.
pub(super) fn code<W: PartialEq>(all: &[W], word: W) -> u32 {
    all.iter().zip(0..).find(|(known, _)| **known == word).map_or(0, |(_, number)| number)
}

async fn insert_entries(
    transaction: &mut Transaction,
    job: JobId,
    targets: Vec<(Option<u32>, Option<u32>)>,
) -> Result<(), FrontendError> {
    let columns =
        ["job_id", "host_id", "meta_host", "status", "active", "complete", "deleted", "execution_subdir", "aborted"];
    let row = |(host, meta_host): (Option<u32>, Option<u32>)| {
        vec![
            job.0.into(),
            host.into(),
            meta_host.into(),
            yardmaster_engine::EntryStatus::Queued.as_str().into(),
            false.into(),
            false.into(),
            false.into(),
            "".into(),
            false.into(),
        ]
    };
    insert_rows(transaction, "afe_host_queue_entries", &columns, targets.into_iter().map(row).collect(), false).await
}
