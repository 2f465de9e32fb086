//! The rows of a hand-off, and the store of a runner, which must never write what is not its own any more.

use yardmaster::store::{JobStore, SqlStore, Standing, StoreOptions};
use yardmaster_engine::{
    Changes, CommitOutcome, DroneId, Entry, EntryColumns, EntryStatus, EntryUpdate, ExecutionPath, HandOff,
    HandOffChange, HostId, HostStatus, JobId, RowChange, SpecialTask, Store, StoreError, Subdir, TaskId, TaskKind,
    TaskUpdate, Term, Time,
};

use crate::committing::host_change;
use crate::lab::{entry, host, job, poll, run, store, user};
use crate::place::{Place, in_each_place, number};

in_each_place!(
    a_hand_off_is_kept_until_it_is_forgotten,
    a_runner_commits_while_the_job_is_its_own,
    what_a_runner_wrote_is_told_after_its_end_even_without_triggers,
);

/// A lab with a drone, and a job on a host that is about to start.
struct Given {
    database: yardmaster::database::Database,
    scheduler: SqlStore,
    term: Term,
    drone: u32,
    host: u32,
    job: u32,
    entry: u32,
}

impl Given {
    async fn new(place: &Place) -> Given {
        let (database, mut scheduler, term) = store(place).await;
        user(&database, "ada").await;
        let drone = run(&database, "INSERT INTO afe_drones (hostname) VALUES (?)", vec!["drone7".into()]).await;
        let (host, job) = (host(&database, "dut").await, job(&database, "ada", None).await);
        let entry = entry(&database, job, Some(host), None).await;
        let start =
            "UPDATE afe_host_queue_entries SET status = 'Starting', active = 1, execution_subdir = 'dut' WHERE id = ?";
        run(&database, start, vec![entry.into()]).await;
        scheduler.load().await.expect("it loads");
        Given { database, scheduler, term, drone, host, job, entry }
    }

    fn hand_off(&self) -> HandOff {
        let path =
            ExecutionPath::Entry { job: JobId(self.job), owner: "ada".into(), subdir: Subdir::Named("dut".into()) };
        HandOff { job: JobId(self.job), drone: DroneId(self.drone), path, over: false }
    }

    async fn change(&mut self, number: u64, change: HandOffChange) {
        let changes = Changes { hand_offs: vec![change], ..Changes::default() };
        assert_eq!(self.scheduler.commit(self.term, number, &changes).await, CommitOutcome::Committed);
    }

    async fn rows(&self, of: &str) -> i64 {
        number(&self.database, &format!("SELECT COUNT(*) FROM {of}"), vec![]).await
    }

    fn runner(&self) -> JobStore {
        JobStore::new(self.database.clone(), JobId(self.job), DroneId(self.drone), "drone7")
    }
}

fn moved(row: &Entry, status: EntryStatus) -> EntryUpdate {
    let entry = Entry { status, active: status.is_active(), ..row.clone() };
    EntryUpdate { columns: EntryColumns::STATUS, entry }
}

async fn a_hand_off_is_kept_until_it_is_forgotten(place: Place) {
    let mut given = Given::new(&place).await;
    let hand_off = given.hand_off();
    given.change(1, HandOffChange::Begin(hand_off.clone())).await;
    assert_eq!(given.rows("afe_job_handoffs WHERE drone = 'drone7' AND completed = 0").await, 1);
    let loaded = given.scheduler.load().await.expect("it loads");
    assert_eq!(loaded.hand_offs, std::slice::from_ref(&hand_off));
    assert_eq!(loaded.entries.len(), 1, "the job stays in view: it is this scheduler's hand-off");
    // Begun again, as after a crash before the runner was started.
    given.change(2, HandOffChange::Begin(hand_off.clone())).await;
    given.change(3, HandOffChange::End(hand_off.job)).await;
    assert_eq!(given.rows("afe_job_handoffs WHERE completed = 1").await, 1);
    let over = HandOff { over: true, ..hand_off.clone() };
    assert_eq!(given.scheduler.load().await.expect("it loads").hand_offs, [over]);
    given.change(4, HandOffChange::Forget(hand_off.job)).await;
    assert_eq!(given.scheduler.load().await.expect("it loads").hand_offs, []);
    assert_eq!(given.rows("afe_job_handoffs WHERE completed = 1").await, 1, "Autotest's row stays, as a record");
}

