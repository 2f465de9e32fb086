//! The plots, drawn with plotters, each a pure function from what was recorded to a [`Picture`]:
//!
//! * `queue`: queue length and running processes over time, reduced by `columns`;
//! * `utilisation`: what the hosts' time went to, by kind;
//! * `waits`, `recorded`: distributions of waits, drawn by `ecdf`;
//! * `gantt`: the busiest hosts in the busiest time;
//! * `chart`, `axis`, `scales`, `pen`, `theme`: what they have in common, with the plots of a plan, too;
//! * `picture`: what plotters draws on, and its rendering as SVG and PNG.

pub(crate) mod axis;
pub(crate) mod chart;
mod columns;
pub(crate) mod ecdf;
mod gantt;
pub(crate) mod pen;
pub(crate) mod picture;
mod queue;
mod recorded;
pub(crate) mod scales;
pub(crate) mod theme;
mod utilisation;
mod waits;

pub(crate) use picture::{FONT_FACES, Picture};
pub(crate) use theme::FONT_FAMILY;

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
