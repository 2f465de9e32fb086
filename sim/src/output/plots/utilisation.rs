//! What the time of the hosts of each kind went to: one stacked bar a kind.

use plotters::prelude::{Color, EmptyElement, RGBColor, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::chart::{Key, Room, axis_room, chart, draw_legend, height_of_rows, legend_room};
use super::picture::{Canvas, Drawn, Picture};
use super::theme::{self, BLUE, BOTTOM, GREY, INK, ORANGE, PURPLE, VERMILION, fitted};
use crate::output::derived::HostUse;
use crate::output::summary::{HostsOfKind, Summary};

/// Bars drawn at most: the kinds with the most hosts.
const BARS_MAX: usize = 30;
/// Height of a bar with the gaps above and below it, and of one of these gaps as a share of it.
const ROW: u32 = 58;
const GAP: f64 = 0.16;
/// The longest label.
const LABEL: u32 = 600;
/// Room to the right of the bars for the figure.
const FIGURE: u32 = 116;

impl HostUse {
    fn colour(self) -> RGBColor {
        match self {
            HostUse::Tests => BLUE,
            HostUse::SpecialTasks => ORANGE,
            HostUse::Held => PURPLE,
            HostUse::OutOfService => VERMILION,
            HostUse::Idle => GREY,
        }
    }

    /// What legends and tables call it.
    pub(in crate::output) fn label(self) -> &'static str {
        match self {
            HostUse::Tests => "running tests",
            HostUse::SpecialTasks => "special tasks",
            HostUse::Held => "held for a job",
            HostUse::OutOfService => "out of service",
            HostUse::Idle => "idle",
        }
    }
}

pub(super) fn picture(summary: &Summary) -> Picture {
    let (bars, left_out) = bars(summary);
    let mut explanation = "Each bar divides the time of all hosts of one kind; the figure at its end is the share of \
                           time in which they were in use. A kind near 100 % is where jobs wait; a kind near 0 % could \
                           do with fewer hosts."
        .to_owned();
    if left_out > 0 {
        explanation += &format!(" Only the {BARS_MAX} kinds with the most hosts are shown; {left_out} are not.");
    }
    // Most labs never hold a host for a job of several; then the legend need not speak of it.
    let shown =
        HostUse::ALL.into_iter().filter(|&use_| use_ != HostUse::Held || bars.iter().any(|bar| bar.1.is_held()));
    let keys: Vec<Key> = shown.map(|use_| Key::Fill(use_.label().to_owned(), use_.colour())).collect();
    let (height, full_height) = height_of_rows(bars.len(), ROW, &keys);
    let title = "Host utilisation by kind of host";
    Picture::new(("utilisation", title, explanation), full_height, |canvas| {
        let room = draw_bars(&canvas.split_vertically(height).0, &bars, legend_room(&keys))?;
        draw_legend(canvas, room, &keys)
    })
}

fn draw_bars(canvas: &Canvas<'_>, bars: &[(&str, &HostsOfKind)], right: u32) -> Drawn<Room> {
    let labels: Vec<String> = bars.iter().map(|(kind, hosts)| label(kind, hosts)).collect();
    let room = Room { left: axis_room(&labels), below: BOTTOM, right };
    let bars_room = Room { right: room.right + FIGURE, ..room };
    let mut chart = chart(canvas, bars_room, Axis::of_shares("share of the hosts' time"), Axis::of_rows(labels))?;
    for (position, use_) in HostUse::ALL.into_iter().enumerate() {
        let parts = (0..).zip(bars).filter_map(|(row, (_, hosts))| {
            let shares = hosts.shares();
            let from: f64 = shares[..position].iter().map(|share| share.as_f64()).sum();
            let (top, to) = (f64::from(row) + GAP, from + shares[position].as_f64());
            let corners = [(from, top), (to, top + 1.0 - 2.0 * GAP)];
            (shares[position].millionths() > 0).then(|| Rectangle::new(corners, use_.colour().filled()))
        });
        chart.draw_series(parts)?;
    }
    let style = theme::figure(INK).pos(Pos::new(HPos::Right, VPos::Center));
    let figures = (0..).zip(bars).map(|(row, (_, hosts))| {
        let figure = format!("{:.0} %", hosts.utilisation.as_f64() * 100.0);
        EmptyElement::at((1.0, f64::from(row) + 0.5)) + Text::new(figure, (FIGURE as i32, theme::SINK), style.clone())
    });
    chart.draw_series(figures)?;
    Ok(room)
}

impl HostsOfKind {
    fn is_held(&self) -> bool {
        self.held.millionths() > 0
    }
}

/// The kinds to draw in the order of their names, all hosts together last, and how many kinds are left out.
fn bars(summary: &Summary) -> (Vec<(&str, &HostsOfKind)>, usize) {
    let mut kinds: Vec<(&str, &HostsOfKind)> =
        summary.lab.hosts_by_kind.iter().map(|(kind, hosts)| (kind.as_str(), hosts)).collect();
    let left_out = kinds.len().saturating_sub(BARS_MAX);
    if left_out > 0 {
        // Stable, so kinds of equally many hosts stay in the order of their names.
        kinds.sort_by_key(|(_, hosts)| std::cmp::Reverse(hosts.hosts));
        kinds.truncate(BARS_MAX);
        kinds.sort_by_key(|(kind, _)| *kind);
    }
    if kinds.len() > 1 || kinds.is_empty() {
        kinds.push(("all", &summary.lab.hosts));
    }
    (kinds, left_out)
}

fn label(kind: &str, hosts: &HostsOfKind) -> String {
    let plural = if hosts.hosts == 1 { "host" } else { "hosts" };
    fitted(&format!("{kind} ({} {plural})", hosts.hosts), &theme::axis(), LABEL)
}
