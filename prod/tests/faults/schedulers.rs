//! The scheduler is killed, at whatever it does.

use std::fs;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;
use yardmaster::frontend::abort::{AbortRequest, abort};
use yardmaster::frontend::tasks;
use yardmaster_engine::{JobId, TaskKind};

use super::dice::is_full;
use super::lab::{Kind, Lab, Place, Plan, host_name, in_each_place};
use super::processes::{Part, parts};
use super::service::Service;
use super::work::{Fate, OWNER, bare};

in_each_place!(killed_at_random_moments, killed_right_after_aborts);

const PLAN: Plan = Plan { hosts: 8, drones: 2, kind: Kind::Local, broken_host: true };

/// When the scheduler is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So long after it was started: maybe before its first tick.
    After(Duration),
    /// As soon as it writes.
    InCommit,
    /// When so many commits have landed: before, or while, their commands are carried out.
    Committed(i64),
}

impl Lab {
    fn moment(&mut self) -> Moment {
        match self.dice.below(6) {
            0..3 => Moment::After(self.dice.between(20, 1200)),
            3 => Moment::InCommit,
            _ => Moment::Committed(1 + self.dice.below(8) as i64),
        }
    }

    /// Number and term of the last commit, as one number that grows.
    async fn last_commit(&self) -> i64 {
        let sql = "SELECT term * 1000000 + number FROM yardmaster_terms WHERE role = 'dispatcher'";
        self.number(sql, Vec::new()).await
    }

    /// Something that changes while a transaction is being written.
    async fn writing(&self) -> u64 {
        match &self.server {
            None => fs::metadata(self.folder().join("lab.db-wal")).map_or(0, |file| {
                use std::os::unix::fs::MetadataExt;
                file.len() ^ (file.mtime_nsec().cast_unsigned() << 20)
            }),
            Some(_) => {
                let sql = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() \
                           AND id <> CONNECTION_ID() AND (info LIKE 'UPDATE%' OR info LIKE 'INSERT%' OR info = 'COMMIT')";
                self.number(sql, Vec::new()).await as u64
            }
        }
    }

    async fn wait_for(&self, moment: Moment) {
        let began = SystemTime::now();
        // With nothing to do there is no commit to wait for.
        let is_over = || began.elapsed().unwrap_or_default() > Duration::from_secs(2);
        match moment {
            Moment::After(pause) => tokio::time::sleep(pause).await,
            Moment::InCommit => {
                tokio::time::sleep(Duration::from_millis(300)).await;
                let before = self.writing().await;
                while self.writing().await == before && !is_over() {
                    tokio::time::sleep(Duration::from_micros(200)).await;
                }
            }
            Moment::Committed(count) => {
                let before = self.last_commit().await;
                let goal = (before / 1_000_000 + 1) * 1_000_000 + count;
                while self.last_commit().await < goal && !is_over() {
                    tokio::time::sleep(Duration::from_micros(500)).await;
                }
            }
        }
    }

    /// Aborts some job, whatever it is at.
    async fn abort_any(&mut self) {
        let sql = "SELECT DISTINCT job_id FROM afe_host_queue_entries WHERE complete = 0 ORDER BY job_id";
        let rows = self.database.query(sql, Vec::new()).await.expect("jobs");
        if rows.is_empty() {
            return;
        }
        let job = JobId(rows[self.dice.below(rows.len() as u64) as usize].get(0).expect("an id"));
        self.fates.insert(job, Fate::Ended);
        abort(&self.database, OWNER, &AbortRequest::Jobs(vec![job])).await.expect("an abort");
    }
}

async fn killed_at_random_moments(place: Place) {
    let (kills, all_jobs) = if is_full() { (110, 300) } else { (15, 60) };
    let began = SystemTime::now();
    let mut lab = Lab::new(place, PLAN).await;
    let mut during = [0; 3];
    for kill in 1..=kills {
        let due = all_jobs * kill / kills;
        lab.submit_mixed(due - lab.fates.len() as u64).await;
        let moment = lab.moment();
        during[match moment {
            Moment::After(_) => 0,
            Moment::InCommit => 1,
            Moment::Committed(_) => 2,
        }] += 1;
        let service = lab.serve();
        if kill % 4 == 0 {
            lab.abort_any().await;
        }
        lab.wait_for(moment).await;
        service.kill();
        lab.free_term().await;
    }
    let before_the_last = lab.ended().await;
    let service = lab.serve();
    lab.all_is_well(service).await;
    let [pauses, in_commits, after_commits] = during;
    println!(
        "{all_jobs} jobs, {kills} kills ({pauses} after a pause, {in_commits} in a commit, {after_commits} after one), \
         {before_the_last} jobs ended before the last start, {} processes, {:?}",
        lab.marks().len(),
        began.elapsed().unwrap_or_default()
    );
}

/// The order to kill is in the database, and nobody has carried it out: what it is for would run for ever.
async fn killed_right_after_aborts(place: Place) {
    let mut lab = Lab::new(place, Plan { broken_host: false, ..PLAN }).await;
    for _round in 0..4 {
        lab.behave(&format!("verify.{}", host_name(1)), "wait = true\n");
        let service = lab.serve();
        let requested = tasks::request(&lab.database, OWNER, TaskKind::Verify, &[host_name(1)]).await.expect("a task");
        let job = lab.submit(&bare("endless", "wait = true\n"), Fate::Aborted).await;
        let (drone, path) = lab.test_of(job).await;
        let works = |name: &str| {
            (1..=lab.plan.drones)
                .flat_map(|drone| parts(&lab.results(drone), Part::Work))
                .any(|process| process.words.iter().any(|word| word.contains(name)))
        };
        let verify = format!("/{}-verify", requested[0].task);
        lab.until("the Verify", || works(&verify)).await;
        let before = lab.last_commit().await;
        tasks::abort(&lab.database, &[requested[0].task]).await.expect("an abort");
        abort(&lab.database, OWNER, &AbortRequest::Jobs(vec![job])).await.expect("an abort");
        while lab.last_commit().await == before {
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        service.kill();
        lab.free_term().await;
        lab.behave(&format!("verify.{}", host_name(1)), "seconds = 0.1\n");
        let mut next = lab.serve();
        lab.until("the end of the Verify", || !works(&verify)).await;
        lab.until_status(job, "Aborted").await;
        assert!(!works(&path.display().to_string()), "the test on drone {drone} lives on");
        lab.rest(&mut next).await;
        next.kill();
        lab.free_term().await;
    }
    let service = lab.serve();
    lab.all_is_well(service).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_it_and_the_next_goes_on() {
    let mut lab = Lab::new(Place::Sqlite, Plan { broken_host: false, ..PLAN }).await;
    let job = lab.submit(&bare("long", "wait = true\n"), Fate::Completed).await;
    let mut last = None;
    for signal in [Signal::TERM, Signal::INT, Signal::TERM] {
        let mut service = lab.serve();
        let (drone, path) = lab.test_of(job).await;
        lab.until_status(job, "Running").await;
        lab.submit_mixed(3).await;
        service.until_said("scheduling", 1).await;
        service.signal(signal);
        assert!(service.wait().await.success());
        let works = parts(&lab.results(drone), Part::Work);
        let test = works.iter().find(|process| process.is_of(&path)).expect("the test goes on");
        assert_eq!(last.replace(test.pid).unwrap_or(test.pid), test.pid, "it is the same");
    }
    let (_, path) = lab.test_of(job).await;
    fs::write(path.join(".finish"), "0").expect("written");
    let service: Service = lab.serve();
    lab.all_is_well(service).await;
}
