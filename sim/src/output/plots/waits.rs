//! The distribution of waits, of all jobs and of the largest classes, with its quantiles marked.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::area::{Area, Swatch, draw_legend, draw_title, fitting};
use super::axis::Axis;
use super::ecdf::{Ecdf, Mark, draw_marks};
use super::picture::Picture;
use super::theme::{self, BLUE, BOTTOM, LEFT, RIGHT, SERIES, TOP, WIDTH, fitted};
use crate::output::duration::grouped_count;
use crate::recording::{JobRecord, Recording};

const HEIGHT: f64 = 460.0;
pub(super) const AREA: Area = Area { left: LEFT, right: WIDTH - RIGHT, top: TOP, bottom: HEIGHT - BOTTOM };

pub(super) fn picture(recording: &Recording) -> Picture {
    let mut picture = Picture::new(
        "waits",
        "How long jobs wait from submission to start".to_owned(),
        "The curve gives for every wait (across, on a logarithmic scale) the share of started jobs that waited no \
         longer. The further left and the steeper, the better. Waits of less than a second stand at 1 s."
            .to_owned(),
        WIDTH,
        HEIGHT,
    );
    draw_title(&mut picture);
    let all = Ecdf::of(recording.jobs.iter().filter_map(JobRecord::waiting_time));
    // Beyond the longest wait there must be room for the label of the 99 % mark.
    let room = all.quantile_seconds(100).max(all.quantile_seconds(99) * 5.0);
    let (x, y) = (Axis::of_durations("wait from submission to start (logarithmic)", room), share_axis());
    AREA.draw_x_axis(&mut picture, &x);
    AREA.draw_y_axis(&mut picture, &y);
    AREA.draw_left_edge(&mut picture);
    let classes: Vec<_> = largest_classes(&recording.jobs).into_iter().zip(SERIES).collect();
    let mut legend = vec![(Swatch::Line(BLUE), format!("all jobs ({})", grouped_count(all.len() as u64)))];
    legend.extend(classes.iter().map(|((class, waits), colour)| {
        let name = fitted(class, theme::LEGEND, 110.0);
        (Swatch::Line(*colour), format!("{name} ({})", grouped_count(waits.len() as u64)))
    }));
    // A curve without a name would only puzzle.
    legend.truncate(fitting(&picture, LEFT, &legend));
    for ((_, waits), colour) in classes.iter().take(legend.len().saturating_sub(1)) {
        waits.draw(&mut picture, AREA, &x, &y, *colour, 1.5);
    }
    all.draw(&mut picture, AREA, &x, &y, BLUE, 2.6);
    let marks =
        [(50, 2.0), (95, 1.0), (99, 0.0)].map(|(percent, line)| Mark { ecdf: &all, percent, colour: BLUE, line });
    draw_marks(&mut picture, AREA, (&x, &y), &marks);
    draw_legend(&mut picture, (LEFT, TOP - 18.0), &legend);
    picture
}

pub(super) fn share_axis() -> Axis {
    Axis::of_shares("share of jobs started")
}

/// The waits of the classes with the most started jobs, most first; none if all jobs are of one class.
fn largest_classes(jobs: &[JobRecord]) -> Vec<(Arc<str>, Ecdf)> {
    let mut classes: BTreeMap<Arc<str>, Vec<_>> = BTreeMap::new();
    for job in jobs {
        if let Some(wait) = job.waiting_time() {
            classes.entry(Arc::clone(&job.class)).or_default().push(wait);
        }
    }
    if classes.len() < 2 {
        return Vec::new();
    }
    let mut classes: Vec<_> = classes
        .into_iter()
        .filter(|(class, _)| !class.is_empty())
        .map(|(class, waits)| (class, Ecdf::of(waits.into_iter())))
        .collect();
    // Stable: classes of the same size stay in the order of their names.
    classes.sort_by_key(|(_, waits)| std::cmp::Reverse(waits.len()));
    classes.truncate(SERIES.len());
    classes
}
