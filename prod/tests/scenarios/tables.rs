//! Copies what people did to the simulated tables into the tables of a real database, row by row and column by column, as
//! Autotest's frontend writes them.

use std::collections::BTreeMap;

use yardmaster::database::{Database, Value, times};
use yardmaster_engine::{Drone, Entry, Host, Job, Span, SpecialTask, Time};
use yardmaster_sim::script::Keyval;
use yardmaster_sim::store::{MemoryStore, Rows};

/// When simulated time begins, on the real clock: databases keep whole seconds since 1970.
const EPOCH: Time = Time::from_seconds(1_700_000_000);

/// A moment of the simulation, as the real scheduler knows it.
pub(crate) fn real_time(simulated: Time) -> Time {
    EPOCH + Span(simulated.0)
}

/// Everything that a scenario leaves behind, each table before those it refers to.
const EMPTIED: [&str; 27] = [
    "afe_job_handoffs",
    "yardmaster_handoffs",
    "afe_aborted_host_queue_entries",
    "afe_special_tasks",
    "afe_ineligible_host_queues",
    "afe_host_queue_entries",
    "afe_job_keyvals",
    "afe_jobs_dependency_labels",
    "afe_jobs",
    "afe_hosts_labels",
    "afe_acl_groups_hosts",
    "afe_acl_groups_users",
    "afe_hosts",
    "afe_labels",
    "afe_users",
    "afe_acl_groups",
    "afe_drone_sets_drones",
    "afe_drone_sets",
    "yardmaster_drones",
    "afe_drones",
    "yardmaster_kills",
    "yardmaster_strays",
    "yardmaster_terms",
    "yardmaster_consumers",
    "yardmaster_changes",
    "yardmaster_writer",
    "afe_atomic_groups",
];

async fn run(database: &Database, sql: &str, parameters: Vec<Value>) {
    database.execute(sql, parameters).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// Makes the database as good as new.
pub(crate) async fn empty(database: &Database) {
    for table in EMPTIED {
        run(database, &format!("DELETE FROM {table}"), Vec::new()).await;
    }
}

fn moment(time: Option<Time>) -> Value {
    time.map_or(Value::Null, |time| times::to_value(real_time(time)))
}

fn new_rows<'a, R>(old: &Rows<R>, new: &'a Rows<R>) -> impl Iterator<Item = &'a R> {
    let known = old.next_id();
    (known..new.next_id()).filter_map(|id| new.get(id))
}

/// Rows that are in both and differ.
fn edited<'a, R: PartialEq>(old: &'a Rows<R>, new: &'a Rows<R>) -> impl Iterator<Item = (&'a R, &'a R)> {
    (1..old.next_id()).filter_map(|id| Some((old.get(id)?, new.get(id)?))).filter(|(old, new)| old != new)
}

/// Writes every difference between two states of the simulated tables. `keyvals` are those of a new job.
pub(crate) async fn copy(
    database: &Database,
    old: &MemoryStore,
    new: &MemoryStore,
    keyvals: Option<&BTreeMap<String, Keyval>>,
) {
    let copy = Copy { database, new };
    copy.lab(old).await;
    for host in new_rows(&old.hosts, &new.hosts) {
        copy.add_host(host).await;
    }
    for (before, host) in edited(&old.hosts, &new.hosts) {
        copy.edit_host(before, host).await;
    }
    for job in new_rows(&old.jobs, &new.jobs) {
        copy.add_job(job, keyvals).await;
    }
    for (before, job) in edited(&old.jobs, &new.jobs) {
        assert_eq!(Job { priority: job.priority, ..before.clone() }, *job, "a priority is all that is changed");
        copy.run("UPDATE afe_jobs SET priority = ? WHERE id = ?", vec![job.priority.into(), job.id.0.into()]).await;
    }
    for entry in new_rows(&old.entries, &new.entries) {
        copy.add_entry(entry).await;
    }
    for (before, entry) in edited(&old.entries, &new.entries) {
        copy.edit_entry(before, entry).await;
    }
    for row in new.ineligible.difference(&old.ineligible) {
        let sql = "INSERT INTO afe_ineligible_host_queues (job_id, host_id) VALUES (?, ?)";
        copy.run(sql, vec![row.job.0.into(), row.host.0.into()]).await;
    }
    for task in new_rows(&old.tasks, &new.tasks) {
        copy.add_task(task).await;
    }
    for (before, task) in edited(&old.tasks, &new.tasks) {
        assert_eq!(SpecialTask { aborted: true, ..before.clone() }, *task, "people only abort tasks");
        copy.run("UPDATE afe_special_tasks SET is_aborted = 1 WHERE id = ?", vec![task.id.0.into()]).await;
    }
}