async fn a_runner_commits_while_the_job_is_its_own(place: Place) {
    let mut given = Given::new(&place).await;
    let mut runner = given.runner();
    assert!(runner.load().await.is_err(), "nothing was handed off");
    assert_eq!(runner.standing(), Standing::NotOurs);
    given.change(1, HandOffChange::Begin(given.hand_off())).await;
    let mut runner = given.runner();
    let rows = runner.load().await.expect("it loads");
    let row = rows.entries.first().expect("the entry").clone();
    assert_eq!((rows.hosts.len(), rows.jobs.len(), rows.drones.len(), rows.tasks.len()), (1, 1, 1, 0));

    // What it writes lands, and the scheduler hears of it; tasks are numbered by the database.
    let wanted =
        SpecialTask::queued(TaskId(1), TaskKind::Cleanup, HostId(given.host), None, None, Time::from_seconds(7));
    let changes = Changes {
        entries: vec![moved(&row, EntryStatus::Parsing)],
        tasks: vec![TaskUpdate::Insert(wanted.clone()), TaskUpdate::Insert(wanted)],
        ..host_change(given.host, HostStatus::Running)
    };
    assert_eq!(runner.commit(Term(1), 1, &changes).await, CommitOutcome::Committed);
    assert_eq!(runner.last_commit(Term(1)).await, Ok(Some(1)));
    assert_eq!(poll(&mut given.scheduler).await.len(), 4, "an entry, a host and two tasks");
    // Another runner of the same job knows an older number, and is refused.
    let mut second = given.runner();
    second.load().await.expect("it loads");
    let to_gather = Changes { entries: vec![moved(&row, EntryStatus::Gathering)], ..Changes::default() };
    assert_eq!(runner.commit(Term(1), 2, &to_gather).await, CommitOutcome::Committed);
    assert!(matches!(second.commit(Term(1), 2, &to_gather).await, CommitOutcome::Superseded(_)));
    assert_eq!(second.standing(), Standing::NotOurs);

    // An abort by somebody else is heard.
    run(&given.database, "UPDATE afe_host_queue_entries SET aborted = 1 WHERE id = ?", vec![given.entry.into()]).await;
    let heard = runner.poll().await.expect("it polls");
    assert!(matches!(heard.as_slice(), [RowChange::Entry(entry)] if entry.aborted), "{heard:?}");
    assert_eq!(runner.poll().await, Ok(Vec::new()), "once");

    // The last commit ends the hand-off with the job.
    let end = Changes { entries: vec![moved(&row, EntryStatus::Aborted)], ..Changes::default() };
    assert_eq!(runner.commit(Term(1), 3, &end).await, CommitOutcome::Committed);
    assert_eq!(runner.standing(), Standing::Finished);
    assert_eq!(given.rows("afe_job_handoffs WHERE completed = 1").await, 1);
}

async fn what_a_runner_wrote_is_told_after_its_end_even_without_triggers(place: Place) {
    let mut given = Given::new(&place).await;
    given.change(1, HandOffChange::Begin(given.hand_off())).await;
    // As for an account that may not make triggers.
    run(&given.database, "DELETE FROM yardmaster_schema WHERE version = 2", vec![]).await;
    let mut scheduler = SqlStore::new(place.open().await, StoreOptions { term_limit: 0, ..StoreOptions::default() });
    given.term = scheduler.begin_term("the next").await.expect("a term");
    scheduler.load().await.expect("it loads");
    assert!(!scheduler.has_triggers());
    given.scheduler = scheduler;

    let mut runner = given.runner();
    let row = runner.load().await.expect("it loads").entries.first().expect("the entry").clone();
    let running = Changes { entries: vec![moved(&row, EntryStatus::Running)], ..Changes::default() };
    assert_eq!(runner.commit(Term(1), 1, &running).await, CommitOutcome::Committed);
    assert_eq!(poll(&mut given.scheduler).await, [], "a poll does not see it");
    let job = JobId(given.job);
    given.change(1, HandOffChange::End(job)).await;
    let heard = poll(&mut given.scheduler).await;
    let is_it = |change: &RowChange| matches!(change, RowChange::Entry(entry) if entry.status == EntryStatus::Running);
    assert!(heard.iter().any(is_it), "{heard:?}");
    // From now on the runner writes nothing.
    let late = Changes { entries: vec![moved(&row, EntryStatus::Completed)], ..Changes::default() };
    assert!(matches!(runner.commit(Term(1), 2, &late).await, CommitOutcome::Superseded(_)));
    assert!(matches!(runner.poll().await, Err(StoreError { .. })));
    assert_eq!(given.rows("afe_host_queue_entries WHERE status = 'Completed'").await, 0);
}
