//! A lab as it is, for tables and programs. The field names of these types are those of `--json`, and stay.

mod access;
mod drones;
mod hosts;
mod jobs;
mod lab;
mod live;
mod moment;
mod tasks;

pub use access::{AclView, LabelView, UserView, acls, labels, users};
pub use drones::{DroneView, drones};
pub use hosts::{HostFilter, HostView, hosts};
pub use jobs::{EntryView, JobDetail, JobFilter, JobView, job, jobs};
pub use lab::{EntryCount, Failure, LabView, PlatformView, SchedulerView, Waiting, lab};
pub use live::{DroneLive, Live, LiveWait, drone_states, live};
pub use moment::Moment;
pub use tasks::{TaskFilter, TaskView, tasks};
