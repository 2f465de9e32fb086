//! What there is to see in the tables, a line a row: the simulated ones and the real ones in the same words.

use std::collections::BTreeSet;

use yardmaster::database::{Database, Row};
use yardmaster_engine::Time;
use yardmaster_sim::store::MemoryStore;

use super::tables::real_time;

/// All rows that the scheduler writes.
pub(crate) type Lines = BTreeSet<String>;

fn seconds(time: Option<Time>) -> Option<i64> {
    time.map(|time| real_time(time).as_seconds())
}

/// The rows of the simulated tables.
pub(crate) fn of_memory(store: &MemoryStore) -> Lines {
    let mut lines = Lines::new();
    for row in store.entries.iter() {
        lines.insert(format!(
            "entry {}: {}, active {}, complete {}, aborted {}, host {:?}, subdir {:?}, started {:?}, finished {:?}",
            row.id,
            row.status,
            row.active,
            row.status.is_complete(),
            row.aborted,
            row.host.map(|host| host.0),
            row.subdir.to_string(),
            seconds(row.started_on),
            seconds(row.finished_on),
        ));
    }
    for row in store.hosts.iter() {
        lines.insert(format!(
            "host {}: {}, locked {}, leased {}, dirty {}, invalid {}",
            row.id, row.status, row.locked, row.leased, row.dirty, row.invalid
        ));
    }
    for row in store.tasks.iter() {
        lines.insert(format!(
            "task {}: {} of host {} for entry {:?}, active {}, complete {}, aborted {}, success {}, requested {:?}, started \
             {:?}, finished {:?}",
            row.id,
            row.kind,
            row.host,
            row.entry.map(|entry| entry.0),
            row.active,
            row.complete,
            row.aborted,
            row.success,
            seconds(Some(row.requested_at)),
            seconds(row.started_at),
            seconds(row.finished_at),
        ));
    }
    lines.extend(store.ineligible.iter().map(|row| format!("ineligible: job {} host {}", row.job, row.host)));
    for ((path, name), drone) in &store.kills {
        lines.insert(format!("kill {path} {} on {:?}", name.as_str(), drone.map(|drone| drone.0)));
    }
    for stray in &store.strays {
        lines.insert(format!("stray {} {} on {}", stray.path, stray.name.as_str(), stray.drone.0));
    }
    lines
}

/// A row whose columns are read one after another.
struct Columns<'a> {
    row: &'a Row,
    next: usize,
}

impl Columns<'_> {
    fn number(&mut self) -> Option<i64> {
        self.next += 1;
        self.row.get(self.next - 1).expect("a number")
    }

    fn id(&mut self) -> i64 {
        self.number().expect("an id")
    }

    fn flag(&mut self) -> bool {
        self.number() == Some(1)
    }

    fn text(&mut self) -> String {
        self.next += 1;
        self.row.get(self.next - 1).expect("a text")
    }
}

async fn read(database: &Database, sql: &str, lines: &mut Lines, line: impl Fn(&mut Columns<'_>) -> String) {
    let rows = database.query(sql, Vec::new()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    lines.extend(rows.iter().map(|row| line(&mut Columns { row, next: 0 })));
}

/// The rows of a database.
pub(crate) async fn of_database(database: &Database) -> Lines {
    let mut lines = Lines::new();
    entries(database, &mut lines).await;
    hosts(database, &mut lines).await;
    tasks(database, &mut lines).await;
    let sql = "SELECT job_id, host_id FROM afe_ineligible_host_queues";
    read(database, sql, &mut lines, |row| format!("ineligible: job {} host {}", row.id(), row.id())).await;
    let sql = "SELECT path, pidfile, drone_id FROM yardmaster_kills";
    read(database, sql, &mut lines, |row| format!("kill {} {} on {:?}", row.text(), row.text(), row.number())).await;
    let sql = "SELECT path, pidfile, drone_id FROM yardmaster_strays";
    read(database, sql, &mut lines, |row| format!("stray {} {} on {}", row.text(), row.text(), row.id())).await;
    lines
}

async fn entries(database: &Database, lines: &mut Lines) {
    let moment = |column: &str| database.dialect().seconds_of(column);
    let sql = format!(
        "SELECT id, status, active, complete, aborted, host_id, execution_subdir, {}, {} FROM afe_host_queue_entries",
        moment("started_on"),
        moment("finished_on")
    );
    read(database, &sql, lines, |row| {
        format!(
            "entry {}: {}, active {}, complete {}, aborted {}, host {:?}, subdir {:?}, started {:?}, finished {:?}",
            row.id(),
            row.text(),
            row.flag(),
            row.flag(),
            row.flag(),
            row.number(),
            row.text(),
            row.number(),
            row.number()
        )
    })
    .await;
}

async fn hosts(database: &Database, lines: &mut Lines) {
    let sql = "SELECT id, status, locked, leased, dirty, invalid FROM afe_hosts";
    read(database, sql, lines, |row| {
        format!(
            "host {}: {}, locked {}, leased {}, dirty {}, invalid {}",
            row.id(),
            row.text(),
            row.flag(),
            row.flag(),
            row.flag(),
            row.flag()
        )
    })
    .await;
}

async fn tasks(database: &Database, lines: &mut Lines) {
    let moment = |column: &str| database.dialect().seconds_of(column);
    let sql = format!(
        "SELECT id, task, host_id, queue_entry_id, is_active, is_complete, is_aborted, success, {}, {}, {} \
         FROM afe_special_tasks",
        moment("time_requested"),
        moment("time_started"),
        moment("time_finished")
    );
    read(database, &sql, lines, |row| {
        format!(
            "task {}: {} of host {} for entry {:?}, active {}, complete {}, aborted {}, success {}, requested {:?}, started \
             {:?}, finished {:?}",
            row.id(),
            row.text(),
            row.id(),
            row.number(),
            row.flag(),
            row.flag(),
            row.flag(),
            row.flag(),
            row.number(),
            row.number(),
            row.number()
        )
    })
    .await;
}

/// What differs, a line each; empty if nothing does.
pub(crate) fn differences(simulated: &Lines, real: &Lines) -> String {
    let missing = simulated.difference(real).map(|line| format!("\n    simulated: {line}"));
    let added = real.difference(simulated).map(|line| format!("\n    real:      {line}"));
    missing.chain(added).collect()
}

/// Entries and tasks that have not ended and hold, or may come to hold, a host.
pub(crate) async fn held(database: &Database) -> Vec<String> {
    let mut lines = Lines::new();
    let sql = "SELECT id, status FROM afe_host_queue_entries WHERE complete = 0 OR active = 1";
    read(database, sql, &mut lines, |row| format!("entry {}: {}", row.id(), row.text())).await;
    let sql = "SELECT id, task FROM afe_special_tasks WHERE is_active = 1";
    read(database, sql, &mut lines, |row| format!("task {}: {}", row.id(), row.text())).await;
    lines.into_iter().collect()
}
