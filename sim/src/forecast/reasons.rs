//! Entries that no host can ever serve, by the engine's own reason.

use std::collections::BTreeMap;

use smallvec::SmallVec;
use yardmaster_engine::{
    Core, EntryStatus, HostId, JobId, LabelId, LiveRows, Role, Settings, Time, UserId, WaitReason,
};

/// Why a waiting job cannot be served as the lab is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unserved {
    /// No valid host has all the labels that it asks for.
    NoSuchHost,
    /// Hosts have them, but its owner may use none of these.
    AccessDenied,
    /// All hosts that it could use are locked: it waits for people.
    Locked,
    /// Another scheduler, a shard, is responsible for it.
    OnShard,
    /// No drone may drive its hosts together: they are in different restricted subnets.
    NoDrone,
}

impl Unserved {
    /// The reason in words.
    pub fn words(self) -> &'static str {
        match self {
            Unserved::NoSuchHost => "no valid host has all the labels that it asks for",
            Unserved::AccessDenied => "its owner belongs to no ACL group that may use a fitting host",
            Unserved::Locked => "every host that it could use is locked",
            Unserved::OnShard => "another scheduler, a shard, is responsible for it",
            Unserved::NoDrone => "no drone may drive its hosts together: they are in different restricted subnets",
        }
    }
}

/// What an entry asks for: entries that ask for the same have the same answer.
type Request<'a> = (UserId, &'a SmallVec<[LabelId; 4]>, Option<LabelId>, Option<HostId>);

/// The waiting jobs that cannot be served, ascending, and for how many of their entries that holds.
pub(super) fn unserved(rows: &LiveRows, settings: &Settings, now: Time) -> Vec<(JobId, Unserved, u32)> {
    let (core, _) = Core::recover_from(settings.clone(), Role::Whole, rows.clone(), now, false);
    let jobs: BTreeMap<JobId, _> = rows.jobs.iter().map(|job| (job.id, job)).collect();
    let barred: std::collections::BTreeSet<JobId> = rows.ineligible.iter().map(|row| row.job).collect();
    let mut known: BTreeMap<Request<'_>, Option<Unserved>> = BTreeMap::new();
    let mut found: BTreeMap<JobId, (Unserved, u32)> = BTreeMap::new();
    let waits = |entry: &&yardmaster_engine::Entry| {
        entry.status == EntryStatus::Queued && !entry.active && !entry.aborted && !entry.is_hostless()
    };
    for entry in rows.entries.iter().filter(waits) {
        let Some(job) = jobs.get(&entry.job) else { continue };
        let ask = || reason(&core.why(entry.id));
        let request = (job.owner, &job.labels, entry.meta_host, entry.host);
        // A shard's entries, and those of a job that may not have some hosts, are asked about one by one.
        let single = job.shard.is_some() || (entry.host.is_none() && barred.contains(&job.id));
        let reason = if single { ask() } else { *known.entry(request).or_insert_with(ask) };
        if let Some(reason) = reason {
            let told = found.entry(entry.job).or_insert((reason, 0));
            told.0 = told.0.min(reason);
            told.1 += 1;
        }
    }
    found.into_iter().map(|(job, (reason, entries))| (job, reason, entries)).collect()
}

fn reason(reason: &WaitReason) -> Option<Unserved> {
    match reason {
        WaitReason::NoSuchHost => Some(Unserved::NoSuchHost),
        WaitReason::AccessDenied => Some(Unserved::AccessDenied),
        WaitReason::Locked(_) => Some(Unserved::Locked),
        WaitReason::OnShard => Some(Unserved::OnShard),
        WaitReason::NoDrone(_) => Some(Unserved::NoDrone),
        WaitReason::Nothing
        | WaitReason::Ended
        | WaitReason::AllBusy { .. }
        | WaitReason::BehindOthers { .. }
        | WaitReason::WaitsForTask(_)
        | WaitReason::DronesFull
        | WaitReason::WaitsForGroup { .. }
        | WaitReason::ParseLimit
        | WaitReason::DroneSilent => None,
    }
}
