//! A Gantt view of the busiest window: what ran on which host around the moment of the longest queue.

use yardmaster_engine::{Span, TaskKind, Time};

use super::area::{Area, Swatch, draw_legend, draw_title};
use super::axis::Axis;
use super::picture::{Anchor, Picture};
use super::theme::{
    self, BLUE, BOTTOM, Colour, GREEN, GRID, ORANGE, SKY, TOP, VERMILION, WIDTH, YELLOW, fitted, text_width,
};
use crate::output::duration::readable_duration;
use crate::recording::{ProcessKind, ProcessRecord, Recording};

/// Rows drawn at most: the busiest hosts.
const ROWS_MAX: usize = 40;
const ROW: f64 = 14.0;
/// The window is about so many median tests long.
const TESTS_IN_WINDOW: i64 = 8;
/// Lengths a window may have, in minutes: from half an hour to four weeks.
const WINDOW_MINUTES: [i64; 10] = [30, 60, 120, 240, 480, 1440, 2880, 5760, 10_080, 40_320];

/// What a bar shows. Parsers are missing: they run when the host is free again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bar {
    Test,
    FailedTest,
    Gather,
    Special(TaskKind),
}

impl Bar {
    const ALL: [Bar; 8] = [
        Bar::Test,
        Bar::FailedTest,
        Bar::Gather,
        Bar::Special(TaskKind::Verify),
        Bar::Special(TaskKind::Cleanup),
        Bar::Special(TaskKind::Reset),
        Bar::Special(TaskKind::Provision),
        Bar::Special(TaskKind::Repair),
    ];

    fn of(process: &ProcessRecord) -> Option<Bar> {
        let failed = process.exit_status.is_some_and(|status| status != 0);
        match process.kind {
            ProcessKind::Test if failed => Some(Bar::FailedTest),
            ProcessKind::Test => Some(Bar::Test),
            ProcessKind::Gather => Some(Bar::Gather),
            ProcessKind::Special(kind) => Some(Bar::Special(kind)),
            ProcessKind::Parse => None,
        }
    }

    fn colour(self) -> Colour {
        match self {
            Bar::Test => BLUE,
            Bar::FailedTest => Colour(96, 44, 66),
            Bar::Gather => Colour(140, 150, 160),
            Bar::Special(TaskKind::Verify) => GREEN,
            Bar::Special(TaskKind::Cleanup) => SKY,
            Bar::Special(TaskKind::Reset) => YELLOW,
            Bar::Special(TaskKind::Provision) => ORANGE,
            Bar::Special(TaskKind::Repair) => VERMILION,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Bar::Test => "test",
            Bar::FailedTest => "test that failed",
            Bar::Gather => "gather",
            Bar::Special(kind) => kind.lower(),
        }
    }
}

/// Part of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    from: Time,
    to: Time,
}

impl Window {
    /// The part of a process that falls into the window, if any does.
    fn cut(self, process: &ProcessRecord) -> Option<Window> {
        let from = process.started.max(self.from);
        let to = process.finished.unwrap_or(self.to).min(self.to);
        (from < to).then_some(Window { from, to })
    }

    fn length(self) -> Span {
        self.to - self.from
    }
}

/// The picture; `None` if nothing ran on a host in the window.
pub(super) fn picture(recording: &Recording) -> Option<Picture> {
    let window = busiest_window(recording);
    let rows = busiest_hosts(recording, window);
    if rows.is_empty() {
        return None;
    }
    let busy = rows.len();
    let shown: Vec<u32> = rows.into_iter().take(ROWS_MAX).collect();
    let whole = window.length() == recording.end - recording.start;
    let title = if whole { "What ran on the hosts" } else { "What ran on the hosts around the longest queue" };
    let mut explanation = format!(
        "Each row is a host, each bar something that ran on it; gaps are time in which it did nothing. The picture \
         covers {}.",
        if whole { "the whole run".to_owned() } else { readable_duration(window.length().0) }
    );
    if busy > ROWS_MAX {
        explanation += &format!(" Of the {busy} hosts that were in use, the {ROWS_MAX} busiest are shown.");
    }
    let height = TOP + shown.len() as f64 * ROW + BOTTOM;
    let mut picture = Picture::new("gantt", title.to_owned(), explanation, WIDTH, height);
    draw_title(&mut picture);
    draw_rows(&mut picture, recording, window, shown);
    Some(picture)
}

