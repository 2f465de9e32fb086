//! Periodic work: time limits, reverification of broken hosts, daily checks.
//!
//! Periods lie on a grid from the scheduler's start, so that ticks that are left out, because nothing could happen in them,
//! do not shift them. A tick that comes late does what was due before it.

use std::collections::BTreeSet;

use super::{Core, Role};
use crate::ids::{EntryId, HostId, JobId, LabelId, TaskId};
use crate::model::TaskKind;
use crate::protocol::Notice;
use crate::time::{Span, Time, earliest};

const DAY: Span = Span::from_hours(24);

/// What is due when.
#[derive(Debug, Clone, Default)]
pub(super) struct Upkeep {
    /// Complete jobs with ineligible rows.
    pub(super) sweep: Vec<JobId>,
    /// Aborted jobs of shards, by when the main scheduler takes over.
    pub(super) shard_aborts: BTreeSet<(Time, JobId)>,
    /// The missing drone set has been reported.
    pub(super) told_no_drone_set: bool,
    /// How many periods of each kind have been served.
    cleanings: i64,
    reverifications: i64,
    days: i64,
    /// The last host that was verified again; the next round goes on behind it.
    last_reverified: Option<HostId>,
}

impl Core {
    fn clean_interval(&self) -> Span {
        Span::from_minutes(i64::from(self.settings.clean_interval_minutes.max(1)))
    }

    fn reverify_period(&self) -> Option<Span> {
        let minutes = self.settings.reverify_period_minutes;
        (minutes > 0).then(|| Span::from_minutes(i64::from(minutes)))
    }

    /// What lies behind is done.
    pub(super) fn skip_served_periods(&mut self) {
        self.upkeep.cleanings = self.periods(self.clean_interval());
        self.upkeep.reverifications = self.reverify_period().map_or(0, |period| self.periods(period));
    }

    /// How many whole periods have passed since the start.
    fn periods(&self, period: Span) -> i64 {
        (self.now - self.started_at).0 / period.0
    }

    /// The first moment of a period's grid at or after `due`, and after the periods that have been served.
    fn on_grid(&self, due: Time, period: Span, served: i64) -> Time {
        let wanted = (due - self.started_at).0.max(0);
        let number = (wanted + period.0 - 1) / period.0;
        self.started_at + period * number.max(served + 1)
    }

    /// The next moment at which periodic work would find something to do.
    pub(super) fn next_upkeep(&self) -> Option<Time> {
        let limit = earliest(&[
            self.rows.job_limits.earliest(),
            self.rows.run_limits.earliest(),
            (!self.upkeep.sweep.is_empty()).then_some(self.now),
        ]);
        // A limit is passed strictly after it; the first tick after a moment of the grid may come up to a tick later, and sees
        // what has passed by then.
        let passed = |due: Time| due + Span(1) - self.settings.tick();
        let clean = limit.map(|due| self.on_grid(passed(due), self.clean_interval(), self.upkeep.cleanings));
        let reverify = self.reverify_period().filter(|_| !self.rows.repair_failed.is_empty());
        let reverify = reverify.map(|period| self.on_grid(self.now, period, self.upkeep.reverifications));
        let shard = self.upkeep.shard_aborts.first().map(|(due, _)| *due + Span(1));
        let daily = self.on_grid(self.now, DAY, self.upkeep.days);
        let daily = (self.rows.hosts.len() > 0).then_some(daily);
        let lab = earliest(&[reverify, daily]).filter(|_| self.minds_the_lab());
        earliest(&[clean, shard, lab])
    }

    /// Whether the hosts' upkeep is this role's: a runner minds one job, a host scheduler who gets which host.
    fn minds_the_lab(&self) -> bool {
        matches!(self.role, Role::Whole | Role::Dispatcher)
    }

    /// Does the periodic work that is due.
    pub(super) fn run_upkeep(&mut self) {
        let cleanings = self.periods(self.clean_interval());
        if cleanings > self.upkeep.cleanings {
            self.upkeep.cleanings = cleanings;
            self.enforce_time_limits();
            self.changes.ineligible_swept.append(&mut self.upkeep.sweep);
        }
        if self.minds_the_lab() {
            self.mind_the_lab();
        }
        while let Some((due, job)) = self.upkeep.shard_aborts.first().copied()
            && due < self.now
        {
            self.upkeep.shard_aborts.remove(&(due, job));
            let entries = self.rows.jobs.get(job).map(|job| job.entries.clone()).unwrap_or_default();
            self.rows.to_abort.extend(entries);
        }
    }

