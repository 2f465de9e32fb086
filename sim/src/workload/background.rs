//! Jobs that ran on the recorded system and that its trace does not show.
//!
//! A trace's job ids count every job of the server; a number that is missing between two rows is a job that was
//! submitted between the two and is not in the trace. So the *moments* of the unseen load are known to within the gap.
//! What these jobs were is not: each is given the host type, length and priority of one of the seen jobs, drawn at
//! random, and how many of them went to the boards of this lab at all is for the scenario to say (`share`).

use std::sync::Arc;

use yardmaster_engine::Span;

use super::draw::chance;
use super::error::ScenarioError;
use super::file::BackgroundSpec;
use super::jobs::Draft;
use super::random::Concern;
use super::source::Source;
use super::trace::{Timescale, TraceData};

/// A wider gap of ids is no gap but another count (a server that moved), unless the scenario says otherwise.
const GAP_MAX: u32 = 1000;

/// Drafts of unseen jobs. `seen` are the drafts of the trace's jobs, with for each whether it is a pattern.
pub(super) fn unseen(
    source: &Source,
    spec: &BackgroundSpec,
    seed: u64,
    trace: &TraceData,
    timescale: Timescale,
    seen: &[Draft],
) -> Result<Vec<Draft>, ScenarioError> {
    chance(source, "workload.background.share", Some(spec.share))?;
    let mut ids = trace.ids.clone();
    ids.sort();
    ids.dedup_by_key(|(id, _)| *id);
    let gap_max = i64::from(spec.gap_max.unwrap_or(GAP_MAX));
    let class: Arc<str> = spec.class.as_deref().unwrap_or("unseen").into();
    let workload: Arc<str> = format!("{}-unseen", trace.file.stem()).into();
    let concern = Concern::new(seed, "background");
    let mut drafts = Vec::new();
    if seen.is_empty() {
        return Err(source.wrong("workload.background.like", "matches no job of the trace"));
    }
    for pair in ids.windows(2) {
        let [(low, after), (high, before)] = [pair[0], pair[1]];
        if high.saturating_sub(low) > gap_max {
            continue;
        }
        for id in low + 1..high {
            let mut stream = concern.stream([id.cast_unsigned(), 0, 0]);
            let (luck, place, pattern) = (stream.unit(), stream.unit(), stream.below(seen.len()));
            if luck >= spec.share {
                continue;
            }
            let (from, to) = (after.min(before), after.max(before));
            let mut draft = seen[pattern].clone();
            draft.job.submit = timescale.time(from + Span(((to - from).0 as f64 * place) as i64));
            draft.job.workload = workload.clone();
            draft.job.class = class.clone();
            draft.job.recorded = None;
            drafts.push(draft);
        }
    }
    Ok(drafts)
}
