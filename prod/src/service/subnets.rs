//! Where hosts and drones are: their names are looked up, and the addresses compared with the restricted subnets of the
//! configuration. The engine is told the outcome alone.
//!
//! What was found holds for ten minutes, and longer where a name cannot be looked up any more. One that never could be
//! counts as outside of every restricted subnet, and is reported.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use ipnet::IpNet;
use tokio::net::lookup_host;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};
use tracing::{info, warn};
use yardmaster_engine::{DroneId, HostId, SubnetId, Subnets};

use super::config::Config;
use crate::database::{Database, DatabaseError};
use crate::drones::Connection;
use crate::frontend::view;

/// So often is looked for hosts and drones that are new.
const EVERY: Duration = Duration::from_secs(30);
/// What was found is looked up again after this.
const FRESH: Duration = Duration::from_secs(600);
/// A name that could not be looked up is tried again after this.
const RETRY: Duration = Duration::from_secs(60);
/// One name may take so long.
const PATIENCE: Duration = Duration::from_secs(5);
/// The first look at all names may take so long; what is missing then comes later.
const FIRST_PATIENCE: Duration = Duration::from_secs(30);
/// So many names are looked up at once.
const AT_ONCE: usize = 32;

/// What is known of a name.
#[derive(Debug, Clone)]
struct Known {
    addresses: Vec<IpAddr>,
    until: Instant,
    is_failing: bool,
}

/// Finds out where hosts and drones are.
#[derive(Debug, Clone)]
pub struct Whereabouts {
    restricted: Vec<IpNet>,
    known: BTreeMap<String, Known>,
}

/// Hosts and drones with the names by which their addresses are found.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Hosts with their hostnames.
    pub hosts: Vec<(HostId, String)>,
    /// Drones with the names or addresses that they are connected to.
    pub drones: Vec<(DroneId, String)>,
}

impl Whereabouts {
    /// For these restricted subnets; an address in several belongs to the first.
    pub fn new(restricted: &[IpNet]) -> Whereabouts {
        Whereabouts { restricted: restricted.to_vec(), known: BTreeMap::new() }
    }

    /// Looks up what is new or old of these names, and tells which places are in which subnet.
    pub async fn find(&mut self, places: &Places) -> Subnets {
        let hosts = places.hosts.iter().map(|(_, name)| name);
        let names: BTreeSet<&String> = hosts.chain(places.drones.iter().map(|(_, name)| name)).collect();
        let now = Instant::now();
        let is_due = |name: &&String| self.known.get(*name).is_none_or(|known| known.until <= now);
        let due: Vec<String> = names.into_iter().filter(is_due).cloned().collect();
        let mut answers = stream::iter(due).map(look_up).buffer_unordered(AT_ONCE);
        while let Some((name, answer)) = answers.next().await {
            self.note(name, answer);
        }
        self.subnets(places)
    }

    fn note(&mut self, name: String, answer: Result<Vec<IpAddr>, String>) {
        let before = self.known.get(&name);
        let was_failing = before.is_some_and(|known| known.is_failing);
        let known = match answer {
            Ok(addresses) => Known { addresses, until: Instant::now() + FRESH, is_failing: false },
            Err(cause) => {
                let addresses = before.map(|known| known.addresses.clone()).unwrap_or_default();
                if !was_failing && addresses.is_empty() {
                    warn!(name, cause, "the address cannot be found: it counts as outside of the restricted subnets");
                } else if !was_failing {
                    warn!(name, cause, "the address cannot be found any more: the last one counts");
                }
                Known { addresses, until: Instant::now() + RETRY, is_failing: true }
            }
        };
        self.known.insert(name, known);
    }

    fn subnets(&self, places: &Places) -> Subnets {
        let subnet_of = |name: &String| {
            let addresses = &self.known.get(name)?.addresses;
            let is_in = |subnet: &IpNet| addresses.iter().any(|address| subnet.contains(address));
            let place = self.restricted.iter().position(is_in)?;
            Some(SubnetId(u32::try_from(place).unwrap_or(u32::MAX)))
        };
        Subnets {
            hosts: places.hosts.iter().filter_map(|(id, name)| Some((*id, subnet_of(name)?))).collect(),
            drones: places.drones.iter().filter_map(|(id, name)| Some((*id, subnet_of(name)?))).collect(),
        }
    }
}

