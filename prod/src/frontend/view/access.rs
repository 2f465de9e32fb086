//! Labels, users and ACL groups.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::database::{Database, DatabaseError};

/// A label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LabelView {
    /// Its id.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Whether it names the kind of device.
    pub platform: bool,
    /// How many valid hosts have it.
    pub hosts: u32,
}

/// All valid labels by name.
///
/// # Errors
/// As the database has it.
pub async fn labels(database: &Database) -> Result<Vec<LabelView>, DatabaseError> {
    let sql = "SELECT l.id, l.name, l.platform, COUNT(h.id) FROM afe_labels l \
               LEFT JOIN afe_hosts_labels hl ON hl.label_id = l.id \
               LEFT JOIN afe_hosts h ON h.id = hl.host_id AND h.invalid = 0 \
               WHERE l.invalid = 0 GROUP BY l.id, l.name, l.platform ORDER BY l.name, l.id";
    let rows = database.query(sql, Vec::new()).await?;
    let view = |row: &crate::database::Row| {
        let platform = row.get::<Option<bool>>(2)?.unwrap_or(false);
        let name = row.get::<Option<String>>(1)?.unwrap_or_default();
        Ok(LabelView { id: row.get(0)?, name, platform, hosts: row.get(3)? })
    };
    rows.iter().map(view).collect()
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserView {
    /// Their id.
    pub id: u32,
    /// Their login.
    pub login: String,
    /// What the web frontend allows them; 100 is everything.
    pub access_level: u32,
    /// The groups they belong to.
    pub acl_groups: Vec<String>,
    /// The set of drones that their jobs run on.
    pub drone_set: Option<String>,
}

/// All users by login.
///
/// # Errors
/// As the database has it.
pub async fn users(database: &Database) -> Result<Vec<UserView>, DatabaseError> {
    let sql = "SELECT gu.user_id, g.name FROM afe_acl_groups_users gu JOIN afe_acl_groups g ON g.id = gu.aclgroup_id \
               ORDER BY g.name";
    let mut groups = members(database, sql).await?;
    let sql = "SELECT u.id, u.login, u.access_level, s.name FROM afe_users u \
               LEFT JOIN afe_drone_sets s ON s.id = u.drone_set_id ORDER BY u.login, u.id";
    let mut users = Vec::new();
    for row in database.query(sql, Vec::new()).await? {
        let id = row.get(0)?;
        users.push(UserView {
            id,
            login: row.get::<Option<String>>(1)?.unwrap_or_default(),
            access_level: row.get::<Option<u32>>(2)?.unwrap_or(0),
            acl_groups: groups.remove(&id).unwrap_or_default(),
            drone_set: row.get(3)?,
        });
    }
    Ok(users)
}

/// An ACL group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AclView {
    /// Its id.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its users' logins.
    pub users: Vec<String>,
    /// Its valid hosts' names.
    pub hosts: Vec<String>,
}

/// All ACL groups by name.
///
/// # Errors
/// As the database has it.
pub async fn acls(database: &Database) -> Result<Vec<AclView>, DatabaseError> {
    let users = "SELECT gu.aclgroup_id, u.login FROM afe_acl_groups_users gu JOIN afe_users u ON u.id = gu.user_id \
                 ORDER BY u.login";
    let hosts = "SELECT gh.aclgroup_id, h.hostname FROM afe_acl_groups_hosts gh JOIN afe_hosts h ON h.id = gh.host_id \
                 WHERE h.invalid = 0 ORDER BY h.hostname";
    let (mut users, mut hosts) = (members(database, users).await?, members(database, hosts).await?);
    let mut groups = Vec::new();
    for row in database.query("SELECT id, name, description FROM afe_acl_groups ORDER BY name, id", Vec::new()).await? {
        let id = row.get(0)?;
        groups.push(AclView {
            id,
            name: row.get::<Option<String>>(1)?.unwrap_or_default(),
            description: row.get::<Option<String>>(2)?.unwrap_or_default(),
            users: users.remove(&id).unwrap_or_default(),
            hosts: hosts.remove(&id).unwrap_or_default(),
        });
    }
    Ok(groups)
}

/// Names by the first id of each pair.
async fn members(database: &Database, sql: &str) -> Result<BTreeMap<u32, Vec<String>>, DatabaseError> {
    let mut members: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for row in database.query(sql, Vec::new()).await? {
        if let (Some(group), Some(name)) = (row.get::<Option<u32>>(0)?, row.get::<Option<String>>(1)?) {
            members.entry(group).or_default().push(name);
        }
    }
    Ok(members)
}
