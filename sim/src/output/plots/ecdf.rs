//! The empirical distribution of durations as a curve: for every duration the share of values that are no longer.

use yardmaster_engine::Span;

use super::area::Area;
use super::axis::Axis;
use super::picture::Picture;
use super::theme::{self, Colour, text_width};
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

    /// The value at a quantile in seconds, 0 without values.
    pub(super) fn quantile_seconds(&self, percent: usize) -> f64 {
        self.quantile(percent).as_seconds_f64()
    }

    fn quantile(&self, percent: usize) -> Span {
        nearest_rank(&self.ascending, percent).copied().unwrap_or_default()
    }

    /// Draws the curve, as steps from the left end of the area to its right end.
    pub(super) fn draw(&self, picture: &mut Picture, area: Area, x: &Axis, y: &Axis, colour: Colour, width: f64) {
        let count = self.ascending.len();
        let steps = count.min(POINTS_MAX);
        let mut points = vec![(area.left, area.bottom)];
        let mut level = area.bottom;
        for step in 1..=steps {
            let rank = (step * count).div_ceil(steps);
            let place = area.x(x, self.ascending[rank - 1].as_seconds_f64());
            points.push((place, level));
            level = area.y(y, rank as f64 / count as f64);
            points.push((place, level));
        }
        points.push((area.right, level));
        picture.line(&points, width, colour, false);
    }

    fn place(&self, area: Area, (x, y): (&Axis, &Axis), percent: usize) -> (f64, f64) {
        (area.x(x, self.quantile(percent).as_seconds_f64()), area.y(y, percent as f64 / 100.0))
    }
}

/// Marks quantiles on their curves and leads a line from each down to the axis, where its value stands to the right of
/// the line: there a distribution leaves room.
pub(super) fn draw_marks(picture: &mut Picture, area: Area, axes: (&Axis, &Axis), marks: &[Mark<'_>]) {
    let marks = || marks.iter().filter(|mark| mark.ecdf.len() > 0);
    for mark in marks() {
        let place = mark.ecdf.place(area, axes, mark.percent);
        picture.line(&[place, (place.0, area.bottom)], 1.0, mark.colour, true);
    }
    let style = theme::NOTE.bold();
    let labels: Vec<_> = marks()
        .map(|mark| {
            let label = format!("p{} {}", mark.percent, readable_duration(mark.ecdf.quantile(mark.percent).0));
            let width = text_width(&label, style);
            let (x, _) = mark.ecdf.place(area, axes, mark.percent);
            ((x + 6.0).min(area.right - width), area.bottom - 9.0 - mark.line * 17.0, width, label)
        })
        .collect();
    // A white ground beneath each label, so that neither lines nor curves run through the words.
    for (x, y, width, _) in &labels {
        picture.rectangle((x - 3.0, y - 12.0), (x + width + 3.0, y + 4.5), theme::WHITE);
    }
    for (mark, (x, y, _, label)) in marks().zip(&labels) {
        picture.text((*x, *y), label, style.coloured(mark.colour));
        picture.mark(mark.ecdf.place(area, axes, mark.percent), mark.colour);
    }
}

/// A quantile to mark.
#[derive(Clone, Copy)]
pub(super) struct Mark<'a> {
    pub(super) ecdf: &'a Ecdf,
    pub(super) percent: usize,
    pub(super) colour: Colour,
    /// In which line of text above the axis its value stands, counted upwards from 0.
    pub(super) line: f64,
}
