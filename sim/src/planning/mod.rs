//! Capacity planning: how many hosts, drones and processes a lab needs, with intervals and reasons.
//!
//! ```no_run
//! use yardmaster_sim::planning::{Carrying, Study, carry_out, terminal_tables};
//!
//! let study = Study::read("scenarios/plan-push-bursts.toml".as_ref())?;
//! let result = carry_out(&study, &Carrying::default(), &|_| {})?;
//! println!("{}", terminal_tables(&result));
//! # Ok::<(), yardmaster_sim::planning::PlanError>(())
//! ```
//!
//! Every key of a plan is explained in `docs/plans.md`.
//!
//! # Map
//!
//! * `file`, `checking`, `asking`, `study`: a plan as it is written, and as it is checked, a [`Study`]. `change`, `patch`: what may be different, and how
//!   it is done to a scenario's table. `objective`: what is to hold.
//! * `carry_out`: the whole story: pilot runs for the warm-up (`pilot`), the lab as it is, one more of each resource, the search,
//!   the plans of the `heat_map`; then `telling`, from numbers to the result.
//! * `search`: which plans are tried. `verdict`: whether one suffices, and which is to be preferred. `evaluate`: how a plan is tried: replications on all processors,
//!   until their number suffices.
//! * `replication`: how one is simulated, in parts that other plans share where that is possible. `observation`: what is kept of it; `cache`: where. `figures`: replications added up. `causes`: to what waits are
//!   owed.
//! * `queue`: what may grow without bound, and of which times nothing can be said then.
//! * [`statistics`]: estimates and intervals, warm-up, stability.
//! * `result`: everything that came of it, a [`PlanResult`]; `report`: what people see of that.
//!
//! A result depends on the plan, its scenario and the seed, never on the machine, the number of threads or what was found in the
//! cache.

mod asking;
mod cache;
mod carry_out;
mod causes;
mod change;
mod checking;
mod error;
mod evaluate;
mod figures;
mod file;
mod heat_map;
mod objective;
mod observation;
mod patch;
mod pilot;
mod queue;
mod replication;
mod report;
mod result;
mod search;
pub mod slurm;
pub mod statistics;
mod study;
mod telling;
mod verdict;

pub use carry_out::{Carrying, carry_out, missing};
pub use change::{Change, Level, Point};
pub use error::PlanError;
pub use evaluate::{Part, PlanProgress};
pub use figures::{JobSet, Judgement, WaitFigures};
pub use objective::{Grouping, JobGroup, Objective, Restriction, Target};
pub use observation::Week;
pub use queue::Queue;
pub use report::{terminal_tables, write_all};
pub use result::{
    Answer, ChangeResult, Confirmation, Detail, Gain, HeatMap, HostFigures, Left, LeftBy, ObjectiveResult, PlanResult,
    PointResult, WaitCauses, WarmUpResult,
};
pub use study::{Search, Simulation, Study};
