//! Numbers that change now and then, integrated over a window and over each of its hours.

use yardmaster_engine::{Span, Time};

use super::measurement::{Grid, HOUR, Window};

/// Such a number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    value: i64,
    since: Time,
}

impl Level {
    /// It is 0 from this moment on.
    pub(super) fn new(since: Time) -> Level {
        Level { value: 0, since }
    }

    /// It changes by so much at a moment, not before the last one. What it was until then goes into the grid's column.
    pub(super) fn change(&mut self, window: Window, at: Time, by: i64, grid: &mut Grid, column: usize) {
        self.settle(window, at, grid, column);
        self.value += by;
    }

    /// Puts what it was until this moment into the grid's column.
    pub(super) fn settle(&mut self, window: Window, at: Time, grid: &mut Grid, column: usize) {
        let (mut from, to) = (self.since.max(window.from), at.min(window.to));
        self.since = self.since.max(at);
        if self.value == 0 {
            return;
        }
        while from < to {
            let hour = (from - window.from).0 / HOUR.0;
            let until = to.min(window.from + HOUR * (hour + 1));
            grid.add(hour as usize, column, self.value * (until - from).0);
            from = until;
        }
    }
}

/// The part of a stretch of time that lies in a window.
pub(super) fn within(window: Window, from: Time, to: Time) -> Span {
    (to.min(window.to) - from.max(window.from)).max(Span::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_spread_over_the_hours_of_the_window() {
        let window = Window { from: Time::from_seconds(1_000), to: Time::from_seconds(1_000 + 2 * 3_600 + 1_800) };
        let mut grid = Grid::new(window.hours(), 1);
        let mut level = Level::new(Time(0));
        let mut change = |seconds: i64, by: i64| {
            level.change(window, Time::from_seconds(seconds), by, &mut grid, 0);
        };
        change(500, 2);
        change(1_000 + 3_600 + 600, 1);
        change(1_000 + 9_999_999, -3);
        let seconds: Vec<i64> = grid.hours().map(|hour| hour[0] / 1_000_000).collect();
        assert_eq!(seconds, [2 * 3_600, 2 * 600 + 3 * 3_000, 3 * 1_800]);
        assert_eq!(within(window, Time(0), Time::from_seconds(1_010)), Span::from_seconds(10));
        assert_eq!(within(window, Time(0), Time(5)), Span::ZERO);
    }
}
