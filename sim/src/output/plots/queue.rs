//! Queue length and running processes over time: two panels over one axis.

use super::area::{Area, Swatch, draw_legend, draw_title};
use super::axis::Axis;
use super::columns::{Column, columns};
use super::picture::Picture;
use super::theme::{BLUE, BOTTOM, Colour, INK, LEFT, ORANGE, PALE_BLUE, PALE_ORANGE, RIGHT, TOP, VERMILION, WIDTH};
use crate::recording::Recording;

const HEIGHT: f64 = 560.0;
const UPPER: Area = Area { left: LEFT, right: WIDTH - RIGHT, top: TOP, bottom: 274.0 };
const LOWER: Area = Area { left: LEFT, right: WIDTH - RIGHT, top: 320.0, bottom: HEIGHT - BOTTOM };
const COLUMNS: usize = (WIDTH - LEFT - RIGHT) as usize;

pub(super) fn picture(recording: &Recording) -> Picture {
    let mut picture = Picture::new(
        "queue",
        "Queue length and running processes over time".to_owned(),
        "The upper panel shows how many tests wait for a host, the lower one how many processes run on the drones and \
         how many hosts are in use. Dark areas are means over the time of a pixel, pale ones its peaks. A queue \
         that keeps growing means that the lab is too small for its work."
            .to_owned(),
        WIDTH,
        HEIGHT,
    );
    draw_title(&mut picture);
    let time = Axis::of_time(recording, recording.start, recording.end);

    let queued = columns(recording, COLUMNS, |point| point.queued);
    let axis = Axis::of_counts("entries waiting", peak(&queued));
    UPPER.draw_x_grid(&mut picture, &time);
    UPPER.draw_y_axis(&mut picture, &axis);
    draw_steps(&mut picture, UPPER, &axis, &queued, PALE_BLUE, |column| f64::from(column.peak));
    draw_steps(&mut picture, UPPER, &axis, &queued, BLUE, |column| column.mean);
    UPPER.draw_left_edge(&mut picture);
    let legend = [(Swatch::Fill(BLUE), "entries waiting for a host (mean)"), (Swatch::Fill(PALE_BLUE), "peak")];
    draw_legend(&mut picture, (LEFT, UPPER.top - 14.0), &legend.map(|(swatch, label)| (swatch, label.to_owned())));

    draw_running(&mut picture, recording, &time);
    picture
}

fn draw_running(picture: &mut Picture, recording: &Recording, time: &Axis) {
    let processes = columns(recording, COLUMNS, |point| point.processes);
    let busy = columns(recording, COLUMNS, |point| point.hosts_busy);
    let out = columns(recording, COLUMNS, |point| point.hosts_out);
    let axis = Axis::of_counts("processes, hosts", peak(&processes).max(peak(&busy)).max(peak(&out)));
    LOWER.draw_x_axis(picture, time);
    LOWER.draw_y_axis(picture, &axis);
    draw_steps(picture, LOWER, &axis, &processes, PALE_ORANGE, |column| f64::from(column.peak));
    draw_steps(picture, LOWER, &axis, &processes, ORANGE, |column| column.mean);
    let mut legend = vec![
        (Swatch::Fill(ORANGE), "running processes (mean)".to_owned()),
        (Swatch::Fill(PALE_ORANGE), "peak".to_owned()),
        (Swatch::Line(INK), format!("hosts in use (of {})", recording.hosts.len())),
    ];
    draw_line(picture, &axis, &busy, INK);
    if peak(&out) > 0.0 {
        draw_line(picture, &axis, &out, VERMILION);
        legend.push((Swatch::Line(VERMILION), "hosts out of service or locked".to_owned()));
    }
    LOWER.draw_left_edge(picture);
    draw_legend(picture, (LEFT, LOWER.top - 14.0), &legend);
}

fn peak(columns: &[Column]) -> f64 {
    columns.iter().map(|column| f64::from(column.peak)).fold(0.0, f64::max)
}

/// The outline of a figure as steps, without the points in the middle of level stretches.
fn steps(area: Area, axis: &Axis, columns: &[Column], value: fn(&Column) -> f64) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    let x = |index: usize| area.left + (area.right - area.left) * index as f64 / columns.len().max(1) as f64;
    let mut level = None;
    for (index, column) in columns.iter().enumerate() {
        let y = area.y(axis, value(column));
        if level != Some(y) {
            points.extend(level.map(|level| (x(index), level)));
            points.push((x(index), y));
            level = Some(y);
        }
    }
    points.extend(level.map(|level| (x(columns.len()), level)));
    points
}

fn draw_steps(
    picture: &mut Picture,
    area: Area,
    axis: &Axis,
    columns: &[Column],
    colour: Colour,
    value: fn(&Column) -> f64,
) {
    let mut outline = steps(area, axis, columns, value);
    outline.insert(0, (area.left, area.bottom));
    outline.push((area.right, area.bottom));
    picture.area(&outline, colour);
}

fn draw_line(picture: &mut Picture, axis: &Axis, columns: &[Column], colour: Colour) {
    picture.line(&steps(LOWER, axis, columns, |column| column.mean), 1.4, colour, false);
}
