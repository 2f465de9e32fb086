//! Looking ahead: a lab as it is now, simulated forward many times.
//!
//! A [`Snapshot`](crate::history::Snapshot) has the live rows of a lab and its history. In every *replication* the same engine
//! that schedules the lab takes the rows up, as it would after a restart, on drones that already run what the rows say runs;
//! how long everything takes is drawn from the history. What happens in most replications is what to expect.
//!
//! * `file` reads and writes snapshots.
//! * `profile` says which jobs and hosts are alike. `lifetimes` has the estimator of durations, conditional on how long
//!   something has lasted; `experience` asks it by profile and kind of host.
//! * `present` finds the processes that run; `fate` says how processes go; `arrivals` lets jobs come that are not there yet.
//! * `replication` plays one replication, `run` all of them on all cores, with the changes that `what_if` makes before.
//! * `summary` makes a [`Forecast`] of them, `comparison` sets two side by side; `reasons` names what no host can ever serve.
//! * `show` writes tables and CSV; `arguments` is the command line that `yardmaster-sim forecast` and `yardmaster forecast`
//!   share.
//!
//! What is assumed and what is left out is in docs/forecast.md.

mod arguments;
mod arrivals;
mod comparison;
mod error;
mod experience;
mod fate;
mod file;
mod lifetimes;
mod present;
mod profile;
mod reasons;
mod replication;
mod run;
mod show;
mod summary;
mod what_if;

pub use arguments::ForecastArgs;
pub use comparison::{Comparison, Difference, JobDifference};
pub use error::ForecastError;
pub use file::{read_snapshot, write_snapshot};
pub use profile::{kind_of_host, profile_of};
pub use run::{ArrivalModel, Options, Outcomes, forecast};
pub use show::{comparison_table, jobs_csv, one_job, table};
pub use summary::{Drain, Forecast, JobForecast, Never, Quantiles, SuiteForecast};
pub use what_if::Change;
