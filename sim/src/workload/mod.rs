//! Workload scenarios: a lab, the jobs that will be submitted to it, and how processes behave, read from one TOML file
//! into a [`Plan`].
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("small.toml");
//! std::fs::write(
//!     &path,
//!     r#"
//! name = "small"
//!
//! [[host]]                        # or [lab] from_trace = true
//! name = "dut[01-10]"
//! labels = ["board:eve"]
//!
//! [[workload.generate]]           # or [workload.trace]: a CSV table, or a log in the Standard Workload Format
//! name = "developers"
//! hours = 24
//! arrivals = { poisson = { per_hour = 60 } }
//! [[workload.generate.mix]]
//! profile = "smoke"
//! label = "board:eve"
//! runtime = { lognormal = { median = 300, p95 = 900 } }
//!
//! [processes.reset]
//! runtime = { uniform = [60, 120] }
//! failure = 0.02
//! "#,
//! )?;
//! let plan = yardmaster_sim::workload::load(&path, 1)?;
//! assert_eq!(plan.hosts.len(), 10);
//! assert!((1300..1600).contains(&plan.jobs.len()));
//! # Ok(())
//! # }
//! ```
//!
//! Every key is explained in `docs/workloads.md`; what the models leave out, in `docs/reality.md`.
//!
//! # Map
//!
//! One file is read in one direction, each step handing checked values to the next:
//!
//! * `source`: the file's text, and from a dotted key back to its line; `error`: what is said when something is wrong.
//! * `file`: keys and types as they are written. `load`: the steps, in order. `scenario`: what they come to, [`Scenario`];
//!   a seed makes a plan of it.
//! * `lab`: hosts and drones. `jobs`: what all jobs have in common.
//! * `trace`: recorded jobs, as `csv_trace` (with `columns`) or `swf` read them; `background`: those that a trace does
//!   not show.
//! * `generate`: generated jobs, as `arrivals` bring them, at random by `rates`.
//! * `outages`: hosts that break, and boards that a trace shows to have been away.
//! * `behaviour`: how each process will go.
//! * `random`: streams named by the question that they answer; `distribution` (with `normal`) and `draw`: what is drawn
//!   from them.
//! * `plan`: the result. `past`: of a scenario with a trace, what happened, to be learned from.
//!
//! No iteration order, clock or platform function has a part in any of it: a file and a seed are one plan everywhere.

mod arrivals;
mod background;
mod behaviour;
mod columns;
mod csv_trace;
mod distribution;
mod draw;
mod error;
mod file;
mod generate;
mod jobs;
mod lab;
mod load;
mod normal;
mod outages;
mod past;
mod plan;
mod random;
mod rates;
mod scenario;
mod source;
mod swf;
mod trace;

pub(crate) use error::nearest;
pub use error::{KeyError, ScenarioError, ValueError};
pub(crate) use lab::HostsByLabel;
pub use load::load;
pub use past::{Past, moment};
pub use plan::{Behaviour, DronePlan, Ending, HostPlan, JobPlan, Outage, OutageEffect, Placement, Plan, ProcessStart};
pub use random::{Concern, Stream};
pub use scenario::Scenario;
pub(crate) use source::{DATA_BYTES_MAX, Source, meant, read_limited};
