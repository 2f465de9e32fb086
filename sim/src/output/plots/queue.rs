//! Queue length and running processes over time: two charts over one axis.

use plotters::prelude::{AreaSeries, Color, LineSeries, RGBColor};

use super::axis::Axis;
use super::chart::{Key, Room, chart, draw_legend};
use super::columns::{Column, columns};
use super::picture::{Canvas, Drawn, Picture};
use super::theme::{BLUE, BOTTOM, INK, LEFT, MARGIN, ORANGE, PALE_BLUE, PALE_ORANGE, UNITS, VERMILION, WIDTH};
use crate::recording::{Recording, TimelinePoint};

/// Height of the upper chart, and of the gap between both.
const UPPER: u32 = 400;
const GAP: u32 = 44;
/// Height of both together.
const HEIGHT: u32 = 960;
/// Room for the legends.
const RIGHT: u32 = 384;
/// One for every pixel of the SVG.
const COLUMNS: usize = ((WIDTH - MARGIN - LEFT - RIGHT) / UNITS) as usize;

pub(super) fn picture(recording: &Recording) -> Picture {
    let title = "Queue length and running processes over time";
    let explanation = "The upper panel shows how many tests wait for a host, the lower one how many processes run on \
                       the drones and how many hosts are in use. Dark areas are means over the time of a pixel, pale \
                       ones its peaks. A queue that keeps growing means that the lab is too small for its work.";
    let in_use = format!("hosts in use (of {})", recording.hosts.len());
    let waiting = Panel {
        title: "entries waiting",
        area: ("entries waiting", |point| point.queued, BLUE, PALE_BLUE),
        lines: vec![],
    };
    let mut running = Panel {
        title: "processes, hosts",
        area: ("processes", |point| point.processes, ORANGE, PALE_ORANGE),
        lines: vec![(in_use, |point| point.hosts_busy, INK)],
    };
    if recording.timeline.iter().any(|point| point.hosts_out > 0) {
        running.lines.push(("hosts out or locked".to_owned(), |point| point.hosts_out, VERMILION));
    }
    let room = Room { left: LEFT, below: BOTTOM, right: RIGHT };
    Picture::new(("queue", title, explanation.to_owned()), HEIGHT, |canvas| {
        let (upper, lower) = canvas.split_vertically(UPPER);
        waiting.draw(&upper, Room { below: 0, ..room }, recording)?;
        running.draw(&lower.margin(GAP, 0, 0, 0), room, recording)
    })
}

type Figure = fn(&TimelinePoint) -> u32;

/// One of the charts: a figure as areas of its means and its peaks, and others as lines of their means.
struct Panel {
    title: &'static str,
    area: (&'static str, Figure, RGBColor, RGBColor),
    lines: Vec<(String, Figure, RGBColor)>,
}

impl Panel {
    fn draw(self, canvas: &Canvas<'_>, room: Room, recording: &Recording) -> Drawn {
        let (name, figure, dark, pale) = self.area;
        let area = columns(recording, COLUMNS, figure);
        let lines =
            self.lines.into_iter().map(|(label, figure, colour)| (label, columns(recording, COLUMNS, figure), colour));
        let lines: Vec<_> = lines.collect();
        let highest = lines.iter().map(|(_, columns, _)| peak(columns)).fold(peak(&area), f64::max);
        let time = Axis::of_time(recording, recording.start, recording.end);
        let mut chart = chart(canvas, room, time, Axis::of_counts(self.title, highest))?;
        let steps = |columns: &[Column], value| steps(recording, columns, value);
        chart.draw_series(AreaSeries::new(steps(&area, |column| f64::from(column.peak)), 0.0, pale))?;
        chart.draw_series(AreaSeries::new(steps(&area, |column| column.mean), 0.0, dark))?;
        let mut keys = vec![Key::Fill(format!("{name} (mean)"), dark), Key::Fill(format!("{name} (peak)"), pale)];
        for (label, columns, colour) in lines {
            chart.draw_series(LineSeries::new(steps(&columns, |column| column.mean), colour.stroke_width(3)))?;
            keys.push(Key::Line(label, colour));
        }
        draw_legend(canvas, room, &keys)
    }
}

fn peak(columns: &[Column]) -> f64 {
    columns.iter().map(|column| f64::from(column.peak)).fold(0.0, f64::max)
}

/// A figure as steps, without the points in the middle of level stretches.
fn steps(recording: &Recording, columns: &[Column], value: fn(&Column) -> f64) -> Vec<(f64, f64)> {
    let length = (recording.end - recording.start).as_seconds_f64();
    let time = |index: usize| length * index as f64 / columns.len() as f64;
    let mut points = Vec::new();
    let mut index = 0;
    for level in columns.chunk_by(|one, other| value(one) == value(other)) {
        let height = value(&level[0]);
        points.extend([(time(index), height), (time(index + level.len()), height)]);
        index += level.len();
    }
    points
}
