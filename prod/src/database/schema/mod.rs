//! The schema: Autotest's tables, ours beside them, and the triggers that fill the change log.
//!
//! * [`migrate`] brings a database to this program's version, from nothing or from an Autotest installation, while others
//!   work on it; [`status`] tells where it stands; [`remove`] takes ours away again and leaves Autotest's alone.
//! * The tables are data: `autotest.tsv` and `yardmaster.tsv`.
//! * Changes that others make are found by triggers, which write to `yardmaster_changes`. Why not the binlog: it needs
//!   replication rights, names no columns, and SQLite has none. Why the log is a queue and never read by `id > last`: ids
//!   are given when a row is written and become visible when its transaction commits, in another order.

mod create;
mod migration;
mod ready;
mod tables;
mod triggers;

pub use migration::{MigrationError, Report, Status, TermHeld, migrate, remove, status};
pub(crate) use migration::{TRIGGERS_VERSION, missing_triggers};
pub use ready::{NotReady, lab, require};
pub use tables::{Column, ColumnType, Key, Table, autotest_tables, own_tables};
pub(crate) use triggers::ChangeKind;
