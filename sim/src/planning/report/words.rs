//! Figures as people read them.

use crate::output::plots::scales::readable_number;
use crate::output::readable_duration;
use crate::planning::figures::Judgement;
use crate::planning::objective::Objective;
use crate::planning::queue::Queue;
use crate::planning::statistics::Estimate;

/// `95.2 % (93.0–97.1)`, or `10 min (8 min to 14 min)`; an interval may be open to one side, or to both.
pub(super) fn estimate(estimate: Estimate, is_share: bool) -> String {
    if is_share {
        let percent = |share: f64| format!("{:.1}", share * 100.0);
        return format!("{} % ({}–{})", percent(estimate.value), percent(estimate.low), percent(estimate.high));
    }
    let Estimate { value, low, high } = estimate;
    if low.is_infinite() {
        return time(value);
    }
    let interval = match (low > 0.0, high.is_finite()) {
        (true, true) => format!("{} to {}", time(low), time(high)),
        (true, false) => format!("{} or more", time(low)),
        (false, true) => format!("up to {}", time(high)),
        (false, false) => "not known from so few".to_owned(),
    };
    format!("{} ({interval})", time(value))
}

/// A number of seconds in its two largest units; what never ends is without end.
pub(super) fn time(seconds: f64) -> String {
    if seconds.is_finite() { readable_duration((seconds * 1e6) as i64) } else { "without end".to_owned() }
}

/// A difference of shares in percentage points: `+3.1 (2.0 to 4.2)`.
pub(super) fn share_points(difference: Estimate) -> String {
    let points = |share: f64| {
        let sign = if share > 0.0005 { "+" } else { "" };
        format!("{sign}{}", readable_number(share * 100.0, 1))
    };
    // An interval without ends says nothing.
    if !difference.half_width().is_finite() {
        return format!("{} (unknown)", points(difference.value));
    }
    format!("{} ({} to {})", points(difference.value), points(difference.low), points(difference.high))
}

/// So many more jobs: `+22 jobs`, `+1 job`, `0 jobs`.
pub(super) fn more_jobs(jobs: f64) -> String {
    let jobs = jobs.round();
    let sign = if jobs > 0.0 { "+" } else { "" };
    let noun = if jobs.abs() == 1.0 { "job" } else { "jobs" };
    format!("{sign}{} {noun}", readable_number(jobs, 0))
}

/// What was estimated for an objective.
pub(super) fn of_objective(objective: &Objective, found: Estimate) -> String {
    estimate(found, objective.target.is_share())
}

/// Queues, in a list.
pub(super) fn joined(queues: &[Queue], between: &str) -> String {
    queues.iter().map(Queue::to_string).collect::<Vec<_>>().join(between)
}

/// Whether an objective is met, in a word.
pub(super) fn judgement(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Met => "met",
        Judgement::Unclear => "unclear",
        Judgement::Missed => "missed",
        Judgement::Unstable => "unstable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_times_have_their_words() {
        let found = |value, low, high| Estimate { value, low, high };
        assert_eq!(estimate(found(0.5, 0.45, 0.55), true), "50.0 % (45.0–55.0)");
        assert_eq!(estimate(found(600.0, 540.0, 840.0), false), "10 min (9 min to 14 min)");
        assert_eq!(estimate(found(600.0, 540.0, f64::INFINITY), false), "10 min (9 min or more)");
        assert_eq!(estimate(found(600.0, 0.0, 840.0), false), "10 min (up to 14 min)");
        assert_eq!(estimate(found(600.0, 0.0, f64::INFINITY), false), "10 min (not known from so few)");
        let never = f64::INFINITY;
        assert_eq!(estimate(found(never, 540.0, never), false), "without end (9 min or more)");
        assert_eq!(estimate(found(never, never, never), false), "without end");
    }
}
