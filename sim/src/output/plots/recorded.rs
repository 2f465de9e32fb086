//! Simulated beside recorded waits of the same jobs.

use super::ecdf::{Curve, Ecdf, draw_waits};
use super::picture::Picture;
use super::theme::{BLUE, VERMILION};
use super::waits::HEIGHT;
use crate::output::duration::grouped_count;
use crate::recording::{JobRecord, Recording};

/// The picture; `None` where no job has both waits.
pub(super) fn picture(recording: &Recording) -> Option<Picture> {
    let jobs: Vec<&JobRecord> =
        recording.jobs.iter().filter(|job| job.started.is_some() && job.recorded.is_some()).collect();
    if jobs.is_empty() {
        return None;
    }
    let title = "Simulated and recorded waits of the same jobs";
    let explanation = format!(
        "Both curves are of the {} jobs that started in the simulation and for which the trace says when they really \
         started. The closer they are, the more a prediction of this simulator can be trusted for this lab.",
        grouped_count(jobs.len() as u64)
    );
    let simulated = Ecdf::of(jobs.iter().filter_map(|job| job.waiting_time()));
    let recorded = Ecdf::of(jobs.iter().filter_map(|job| job.recorded_waiting_time()));
    let curve = |label: &str, ecdf, colour, marks| Curve { ecdf, label: label.to_owned(), colour, width: 5, marks };
    // Each value in a line of its own, for all four may stand close together.
    let curves = [
        curve("simulated", &simulated, BLUE, &[(50, 3), (95, 2)]),
        curve("recorded", &recorded, VERMILION, &[(50, 0), (95, 1)]),
    ];
    Some(Picture::new(("recorded_waits", title, explanation), HEIGHT, |canvas| draw_waits(canvas, &curves, None)))
}
