//! What a plan costs, and how many jobs are on time with it.

use plotters::prelude::{Color, RGBColor};

use super::{AFTER, BEFORE, CANVAS, RIGHT};
use crate::output::plots::Picture;
use crate::output::plots::axis::Axis;
use crate::output::plots::chart::{Chart, Room, chart, place};
use crate::output::plots::pen::{Field, Labels, Legend, Mark, Pen, Sign, Spot};
use crate::output::plots::picture::{Canvas, Drawn};
use crate::output::plots::theme::{AXIS, BOTTOM, GREEN, GREY, INK, LEFT, PURPLE};
use crate::planning::report::view::{Which, cost_title};
use crate::planning::result::{PlanResult, PointResult, plain};
use crate::planning::statistics::Estimate;

const CHART: u32 = 860;

/// A plan with its place.
struct Plan<'a> {
    index: usize,
    point: &'a PointResult,
    /// `None`: a queue grows without bound, and no share means anything; it stands at the bottom.
    on_time: Option<Estimate>,
}

impl Plan<'_> {
    fn place(&self) -> (f64, f64) {
        // What is below the axis stands at its end.
        (self.point.cost, self.on_time.map_or(0.0, |share| share.value))
    }

    fn look(&self) -> (Mark, RGBColor, i32) {
        match (self.point.unstable.is_empty(), self.point.suffices) {
            (false, _) => (Mark::Cross, PURPLE, 8),
            (true, true) => (Mark::Disc, GREEN, 9),
            (true, false) => (Mark::Disc, AXIS, 8),
        }
    }
}

/// The picture; `None` unless at least two plans have a share of jobs on time.
pub(super) fn picture(result: &PlanResult) -> Option<Picture> {
    let with_share = |(index, point): (usize, _)| {
        let plan = Plan { index, point, on_time: point.on_time };
        (plan.on_time.is_some() || !point.unstable.is_empty()).then_some(plan)
    };
    let plans = result.points.iter().enumerate().filter(|(_, point)| !result.is_probe(point));
    let plans: Vec<Plan<'_>> = plans.filter_map(with_share).filter(|plan| plan.point.cost.is_finite()).collect();
    if plans.len() < 2 || plans.iter().all(|plan| plan.on_time.is_none()) {
        return None;
    }
    let title = "What plans cost, and how many jobs are on time";
    let mut explanation = format!(
        "Each mark is a plan that was tried: across what it costs compared with the lab as it is, upwards the share of all \
         jobs of the objectives that were on time, with its interval of {} %.",
        result.simulation.confidence * 100.0
    );
    explanation += match result.path.len() {
        0 | 1 => "",
        _ => " The line leads from the lab as it is to the plan that was found, one step after the other.",
    };
    explanation += " Where each kind or class has an objective of its own, a high share of all jobs may still leave one of \
                    them unmet: only green plans meet all.";
    let legend = Legend::new((CANVAS - LEFT - RIGHT) as i32, legend(result, &plans));
    Some(Picture::new(("tradeoff", title, explanation), CHART + legend.height(), |canvas| {
        draw(canvas, result, &plans)?;
        legend.draw(&Pen(canvas), (LEFT as i32, CHART as i32))
    }))
}

