//! The drones of a lab, with a task for each. The roster may change at any time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::AbortHandle;
use tracing::warn;
use yardmaster_engine::DroneId;

use super::address::{DroneAddress, DroneSettings};
use super::arrival;
use super::book::{Book, DroneHealth, SharedBook, open};
use super::commands::Template;
use super::task::{Order, Task};

/// What all tasks share.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) lab: String,
    force: RwLock<InForce>,
    sockets: Mutex<tempfile::TempDir>,
}

/// What may change while drones are spoken to.
#[derive(Debug, Clone)]
struct InForce {
    settings: Arc<DroneSettings>,
    /// How many more results may be fetched at once.
    transfers: Arc<Semaphore>,
}

impl InForce {
    fn new(settings: DroneSettings) -> InForce {
        let transfers = Arc::new(Semaphore::new(settings.max_transfer_processes.max(1)));
        InForce { settings: Arc::new(settings), transfers }
    }
}

impl Common {
    /// The settings as they are now.
    pub(super) fn settings(&self) -> Arc<DroneSettings> {
        Arc::clone(&self.force.read().unwrap_or_else(PoisonError::into_inner).settings)
    }

    /// Who fetches results waits here for a turn.
    pub(super) fn transfers(&self) -> Arc<Semaphore> {
        Arc::clone(&self.force.read().unwrap_or_else(PoisonError::into_inner).transfers)
    }

    /// Where the SSH connection to a drone listens for further channels.
    pub(super) fn socket(&self, drone: DroneId) -> PathBuf {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner).path().join(drone.to_string())
    }

    /// The same for a connection that is yet to be made: directories of temporary files are swept now and then, and this
    /// one is made anew if it was.
    pub(super) fn new_socket(&self, drone: DroneId) -> PathBuf {
        {
            let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
            if !sockets.path().is_dir()
                && let Ok(anew) = socket_directory()
            {
                *sockets = anew;
            }
        }
        self.socket(drone)
    }
}

fn socket_directory() -> std::io::Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("yardmaster-").tempdir()
}

/// A drone that is spoken to.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) address: DroneAddress,
    pub(super) book: SharedBook,
    pub(super) orders: UnboundedSender<Order>,
    task: AbortHandle,
}

impl Drop for Member {
    fn drop(&mut self) {
        // Whatever it held goes: its connection, and the child process that was it.
        self.task.abort();
    }
}

/// What was deleted on a drone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cleaned {
    /// Results paths that are gone.
    pub deleted: Vec<String>,
    /// Those that could not be deleted, with reasons.
    pub failed: Vec<String>,
}

/// The drones of a lab. A clone is another handle to the same.
#[derive(Debug, Clone)]
pub struct Fleet {
    pub(super) common: Arc<Common>,
    members: Arc<Mutex<BTreeMap<DroneId, Member>>>,
}

impl Fleet {
    /// No drones yet. The lab's name keeps results directories of several labs apart.
    ///
    /// # Errors
    /// If there is no place for the sockets of SSH connections.
    pub fn new(lab: &str, settings: DroneSettings) -> std::io::Result<Fleet> {
        let force = RwLock::new(InForce::new(settings));
        let sockets = Mutex::new(socket_directory()?);
        let common = Arc::new(Common { lab: lab.to_owned(), force, sockets });
        Ok(Fleet { common, members: Arc::default() })
    }

    /// The roster as it is now. New drones are connected to, others let go; one whose address has changed is spoken to at
    /// its new one. Must be called within a Tokio runtime.
    pub fn set_drones(&self, roster: Vec<DroneAddress>) {
        let mut members = self.members();
        let wanted: BTreeMap<DroneId, DroneAddress> = roster.into_iter().map(|address| (address.id, address)).collect();
        members.retain(|id, _| wanted.contains_key(id));
        for (id, address) in wanted {
            let known = members.get(&id);
            if known.is_some_and(|member| member.address == address) {
                continue;
            }
            let book = known.map_or_else(Book::new, |member| Arc::clone(&member.book));
            let (orders, inbox) = unbounded_channel();
            let common = Arc::clone(&self.common);
            let task = Task { address: address.clone(), common, book: Arc::clone(&book), orders: inbox };
            let task = tokio::spawn(task.run()).abort_handle();
            members.insert(id, Member { address, book, orders, task });
        }
    }

    /// Other settings, from now on; what concerns a connection, from the next one of each drone.
    pub fn set_settings(&self, settings: DroneSettings) {
        if *self.common.settings() != settings {
            *self.common.force.write().unwrap_or_else(PoisonError::into_inner) = InForce::new(settings);
        }
    }

    /// The roster, with how each drone is.
    pub fn health(&self) -> Vec<(DroneAddress, DroneHealth)> {
        self.members().values().map(|member| (member.address.clone(), open(&member.book).health.clone())).collect()
    }

    /// Deletes what a scheduler that was killed has left half-unpacked in the repository. To be called before any drone is
    /// spoken to, and by whoever alone fetches results.
    pub fn sweep_repository(&self) {
        let left = self.common.settings().repository.as_deref().map(arrival::left_behind).unwrap_or_default();
        // There may be much of it, and nothing waits for it.
        tokio::task::spawn_blocking(move || {
            for path in left {
                if let Err(cause) = std::fs::remove_dir_all(&path) {
                    warn!(path = %path.display(), %cause, "what is left of a broken fetch cannot be deleted");
                }
            }
        });
    }

    /// Deletes results on a drone in which nothing has changed for so long, of paths where nothing is alive.
    ///
    /// # Errors
    /// If the drone does not answer, or does not want to.
    pub async fn clean(&self, drone: DroneId, older_than: Duration) -> Result<Cleaned, String> {
        let (answer, cleaned) = oneshot::channel();
        match self.members().get(&drone) {
            None => return Err(format!("there is no drone {drone}")),
            Some(member) => drop(member.orders.send(Order::Clean { older_than, answer })),
        }
        cleaned.await.unwrap_or_else(|_| Err("the drone was let go".to_owned()))
    }

    /// Has every drone clean containers, if it has not begun to less than so long ago. Gives the names of the drones on
    /// which the last attempt failed, and why; a drone that does not answer is left for the next time.
    pub async fn clean_containers(&self, template: &Template, every: Duration) -> Vec<(String, String)> {
        let ask = |member: &Member| {
            let argv = template.line_of_drone(&member.address);
            let (answer, answered) = oneshot::channel();
            let _ = member.orders.send(Order::Containers { argv, every, answer });
            (member.address.name.clone(), answered)
        };
        let asked: Vec<_> = self.members().values().map(ask).collect();
        let mut failures = Vec::new();
        for (name, answered) in asked {
            if let Ok(Ok(Some(failure))) = answered.await {
                failures.push((name, failure));
            }
        }
        failures
    }

    /// Whether a drone's results directory is, or may be, the repository itself, so that its results are the only ones.
    pub fn keeps_repository(&self, drone: &DroneAddress) -> bool {
        let settings = self.common.settings();
        settings.repository.as_ref().is_none_or(|repository| drone.is_in(repository) != Some(false))
    }

    pub(super) fn members(&self) -> MutexGuard<'_, BTreeMap<DroneId, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
