//! Drawing on a canvas by its own units, for what a chart of plotters does not have: marks, labels that make room for each
//! other, legends below.

use plotters::element::DashedPathElement;
use plotters::prelude::{Circle, Color, PathElement, Polygon, RGBColor, Rectangle, ShapeStyle, TextStyle, WHITE};

use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::picture::{Canvas, Drawn};
use super::theme::{self, INK, fitted, text_width};

/// A place on a canvas, from its left upper corner.
pub(crate) type Spot = (i32, i32);

/// What marks a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Disc,
    Square,
    Diamond,
    Cross,
}

/// An entry of a legend below a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Line(RGBColor),
    Dashes(RGBColor),
    Fill(RGBColor),
    Outline(RGBColor),
    Mark(Mark, RGBColor, i32),
}

/// Draws on a canvas.
pub(crate) struct Pen<'a, 'b>(pub(crate) &'a Canvas<'b>);

impl Pen<'_, '_> {
    pub(crate) fn line(&self, spots: &[Spot], style: impl Into<ShapeStyle>) -> Drawn {
        self.0.draw(&PathElement::new(spots.to_vec(), style))
    }

    pub(crate) fn dashes(&self, spots: &[Spot], style: ShapeStyle) -> Drawn {
        self.0.draw(&DashedPathElement::new(spots.to_vec(), 12, 9, style))
    }

    pub(crate) fn rectangle(&self, corners: [Spot; 2], style: impl Into<ShapeStyle>) -> Drawn {
        self.0.draw(&Rectangle::new(corners, style))
    }

    /// A frame of so many units, its middle along the edges. (plotters' own rectangles know no width of strokes.)
    pub(crate) fn frame(&self, [(left, top), (right, bottom)]: [Spot; 2], colour: RGBColor, width: u32) -> Drawn {
        let half = width as i32 / 2;
        let edges = [(left - half, top), (right, top), (right, bottom), (left, bottom), (left, top)];
        self.line(&edges, colour.stroke_width(width))
    }

    pub(crate) fn text(&self, text: &str, spot: Spot, style: &TextStyle<'_>) -> Drawn {
        self.0.draw_text(text, style, spot)
    }

    /// A mark of so many units from its centre to its rim, with a hair of white around it.
    pub(crate) fn mark(&self, mark: Mark, (x, y): Spot, size: i32, colour: &impl Color) -> Drawn {
        let style = ShapeStyle::from(colour);
        let diamond =
            |size: i32| Polygon::new(vec![(x - size, y), (x, y - size), (x + size, y), (x, y + size)], WHITE.filled());
        match mark {
            Mark::Disc => {
                self.0.draw(&Circle::new((x, y), size + 2, WHITE.filled()))?;
                self.0.draw(&Circle::new((x, y), size, style.filled()))
            }
            Mark::Square => {
                self.rectangle([(x - size - 2, y - size - 2), (x + size + 2, y + size + 2)], WHITE.filled())?;
                self.rectangle([(x - size, y - size), (x + size, y + size)], style.filled())
            }
            Mark::Diamond => {
                self.0.draw(&diamond(size + 5))?;
                let spots = vec![(x - size - 2, y), (x, y - size - 2), (x + size + 2, y), (x, y + size + 2)];
                self.0.draw(&Polygon::new(spots, style.filled()))
            }
            Mark::Cross => {
                self.line(&[(x - size, y - size), (x + size, y + size)], style.stroke_width(4))?;
                self.line(&[(x - size, y + size), (x + size, y - size)], style.stroke_width(4))
            }
        }
    }

    fn sign(&self, sign: Sign, (x, y): Spot) -> Drawn {
        match sign {
            Sign::Line(colour) => self.line(&[(x, y), (x + 30, y)], colour.stroke_width(5)),
            Sign::Dashes(colour) => self.dashes(&[(x, y), (x + 33, y)], colour.stroke_width(4)),
            Sign::Fill(colour) => self.rectangle([(x + 3, y - 12), (x + 27, y + 12)], colour.filled()),
            Sign::Outline(colour) => self.frame([(x + 3, y - 12), (x + 27, y + 12)], colour, 6),
            Sign::Mark(mark, colour, size) => self.mark(mark, (x + 15, y), size, &colour),
        }
    }
}

