//! What the store commits, and under whose term.

use std::collections::BTreeSet;

use yardmaster::database::Database;
use yardmaster::store::{SqlStore, StoreOptions, TermError, TermRole, snapshot};
use yardmaster_engine::{
    Changes, CommitOutcome, Drone, DroneId, Entry, EntryColumns, EntryId, EntryStatus, ExecutionPath, HostColumns,
    HostId, HostStatus, HostUpdate, Ineligible, JobId, KillOrder, LiveRows, PidfileName, SpecialTask, Store, Stray,
    StrayChange, Subdir, TaskId, TaskKind, TaskUpdate, Term, Time, UserId,
};
use yardmaster_sim::store::MemoryStore;

use crate::lab::{Model, entry, host, job, label, poll, run, store, task};
use crate::place::{Place, in_each_place, number};

in_each_place!(
    changes_land_as_in_memory,
    a_newer_term_supersedes,
    a_database_that_went_back_refuses,
    a_task_number_taken_by_others_refuses,
    only_the_named_columns_are_written,
    a_row_that_is_gone_is_passed_over,
    one_scheduler_at_a_time,
    kills_are_kept_until_they_have_worked,
    strays_are_kept_until_they_are_forgotten,
    two_roles_hear_of_each_other,
    a_host_that_was_locked_meanwhile_stays_dirty,
    only_one_gives_out_hosts,
    the_log_of_who_is_gone_is_thrown_away,
    nothing_is_logged_while_no_scheduler_is_there,
);

/// A small generator of our own, so that a failure can be repeated.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % sides.max(1)
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

fn memory(rows: &LiveRows) -> MemoryStore {
    let mut memory = MemoryStore::default();
    rows.users.iter().for_each(|row| memory.users.put(row.id.0, row.clone()));
    rows.labels.iter().for_each(|row| memory.labels.put(row.id.0, row.clone()));
    rows.hosts.iter().for_each(|row| memory.hosts.put(row.id.0, row.clone()));
    rows.drones.iter().for_each(|row: &Drone| memory.drones.put(row.id.0, row.clone()));
    rows.jobs.iter().for_each(|row| memory.jobs.put(row.id.0, row.clone()));
    rows.entries.iter().for_each(|row| memory.entries.put(row.id.0, row.clone()));
    rows.tasks.iter().for_each(|row| memory.tasks.put(row.id.0, row.clone()));
    memory.ineligible = rows.ineligible.iter().copied().collect();
    memory
}

/// Some hosts, jobs with entries, and tasks.
pub(crate) async fn lab(database: &Database, hosts: u32, jobs: u32) {
    let board = label(database, "board:eve").await;
    for number in 0..hosts {
        let dut = host(database, &format!("dut{number}")).await;
        if number % 3 == 0 {
            task(database, dut).await;
        }
    }
    for number in 0..jobs {
        let work = job(database, "autotest_system", None).await;
        entry(database, work, None, Some(board)).await;
        if number % 2 == 0 {
            entry(database, work, Some(1 + number % hosts), None).await;
        }
    }
}

/// Who locks a host makes it dirty. A Cleanup that ends in that moment must not undo it; one of a host that was locked
/// before may.
async fn a_host_that_was_locked_meanwhile_stays_dirty(place: Place) {
    let database = place.open().await;
    yardmaster::database::schema::migrate(&database).await.expect("it migrates");
    let (free, taken, locked) =
        (host(&database, "free").await, host(&database, "taken").await, host(&database, "locked").await);
    run(&database, "UPDATE afe_hosts SET dirty = 1, status = 'Cleaning'", vec![]).await;
    run(&database, "UPDATE afe_hosts SET locked = 1 WHERE id = ?", vec![locked.into()]).await;
    let mut store = SqlStore::new(place.open().await, StoreOptions::default());
    let term = store.begin_term("the test").await.expect("a term");
    store.load().await.expect("it loads");
    run(&database, "UPDATE afe_hosts SET locked = 1, dirty = 1 WHERE id = ?", vec![taken.into()]).await;
    let clean = |id| HostUpdate {
        id: HostId(id),
        columns: HostColumns::STATUS | HostColumns::DIRTY,
        status: HostStatus::Ready,
        leased: false,
        dirty: false,
    };
    let changes = Changes { hosts: [free, taken, locked].map(clean).to_vec(), ..Changes::default() };
    assert_eq!(store.commit(term, 1, &changes).await, CommitOutcome::Committed);
    let dirty = async |id: u32| number(&database, "SELECT dirty FROM afe_hosts WHERE id = ?", vec![id.into()]).await;
    assert_eq!((dirty(free).await, dirty(taken).await, dirty(locked).await), (0, 1, 0));
    assert_eq!(number(&database, "SELECT COUNT(*) FROM afe_hosts WHERE status = 'Ready'", vec![]).await, 3);
    let heard = poll(&mut store).await;
    let told = |change: &yardmaster_engine::RowChange| matches!(change, yardmaster_engine::RowChange::Host(row) if row.id.0 == taken && row.dirty && row.locked);
    assert!(heard.iter().any(told), "{heard:?}");
}