    fn mind_the_lab(&mut self) {
        if let Some(period) = self.reverify_period() {
            let reverifications = self.periods(period);
            if reverifications > self.upkeep.reverifications {
                self.upkeep.reverifications = reverifications;
                self.reverify_broken_hosts();
            }
        }
        let days = self.periods(DAY);
        if days > self.upkeep.days {
            self.upkeep.days = days;
            self.check_platforms();
        }
    }

    /// The checks that a scheduler begins with.
    pub(super) fn run_first_upkeep(&mut self) {
        if self.minds_the_lab() {
            self.check_platforms();
        }
    }

    /// Takes the ticks up to this moment as done: whoever leaves out those that [`Core::next_wake`] says would do nothing says so
    /// before the next one. Else that would do what it finds overdue, as a tick does that comes late, and when a limit is enforced
    /// would depend on what else happens in the lab.
    pub(crate) fn pass_idle_ticks(&mut self, until: Time) {
        self.now = self.now.max(until);
        self.skip_served_periods();
    }

    /// Aborts jobs that exist, and entries that run, for too long.
    fn enforce_time_limits(&mut self) {
        let jobs = &self.rows.jobs;
        let job_limit = |id| {
            let job = jobs.get(id).filter(|job| !job.entries.is_empty())?;
            Some(job.row.created_on + job.row.timeout)
        };
        for job in self.rows.job_limits.take_passed(self.now, job_limit) {
            self.request_abort(job);
        }
        let (entries, jobs) = (&self.rows.entries, &self.rows.jobs);
        let run_limit = |id| {
            let row = &entries.get(id)?.row;
            Some(row.started_on? + jobs[row.job].row.max_runtime)
        };
        for entry in self.rows.run_limits.take_passed(self.now, run_limit) {
            self.request_entry_abort(entry);
        }
    }

    pub(super) fn limit_runtime(&mut self, entry: EntryId) {
        let row = &self.rows.entries[entry].row;
        if let Some(started) = row.started_on {
            self.rows.run_limits.set(started + self.rows.jobs[row.job].row.max_runtime, entry);
        }
    }

    /// Queues a Verify for hosts that are out of service: where there are more than may be verified at once, in turn; in the
    /// order of their ids. Where one is queued already, it is enough.
    fn reverify_broken_hosts(&mut self) {
        let limit = match self.settings.reverify_max_hosts_at_once {
            0 => usize::MAX,
            limit => limit as usize,
        };
        let last = self.upkeep.last_reverified;
        let (before, after): (Vec<HostId>, Vec<HostId>) =
            self.rows.repair_failed.iter().copied().partition(|host| Some(*host) <= last);
        let fit = |host: &HostId| {
            let row = &self.rows.hosts[*host].row;
            !row.locked && !row.invalid && row.protection.can_verify() && row.shard.is_none()
        };
        let mut hosts: Vec<HostId> = after.into_iter().chain(before).filter(fit).take(limit).collect();
        self.upkeep.last_reverified = hosts.last().copied().or(last);
        hosts.sort_unstable();
        for host in hosts {
            let is_queued_verify = |id: &TaskId| {
                let row = &self.rows.tasks[*id].row;
                row.kind == TaskKind::Verify && row.is_queued()
            };
            if !self.rows.hosts[host].tasks.iter().any(is_queued_verify) {
                self.add_task(TaskKind::Verify, host, None, self.system_user);
            }
        }
    }

    /// Reports hosts that have not exactly one platform label.
    fn check_platforms(&mut self) {
        let is_platform = |label: &&LabelId| self.rows.labels.get(**label).is_some_and(|label| label.row.platform);
        let mut notices = Vec::new();
        if !self.rows.labels.iter().any(|(_, label)| label.row.platform) {
            return;
        }
        for (host, state) in self.rows.hosts.iter().filter(|(_, state)| !state.row.invalid) {
            let platforms = state.row.labels.iter().filter(is_platform).count();
            if platforms != 1 {
                notices.push(Notice::PlatformCount { host, platforms });
            }
        }
        self.notices.append(&mut notices);
    }
}
