//! What must hold after every fault.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime};

use yardmaster_engine::{EntryStatus, HostStatus};

use super::lab::{Lab, host_name};
use super::processes::{self, Part, Process};
use super::service::{PATIENCE, Service};
use super::work::{Fate, OWNER};

/// What has not come to rest: nothing of it may stay. A host whose repair has failed stays leased: so the rules are.
const UNREST: [(&str, &str); 6] = [
    ("entries", "SELECT COUNT(*) FROM afe_host_queue_entries WHERE complete = 0"),
    ("special tasks", "SELECT COUNT(*) FROM afe_special_tasks WHERE is_complete = 0"),
    ("leased hosts", "SELECT COUNT(*) FROM afe_hosts WHERE leased <> 0 AND status <> 'Repair Failed'"),
    ("hosts in use", "SELECT COUNT(*) FROM afe_hosts WHERE status NOT IN ('Ready', 'Repair Failed')"),
    ("orders to kill", "SELECT COUNT(*) FROM yardmaster_kills"),
    ("strays", "SELECT COUNT(*) FROM yardmaster_strays"),
];

/// An entry as the database has it at the end.
struct Ended {
    id: u32,
    job: u32,
    status: EntryStatus,
    subdir: String,
}

impl Lab {
    /// Waits until everything has come to rest, stops the service, and looks at everything.
    pub(crate) async fn all_is_well(&self, mut service: Service) {
        // Before that it would not listen to signals, and may not have recovered what is under way.
        service.until_said("scheduling", 1).await;
        self.rest(&mut service).await;
        service.stop().await;
        self.nothing_lives_on().await;
        let marks = self.marks();
        let twice: Vec<_> = marks.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "these ran more than once: {twice:?}");
        let entries = self.entries_at_the_end().await;
        self.fates_are_met(&entries);
        each_has_run(&entries, &marks);
        self.rows_agree().await;
        let log = fs::read_to_string(self.log_file()).expect("the log");
        assert!(!log.contains("panicked at"), "the service panicked");
    }

    async fn unrest(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (what, sql) in UNREST {
            let count = self.number(sql, Vec::new()).await;
            if count > 0 {
                found.push(format!("{count} {what}"));
            }
        }
        found
    }

    /// Waits until every job has ended and nothing is done to any host; a machine may be slow, but not for long without
    /// any change.
    pub(crate) async fn rest(&self, service: &mut Service) {
        let (mut began, mut before) = (SystemTime::now(), Vec::new());
        loop {
            let unrest = self.unrest().await;
            if unrest.is_empty() {
                return;
            }
            service.must_live();
            assert!(began.elapsed().unwrap_or_default() < PATIENCE, "no rest: {unrest:?}");
            if unrest != before {
                (began, before) = (SystemTime::now(), unrest);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// After the service agents go by themselves, and there is no other process to remain.
    async fn nothing_lives_on(&self) {
        let living = || -> Vec<Process> {
            let all = processes::all(self.folder()).into_iter();
            all.filter(|process| process.part() != Part::Sshd).collect()
        };
        let began = SystemTime::now();
        while !living().is_empty() {
            assert!(began.elapsed().unwrap_or_default() < PATIENCE, "these live on: {:#?}", living());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What has run on all drones: how often each execution path and pidfile.
    pub(crate) fn marks(&self) -> BTreeMap<(String, String), usize> {
        let mut marks = BTreeMap::new();
        for drone in 1..=self.plan.drones {
            let text = fs::read_to_string(self.results(drone).join(".practice/marks")).unwrap_or_default();
            for line in text.lines() {
                let words: Vec<&str> = line.split(' ').collect();
                let [path, name, _pid] = words.as_slice() else { panic!("a torn mark: {line:?}") };
                *marks.entry(((*path).to_owned(), (*name).to_owned())).or_default() += 1;
            }
        }
        marks
    }

    async fn entries_at_the_end(&self) -> Vec<Ended> {
        let sql = "SELECT id, job_id, status, execution_subdir FROM afe_host_queue_entries ORDER BY id";
        let rows = self.database.query(sql, Vec::new()).await.expect("entries");
        let read = |row: &yardmaster::database::Row| Ended {
            id: row.get(0).expect("an id"),
            job: row.get(1).expect("a job"),
            status: row.get::<String>(2).expect("a status").parse().expect("a known status"),
            subdir: row.get::<Option<String>>(3).expect("a text").unwrap_or_default(),
        };
        rows.iter().map(read).collect()
    }

    fn fates_are_met(&self, entries: &[Ended]) {
        let mut wrong = Vec::new();
        for (job, fate) in &self.fates {
            let of_job: Vec<&Ended> = entries.iter().filter(|entry| entry.job == job.0).collect();
            assert!(!of_job.is_empty(), "job {job} is lost");
            let is_met = |entry: &&Ended| match fate {
                Fate::Completed => entry.status == EntryStatus::Completed,
                Fate::Failed => entry.status == EntryStatus::Failed,
                Fate::Aborted => entry.status == EntryStatus::Aborted,
                Fate::Ended => entry.status.is_complete(),
            };
            for entry in of_job.iter().filter(|entry| !is_met(entry)) {
                wrong.push(format!("entry {} of job {job} is {}, not {fate:?}", entry.id, entry.status));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// Flags that fit the statuses, and every host at rest.
    async fn rows_agree(&self) {
        for (what, sql) in [
            ("complete entries that are active", "afe_host_queue_entries WHERE complete <> 0 AND active <> 0"),
            (
                "entries whose flag and status differ",
                "afe_host_queue_entries WHERE complete <> 0 AND status NOT IN ('Completed', 'Failed', 'Aborted', 'Stopped')",
            ),
            (
                "started entries without an end",
                "afe_host_queue_entries WHERE started_on IS NOT NULL AND finished_on IS NULL",
            ),
            ("complete tasks that are active", "afe_special_tasks WHERE is_complete <> 0 AND is_active <> 0"),
            (
                "started tasks without an end",
                "afe_special_tasks WHERE time_started IS NOT NULL AND time_finished IS NULL",
            ),
        ] {
            assert_eq!(self.number(&format!("SELECT COUNT(*) FROM {sql}"), Vec::new()).await, 0, "{what}");
        }
        let rows = self.database.query("SELECT hostname, status FROM afe_hosts", Vec::new()).await.expect("hosts");
        for row in rows {
            let (name, status): (String, String) = (row.get(0).expect("a name"), row.get(1).expect("a status"));
            let may_fail = self.plan.broken_host && name == host_name(3);
            let is_well = status == HostStatus::Ready.as_str() || may_fail;
            assert!(is_well, "{name} is {status}");
        }
    }
}

/// Of every completed entry, and of every one that its test has failed, there is one test and one parser.
fn each_has_run(entries: &[Ended], marks: &BTreeMap<(String, String), usize>) {
    for entry in entries.iter().filter(|entry| entry.status == EntryStatus::Completed) {
        let path = format!("{}-{OWNER}/{}", entry.job, entry.subdir);
        for name in [".autoserv_execute", ".parser_execute"] {
            let ran = marks.get(&(path.clone(), name.to_owned())).copied();
            assert_eq!(ran, Some(1), "{name} of {path}, whose entry {} is complete", entry.id);
        }
    }
}
