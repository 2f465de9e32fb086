//! The empirical distribution of waits as a curve: for every wait the share of values that are no longer.

use plotters::element::DashedPathElement;
use plotters::prelude::{
    Cartesian2d, Circle, Color, DrawingArea, EmptyElement, LineSeries, RGBColor, Rectangle, SVGBackend, Text, WHITE,
};
use yardmaster_engine::Span;

use super::axis::Axis;
use super::chart::{Chart, Key, Room, chart, draw_legend, legend_room};
use super::picture::{Canvas, Drawn};
use super::theme::{self, BOTTOM, INK, LEFT, text_width};
use crate::output::duration::readable_duration;

/// Points of a curve at most; more would lie within the same pixels.
const POINTS_MAX: usize = 1000;

/// Values, how often each occurs, and their curve.
pub(crate) struct Ecdf {
    /// Ascending, each with how many values are no greater.
    reached: Vec<(Span, u64)>,
    /// How many there are, with those that are beyond all others.
    count: u64,
}

impl Ecdf {
    pub(crate) fn of(values: impl Iterator<Item = Span>) -> Ecdf {
        let mut ascending: Vec<Span> = values.collect();
        ascending.sort_unstable();
        let counts = ascending.chunk_by(|one, next| one == next).map(|same| (same[0], same.len() as u64));
        Ecdf::of_counts(counts, 0)
    }

    /// Of ascending values, each as often as it says, and `never` more that are beyond all of them: waits without end.
    pub(crate) fn of_counts(ascending: impl Iterator<Item = (Span, u64)>, never: u64) -> Ecdf {
        let add = |sum: &mut u64, (value, count): (Span, u64)| {
            *sum += count;
            Some((value, *sum))
        };
        let reached: Vec<(Span, u64)> = ascending.scan(0, add).collect();
        let count = reached.last().map_or(0, |(_, sum)| *sum) + never;
        Ecdf { reached, count }
    }

    pub(crate) fn len(&self) -> usize {
        self.count as usize
    }

    /// The value of this rank, counted from 1; `None` where it is beyond all values.
    fn of_rank(&self, rank: u64) -> Option<Span> {
        let place = self.reached.partition_point(|(_, sum)| *sum < rank);
        self.reached.get(place).map(|(value, _)| *value)
    }

    /// The value at a quantile by nearest rank; `None` without values, and where it is beyond all of them.
    fn quantile(&self, percent: usize) -> Option<Span> {
        let rank = (self.count as usize * percent).div_ceil(100).max(1);
        self.of_rank(rank as u64)
    }

    /// The curve, as steps from the left end of the chart to its right end.
    fn curve(&self) -> Vec<(f64, f64)> {
        let count = self.reached.last().map_or(0, |(_, sum)| *sum as usize);
        let steps = count.min(POINTS_MAX);
        let mut points = vec![(0.0, 0.0)];
        let mut level = 0.0;
        for step in 1..=steps {
            let rank = (step * count).div_ceil(steps);
            let wait = self.of_rank(rank as u64).unwrap_or_default().as_seconds_f64();
            points.push((wait, level));
            level = rank as f64 / self.count as f64;
            points.push((wait, level));
        }
        points.push((f64::MAX, level));
        points
    }
}

/// A curve to draw.
pub(crate) struct Curve<'a> {
    pub(crate) ecdf: &'a Ecdf,
    pub(crate) label: String,
    pub(crate) colour: RGBColor,
    pub(crate) width: u32,
    /// Quantiles to mark, in percent, and the line of text above the axis in which the value of each stands, counted
    /// upwards from 0.
    pub(crate) marks: &'static [(usize, i32)],
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Cartesian2d<Axis, Axis>>;

