//! Simulated beside recorded waits of the same jobs.

use super::area::{Swatch, draw_legend, draw_title};
use super::axis::Axis;
use super::ecdf::{Ecdf, Mark, draw_marks};
use super::picture::Picture;
use super::theme::{BLUE, BOTTOM, LEFT, TOP, VERMILION, WIDTH};
use super::waits::{AREA, share_axis};
use crate::output::duration::grouped_count;
use crate::recording::{JobRecord, Recording};

/// The picture; `None` where no job has both waits.
pub(super) fn picture(recording: &Recording) -> Option<Picture> {
    let jobs: Vec<&JobRecord> =
        recording.jobs.iter().filter(|job| job.started.is_some() && job.recorded.is_some()).collect();
    if jobs.is_empty() {
        return None;
    }
    let mut picture = Picture::new(
        "recorded_waits",
        "Simulated and recorded waits of the same jobs".to_owned(),
        format!(
            "Both curves are of the {} jobs that started in the simulation and for which the trace says when they \
             really started. The closer they are, the more a prediction of this simulator can be trusted for this lab.",
            grouped_count(jobs.len() as u64)
        ),
        WIDTH,
        AREA.bottom + BOTTOM,
    );
    draw_title(&mut picture);
    let simulated = Ecdf::of(jobs.iter().filter_map(|job| job.waiting_time()));
    let recorded = Ecdf::of(jobs.iter().filter_map(|job| job.recorded_waiting_time()));
    let room = |waits: &Ecdf| waits.quantile_seconds(100).max(waits.quantile_seconds(95) * 5.0);
    let x = Axis::of_durations("wait from submission to start (logarithmic)", room(&simulated).max(room(&recorded)));
    let y = share_axis();
    AREA.draw_x_axis(&mut picture, &x);
    AREA.draw_y_axis(&mut picture, &y);
    AREA.draw_left_edge(&mut picture);
    recorded.draw(&mut picture, AREA, &x, &y, VERMILION, 2.4);
    simulated.draw(&mut picture, AREA, &x, &y, BLUE, 2.4);
    // Each value in a line of its own, for all four may stand close together.
    let marks = [
        (&simulated, 50, BLUE, 3.0),
        (&recorded, 50, VERMILION, 2.0),
        (&simulated, 95, BLUE, 1.0),
        (&recorded, 95, VERMILION, 0.0),
    ]
    .map(|(ecdf, percent, colour, line)| Mark { ecdf, percent, colour, line });
    draw_marks(&mut picture, AREA, (&x, &y), &marks);
    let legend = [(Swatch::Line(BLUE), "simulated"), (Swatch::Line(VERMILION), "recorded")];
    draw_legend(&mut picture, (LEFT, TOP - 18.0), &legend.map(|(swatch, label)| (swatch, label.to_owned())));
    Some(picture)
}
