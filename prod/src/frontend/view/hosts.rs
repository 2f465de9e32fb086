//! Hosts.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use yardmaster_engine::{HostStatus, Protection};

use super::Moment;
use crate::database::{Database, DatabaseError, Row};

/// A host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostView {
    /// Its id.
    pub id: u32,
    /// Its hostname.
    pub name: String,
    /// What it is doing: the database's word.
    pub status: String,
    /// Whether a person keeps it from the scheduler.
    pub locked: bool,
    /// Who.
    pub locked_by: Option<String>,
    /// Why.
    pub lock_reason: Option<String>,
    /// Since when.
    pub locked_since: Option<Moment>,
    /// Whether it is given to an entry or task, or not yet released since.
    pub leased: bool,
    /// Whether it was used since the last Cleanup or Reset.
    pub dirty: bool,
    /// What may be done to it.
    pub protection: String,
    /// Its platform.
    pub platform: Option<String>,
    /// All its labels.
    pub labels: Vec<String>,
    /// The ACL groups that may use it.
    pub acl_groups: Vec<String>,
    /// The job that has it now.
    pub job: Option<u32>,
    /// The entry of that job.
    pub entry: Option<u32>,
}

/// Which hosts are wanted. What is empty does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFilter {
    /// These.
    pub names: BTreeSet<String>,
    /// Those in one of these statuses.
    pub statuses: Vec<HostStatus>,
    /// Those that have all of these labels.
    pub labels: Vec<String>,
    /// Those that are locked, or are not.
    pub locked: Option<bool>,
}

/// The hosts that pass a filter, by name.
///
/// # Errors
/// As the database has it.
pub async fn hosts(database: &Database, filter: &HostFilter) -> Result<Vec<HostView>, DatabaseError> {
    let sql = format!(
        "SELECT h.id, h.hostname, h.status, h.locked, u.login, h.lock_reason, {}, h.leased, h.dirty, h.protection \
         FROM afe_hosts h LEFT JOIN afe_users u ON u.id = h.locked_by_id WHERE h.invalid = 0",
        database.dialect().seconds_of("h.lock_time")
    );
    let labels = "SELECT hl.host_id, l.name, l.platform FROM afe_hosts_labels hl \
                  JOIN afe_labels l ON l.id = hl.label_id WHERE l.invalid = 0 ORDER BY l.name";
    let groups = "SELECT gh.host_id, g.name FROM afe_acl_groups_hosts gh \
                  JOIN afe_acl_groups g ON g.id = gh.aclgroup_id ORDER BY g.name";
    let entries = "SELECT host_id, id, job_id FROM afe_host_queue_entries \
                   WHERE active = 1 AND host_id IS NOT NULL ORDER BY id DESC";
    let mut hosts = BTreeMap::new();
    for row in database.query(&sql, Vec::new()).await? {
        let host = view(&row)?;
        hosts.insert(host.id, host);
    }
    for row in database.query(labels, Vec::new()).await? {
        let (Some(host), Some(label)) = (row.get::<Option<u32>>(0)?, row.get::<Option<String>>(1)?) else { continue };
        let Some(host) = hosts.get_mut(&host) else { continue };
        if row.get::<Option<bool>>(2)? == Some(true) {
            host.platform = Some(label.clone());
        }
        host.labels.push(label);
    }
    for row in database.query(groups, Vec::new()).await? {
        let (Some(host), Some(group)) = (row.get::<Option<u32>>(0)?, row.get::<Option<String>>(1)?) else { continue };
        if let Some(host) = hosts.get_mut(&host) {
            host.acl_groups.push(group);
        }
    }
    for row in database.query(entries, Vec::new()).await? {
        if let Some(host) = hosts.get_mut(&row.get(0)?) {
            (host.entry, host.job) = (row.get(1)?, row.get(2)?);
        }
    }
    let mut hosts: Vec<HostView> = hosts.into_values().filter(|host| filter.passes(host)).collect();
    hosts.sort_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
    Ok(hosts)
}

impl HostFilter {
    fn passes(&self, host: &HostView) -> bool {
        (self.names.is_empty() || self.names.contains(&host.name))
            && (self.statuses.is_empty() || self.statuses.iter().any(|status| status.as_str() == host.status))
            && self.labels.iter().all(|label| host.labels.contains(label))
            && self.locked.is_none_or(|locked| locked == host.locked)
    }
}

fn view(row: &Row) -> Result<HostView, DatabaseError> {
    let text = |column| row.get::<Option<String>>(column).map(|text| text.filter(|text| !text.is_empty()));
    let truth = |column| row.get::<Option<bool>>(column).map(|truth| truth.unwrap_or(false));
    let level: i64 = row.get(9)?;
    let protection = usize::try_from(level).ok().and_then(|level| Protection::ALL.get(level));
    Ok(HostView {
        id: row.get(0)?,
        name: text(1)?.unwrap_or_default(),
        status: text(2)?.unwrap_or_default(),
        locked: truth(3)?,
        locked_by: text(4)?,
        lock_reason: text(5)?,
        locked_since: Moment::read(row, 6)?,
        leased: truth(7)?,
        dirty: truth(8)?,
        protection: protection.map_or_else(|| level.to_string(), Protection::to_string),
        platform: None,
        labels: Vec::new(),
        acl_groups: Vec::new(),
        job: None,
        entry: None,
    })
}
