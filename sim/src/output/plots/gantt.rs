//! A Gantt view of the busiest window: what ran on which host while most was going on.

use plotters::prelude::{Color, RGBColor, Rectangle};
use yardmaster_engine::{Span, Time};

use super::axis::Axis;
use super::chart::{Key, Room, axis_room, chart, draw_legend, height_of_rows, legend_room};
use super::picture::Picture;
use super::theme::{self, BLUE, BOTTOM, GREEN, ORANGE, SKY, VERMILION, YELLOW, fitted};
use crate::output::duration::readable_duration;
use crate::recording::{ProcessKind, ProcessRecord, Recording};

/// Rows drawn at most: the busiest hosts.
const ROWS_MAX: usize = 40;
/// Height of a row, and of the gap at either side of its bars as a share of it.
const ROW: u32 = 28;
const GAP: f64 = 0.14;
/// A hair is about a unit wide: so many make the window.
const HAIRS: f64 = 1350.0;
/// The longest name of a host.
const NAME: u32 = 420;
/// The window is about so many median tests long.
const TESTS_IN_WINDOW: i64 = 8;
/// How many parts a window has when the busiest is looked for.
const QUARTERS: usize = 4;
/// Lengths a window may have, in minutes: from half an hour to four weeks.
const WINDOW_MINUTES: [i64; 10] = [30, 60, 120, 240, 480, 1440, 2880, 5760, 10_080, 40_320];

/// What a bar may show, in the order of the legend.
const BARS: [(&str, RGBColor); 8] = [
    ("test", BLUE),
    ("test that failed", RGBColor(96, 44, 66)),
    ("gather", RGBColor(140, 150, 160)),
    ("verify", GREEN),
    ("cleanup", SKY),
    ("reset", YELLOW),
    ("provision", ORANGE),
    ("repair", VERMILION),
];

/// Which of the bars shows a process; none a parser, which runs when the host is free again.
fn bar(process: &ProcessRecord) -> Option<usize> {
    let label = match process.kind {
        ProcessKind::Test if process.exit_status.is_some_and(|status| status != 0) => "test that failed",
        ProcessKind::Test => "test",
        ProcessKind::Gather => "gather",
        ProcessKind::Special(kind) => kind.lower(),
        ProcessKind::Parse => return None,
    };
    Some(BARS.iter().position(|(known, _)| *known == label).expect("BARS has every kind"))
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
    let mut hosts = busiest_hosts(recording, window);
    if hosts.is_empty() {
        return None;
    }
    let busy = hosts.len();
    hosts.truncate(ROWS_MAX);
    hosts.sort_by_key(|&index| (&recording.hosts[index as usize].kind, index));
    let whole = window.length() == recording.end - recording.start;
    let title = if whole { "What ran on the hosts" } else { "What ran on the hosts in the busiest time" };
    let mut explanation = format!(
        "Each row is a host, each bar something that ran on it; gaps are time in which it did nothing. The picture \
         covers {}.",
        if whole { "the whole run".to_owned() } else { readable_duration(window.length().0) }
    );
    if busy > ROWS_MAX {
        explanation += &format!(" Of the {busy} hosts that were in use, the {ROWS_MAX} busiest are shown.");
    }
    let bars = bars(recording, window, &hosts);
    let keys: Vec<Key> = bars.iter().map(|((label, colour), _)| Key::Fill((*label).to_owned(), *colour)).collect();
    let name = |&index: &u32| fitted(&recording.hosts[index as usize].name, &theme::axis(), NAME);
    let names: Vec<String> = hosts.iter().map(name).collect();
    let room = Room { left: axis_room(&names), below: BOTTOM, right: legend_room(&keys) };
    let (height, full_height) = height_of_rows(hosts.len(), ROW, &keys);
    Some(Picture::new(("gantt", title, explanation), full_height, |canvas| {
        let time = Axis::of_time(recording, window.from, window.to);
        let mut chart = chart(&canvas.split_vertically(height).0, room, time, Axis::of_rows(names))?;
        for ((_, colour), corners) in bars {
            chart.draw_series(corners.into_iter().map(|corners| Rectangle::new(corners, colour.filled())))?;
        }
        draw_legend(canvas, room, &keys)
    }))
}

/// Two corners of a bar: the time in seconds, and its place among the rows.
type Corners = [(f64, f64); 2];

/// The bars of each kind that ran on one of the hosts, with the kind's label and colour.
fn bars(recording: &Recording, window: Window, hosts: &[u32]) -> Vec<((&'static str, RGBColor), Vec<Corners>)> {
    let mut row_of = vec![None; recording.hosts.len()];
    for (row, &index) in hosts.iter().enumerate() {
        row_of[index as usize] = Some(row);
    }
    let mut bars = BARS.map(|look| (look, Vec::new()));
    // A hair of white keeps neighbours of one kind apart; the shortest task is still seen, unless others of the same
    // moment cover it.
    let hair = window.length().as_seconds_f64() / HAIRS;
    let mut drawn_to = vec![f64::MIN; hosts.len()];
    let seconds = |time: Time| (time - recording.start).as_seconds_f64();
    for process in &recording.processes {
        let (Some(cut), Some(bar)) = (window.cut(process), bar(process)) else { continue };
        for row in process.hosts.iter().filter_map(|&index| row_of.get(index as usize).copied().flatten()) {
            let from = seconds(cut.from);
            let to = (seconds(cut.to) - hair).max(from + 2.0 * hair);
            if to <= drawn_to[row] {
                continue;
            }
            drawn_to[row] = to;
            let corners = [(from, row as f64 + GAP), (to, (row + 1) as f64 - GAP)];
            bars[bar].1.push(corners);
        }
    }
    bars.into_iter().filter(|(_, corners)| !corners.is_empty()).collect()
}

/// A window of some median tests in which the hosts ran the most: of windows that begin a quarter of their length apart,
/// the first in which processes took the most time.
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
    let quarter = Span(length.0 / QUARTERS as i64);
    let from = whole.from + quarter * busiest_quarters(recording, quarter) as i64;
    let from = from.min(whole.to - length);
    Window { from, to: from + length }
}

/// With the run cut into parts of this length, the first of the `QUARTERS` in a row in which hosts ran the most.
fn busiest_quarters(recording: &Recording, part: Span) -> usize {
    let index = |time: Time| ((time - recording.start).0.max(0) / part.0) as usize;
    let mut busy = vec![0_i64; index(recording.end) + QUARTERS];
    for process in recording.processes.iter().filter(|process| bar(process).is_some()) {
        let to = process.finished.unwrap_or(recording.end).min(recording.end);
        for (number, busy) in busy.iter_mut().enumerate().take(index(to) + 1).skip(index(process.started)) {
            let from = recording.start + part * number as i64;
            let part = Window { from, to: from + part };
            let hosts = process.hosts.len() as i64;
            *busy += part.cut(process).map_or(0, |cut| cut.length().0) * hosts;
        }
    }
    let sums = busy.windows(QUARTERS).map(|parts| parts.iter().sum::<i64>()).enumerate();
    // `max_by_key` would take the last of equals.
    sums.rev().max_by_key(|(_, sum)| *sum).map_or(0, |(number, _)| number)
}

/// Hosts on which something ran in the window, busiest first, equals in the order of their indices.
fn busiest_hosts(recording: &Recording, window: Window) -> Vec<u32> {
    let mut busy = vec![Span::ZERO; recording.hosts.len()];
    for process in recording.processes.iter().filter(|process| bar(process).is_some()) {
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
