//! The plots, drawn with plotters, each a pure function from what was recorded to a [`Picture`]:
//!
//! * `queue`: queue length and running processes over time, reduced by `columns`;
//! * `utilisation`: what the hosts' time went to, by kind;
//! * `waits`, `recorded`: distributions of waits, drawn by `ecdf`;
//! * `gantt`: the busiest hosts in the busiest time;
//! * `chart`, `axis`, `theme`: what they have in common;
//! * `picture`: what plotters draws on, and its rendering as SVG and PNG.

mod axis;
mod chart;
mod columns;
mod ecdf;
mod gantt;
mod picture;
mod queue;
mod recorded;
mod theme;
mod utilisation;
mod waits;

pub(super) use picture::{FONT_FACES, Picture};
pub(super) use theme::FONT_FAMILY;

use super::summary::Summary;
use crate::recording::Recording;

/// Names of all pictures that a run may have.
pub(super) const NAMES: [&str; 5] = ["queue", "waits", "recorded_waits", "utilisation", "gantt"];

/// The pictures of a run, in the order in which a reader wants them.
pub(super) fn pictures(recording: &Recording, summary: &Summary) -> Vec<Picture> {
    let mut pictures = vec![queue::picture(recording), waits::picture(recording)];
    pictures.extend(recorded::picture(recording));
    pictures.push(utilisation::picture(summary));
    pictures.extend(gantt::picture(recording));
    pictures
}
