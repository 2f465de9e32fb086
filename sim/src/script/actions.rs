//! What the actions of a step do to the lab.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde_json::{Map, Value};
use yardmaster_engine::{Clock, DroneId, Host, HostId, Job, Settings, Span};

use super::format::{Action, Submit};
use super::lab::{SYSTEM_USER, check_settings, default_job, start_engine};
use super::player::Player;
use super::problem::{At, Problem, bad};
use super::reading::{key, with_suggestion};
use super::values::Keyval;
use crate::drones::{FakeDrones, UntilTold};
use crate::frontend::{Target, sorted};
use crate::store::CommitFault;

impl Player {
    /// Lets something happen, before the next tick.
    ///
    /// # Errors
    /// If the action makes no sense, or concerns a process that does not run.
    pub fn act(&mut self, action: &Action) -> Result<(), Problem> {
        let now = self.clock.now();
        match action {
            Action::Submit(submit) => self.submit(submit)?,
            Action::Abort { job, entry } => self.abort(job.as_deref(), entry.as_deref())?,
            Action::RequestTask { host, task } => {
                for host in self.hosts(host).at("request_task.host")? {
                    self.engine_mut().store_mut().request_task(host, *task, now);
                }
            }
            Action::AbortTask { process } => self.abort_task(process)?,
            Action::Finish { process, exit, tests_failed } => {
                let key = self.process(process).at("finish.process")?;
                self.engine_mut().drones_mut().finish(key, *exit, *tests_failed);
            }
            Action::Lose { process } => {
                let key = self.process(process).at("lose.process")?;
                self.engine_mut().drones_mut().lose(key);
            }
            Action::CorruptPidfile { process } => {
                let key = self.process(process).at("corrupt_pidfile.process")?;
                self.engine_mut().drones_mut().corrupt(key);
            }
            Action::SetDrone { .. } => self.set_drone(action)?,
            Action::SetHost { .. } => self.set_host(action)?,
            Action::SetJob { job, priority } => {
                let job = self.job(job).at("set_job.job")?;
                let priority = *priority;
                self.engine_mut().store_mut().edit_job(job, |row| row.priority = priority.unwrap_or(row.priority));
            }
            Action::SetEntry { entry, status } => {
                let (entry, status) = (self.entry(entry).at("set_entry.entry")?, *status);
                self.engine_mut().store_mut().move_entry(entry, status, now);
            }
            Action::StartTest { entry } => {
                let key = self.process(&format!("runner {entry}")).at("start_test.entry")?;
                self.engine_mut().drones_mut().start_test_of(key);
            }
            Action::Set(changes) => self.set(changes)?,
            Action::Advance { seconds } => self.clock.advance_to(now + Span::from_seconds_f64(*seconds)),
            Action::Restart { recover_hosts } => self.restart(*recover_hosts)?,
            Action::DroneDown { drone } => {
                self.with_drone("drone_down.drone", drone, |drones, id| drones.set_silent(id, true))?;
            }
            Action::DroneUp { drone } => {
                self.with_drone("drone_up.drone", drone, |drones, id| drones.set_silent(id, false))?;
            }
            Action::RebootDrone { drone } => self.with_drone("reboot_drone.drone", drone, FakeDrones::reboot)?,
            Action::LoseReplies { drone, count } => {
                self.with_drone("lose_replies.drone", drone, |drones, id| drones.lose_replies(id, *count))?;
            }
            Action::ShowPidfiles { drone } => self.with_drone("show_pidfiles.drone", drone, |drones, id| {
                drones.set_late_pidfiles(id, false);
                drones.show_pidfiles(id);
            })?,
            Action::RefuseCommit { count, reply_lost, landed } => self.refuse_commit(*count, *reply_lost, *landed),
        }
        Ok(())
    }

    /// Does something to the drone that `key` of an action names.
    fn with_drone(
        &mut self,
        key: &str,
        name: &str,
        act: impl FnOnce(&mut FakeDrones<UntilTold>, DroneId),
    ) -> Result<(), Problem> {
        let drone = self.drone(name).at(key)?;
        act(self.engine_mut().drones_mut(), drone);
        Ok(())
    }