fn legend(result: &PlanResult, plans: &[Plan<'_>]) -> Vec<(Sign, String)> {
    let sign = |mark, colour, size| Sign::Mark(mark, colour, size);
    let mut entries = vec![(sign(Mark::Diamond, BEFORE, 13), Which::Before.words(result).to_owned())];
    if result.chosen() != result.base {
        entries.push((sign(Mark::Diamond, AFTER, 13), Which::After.words(result).to_owned()));
    }
    if result.path.len() > 1 {
        entries.push((Sign::Line(INK), "step by step".to_owned()));
    }
    let has = |look: (Mark, RGBColor, i32)| plans.iter().any(|plan| plan.look() == look);
    for (look, label) in [
        ((Mark::Disc, GREEN, 9), "meets all objectives"),
        ((Mark::Disc, AXIS, 8), "not shown to meet all"),
        ((Mark::Cross, PURPLE, 8), "a queue grows without bound (at the bottom: no share to tell)"),
    ] {
        if has(look) {
            entries.push((sign(look.0, look.1, look.2), label.to_owned()));
        }
    }
    entries
}

fn draw(canvas: &Canvas<'_>, result: &PlanResult, plans: &[Plan<'_>]) -> Drawn {
    let costs = || plans.iter().map(|plan| plan.point.cost);
    let (low, high) = (costs().fold(f64::INFINITY, f64::min), costs().fold(f64::NEG_INFINITY, f64::max));
    let lowest = plans.iter().filter_map(|plan| Some(plan.on_time?.value)).fold(1.0, f64::min);
    // The intervals of the plans that are named are shown whole.
    let is_named = |plan: &&Plan<'_>| [result.base, result.chosen()].contains(&plan.index);
    let ends = plans.iter().filter(is_named).filter_map(|plan| Some(plan.on_time?.low)).filter(|low| low.is_finite());
    let lowest = ends.fold(lowest - 0.02, f64::min);
    let x = Axis::of_figures(&cost_title(result, "cost compared with the lab as it is"), low, high);
    let y = Axis::of_high_shares("jobs on time", lowest);
    let room = Room { left: LEFT, below: BOTTOM, right: RIGHT };
    let chart = chart(&canvas.split_vertically(CHART).0, room, x, y)?;
    let pen = Pen(canvas);
    for plan in plans {
        interval(&pen, canvas, &chart, plan, GREY, 2)?;
    }
    let of_index = |index: &usize| plans.iter().find(|plan| plan.index == *index);
    let path: Vec<&Plan<'_>> = result.path.iter().filter_map(of_index).collect();
    let spot = |plan: &Plan<'_>| place(canvas, &chart, plan.place());
    pen.line(&path.iter().map(|plan| spot(plan)).collect::<Vec<_>>(), INK.stroke_width(4))?;
    for plan in plans {
        let (mark, colour, size) = plan.look();
        pen.mark(mark, spot(plan), size, &colour.mix(0.75))?;
    }
    for plan in &path {
        let (mark, colour, size) = plan.look();
        pen.mark(mark, spot(plan), size + 2, &colour)?;
    }
    let mut named: Vec<(&Plan<'_>, Which, RGBColor)> = Vec::new();
    named.extend(of_index(&result.base).map(|plan| (plan, Which::Before, BEFORE)));
    if result.chosen() != result.base {
        named.extend(of_index(&result.chosen()).map(|plan| (plan, Which::After, AFTER)));
    }
    for (plan, _, colour) in &named {
        interval(&pen, canvas, &chart, plan, *colour, 5)?;
        pen.mark(Mark::Diamond, spot(plan), 13, colour)?;
    }
    let mut labels = Labels::new(inside(canvas, &chart), plans.iter().map(spot).collect());
    labels.avoid_line(&path.iter().map(|plan| spot(plan)).collect::<Vec<_>>());
    for (plan, ..) in &named {
        let ends = plan.on_time.into_iter().flat_map(|share| [share.low, share.high]);
        labels.avoid_line(&ends.map(|share| place(canvas, &chart, (plan.point.cost, share))).collect::<Vec<_>>());
    }
    for (plan, which, colour) in named {
        let text = label(result, plan, which);
        labels.draw(&pen, &text, spot(plan), colour)?;
    }
    Ok(())
}

fn label(result: &PlanResult, plan: &Plan<'_>, which: Which) -> String {
    let share = match plan.on_time {
        Some(share) => format!("{:.1} % on time", share.value * 100.0),
        None => "a queue grows without bound".to_owned(),
    };
    match which {
        Which::Before => format!("{}: {share}", which.words(result)),
        Which::After => format!("{}: {} {}, {share}", which.words(result), plain(plan.point.cost), result.unit),
    }
}

fn interval(
    pen: &Pen<'_, '_>,
    canvas: &Canvas<'_>,
    chart: &Chart<'_>,
    plan: &Plan<'_>,
    colour: RGBColor,
    width: u32,
) -> Drawn {
    let Some(Estimate { low, high, .. }) = plan.on_time else { return Ok(()) };
    let end = |share| place(canvas, chart, (plan.point.cost, share));
    pen.line(&[end(low), end(high)], colour.stroke_width(width))
}

/// The field that a chart's values may take.
fn inside(canvas: &Canvas<'_>, chart: &Chart<'_>) -> Field {
    let ((left, top), (across, down)) = (canvas.get_base_pixel(), chart.plotting_area().get_pixel_range());
    let corner = |x: i32, y: i32| -> Spot { (x - left, y - top) };
    let ((left, top), (right, bottom)) = (corner(across.start, down.start), corner(across.end, down.end));
    Field { left, top, right, bottom }
}