/// A dispatcher that gives out hosts itself and a host scheduler exclude each other, whoever was first.
async fn only_one_gives_out_hosts(place: Place) {
    let database = place.open().await;
    yardmaster::database::schema::migrate(&database).await.expect("it migrates");
    let begin = async |role, gives_hosts, holder: &str| {
        let options = StoreOptions { role, gives_hosts, ..StoreOptions::default() };
        let mut store = SqlStore::new(place.open().await, options);
        let outcome = store.begin_term(holder).await;
        outcome.map(|_| store)
    };
    let mut whole = begin(TermRole::Dispatcher, true, "whole").await.expect("nobody else is there");
    let refused = begin(TermRole::HostScheduler, true, "hosts").await.expect_err("hosts are given out already");
    assert!(refused.to_string().contains("scheduler.inline_host_acquisition"), "{refused}");
    whole.renew_term().await.expect("it goes on");
    whole.release_term().await.expect("given back");
    let mut hosts = begin(TermRole::HostScheduler, true, "hosts").await.expect("nobody else is there");
    let refused = begin(TermRole::Dispatcher, true, "whole").await.expect_err("hosts are given out already");
    assert!(matches!(&refused, TermError::Held { holder, .. } if holder == "hosts"), "{refused}");
    let dispatcher = begin(TermRole::Dispatcher, false, "dispatcher").await.expect("beside a host scheduler");
    hosts.renew_term().await.expect("it goes on");
    hosts.release_term().await.expect("given back");
    drop(dispatcher);
}

