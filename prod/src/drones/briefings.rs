//! What has to be known to start a process and the engine does not carry: names, control files, keyvals. They are asked
//! for when a process is started.

use std::collections::BTreeMap;
use std::future::Future;

use yardmaster_engine::{EntryId, HostId, JobId, Protection, Time, Work};

/// Where the control file of a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlType {
    /// On the drone.
    Server,
    /// On the host.
    Client,
}

/// A job, as its processes need to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobBrief {
    /// Its id.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// Login of its owner.
    pub owner: String,
    /// The text of its control file.
    pub control_file: String,
    /// Where that runs.
    pub control_type: ControlType,
    /// Its keyvals.
    pub keyvals: Vec<(String, String)>,
    /// How often a failed test is tried again.
    pub test_retry: u32,
    /// Whether it must run in a container.
    pub require_ssp: bool,
    /// Its suite.
    pub parent: Option<JobId>,
    /// When it was submitted.
    pub created_on: Time,
    /// Names of the labels that it depends on.
    pub labels: Vec<String>,
}

/// A host, as processes need to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostBrief {
    /// Its id.
    pub id: HostId,
    /// Its name.
    pub name: String,
    /// Name of its platform label.
    pub platform: Option<String>,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// Its protection.
    pub protection: Protection,
}

/// What a process needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Brief {
    /// The job that it serves.
    pub job: Option<JobBrief>,
    /// Its hosts, in the order of the work's.
    pub hosts: Vec<HostBrief>,
}

/// Who aborted an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abort {
    /// A login.
    pub by: String,
    /// When.
    pub on: Time,
}

/// The facts could not be had now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot find out what a process needs to know: {0}")]
pub struct BriefingError(pub String);

/// Where the facts come from: the database.
pub trait Briefings {
    /// One brief for each work, in the same order; or why there can be none for that work, ever: its job was deleted, say.
    fn brief(&mut self, works: &[&Work]) -> impl Future<Output = Result<Vec<Result<Brief, String>>, BriefingError>>;

    /// Who aborted which of these entries; those that nobody is known to have aborted are left out.
    fn aborts(&mut self, entries: &[EntryId]) -> impl Future<Output = Result<BTreeMap<EntryId, Abort>, BriefingError>>;
}

/// Facts in memory, for tests and for trying things out.
#[derive(Debug, Clone, Default)]
pub struct MemoryBriefings {
    /// Jobs by id.
    pub jobs: BTreeMap<JobId, JobBrief>,
    /// Hosts by id.
    pub hosts: BTreeMap<HostId, HostBrief>,
    /// Aborts by entry.
    pub aborts: BTreeMap<EntryId, Abort>,
}

impl MemoryBriefings {
    fn one(&self, work: &Work) -> Result<Brief, String> {
        let job = match work.job {
            None => None,
            Some(id) => Some(self.jobs.get(&id).cloned().ok_or_else(|| format!("there is no job {id}"))?),
        };
        let host = |id: &HostId| self.hosts.get(id).cloned().ok_or_else(|| format!("there is no host {id}"));
        Ok(Brief { job, hosts: work.hosts.iter().map(host).collect::<Result<_, _>>()? })
    }
}

impl Briefings for MemoryBriefings {
    async fn brief(&mut self, works: &[&Work]) -> Result<Vec<Result<Brief, String>>, BriefingError> {
        Ok(works.iter().map(|work| self.one(work)).collect())
    }

    async fn aborts(&mut self, entries: &[EntryId]) -> Result<BTreeMap<EntryId, Abort>, BriefingError> {
        let known = entries.iter().filter_map(|entry| Some((*entry, self.aborts.get(entry)?.clone())));
        Ok(known.collect())
    }
}
