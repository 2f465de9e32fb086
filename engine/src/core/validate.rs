//! What must hold between two ticks, asked by tests.

use super::Core;

impl Core {
    /// Checks that everything derived still agrees with the rows, that no host is used twice and that no agent outlives its
    /// entries: for tests, after every tick.
    ///
    /// # Errors
    /// Says what disagrees.
    pub fn validate(&self) -> Result<(), String> {
        if let Some((id, host)) = self.rows.hosts.iter().find(|(_, host)| host.active.len() > 1) {
            return Err(format!("host {id} is used by several entries: {:?}", host.active));
        }
        for (_, agent) in self.agents.iter() {
            if let Some(entry) = agent.entries.iter().find(|entry| !self.rows.entries.contains(**entry)) {
                return Err(format!("an agent {:?} has entry {entry}, which is gone", agent.task));
            }
        }
        self.validate_links()
    }

    /// Checks that rows that refer to each other know of each other. This holds whatever somebody writes into the database.
    ///
    /// # Errors
    /// Says what disagrees.
    pub fn validate_links(&self) -> Result<(), String> {
        self.validate_hosts()?;
        self.validate_tasks()?;
        self.validate_jobs()?;
        self.validate_entries()?;
        self.validate_agents()?;
        self.processes.validate_missing()
    }

    fn validate_hosts(&self) -> Result<(), String> {
        let rows = &self.rows;
        for (id, host) in rows.hosts.iter() {
            for entry in &host.active {
                let entry = rows.entries.get(*entry).ok_or(format!("host {id} is used by an entry that is gone"))?;
                if entry.row.host != Some(id) || !entry.row.active {
                    return Err(format!("host {id} and entry {} disagree", entry.row.id));
                }
            }
            if host.agent.is_some_and(|agent| self.agents.get(agent).is_none()) {
                return Err(format!("host {id} has an agent that is gone"));
            }
            if let Some(key) = host.waiting.iter().find(|key| !rows.entries.contains(key.entry)) {
                return Err(format!("entry {} waits for host {id} and is gone", key.entry));
            }
            if let Some(task) = host.tasks.iter().find(|task| !rows.tasks.contains(**task)) {
                return Err(format!("host {id} has task {task}, which is gone"));
            }
        }
        Ok(())
    }

    fn validate_tasks(&self) -> Result<(), String> {
        let rows = &self.rows;
        for (id, task) in rows.tasks.iter() {
            if task.row.complete {
                return Err(format!("task {id} is complete and still kept"));
            }
            if rows.hosts.get(task.row.host).is_none_or(|host| !host.tasks.contains(&id)) {
                return Err(format!("task {id} is for host {}, which does not know it", task.row.host));
            }
        }
        if let Some(task) = rows.tasks_to_abort.iter().find(|task| !rows.tasks.contains(**task)) {
            return Err(format!("task {task} is to be aborted and gone"));
        }
        Ok(())
    }

    fn validate_jobs(&self) -> Result<(), String> {
        let rows = &self.rows;
        for (id, job) in rows.jobs.iter() {
            let is_its = |entry| rows.entries.get(entry).is_some_and(|entry| entry.row.job == id);
            if let Some(entry) = job.entries.iter().find(|entry| !is_its(**entry)) {
                return Err(format!("job {id} has entry {entry}, which is gone or another job's"));
            }
            if !job.entries.is_sorted_by(|one, other| one < other) {
                return Err(format!("entries of job {id} are not in order: {:?}", job.entries));
            }
        }
        Ok(())
    }

    fn validate_entries(&self) -> Result<(), String> {
        let rows = &self.rows;
        for (id, entry) in rows.entries.iter() {
            if entry.row.status.is_complete() {
                return Err(format!("entry {id} is complete and still kept"));
            }
            if rows.jobs.get(entry.row.job).is_none_or(|job| !job.entries.contains(&id)) {
                return Err(format!("entry {id} is of job {}, which does not know it", entry.row.job));
            }
            if entry.row.status.has_group() != entry.group.is_some() {
                return Err(format!("entry {id} is {} and its group is {:?}", entry.row.status, entry.group));
            }
            if let Some(key) = entry.group {
                let group = rows.groups.get(key as usize).and_then(Option::as_ref);
                if group.is_none_or(|group| group.job != entry.row.job || !group.entries.contains(&id)) {
                    return Err(format!("entry {id} is in a group that does not know it"));
                }
            }
            let knows_it = |agent| self.agents.get(agent).is_some_and(|agent| agent.entries.contains(&id));
            if entry.agent.is_some_and(|agent| !knows_it(agent)) {
                return Err(format!("entry {id} has an agent that is gone or does not know it"));
            }
            if let Some(task) = entry.tasks.iter().find(|task| !rows.tasks.contains(**task)) {
                return Err(format!("entry {id} has task {task}, which is gone"));
            }
        }
        for group in rows.groups.iter().flatten() {
            if let Some(entry) = group.entries.iter().find(|entry| !rows.entries.contains(**entry)) {
                return Err(format!("a group of job {} has entry {entry}, which is gone", group.job));
            }
        }
        Ok(())
    }

    fn validate_agents(&self) -> Result<(), String> {
        for (key, agent) in self.agents.iter() {
            let is_known = |host| self.rows.hosts.get(host).is_some_and(|host| host.agent == Some(key));
            if let Some(host) = agent.hosts.iter().find(|host| !is_known(**host)) {
                return Err(format!("an agent {:?} has host {host}, which does not know it", agent.task));
            }
        }
        Ok(())
    }
}
