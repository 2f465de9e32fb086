//! The share of jobs on time for two changes against each other.

use plotters::prelude::{Color, RGBColor, WHITE};
use plotters::style::TextStyle;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{AFTER, BEFORE, CANVAS, RIGHT};
use crate::output::plots::Picture;
use crate::output::plots::pen::{Legend, Mark, Pen, Sign};
use crate::output::plots::picture::Drawn;
use crate::output::plots::theme::{self, GREEN, GREY, INK, PURPLE, SKY, fitted, text_width};
use crate::planning::report::view::{Which, cost_title};
use crate::planning::result::{HeatMap, PlanResult, PointResult, plain};

/// Height of a cell, and the greatest width of one.
const CELL: i32 = 140;
const CELL_WIDTH_MAX: i32 = 300;
/// Height of the name of a change, and of the labels of its levels.
const NAME: i32 = 52;
const LEVELS: i32 = 50;
/// The longest label of a level at the left.
const LEVEL: u32 = 420;

/// The picture; `None` without two changes.
pub(super) fn picture(result: &PlanResult) -> Option<Picture> {
    let map = result.heat_map.as_ref()?;
    let (x, y) = (result.changes.get(map.x.0)?, result.changes.get(map.y.0)?);
    let grid = Grid::new(result, map)?;
    let title = "Two changes against each other: share of jobs on time, and cost below it";
    let mut explanation = format!(
        "Across {}, upwards {}; everything else as in the plan that was found. The figure in a cell, and its shade, is the \
         share of jobs on time; below it stands {}.",
        x.name,
        y.name,
        cost_title(result, "the cost")
    );
    let cut: Vec<String> = grid.cut_labels();
    if !cut.is_empty() {
        explanation += &format!(" Levels in full: {}.", cut.join("; "));
    }
    let levels = x.levels.len().saturating_sub(map.x.1.len()) + y.levels.len().saturating_sub(map.y.1.len());
    if levels > 0 {
        explanation += &format!(" {levels} levels between these are not shown.");
    }
    let legend = Legend::new(grid.width(), grid.legend());
    let height = grid.height() as u32 + legend.height();
    Some(Picture::new(("heat_map", title, explanation), height, |canvas| {
        grid.draw(&Pen(canvas))?;
        legend.draw(&Pen(canvas), (grid.left, grid.height()))
    }))
}

