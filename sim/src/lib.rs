//! The simulator: the production scheduler's engine on virtual time, with fake drones and an in-memory store.
//!
//! Two things can be played. A *scripted scenario* says step by step what happens to a small lab and what must hold then:
//! [`script`]. A *workload scenario* names a lab, a workload of thousands of jobs and how processes behave: [`workload`]
//! reads it into a plan, [`simulate`] runs the plan, [`output`] turns the [`recording`] into tables, plots and a report.
//! [`fit`] learns such a scenario from what happened in a lab, and [`planning`] finds out what the lab needs.
//!
//! ```no_run
//! use yardmaster_sim::{output, simulate, workload};
//!
//! let plan = workload::load("scenarios/cip-lab.toml".as_ref(), 1)?;
//! let recording = simulate(&plan, 1, |_| {})?;
//! let run = output::write_all(&recording, "out".as_ref(), true, |_| {})?;
//! println!("{}", output::terminal_table(&run.summary));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | story |
//! | --- | --- |
//! | [`script`] | scripted scenarios: format, player, comparison |
//! | [`workload`] | workload scenarios: traces, generators, distributions, outages |
//! | [`run`] | a plan goes through the engine; what happens is recorded, or measured |
//! | [`history`] | what happened in a lab and how it is now: what is learned from |
//! | [`fit`] | from a history to a scenario: a lab learned from what happened in it |
//! | [`forecast`] | looking ahead from a snapshot: when jobs start and end, and what if |
//! | [`recording`] | what a run leaves behind |
//! | [`replay`] | what a production scheduler took in and decided, decided again |
//! | [`planning`] | how much a lab needs: plans, replications, objectives, the search |
//! | [`output`] | CSV tables, summary, plots, report, digest |
//! | [`clock`], [`drones`], [`store`] | the engine's three surroundings, simulated, each with its fault model |
//! | [`frontend`] | what people do to the database: submit, abort, lock, ask for tasks |
//! | [`host_list`] | `dut[001-100]` |

pub mod clock;
pub mod drones;
pub mod fit;
pub mod forecast;
pub mod frontend;
pub mod history;
pub mod host_list;
pub mod output;
pub mod planning;
pub mod recording;
pub mod replay;
pub mod run;
pub mod script;
pub mod store;
pub mod workload;

pub use run::{Progress, attribute, measure, simulate};
