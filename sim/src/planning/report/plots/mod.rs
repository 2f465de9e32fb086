//! The pictures of a plan, each a function from its result alone.
//!
//! * `tradeoff`: cost against the share of jobs on time, of all plans;
//! * `heat_map`: that share for two changes against each other;
//! * `waits`, `distribution`: how long jobs wait, before and after;
//! * `week`: hosts in use and the queue over a typical week;
//! * `stacked`: bars in parts, for what waits are owed to and what hosts do;
//! * `gains`: what one more of each resource would bring.

mod distribution;
mod gains;
mod heat_map;
mod stacked;
mod tradeoff;
mod waits;
mod week;

use plotters::prelude::RGBColor;

use super::view::Which;
use crate::output::plots::Picture;
use crate::output::plots::theme::{BLUE, MARGIN, VERMILION, WIDTH};
use crate::planning::result::PlanResult;

/// Names of all pictures that a plan may have.
pub(super) const NAMES: [&str; 8] =
    ["tradeoff", "heat_map", "waits", "distribution", "week", "causes", "gains", "hosts"];

/// Width of the canvas of a picture.
const CANVAS: u32 = WIDTH - MARGIN;
/// Room to the right of charts that have nothing there.
const RIGHT: u32 = 2 * MARGIN;

/// How things are, and the answer.
const BEFORE: RGBColor = VERMILION;
const AFTER: RGBColor = BLUE;

fn colour(which: Which) -> RGBColor {
    match which {
        Which::Before => BEFORE,
        Which::After => AFTER,
    }
}

/// The pictures, in the order in which a reader wants them. Those that would show nothing are left out.
pub(super) fn pictures(result: &PlanResult) -> Vec<Picture> {
    let pictures = [
        tradeoff::picture(result),
        heat_map::picture(result),
        waits::picture(result),
        distribution::picture(result),
        week::picture(result),
        stacked::causes(result),
        gains::picture(result),
        stacked::hosts(result),
    ];
    pictures.into_iter().flatten().collect()
}
