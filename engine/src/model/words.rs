//! The closed vocabularies of the scheduler: statuses, kinds and levels, each with the word that the database and the
//! command line use for it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A word that is none of those a vocabulary knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {vocabulary} {word:?}: expected one of {}", .expected.join(", "))]
pub struct UnknownWord {
    /// What kind of word was looked for, as `host status`.
    pub vocabulary: &'static str,
    /// The word that was found.
    pub word: String,
    /// All words that would have been understood.
    pub expected: &'static [&'static str],
}

macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &[$name] = &[$($name::$variant),+];
            /// The words of all values, in the same order.
            pub const WORDS: &[&str] = &[$($word),+];

            /// The word that stands for it in the database.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;
            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok($name::$variant),)+
                    _ => Err(UnknownWord { vocabulary: $what, word: word.to_owned(), expected: Self::WORDS }),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                word.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

vocabulary! {
    /// Where a host queue entry stands.
    EntryStatus, "entry status" {
        /// Waits for a host; or, with *active* set, has one and waits for its first pre-job task.
        Queued = "Queued",
        /// Its group is complete and waits for room on a drone.
        Starting = "Starting",
        /// A Reset prepares its host.
        Resetting = "Resetting",
        /// A Verify checks its host.
        Verifying = "Verifying",
        /// A Provision installs what the job asks for on its host.
        Provisioning = "Provisioning",
        /// A Cleanup prepares its host.
        Cleaning = "Cleaning",
        /// Its host is prepared; it waits for the other hosts of a synchronous job.
        Pending = "Pending",
        /// The test runs.
        Running = "Running",
        /// The test has ended; crash information may be gathered from the host.
        Gathering = "Gathering",
        /// The host is free again; results wait for, or are in, the parser.
        Parsing = "Parsing",
        /// Ended: somebody, or a time limit, aborted it.
        Aborted = "Aborted",
        /// Ended: the test driver ended with exit status 0.
        Completed = "Completed",
        /// Ended: the test driver, or a task before it, failed.
        Failed = "Failed",
        /// Ended: too few hosts were left for a synchronous job.
        Stopped = "Stopped",
        /// Never runs: a template from which recurring jobs are made.
        Template = "Template",
    }
}

impl EntryStatus {
    /// Whether the database's *active* column holds for an entry of this status. (Queued entries may be active, too.)
    pub const fn is_active(self) -> bool {
        use EntryStatus::*;
        match self {
            Starting | Resetting | Verifying | Provisioning | Cleaning | Pending | Running | Gathering => true,
            Queued | Parsing | Aborted | Completed | Failed | Stopped | Template => false,
        }
    }

    /// Whether an entry of this status has ended.
    pub const fn is_complete(self) -> bool {
        use EntryStatus::*;
        match self {
            Aborted | Completed | Failed | Stopped | Template => true,
            Queued | Starting | Resetting | Verifying | Provisioning | Cleaning | Pending | Running | Gathering
            | Parsing => false,
        }
    }

    /// Whether an entry of this status still counts for the hosts of a synchronous job.
    pub const fn is_pre_job(self) -> bool {
        use EntryStatus::*;
        match self {
            Resetting | Provisioning | Verifying | Pending | Queued => true,
            Starting | Cleaning | Running | Gathering | Parsing | Aborted | Completed | Failed | Stopped | Template => {
                false
            }
        }
    }

    /// Whether an entry of this status is before its test and nothing is being done to its host.
    pub const fn is_idle_pre_job(self) -> bool {
        matches!(self, EntryStatus::Pending | EntryStatus::Queued)
    }

    /// Whether an entry of this status is served by a queue, gather or parse task rather than by special tasks.
    pub const fn has_group(self) -> bool {
        use EntryStatus::*;
        match self {
            Starting | Running | Gathering | Parsing => true,
            Queued | Resetting | Verifying | Provisioning | Cleaning | Pending | Aborted | Completed | Failed
            | Stopped | Template => false,
        }
    }
}

