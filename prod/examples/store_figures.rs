//! Measures the store on a MariaDB of its own: `cargo run --release -p yardmaster --example store_figures`.

use std::time::Duration;

use tokio::time::Instant;
use yardmaster::database::schema::migrate;
use yardmaster::database::{Database, DatabaseAddress, Value};
use yardmaster::store::{SqlStore, StoreOptions};
use yardmaster_engine::{
    Changes, CommitOutcome, EntryColumns, EntryStatus, EntryUpdate, HostColumns, HostStatus, HostUpdate, LiveRows,
    SpecialTask, Store, Subdir, TaskId, TaskKind, TaskUpdate, Term, Time, UserId,
};

#[path = "../tests/support/database_server.rs"]
mod database_server;

const ENTRIES: u32 = 1_000_000;
const LIVE: u32 = 100_000;
const HOSTS: u32 = 10_000;
const TICKS: u64 = 30;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = database_server::DatabaseServer::shared();
    figures("MariaDB", &server.fresh_database().await).await?;
    let directory = tempfile::tempdir()?;
    figures("SQLite", &DatabaseAddress::Sqlite(directory.path().join("lab.db"))).await
}

async fn figures(name: &str, address: &DatabaseAddress) -> anyhow::Result<()> {
    let database = Database::open(address).await?;
    migrate(&database).await?;
    fill(&database).await?;
    println!("{name}: {ENTRIES} entries, {LIVE} of them live, {HOSTS} hosts");
    let mut store = SqlStore::new(Database::open(address).await?, StoreOptions::default());
    let term = store.begin_term("figures").await?;
    let started = Instant::now();
    let rows = store.load().await?;
    println!(
        "  load                     {:>10.2?}  ({} entries, {} hosts)",
        started.elapsed(),
        rows.entries.len(),
        rows.hosts.len()
    );
    commits(&mut store, term, &rows).await?;
    polls(&mut store, &database).await?;
    store.release_term().await?;
    Ok(())
}

/// Numbers from 1, as both dialects can make them.
fn numbers(count: u32) -> String {
    let digits = "SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL \
                  SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9";
    let places = (0..6).map(|place| format!("({digits}) d{place}")).collect::<Vec<_>>().join(", ");
    let sum = (0..6).map(|place| format!("d{place}.d * {}", 10_u32.pow(place))).collect::<Vec<_>>().join(" + ");
    format!("(SELECT 1 + {sum} AS n FROM {places}) numbers WHERE n <= {count}")
}

async fn fill(database: &Database) -> anyhow::Result<()> {
    let name = |prefix: &str| match database.dialect() {
        yardmaster::database::Dialect::MySql => format!("CONCAT('{prefix}', n)"),
        yardmaster::database::Dialect::Sqlite => format!("'{prefix}' || n"),
    };
    let now = database.dialect().now();
    for sql in [
        format!(
            "INSERT INTO afe_labels (name, platform, invalid, only_if_needed) SELECT {}, 0, 0, 0 FROM {}",
            name("l"),
            numbers(100)
        ),
        format!(
            "INSERT INTO afe_hosts (hostname, status, locked, leased, invalid, dirty, protection) \
             SELECT {}, 'Ready', 0, 0, 0, 0, 0 FROM {}",
            name("dut"),
            numbers(HOSTS)
        ),
        format!("INSERT INTO afe_hosts_labels (host_id, label_id) SELECT n, 1 + n % 50 FROM {}", numbers(HOSTS)),
        format!("INSERT INTO afe_hosts_labels (host_id, label_id) SELECT n, 51 + n % 50 FROM {}", numbers(HOSTS)),
        format!("INSERT INTO afe_acl_groups_hosts (host_id, aclgroup_id) SELECT n, 1 FROM {}", numbers(HOSTS)),
        format!(
            "INSERT INTO afe_jobs (owner, name, priority, created_on, synch_count, timeout, run_verify, run_reset, \
             email_list, reboot_before, reboot_after, max_runtime_hrs, max_runtime_mins, timeout_mins) \
             SELECT 'autotest_system', {}, 40, {now}, 1, 24, 0, 1, '', 1, 0, 72, 4320, 1440 FROM {}",
            name("job"),
            numbers(LIVE)
        ),
        format!(
            "INSERT INTO afe_jobs_dependency_labels (job_id, label_id) SELECT n, 1 + n % 100 FROM {}",
            numbers(LIVE)
        ),
        format!(
            "INSERT INTO afe_host_queue_entries (job_id, meta_host, status, active, complete, deleted, execution_subdir, \
             aborted) SELECT 1 + n % {LIVE}, 1 + n % 100, 'Completed', 0, 1, 0, 'dut', 0 FROM {}",
            numbers(ENTRIES - LIVE)
        ),
        format!(
            "INSERT INTO afe_host_queue_entries (job_id, meta_host, status, active, complete, deleted, execution_subdir, \
             aborted) SELECT n, 1 + n % 100, 'Queued', 0, 0, 0, '', 0 FROM {}",
            numbers(LIVE)
        ),
    ] {
        database.execute(&sql, Vec::new()).await?;
    }
    Ok(())
}

