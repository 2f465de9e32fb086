//! A figure of the timeline reduced to one value a pixel column: its mean over the column's time, and its peak.

use crate::recording::{Recording, TimelinePoint};

/// What a figure did within one column.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Column {
    /// Mean over the column's time.
    pub(super) mean: f64,
    /// Highest value that it had for any time.
    pub(super) peak: u32,
}

/// The figure over the whole run in `count` columns of equal length. Before the first point it is zero.
pub(super) fn columns(recording: &Recording, count: usize, figure: fn(&TimelinePoint) -> u32) -> Vec<Column> {
    let mut columns = vec![Column::default(); count];
    let length = recording.end.0.saturating_sub(recording.start.0);
    if length <= 0 || count == 0 {
        return columns;
    }
    // Integers throughout, so that every machine cuts at the same microsecond.
    let edge = |index: usize| (i128::from(length) * index as i128 / count as i128) as i64;
    let column_at = |time: i64| ((i128::from(time) * count as i128 / i128::from(length)) as usize).min(count - 1);
    let mut integrals = vec![0_i128; count];
    let ends = recording.timeline.iter().skip(1).map(|point| point.time).chain([recording.end]);
    for (point, end) in recording.timeline.iter().zip(ends) {
        let value = figure(point);
        let from = (point.time.0.saturating_sub(recording.start.0)).clamp(0, length);
        let to = (end.0.saturating_sub(recording.start.0)).clamp(0, length);
        if value == 0 || from >= to {
            continue;
        }
        for index in column_at(from)..=column_at(to - 1) {
            let overlap = to.min(edge(index + 1)) - from.max(edge(index));
            integrals[index] += i128::from(overlap.max(0)) * i128::from(value);
            columns[index].peak = columns[index].peak.max(value);
        }
    }
    for (index, (column, integral)) in columns.iter_mut().zip(integrals).enumerate() {
        let time = edge(index + 1) - edge(index);
        column.mean = if time > 0 { integral as f64 / time as f64 } else { f64::from(column.peak) };
    }
    columns
}

#[cfg(test)]
mod tests {
    use yardmaster_engine::Time;

    use super::*;

    #[test]
    fn means_and_peaks() {
        let point = |time, queued| TimelinePoint { time: Time(time), queued, ..TimelinePoint::default() };
        let recording = Recording {
            start: Time(100),
            end: Time(140),
            timeline: vec![point(100, 0), point(105, 4), point(110, 1), point(125, 8), point(126, 0)],
            ..Recording::default()
        };
        let column = |mean, peak| Column { mean, peak };
        assert_eq!(
            columns(&recording, 4, |point| point.queued),
            [column(2.0, 4), column(1.0, 1), column(1.3, 8), column(0.0, 0)]
        );
    }

    #[test]
    fn an_empty_run_has_empty_columns() {
        assert_eq!(columns(&Recording::default(), 2, |point| point.queued), [Column::default(); 2]);
    }
}