/// Room for a sign, between entries, and for a line of them.
const SIGN: i32 = 44;
const GAP: i32 = 44;
const LINE: i32 = 44;
/// Room above it.
const ABOVE: i32 = 26;

/// A legend below a chart: its entries side by side, in as many lines as they need.
pub(crate) struct Legend {
    entries: Vec<(Sign, String, Spot)>,
    height: i32,
}

impl Legend {
    /// A legend of this width.
    pub(crate) fn new(width: i32, entries: Vec<(Sign, String)>) -> Legend {
        let style = theme::legend();
        let (mut x, mut y) = (0, 0);
        let mut placed = Vec::new();
        for (sign, label) in entries {
            let label = fitted(&label, &style, (width - SIGN).max(1) as u32);
            let length = SIGN + text_width(&label, &style) as i32;
            if x > 0 && x + length > width {
                (x, y) = (0, y + LINE);
            }
            placed.push((sign, label, (x, y)));
            x += length + GAP;
        }
        let height = if placed.is_empty() { 0 } else { ABOVE + y + LINE };
        Legend { entries: placed, height }
    }

    pub(crate) fn height(&self) -> u32 {
        self.height as u32
    }

    /// Draws it with its left upper corner there.
    pub(crate) fn draw(&self, pen: &Pen<'_, '_>, (left, top): Spot) -> Drawn {
        for (sign, label, (x, y)) in &self.entries {
            let (x, y) = (left + x, top + y + ABOVE + LINE / 2);
            pen.sign(*sign, (x, y))?;
            let style = theme::legend().pos(Pos::new(HPos::Left, VPos::Center));
            pen.text(label, (x + SIGN, y + theme::SINK), &style)?;
        }
        Ok(())
    }
}

/// The size of marks that labels keep away from.
const MARK: i32 = 9;

/// A rectangle on a canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) left: i32,
    pub(crate) top: i32,
    pub(crate) right: i32,
    pub(crate) bottom: i32,
}

impl Field {
    fn of_text((left, top): Spot, (width, height): Spot) -> Field {
        Field { left: left - 8, top: top - 4, right: left + width + 8, bottom: top + height + 4 }
    }

    /// Whether a mark there would touch it.
    fn touches(&self, (x, y): Spot) -> bool {
        let near = MARK + 2;
        (self.left - near..=self.right + near).contains(&x) && (self.top - near..=self.bottom + near).contains(&y)
    }

    /// The line from a mark to it; none where it is near enough without.
    fn leader(&self, (x, y): Spot) -> Option<[Spot; 2]> {
        let near = (x.clamp(self.left, self.right), y.clamp(self.top, self.bottom));
        let (across, down) = (near.0 - x, near.1 - y);
        let length = across.abs().max(down.abs());
        // It begins at the rim of the mark.
        (length > 40).then(|| [(x + across * 20 / length, y + down * 20 / length), near])
    }

    fn overlaps(&self, other: &Field) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    fn lies_in(&self, other: &Field) -> bool {
        self.left >= other.left && self.right <= other.right && self.top >= other.top && self.bottom <= other.bottom
    }
}

/// Labels of marks within a field. Each is put where it covers neither another label nor, as far as possible, a mark.
pub(crate) struct Labels {
    within: Field,
    marks: Vec<Spot>,
    taken: Vec<Field>,
}

impl Labels {
    pub(crate) fn new(within: Field, marks: Vec<Spot>) -> Labels {
        Labels { within, marks, taken: Vec::new() }
    }

