//! The distribution of waits, of all jobs and of the largest classes, with its quantiles marked.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ecdf::{Curve, Ecdf, draw_waits};
use super::picture::Picture;
use super::theme::{self, BLUE, SERIES, fitted};
use crate::output::duration::grouped_count;
use crate::recording::{JobRecord, Recording};

pub(super) const HEIGHT: u32 = 800;
/// Room for the name of a class in the legend.
const NAME: u32 = 190;

pub(super) fn picture(recording: &Recording) -> Picture {
    let title = "How long jobs wait from submission to start";
    let explanation = "The curve gives for every wait (across, on a logarithmic scale) the share of started jobs that \
                       waited no longer. The further left and the steeper, the better. Waits of less than a second \
                       stand at 1 s.";
    let all = Ecdf::of(recording.jobs.iter().filter_map(JobRecord::waiting_time));
    let classes = largest_classes(&recording.jobs);
    let label = |name: &str, waits: &Ecdf| format!("{name} ({})", grouped_count(waits.len() as u64));
    let marks = &[(50, 2), (95, 1), (99, 0)];
    let mut curves = vec![Curve { ecdf: &all, label: label("all jobs", &all), colour: BLUE, width: 5, marks }];
    curves.extend(classes.iter().zip(SERIES).map(|((class, waits), colour)| {
        let label = label(&fitted(class, &theme::legend(), NAME), waits);
        Curve { ecdf: waits, label, colour, width: 3, marks: &[] }
    }));
    Picture::new(("waits", title, explanation.to_owned()), HEIGHT, |canvas| draw_waits(canvas, &curves, None))
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
