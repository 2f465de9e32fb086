//! What people and Autotest's frontend write, as plain SQL.

use std::collections::BTreeMap;

use yardmaster::database::schema::migrate;
use yardmaster::database::{Database, Value};
use yardmaster::store::{SqlStore, StoreOptions};
use yardmaster_engine::{
    Drone, DroneId, DroneSet, DroneSetId, Entry, EntryId, Host, HostId, Ineligible, Job, JobId, Label, LabelId,
    LiveRows, RowChange, SpecialTask, Store, TaskId, Term, User, UserId,
};

use crate::place::Place;

pub(crate) async fn run(database: &Database, sql: &str, parameters: Vec<Value>) -> u32 {
    database.execute(sql, parameters).await.unwrap_or_else(|error| panic!("{sql}: {error}")).last_id as u32
}

/// A migrated database with a store that has begun a term, and has loaded.
pub(crate) async fn store(place: &Place) -> (Database, SqlStore, Term) {
    let database = place.open().await;
    migrate(&database).await.expect("it migrates");
    let mut store = SqlStore::new(place.open().await, StoreOptions::default());
    let term = store.begin_term("the test").await.expect("a term");
    store.load().await.expect("it loads");
    (database, store, term)
}

pub(crate) async fn host(database: &Database, name: &str) -> u32 {
    let sql = "INSERT INTO afe_hosts (hostname, status, locked, leased, invalid, dirty, protection) \
               VALUES (?, 'Ready', 0, 0, 0, 0, 0)";
    run(database, sql, vec![name.into()]).await
}

pub(crate) async fn label(database: &Database, name: &str) -> u32 {
    run(
        database,
        "INSERT INTO afe_labels (name, platform, invalid, only_if_needed) VALUES (?, 0, 0, 0)",
        vec![name.into()],
    )
    .await
}

pub(crate) async fn user(database: &Database, login: &str) -> u32 {
    let sql = "INSERT INTO afe_users (login, access_level, reboot_before, reboot_after) VALUES (?, 0, 0, 0)";
    run(database, sql, vec![login.into()]).await
}

pub(crate) const JOB: &str = "INSERT INTO afe_jobs (owner, name, priority, created_on, synch_count, timeout, run_verify, run_reset, \
     email_list, reboot_before, reboot_after, max_runtime_hrs, max_runtime_mins, timeout_mins, parent_job_id) \
     VALUES (?, 'job', 40, '2026-01-02 03:04:05', 1, 24, 0, 1, '', 1, 0, 72, 4320, 1440, ?)";

pub(crate) async fn job(database: &Database, owner: &str, parent: Option<u32>) -> u32 {
    run(database, JOB, vec![owner.into(), parent.into()]).await
}

pub(crate) const ENTRY: &str = "INSERT INTO afe_host_queue_entries (job_id, host_id, meta_host, status, active, complete, deleted, \
     execution_subdir, aborted) VALUES (?, ?, ?, 'Queued', 0, 0, 0, '', 0)";

pub(crate) async fn entry(database: &Database, job: u32, host: Option<u32>, label: Option<u32>) -> u32 {
    run(database, ENTRY, vec![job.into(), host.into(), label.into()]).await
}

pub(crate) const TASK: &str = "INSERT INTO afe_special_tasks (host_id, task, time_requested, requested_by_id, queue_entry_id) \
     VALUES (?, 'Verify', '2026-01-02 03:04:05', 1, NULL)";

pub(crate) async fn task(database: &Database, host: u32) -> u32 {
    run(database, TASK, vec![host.into()]).await
}

pub(crate) async fn poll(store: &mut SqlStore) -> Vec<RowChange> {
    store.poll().await.expect("it polls")
}

/// What an engine would know that hears everything.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Model {
    pub(crate) users: BTreeMap<UserId, User>,
    pub(crate) labels: BTreeMap<LabelId, Label>,
    pub(crate) drones: BTreeMap<DroneId, Drone>,
    pub(crate) sets: BTreeMap<DroneSetId, DroneSet>,
    pub(crate) hosts: BTreeMap<HostId, Host>,
    pub(crate) jobs: BTreeMap<JobId, Job>,
    pub(crate) entries: BTreeMap<EntryId, Entry>,
    pub(crate) tasks: BTreeMap<TaskId, SpecialTask>,
    pub(crate) ineligible: Vec<Ineligible>,
}

impl Model {
    pub(crate) fn of(rows: &LiveRows) -> Model {
        let mut model = Model::default();
        let changes = rows.users.iter().cloned().map(RowChange::User);
        let changes = changes.chain(rows.labels.iter().cloned().map(RowChange::Label));
        let changes = changes.chain(rows.drones.iter().cloned().map(RowChange::Drone));
        let changes = changes.chain(rows.drone_sets.iter().cloned().map(RowChange::DroneSet));
        let changes = changes.chain(rows.hosts.iter().cloned().map(RowChange::Host));
        let changes = changes.chain(rows.jobs.iter().cloned().map(RowChange::Job));
        let changes = changes.chain(rows.entries.iter().cloned().map(RowChange::Entry));
        let changes = changes.chain(rows.tasks.iter().cloned().map(RowChange::Task));
        let changes = changes.chain(rows.ineligible.iter().copied().map(RowChange::Ineligible));
        model.hear(changes);
        model
    }

    /// Takes changes in, and complains about one that comes before what it refers to.
    pub(crate) fn hear(&mut self, changes: impl IntoIterator<Item = RowChange>) {
        for change in changes {
            match change {
                RowChange::Host(row) => drop(self.hosts.insert(row.id, row)),
                RowChange::Label(row) => drop(self.labels.insert(row.id, row)),
                RowChange::User(row) => drop(self.users.insert(row.id, row)),
                RowChange::Drone(row) => drop(self.drones.insert(row.id, row)),
                RowChange::DroneGone(id) => drop(self.drones.remove(&id)),
                RowChange::DroneSet(row) => drop(self.sets.insert(row.id, row)),
                RowChange::Job(row) => {
                    assert!(self.users.contains_key(&row.owner), "the owner of {row:?} was not told before");
                    self.jobs.insert(row.id, row);
                }
                RowChange::Entry(row) => {
                    assert!(self.jobs.contains_key(&row.job), "the job of {row:?} was not told before");
                    assert!(row.host.is_none_or(|host| self.hosts.contains_key(&host)), "the host of {row:?}");
                    if row.status.is_complete() && !row.active {
                        self.entries.remove(&row.id);
                    } else {
                        self.entries.insert(row.id, row);
                    }
                }
                RowChange::EntryGone(id) => drop(self.entries.remove(&id)),
                RowChange::Task(row) if row.complete => drop(self.tasks.remove(&row.id)),
                RowChange::Task(row) => drop(self.tasks.insert(row.id, row)),
                RowChange::TaskGone(id) => drop(self.tasks.remove(&id)),
                RowChange::Ineligible(row) => self.ineligible.push(row),
                // Where hosts are is in no table.
                RowChange::Subnets(_) => {}
                RowChange::IneligibleGone(row) => self.ineligible.retain(|known| *known != row),
            }
        }
        self.ineligible.sort_unstable();
        // Jobs without a live entry are forgotten.
        let living: Vec<JobId> = self.entries.values().map(|entry| entry.job).collect();
        self.jobs.retain(|id, _| living.contains(id));
        // How far a job's groups have come is told when the job is first told.
        self.jobs.values_mut().for_each(|job| job.next_group = 0);
    }
}
