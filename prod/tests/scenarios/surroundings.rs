//! The engine's real surroundings, with what a scenario may do to the way between them and the engine: a commit that is
//! refused or whose reply is lost, and a drone whose replies are lost.

use std::collections::BTreeMap;

use yardmaster::drones::Drones;
use yardmaster::service::SqlBriefings;
use yardmaster::store::SqlStore;
use yardmaster_engine::{
    ActOutcome, ActReport, Changes, CommitOutcome, DroneBackend, DroneBatch, DroneId, DroneReport, Fence, LiveRows,
    RowChange, Store, StoreError, Term,
};
use yardmaster_sim::store::CommitFault;

/// A database on a bad line.
pub(crate) struct ShakyStore {
    pub(crate) store: SqlStore,
    /// Commits that will go wrong, the next one first.
    pub(crate) faults: Vec<CommitFault>,
}

impl Store for ShakyStore {
    async fn load(&mut self) -> Result<LiveRows, StoreError> {
        self.store.load().await
    }

    async fn poll(&mut self) -> Result<Vec<RowChange>, StoreError> {
        self.store.poll().await
    }

    async fn commit(&mut self, term: Term, number: u64, changes: &Changes) -> CommitOutcome {
        let fault = if self.faults.is_empty() { None } else { Some(self.faults.remove(0)) };
        let lost = || CommitOutcome::Unknown("the connection broke".to_owned());
        match fault {
            None => self.store.commit(term, number, changes).await,
            Some(CommitFault::Refused) => CommitOutcome::Refused("refused by the scenario".to_owned()),
            Some(CommitFault::ReplyLost { landed: false }) => lost(),
            Some(CommitFault::ReplyLost { landed: true }) => match self.store.commit(term, number, changes).await {
                CommitOutcome::Committed => lost(),
                other => other,
            },
        }
    }

    async fn last_commit(&mut self, term: Term) -> Result<Option<u64>, StoreError> {
        self.store.last_commit(term).await
    }
}

/// Drones on bad lines.
pub(crate) struct ShakyDrones {
    pub(crate) drones: Drones<SqlBriefings>,
    /// How many replies of each will be lost.
    pub(crate) lost_replies: BTreeMap<DroneId, u32>,
}

impl DroneBackend for ShakyDrones {
    async fn refresh(&mut self) -> Vec<DroneReport> {
        self.drones.refresh().await
    }

    async fn act(&mut self, fence: Fence, batches: Vec<DroneBatch>) -> Vec<ActReport> {
        let mut lost = Vec::new();
        for DroneBatch { drone, commands } in &batches {
            if let Some(count) = self.lost_replies.get_mut(drone).filter(|count| **count > 0) {
                *count -= 1;
                let outcome = ActOutcome::Unknown("the reply was lost".to_owned());
                lost.push(ActReport { drone: *drone, outcome, undelivered: commands.clone() });
            }
        }
        let mut reports = self.drones.act(fence, batches).await;
        reports.retain(|report| lost.iter().all(|lost| lost.drone != report.drone));
        reports.extend(lost);
        reports
    }
}
