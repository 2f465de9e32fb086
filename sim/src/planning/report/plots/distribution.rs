//! The distribution of all waits before and after.

use yardmaster_engine::Span;

use super::colour;
use crate::output::plots::Picture;
use crate::output::plots::ecdf::{Curve, Ecdf, draw_waits};
use crate::planning::figures::{JobSet, WaitFigures};
use crate::planning::report::view::{Which, details, same_jobs, start_limit};
use crate::planning::result::PlanResult;

const HEIGHT: u32 = 800;

/// The picture; `None` without jobs.
pub(super) fn picture(result: &PlanResult) -> Option<Picture> {
    let all = |(which, detail)| Some((which, Ecdf::of_waits(same_jobs(detail, &JobSet::All)?)));
    let waits: Vec<(Which, Ecdf)> = details(result).filter_map(all).filter(|(_, waits)| waits.len() > 0).collect();
    if waits.is_empty() {
        return None;
    }
    let title = "How long all jobs wait";
    let explanation = "The curve gives for every wait (across, on a logarithmic scale) the share of all jobs that waited no \
                       longer. The further left and the steeper, the better. Where a curve ends below 100 %, the other jobs \
                       never started."
        .to_owned();
    let marks = |which: Which| -> &'static [(usize, i32)] {
        // Each value in a line of its own, for all four may stand close together.
        match which {
            Which::Before => &[(50, 3), (95, 2)],
            Which::After => &[(50, 0), (95, 1)],
        }
    };
    let curves: Vec<Curve<'_>> = waits
        .iter()
        .map(|(which, ecdf)| Curve {
            ecdf,
            label: which.words(result).to_owned(),
            colour: colour(*which),
            width: 5,
            marks: marks(*which),
        })
        .collect();
    Some(Picture::new(("distribution", title, explanation), HEIGHT, |canvas| {
        draw_waits(canvas, &curves, common_limit(result))
    }))
}

impl Ecdf {
    fn of_waits(waits: &WaitFigures) -> Ecdf {
        let started: u64 = waits.distribution.iter().map(|(_, count)| count).sum();
        let never = waits.never.unwrap_or(0.0);
        let never = if never >= 1.0 { 1 } else { (started as f64 * never / (1.0 - never)).round() as u64 };
        let seconds = |seconds: u64| Span::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX / 1_000_000));
        Ecdf::of_counts(waits.distribution.iter().map(|(wait, count)| (seconds(*wait), *count)), never)
    }
}

/// The time within which jobs are to start, where all objectives that speak of that agree.
fn common_limit(result: &PlanResult) -> Option<f64> {
    let mut limits: Vec<f64> = result.objectives.iter().filter_map(start_limit).collect();
    limits.dedup();
    match limits[..] {
        [limit] => Some(limit),
        _ => None,
    }
}
