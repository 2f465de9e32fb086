//! Results on their way from a drone to the repository: fetched over channels of their own, some at a time, whenever there
//! is something to fetch. The drone keeps a note of each until it is confirmed, so that nothing is lost over a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::address::{DroneAddress, Multiplex, seconds};
use super::arrival::{put_in_place, unpack_beside};
use super::fleet::Common;
use crate::agent::protocol::PendingTransfer;

/// A fetch that failed is tried again after the first of these, then after twice as long each time, up to the second.
const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));
/// How often is looked whether a fetch gets on.
const LOOK: Duration = Duration::from_secs(1);

/// The fetches of one drone.
#[derive(Debug)]
pub(super) struct Transfers {
    address: DroneAddress,
    common: Arc<Common>,
    /// How many more may be fetched from this drone at once: one that hangs must not keep the others waiting.
    turns: Arc<Semaphore>,
    under_way: BTreeSet<String>,
    failed: BTreeMap<String, Failed>,
    fetches: JoinSet<(PendingTransfer, Result<(), String>)>,
}

/// When a fetch that failed is tried again, and how long that was put off.
#[derive(Debug)]
struct Failed {
    again: Instant,
    pause: Duration,
}

impl Transfers {
    pub(super) fn new(address: DroneAddress, common: Arc<Common>) -> Transfers {
        let (under_way, failed, fetches) = (BTreeSet::new(), BTreeMap::new(), JoinSet::new());
        let settings = common.settings();
        let all = settings.max_transfer_processes.max(1);
        let turns = settings.max_transfers_per_drone.clamp(1, all.saturating_sub(1).max(1));
        Transfers { address, turns: Arc::new(Semaphore::new(turns)), common, under_way, failed, fetches }
    }

    /// Whether it is worth asking what there is to fetch, when so many results wait.
    pub(super) fn wants_more(&mut self, waiting: u32) -> bool {
        let put_off = self.failed.keys().filter(|path| self.is_put_off(path)).count();
        let known = self.under_way.len() + put_off;
        self.common.settings().repository.is_some() && waiting as usize > known
    }

    fn is_put_off(&self, path: &str) -> bool {
        // What has failed is still under way when it is tried again.
        !self.under_way.contains(path) && self.failed.get(path).is_some_and(|failed| Instant::now() < failed.again)
    }

    /// Begins to fetch what is not being fetched yet, and did not fail just now.
    pub(super) fn fetch(&mut self, pending: Vec<PendingTransfer>) {
        let wanted: BTreeSet<&String> = pending.iter().map(|transfer| &transfer.path).collect();
        self.failed.retain(|path, _| wanted.contains(path));
        for transfer in pending {
            if !self.is_put_off(&transfer.path) && self.under_way.insert(transfer.path.clone()) {
                let (address, common, turns) =
                    (self.address.clone(), Arc::clone(&self.common), Arc::clone(&self.turns));
                self.fetches.spawn(async move {
                    let fetched = fetch(&address, &common, &turns, &transfer).await;
                    (transfer, fetched)
                });
            }
        }
    }

    /// Waits for the next that has arrived. For ever, if nothing is under way.
    pub(super) async fn next(&mut self) -> PendingTransfer {
        loop {
            match self.fetches.join_next().await {
                None => std::future::pending().await,
                Some(Err(error)) => warn!(drone = %self.address.name, %error, "fetching results broke off"),
                Some(Ok((transfer, fetched))) => {
                    self.under_way.remove(&transfer.path);
                    match fetched {
                        Ok(()) => {
                            info!(drone = %self.address.name, path = %transfer.path, "results are in the repository");
                            self.failed.remove(&transfer.path);
                            return transfer;
                        }
                        Err(reason) => {
                            warn!(drone = %self.address.name, path = %transfer.path, reason, "results could not be fetched");
                            self.put_off(transfer.path);
                        }
                    }
                }
            }
        }
    }
}

