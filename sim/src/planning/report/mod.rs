//! What people see of a plan.

mod terminal;
mod words;

pub use terminal::terminal_tables;
