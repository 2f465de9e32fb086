//! planning
mod cache;
mod carry_out;
mod causes;
mod change;
mod error;
mod evaluate;
mod figures;
mod file;
mod objective;
mod observation;
mod patch;
mod report;
mod result;
mod search;
pub mod slurm;
pub mod statistics;
mod study;

pub use carry_out::{Carried, Carrying, carry_out};
pub use change::{Change, Level, Point};
pub use error::PlanError;
pub use evaluate::{Part, PlanProgress};
pub use figures::{JobSet, Judgement, WaitFigures};
pub use objective::{Grouping, JobGroup, Objective, Restriction, Target};
pub use observation::Week;
pub use report::terminal_tables;
pub use result::{
    Answer, ChangeResult, Detail, Gain, HeatMap, HostFigures, ObjectiveResult, PlanResult, PointResult, WaitCauses,
    WarmUpResult,
};
pub use study::{Search, Simulation, Study};
