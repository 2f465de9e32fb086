//! Why an entry waits, in the words of scenarios.

use serde::Deserialize;
use yardmaster_engine::WaitReason;

macro_rules! words {
    ($($variant:ident = $word:literal),* $(,)?) => {
        /// A word for why an entry waits; docs/scenario-format.md says what each means.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
        #[allow(missing_docs, reason = "words are documented in docs/scenario-format.md, for whoever writes scenarios")]
        pub enum Why { $(#[serde(rename = $word)] $variant),* }

        impl Why {
            /// The word itself.
            pub fn as_str(self) -> &'static str {
                match self { $(Why::$variant => $word),* }
            }
        }
    };
}

words! {
    Nothing = "nothing",
    Ended = "ended",
    NoSuchHost = "no such host",
    AccessDenied = "access denied",
    Locked = "locked",
    HostInUse = "host in use",
    AllHostsBusy = "all hosts busy",
    BehindHigherPriority = "behind higher priority",
    WaitingForTask = "waiting for task",
    DronesFull = "drones full",
    WaitingForGroup = "waiting for group",
    ParseLimit = "parse limit",
    OnShard = "on shard",
    NoDrone = "no drone",
    DroneSilent = "drone silent",
}

impl Why {
    /// The word for the engine's reason. `names_host`: whether the entry names a host or has one.
    pub(super) fn of(reason: &WaitReason, names_host: bool) -> Why {
        match reason {
            WaitReason::Nothing => Why::Nothing,
            WaitReason::Ended => Why::Ended,
            WaitReason::NoSuchHost => Why::NoSuchHost,
            WaitReason::AccessDenied => Why::AccessDenied,
            WaitReason::Locked(_) => Why::Locked,
            WaitReason::AllBusy { .. } if names_host => Why::HostInUse,
            WaitReason::AllBusy { .. } => Why::AllHostsBusy,
            WaitReason::BehindOthers { .. } => Why::BehindHigherPriority,
            WaitReason::WaitsForTask(_) => Why::WaitingForTask,
            WaitReason::DronesFull => Why::DronesFull,
            WaitReason::WaitsForGroup { .. } => Why::WaitingForGroup,
            WaitReason::ParseLimit => Why::ParseLimit,
            WaitReason::OnShard => Why::OnShard,
            WaitReason::NoDrone(_) => Why::NoDrone,
            WaitReason::DroneSilent => Why::DroneSilent,
        }
    }
}
