//! Why a plan cannot be carried out.

use std::path::PathBuf;

use yardmaster_engine::EngineError;

use super::patch::PatchError;
use super::slurm::ArrayError;
use crate::workload::ScenarioError;

/// Why a plan cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The plan, the scenario or a data file is wrong.
    #[error(transparent)]
    Input(#[from] ScenarioError),
    /// A change cannot be made to the scenario.
    #[error("change {change:?} cannot be made to the scenario ({level}): {problem}")]
    Change {
        /// Which change.
        change: String,
        /// To which level.
        level: String,
        /// Why not.
        problem: PatchError,
    },
    /// The simulated scheduler gave up, which on fake drones and an in-memory store is a defect of ours.
    #[error("the simulated scheduler gave up: {0}")]
    Engine(#[from] EngineError),
    /// A job array for a cluster cannot be written, worked on or merged.
    #[error(transparent)]
    Array(#[from] ArrayError),
    /// A data file is no longer what it was when the plan began; results would be kept under the name of others.
    #[error("{}: a data file that it names has changed while the plan was carried out: start it again", .scenario.display())]
    Changed {
        /// The scenario.
        scenario: PathBuf,
    },
    /// Results of earlier runs cannot be kept or read.
    #[error("{}: {problem}", .file.display())]
    Cache {
        /// Which file or folder.
        file: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
}
