//! Processes that a drone may have that has been silent for too long: they are missing until they are started anew elsewhere;
//! what the silent drone may still have of them then is a stray.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::Core;
use super::agents::{AgentKey, AgentState, AgentTask};
use super::processes::{Process, Processes, usual_weight};
use crate::ids::{DroneId, PidfileId};
use crate::protocol::{Command, ExecutionPath, PidfileName, Stray, StrayChange};

/// Where a pidfile lies, on whatever drone.
pub(super) type Place = (ExecutionPath, PidfileName);

/// Processes that their agents start anew as soon as they can.
pub(super) type Missing = BTreeMap<Place, PidfileId>;

/// On which drones whatever lies at a place is not the process that counts. A tick that knows of none does not look.
#[derive(Debug, Clone, Default)]
pub(super) struct Strays {
    by_place: BTreeMap<Place, SmallVec<[StrayOn; 1]>>,
    /// Some have been settled since the last look.
    have_news: bool,
}

#[derive(Debug, Clone, Copy)]
struct StrayOn {
    drone: DroneId,
    /// Under which number it is watched. `None`: it is settled, that is, known to be over; its pidfile lies there for good.
    watched: Option<PidfileId>,
}

impl Strays {
    /// Whether what this drone tells of a process is about a stray.
    pub(super) fn is_on(&self, drone: DroneId, process: &Process) -> bool {
        !self.by_place.is_empty() && self.at(&process.place()).any(|other| other == drone)
    }

    /// The drones that have, or may have, a stray at this place.
    pub(super) fn at(&self, place: &Place) -> impl Iterator<Item = DroneId> {
        self.by_place.get(place).into_iter().flatten().map(|stray| stray.drone)
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.by_place.is_empty()
    }

    /// A process has been let go: if it was a stray, it is settled.
    pub(super) fn settle(&mut self, process: &Process) {
        let Some(drone) = process.stray_on else { return };
        for stray in self.by_place.get_mut(&process.place()).into_iter().flatten() {
            if stray.drone == drone {
                stray.watched = None;
                self.have_news = true;
            }
        }
    }

    /// Takes out what is not to be kept.
    fn remove(&mut self, is_kept: impl Fn(&Place, &StrayOn) -> bool) -> Vec<(Stray, Option<PidfileId>)> {
        let mut removed = Vec::new();
        self.by_place.retain(|place, strays| {
            strays.retain(|stray| {
                let is_kept = is_kept(place, stray);
                if !is_kept {
                    let (path, name) = place.clone();
                    removed.push((Stray { path, name, drone: stray.drone }, stray.watched));
                }
                is_kept
            });
            !strays.is_empty()
        });
        removed
    }
}

impl Processes {
    /// The missing process that an agent will start anew.
    pub(super) fn missing_of(&self, agent: AgentKey) -> Option<PidfileId> {
        let is_its = |pidfile: &PidfileId| self.by_pidfile.get(*pidfile).is_some_and(|it| it.agent == Some(agent));
        self.missing.values().copied().find(is_its)
    }

    /// A process is missing no longer. Tells whether it was.
    pub(super) fn remove_missing(&mut self, pidfile: PidfileId) -> bool {
        if self.missing.is_empty() {
            return false;
        }
        let Some(place) = self.by_pidfile.get(pidfile).map(Process::place) else { return false };
        let is_missing = self.missing.get(&place) == Some(&pidfile);
        if is_missing {
            self.missing.remove(&place);
        }
        is_missing
    }

    /// Checks that what is missing is looked for, and that strays that are not settled are watched: for tests.
    ///
    /// # Errors
    /// Says which is not.
    pub(super) fn validate_missing(&self) -> Result<(), String> {
        for (place, pidfile) in &self.missing {
            let process = self.by_pidfile.get(*pidfile).ok_or(format!("{} is missing and gone", place.0))?;
            if process.place() != *place || process.drone.is_some() || !process.doomed {
                return Err(format!("{} is missing and stands so: {process:?}", place.0));
            }
            if process.retired != process.agent.is_none() {
                return Err(format!("{} is missing and somebody's, or nobody's and not retired", place.0));
            }
        }
        for (place, strays) in &self.strays.by_place {
            for stray in strays {
                let process = stray.watched.map(|pidfile| self.by_pidfile.get(pidfile));
                let is_it = |process: &Process| process.stray_on == Some(stray.drone) && process.place() == *place;
                if process.is_some_and(|process| !process.is_some_and(is_it)) {
                    return Err(format!("a stray {} on drone {} is watched as {process:?}", place.0, stray.drone));
                }
            }
        }
        let watched = self.strays.by_place.values().flatten().filter(|stray| stray.watched.is_some()).count();
        let strays = self.by_pidfile.iter().filter(|(_, process)| process.stray_on.is_some()).count();
        if watched != strays {
            return Err(format!("{strays} strays are watched, and {watched} of them known as such"));
        }
        Ok(())
    }
}

impl Core {
    /// A process is to be started anew by its agent, because the drones that may have it have been silent for too long.
    /// Should one of them show it before that, the agent has what it waits for.
    pub(super) fn count_as_missing(&mut self, pidfile: PidfileId, agent: AgentKey) {
        let Some(process) = self.processes.by_pidfile.get_mut(pidfile) else { return };
        process.doomed = true;
        process.agent = Some(agent);
        self.processes.missing.insert(process.place(), pidfile);
    }

