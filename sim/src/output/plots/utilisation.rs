//! What the time of the hosts of each kind went to: one stacked bar a kind.

use super::area::{Area, Swatch, draw_legend, draw_title};
use super::axis::Axis;
use super::picture::{Anchor, Picture};
use super::theme::{self, BLUE, BOTTOM, Colour, GREY, ORANGE, PURPLE, TOP, VERMILION, WIDTH, fitted, text_width};
use crate::output::derived::HostUse;
use crate::output::summary::{HostsOfKind, Summary};

/// Bars drawn at most: the kinds with the most hosts.
const BARS_MAX: usize = 30;
const BAR: f64 = 20.0;
const GAP: f64 = 9.0;
/// Room to the right of the bars for the figure.
const FIGURE: f64 = 66.0;

impl HostUse {
    fn colour(self) -> Colour {
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
    let labels: Vec<String> = bars.iter().map(|(kind, hosts)| label(kind, hosts)).collect();
    let widest = labels.iter().map(|label| text_width(label, theme::TICK)).fold(60.0, f64::max);
    let height = TOP + bars.len() as f64 * (BAR + GAP) + GAP + BOTTOM;
    let mut explanation = "Each bar divides the time of all hosts of one kind; the figure at its end is the share of \
                           time in which they were in use. A kind near 100 % is where jobs wait; a kind near 0 % could \
                           do with fewer hosts."
        .to_owned();
    if left_out > 0 {
        explanation += &format!(" Only the {BARS_MAX} kinds with the most hosts are shown; {left_out} are not.");
    }
    let title = "Host utilisation by kind of host".to_owned();
    let mut picture = Picture::new("utilisation", title, explanation, WIDTH, height);
    draw_title(&mut picture);
    let area = Area { left: 20.0 + widest.min(300.0) + 10.0, right: WIDTH - FIGURE, top: TOP, bottom: height - BOTTOM };
    let axis = Axis::of_shares("share of the hosts' time");
    area.draw_x_axis(&mut picture, &axis);
    for (index, ((_, hosts), label)) in bars.iter().zip(&labels).enumerate() {
        draw_bar(&mut picture, area, &axis, index, hosts, label);
    }
    area.draw_left_edge(&mut picture);
    // Most labs never hold a host for a job of several; then the legend need not speak of it.
    let shown =
        HostUse::ALL.into_iter().filter(|&use_| use_ != HostUse::Held || bars.iter().any(|bar| bar.1.is_held()));
    let legend: Vec<_> = shown.map(|use_| (Swatch::Fill(use_.colour()), use_.label().to_owned())).collect();
    draw_legend(&mut picture, (area.left, TOP - 18.0), &legend);
    picture
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
    fitted(&format!("{kind} ({} {plural})", hosts.hosts), theme::TICK, 300.0)
}

fn draw_bar(picture: &mut Picture, area: Area, axis: &Axis, index: usize, hosts: &HostsOfKind, label: &str) {
    let top = area.top + GAP + index as f64 * (BAR + GAP);
    picture.text((area.left - 8.0, top + BAR / 2.0 + 4.2), label, theme::TICK.anchored(Anchor::End));
    let mut from = 0.0;
    for (use_, share) in HostUse::ALL.into_iter().zip(hosts.shares()) {
        let to = from + share.as_f64();
        if share.millionths() > 0 {
            picture.rectangle((area.x(axis, from), top), (area.x(axis, to), top + BAR), use_.colour());
        }
        from = to;
    }
    let figure = format!("{:.0} %", hosts.utilisation.as_f64() * 100.0);
    picture.text((area.right + 10.0, top + BAR / 2.0 + 4.5), &figure, theme::NOTE.bold());
}
