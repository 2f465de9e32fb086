//! How long jobs of each kind and class wait, before and after, with the bounds of the objectives.

use plotters::prelude::{Color, RGBColor};

use super::{CANVAS, RIGHT, colour};
use crate::output::plots::Picture;
use crate::output::plots::axis::Axis;
use crate::output::plots::chart::{Chart, Room, axis_room, chart, place};
use crate::output::plots::pen::{Legend, Mark, Pen, Sign};
use crate::output::plots::picture::{Canvas, Drawn};
use crate::output::plots::theme::{self, BOTTOM, INK, fitted};
use crate::planning::figures::WaitFigures;
use crate::planning::report::view::{details, same_jobs, set_name, shown_sets, wait_bounds};
use crate::planning::result::PlanResult;
use crate::planning::statistics::Estimate;

/// Rows drawn at most: those with the longest waits.
const ROWS_MAX: usize = 30;
/// Height of a plan's line in a row, and of what is between rows.
const LANE: u32 = 36;
const GAP: u32 = 22;
/// The longest name of a set of jobs.
const NAME: u32 = 660;
/// Which percentiles are marked, and how.
const MARKS: [(usize, &str, Mark, i32); 3] =
    [(0, "p50", Mark::Disc, 9), (1, "p90", Mark::Square, 8), (2, "p95", Mark::Diamond, 9)];

/// A set of jobs: its waits in each plan, and the bounds of its objectives.
struct Row<'a> {
    name: String,
    lanes: Vec<(RGBColor, Option<&'a WaitFigures>)>,
    bounds: Vec<f64>,
}

/// The picture; `None` without jobs that waited.
pub(super) fn picture(result: &PlanResult) -> Option<Picture> {
    let (sets, left_out) = shown_sets(result, ROWS_MAX);
    let row = |waits: &&WaitFigures| Row {
        name: fitted(&set_name(&waits.jobs), &theme::axis(), NAME),
        lanes: details(result).map(|(which, detail)| (colour(which), same_jobs(detail, &waits.jobs))).collect(),
        bounds: wait_bounds(result, &waits.jobs),
    };
    let is_known = |row: &Row<'_>| row.lanes.iter().flat_map(|lane| lane.1).any(|waits| waits.percentiles[0].is_some());
    let rows: Vec<Row<'_>> = sets.iter().map(row).filter(is_known).collect();
    let axis = axis(&rows)?;
    let title = "How long jobs wait, by kind of host and class";
    let mut explanation =
        "Each line is a set of jobs in one plan: the marks are the waits that 50, 90 and 95 in 100 of them \
                           do not exceed, the bars around them their intervals. Sets with the longest waits come first."
            .to_owned();
    if lanes(&rows).any(|waits| MARKS.iter().filter_map(|mark| waits.percentiles[mark.0]).any(is_open)) {
        explanation += " A bar that reaches the right end has none: these replications do not tell how long the waits \
                        may be, or jobs may never start.";
    }
    if left_out > 0 {
        explanation += &format!(" The {ROWS_MAX} with the longest waits are shown; {left_out} more are in waits.csv.");
    }
    let height = rows.len() as u32 * row_height(result) + BOTTOM;
    let names: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
    let room = Room { left: axis_room(&names), below: BOTTOM, right: RIGHT + 60 };
    let legend = Legend::new((CANVAS - room.left - RIGHT) as i32, legend(result, &rows));
    Some(Picture::new(("waits", title, explanation), height + legend.height(), |canvas| {
        let chart = chart(&canvas.split_vertically(height).0, room, axis, Axis::of_rows(names))?;
        for (number, row) in (0..).zip(&rows) {
            draw_row(canvas, &chart, f64::from(number), row)?;
        }
        legend.draw(&Pen(canvas), (room.left as i32, height as i32))
    }))
}

fn row_height(result: &PlanResult) -> u32 {
    details(result).count() as u32 * LANE + GAP
}

fn lanes<'a>(rows: &[Row<'a>]) -> impl Iterator<Item = &'a WaitFigures> {
    rows.iter().flat_map(|row| &row.lanes).filter_map(|(_, waits)| *waits)
}

/// Whether these replications do not tell how long a wait is at most.
fn is_open(found: Estimate) -> bool {
    found.value.is_finite() && found.high.is_infinite()
}

/// From the shortest to the longest of all marks and bounds; `None` without any.
fn axis(rows: &[Row<'_>]) -> Option<Axis> {
    let estimates: Vec<Estimate> =
        lanes(rows).flat_map(|waits| MARKS.map(|mark| waits.percentiles[mark.0])).flatten().collect();
    if estimates.is_empty() {
        return None;
    }
    let bounds = rows.iter().flat_map(|row| row.bounds.iter().copied());
    let lows = estimates.iter().map(|estimate| estimate.low).filter(|low| *low > 0.0);
    let ends = estimates.iter().flat_map(|estimate| [estimate.value, estimate.high]).chain(lows);
    let values: Vec<f64> = ends.chain(bounds).filter(|value| value.is_finite()).collect();
    let (low, high) =
        values.iter().fold((f64::INFINITY, 1.0_f64), |(low, high), value| (low.min(*value), high.max(*value)));
    let never = estimates.iter().any(|estimate| estimate.value.is_infinite() || estimate.high.is_infinite());
    let title = "wait from submission to start (logarithmic)";
    Some(Axis::of_waits(title, if low.is_finite() { low } else { 1.0 }, high, never))
}

fn legend(result: &PlanResult, rows: &[Row<'_>]) -> Vec<(Sign, String)> {
    let plans = details(result).map(|(which, _)| (Sign::Line(colour(which)), which.words(result).to_owned()));
    let marks = MARKS.map(|(_, name, mark, size)| (Sign::Mark(mark, INK, size), name.to_owned()));
    let mut entries: Vec<(Sign, String)> = plans.chain(marks).collect();
    if rows.iter().any(|row| !row.bounds.is_empty()) {
        entries.push((Sign::Dashes(INK), "bound of an objective".to_owned()));
    }
    entries
}

fn draw_row(canvas: &Canvas<'_>, chart: &Chart<'_>, number: f64, row: &Row<'_>) -> Drawn {
    let pen = Pen(canvas);
    for bound in &row.bounds {
        let ends = [number + 0.06, number + 0.94].map(|y| place(canvas, chart, (*bound, y)));
        pen.dashes(&ends, INK.stroke_width(4))?;
    }
    let height = row.lanes.len() as u32 * LANE + GAP;
    for (lane, (colour, waits)) in (0..).zip(&row.lanes) {
        let y = number + f64::from(GAP / 2 + lane * LANE + LANE / 2) / f64::from(height);
        let spot = |seconds: f64| place(canvas, chart, (seconds, y));
        let marks: Vec<(Estimate, Mark, i32)> = MARKS
            .into_iter()
            .filter_map(|(index, _, mark, size)| Some((waits.as_ref()?.percentiles[index]?, mark, size)))
            .collect();
        pen.line(&marks.iter().map(|(found, ..)| spot(found.value)).collect::<Vec<_>>(), colour.stroke_width(3))?;
        for (found, _, _) in &marks {
            pen.line(&[spot(found.low.max(0.0)), spot(found.high)], colour.mix(0.35).stroke_width(12))?;
        }
        for (found, mark, size) in &marks {
            pen.mark(*mark, spot(found.value), *size, colour)?;
        }
    }
    Ok(())
}
