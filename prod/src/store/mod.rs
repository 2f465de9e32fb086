//! The engine's store on a database.
//!
//! [`SqlStore`] implements `yardmaster_engine::Store` on Autotest's tables. How it hears of what others write: triggers put
//! the names of changed rows into a log, [`SqlStore`] consumes the log and reads the rows; without triggers it looks for new
//! rows in every poll. Either way, a slow reconciliation in the background compares everything with the *shadow*, a copy of
//! what the engine knows, and catches what slipped through. Only rows that differ from the shadow are told.
//!
//! * `term` begins, renews and releases terms: who may write.
//! * `read_lab`, `read_work` read rows; rows that make no sense go to the `quarantine`.
//! * `load` is a consistent snapshot of all that lives; also for programs that only look.
//! * `hear` turns names of rows into what the engine has to be told; `log` and `look` find the names.
//! * `job_store` is the store of a runner: one job that was handed off.
//! * `commit`, `bulk` write a tick's changes in one transaction.

mod bulk;
mod commit;
mod hear;
mod job_store;
mod load;
mod log;
mod look;
mod quarantine;
mod read;
mod read_lab;
mod read_work;
mod settle;
mod shadow;
mod sql_store;
mod term;
mod wanted;

pub(crate) use commit::record_aborts;
pub use job_store::{JobStore, Standing};
pub(crate) use load::read_live;
pub use load::{Snapshot, snapshot};
pub(crate) use quarantine::Quarantine;
pub use quarantine::Quarantined;
pub(crate) use read::{Columns, Which, by_ids, pairs};
pub(crate) use read_lab::{grouped, host_labels, hosts, keep};
pub use sql_store::{SqlStore, StoreOptions};
pub use term::{TermError, TermRole};