    fn abort(&mut self, job: Option<&str>, entry: Option<&str>) -> Result<(), Problem> {
        match (job, entry) {
            (Some(job), None) => {
                let job = self.job(job).at("abort.job")?;
                self.engine_mut().store_mut().abort_job(job);
            }
            (None, Some(entry)) => {
                let entry = self.entry(entry).at("abort.entry")?;
                self.engine_mut().store_mut().abort_entry(entry);
            }
            (None, None) | (Some(_), Some(_)) => return bad("abort: give either job or entry"),
        }
        Ok(())
    }

    fn refuse_commit(&mut self, count: u32, reply_lost: bool, landed: bool) {
        let fault = if reply_lost || landed { CommitFault::ReplyLost { landed } } else { CommitFault::Refused };
        self.engine_mut().store_mut().faults.extend(std::iter::repeat_n(fault, count as usize));
    }

    fn submit(&mut self, submit: &Submit) -> Result<(), Problem> {
        let name = &submit.job;
        if self.jobs.contains_key(name) {
            return bad(format!("submit.job: there is a job {name:?} already"));
        }
        let targets = self.targets(submit)?;
        let parent = submit.parent.as_deref().map(|parent| self.job(parent)).transpose().at("submit.parent")?;
        let owner = self.user(submit.owner.as_deref().unwrap_or(SYSTEM_USER)).at("submit.owner")?;
        let drone_set =
            submit.drone_set.as_deref().map(|set| self.drone_set(set)).transpose().at("submit.drone_set")?;
        let now = self.clock.now();
        let store = self.engine_mut().store_mut();
        let labels = submit.labels.iter().chain(&submit.metahosts).map(|label| store.ensure_label(label));
        let labels = sorted(&labels.collect::<Vec<_>>());
        let fresh = default_job(name);
        let job = Job {
            owner,
            priority: submit.priority.unwrap_or(fresh.priority),
            synch_count: submit.synch_count.map_or(fresh.synch_count, NonZeroU32::get),
            run_verify: submit.run_verify.unwrap_or(fresh.run_verify),
            run_reset: submit.run_reset.unwrap_or(fresh.run_reset),
            reboot_before: submit.reboot_before.unwrap_or(fresh.reboot_before),
            reboot_after: submit.reboot_after.unwrap_or(fresh.reboot_after),
            labels,
            parent,
            suite_min_hosts: suite_minimum(&submit.keyvals)?,
            timeout: submit.timeout_mins.map_or(fresh.timeout, minutes),
            max_runtime: submit.max_runtime_mins.map_or(fresh.max_runtime, minutes),
            created_on: now,
            drone_set,
            ..fresh
        };
        let (id, entries) = store.submit(job, &targets);
        self.jobs.insert(name.clone(), id);
        for (number, entry) in entries.into_iter().enumerate() {
            self.entries.insert(entry.0, format!("{name}#{number}"));
            self.entry_ids.insert(format!("{name}#{number}"), entry);
        }
        Ok(())
    }

    /// What the job asks for: hosts, then any hosts with a label, or none at all.
    fn targets(&mut self, submit: &Submit) -> Result<Vec<Target>, Problem> {
        let name = &submit.job;
        let mut hosts: Vec<HostId> = Vec::new();
        for list in &submit.hosts {
            for host in self.hosts(list).at("submit.hosts")? {
                if hosts.contains(&host) {
                    return bad(format!("submit.hosts: job {name:?} names a host of {list:?} twice: give it once"));
                }
                hosts.push(host);
            }
        }
        let mut targets: Vec<Target> = hosts.into_iter().map(Target::Host).collect();
        let store = self.engine_mut().store_mut();
        targets.extend(submit.metahosts.iter().map(|label| Target::Any(store.ensure_label(label))));
        match (targets.is_empty(), submit.hostless) {
            (true, true) => targets.push(Target::None),
            (false, false) => {}
            (true, false) => {
                return bad(format!("submit.hosts: job {name:?} needs hosts, metahosts or hostless = true"));
            }
            (false, true) => return bad(format!("submit.hostless: job {name:?} is hostless and names hosts")),
        }
        Ok(targets)
    }

