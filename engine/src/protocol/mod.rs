//! What passes between the core and the world: reports of drones in, commands for drones and changes of rows out. All of
//! it is plain data that can be compared, recorded and replayed.

mod drone;
mod notice;
mod process;
mod rows;

pub use drone::{ActOutcome, ActReport, Command, DroneAnswer, DroneReport, ResultNote};
pub use notice::Notice;
pub use process::{ExecutionPath, NotAnExecutionPath, PidfileContents, PidfileEvent, PidfileName, Work, WorkKind};
pub use rows::{
    Changes, EntryColumns, EntryUpdate, HandOff, HandOffChange, HostColumns, HostUpdate, KillOrder, LiveRows,
    RowChange, Stray, StrayChange, Subnets, TaskHistory, TaskUpdate,
};
