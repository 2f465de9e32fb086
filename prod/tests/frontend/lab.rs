//! A lab to do things to, and what it holds afterwards.

use crate::place::{Place, number};
use yardmaster::database::{Database, schema};
use yardmaster::frontend::FrontendError;
use yardmaster::frontend::hosts::NewHosts;
use yardmaster::frontend::jobs::Submitted;
use yardmaster::frontend::jobs::{JobRequest, submit};
use yardmaster::frontend::view::HostFilter;
use yardmaster::frontend::view::HostView;
use yardmaster::frontend::{MetaHost, hosts, labels, users, view};
use yardmaster::store::snapshot;
use yardmaster_engine::LiveRows;

/// A lab: users alice and bob, platform eve, label pool, hosts dut1 to dut3, all eve, dut1 in the pool.
pub(crate) async fn lab(place: &Place) -> Database {
    let database = place.open().await;
    schema::migrate(&database).await.expect("migrated");
    for login in ["alice", "bob"] {
        users::add(&database, login, 0).await.expect("a user");
    }
    labels::add(&database, "eve", true).await.expect("a label");
    labels::add(&database, "pool", false).await.expect("a label");
    let new = NewHosts { labels: words(&["eve"]), ..NewHosts::new(words(&["dut1", "dut2", "dut3"])) };
    hosts::add(&database, &new).await.expect("hosts");
    hosts::label(&database, &words(&["dut1"]), &words(&["pool"]), &[]).await.expect("a label");
    database
}

pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub(crate) fn on_hosts(names: &[&str]) -> JobRequest {
    JobRequest { hosts: words(names), control_file: "pass".to_owned(), ..JobRequest::new("alice", "smoke") }
}

pub(crate) fn on_label(label: &str, count: u32) -> JobRequest {
    let meta_hosts = vec![MetaHost { label: label.to_owned(), count }];
    JobRequest { meta_hosts, ..JobRequest::new("alice", "smoke") }
}

pub(crate) async fn put(database: &Database, request: &JobRequest) -> Submitted {
    submit(database, request).await.expect("submitted")
}

pub(crate) async fn rows(database: &Database) -> LiveRows {
    let found = snapshot(database, 1000).await.expect("read");
    assert_eq!(found.quarantined, []);
    found.rows
}

pub(crate) async fn count(database: &Database, table: &str) -> i64 {
    number(database, &format!("SELECT COUNT(*) FROM {table}"), Vec::new()).await
}

pub(crate) async fn host(database: &Database, name: &str) -> HostView {
    let found = view::hosts(database, &HostFilter::default()).await.expect("read");
    found.into_iter().find(|host| host.name == name).expect(name)
}

#[track_caller]
pub(crate) fn check_refused<T: std::fmt::Debug>(outcome: Result<T, FrontendError>, parts: &[&str]) {
    let message = outcome.expect_err("refused").to_string();
    for part in parts {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}