struct Copy<'a> {
    database: &'a Database,
    new: &'a MemoryStore,
}

impl Copy<'_> {
    async fn run(&self, sql: &str, parameters: Vec<Value>) {
        run(self.database, sql, parameters).await;
    }

    /// Labels, groups, drones, sets and users.
    async fn lab(&self, old: &MemoryStore) {
        for label in new_rows(&old.labels, &self.new.labels) {
            let sql = "INSERT INTO afe_labels (id, name, platform, invalid, only_if_needed) VALUES (?, ?, ?, 0, 0)";
            self.run(sql, vec![label.id.0.into(), (*label.name).into(), label.platform.into()]).await;
        }
        for (id, name) in new_rows(&old.acl_groups, &self.new.acl_groups) {
            self.run("INSERT INTO afe_acl_groups (id, name) VALUES (?, ?)", vec![id.0.into(), name.into()]).await;
        }
        for set in new_rows(&old.drone_sets, &self.new.drone_sets) {
            let sql = "INSERT INTO afe_drone_sets (id, name) VALUES (?, ?)";
            self.run(sql, vec![set.id.0.into(), (*set.name).into()]).await;
        }
        for user in new_rows(&old.users, &self.new.users) {
            let sql = "INSERT INTO afe_users (id, login, access_level, reboot_before, reboot_after, drone_set_id) \
                       VALUES (?, ?, 0, 0, 0, ?)";
            let set = user.drone_set.map(|set| set.0);
            self.run(sql, vec![user.id.0.into(), (*user.login).into(), set.into()]).await;
            for group in &user.acls {
                let sql = "INSERT INTO afe_acl_groups_users (aclgroup_id, user_id) VALUES (?, ?)";
                self.run(sql, vec![group.0.into(), user.id.0.into()]).await;
            }
        }
        for drone in new_rows(&old.drones, &self.new.drones) {
            let sql = "INSERT INTO afe_drones (id, hostname) VALUES (?, ?)";
            self.run(sql, vec![drone.id.0.into(), (*drone.name).into()]).await;
            let sql = "INSERT INTO yardmaster_drones (enabled, max_processes, users, connection, drone_id) \
                       VALUES (?, ?, ?, 'local', ?)";
            self.run(sql, self.drone(drone)).await;
        }
        for (_, drone) in edited(&old.drones, &self.new.drones) {
            let sql = "UPDATE yardmaster_drones SET enabled = ?, max_processes = ?, users = ? WHERE drone_id = ?";
            self.run(sql, self.drone(drone)).await;
        }
        for set in new_rows(&old.drone_sets, &self.new.drone_sets) {
            for drone in &set.drones {
                let sql = "INSERT INTO afe_drone_sets_drones (droneset_id, drone_id) VALUES (?, ?)";
                self.run(sql, vec![set.id.0.into(), drone.0.into()]).await;
            }
        }
    }

    fn drone(&self, drone: &Drone) -> Vec<Value> {
        let login = |id: &yardmaster_engine::UserId| self.new.users.get(id.0).map(|user| user.login.to_string());
        let users: Vec<String> = drone.users.iter().filter_map(login).collect();
        vec![drone.enabled.into(), drone.max_processes.into(), users.join(",").into(), drone.id.0.into()]
    }

    async fn add_host(&self, host: &Host) {
        let sql = "INSERT INTO afe_hosts (id, hostname, status, locked, leased, invalid, dirty, protection) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
        let parameters = vec![
            host.id.0.into(),
            (*host.name).into(),
            host.status.as_str().into(),
            host.locked.into(),
            host.leased.into(),
            host.invalid.into(),
            host.dirty.into(),
            level(yardmaster_engine::Protection::ALL, host.protection),
        ];
        self.run(sql, parameters).await;
        self.add_memberships(host, |_| true, |_| true).await;
    }

    async fn add_memberships(
        &self,
        host: &Host,
        is_new_label: impl Fn(&yardmaster_engine::LabelId) -> bool,
        is_new_group: impl Fn(&yardmaster_engine::AclGroupId) -> bool,
    ) {
        for label in host.labels.iter().filter(|label| is_new_label(label)) {
            let sql = "INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (?, ?)";
            self.run(sql, vec![host.id.0.into(), label.0.into()]).await;
        }
        for group in host.acls.iter().filter(|group| is_new_group(group)) {
            let sql = "INSERT INTO afe_acl_groups_hosts (host_id, aclgroup_id) VALUES (?, ?)";
            self.run(sql, vec![host.id.0.into(), group.0.into()]).await;
        }
    }

    /// Only what was changed: the other columns may be the scheduler's.
    async fn edit_host(&self, before: &Host, host: &Host) {
        let columns: [(&str, bool, Value); 6] = [
            ("status", before.status != host.status, host.status.as_str().into()),
            ("locked", before.locked != host.locked, host.locked.into()),
            ("leased", before.leased != host.leased, host.leased.into()),
            ("invalid", before.invalid != host.invalid, host.invalid.into()),
            ("dirty", before.dirty != host.dirty, host.dirty.into()),
            (
                "protection",
                before.protection != host.protection,
                level(yardmaster_engine::Protection::ALL, host.protection),
            ),
        ];
        for (column, _, value) in columns.into_iter().filter(|(_, differs, _)| *differs) {
            self.run(&format!("UPDATE afe_hosts SET {column} = ? WHERE id = ?"), vec![value, host.id.0.into()]).await;
        }
        for label in before.labels.iter().filter(|label| !host.labels.contains(label)) {
            let sql = "DELETE FROM afe_hosts_labels WHERE host_id = ? AND label_id = ?";
            self.run(sql, vec![host.id.0.into(), label.0.into()]).await;
        }
        for group in before.acls.iter().filter(|group| !host.acls.contains(group)) {
            let sql = "DELETE FROM afe_acl_groups_hosts WHERE host_id = ? AND aclgroup_id = ?";
            self.run(sql, vec![host.id.0.into(), group.0.into()]).await;
        }
        let is_new_label = |label: &_| !before.labels.contains(label);
        self.add_memberships(host, is_new_label, |group| !before.acls.contains(group)).await;
    }

    async fn add_job(&self, job: &Job, keyvals: Option<&BTreeMap<String, Keyval>>) {
        let owner = self.new.users.get(job.owner.0).map_or("", |user| &user.login);
        let created_on = self.database.dialect().datetime_of("?");
        let sql = format!(
            "INSERT INTO afe_jobs (id, owner, name, priority, control_file, control_type, created_on, synch_count, timeout, \
             run_verify, email_list, reboot_before, reboot_after, max_runtime_hrs, max_runtime_mins, parent_job_id, \
             run_reset, timeout_mins, drone_set_id) VALUES (?, ?, ?, ?, 'wait = true', 1, {created_on}, ?, 24, ?, '', ?, ?, \
             72, ?, ?, ?, ?, ?)"
        );
        let parameters = vec![
            job.id.0.into(),
            owner.into(),
            (*job.name).into(),
            job.priority.into(),
            moment(Some(job.created_on)),
            job.synch_count.into(),
            job.run_verify.into(),
            level(yardmaster_engine::RebootBefore::ALL, job.reboot_before),
            level(yardmaster_engine::RebootAfter::ALL, job.reboot_after),
            minutes(job.max_runtime),
            job.parent.map(|parent| parent.0).into(),
            job.run_reset.into(),
            minutes(job.timeout),
            job.drone_set.map(|set| set.0).into(),
        ];
        self.run(&sql, parameters).await;
        for label in &job.labels {
            let sql = "INSERT INTO afe_jobs_dependency_labels (job_id, label_id) VALUES (?, ?)";
            self.run(sql, vec![job.id.0.into(), label.0.into()]).await;
        }
        for (key, value) in keyvals.into_iter().flatten() {
            let sql = "INSERT INTO afe_job_keyvals (job_id, `key`, value) VALUES (?, ?, ?)";
            self.run(sql, vec![job.id.0.into(), key.into(), value.to_string().into()]).await;
        }
    }

    async fn add_entry(&self, entry: &Entry) {
        let sql = "INSERT INTO afe_host_queue_entries (id, job_id, host_id, meta_host, status, active, complete, deleted, \
                   execution_subdir, aborted) VALUES (?, ?, ?, ?, 'Queued', 0, 0, 0, '', 0)";
        let (host, label) = (entry.host.map(|host| host.0), entry.meta_host.map(|label| label.0));
        self.run(sql, vec![entry.id.0.into(), entry.job.0.into(), host.into(), label.into()]).await;
    }

    /// People only abort entries; a job's own runner moves them on.
    async fn edit_entry(&self, before: &Entry, entry: &Entry) {
        if before.status != entry.status {
            let dialect = self.database.dialect();
            let (started, finished) = (dialect.datetime_of("?"), dialect.datetime_of("?"));
            let sql = format!(
                "UPDATE afe_host_queue_entries SET status = ?, active = ?, complete = ?, started_on = {started}, \
                 finished_on = {finished} WHERE id = ?"
            );
            let parameters = vec![
                entry.status.as_str().into(),
                entry.active.into(),
                entry.status.is_complete().into(),
                moment(entry.started_on),
                moment(entry.finished_on),
                entry.id.0.into(),
            ];
            return self.run(&sql, parameters).await;
        }
        assert_eq!(Entry { aborted: true, ..before.clone() }, *entry, "people only abort entries");
        let dialect = self.database.dialect();
        let sql = format!(
            "INSERT INTO afe_aborted_host_queue_entries (queue_entry_id, aborted_by_id, aborted_on) VALUES (?, ?, {})",
            dialect.now()
        );
        let user = self.new.users.iter().next().map(|user| user.id.0);
        self.run(&sql, vec![entry.id.0.into(), user.into()]).await;
        let sql = "UPDATE afe_host_queue_entries SET aborted = 1 WHERE id = ?";
        self.run(sql, vec![entry.id.0.into()]).await;
    }

    async fn add_task(&self, task: &SpecialTask) {
        let requested = self.database.dialect().datetime_of("?");
        let sql = format!(
            "INSERT INTO afe_special_tasks (id, host_id, task, time_requested, requested_by_id) \
             VALUES (?, ?, ?, {requested}, ?)"
        );
        let user = task.requested_by.map(|user| user.0);
        let parameters = vec![
            task.id.0.into(),
            task.host.0.into(),
            task.kind.as_str().into(),
            moment(Some(task.requested_at)),
            user.into(),
        ];
        self.run(&sql, parameters).await;
    }
}

fn minutes(span: Span) -> Value {
    Value::Integer(span.0 / Span::from_minutes(1).0)
}

/// Words that the database keeps as their place in the list.
fn level<W: PartialEq>(all: &[W], word: W) -> Value {
    let place = all.iter().position(|known| *known == word);
    place.and_then(|place| u32::try_from(place).ok()).into()
}