/// What a busy tick writes: 300 hosts, 600 entries of which half get a host of their own, 100 tasks.
fn busy_tick(rows: &LiveRows, tick: u64) -> Changes {
    let now = Time::from_seconds(1_790_000_000 + tick as i64);
    let mut changes = Changes::default();
    let (first, turn) = ((tick as usize * 300) % 9000, tick.is_multiple_of(2));
    for host in &rows.hosts[first..first + 300] {
        let columns = HostColumns::STATUS | HostColumns::LEASED;
        let status = if turn { HostStatus::Running } else { HostStatus::Resetting };
        changes.hosts.push(HostUpdate { id: host.id, columns, status, leased: true, dirty: false });
    }
    let entries = &rows.entries[tick as usize * 600..][..600];
    for (place, entry) in entries.iter().enumerate() {
        let mut entry = entry.clone();
        let mut columns = EntryColumns::STATUS;
        (entry.status, entry.active) = (EntryStatus::Resetting, true);
        if place % 2 == 0 {
            columns |= EntryColumns::HOST | EntryColumns::SUBDIR | EntryColumns::STARTED;
            let host = &rows.hosts[(tick as usize * 300 + place) % rows.hosts.len()];
            (entry.host, entry.subdir, entry.started_on) = (Some(host.id), Subdir::Named(host.name.clone()), Some(now));
        }
        changes.entries.push(EntryUpdate { columns, entry });
    }
    for number in 0..100 {
        changes.tasks.push(TaskUpdate::Insert(SpecialTask::queued(
            TaskId(rows.next_task + tick as u32 * 100 + number),
            TaskKind::Reset,
            rows.hosts[first + number as usize].id,
            Some(entries[number as usize].id),
            Some(UserId(1)),
            now,
        )));
    }
    changes
}

async fn commits(store: &mut SqlStore, term: Term, rows: &LiveRows) -> anyhow::Result<()> {
    let mut times = Vec::new();
    for tick in 0..TICKS {
        let changes = busy_tick(rows, tick);
        let started = Instant::now();
        let outcome = store.commit(term, tick + 1, &changes).await;
        times.push(started.elapsed());
        anyhow::ensure!(outcome == CommitOutcome::Committed, "{outcome:?}");
    }
    let total: Duration = times.iter().sum();
    println!(
        "  commit of 1,000 changes  {:>10.2?}  (median; longest {:.2?})",
        median(&mut times),
        times[times.len() - 1]
    );
    println!("  changes a second         {:>10.0}", TICKS as f64 * 1000.0 / total.as_secs_f64());
    Ok(())
}

async fn polls(store: &mut SqlStore, database: &Database) -> anyhow::Result<()> {
    let mut times = Vec::new();
    for _ in 0..200 {
        let started = Instant::now();
        anyhow::ensure!(store.poll().await?.is_empty(), "own changes are told");
        times.push(started.elapsed());
    }
    println!("  idle poll                {:>10.2?}  (median)", median(&mut times));
    let mut times = Vec::new();
    for number in 0..50_u32 {
        let entry = Value::from(ENTRIES - number);
        database.execute("UPDATE afe_host_queue_entries SET aborted = 1 WHERE id = ?", vec![entry]).await?;
        let started = Instant::now();
        anyhow::ensure!(store.poll().await?.len() == 1, "the abort is told");
        times.push(started.elapsed());
    }
    println!("  poll that hears an abort {:>10.2?}  (median)", median(&mut times));
    let sql = "UPDATE afe_host_queue_entries SET aborted = 1 WHERE complete = 0 AND aborted = 0 AND id > ?";
    let started = Instant::now();
    let marked = database.execute(sql, vec![(ENTRIES - 10_050).into()]).await?.rows;
    let written = started.elapsed();
    let started = Instant::now();
    let mut heard = 0;
    while heard < marked {
        heard += store.poll().await?.len() as u64;
    }
    println!("  {marked} aborts at once     {:>10.2?}  (their own statement took {written:.2?})", started.elapsed());
    Ok(())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