impl Transfers {
    fn put_off(&mut self, path: String) {
        let pause = self.failed.get(&path).map_or(PAUSE.0, |failed| (failed.pause * 2).min(PAUSE.1));
        self.failed.insert(path, Failed { again: Instant::now() + pause, pause });
    }
}

async fn fetch(
    address: &DroneAddress,
    common: &Common,
    turns: &Semaphore,
    transfer: &PendingTransfer,
) -> Result<(), String> {
    let Some(repository) = common.settings().repository.clone() else { return Ok(()) };
    let _turn_of_drone = turns.acquire().await.map_err(|error| error.to_string())?;
    let transfers = common.transfers();
    let _turn = transfers.acquire().await.map_err(|error| error.to_string())?;
    let limit = seconds(common.settings().transfer_stall_sec);
    let progress = Progress::default();
    let unpacked = tokio::select! {
        unpacked = receive(address, common, &transfer.path, &repository, &progress) => unpacked?,
        // With the fetch its child ends, and what unpacks its stream.
        () = progress.stalls(limit) => return Err(format!("nothing has come for {limit:?}")),
    };
    let path = transfer.path.clone();
    let merged = tokio::task::spawn_blocking(move || put_in_place(&repository, &path, unpacked.path()));
    merged.await.map_err(|error| error.to_string())?
}

/// Has the drone send a results path, and unpacks it beside its place.
async fn receive(
    address: &DroneAddress,
    common: &Common,
    path: &str,
    repository: &Path,
    progress: &Progress,
) -> Result<tempfile::TempDir, String> {
    let results = address.results_dir.to_string_lossy().into_owned();
    let arguments = ["send", "--results", &results, "--", path].map(str::to_owned);
    let (socket, settings) = (common.socket(address.id), common.settings());
    let mut command = address.agent_command(&settings.ssh, Multiplex::Through(&socket), &arguments)?;
    let mut child = command.stdin(std::process::Stdio::null()).spawn().map_err(|error| error.to_string())?;
    let stream = child.stdout.take().ok_or("no stream")?.into_owned_fd().map_err(|error| error.to_string())?;
    let mut stderr = child.stderr.take().ok_or("no stream")?;
    let (unpack, stream) = (repository.to_owned(), progress.of(fs::File::from(stream)));
    let unpacked = tokio::task::spawn_blocking(move || unpack_beside(&unpack, stream));
    let mut said = String::new();
    let _ = (&mut stderr).take(4096).read_to_string(&mut said).await;
    let unpacked = unpacked.await.map_err(|error| error.to_string())?;
    let status = child.wait().await.map_err(|error| error.to_string())?;
    match unpacked {
        Ok(unpacked) if status.success() => {
            if !said.trim().is_empty() {
                warn!(drone = %address.name, path, said = said.trim(), "results are not all there");
            }
            Ok(unpacked)
        }
        Ok(_) => Err(format!("sending ended with {status}: {}", said.trim())),
        Err(error) => Err(format!("{error}: {}", said.trim())),
    }
}

/// How many times something has come.
#[derive(Debug, Default)]
struct Progress(Arc<AtomicU64>);

/// A stream that is watched.
struct Watched<R> {
    stream: R,
    came: Arc<AtomicU64>,
}

impl Progress {
    fn of<R: io::Read>(&self, stream: R) -> Watched<R> {
        Watched { stream, came: Arc::clone(&self.0) }
    }

    /// Returns when nothing has come for so long.
    async fn stalls(&self, limit: Duration) {
        let (mut last, mut since) = (0, Instant::now());
        while since.elapsed() < limit {
            sleep(LOOK.min(limit)).await;
            let came = self.0.load(Ordering::Relaxed);
            if came != last {
                (last, since) = (came, Instant::now());
            }
        }
    }
}

impl<R: io::Read> io::Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.came.fetch_add(1, Ordering::Relaxed);
        Ok(count)
    }
}