async fn look_up(name: String) -> (String, Result<Vec<IpAddr>, String>) {
    let answer = match timeout(PATIENCE, lookup_host((name.as_str(), 0))).await {
        Ok(Ok(found)) => Ok(found.map(|address| address.ip()).collect()),
        Ok(Err(cause)) => Err(cause.to_string()),
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    };
    (name, answer)
}

impl Places {
    /// The drones of the lab. One on this machine is where its name says; others are where they are connected to.
    ///
    /// # Errors
    /// As the database has it.
    pub async fn of_drones(database: &Database, config: &Config) -> Result<Places, DatabaseError> {
        let drones = view::drones(database).await?;
        let place = |drone: &view::DroneView| {
            let address = match drone.address(config).connection {
                Connection::Local | Connection::Nowhere(_) => {
                    drone.address.clone().unwrap_or_else(|| drone.name.clone())
                }
                Connection::Ssh(address) => address.host,
            };
            (DroneId(drone.id), address)
        };
        Ok(Places { hosts: Vec::new(), drones: drones.iter().map(place).collect() })
    }

    /// All hosts and drones. A deleted host that is leased is one that a job has named outright.
    async fn of_lab(database: &Database, config: &Config) -> Result<Places, DatabaseError> {
        let mut places = Places::of_drones(database, config).await?;
        let sql = "SELECT id, hostname FROM afe_hosts WHERE (invalid = 0 OR leased = 1) AND hostname <> ''";
        for row in database.query(sql, Vec::new()).await? {
            places.hosts.push((HostId(row.get(0)?), row.get(1)?));
        }
        Ok(places)
    }
}

/// A task that keeps finding out where everything is.
#[derive(Debug)]
pub(super) struct SubnetWatch {
    config: watch::Sender<Config>,
    found: watch::Receiver<Subnets>,
}

impl SubnetWatch {
    /// Begins. Returns when most is known.
    pub(super) async fn begin(database: Database, config: Config) -> SubnetWatch {
        let (tell, found) = watch::channel(Subnets::default());
        let (config, settings) = watch::channel(config);
        let (known, mut first) = oneshot::channel();
        tokio::spawn(find_for_ever(database, settings, tell, known));
        if timeout(FIRST_PATIENCE, &mut first).await.is_err() {
            warn!(
                "many addresses are not known yet: until they are, their hosts count as outside of the restricted subnets"
            );
        }
        SubnetWatch { config, found }
    }

    /// What has been found, now and later.
    pub(super) fn found(&self) -> watch::Receiver<Subnets> {
        self.found.clone()
    }

    /// Other settings, from now on.
    pub(super) fn set_config(&self, config: Config) {
        self.config.send_replace(config);
    }
}

/// Until nobody has other settings for it any more. `known` is told when it has looked once.
async fn find_for_ever(
    database: Database,
    mut settings: watch::Receiver<Config>,
    tell: watch::Sender<Subnets>,
    known: oneshot::Sender<()>,
) {
    let mut known = Some(known);
    let mut whereabouts = Whereabouts::new(&[]);
    loop {
        let config = settings.borrow_and_update().clone();
        whereabouts.restricted.clone_from(&config.drones.restricted_subnets);
        match places(&database, &config).await {
            Ok(places) => {
                let found = whereabouts.find(&places).await;
                let told = tell.send_if_modified(|told| {
                    let differs = *told != found;
                    *told = found;
                    differs
                });
                if told {
                    let (hosts, drones) = (tell.borrow().hosts.len(), tell.borrow().drones.len());
                    info!(hosts, drones, "in restricted subnets");
                }
                if let Some(known) = known.take() {
                    let _ = known.send(());
                }
            }
            Err(cause) => warn!(%cause, "it cannot be found out which hosts are in restricted subnets"),
        }
        // Time to look again, unless there are other settings before.
        if let Ok(Err(_)) = timeout(EVERY, settings.changed()).await {
            return;
        }
    }
}

/// The places that matter: without restricted subnets none does.
async fn places(database: &Database, config: &Config) -> Result<Places, DatabaseError> {
    if config.drones.restricted_subnets.is_empty() {
        Ok(Places::default())
    } else {
        Places::of_lab(database, config).await
    }
}
