//! Hosts in use and the queue over a typical week, with the hosts there are in the same picture.

use plotters::prelude::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{CANVAS, RIGHT, colour};
use crate::output::plots::Picture;
use crate::output::plots::axis::Axis;
use crate::output::plots::chart::{Chart, Room, chart, place};
use crate::output::plots::pen::{Legend, Pen, Sign};
use crate::output::plots::picture::{Canvas, Drawn};
use crate::output::plots::theme::{self, INK, LEFT, fitted};
use crate::planning::observation::Week;
use crate::planning::report::view::{Which, details};
use crate::planning::result::PlanResult;

/// Kinds of host drawn at most: the busiest.
const KINDS_MAX: usize = 3;
/// Height of a panel and of the name above it; of the names of days below all.
const PANEL: u32 = 250;
const HEADING: u32 = 84;
const DAYS: u32 = 60;
const DAY_NAMES: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A chart of the picture: a figure of each plan over the week, and a bound where it has one.
struct Panel {
    heading: String,
    axis: &'static str,
    lines: Vec<(Which, Vec<f64>)>,
    capacities: Vec<(Which, f64)>,
}

/// The picture; `None` where no hour was seen.
pub(super) fn picture(result: &PlanResult) -> Option<Picture> {
    let seen: Vec<bool> = result.before.week.hours.iter().map(|hours| *hours > 0).collect();
    if !seen.contains(&true) {
        return None;
    }
    let (panels, left_out) = panels(result);
    let title = "A typical week";
    let mut explanation = "Means of every hour of the week over all replications: hosts in use with the hosts there are, and \
                           below them the queue. Where both plans have as many hosts, one line stands for both. Hours are UTC; where the scenario has no dates, the week begins when a \
                           replication does."
        .to_owned();
    if left_out > 0 {
        explanation += &format!(" Shown are the {KINDS_MAX} busiest kinds; {left_out} more are in week_hosts.csv.");
    }
    if seen.contains(&false) {
        explanation += " Hours that the simulated time does not reach are left out.";
    }
    let legend = Legend::new((CANVAS - LEFT - RIGHT) as i32, legend(result));
    let height = panels.len() as u32 * (PANEL + HEADING) + DAYS;
    Some(Picture::new(("week", title, explanation), height + legend.height(), |canvas| {
        for (number, panel) in (0..).zip(&panels) {
            panel.draw(canvas, number * (PANEL + HEADING), &seen)?;
        }
        draw_days(&Pen(canvas), height - DAYS)?;
        legend.draw(&Pen(canvas), (LEFT as i32, height as i32))
    }))
}

fn legend(result: &PlanResult) -> Vec<(Sign, String)> {
    let mut entries: Vec<(Sign, String)> =
        details(result).map(|(which, _)| (Sign::Line(colour(which)), which.words(result).to_owned())).collect();
    let hosts = |which: Which| match details(result).count() {
        0 | 1 => "hosts there are".to_owned(),
        _ => format!("hosts there are, {}", which.words(result)),
    };
    entries.extend(details(result).map(|(which, _)| (Sign::Dashes(colour(which)), hosts(which))));
    entries
}

/// The busiest kinds, all hosts, the queue; and how many kinds are left out.
fn panels(result: &PlanResult) -> (Vec<Panel>, usize) {
    let used = |kind: &str| {
        let hosts = result.before.hosts.iter().find(|hosts| hosts.kind == kind);
        hosts.and_then(|hosts| hosts.used).map_or(0.0, |used| used.value)
    };
    let mut kinds: Vec<&String> = result.before.week.busy.keys().collect();
    // Stable: kinds that are equally busy stay in the order of their names.
    kinds.sort_by(|one, other| used(other).total_cmp(&used(one)));
    let left_out = kinds.len().saturating_sub(KINDS_MAX);
    let mut panels: Vec<Panel> = kinds.iter().take(KINDS_MAX).map(|kind| of_kind(result, kind)).collect();
    if kinds.len() > 1 {
        panels.push(of_all(result));
    }
    let waiting = details(result).map(|(which, detail)| (which, detail.week.mean(&detail.week.waiting)));
    panels.push(Panel {
        heading: "queue: entries that wait for a host".to_owned(),
        axis: "entries",
        lines: waiting.collect(),
        capacities: Vec::new(),
    });
    (panels, left_out)
}

fn of_kind(result: &PlanResult, kind: &str) -> Panel {
    let busy = |week: &Week| week.busy.get(kind).map(|busy| week.mean(busy)).unwrap_or_default();
    let hosts = |week: &Week| week.hosts.get(kind).copied().unwrap_or_default();
    panel(result, format!("hosts of {kind}"), busy, hosts)
}