    fn abort_task(&mut self, process: &str) -> Result<(), Problem> {
        let key = self.process(process).at("abort_task.process")?;
        let running = self.engine_mut().drones_mut().running();
        let path = running.iter().find(|(other, _)| *other == key).map(|(_, process)| process.path.clone());
        match path {
            Some(yardmaster_engine::ExecutionPath::Task { task, .. }) => {
                self.engine_mut().store_mut().abort_task(task);
                Ok(())
            }
            _ => bad(format!("abort_task.process: {process:?} is no special task")),
        }
    }

    fn set_drone(&mut self, action: &Action) -> Result<(), Problem> {
        let Action::SetDrone { drone, max_processes, enabled, users, late_pidfiles } = action else { return Ok(()) };
        let id = self.drone(drone).at("set_drone.drone")?;
        let users = users.as_ref().map(|users| users.iter().map(|user| self.user(user)).collect::<Result<Vec<_>, _>>());
        let users = users.transpose().at("set_drone.users")?;
        self.engine_mut().store_mut().edit_drone(id, |row| {
            row.max_processes = max_processes.unwrap_or(row.max_processes);
            row.enabled = enabled.unwrap_or(row.enabled);
            row.users = users.unwrap_or_else(|| std::mem::take(&mut row.users));
        });
        if let Some(late) = late_pidfiles {
            self.engine_mut().drones_mut().set_late_pidfiles(id, *late);
        }
        Ok(())
    }

    fn set_host(&mut self, action: &Action) -> Result<(), Problem> {
        let Action::SetHost { host, locked, protection, dirty, status, invalid, labels, acls } = action else {
            return Ok(());
        };
        for id in self.hosts(host).at("set_host.host")? {
            let store = self.engine_mut().store_mut();
            let labels: Option<Vec<_>> =
                labels.as_ref().map(|labels| labels.iter().map(|label| store.ensure_label(label)).collect());
            let acls: Option<Vec<_>> =
                acls.as_ref().map(|acls| acls.iter().map(|acl| store.ensure_acl_group(acl)).collect());
            store.edit_host(id, |row: &mut Host| {
                row.locked = locked.unwrap_or(row.locked);
                row.protection = protection.unwrap_or(row.protection);
                row.dirty = dirty.unwrap_or(row.dirty);
                row.status = status.unwrap_or(row.status);
                row.invalid = invalid.unwrap_or(row.invalid);
                if let Some(labels) = labels {
                    row.labels = sorted(&labels);
                }
                if let Some(acls) = acls {
                    row.acls = sorted(&acls);
                }
            });
        }
        Ok(())
    }

    fn set(&mut self, changes: &Map<String, Value>) -> Result<(), Problem> {
        let mut settings =
            serde_json::to_value(&self.settings).map_err(|error| Problem::BadInput(error.to_string()))?;
        if let Value::Object(settings) = &mut settings {
            settings.extend(changes.clone());
        }
        let settings: Settings = serde_path_to_error::deserialize(settings).map_err(|error| {
            Problem::BadInput(format!("set.{}: {}", key(error.path()), with_suggestion(&error.inner().to_string())))
        })?;
        check_settings(&settings, self.engine().store()).map_err(|what| Problem::BadInput(format!("set.{what}")))?;
        self.settings = settings.clone();
        self.engine_mut().set_settings(settings);
        Ok(())
    }

    fn restart(&mut self, recover_hosts: bool) -> Result<(), Problem> {
        let (clock, drones, store) = self.engine.take().expect("put back at once").into_parts();
        self.engine = Some(start_engine(clock, drones, store, self.settings.clone(), recover_hosts, self.journal())?);
        Ok(())
    }
}

fn minutes(count: u32) -> Span {
    Span::from_minutes(count.into())
}

fn suite_minimum(keyvals: &BTreeMap<String, Keyval>) -> Result<u32, Problem> {
    let Some(value) = keyvals.get("suite_min_duts") else { return Ok(0) };
    let text = value.to_string();
    let minimum = text.trim().parse();
    minimum.map_err(|error| Problem::BadInput(format!("submit.keyvals.suite_min_duts: {text:?}: {error}")))
}