fn draw_rows(picture: &mut Picture, recording: &Recording, window: Window, mut hosts: Vec<u32>) {
    let host = |index: u32| &recording.hosts[index as usize];
    hosts.sort_by_key(|&index| (&host(index).kind, index));
    let label = |index: u32| fitted(&host(index).name, theme::TICK, 210.0);
    let widest = hosts.iter().map(|&index| text_width(&label(index), theme::TICK)).fold(40.0, f64::max);
    let area =
        Area { left: 20.0 + widest + 8.0, right: WIDTH - theme::RIGHT, top: TOP, bottom: picture.height - BOTTOM };
    let axis = Axis::of_time(recording, window.from, window.to);
    area.draw_x_axis(picture, &axis);
    let mut row_of = vec![None; recording.hosts.len()];
    for (row, &index) in hosts.iter().enumerate() {
        row_of[index as usize] = Some(row);
        let bottom = TOP + (row + 1) as f64 * ROW;
        picture.text((area.left - 7.0, bottom - 3.0), &label(index), theme::TICK.anchored(Anchor::End));
        picture.line(&[(area.left, bottom), (area.right, bottom)], 0.5, GRID, false);
    }
    let mut seen = [false; Bar::ALL.len()];
    let mut drawn_to = vec![area.left; hosts.len()];
    let seconds = |time: Time| (time - recording.start).as_seconds_f64();
    for process in &recording.processes {
        let (Some(cut), Some(bar)) = (window.cut(process), Bar::of(process)) else { continue };
        for row in process.hosts.iter().filter_map(|&index| row_of.get(index as usize).copied().flatten()) {
            let (from, to) = (area.x(&axis, seconds(cut.from)), area.x(&axis, seconds(cut.to)));
            let top = TOP + row as f64 * ROW;
            // A hair of white keeps neighbours of one kind apart; the shortest task is still seen, unless others of
            // the same moment cover it.
            let to = (to - 0.5).max(from + 0.6);
            if to <= drawn_to[row] {
                continue;
            }
            drawn_to[row] = to;
            picture.rectangle((from, top + 2.0), (to, top + ROW - 2.0), bar.colour());
            seen[Bar::ALL.iter().position(|&other| other == bar).expect("ALL has every bar")] = true;
        }
    }
    area.draw_left_edge(picture);
    let legend: Vec<_> = Bar::ALL
        .into_iter()
        .zip(seen)
        .filter(|(_, seen)| *seen)
        .map(|(bar, _)| (Swatch::Fill(bar.colour()), bar.label().to_owned()))
        .collect();
    draw_legend(picture, (area.left, TOP - 18.0), &legend);
}

/// A window of some median tests around the first moment of the longest queue (of the most processes, if nothing ever
/// waited), moved to lie within the run.
fn busiest_window(recording: &Recording) -> Window {
    let whole = Window { from: recording.start, to: recording.end };
    let mut tests: Vec<Span> = recording
        .processes
        .iter()
        .filter(|process| process.kind == ProcessKind::Test)
        .filter_map(|process| Some(process.finished? - process.started))
        .collect();
    tests.sort_unstable();
    let median = tests.get(tests.len() / 2).copied().unwrap_or_default();
    let wanted = median * TESTS_IN_WINDOW;
    let lengths = WINDOW_MINUTES.map(Span::from_minutes);
    let length = lengths.into_iter().find(|&length| length >= wanted).unwrap_or(lengths[lengths.len() - 1]);
    if whole.length() <= length {
        return whole;
    }
    let busy = |point: &crate::recording::TimelinePoint| (point.queued, point.processes);
    // `max_by_key` would take the last of equals.
    let peak = recording.timeline.iter().rev().max_by_key(|point| busy(point)).map_or(whole.from, |point| point.time);
    let half = Span(length.0 / 2);
    let from = (peak - half).min(whole.to - length).max(whole.from);
    Window { from, to: from + length }
}

/// Hosts on which something ran in the window, busiest first, equals in the order of their indices.
fn busiest_hosts(recording: &Recording, window: Window) -> Vec<u32> {
    let mut busy = vec![Span::ZERO; recording.hosts.len()];
    for process in recording.processes.iter().filter(|process| Bar::of(process).is_some()) {
        let Some(cut) = window.cut(process) else { continue };
        for &index in &process.hosts {
            if let Some(sum) = busy.get_mut(index as usize) {
                *sum = *sum + cut.length();
            }
        }
    }
    let mut hosts: Vec<u32> = (0..).zip(&busy).filter(|(_, sum)| **sum > Span::ZERO).map(|(index, _)| index).collect();
    hosts.sort_by_key(|&index| (std::cmp::Reverse(busy[index as usize]), index));
    hosts
}