fn of_all(result: &PlanResult) -> Panel {
    let busy = |week: &Week| {
        let mut sums = vec![0.0; week.hours.len()];
        for busy in week.busy.values() {
            sums.iter_mut().zip(busy).for_each(|(sum, busy)| *sum += busy);
        }
        week.mean(&sums)
    };
    panel(result, "all hosts".to_owned(), busy, |week| week.hosts.values().sum())
}

fn panel(result: &PlanResult, name: String, busy: impl Fn(&Week) -> Vec<f64>, hosts: impl Fn(&Week) -> u32) -> Panel {
    let counts: Vec<u32> = details(result).map(|(_, detail)| hosts(&detail.week)).collect();
    let heading = match counts[..] {
        [before, after] if before != after => {
            format!("{name} in use, of {before} ({}: of {after})", Which::After.words(result))
        }
        [before, ..] => format!("{name} in use, of {before}"),
        [] => name,
    };
    Panel {
        heading,
        axis: "hosts",
        lines: details(result).map(|(which, detail)| (which, busy(&detail.week))).collect(),
        capacities: details(result).map(|(which, detail)| (which, f64::from(hosts(&detail.week)))).collect(),
    }
}

impl Panel {
    fn draw(&self, canvas: &Canvas<'_>, top: u32, seen: &[bool]) -> Drawn {
        let pen = Pen(canvas);
        let room = CANVAS - LEFT - RIGHT;
        let style = theme::figure(INK);
        pen.text(&fitted(&self.heading, &style, room), (LEFT as i32, top as i32 + 36), &style)?;
        let below = canvas.split_vertically(top + HEADING).1;
        let area = below.split_vertically(PANEL).0;
        let values = self.lines.iter().flat_map(|(_, line)| line.iter().copied());
        let highest = values.chain(self.capacities.iter().map(|(_, hosts)| *hosts)).fold(0.0, f64::max);
        let room = Room { left: LEFT, below: 0, right: RIGHT };
        let chart = chart(&area, room, Axis::of_week(), Axis::of_amounts(self.axis, highest))?;
        for (number, (which, hosts)) in self.capacities.iter().enumerate() {
            // Where both agree, the dashes of one would fill the gaps of the other.
            if self.capacities[number + 1..].iter().any(|(_, others)| others == hosts) {
                continue;
            }
            let ends = [0.0, 168.0].map(|hour| place(canvas, &chart, (hour, *hosts)));
            pen.dashes(&ends, colour(*which).stroke_width(4))?;
        }
        for (which, line) in &self.lines {
            // The first line is broad, so that it is seen beneath the second where both agree.
            let width = if *which == Which::Before && self.lines.len() > 1 { 9 } else { 4 };
            let strength = if *which == Which::Before && self.lines.len() > 1 { 0.55 } else { 1.0 };
            for stretch in stretches(line, seen) {
                let spots: Vec<_> = stretch.into_iter().map(|value| place(canvas, &chart, value)).collect();
                pen.line(&spots, colour(*which).mix(strength).stroke_width(width))?;
            }
        }
        close(&chart, canvas)
    }
}

/// A line along the foot of a panel: charts without labels below have none.
fn close(chart: &Chart<'_>, canvas: &Canvas<'_>) -> Drawn {
    let ends = [0.0, 168.0].map(|hour| place(canvas, chart, (hour, 0.0)));
    Pen(canvas).line(&ends, theme::AXIS.stroke_width(2))
}

/// A figure by hour as steps, one line for each stretch of hours that were seen.
fn stretches(line: &[f64], seen: &[bool]) -> Vec<Vec<(f64, f64)>> {
    let hours: Vec<(usize, f64)> = line.iter().copied().enumerate().collect();
    let is_seen = |hour: usize| seen.get(hour).copied().unwrap_or(false);
    let stretches = hours.chunk_by(|one, next| is_seen(one.0) == is_seen(next.0));
    let steps = |stretch: &[(usize, f64)]| {
        let step = |(hour, value): &(usize, f64)| [(*hour as f64, *value), (*hour as f64 + 1.0, *value)];
        stretch.iter().flat_map(step).collect()
    };
    stretches.filter(|stretch| is_seen(stretch[0].0)).map(steps).collect()
}

fn draw_days(pen: &Pen<'_, '_>, top: u32) -> Drawn {
    let width = f64::from(CANVAS - LEFT - RIGHT) / 7.0;
    let style = theme::axis().pos(Pos::new(HPos::Center, VPos::Top));
    for (day, name) in (0..).zip(DAY_NAMES) {
        let middle = f64::from(LEFT) + (f64::from(day) + 0.5) * width;
        pen.text(name, (middle as i32, top as i32 + 14), &style)?;
    }
    Ok(())
}
