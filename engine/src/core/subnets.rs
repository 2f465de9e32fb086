//! Restricted subnets: which drones may drive which hosts.

use super::Core;
use super::agents::AgentKey;
use crate::ids::{DroneId, HostId, SubnetId};

/// From which drones an agent's process may run.
pub(super) enum Reach {
    /// From all that are allowed otherwise.
    All,
    /// From these alone; the list may be empty because of other rules.
    Some(Vec<DroneId>),
    /// From none: its hosts are in different subnets, or no drone is in theirs.
    Nowhere,
}

impl Core {
    /// Of the drones that are `allowed` otherwise (`None`: all), those that may drive all of these hosts. Without hosts,
    /// those in no restricted subnet.
    pub(super) fn within_reach(&self, hosts: &[HostId], allowed: Option<Vec<DroneId>>) -> Reach {
        let subnets = &self.rows.subnets;
        if subnets.is_empty() {
            return allowed.map_or(Reach::All, Reach::Some);
        }
        let of_host = |host: &HostId| subnets.hosts.get(host).copied();
        let wanted: Option<SubnetId> = hosts.first().and_then(of_host);
        if hosts.iter().any(|host| of_host(host) != wanted) {
            return Reach::Nowhere;
        }
        let is_near = |drone: &DroneId| subnets.drones.get(drone).copied() == wanted;
        let near: Vec<DroneId> = self.drones.by_id.keys().copied().filter(is_near).collect();
        let both = match &allowed {
            None => near,
            // A set that is empty anyway is another rule's business.
            Some(allowed) if allowed.is_empty() => return Reach::Some(Vec::new()),
            Some(allowed) => near.into_iter().filter(|drone| allowed.contains(drone)).collect(),
        };
        if both.is_empty() { Reach::Nowhere } else { Reach::Some(both) }
    }

    /// The hosts of an agent that no drone may drive, all of them together.
    pub(super) fn out_of_reach(&self, key: AgentKey) -> Option<Vec<HostId>> {
        let hosts = self.agents.get(key)?.driven_hosts()?;
        matches!(self.within_reach(&hosts, None), Reach::Nowhere).then(|| hosts.to_vec())
    }
}
