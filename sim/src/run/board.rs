//! The database of a run: of its tables only those are kept that somebody reads again.
//!
//! Nothing goes wrong with its commits, and no scheduler begins anew in the middle of a run; so rows of jobs, entries and
//! tasks are told to the scheduler and then forgotten, which keeps memory flat. Whoever needs faults, or tables to read,
//! takes a [`MemoryStore`].

use rustc_hash::FxHashMap;
use yardmaster_engine::{
    Changes, CommitOutcome, Entry, EntryId, HostId, Ineligible, Job, JobId, LiveRows, RowChange, Store, StoreError,
    Term,
};

use crate::frontend::Target;
use crate::store::MemoryStore;

/// Where jobs are put up for the scheduler.
#[derive(Debug)]
pub(super) struct Board {
    /// The lab: hosts, labels, users, drones.
    pub(super) lab: MemoryStore,
    next_job: u32,
    next_entry: u32,
    /// Suites that ask for a minimum of hosts.
    suite_minimums: FxHashMap<JobId, u32>,
    last_commit: Option<u64>,
}

impl Board {
    pub(super) fn new(lab: MemoryStore) -> Board {
        Board { lab, next_job: 1, next_entry: 1, suite_minimums: FxHashMap::default(), last_commit: None }
    }

    /// As [`MemoryStore::submit`]; gives the number of entries.
    pub(super) fn submit(&mut self, job: Job, targets: impl IntoIterator<Item = Target>) -> usize {
        let id = JobId(self.next_job);
        self.next_job += 1;
        if job.suite_min_hosts > 0 {
            self.suite_minimums.insert(id, job.suite_min_hosts);
        }
        let suite_min_hosts = job.parent.and_then(|parent| self.suite_minimums.get(&parent)).copied().unwrap_or(0);
        self.lab.tell(RowChange::Job(Job { id, suite_min_hosts, ..job }));
        let first = self.next_entry;
        for target in targets {
            let entry = EntryId(self.next_entry);
            self.next_entry += 1;
            let (host, meta_host) = match target {
                Target::Host(host) => (Some(host), None),
                Target::Any(label) => (None, Some(label)),
                Target::None => (None, None),
            };
            if let Some(host) = host {
                self.lab.tell(RowChange::Ineligible(Ineligible { job: id, host }));
            }
            self.lab.tell(RowChange::Entry(Entry::queued(entry, id, host, meta_host)));
        }
        (self.next_entry - first) as usize
    }

    /// Locks or unlocks a host.
    pub(super) fn lock_host(&mut self, host: HostId, locked: bool) {
        self.lab.edit_host(host, |row| row.locked = locked);
    }
}

impl Store for Board {
    async fn load(&mut self) -> Result<LiveRows, StoreError> {
        if self.next_job > 1 {
            let cause = "rows of jobs are not kept: a run cannot begin anew".to_owned();
            return Err(StoreError { operation: "load the live rows", cause });
        }
        self.lab.load().await
    }

    async fn poll(&mut self) -> Result<Vec<RowChange>, StoreError> {
        self.lab.poll().await
    }

    async fn commit(&mut self, _term: Term, number: u64, changes: &Changes) -> CommitOutcome {
        self.lab.apply_to_hosts(changes);
        self.last_commit = Some(number);
        CommitOutcome::Committed
    }

    async fn last_commit(&mut self, _term: Term) -> Result<Option<u64>, StoreError> {
        Ok(self.last_commit)
    }
}
