//! A distinct type for every identity, so that no id is ever taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$name> for u32 {
            fn from(id: $name) -> u32 {
                id.0
            }
        }

        impl From<u32> for $name {
            fn from(id: u32) -> Self {
                Self(id)
            }
        }
    )*};
}

ids! {
    /// A host, a device under test: `afe_hosts.id`.
    HostId;
    /// A label of hosts: `afe_labels.id`.
    LabelId;
    /// A job: `afe_jobs.id`.
    JobId;
    /// A host queue entry, one job on one host: `afe_host_queue_entries.id`.
    EntryId;
    /// A special task: `afe_special_tasks.id`.
    TaskId;
    /// A user: `afe_users.id`.
    UserId;
    /// A group of users and the hosts they may use: `afe_acl_groups.id`.
    AclGroupId;
    /// A machine that runs the processes which drive hosts: `afe_drones.id`.
    DroneId;
    /// A named set of drones: `afe_drone_sets.id`.
    DroneSetId;
    /// Another scheduler to which labels and hosts may be handed: `afe_shards.id`.
    ShardId;
    /// A restricted subnet: its place in the settings.
    SubnetId;
    /// A registered pidfile. Numbered by the engine, new in every run of it; backends report under this number.
    PidfileId;
}

/// The number of a scheduler's reign over one database. A commit or a drone command of an older term is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Term(pub u64);

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Under which right drones are commanded: the newest that they have heard of. Ordered by age.
///
/// A core that has to begin anew within its term no longer knows what is still on its way to a drone. So every beginning
/// has a right of its own: once a drone has answered under it, nothing that was ordered before can start there any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fence {
    /// The scheduler's term.
    pub term: Term,
    /// How often its core has begun anew in this term.
    pub beginning: u32,
}

impl Fence {
    /// The first beginning of a term.
    pub const fn first(term: Term) -> Fence {
        Fence { term, beginning: 0 }
    }

    /// The next beginning of the same term.
    #[must_use]
    pub const fn next(self) -> Fence {
        Fence { beginning: self.beginning.saturating_add(1), ..self }
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.beginning {
            0 => self.term.fmt(f),
            beginning => write!(f, "{}.{beginning}", self.term),
        }
    }
}