    /// Keeps labels away from a line, too.
    pub(crate) fn avoid_line(&mut self, spots: &[Spot]) {
        for pair in spots.windows(2) {
            let [(x, y), (to_x, to_y)] = [pair[0], pair[1]];
            let parts = ((to_x - x).abs().max((to_y - y).abs()) / (2 * MARK)).max(1);
            let part = |part: i32| (x + (to_x - x) * part / parts, y + (to_y - y) * part / parts);
            self.marks.extend((0..=parts).map(part));
        }
    }

    /// Draws a label beside its mark, on a white ground and with a line to the mark where it stands apart from it.
    pub(crate) fn draw(&mut self, pen: &Pen<'_, '_>, text: &str, spot: Spot, colour: RGBColor) -> Drawn {
        let style = theme::figure(colour);
        let (text, height) = (fitted(text, &style, (self.within.right - self.within.left).max(1) as u32), 34);
        let width = text_width(&text, &style) as i32;
        let place = self.best_place(spot, (width, height));
        let field = Field::of_text(place, (width, height));
        if let Some(leader) = field.leader(spot) {
            pen.line(&leader, INK.stroke_width(2))?;
        }
        pen.rectangle([(field.left, field.top), (field.right, field.bottom)], WHITE.mix(0.85).filled())?;
        self.taken.push(field);
        pen.text(&text, place, &style)
    }

    /// How many marks a line from one place to another would cross; those at its very beginning do not count.
    fn marks_on(&self, [(x, y), (to_x, to_y)]: [Spot; 2]) -> usize {
        let parts = 24;
        let near = |(mark_x, mark_y): &&Spot| {
            (2..=parts).any(|part| {
                let (x, y) = (x + (to_x - x) * part / parts, y + (to_y - y) * part / parts);
                (mark_x - x).abs() < MARK && (mark_y - y).abs() < MARK
            })
        };
        self.marks.iter().filter(near).count()
    }

    fn best_place(&self, (x, y): Spot, (width, height): Spot) -> Spot {
        let mut best = (usize::MAX, (x, y));
        for apart in [26, 60, 110, 180, 260] {
            let (left, right) = (x - width - apart, x + apart);
            let (above, below) = (y - height - apart, y + apart - 4);
            let (beside, middle) = (y - height / 2, x - width / 2);
            let places = [
                (right, beside),
                (left, beside),
                (middle, above),
                (middle, below),
                (right, above),
                (right, below),
                (left, above),
                (left, below),
            ];
            for place in places {
                let field = Field::of_text(place, (width, height));
                let outside = usize::from(!field.lies_in(&self.within)) * 10_000;
                let covered = self.taken.iter().filter(|other| other.overlaps(&field)).count() * 1000;
                let marks = self.marks.iter().filter(|mark| **mark != (x, y) && field.touches(**mark)).count() * 10;
                let crossed = field.leader((x, y)).map_or(0, |leader| self.marks_on(leader)) * 8;
                let badness = outside + covered + marks + crossed + apart as usize / 10;
                best = best.min((badness, place));
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_make_room_for_each_other() {
        let within = Field { left: 0, top: 0, right: 1000, bottom: 600 };
        let mut labels = Labels::new(within, vec![(500, 300), (560, 300), (990, 10)]);
        let size = (200, 34);
        for spot in [(500, 300), (510, 300), (990, 10), (5, 590)] {
            let field = Field::of_text(labels.best_place(spot, size), size);
            assert!(field.lies_in(&within), "{field:?}");
            assert!(labels.taken.iter().all(|other| !other.overlaps(&field)), "{field:?}");
            assert!(labels.marks.iter().all(|mark| !field.touches(*mark)), "{field:?}");
            labels.taken.push(field);
        }
    }

    #[test]
    fn a_legend_has_as_many_lines_as_it_needs() {
        let entry = |label: &str| (Sign::Line(INK), label.to_owned());
        let one = Legend::new(1000, vec![entry("a"), entry("b")]).height();
        let two = Legend::new(300, vec![entry("a rather long one"), entry("another long one")]).height();
        assert_eq!(two, one + LINE as u32);
        assert_eq!(Legend::new(300, Vec::new()).height(), 0);
    }
}