/// A host scheduler that is not used any more: nothing is logged for it for ever.
async fn the_log_of_who_is_gone_is_thrown_away(place: Place) {
    let database = place.open().await;
    yardmaster::database::schema::migrate(&database).await.expect("it migrates");
    let options = StoreOptions { role: TermRole::HostScheduler, ..StoreOptions::default() };
    let mut gone = SqlStore::new(place.open().await, options);
    gone.begin_term("gone").await.expect("a term");
    gone.load().await.expect("it loads");
    // Compares everything at every poll.
    let options = StoreOptions { reconcile: std::time::Duration::ZERO, ..StoreOptions::default() };
    let mut store = SqlStore::new(place.open().await, options);
    store.begin_term("the test").await.expect("a term");
    store.load().await.expect("it loads");
    host(&database, "dut").await;
    let logged = "SELECT COUNT(*) FROM yardmaster_changes WHERE consumer = 2";
    poll(&mut store).await;
    assert_eq!(number(&database, logged, vec![]).await, 1, "it was heard of lately");
    let ago = "UPDATE yardmaster_terms SET renewed_on = renewed_on - 90000 WHERE role = 'host scheduler'";
    run(&database, ago, vec![]).await;
    // Comparing goes on beside the polls: a comparison that was under way may have looked before.
    let deadline = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    while number(&database, logged, vec![]).await > 0 {
        assert!(std::time::SystemTime::now() < deadline, "the log of who is gone is still there");
        poll(&mut store).await;
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    host(&database, "another").await;
    assert_eq!(number(&database, logged, vec![]).await, 0);
    assert!(!poll(&mut store).await.is_empty(), "the one that is there hears of it");
}

/// Nobody would read it. One that another has taken over from leaves the other's log alone.
async fn nothing_is_logged_while_no_scheduler_is_there(place: Place) {
    let (database, mut first, _) = store(&place).await;
    let logged = async || number(&database, "SELECT COUNT(*) FROM yardmaster_changes", vec![]).await;
    first.release_term().await.expect("given back");
    host(&database, "one").await;
    assert_eq!(logged().await, 0);
    let mut second = SqlStore::new(place.open().await, StoreOptions::default());
    second.begin_term("the second").await.expect("a term");
    assert_eq!(second.load().await.expect("it loads").hosts.len(), 1);
    host(&database, "two").await;
    assert_eq!((logged().await, poll(&mut second).await.len()), (1, 1));

    run(&database, "UPDATE yardmaster_terms SET renewed_on = renewed_on - 31", vec![]).await;
    let mut third = SqlStore::new(place.open().await, StoreOptions::default());
    third.begin_term("the third").await.expect("a term");
    third.load().await.expect("it loads");
    second.release_term().await.expect("there is nothing to give back");
    host(&database, "three").await;
    assert_eq!(poll(&mut third).await.len(), 1);
}

fn any_entry(dice: &mut Dice, row: &Entry, hosts: &[HostId]) -> yardmaster_engine::EntryUpdate {
    let columns = EntryColumns::from_bits_truncate(1 + dice.below(63) as u8);
    let moment =
        |dice: &mut Dice| (dice.below(3) > 0).then(|| Time::from_seconds(1_790_000_000 + dice.below(9999) as i64));
    let status = dice.of(EntryStatus::ALL);
    let subdir = match dice.below(4) {
        0 => Subdir::Unset,
        1 => Subdir::Hostless,
        2 => Subdir::Group(dice.below(3) as u32),
        _ => Subdir::Named(format!("dut'{}", dice.below(9)).into()),
    };
    let new = Entry {
        // The database allows a job a host only once.
        host: if row.meta_host.is_none() || dice.below(2) == 0 {
            row.host
        } else {
            Some(hosts[row.id.0 as usize % hosts.len()])
        },
        status,
        active: status.is_active(),
        aborted: row.aborted || dice.below(2) == 0,
        subdir,
        started_on: moment(dice),
        finished_on: moment(dice),
        ..row.clone()
    };
    yardmaster_engine::EntryUpdate { columns, entry: new }
}

fn any_changes(dice: &mut Dice, rows: &LiveRows, next_task: u32) -> Changes {
    let mut changes = Changes::default();
    let hosts: Vec<HostId> = rows.hosts.iter().map(|row| row.id).collect();
    let now = Some(Time::from_seconds(1_790_000_000 + dice.below(1000) as i64));
    for row in &rows.hosts {
        if dice.below(2) == 0 {
            continue;
        }
        let columns = HostColumns::from_bits_truncate(1 + dice.below(7) as u8);
        let status = dice.of(HostStatus::ALL);
        changes.hosts.push(HostUpdate {
            id: row.id,
            columns,
            status,
            leased: dice.below(2) == 0,
            dirty: dice.below(2) == 0,
        });
    }
    // The unique key on job and host is the engine's business.
    let mut taken: BTreeSet<(JobId, HostId)> =
        rows.entries.iter().filter_map(|row| Some((row.job, row.host?))).collect();
    for row in &rows.entries {
        let update = any_entry(dice, row, &hosts);
        let host =
            update.entry.host.filter(|_| update.columns.contains(EntryColumns::HOST) && update.entry.host != row.host);
        if dice.below(2) == 0 && host.is_none_or(|host| taken.insert((row.job, host))) {
            changes.entries.push(update);
        }
    }
    for row in &rows.tasks {
        match dice.below(4) {
            0 => changes.tasks.push(TaskUpdate::Delete(row.id)),
            1 => changes.tasks.push(TaskUpdate::Update(SpecialTask { active: true, started_at: now, ..row.clone() })),
            2 => changes.tasks.push(TaskUpdate::Update(SpecialTask {
                complete: true,
                active: false,
                success: dice.below(2) == 0,
                finished_at: now,
                ..row.clone()
            })),
            _ => {}
        }
    }
    for number in 0..dice.below(70) as u32 {
        changes.tasks.push(TaskUpdate::Insert(new_task(next_task + number, dice.of(&hosts), dice.of(TaskKind::ALL))));
    }
    for row in rows.ineligible.iter().filter(|_| dice.below(3) == 0) {
        changes.ineligible_removed.push(*row);
    }
    for row in &rows.jobs {
        let added = Ineligible { job: row.id, host: dice.of(&hosts) };
        match dice.below(6) {
            0 => changes.ineligible_swept.push(row.id),
            1 | 2 if !rows.ineligible.contains(&added) => changes.ineligible_added.push(added),
            _ => {}
        }
    }
    let swept = changes.ineligible_swept.clone();
    changes.ineligible_removed.retain(|row| !swept.contains(&row.job));
    changes
}

fn new_task(id: u32, host: HostId, kind: TaskKind) -> SpecialTask {
    SpecialTask::queued(TaskId(id), kind, host, None, Some(UserId(1)), Time::from_seconds(1_790_000_000))
}

async fn changes_land_as_in_memory(place: Place) {
    let (database, mut store, term) = store(&place).await;
    lab(&database, 12, 40).await;
    let rows = store.load().await.expect("it loads");
    let mut memory = memory(&rows);
    let memory_term = memory.begin_term();
    let mut dice = Dice(7);
    let mut next_task = rows.next_task;
    for number in 1..=25 {
        let rows = snapshot(&database, 1000).await.expect("a snapshot").rows;
        let changes = any_changes(&mut dice, &rows, next_task);
        next_task += changes.tasks.len() as u32;
        assert_eq!(store.commit(term, number, &changes).await, CommitOutcome::Committed);
        assert_eq!(memory.commit(memory_term, number, &changes).await, CommitOutcome::Committed);
        let expected = memory.load().await.expect("memory loads");
        let found = snapshot(&database, 1000).await.expect("a snapshot");
        assert_eq!(Model::of(&found.rows), Model::of(&expected), "after {changes:?}");
        assert_eq!(found.quarantined, []);
        assert_eq!(poll(&mut store).await, [], "own commits are not told");
        assert_eq!(store.last_commit(term).await, Ok(Some(number)));
    }
    // What the scheduler aborted is signed by it.
    let unsigned = "SELECT COUNT(*) FROM afe_host_queue_entries e LEFT JOIN afe_aborted_host_queue_entries a \
                    ON a.queue_entry_id = e.id WHERE e.aborted = 1 AND a.queue_entry_id IS NULL";
    assert_eq!(number(&database, unsigned, vec![]).await, 0);
    assert!(
        number(&database, "SELECT COUNT(*) FROM afe_aborted_host_queue_entries WHERE aborted_by_id = 1", vec![]).await
            > 0
    );
}

pub(crate) fn host_change(id: u32, status: HostStatus) -> Changes {
    let columns = HostColumns::STATUS;
    let update = HostUpdate { id: HostId(id), columns, status, leased: false, dirty: false };
    Changes { hosts: vec![update], ..Changes::default() }
}

pub(crate) async fn status_of(database: &Database, host: u32) -> String {
    let rows = database.query("SELECT status FROM afe_hosts WHERE id = ?", vec![host.into()]).await.expect("a row");
    rows[0].get(0).expect("a status")
}

async fn a_newer_term_supersedes(place: Place) {
    let (database, mut old, term) = store(&place).await;
    let dut = host(&database, "dut").await;
    old.release_term().await.expect("released");
    let mut new = SqlStore::new(place.open().await, StoreOptions::default());
    let newer = new.begin_term("another").await.expect("a term");
    assert_eq!(newer, Term(term.0 + 1));
    new.load().await.expect("it loads");
    let changes = host_change(dut, HostStatus::Running);
    assert_eq!(old.commit(term, 1, &changes).await, CommitOutcome::Superseded(newer));
    assert_eq!(status_of(&database, dut).await, "Ready");
    assert_eq!(new.commit(newer, 1, &changes).await, CommitOutcome::Committed);
    assert_eq!(status_of(&database, dut).await, "Running");
    assert_eq!(old.last_commit(term).await, Ok(None));
}

async fn a_database_that_went_back_refuses(place: Place) {
    let (database, mut store, term) = store(&place).await;
    let dut = host(&database, "dut").await;
    for number in 1..=3 {
        assert_eq!(store.commit(term, number, &host_change(dut, HostStatus::Running)).await, CommitOutcome::Committed);
    }
    run(&database, "UPDATE yardmaster_terms SET number = 2", vec![]).await;
    let outcome = store.commit(term, 4, &host_change(dut, HostStatus::Ready)).await;
    assert!(
        matches!(&outcome, CommitOutcome::Refused(why) if why.contains("lost tick 3") && why.contains("is 2")),
        "{outcome:?}"
    );
    assert_eq!(status_of(&database, dut).await, "Running");
    store.load().await.expect("it loads");
    assert_eq!(store.commit(term, 5, &host_change(dut, HostStatus::Ready)).await, CommitOutcome::Committed);
    // A replica that never heard of the term.
    run(&database, "DELETE FROM yardmaster_terms", vec![]).await;
    let outcome = store.commit(term, 6, &host_change(dut, HostStatus::Running)).await;
    assert!(matches!(&outcome, CommitOutcome::Refused(why) if why.contains("does not know term")), "{outcome:?}");
    store.load().await.expect("it loads");
    assert_eq!(store.commit(term, 7, &host_change(dut, HostStatus::Running)).await, CommitOutcome::Committed);
}

async fn a_task_number_taken_by_others_refuses(place: Place) {
    let (database, mut store, term) = store(&place).await;
    let dut = host(&database, "dut").await;
    let rows = store.load().await.expect("it loads");
    let theirs = task(&database, dut).await;
    assert_eq!(theirs, rows.next_task);
    let insert = TaskUpdate::Insert(new_task(rows.next_task, HostId(dut), TaskKind::Reset));
    let changes = Changes { tasks: vec![insert], ..host_change(dut, HostStatus::Running) };
    let outcome = store.commit(term, 1, &changes).await;
    assert!(matches!(&outcome, CommitOutcome::Refused(why) if why.contains("duplicate key")), "{outcome:?}");
    assert_eq!(status_of(&database, dut).await, "Ready", "nothing of it is written");
    assert_eq!(store.last_commit(term).await, Ok(None));
    assert_eq!(store.load().await.expect("it loads").next_task, theirs + 1);
}

async fn only_the_named_columns_are_written(place: Place) {
    let (database, mut store, term) = store(&place).await;
    let dut = host(&database, "dut").await;
    store.load().await.expect("it loads");
    run(&database, "UPDATE afe_hosts SET locked = 1, dirty = 1 WHERE id = ?", vec![dut.into()]).await;
    assert_eq!(store.commit(term, 1, &host_change(dut, HostStatus::Running)).await, CommitOutcome::Committed);
    let kept = "SELECT COUNT(*) FROM afe_hosts WHERE locked = 1 AND dirty = 1 AND status = 'Running'";
    assert_eq!(number(&database, kept, vec![]).await, 1);
    let told = poll(&mut store).await;
    assert!(
        matches!(told.as_slice(), [yardmaster_engine::RowChange::Host(host)]
            if host.locked && host.dirty && host.status == HostStatus::Running),
        "{told:?}"
    );
}

async fn a_row_that_is_gone_is_passed_over(place: Place) {
    let (database, mut store, term) = store(&place).await;
    let (dut, work) = (host(&database, "dut").await, job(&database, "autotest_system", None).await);
    let id = entry(&database, work, None, None).await;
    let rows = store.load().await.expect("it loads");
    run(&database, "DELETE FROM afe_host_queue_entries WHERE id = ?", vec![id.into()]).await;
    let row = Entry { status: EntryStatus::Starting, active: true, aborted: true, ..rows.entries[0].clone() };
    let update = yardmaster_engine::EntryUpdate { columns: EntryColumns::STATUS | EntryColumns::ABORTED, entry: row };
    let changes = Changes { entries: vec![update], ..host_change(dut, HostStatus::Running) };
    assert_eq!(store.commit(term, 1, &changes).await, CommitOutcome::Committed);
    assert_eq!(number(&database, "SELECT COUNT(*) FROM afe_host_queue_entries", vec![]).await, 0);
    assert_eq!(poll(&mut store).await, [yardmaster_engine::RowChange::EntryGone(EntryId(id))]);
}

async fn one_scheduler_at_a_time(place: Place) {
    let (database, mut first, term) = store(&place).await;
    let mut second = SqlStore::new(place.open().await, StoreOptions::default());
    let error = second.begin_term("the second").await.expect_err("the first is at work");
    assert!(matches!(&error, TermError::Held { holder, .. } if holder == "the test"), "{error}");
    first.renew_term().await.expect("renewed");
    // The first has been silent for long.
    run(&database, "UPDATE yardmaster_terms SET renewed_on = renewed_on - 31", vec![]).await;
    assert_eq!(second.begin_term("the second").await, Ok(Term(term.0 + 1)));
    assert_eq!(first.renew_term().await, Err(TermError::Ended { mine: term }));
    // Two standbys at the same moment: one wins.
    second.release_term().await.expect("released");
    let mut stores = Vec::new();
    for _ in 0..4 {
        stores.push(SqlStore::new(place.open().await, StoreOptions::default()));
    }
    let tries = stores.into_iter().map(|mut store| tokio::spawn(async move { store.begin_term("one of many").await }));
    let mut won = 0;
    for attempt in tries.collect::<Vec<_>>() {
        match attempt.await.expect("no panic") {
            Ok(begun) => {
                assert_eq!(begun, Term(term.0 + 2));
                won += 1;
            }
            Err(error) => assert!(matches!(&error, TermError::Held { .. }), "{error}"),
        }
    }
    assert_eq!(won, 1);
}

async fn kills_are_kept_until_they_have_worked(place: Place) {
    let (_, mut store, term) = store(&place).await;
    let path = ExecutionPath::Entry { job: JobId(4), owner: "ada".into(), subdir: Subdir::Group(1) };
    let order = KillOrder { path, name: PidfileName::Execute, drone: Some(DroneId(3)) };
    let task = ExecutionPath::Task { hostname: "dut".into(), task: TaskId(9), kind: TaskKind::Reset };
    let other = KillOrder { path: task, name: PidfileName::Execute, drone: None };
    let added = Changes { kills_added: vec![order.clone(), other.clone()], ..Changes::default() };
    assert_eq!(store.commit(term, 1, &added).await, CommitOutcome::Committed);
    assert_eq!(store.commit(term, 2, &added).await, CommitOutcome::Committed, "one that is there stays");
    assert_eq!(store.load().await.expect("it loads").kills, [order.clone(), other.clone()]);
    let removed = Changes { kills_removed: vec![order], ..Changes::default() };
    assert_eq!(store.commit(term, 3, &removed).await, CommitOutcome::Committed);
    assert_eq!(store.load().await.expect("it loads").kills, [other]);
}

async fn strays_are_kept_until_they_are_forgotten(place: Place) {
    let (_, mut store, term) = store(&place).await;
    let path = ExecutionPath::Entry { job: JobId(4), owner: "ada".into(), subdir: Subdir::Group(1) };
    let on = |drone| Stray { path: path.clone(), name: PidfileName::Execute, drone: DroneId(drone) };
    let changes = |strays| Changes { strays, ..Changes::default() };
    let added = changes(vec![StrayChange::Add(on(3)), StrayChange::Add(on(5))]);
    assert_eq!(store.commit(term, 1, &added).await, CommitOutcome::Committed);
    assert_eq!(store.commit(term, 2, &added).await, CommitOutcome::Committed, "one that is there stays");
    assert_eq!(store.load().await.expect("it loads").strays, [on(3), on(5)]);
    let forgotten = changes(vec![StrayChange::Forget(on(3))]);
    assert_eq!(store.commit(term, 3, &forgotten).await, CommitOutcome::Committed);
    assert_eq!(store.load().await.expect("it loads").strays, [on(5)]);
}

async fn two_roles_hear_of_each_other(place: Place) {
    let (database, mut dispatcher, term) = store(&place).await;
    let options = StoreOptions { role: TermRole::HostScheduler, ..StoreOptions::default() };
    let mut leaser = SqlStore::new(place.open().await, options);
    let leaser_term = leaser.begin_term("the leaser").await.expect("a term of its own");
    let dut = host(&database, "dut").await;
    leaser.load().await.expect("it loads");
    poll(&mut dispatcher).await;
    assert_eq!(leaser.commit(leaser_term, 1, &host_change(dut, HostStatus::Running)).await, CommitOutcome::Committed);
    assert_eq!(poll(&mut leaser).await, []);
    assert_eq!(poll(&mut dispatcher).await.len(), 1);
    let lease = HostUpdate {
        id: HostId(dut),
        columns: HostColumns::LEASED,
        status: HostStatus::Ready,
        leased: true,
        dirty: false,
    };
    let changes = Changes { hosts: vec![lease], ..Changes::default() };
    assert_eq!(dispatcher.commit(term, 1, &changes).await, CommitOutcome::Committed);
    assert_eq!(poll(&mut leaser).await.len(), 1);
    assert_eq!(poll(&mut dispatcher).await, []);
}
