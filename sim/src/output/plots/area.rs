//! The plotting area: its place in the picture, and the axes, titles and legends around it.

use super::axis::Axis;
use super::picture::{Anchor, Picture};
use super::theme::{self, AXIS, Colour, GRID, text_width};

/// A rectangle of a picture in which values are drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

/// How a legend shows a thing: a filled square or a piece of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Swatch {
    Fill(Colour),
    Line(Colour),
}

impl Area {
    pub(super) fn x(&self, axis: &Axis, value: f64) -> f64 {
        self.left + axis.position(value) * (self.right - self.left)
    }

    pub(super) fn y(&self, axis: &Axis, value: f64) -> f64 {
        self.bottom - axis.position(value) * (self.bottom - self.top)
    }

    /// The area's left edge as a line.
    pub(super) fn draw_left_edge(&self, picture: &mut Picture) {
        picture.line(&[(self.left, self.top), (self.left, self.bottom)], 1.0, AXIS, false);
    }

    /// Grid, ticks and title below the area.
    pub(super) fn draw_x_axis(&self, picture: &mut Picture, axis: &Axis) {
        let mut free_from = f64::MIN;
        for (value, label) in &axis.ticks {
            let x = self.x(axis, *value);
            picture.line(&[(x, self.top), (x, self.bottom)], 1.0, GRID, false);
            // Ticks at the ends may be close to their neighbours: a label without room is left out.
            let half = text_width(label, theme::TICK) / 2.0;
            if x - half > free_from {
                let inside = x.min(picture.width - half - 2.0);
                picture.text((inside, self.bottom + 17.0), label, theme::TICK);
                free_from = x + half + 8.0;
            }
        }
        picture.line(&[(self.left, self.bottom), (self.right, self.bottom)], 1.0, AXIS, false);
        let middle = (self.left + self.right) / 2.0;
        picture.text((middle, self.bottom + 39.0), &axis.title, theme::AXIS_TITLE);
    }

    /// Vertical grid lines only, for an area whose axis is drawn below another one.
    pub(super) fn draw_x_grid(&self, picture: &mut Picture, axis: &Axis) {
        for (value, _) in &axis.ticks {
            let x = self.x(axis, *value);
            picture.line(&[(x, self.top), (x, self.bottom)], 1.0, GRID, false);
        }
        picture.line(&[(self.left, self.bottom), (self.right, self.bottom)], 1.0, AXIS, false);
    }

    /// Grid, ticks and turned title to the left of the area.
    pub(super) fn draw_y_axis(&self, picture: &mut Picture, axis: &Axis) {
        for (value, label) in &axis.ticks {
            let y = self.y(axis, *value);
            if *value > axis.low {
                picture.line(&[(self.left, y), (self.right, y)], 1.0, GRID, false);
            }
            picture.text((self.left - 8.0, y + 4.2), label, theme::TICK.anchored(Anchor::End));
        }
        let middle = (self.top + self.bottom) / 2.0;
        picture.turned_text((20.0, middle), &axis.title, theme::AXIS_TITLE, -90);
    }
}

/// The picture's heading.
pub(super) fn draw_title(picture: &mut Picture) {
    let title = theme::fitted(&picture.title, theme::TITLE, picture.width - 40.0);
    picture.text((20.0, 28.0), &title, theme::TITLE);
}

/// The legend's entries from the first on that fit into one row from `x` on.
pub(super) fn fitting(picture: &Picture, mut x: f64, entries: &[(Swatch, String)]) -> usize {
    let fits = |(_, label): &&(Swatch, String)| {
        x += 19.0 + text_width(label, theme::LEGEND) + 20.0;
        x < picture.width
    };
    entries.iter().take_while(fits).count()
}

/// A row of legend entries from `x` on, `y` being their baseline.
pub(super) fn draw_legend(picture: &mut Picture, (mut x, y): (f64, f64), entries: &[(Swatch, String)]) {
    for (swatch, label) in &entries[..fitting(picture, x, entries)] {
        match *swatch {
            Swatch::Fill(colour) => picture.rectangle((x, y - 10.0), (x + 12.0, y + 1.0), colour),
            Swatch::Line(colour) => picture.line(&[(x - 2.0, y - 4.5), (x + 14.0, y - 4.5)], 2.5, colour, false),
        }
        picture.text((x + 19.0, y), label, theme::LEGEND);
        x += 19.0 + text_width(label, theme::LEGEND) + 20.0;
    }
}