/// The cells and their labels.
struct Grid<'a> {
    result: &'a PlanResult,
    columns: Vec<&'a str>,
    rows: Vec<&'a str>,
    names: [&'a str; 2],
    /// Row by row from below, each with its number.
    cells: Vec<(usize, &'a PointResult)>,
    /// Room for the labels of rows.
    left: i32,
    cell: i32,
    /// The least share of all cells: the palest.
    least: f64,
}

impl<'a> Grid<'a> {
    fn new(result: &'a PlanResult, map: &HeatMap) -> Option<Grid<'a>> {
        let levels = |(change, levels): &(usize, Vec<usize>)| -> Option<Vec<&'a str>> {
            let change = result.changes.get(*change)?;
            levels.iter().map(|level| change.levels.get(*level).map(String::as_str)).collect()
        };
        let (columns, rows) = (levels(&map.x)?, levels(&map.y)?);
        let cells: Option<Vec<_>> = map.points.iter().map(|index| Some((*index, result.points.get(*index)?))).collect();
        let cells = cells.filter(|cells| !cells.is_empty() && cells.len() == columns.len() * rows.len())?;
        let width = rows.iter().map(|label| text_width(label, &theme::axis())).max().unwrap_or_default();
        let left = width.min(LEVEL) as i32 + 40;
        let cell = ((CANVAS - RIGHT) as i32 - left) / columns.len() as i32;
        let shares = cells.iter().filter_map(|(_, point)| Some(point.on_time?.value));
        let names = [result.changes[map.x.0].name.as_str(), result.changes[map.y.0].name.as_str()];
        let least = shares.fold(1.0, f64::min);
        Some(Grid { result, columns, rows, names, cells, left, cell: cell.min(CELL_WIDTH_MAX), least })
    }

    fn width(&self) -> i32 {
        (CANVAS - RIGHT) as i32 - self.left
    }

    fn height(&self) -> i32 {
        NAME + self.rows.len() as i32 * CELL + LEVELS + NAME
    }

    fn column_label(&self, label: &str) -> String {
        fitted(label, &theme::axis(), (self.cell - 12).max(20) as u32)
    }

    /// Labels that have to be told in full elsewhere.
    fn cut_labels(&self) -> Vec<String> {
        let columns = self.columns.iter().filter(|label| self.column_label(label) != **label);
        let rows = self.rows.iter().filter(|label| fitted(label, &theme::axis(), LEVEL) != **label);
        columns.chain(rows).map(|label| (*label).to_owned()).collect()
    }

    fn legend(&self) -> Vec<(Sign, String)> {
        let points = || self.cells.iter().map(|(_, point)| point);
        let mut entries = Vec::new();
        if points().any(|point| point.suffices) {
            entries.push((Sign::Outline(GREEN), "meets all objectives".to_owned()));
        }
        if points().any(|point| !point.unstable.is_empty()) {
            entries.push((Sign::Mark(Mark::Cross, PURPLE, 9), "a queue grows without bound".to_owned()));
        }
        for (which, index, colour) in self.named() {
            if self.cells.iter().any(|(cell, _)| *cell == index) {
                entries.push((Sign::Fill(colour), which.words(self.result).to_owned()));
            }
        }
        entries
    }

    fn named(&self) -> Vec<(Which, usize, RGBColor)> {
        let (base, chosen) = (self.result.base, self.result.chosen());
        let after = (chosen != base).then_some((Which::After, chosen, AFTER));
        [(Which::Before, base, BEFORE)].into_iter().chain(after).collect()
    }

    fn draw(&self, pen: &Pen<'_, '_>) -> Drawn {
        let rows = self.rows.len() as i32;
        let centred = theme::axis().pos(Pos::new(HPos::Center, VPos::Top));
        let before = theme::axis().pos(Pos::new(HPos::Right, VPos::Center));
        let [x_name, y_name] = self.names;
        pen.text(&fitted(&format!("↑ {y_name}"), &theme::axis(), CANVAS - RIGHT), (self.left - 24, 0), &theme::axis())?;
        for (row, label) in (0..).zip(&self.rows) {
            let middle = NAME + (rows - 1 - row) * CELL + CELL / 2 + theme::SINK;
            pen.text(&fitted(label, &theme::axis(), LEVEL), (self.left - 20, middle), &before)?;
        }
        let bottom = NAME + rows * CELL;
        for (column, label) in (0..).zip(&self.columns) {
            let middle = self.left + column * self.cell + self.cell / 2;
            pen.text(&self.column_label(label), (middle, bottom + 14), &centred)?;
        }
        let middle = self.left + self.columns.len() as i32 * self.cell / 2;
        let room = (2 * middle.min(CANVAS as i32 - middle)).max(20) as u32;
        pen.text(&fitted(&format!("{x_name} →"), &theme::axis(), room), (middle, bottom + LEVELS + 8), &centred)?;
        for (number, (index, point)) in (0..).zip(&self.cells) {
            let columns = self.columns.len() as i32;
            let (row, column) = (number / columns, number % columns);
            let corner = (self.left + column * self.cell, NAME + (rows - 1 - row) * CELL);
            self.draw_cell(pen, corner, *index, point)?;
        }
        Ok(())
    }

    fn draw_cell(&self, pen: &Pen<'_, '_>, (left, top): (i32, i32), index: usize, point: &PointResult) -> Drawn {
        let (right, bottom) = (left + self.cell - 4, top + CELL - 4);
        let shade = point.on_time.map_or(GREY, |share| self.shade(share.value));
        pen.rectangle([(left, top), (right, bottom)], shade.filled())?;
        if point.suffices {
            pen.frame([(left + 4, top + 4), (right - 4, bottom - 4)], GREEN, 8)?;
            pen.frame([(left + 10, top + 10), (right - 10, bottom - 10)], WHITE, 3)?;
        }
        let at = |style: TextStyle<'static>| style.pos(Pos::new(HPos::Center, VPos::Center));
        let middle = (left + right) / 2;
        let share = point.on_time.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share.value * 100.0));
        let room = (self.cell - 40).max(20) as u32;
        let named = self.named().into_iter().find(|(_, named, _)| *named == index);
        let first = if named.is_some() { top + 70 } else { top + CELL / 2 - 20 };
        pen.text(&fitted(&share, &theme::figure(INK), room), (middle, first), &at(theme::figure(INK)))?;
        // In the corner there may be a cross.
        let cost = fitted(&plain(point.cost), &theme::axis(), (self.cell - 90).max(20) as u32);
        let style = TextStyle { color: INK.to_backend_color(), ..theme::axis() };
        pen.text(&cost, (middle, first + 36), &at(style))?;
        if !point.unstable.is_empty() {
            pen.mark(Mark::Cross, (right - 26, bottom - 26), 9, &PURPLE)?;
        }
        if let Some((which, _, colour)) = named {
            let text = fitted(which.words(self.result), &theme::figure(WHITE), room);
            let half = text_width(&text, &theme::figure(WHITE)) as i32 / 2 + 8;
            pen.rectangle([(middle - half, top + 16), (middle + half, top + 50)], colour.filled())?;
            pen.text(&text, (middle, top + 33 + theme::SINK), &at(theme::figure(WHITE)))?;
        }
        Ok(())
    }

    /// From pale for the least share to the colour of all jobs.
    fn shade(&self, share: f64) -> RGBColor {
        let part = if self.least < 1.0 { ((share - self.least) / (1.0 - self.least)).clamp(0.0, 1.0) } else { 1.0 };
        let channel = |from: u8, to: u8| (f64::from(from) + (f64::from(to) - f64::from(from)) * part).round() as u8;
        RGBColor(channel(PALEST.0, SKY.0), channel(PALEST.1, SKY.1), channel(PALEST.2, SKY.2))
    }
}

const PALEST: RGBColor = RGBColor(246, 243, 238);
