//! Names of rows become what the engine is told: the rows are read, compared with the shadow, and told in an order in which
//! each comes after those it refers to.

use std::collections::BTreeSet;

use yardmaster_engine::{Drone, DroneSet, EntryId, Host, HostId, Job, JobId, Label, RowChange, SpecialTask, User};

use super::quarantine::Quarantine;
use super::read::Which;
use super::read_lab::{self, hosts_of_labels};
use super::read_work::{self, Entries, EntryRow, Tasks};
use super::shadow::Shadow;
use super::wanted::{Wanted, list};
use crate::database::{DatabaseError, Transaction};

/// One round of hearing.
pub(super) struct Hearing<'a> {
    pub(super) transaction: &'a mut Transaction,
    pub(super) shadow: &'a mut Shadow,
    pub(super) quarantine: &'a mut Quarantine,
    pub(super) usual_room: u32,
    /// What is to be told; it stays with the caller should the database fail half-way.
    pub(super) told: &'a mut Vec<RowChange>,
}

/// What was read of entries and tasks, before it is told.
struct Work {
    entries: Vec<EntryRow>,
    tasks: Vec<SpecialTask>,
    /// To be told even if they are as the shadow has them: the engine had set them aside.
    again: BTreeSet<EntryId>,
}

impl Hearing<'_> {
    /// Everything that differs from the shadow, which follows.
    pub(super) async fn hear(mut self, mut wanted: Wanted) -> Result<(), DatabaseError> {
        self.users(&mut wanted).await?;
        self.labels(&mut wanted).await?;
        self.drones(&wanted).await?;
        let (labels, fixed) = (list(&wanted.label_hosts), list(&wanted.static_labels));
        wanted.hosts.extend(hosts_of_labels(self.transaction, &labels, &fixed).await?);

        let ids = list(&wanted.entries);
        let entries = read_work::entries(self.transaction, Entries::Ids(&ids), self.quarantine).await?;
        let tasks = read_work::tasks(self.transaction, Tasks::Ids(&list(&wanted.tasks)), self.quarantine).await?;
        let mut work = Work { entries, tasks, again: BTreeSet::new() };
        let named = work.entries.iter().filter(|row| row.is_live()).filter_map(|row| row.entry.host);
        let named = named.chain(work.tasks.iter().filter(|task| !task.complete).map(|task| task.host));
        let needed: BTreeSet<u32> =
            named.filter(|host| !self.shadow.hosts.contains_key(host)).map(|host| host.0).collect();

        self.hosts(&wanted, needed, &mut work).await?;
        self.jobs(&mut wanted, &mut work).await?;
        let Work { entries, tasks, again } = work;
        self.entries(&wanted, entries, &again);
        self.tasks(&wanted, tasks);
        self.ineligible(&wanted).await
    }

    async fn users(&mut self, wanted: &mut Wanted) -> Result<(), DatabaseError> {
        if wanted.users.is_empty() {
            return Ok(());
        }
        let ids = list(&wanted.users);
        let mut rows = read_lab::users(self.transaction, Which::Ids(&ids), self.quarantine).await?;
        let there: BTreeSet<u32> = rows.iter().map(|row| row.id.0).collect();
        // The engine knows no end of a user; one without groups may use nothing.
        let gone =
            self.shadow.users.values().filter(|row| wanted.users.contains(&row.id.0) && !there.contains(&row.id.0));
        let gone: Vec<User> = gone.map(|row| User { acls: Default::default(), ..row.clone() }).collect();
        self.shadow.logins.retain(|_, id| !wanted.users.contains(&id.0));
        self.shadow.logins.extend(rows.iter().map(|row| (row.login.clone(), row.id)));
        rows.extend(gone);
        for row in rows {
            if self.shadow.users.get(&row.id) != Some(&row) {
                self.shadow.users.insert(row.id, row.clone());
                self.told.push(RowChange::User(row));
            }
        }
        // Whoever had no owner, or named no known user, may do so now.
        wanted.jobs.extend(self.quarantine.ids_of("afe_jobs"));
        wanted.drones.extend(self.quarantine.ids_of("afe_drones"));
        Ok(())
    }

    async fn labels(&mut self, wanted: &mut Wanted) -> Result<(), DatabaseError> {
        if wanted.labels.is_empty() {
            return Ok(());
        }
        let ids = list(&wanted.labels);
        let mut rows = read_lab::labels(self.transaction, Which::Ids(&ids), self.quarantine).await?;
        let there: BTreeSet<u32> = rows.iter().map(|row| row.id.0).collect();
        let gone =
            self.shadow.labels.values().filter(|row| wanted.labels.contains(&row.id.0) && !there.contains(&row.id.0));
        let gone: Vec<Label> = gone.map(|row| Label { invalid: true, ..row.clone() }).collect();
        rows.extend(gone);
        for row in rows {
            if self.shadow.labels.get(&row.id) != Some(&row) {
                self.shadow.labels.insert(row.id, row.clone());
                self.told.push(RowChange::Label(row));
            }
        }
        Ok(())
    }

    async fn drones(&mut self, wanted: &Wanted) -> Result<(), DatabaseError> {
        if !wanted.drones.is_empty() {
            let (ids, room) = (list(&wanted.drones), self.usual_room);
            let logins = &self.shadow.logins;
            let rows = read_lab::drones(self.transaction, Which::Ids(&ids), logins, room, self.quarantine).await?;
            let bad = self.quarantine.ids_of("afe_drones");
            let there: BTreeSet<u32> = rows.iter().map(|row: &Drone| row.id.0).chain(bad).collect();
            for row in rows {
                if self.shadow.drones.get(&row.id) != Some(&row) {
                    self.shadow.drones.insert(row.id, row.clone());
                    self.told.push(RowChange::Drone(row));
                }
            }
            for id in ids.into_iter().filter(|id| !there.contains(id)) {
                if self.shadow.drones.remove(&id.into()).is_some() {
                    self.told.push(RowChange::DroneGone(id.into()));
                }
            }
        }
        if !wanted.drone_sets.is_empty() {
            let ids = list(&wanted.drone_sets);
            let mut rows = read_lab::drone_sets(self.transaction, Which::Ids(&ids), self.quarantine).await?;
            let there: BTreeSet<u32> = rows.iter().map(|row| row.id.0).collect();
            let gone =
                self.shadow.drone_sets.values().filter(|row| ids.contains(&row.id.0) && !there.contains(&row.id.0));
            let gone: Vec<DroneSet> = gone.map(|row| DroneSet { drones: Vec::new(), ..row.clone() }).collect();
            rows.extend(gone);
            for row in rows {
                if self.shadow.drone_sets.get(&row.id) != Some(&row) {
                    self.shadow.drone_sets.insert(row.id, row.clone());
                    self.told.push(RowChange::DroneSet(row));
                }
            }
        }
        Ok(())
    }

    /// Hosts that are valid, known, or needed by what lives. What names a host that was not known is told again.
    async fn hosts(&mut self, wanted: &Wanted, needed: BTreeSet<u32>, work: &mut Work) -> Result<(), DatabaseError> {
        let ids: Vec<u32> = wanted.hosts.union(&needed).copied().collect();
        if ids.is_empty() {
            return Ok(());
        }
        let rows = read_lab::hosts(self.transaction, Which::Ids(&ids), self.quarantine).await?;
        let bad = self.quarantine.ids_of("afe_hosts");
        let there: BTreeSet<u32> = rows.iter().map(|row| row.id.0).chain(bad).collect();
        let gone = ids.iter().filter(|id| !there.contains(id)).filter_map(|id| self.shadow.hosts.get(&HostId(*id)));
        let gone: Vec<Host> = gone.map(|row| Host { invalid: true, ..row.clone() }).collect();
        let fresh: Vec<u32> =
            rows.iter().map(|row| row.id).filter(|id| !self.shadow.hosts.contains_key(id)).map(|id| id.0).collect();
        let waiting = read_work::entries(self.transaction, Entries::LiveOnHosts(&fresh), self.quarantine).await?;
        let tasks = read_work::tasks(self.transaction, Tasks::LiveOnHosts(&fresh), self.quarantine).await?;
        let named = waiting.iter().filter_map(|row| row.entry.host).chain(tasks.iter().map(|task| task.host));
        let named: BTreeSet<HostId> = named.collect();
        work.tasks.extend(tasks);
        for row in waiting {
            if work.again.insert(row.entry.id) && !wanted.entries.contains(&row.entry.id.0) {
                work.entries.push(row);
            }
        }
        for row in rows.into_iter().chain(gone) {
            let known = self.shadow.hosts.get(&row.id);
            let matters = known.is_some() || !row.invalid || needed.contains(&row.id.0) || named.contains(&row.id);
            if matters && known != Some(&row) {
                self.shadow.hosts.insert(row.id, row.clone());
                self.told.push(RowChange::Host(row));
            }
        }
        Ok(())
    }

    /// Jobs that are known, and those of live entries that are not. The entries of a job that was not known are told.
    async fn jobs(&mut self, wanted: &mut Wanted, work: &mut Work) -> Result<(), DatabaseError> {
        wanted.jobs.extend(self.shadow.children(&wanted.suites));
        let of_entries = work.entries.iter().filter(|row| row.is_live()).map(|row| row.entry.job);
        let of_entries: Vec<u32> =
            of_entries.filter(|job| !self.shadow.jobs.contains_key(job)).map(|job| job.0).collect();
        wanted.jobs.extend(of_entries);
        if wanted.jobs.is_empty() {
            return Ok(());
        }
        let unknown: Vec<u32> =
            wanted.jobs.iter().copied().filter(|id| !self.shadow.jobs.contains_key(&JobId(*id))).collect();
        let found = read_work::entries(self.transaction, Entries::LiveOfJobs(&unknown), self.quarantine).await?;
        let living: BTreeSet<JobId> = found.iter().map(|row| row.entry.job).collect();
        let read: BTreeSet<EntryId> = work.entries.iter().map(|row| row.entry.id).collect();
        work.entries.extend(found.into_iter().filter(|row| !read.contains(&row.entry.id)));
        let needed = |id: &u32| self.shadow.jobs.contains_key(&JobId(*id)) || living.contains(&JobId(*id));
        let ids: Vec<u32> = wanted.jobs.iter().copied().filter(needed).collect();
        let rows = read_work::jobs(self.transaction, &ids, &self.shadow.logins, self.quarantine).await?;
        for row in rows {
            let same = |old: &Job| Job { next_group: old.next_group, ..row.clone() } == *old;
            if !self.shadow.jobs.get(&row.id).is_some_and(same) {
                self.shadow.jobs.insert(row.id, row.clone());
                self.told.push(RowChange::Job(row));
            }
        }
        Ok(())
    }

    fn entries(&mut self, wanted: &Wanted, mut rows: Vec<EntryRow>, again: &BTreeSet<EntryId>) {
        rows.sort_by_key(|row| row.entry.id);
        rows.dedup_by_key(|row| row.entry.id);
        let bad = self.quarantine.ids_of("afe_host_queue_entries");
        let there: BTreeSet<u32> = rows.iter().map(|row| row.entry.id.0).chain(bad).collect();
        for row in rows {
            let (id, entry) = (row.entry.id, &row.entry);
            if !row.is_live() {
                let known = self.shadow.remove_entry(id).is_some();
                if known && (row.deleted || !entry.status.is_complete()) {
                    self.told.push(RowChange::EntryGone(id));
                } else if known {
                    self.told.push(RowChange::Entry(row.entry));
                }
                continue;
            }
            // Until the job or the host makes sense, its entries wait; they are read again then.
            if !self.shadow.jobs.contains_key(&entry.job)
                || entry.host.is_some_and(|host| !self.shadow.hosts.contains_key(&host))
            {
                continue;
            }
            if self.shadow.entries.get(&id) != Some(entry) || again.contains(&id) {
                self.shadow.put_entry(row.entry.clone());
                self.told.push(RowChange::Entry(row.entry));
            }
        }
        for id in wanted.entries.iter().filter(|id| !there.contains(id)) {
            if self.shadow.remove_entry(EntryId(*id)).is_some() {
                self.told.push(RowChange::EntryGone(EntryId(*id)));
            }
        }
    }

    fn tasks(&mut self, wanted: &Wanted, mut rows: Vec<SpecialTask>) {
        rows.sort_by_key(|row| row.id);
        rows.dedup_by_key(|row| row.id);
        let bad = self.quarantine.ids_of("afe_special_tasks");
        let there: BTreeSet<u32> = rows.iter().map(|row| row.id.0).chain(bad).collect();
        for row in rows {
            let known = self.shadow.tasks.get(&row.id);
            if known == Some(&row) || (known.is_none() && row.complete) || !self.shadow.hosts.contains_key(&row.host) {
                continue;
            }
            if row.complete {
                self.shadow.tasks.remove(&row.id);
            } else {
                self.shadow.tasks.insert(row.id, row.clone());
            }
            self.told.push(RowChange::Task(row));
        }
        for id in wanted.tasks.iter().filter(|id| !there.contains(id)) {
            if self.shadow.tasks.remove(&(*id).into()).is_some() {
                self.told.push(RowChange::TaskGone((*id).into()));
            }
        }
    }

    async fn ineligible(&mut self, wanted: &Wanted) -> Result<(), DatabaseError> {
        if wanted.ineligible.is_empty() {
            return Ok(());
        }
        let mut jobs: Vec<u32> = wanted.ineligible.iter().map(|row| row.job.0).collect();
        jobs.dedup();
        let there: BTreeSet<_> =
            read_work::ineligible(self.transaction, Which::Ids(&jobs)).await?.into_iter().collect();
        for row in &wanted.ineligible {
            if there.contains(row) && self.shadow.ineligible.insert(*row) {
                self.told.push(RowChange::Ineligible(*row));
            } else if !there.contains(row) && self.shadow.ineligible.remove(row) {
                self.told.push(RowChange::IneligibleGone(*row));
            }
        }
        Ok(())
    }
}
