//! WIP
mod core;
mod engine;
mod ids;
mod model;
mod protocol;
mod settings;
mod time;
pub use core::{BusyHost, Core, DroneBatch, Role, TickInput, TickOutput, TickStats, WaitReason};
pub use engine::{Clock, CommitOutcome, DroneBackend, Engine, EngineError, Store, StoreError, TickReport};
pub use ids::{
    AclGroupId, DroneId, DroneSetId, EntryId, HostId, JobId, LabelId, PidfileId, ShardId, TaskId, Term, UserId,
};
pub use model::{
    Drone, DroneSet, Entry, EntryStatus, Host, HostStatus, Ineligible, Job, Label, Protection, RebootAfter,
    RebootBefore, SpecialTask, Subdir, TaskKind, UnknownWord, User,
};
pub use protocol::*;
pub use settings::{LabelUse, Settings};
pub use time::{Span, Time};
