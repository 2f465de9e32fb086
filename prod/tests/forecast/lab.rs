//! A lab with a past: jobs that ended, one that runs, some that wait.

use yardmaster::database::{Database, Value, schema};
use yardmaster::frontend::hosts::NewHosts;
use yardmaster::frontend::jobs::{JobRequest, Submitted, submit};
use yardmaster::frontend::{MetaHost, hosts, labels, users};
use yardmaster::snapshot::{SnapshotOptions, take};
use yardmaster_engine::{Settings, TaskKind};
use yardmaster_sim::history::Snapshot;

use crate::place::{Place, number};

pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Users alice and bob, hosts dut1 to dut3 of platform eve, dut1 in the pool.
pub(crate) async fn lab(place: &Place) -> Database {
    let database = place.open().await;
    schema::migrate(&database).await.expect("migrated");
    fill(&database).await;
    database
}

pub(crate) async fn fill(database: &Database) {
    for login in ["alice", "bob"] {
        users::add(database, login, 0).await.expect("a user");
    }
    labels::add(database, "eve", true).await.expect("a label");
    labels::add(database, "pool", false).await.expect("a label");
    let new = NewHosts { labels: words(&["eve"]), ..NewHosts::new(words(&["dut1", "dut2", "dut3"])) };
    hosts::add(database, &new).await.expect("hosts");
    hosts::label(database, &words(&["dut1"]), &words(&["pool"]), &[]).await.expect("a label");
    run(database, "INSERT INTO afe_drones (hostname) VALUES ('drone1')", Vec::new()).await;
}

pub(crate) async fn run(database: &Database, sql: &str, parameters: Vec<Value>) -> u32 {
    database.execute(sql, parameters).await.unwrap_or_else(|error| panic!("{sql}: {error}")).last_id as u32
}

pub(crate) fn on_label(owner: &str, name: &str, count: u32) -> JobRequest {
    let meta_hosts = vec![MetaHost { label: "eve".to_owned(), count }];
    JobRequest { meta_hosts, ..JobRequest::new(owner, name) }
}

pub(crate) async fn put(database: &Database, request: &JobRequest) -> Submitted {
    submit(database, request).await.expect("submitted")
}

/// Now, by the database's clock, in seconds.
pub(crate) async fn now(database: &Database) -> i64 {
    number(database, &format!("SELECT {}", database.dialect().now_seconds()), Vec::new()).await
}

/// Moments of a job, in seconds before now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ago {
    pub(crate) submitted: i64,
    pub(crate) started: i64,
    pub(crate) finished: Option<i64>,
}

/// Lets a job that was submitted have run on these hosts, an entry on each; it runs still where it has not finished.
pub(crate) async fn has_run(database: &Database, job: &Submitted, on: &[u32], now: i64, ago: Ago, status: &str) {
    let moment = database.dialect().datetime_of(database.dialect().integer_parameter());
    let sql = format!("UPDATE afe_jobs SET created_on = {moment} WHERE id = ?");
    run(database, &sql, vec![(now - ago.submitted).into(), job.job.0.into()]).await;
    for (entry, host) in job.entries.iter().zip(on) {
        let sql = format!(
            "UPDATE afe_host_queue_entries SET host_id = ?, status = ?, active = ?, complete = ?, started_on = {moment}, \
             finished_on = {moment}, execution_subdir = ? WHERE id = ?"
        );
        let runs = ago.finished.is_none();
        let parameters = vec![
            (*host).into(),
            status.into(),
            runs.into(),
            (!runs).into(),
            (now - ago.started).into(),
            ago.finished.map(|finished| now - finished).into(),
            format!("dut{host}").into(),
            entry.0.into(),
        ];
        run(database, &sql, parameters).await;
        if runs {
            run(database, "UPDATE afe_hosts SET status = 'Running', leased = 1 WHERE id = ?", vec![(*host).into()])
                .await;
        }
    }
}

/// A special task that ended.
pub(crate) async fn has_done(database: &Database, kind: TaskKind, host: u32, now: i64, started: i64, finished: i64) {
    let moment = database.dialect().datetime_of(database.dialect().integer_parameter());
    let sql = format!(
        "INSERT INTO afe_special_tasks (task, host_id, time_requested, time_started, time_finished, is_active, is_complete, \
         success, is_aborted, requested_by_id) VALUES (?, ?, {moment}, {moment}, {moment}, 0, 1, 1, 0, 1)"
    );
    let moments = [started + 1, started, finished].map(|ago| Value::from(now - ago));
    let parameters = [kind.to_string().into(), host.into()].into_iter().chain(moments).collect();
    run(database, &sql, parameters).await;
}

pub(crate) fn options(days: u32) -> SnapshotOptions {
    SnapshotOptions { days, pseudonyms: false, settings: Settings::default(), source: "a test".to_owned() }
}

pub(crate) async fn taken(database: &Database, days: u32) -> Snapshot {
    take(database, &options(days)).await.expect("a snapshot")
}

/// Ten jobs that ended, the same name but for the build, each after ten minutes; one that has run for five; two that wait.
/// Gives the last three.
pub(crate) async fn with_past(database: &Database) -> [Submitted; 3] {
    let now = now(database).await;
    for number in 0..10_i64 {
        let job = put(database, &on_label("alice", &format!("eve-release/R66-1.{number}.0/bvt/boot"), 1)).await;
        let started = 90_000 - number * 2000;
        let ago = Ago { submitted: started + 60, started, finished: Some(started - 600) };
        has_run(database, &job, &[1 + (number % 3) as u32], now, ago, "Completed").await;
        has_done(database, TaskKind::Reset, 1 + (number % 3) as u32, now, started + 40, started + 10).await;
    }
    let running = put(database, &on_label("alice", "eve-release/R66-2.0.0/bvt/boot", 1)).await;
    let ago = Ago { submitted: 400, started: 300, finished: None };
    has_run(database, &running, &[2], now, ago, "Running").await;
    let waiting = put(database, &on_label("bob", "eve-release/R66-2.0.0/bvt/boot", 1)).await;
    let depends = JobRequest { dependencies: words(&["pool"]), ..on_label("bob", "long", 1) };
    let other = put(database, &depends).await;
    [running, waiting, other]
}