    /// A process is looked for by somebody else from now on.
    pub(super) fn miss_no_longer(&mut self, pidfile: PidfileId) {
        if self.processes.remove_missing(pidfile)
            && let Some(process) = self.processes.by_pidfile.get_mut(pidfile)
        {
            process.doomed = false;
            process.agent = None;
        }
    }

    /// A drone that was silent has a missing process. If its agent still waits to start it, the agent has it now; else it
    /// must go.
    pub(super) fn find_missing(&mut self, drone: DroneId, pidfile: PidfileId) {
        let Some(process) = self.processes.by_pidfile.get_mut(pidfile) else { return };
        let is_over = process.state.end().is_some();
        let agent =
            process.agent.filter(|key| self.agents.get(*key).is_some_and(|agent| agent.state == AgentState::Waiting));
        process.doomed = false;
        match agent {
            Some(agent) => self.agents.set_state(agent, AgentState::Started(pidfile)),
            None if !is_over => self.drones.send(drone, Command::Kill { pidfile }),
            None => {}
        }
    }

    /// A process is started on a drone that answers. If it is a missing one, then what the drones have that are still silent are
    /// strays, each known by a number of its own.
    pub(super) fn note_started_anew(&mut self, path: &ExecutionPath, name: PidfileName) {
        if self.processes.missing.is_empty() {
            return;
        }
        let Some(missing) = self.processes.missing.get(&(path.clone(), name)).copied() else { return };
        let weight = self.processes.by_pidfile.get(missing).map_or(0, |process| process.weight);
        for silent in self.unheard.iter().copied().collect::<Vec<_>>() {
            let stray = Stray { path: path.clone(), name, drone: silent };
            self.watch_stray(stray.clone(), weight);
            self.changes.strays.push(StrayChange::Add(stray));
        }
        self.drop_process(missing);
    }

    /// Takes up what a scheduler before this one knew of a stray.
    pub(super) fn recover_stray(&mut self, stray: Stray) {
        if self.drones.by_id.contains_key(&stray.drone) {
            let weight = usual_weight(stray.name);
            self.watch_stray(stray, weight);
        } else {
            self.changes.strays.push(StrayChange::Forget(stray));
        }
    }

    /// From now on, what a drone has at a place is a stray: it is killed when it shows, and its end is nobody's.
    fn watch_stray(&mut self, stray: Stray, weight: u32) {
        let Stray { path, name, drone } = stray;
        let place = (path.clone(), name);
        if self.processes.strays.at(&place).any(|known| known == drone) {
            return;
        }
        let pidfile = self.processes.add(Process::stray(path.clone(), name, weight, drone));
        let strays = self.processes.strays.by_place.entry(place).or_default();
        strays.push(StrayOn { drone, watched: Some(pidfile) });
        self.drones.send(drone, Command::Watch { pidfile, path, name });
    }

    /// A drone has been heard again, and has shown all that it has of what it was to watch: of what it has not shown there is
    /// nothing, and nothing from before can begin there any more.
    pub(super) fn drop_unseen_strays(&mut self, drone: DroneId) {
        let Processes { strays, by_pidfile, .. } = &mut self.processes;
        let is_seen = |pidfile: PidfileId| by_pidfile.get(pidfile).is_some_and(|process| process.drone.is_some());
        let unseen = strays.remove(|_, stray| stray.drone != drone || stray.watched.is_none_or(is_seen));
        self.forget(unseen);
    }

    /// A drone is no longer part of the lab.
    pub(super) fn drop_strays_of(&mut self, drone: DroneId) {
        let gone = self.processes.strays.remove(|_, stray| stray.drone != drone);
        self.forget(gone);
    }

    fn forget(&mut self, strays: Vec<(Stray, Option<PidfileId>)>) {
        for (stray, watched) in strays {
            if let Some(pidfile) = watched {
                self.drop_process(pidfile);
            }
            self.changes.strays.push(StrayChange::Forget(stray));
        }
    }

    /// The drones on which an agent's process must not be started, because a stray lies in its place.
    pub(super) fn drones_with_strays(&self, task: AgentTask) -> Vec<DroneId> {
        let path = match task {
            _ if self.processes.strays.is_empty() => None,
            AgentTask::Special(id) => self.task_path(&self.rows.tasks[id].row),
            AgentTask::Test(group) | AgentTask::HostlessTest(group) => Some(self.group_path(group)),
            // They run where the test ran; and a runner is never started anew.
            AgentTask::Gather(_) | AgentTask::Parse(_) | AgentTask::HandOff(_) => None,
        };
        path.map(|path| self.processes.strays.at(&(path, PidfileName::Execute)).collect()).unwrap_or_default()
    }

    /// Lets strays be forgotten that are settled, once the work is over that they could be taken for.
    pub(super) fn forget_strays(&mut self) {
        let rows = &self.rows;
        let has_news = !rows.ended_entries.is_empty() || !rows.ended_tasks.is_empty() || !rows.ended_jobs.is_empty();
        let strays = &mut self.processes.strays;
        if strays.is_empty() || !(has_news || std::mem::take(&mut strays.have_news)) {
            return;
        }
        let is_over = |path: &ExecutionPath| match path {
            ExecutionPath::Task { task, .. } => rows.tasks.get(*task).is_none_or(|task| task.row.complete),
            ExecutionPath::Entry { job, .. } => rows.jobs.get(*job).is_none_or(|job| {
                let mut entries = job.entries.iter().filter_map(|entry| rows.entries.get(*entry));
                entries.all(|entry| entry.row.status.is_complete())
            }),
        };
        let forgotten = strays.remove(|(path, _), stray| stray.watched.is_some() || !is_over(path));
        self.forget(forgotten);
    }
}
