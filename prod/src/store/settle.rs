//! What was committed becomes part of what the engine knows.

use yardmaster_engine::{Changes, SpecialTask, Subdir, TaskUpdate, UserId};

use super::shadow::Shadow;
use crate::database::times::to_the_second;

/// A task as the database keeps it: asked for by somebody, moments to the second.
pub(super) fn as_kept(task: &SpecialTask, system: Option<UserId>) -> SpecialTask {
    SpecialTask {
        requested_by: task.requested_by.or(system),
        requested_at: to_the_second(task.requested_at),
        started_at: task.started_at.map(to_the_second),
        finished_at: task.finished_at.map(to_the_second),
        ..task.clone()
    }
}

impl Shadow {
    /// Takes over what the engine has committed.
    pub(super) fn settle(&mut self, changes: &Changes, system: Option<UserId>) {
        self.settle_hosts(changes);
        self.settle_entries(changes);
        for update in &changes.tasks {
            match update {
                TaskUpdate::Insert(task) if !task.complete => {
                    self.tasks.insert(task.id, as_kept(task, system));
                }
                TaskUpdate::Insert(_) => {}
                TaskUpdate::Update(task) if task.complete => {
                    self.tasks.remove(&task.id);
                }
                TaskUpdate::Update(task) => {
                    if let Some(row) = self.tasks.get_mut(&task.id) {
                        row.active = task.active;
                        row.success = task.success;
                        row.started_at = task.started_at.map(to_the_second);
                        row.finished_at = task.finished_at.map(to_the_second);
                    }
                }
                TaskUpdate::Delete(id) => {
                    self.tasks.remove(id);
                }
            }
        }
        self.ineligible.extend(changes.ineligible_added.iter().copied());
        for row in &changes.ineligible_removed {
            self.ineligible.remove(row);
        }
        if !changes.ineligible_swept.is_empty() {
            self.ineligible.retain(|row| !changes.ineligible_swept.contains(&row.job));
        }
    }

    fn settle_hosts(&mut self, changes: &Changes) {
        for update in &changes.hosts {
            let Some(row) = self.hosts.get_mut(&update.id) else { continue };
            update.apply_to(row);
        }
    }

    fn settle_entries(&mut self, changes: &Changes) {
        for update in &changes.entries {
            let Some(row) = self.entries.get_mut(&update.entry.id) else { continue };
            update.apply_to(row);
            row.started_on = row.started_on.map(to_the_second);
            row.finished_on = row.finished_on.map(to_the_second);
            if let (Subdir::Group(number), Some(job)) = (&row.subdir, self.jobs.get_mut(&row.job)) {
                job.next_group = number.saturating_add(1).max(job.next_group);
            }
            if row.status.is_complete() && !row.active {
                self.remove_entry(update.entry.id);
            }
        }
    }
}
