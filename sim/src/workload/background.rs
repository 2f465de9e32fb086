//! Jobs that ran on the recorded system and that its trace does not show.
//!
//! A trace's job ids count every job of the server; a number that is missing between two rows is a job that was
//! submitted between the two and is not in the trace. So the *moments* of the unseen load are known to within the gap.
//! What these jobs were is not: each is given the host type, length and priority of one of the seen jobs, drawn at
//! random, and how many of them went to the boards of this lab at all is for the scenario to say (`share`).

use std::sync::Arc;

use yardmaster_engine::{Span, Time};

use super::draw::chance;
use super::error::ScenarioError;
use super::file::BackgroundSpec;
use super::jobs::Draft;
use super::random::Concern;
use super::source::Source;
use super::trace::{Timescale, TraceData};

/// A wider gap of ids is no gap but another count (a server that moved), unless the scenario says otherwise.
const GAP_MAX: u32 = 1000;

/// What is known of the jobs that a trace does not show.
#[derive(Debug)]
pub(super) struct Background {
    share: f64,
    class: Arc<str>,
    workload: Arc<str>,
    /// Ids of seen rows between which ids are missing, each with the row's submission, in pairs.
    gaps: Vec<[(i64, Time); 2]>,
    /// The drafts that are copied; never empty.
    patterns: Vec<Draft>,
    timescale: Timescale,
}

impl Background {
    /// Checks `[workload.background]`; `patterns` are the drafts of the jobs that it takes as patterns.
    pub(super) fn checked(
        source: &Source,
        spec: &BackgroundSpec,
        trace: &TraceData,
        timescale: Timescale,
        patterns: Vec<Draft>,
    ) -> Result<Background, ScenarioError> {
        chance(source, "workload.background.share", Some(spec.share))?;
        if patterns.is_empty() {
            return Err(source.wrong("workload.background.like", "matches no job of the trace"));
        }
        let mut ids = trace.ids.clone();
        ids.sort();
        ids.dedup_by_key(|(id, _)| *id);
        let gap_max = i64::from(spec.gap_max.unwrap_or(GAP_MAX));
        let missing = |[(low, _), (high, _)]: &[(i64, Time); 2]| (2..=gap_max).contains(&high.saturating_sub(*low));
        Ok(Background {
            share: spec.share,
            class: spec.class.as_deref().unwrap_or("unseen").into(),
            workload: format!("{}-unseen", trace.file.stem()).into(),
            gaps: ids.windows(2).map(|pair| [pair[0], pair[1]]).filter(missing).collect(),
            patterns,
            timescale,
        })
    }

    /// Appends drafts of the unseen jobs.
    pub(super) fn append(&self, seed: u64, drafts: &mut Vec<Draft>) {
        let concern = Concern::new(seed, "background");
        for [(low, after), (high, before)] in &self.gaps {
            for id in low + 1..*high {
                let mut stream = concern.stream([id.cast_unsigned(), 0, 0]);
                let (luck, place, pattern) = (stream.unit(), stream.unit(), stream.below(self.patterns.len()));
                if luck >= self.share {
                    continue;
                }
                let (from, to) = (*after.min(before), *after.max(before));
                let mut draft = self.patterns[pattern].clone();
                draft.job.submit = self.timescale.time(from + Span(((to - from).0 as f64 * place) as i64));
                draft.job.workload = self.workload.clone();
                draft.job.class = self.class.clone();
                draft.job.recorded = None;
                draft.number = stream.bits();
                drafts.push(draft);
            }
        }
    }
}
