//! Learning a lab from its history: a scenario in which jobs come, take their time and fail as they did, and hosts break and
//! come back as they did.
//!
//! ```no_run
//! use yardmaster_sim::fit;
//!
//! let past = fit::read("scenarios/cip-year.toml".as_ref(), None, None)?;
//! let lab = fit::fit(&past, &fit::FitOptions::named("cip"))?;
//! std::fs::write("cip-fitted.toml", lab.to_string())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is learned, how, and what is assumed: `docs/fit.md`.
//!
//! | module | story |
//! | --- | --- |
//! | `source` | a past is read from a scenario with a trace, a trace alone, or a snapshot |
//! | `pseudonyms` | other names for people, hosts and places |
//! | `lab` | from a history to a fitted lab, one question after the other |
//! | `group` | jobs sorted by how they come and what they ask for |
//! | `bursts`, `checks`, `suites` | jobs that come together, for one host, with children |
//! | `mix` | what jobs are: profiles, lengths, failures |
//! | `rates` | how often, by hour and weekday, and how much days differ |
//! | `sample` | from measured values to a distribution |
//! | `tasks`, `outages` | special tasks; hosts out of service |
//! | `model`, `text` | the fitted lab, and how it is written |

mod bursts;
mod checks;
mod error;
mod group;
mod lab;
mod mix;
mod model;
mod outages;
mod pseudonyms;
mod rates;
mod sample;
mod source;
mod suites;
mod tasks;
mod text;

use yardmaster_engine::Span;

pub use error::FitError;
pub use lab::fit;
pub use model::{
    Arrivals, FittedLab, Generator, HostGroup, JobType, Manner, OutageOf, OutageTimes, Outages, Place, Suite,
    TaskHabit, Tasks,
};
pub use pseudonyms::pseudonymised;
pub use rates::Rate;
pub use sample::{Fitted, Shape};
pub use source::read;

/// How a lab is learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FitOptions {
    /// The name of the scenario.
    pub name: String,
    /// How many days the scenario lasts. It begins where the history ends.
    pub days: u32,
    /// Profiles with fewer jobs are one, and so are manners of a profile.
    pub enough: usize,
    /// Jobs of bursts that follow each other within this time are one burst.
    pub burst_gap: Span,
    /// Longer outages are left out.
    pub longest_outage: Span,
}

impl FitOptions {
    /// The usual way, for a scenario of this name: four weeks, 20 jobs, 10 minutes, 30 days.
    pub fn named(name: &str) -> FitOptions {
        FitOptions {
            name: name.to_owned(),
            days: 28,
            enough: 20,
            burst_gap: Span::from_minutes(10),
            longest_outage: Span::from_hours(24 * 30),
        }
    }
}
