//! The scheduler of a hardware test lab: a deterministic core, and the thin loop that connects it to the world.
//!
//! Jobs wait in a queue; hosts (devices under test) are given to them; verify, cleanup, reset, provision, repair, test,
//! gathering and parsing run as processes on drones. This crate decides what happens next, and does nothing itself: no IO,
//! no threads, no wall clock, no randomness. The same inputs give the same outputs, bit for bit.
//!
//! ```
//! use yardmaster_engine::{Core, LiveRows, Role, Settings, TickInput, Time};
//!
//! // What a database held when the scheduler started: here, nothing.
//! let (mut core, _ask_drones) =
//!     Core::recover_from(Settings::default(), Role::Whole, LiveRows::default(), Time(0), false);
//! let output = core.tick(Time::from_seconds(1), TickInput::default());
//! assert!(output.changes.is_empty() && output.commands.is_empty());
//! ```
//!
//! # Where to begin
//!
//! * [`Engine`] is the loop: poll the [`Store`] and refresh the [`DroneBackend`], let the core decide, commit, act. It runs
//!   on any [`Clock`]; production and simulation differ in these three alone.
//! * [`Core`] is the scheduler: [`Core::tick`] takes a [`TickInput`] and gives a [`TickOutput`]. Its module documentation
//!   maps the files behind it.
//! * `protocol` is what passes in and out: [`RowChange`] and [`DroneReport`] in, [`Changes`], [`Command`] and [`Notice`] out.
//! * `model` has the rows ([`Host`], [`Job`], [`Entry`], [`SpecialTask`] …) and the words ([`EntryStatus`], [`HostStatus`] …),
//!   under Autotest's own names; [`Settings`] too.
//! * [`Core::why`] tells of any entry why it waits.

mod core;
mod engine;
mod ids;
mod model;
mod protocol;
mod settings;
mod time;

pub use core::{BusyHost, Core, DroneBatch, HeldUp, Role, TickInput, TickOutput, TickStats, WaitPlace, WaitReason};
pub use engine::{
    Beginning, Clock, CommitOutcome, DroneBackend, Engine, EngineError, Journal, Setup, Store, StoreError, TickReport,
    TickTimes,
};
pub use ids::{
    AclGroupId, DroneId, DroneSetId, EntryId, Fence, HostId, JobId, LabelId, PidfileId, ShardId, SubnetId, TaskId,
    Term, UserId,
};
pub use model::{
    Drone, DroneSet, Entry, EntryStatus, HandOffLevel, Host, HostStatus, Ineligible, Job, Label, Protection,
    RebootAfter, RebootBefore, SpecialTask, Subdir, TaskKind, UnknownWord, User,
};
pub use protocol::{
    ActOutcome, ActReport, Changes, Command, DroneAnswer, DroneReport, EntryColumns, EntryUpdate, ExecutionPath,
    HandOff, HandOffChange, HostColumns, HostUpdate, KillOrder, LiveRows, NotAnExecutionPath, Notice, PidfileContents,
    PidfileEvent, PidfileName, ResultNote, RowChange, Stray, StrayChange, Subnets, TaskHistory, TaskUpdate, Work,
    WorkKind,
};
pub use settings::{LabelUse, Settings};
pub use time::{Span, Time, earliest};
