//! The drones: how full they are, who may use them, and which one a process goes to.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::DroneBatch;
use crate::ids::{DroneId, UserId};
use crate::model::Drone;
use crate::protocol::Command;

/// A drone with its load.
#[derive(Debug, Clone)]
pub(super) struct DroneState {
    pub(super) row: Drone,
    /// Processes that run there or were started since, each counted as its task counts it.
    pub(super) active: u32,
    /// Whether it answered the last refresh. At recovery it counts as answering until it is heard of, and recovered agents
    /// wait for it; one that is added later counts as silent until then: it may not even be there.
    pub(super) answers: bool,
}

impl DroneState {
    fn room(&self) -> u32 {
        self.row.max_processes.saturating_sub(self.active)
    }

    fn is_usable(&self, user: Option<UserId>, allowed: Option<&[DroneId]>) -> bool {
        self.row.enabled
            && self.answers
            && (self.row.users.is_empty() || user.is_some_and(|user| self.row.users.contains(&user)))
            && allowed.is_none_or(|allowed| allowed.contains(&self.row.id))
    }

    /// Least used first, by fraction; then the larger one; a drone of capacity 0 is full.
    fn by_use(&self, other: &DroneState) -> Ordering {
        let fraction = |drone: &DroneState| match drone.row.max_processes {
            0 => (1, 1),
            capacity => (u64::from(drone.active), u64::from(capacity)),
        };
        let ((used, of), (other_used, other_of)) = (fraction(self), fraction(other));
        (used * other_of)
            .cmp(&(other_used * of))
            .then(other.row.max_processes.cmp(&self.row.max_processes))
            .then(self.row.id.cmp(&other.row.id))
    }
}

/// A drone's commands among these, which are in the order of the drones' ids.
fn commands_for(outbox: &mut Vec<DroneBatch>, drone: DroneId) -> &mut Vec<Command> {
    let place = outbox.binary_search_by_key(&drone, |batch| batch.drone).unwrap_or_else(|place| {
        outbox.insert(place, DroneBatch { drone, commands: Vec::new() });
        place
    });
    &mut outbox[place].commands
}

/// All drones.
#[derive(Debug, Clone, Default)]
pub(super) struct Drones {
    pub(super) by_id: BTreeMap<DroneId, DroneState>,
    /// Those that have just not carried out a start: others come first in this tick.
    passed_over: BTreeSet<DroneId>,
    /// Commands for the end of this tick, in the order of the drones' ids.
    outbox: Vec<DroneBatch>,
}

impl Drones {
    /// A drone came or changed. `answers` is what is taken for granted of a new one.
    pub(super) fn upsert(&mut self, row: Drone, answers: bool) {
        match self.by_id.get_mut(&row.id) {
            Some(state) => state.row = row,
            None => {
                self.by_id.insert(row.id, DroneState { row, active: 0, answers });
            }
        }
    }

    /// A drone is no longer part of the lab.
    pub(super) fn remove(&mut self, drone: DroneId) {
        self.by_id.remove(&drone);
        self.passed_over.remove(&drone);
        self.outbox.retain(|batch| batch.drone != drone);
    }

    pub(super) fn send(&mut self, drone: DroneId, command: Command) {
        if self.by_id.contains_key(&drone) {
            commands_for(&mut self.outbox, drone).push(command);
        }
    }

    pub(super) fn send_all(&mut self, command: &Command) {
        for drone in self.by_id.keys() {
            commands_for(&mut self.outbox, *drone).push(command.clone());
        }
    }

    /// Sends again, before anything else.
    pub(super) fn send_first(&mut self, drone: DroneId, mut commands: Vec<Command>) {
        if self.by_id.contains_key(&drone) && !commands.is_empty() {
            let later = commands_for(&mut self.outbox, drone);
            commands.append(later);
            *later = commands;
        }
    }

    /// What there is to send, in the order of the drones' ids.
    pub(super) fn take_batches(&mut self) -> Vec<DroneBatch> {
        std::mem::take(&mut self.outbox)
    }

    /// Looks at other drones first, for this tick.
    pub(super) fn pass_over(&mut self, drone: DroneId) {
        self.passed_over.insert(drone);
    }

    /// A new tick: all drones are looked at again.
    pub(super) fn pass_over_none(&mut self) {
        self.passed_over.clear();
    }

    /// Whether a drone was left out of this tick that the next one may use.
    pub(super) fn has_passed_over(&self) -> bool {
        !self.passed_over.is_empty()
    }

    pub(super) fn add_active(&mut self, drone: DroneId, processes: u32) {
        if let Some(state) = self.by_id.get_mut(&drone) {
            state.active += processes;
        }
    }

    pub(super) fn remove_active(&mut self, drone: DroneId, processes: u32) {
        if let Some(state) = self.by_id.get_mut(&drone) {
            state.active = state.active.saturating_sub(processes);
        }
    }

    /// The drone for so many processes: of those that the user may use, are in the allowed set (`None` = all), are not barred and
    /// have room, the least used. `None`: no usable drone has room, and the processes have to wait.
    pub(super) fn admit(
        &self,
        user: Option<UserId>,
        allowed: Option<&[DroneId]>,
        barred: &[DroneId],
        processes: u32,
    ) -> Option<DroneId> {
        let usable = self.by_id.values().filter(|drone| drone.is_usable(user, allowed));
        let usable = usable.filter(|drone| !barred.contains(&drone.row.id));
        let with_room = usable.filter(|drone| drone.room() >= processes && !self.passed_over.contains(&drone.row.id));
        with_room.min_by(|a, b| a.by_use(b)).map(|drone| drone.row.id)
    }

    /// Whether all of them that are usable are barred, and more room would not help.
    pub(super) fn are_all_barred(&self, user: Option<UserId>, allowed: Option<&[DroneId]>, barred: &[DroneId]) -> bool {
        let mut usable = self.by_id.values().filter(|drone| drone.is_usable(user, allowed));
        !barred.is_empty() && usable.all(|drone| barred.contains(&drone.row.id))
    }
}