/// Draws the curves, the first on top, with marks and legend; and a line at the wait in seconds that is not to be exceeded, if
/// there is one.
pub(crate) fn draw_waits(canvas: &Canvas<'_>, curves: &[Curve<'_>], bound: Option<f64>) -> Drawn {
    let seconds = |curve: &Curve<'_>, percent| {
        let last = || curve.ecdf.reached.last().map_or(Span::ZERO, |(wait, _)| *wait);
        curve.ecdf.quantile(percent).unwrap_or_else(last).as_seconds_f64()
    };
    // To the right of every mark there must be room for its label.
    let room =
        |curve: &Curve<'_>| seconds(curve, 100).max(seconds(curve, curve.marks.last().map_or(0, |mark| mark.0)) * 6.0);
    let x = Axis::of_durations(
        "wait from submission to start (logarithmic)",
        curves.iter().map(room).fold(bound.unwrap_or(0.0), f64::max),
    );
    let mut keys: Vec<Key> = curves.iter().map(|curve| Key::Line(curve.label.clone(), curve.colour)).collect();
    keys.extend(bound.map(|seconds| Key::Line(format!("bound: {}", readable_duration((seconds * 1e6) as i64)), INK)));
    let room = Room { left: LEFT, below: BOTTOM, right: legend_room(&keys) };
    let mut chart = chart(canvas, room, x, Axis::of_shares("share of jobs started"))?;
    if let Some(seconds) = bound {
        chart.draw_series(LineSeries::new([(seconds, 0.0), (seconds, 1.0)], INK.stroke_width(3)))?;
    }
    for curve in curves.iter().rev() {
        chart.draw_series(LineSeries::new(curve.ecdf.curve(), curve.colour.stroke_width(curve.width)))?;
    }
    draw_marks(&chart, curves)?;
    draw_legend(canvas, room, &keys)
}

/// Marks quantiles on their curves and leads a line from each down to the axis, where its value stands to the right of
/// the line: there a distribution leaves room. Of two marks at one height, the lesser has its value to the left, if there
/// is room, so that it does not cover the curve of the other.
fn draw_marks(chart: &Chart<'_>, curves: &[Curve<'_>]) -> Drawn {
    let area = chart.plotting_area();
    let marks = curves.iter().flat_map(|curve| {
        let mark = |&(percent, line)| Some((percent, line, curve.ecdf.quantile(percent)?, curve.colour));
        curve.marks.iter().filter_map(mark)
    });
    let place = |percent, wait: Span| (wait.as_seconds_f64(), percent as f64 / 100.0);
    for (percent, _, wait, colour) in marks.clone() {
        let (x, y) = place(percent, wait);
        area.draw(&DashedPathElement::new([(x, y), (x, 0.0)], 10, 8, colour.stroke_width(2)))?;
    }
    for (percent, line, wait, colour) in marks {
        let (style, top) = (theme::figure(colour), -(line + 1) * 34 - 8);
        let label = format!("p{percent} {}", readable_duration(wait.0));
        let width = text_width(&label, &style) as i32;
        let is_lesser = curves
            .iter()
            .any(|other| other.marks.iter().any(|mark| mark.0 == percent) && other.ecdf.quantile(percent) > Some(wait));
        let room = area.map_coordinate(&place(percent, wait)).0 - area.get_pixel_range().0.start;
        let (foot, left_of) = (area.map_coordinate(&(wait.as_seconds_f64(), 0.0)), -width - 12);
        let covered = |left: i32| {
            let corners = [(foot.0 + left, foot.1 + top), (foot.0 + left + width, foot.1 + top + 30)];
            curves.iter().map(|curve| steps_within(area, curve, corners)).sum::<usize>()
        };
        let left = if is_lesser && room > width + 20 && covered(left_of) <= covered(12) { left_of } else { 12 };
        // A white ground beneath the label, so that neither lines nor curves run through the words.
        let ground = Rectangle::new([(left - 6, top - 2), (left + width + 4, top + 30)], WHITE.filled());
        let (x, y) = place(percent, wait);
        area.draw(&(EmptyElement::at((x, 0.0)) + ground + Text::new(label, (left, top), style)))?;
        let (rim, centre) = (Circle::new((0, 0), 12, WHITE.filled()), Circle::new((0, 0), 9, colour.filled()));
        area.draw(&(EmptyElement::at((x, y)) + rim + centre))?;
    }
    Ok(())
}

/// How many steps of a curve run through the field between two corners, given in units of the picture.
fn steps_within(area: &Area<'_>, curve: &Curve<'_>, [(left, top), (right, bottom)]: [(i32, i32); 2]) -> usize {
    let spots: Vec<(i32, i32)> = curve.ecdf.curve().iter().map(|point| area.map_coordinate(point)).collect();
    let through = |pair: &&[(i32, i32)]| {
        let [(x, y), (to_x, to_y)] = [pair[0], pair[1]];
        x.min(to_x) < right && left < x.max(to_x) + 1 && y.min(to_y) < bottom && top < y.max(to_y) + 1
    };
    spots.windows(2).filter(through).count()
}
