//! What all charts have in common: axes, grid, legend.

use plotters::prelude::{
    Cartesian2d, ChartBuilder, ChartContext, Color, LabelAreaPosition, PathElement, RGBColor, Rectangle, SVGBackend,
    SeriesLabelPosition, TRANSPARENT,
};

use super::axis::Axis;
use super::picture::{Canvas, Drawn};
use super::theme::{self, AXIS, BOTTOM, GRID, MARGIN, text_width};

/// A chart that is ready to be drawn into.
pub(crate) type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Axis, Axis>>;

/// Room around a chart: for the labels of its axes, and for its legend.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    pub(crate) left: u32,
    /// Without room below, the chart shares the labels of the one beneath it.
    pub(crate) below: u32,
    pub(crate) right: u32,
}

/// An entry of a legend beside a chart: its label, and the colour of its line or its filled square.
pub(crate) enum Key {
    Line(String, RGBColor),
    Fill(String, RGBColor),
}

impl Key {
    fn label(&self) -> &str {
        let (Key::Line(label, _) | Key::Fill(label, _)) = self;
        label
    }
}

/// Where a value of a chart stands on the canvas that the chart was drawn on, or that was split to make room for it.
pub(crate) fn place(canvas: &Canvas<'_>, chart: &Chart<'_>, value: (f64, f64)) -> (i32, i32) {
    let ((x, y), (left, top)) = (chart.plotting_area().map_coordinate(&value), canvas.get_base_pixel());
    (x - left, y - top)
}

/// Where the labels of a legend begin; to the left of them are its lines and squares.
const LEGEND_LABELS: u32 = 40;
/// Height of a line of a legend.
const LEGEND_LINE: u32 = 39;
/// Room between a chart and its legend.
const LEGEND_GAP: u32 = 34;

/// A chart with nothing in it but its axes and grid.
pub(crate) fn chart<'a>(canvas: &Canvas<'a>, room: Room, x: Axis, y: Axis) -> Drawn<Chart<'a>> {
    let (x_title, y_title) = (x.title.clone(), y.title.clone());
    let mut chart = ChartBuilder::on(canvas)
        .margin_right(room.right)
        .set_label_area_size(LabelAreaPosition::Left, room.left)
        .set_label_area_size(LabelAreaPosition::Bottom, room.below)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(2))
        .axis_style(AXIS.stroke_width(2))
        .label_style(theme::axis())
        .y_label_offset(theme::SINK)
        .x_desc(x_title)
        .y_desc(y_title)
        .set_all_tick_mark_size(6)
        .set_tick_mark_size(LabelAreaPosition::Bottom, 10)
        .draw()?;
    Ok(chart)
}

/// The room that an axis with these labels takes.
pub(crate) fn axis_room(labels: &[String]) -> u32 {
    labels.iter().map(|label| text_width(label, &theme::axis())).max().unwrap_or_default() + MARGIN
}

/// The room that a legend takes.
pub(crate) fn legend_room(keys: &[Key]) -> u32 {
    let widest = keys.iter().map(|key| text_width(key.label(), &theme::legend())).max().unwrap_or_default();
    LEGEND_GAP + LEGEND_LABELS + widest + MARGIN
}

/// A chart of rows takes so much room above its axis, and a picture of it so much in all, for its legend may be longer.
pub(crate) fn height_of_rows(rows: usize, row: u32, keys: &[Key]) -> (u32, u32) {
    let chart = rows as u32 * row + BOTTOM;
    (chart, chart.max(keys.len() as u32 * LEGEND_LINE))
}

/// Draws a legend at the right end of the canvas. It is a chart of its own, without values, because plotters does not
/// let a legend leave its chart.
pub(crate) fn draw_legend(canvas: &Canvas<'_>, room: Room, keys: &[Key]) -> Drawn {
    let (_, area) = canvas.split_horizontally(canvas.dim_in_pixel().0 - room.right + LEGEND_GAP);
    let mut legend = ChartBuilder::on(&area).build_cartesian_2d(0..1, 0..1)?;
    for key in keys {
        let nothing = std::iter::empty::<Rectangle<(i32, i32)>>();
        let series = legend.draw_series(nothing)?.label(key.label());
        match *key {
            Key::Line(_, colour) => {
                series.legend(move |(x, y)| PathElement::new([(x, y), (x + 28, y)], colour.stroke_width(5)))
            }
            Key::Fill(_, colour) => {
                series.legend(move |(x, y)| Rectangle::new([(x + 2, y - 12), (x + 26, y + 12)], colour.filled()))
            }
        };
    }
    legend
        .configure_series_labels()
        .position(SeriesLabelPosition::Coordinate(0, 0))
        .margin(0)
        .legend_area_size(LEGEND_LABELS)
        .label_font(theme::legend())
        .draw()
}
