//! What one more of each resource would bring to the lab as it is.

use plotters::prelude::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{AFTER, RIGHT};
use crate::output::plots::Picture;
use crate::output::plots::axis::Axis;
use crate::output::plots::chart::{Room, axis_room, chart, place};
use crate::output::plots::pen::{Mark, Pen};
use crate::output::plots::picture::{Canvas, Drawn};
use crate::output::plots::theme::{self, BOTTOM, INK, QUIET_INK, fitted, text_width};
use crate::planning::report::words::more_jobs;
use crate::planning::result::{Gain, PlanResult};

/// Rows drawn at most: those that bring most.
const ROWS_MAX: usize = 30;
const ROW: u32 = 58;
/// The longest name of a resource.
const NAME: u32 = 900;

/// The picture; `None` where nothing was tried.
pub(super) fn picture(result: &PlanResult) -> Option<Picture> {
    let gains = &result.gains[..result.gains.len().min(ROWS_MAX)];
    if gains.is_empty() {
        return None;
    }
    let title = "What one more of each resource would bring";
    let mut explanation = format!(
        "Each bar is the lab as it is with one more of a resource: by how much the share of jobs on time is greater, with its \
         interval of {} %, and at the right how many more jobs that are in the time that was looked at. A bar whose interval \
         reaches over 0 is no gain that could be shown.",
        result.simulation.confidence * 100.0
    );
    if result.gains.len() > ROWS_MAX {
        let left_out = result.gains.len() - ROWS_MAX;
        explanation += &format!(" The {ROWS_MAX} greatest are shown; {left_out} more are in gains.csv.");
    }
    let height = gains.len() as u32 * ROW + BOTTOM;
    Some(Picture::new(("gains", title, explanation), height, |canvas| draw(canvas, gains)))
}

fn draw(canvas: &Canvas<'_>, gains: &[Gain]) -> Drawn {
    let names: Vec<String> = gains.iter().map(|gain| fitted(&gain.resource, &theme::axis(), NAME)).collect();
    let figures: Vec<String> = gains.iter().map(|gain| more_jobs(gain.jobs)).collect();
    let widest = figures.iter().map(|figure| text_width(figure, &theme::figure(INK))).max().unwrap_or_default();
    let room = Room { left: axis_room(&names), below: BOTTOM, right: RIGHT + widest + 30 };
    let points = |share: f64| share * 100.0;
    let ends = || gains.iter().flat_map(|gain| [gain.on_time.value, gain.on_time.low, gain.on_time.high]);
    let finite = || ends().filter(|end| end.is_finite()).map(points).chain([0.0]);
    let (low, high) = (finite().fold(0.0, f64::min), finite().fold(0.0, f64::max));
    let axis = Axis::of_figures("more jobs on time (percentage points)", low, high.max(low + 0.1));
    let chart = chart(canvas, room, axis, Axis::of_rows(names))?;
    let pen = Pen(canvas);
    let spot = |share: f64, row: f64| place(canvas, &chart, (points(share), row));
    for (row, (gain, figure)) in (0..).zip(gains.iter().zip(&figures)) {
        let row = f64::from(row);
        let found = gain.on_time;
        let shown = found.low > 0.0;
        let colour = if shown { AFTER } else { QUIET_INK };
        pen.rectangle([spot(0.0, row + 0.2), spot(found.value, row + 0.8)], colour.mix(0.35).filled())?;
        pen.line(&[spot(found.low, row + 0.5), spot(found.high, row + 0.5)], colour.stroke_width(4))?;
        pen.mark(Mark::Disc, spot(found.value, row + 0.5), 8, &colour)?;
        let right = (canvas.dim_in_pixel().0 - RIGHT) as i32;
        let style = theme::figure(INK).pos(Pos::new(HPos::Right, VPos::Center));
        pen.text(figure, (right, spot(0.0, row + 0.5).1 + theme::SINK), &style)?;
    }
    let zero = [0.0, gains.len() as f64].map(|row| spot(0.0, row));
    pen.line(&zero, INK.stroke_width(3))
}