vocabulary! {
    /// What a host is doing, or good for.
    HostStatus, "host status" {
        /// Idle and fit for a job.
        Ready = "Ready",
        /// A Verify runs.
        Verifying = "Verifying",
        /// A test, or the gathering after it, uses the host.
        Running = "Running",
        /// A Repair runs.
        Repairing = "Repairing",
        /// Out of service until somebody, or the periodic reverification, brings it back.
        RepairFailed = "Repair Failed",
        /// A Cleanup runs.
        Cleaning = "Cleaning",
        /// Prepared for an entry that waits for its synchronous job.
        Pending = "Pending",
        /// A Reset runs.
        Resetting = "Resetting",
        /// A Provision runs.
        Provisioning = "Provisioning",
    }
}

vocabulary! {
    /// The five kinds of special task, in the order in which they are taken up (behaviour: the tick's third step).
    TaskKind, "special task" {
        /// Brings a broken host back.
        Repair = "Repair",
        /// Removes what a test left behind.
        Cleanup = "Cleanup",
        /// Checks that a host is usable.
        Verify = "Verify",
        /// Cleanup and verify in one.
        Reset = "Reset",
        /// Installs what a job asks for.
        Provision = "Provision",
    }
}

impl TaskKind {
    /// The status of a host on which such a task runs.
    pub const fn host_status(self) -> HostStatus {
        match self {
            TaskKind::Repair => HostStatus::Repairing,
            TaskKind::Cleanup => HostStatus::Cleaning,
            TaskKind::Verify => HostStatus::Verifying,
            TaskKind::Reset => HostStatus::Resetting,
            TaskKind::Provision => HostStatus::Provisioning,
        }
    }

    /// The status that its start gives to the entry it prepares a host for; a Repair leaves it alone.
    pub const fn entry_status(self) -> Option<EntryStatus> {
        match self {
            TaskKind::Repair => None,
            TaskKind::Cleanup => Some(EntryStatus::Cleaning),
            TaskKind::Verify => Some(EntryStatus::Verifying),
            TaskKind::Reset => Some(EntryStatus::Resetting),
            TaskKind::Provision => Some(EntryStatus::Provisioning),
        }
    }

    /// The word for it in execution paths and process names.
    pub const fn lower(self) -> &'static str {
        match self {
            TaskKind::Repair => "repair",
            TaskKind::Cleanup => "cleanup",
            TaskKind::Verify => "verify",
            TaskKind::Reset => "reset",
            TaskKind::Provision => "provision",
        }
    }
}

vocabulary! {
    /// How far the scheduler may go in repairing a host. In the database 0 to 4, in this order.
    Protection, "protection level" {
        /// Anything may be done.
        None = "No protection",
        /// Software may be reinstalled.
        RepairSoftwareOnly = "Repair software only",
        /// File systems may be mended.
        RepairFilesystemOnly = "Repair filesystem only",
        /// Nothing may be repaired.
        DoNotRepair = "Do not repair",
        /// Not even checks are run; failures before a job are ignored.
        DoNotVerify = "Do not verify",
    }
}

impl Protection {
    /// Whether checks may be run and believed.
    pub const fn can_verify(self) -> bool {
        !matches!(self, Protection::DoNotVerify)
    }
}

vocabulary! {
    /// When a job wants its hosts cleaned before the test. In the database 0 to 2, in this order.
    RebootBefore, "reboot_before" {
        /// Never.
        Never = "Never",
        /// If the host is dirty.
        IfDirty = "If dirty",
        /// Always.
        Always = "Always",
    }
}

vocabulary! {
    /// When a job wants its hosts cleaned after the test. In the database 0 to 2, in this order.
    RebootAfter, "reboot_after" {
        /// Never, unless it was aborted or a test failed.
        Never = "Never",
        /// If the driver succeeded and no test failed.
        IfAllTestsPassed = "If all tests passed",
        /// Always.
        Always = "Always",
    }
}

vocabulary! {
    /// From where on jobs are handed off to a runner of their own.
    HandOffLevel, "hand-off level" {
        /// Nowhere: the scheduler sees every job to its end.
        Off = "off",
        /// A job is handed off instead of its test being started.
        Starting = "starting",
        /// A job is handed off when its test has ended.
        Gathering = "gathering",
        /// A job is handed off when its hosts are free again and its results are to be parsed.
        Parsing = "parsing",
    }
}
