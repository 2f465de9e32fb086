//! The empirical distribution of waits as a curve: for every wait the share of values that are no longer.

use plotters::element::DashedPathElement;
use plotters::prelude::{Circle, Color, EmptyElement, LineSeries, RGBColor, Rectangle, Text, WHITE};
use yardmaster_engine::Span;

use super::axis::Axis;
use super::chart::{Chart, Key, Room, chart, draw_legend, legend_room};
use super::picture::{Canvas, Drawn};
use super::theme::{self, BOTTOM, LEFT, text_width};
use crate::output::duration::readable_duration;
use crate::output::quantiles::nearest_rank;

/// Points of a curve at most; more would lie within the same pixels.
const POINTS_MAX: usize = 1000;

/// Sorted values and their curve.
pub(super) struct Ecdf {
    ascending: Vec<Span>,
}

impl Ecdf {
    pub(super) fn of(values: impl Iterator<Item = Span>) -> Ecdf {
        let mut ascending: Vec<Span> = values.collect();
        ascending.sort_unstable();
        Ecdf { ascending }
    }

    pub(super) fn len(&self) -> usize {
        self.ascending.len()
    }

    /// The value at a quantile, 0 without values.
    fn quantile(&self, percent: usize) -> Span {
        nearest_rank(&self.ascending, percent).copied().unwrap_or_default()
    }

    /// The curve, as steps from the left end of the chart to its right end.
    fn curve(&self) -> Vec<(f64, f64)> {
        let count = self.ascending.len();
        let steps = count.min(POINTS_MAX);
        let mut points = vec![(0.0, 0.0)];
        let mut level = 0.0;
        for step in 1..=steps {
            let rank = (step * count).div_ceil(steps);
            let wait = self.ascending[rank - 1].as_seconds_f64();
            points.push((wait, level));
            level = rank as f64 / count as f64;
            points.push((wait, level));
        }
        points.push((f64::MAX, level));
        points
    }
}

/// A curve to draw.
pub(super) struct Curve<'a> {
    pub(super) ecdf: &'a Ecdf,
    pub(super) label: String,
    pub(super) colour: RGBColor,
    pub(super) width: u32,
    /// Quantiles to mark, in percent, and the line of text above the axis in which the value of each stands, counted
    /// upwards from 0.
    pub(super) marks: &'static [(usize, i32)],
}

/// Draws the curves, the first on top, with marks and legend.
pub(super) fn draw_waits(canvas: &Canvas<'_>, curves: &[Curve<'_>]) -> Drawn {
    let seconds = |curve: &Curve<'_>, percent| curve.ecdf.quantile(percent).as_seconds_f64();
    // To the right of every mark there must be room for its label.
    let room =
        |curve: &Curve<'_>| seconds(curve, 100).max(seconds(curve, curve.marks.last().map_or(0, |mark| mark.0)) * 6.0);
    let x =
        Axis::of_durations("wait from submission to start (logarithmic)", curves.iter().map(room).fold(0.0, f64::max));
    let keys: Vec<Key> = curves.iter().map(|curve| Key::Line(curve.label.clone(), curve.colour)).collect();
    let room = Room { left: LEFT, below: BOTTOM, right: legend_room(&keys) };
    let mut chart = chart(canvas, room, x, Axis::of_shares("share of jobs started"))?;
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
    let marks = curves.iter().filter(|curve| curve.ecdf.len() > 0).flat_map(|curve| {
        curve.marks.iter().map(|&(percent, line)| (percent, line, curve.ecdf.quantile(percent), curve.colour))
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
            .any(|other| other.marks.iter().any(|mark| mark.0 == percent) && other.ecdf.quantile(percent) > wait);
        let room = area.map_coordinate(&place(percent, wait)).0 - area.get_pixel_range().0.start;
        let left = if is_lesser && room > width + 20 { -width - 12 } else { 12 };
        // A white ground beneath the label, so that neither lines nor curves run through the words.
        let ground = Rectangle::new([(left - 6, top - 2), (left + width + 4, top + 30)], WHITE.filled());
        let (x, y) = place(percent, wait);
        area.draw(&(EmptyElement::at((x, 0.0)) + ground + Text::new(label, (left, top), style)))?;
        let (rim, centre) = (Circle::new((0, 0), 12, WHITE.filled()), Circle::new((0, 0), 9, colour.filled()));
        area.draw(&(EmptyElement::at((x, y)) + rim + centre))?;
    }
    Ok(())
}
