//! Suites: a hostless job and its children, described in a TOML file.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use yardmaster_engine::{JobId, RebootAfter, RebootBefore};
use yardmaster_sim::host_list::host_list;

use super::FrontendError;
use super::jobs::{JobRequest, Submitted, submit_in};
use super::transaction::transact;
use super::words::{ControlType, MetaHost, Priority};
use crate::database::Database;

/// What a job of the file may say; what it does not, it has from the suite, or by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Common {
    name: Option<String>,
    priority: Option<Priority>,
    /// The text of the control file.
    control: Option<String>,
    /// Where the control file is, seen from the suite's file.
    control_path: Option<PathBuf>,
    control_type: Option<ControlType>,
    /// Host lists, as `dut[001-003]`.
    hosts: Vec<String>,
    /// Meta-hosts, as `board:eve*3`.
    labels: Vec<MetaHost>,
    hostless: bool,
    synch_count: Option<u32>,
    dependencies: Vec<String>,
    reboot_before: Option<RebootBefore>,
    reboot_after: Option<RebootAfter>,
    run_verify: Option<bool>,
    run_reset: Option<bool>,
    timeout_mins: Option<u32>,
    max_runtime_mins: Option<u32>,
    keyvals: std::collections::BTreeMap<String, String>,
    drone_set: Option<String>,
    email: Vec<String>,
    test_retry: Option<u32>,
    require_ssp: Option<bool>,
}

/// A file that describes a suite.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    suite: Common,
    /// So many hosts the suite gets before others of higher priority.
    min_duts: Option<u32>,
    #[serde(default)]
    job: Vec<Common>,
}

/// A suite that is to be submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuiteRequest {
    /// Its own job, hostless.
    pub suite: JobRequest,
    /// Its children, without a parent yet.
    pub children: Vec<JobRequest>,
}

/// A suite that has been submitted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SubmittedSuite {
    /// Its own job.
    pub suite: JobId,
    /// Its children, in the order of the request.
    pub children: Vec<Submitted>,
}

impl SuiteRequest {
    /// Reads a suite's file, and the control files that it names.
    ///
    /// # Errors
    /// If a file cannot be read, or makes no sense; the text says where.
    pub fn read(path: &Path, owner: &str) -> Result<SuiteRequest, FrontendError> {
        let refuse = |why: String| FrontendError::Senseless(format!("{}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
        let file: File = toml::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let suite_name = file.suite.name.clone().ok_or_else(|| refuse("[suite] has no name".to_owned()))?;
        let base = JobRequest::new(owner, &suite_name);
        let mut suite = file.suite.over(base, folder).map_err(|why| refuse(format!("[suite]: {why}")))?;
        if !suite.hosts.is_empty() || !suite.meta_hosts.is_empty() {
            return Err(refuse("[suite] names hosts: a suite's own job has none, its children have".to_owned()));
        }
        suite.hostless = true;
        suite.keyvals.extend(file.min_duts.map(|count| ("suite_min_duts".to_owned(), count.to_string())));
        let mut children = Vec::with_capacity(file.job.len());
        for (index, job) in file.job.iter().enumerate() {
            let name = job.name.clone().unwrap_or_else(|| format!("{suite_name}-{}", index + 1));
            let base = JobRequest {
                name,
                hosts: Vec::new(),
                hostless: false,
                synch_count: 1,
                dependencies: suite.dependencies.clone(),
                keyvals: Vec::new(),
                ..suite.clone()
            };
            children.push(job.clone().over(base, folder).map_err(|why| refuse(format!("job {}: {why}", index + 1)))?);
        }
        Ok(SuiteRequest { suite, children })
    }
}

impl Common {
    /// What is said here, and otherwise as `base` has it.
    fn over(self, base: JobRequest, folder: &Path) -> Result<JobRequest, String> {
        let control_file = match (self.control, self.control_path) {
            (Some(_), Some(_)) => return Err("has both control and control_path: leave out one".to_owned()),
            (Some(text), None) => text,
            (None, Some(path)) => {
                let path = folder.join(path);
                std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?
            }
            (None, None) => base.control_file,
        };
        let mut hosts = base.hosts;
        for list in &self.hosts {
            hosts.extend(host_list(list).map_err(|error| error.to_string())?);
        }
        Ok(JobRequest {
            name: self.name.unwrap_or(base.name),
            priority: self.priority.unwrap_or(base.priority),
            control_file,
            control_type: self.control_type.unwrap_or(base.control_type),
            hosts,
            meta_hosts: self.labels,
            hostless: self.hostless || base.hostless,
            synch_count: self.synch_count.unwrap_or(base.synch_count),
            dependencies: base.dependencies.into_iter().chain(self.dependencies).collect(),
            reboot_before: self.reboot_before.unwrap_or(base.reboot_before),
            reboot_after: self.reboot_after.unwrap_or(base.reboot_after),
            run_verify: self.run_verify.unwrap_or(base.run_verify),
            run_reset: self.run_reset.unwrap_or(base.run_reset),
            timeout_mins: self.timeout_mins.unwrap_or(base.timeout_mins),
            max_runtime_mins: self.max_runtime_mins.unwrap_or(base.max_runtime_mins),
            keyvals: base.keyvals.into_iter().chain(self.keyvals).collect(),
            drone_set: self.drone_set.or(base.drone_set),
            email: if self.email.is_empty() { base.email } else { self.email },
            test_retry: self.test_retry.unwrap_or(base.test_retry),
            require_ssp: self.require_ssp.or(base.require_ssp),
            owner: base.owner,
            parent: base.parent,
        })
    }
}

/// Submits a suite with all its children, or nothing of it.
///
/// # Errors
/// As [`super::jobs::submit`].
pub async fn submit_suite(database: &Database, request: &SuiteRequest) -> Result<SubmittedSuite, FrontendError> {
    transact!(database, |transaction| async {
        let suite = submit_in(transaction, &request.suite).await?.job;
        let mut children = Vec::with_capacity(request.children.len());
        for child in &request.children {
            let child = JobRequest { parent: Some(suite), ..child.clone() };
            children.push(submit_in(transaction, &child).await?);
        }
        Ok(SubmittedSuite { suite, children })
    }
    .await)
}
