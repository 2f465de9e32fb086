//! A plan on a Slurm cluster: its replications as a job array.
//!
//! A *job array* is a folder that all nodes see. `parts.json` says which replications each element simulates, and what they were
//! asked of; `array.sbatch` is what `sbatch` takes; an element that is done has its results in `results/element-K`, as a cache
//! folder that the merge reads. The merge carries out the plan as always, and finds there what it would have simulated: so it
//! comes to the same bytes as without a cluster.

mod array;
mod element;
mod error;
mod foreseen;
mod script;
mod split;

pub use array::{JobArray, Unfinished};
pub use element::Finished;
pub use error::ArrayError;
pub use script::shell_quoted;
pub use split::ArraySpecification;
