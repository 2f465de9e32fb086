//! Workload scenarios: a lab, a workload and how processes behave, read from one TOML file into a [`Plan`].
mod arrivals;
mod background;
mod behaviour;
mod csv_trace;
mod distribution;
mod draw;
mod error;
mod file;
mod generate;
mod jobs;
mod lab;
mod load;
mod outages;
mod plan;
mod random;
mod source;
mod swf;
mod trace;

pub use error::ScenarioError;
pub use load::load;
pub use plan::{Behaviour, DronePlan, Ending, HostPlan, JobPlan, Outage, OutageEffect, Placement, Plan, ProcessStart};
pub use random::{Concern, Stream};
