//! What people see of a plan, from its result alone.
//!
//! * [`write_all`] fills a folder: `plan.json`, CSV files (`tables`), pictures (`plots`), and the page that shows them (`page`,
//!   with the tables of `sheets`). Columns and units are in `docs/plans.md`.
//! * [`terminal_tables`] is for a terminal.
//!
//! Underneath: `view` says what of a result is shown and what it is called, `words` how figures read.

mod page;
mod plots;
mod sheets;
mod tables;
mod terminal;
mod view;
mod words;
mod write;

pub use terminal::terminal_tables;
pub use write::write_all;
