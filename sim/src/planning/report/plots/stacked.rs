//! Bars in parts, one for each plan: to what waits are owed, and what hosts do.

use plotters::prelude::{Color, RGBColor};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{CANVAS, RIGHT};
use crate::output::plots::Picture;
use crate::output::plots::axis::Axis;
use crate::output::plots::chart::{Room, axis_room, chart, place};
use crate::output::plots::pen::{Legend, Pen, Sign};
use crate::output::plots::picture::{Canvas, Drawn};
use crate::output::plots::theme::{
    self, BLUE, BOTTOM, GREEN, GREY, INK, ORANGE, PURPLE, QUIET_INK, SKY, VERMILION, YELLOW, fitted, text_width,
};
use crate::output::readable_duration;
use crate::planning::figures::JobSet;
use crate::planning::report::view::{Which, details, set_name, shown_sets};
use crate::planning::result::{Detail, HostFigures, PlanResult, WaitCauses};
use crate::run::HostUse;

/// Rows drawn at most.
const ROWS_MAX: usize = 30;
/// Height of a bar, and of what is between rows.
const BAR: u32 = 36;
const GAP: u32 = 24;
/// The longest name of a row.
const NAME: u32 = 660;
/// Causes with colours of their own; the others are added up.
const COLOURS: [RGBColor; 7] = [BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW];

/// A row: a bar of parts for each plan, and what is said at its end.
struct Row {
    name: String,
    bars: Vec<(Which, Vec<f64>, String)>,
}

/// To what waits are owed; `None` where that is not known.
pub(super) fn causes(result: &PlanResult) -> Option<Picture> {
    let names = greatest_causes(result);
    let (sets, _) = shown_sets(result, usize::MAX);
    let with_causes =
        |detail: &Detail, jobs: &JobSet| detail.causes.iter().find(|causes| causes.jobs == *jobs).cloned();
    let row = |jobs: &JobSet| {
        let bars = details(result).filter_map(|(which, detail)| {
            let parts = parts(&with_causes(detail, jobs)?, &names);
            let figure = readable_duration((parts.iter().sum::<f64>() * 1e6) as i64);
            Some((which, parts, figure))
        });
        Row { name: set_name(jobs), bars: bars.collect() }
    };
    let mut rows: Vec<Row> = sets.iter().map(|waits| row(&waits.jobs)).filter(|row| !row.bars.is_empty()).collect();
    // All jobs first, then those that wait longest; stable.
    let total = |row: &Row| row.bars.first().map_or(0.0, |(_, parts, _)| parts.iter().sum());
    if let Some((_, others)) = rows.split_first_mut() {
        others.sort_by(|one, other| total(other).total_cmp(&total(one)));
    }
    let left_out = rows.len().saturating_sub(ROWS_MAX);
    rows.truncate(ROWS_MAX);
    let longest = rows.iter().flat_map(|row| &row.bars).map(|(_, parts, _)| parts.iter().sum()).fold(0.0, f64::max);
    if longest <= 0.0 {
        return None;
    }
    let title = "What jobs wait for";
    let mut explanation =
        "Each bar is the mean wait of a set of jobs in one plan, divided by what the scheduler gave as its \
                           reason. The greatest part is the bottleneck."
            .to_owned();
    if left_out > 0 {
        explanation += &format!(" The {ROWS_MAX} longest are shown; {left_out} more are in causes.csv.");
    }
    let mut keys: Vec<(Sign, String)> =
        names.iter().zip(COLOURS).map(|(name, colour)| (Sign::Fill(colour), name.clone())).collect();
    if rows.iter().flat_map(|row| &row.bars).any(|(_, parts, _)| parts.last().is_some_and(|rest| *rest > 0.0)) {
        keys.push((Sign::Fill(GREY), "other causes".to_owned()));
    }
    let colours: Vec<RGBColor> = COLOURS[..names.len()].iter().copied().chain([GREY]).collect();
    let axis = Axis::of_lengths("mean wait of a job", longest);
    Some(picture(result, ("causes", title, explanation), rows, axis, &colours, keys))
}

/// The causes of the most waiting of all jobs, greatest first.
fn greatest_causes(result: &PlanResult) -> Vec<String> {
    let mut sums: std::collections::BTreeMap<&str, f64> = std::collections::BTreeMap::new();
    for (_, detail) in details(result) {
        let all = detail.causes.iter().filter(|causes| causes.jobs == JobSet::All);
        for (cause, seconds) in all.flat_map(|causes| &causes.causes).filter(|(_, seconds)| seconds.is_finite()) {
            *sums.entry(cause).or_default() += seconds;
        }
    }
    let mut names: Vec<(&str, f64)> = sums.into_iter().collect();
    names.sort_by(|one, other| other.1.total_cmp(&one.1));
    names.into_iter().take(COLOURS.len()).map(|(name, _)| name.to_owned()).collect()
}

/// The seconds of each of the causes, and last those of all others.
fn parts(causes: &WaitCauses, names: &[String]) -> Vec<f64> {
    let mut parts = vec![0.0; names.len() + 1];
    for (cause, seconds) in causes.causes.iter().filter(|(_, seconds)| seconds.is_finite()) {
        let place = names.iter().position(|name| name == cause).unwrap_or(names.len());
        parts[place] += seconds;
    }
    parts
}

/// What hosts do; `None` without hosts.
pub(super) fn hosts(result: &PlanResult) -> Option<Picture> {
    let used = |hosts: &HostFigures| hosts.used.map_or(0.0, |used| used.value);
    let mut kinds: Vec<&HostFigures> = result.before.hosts.iter().collect();
    if let Some(after) = &result.after {
        let is_new = |hosts: &&HostFigures| result.before.hosts.iter().all(|before| before.kind != hosts.kind);
        kinds.extend(after.hosts.iter().filter(is_new));
    }
    kinds.sort_by(|one, other| used(other).total_cmp(&used(one)));
    let left_out = kinds.len().saturating_sub(ROWS_MAX);
    kinds.truncate(ROWS_MAX);
    let row = |kind: &&HostFigures| {
        let bars = details(result).filter_map(|(which, detail)| {
            let hosts = detail.hosts.iter().find(|hosts| hosts.kind == kind.kind)?;
            let noun = if hosts.hosts == 1 { "host" } else { "hosts" };
            let used = hosts.used.map_or_else(|| "–".to_owned(), |used| format!("{:.0} %", used.value * 100.0));
            Some((which, hosts.shares.clone(), format!("{} {noun}, {used}", hosts.hosts)))
        });
        Row { name: kind.kind.clone(), bars: bars.collect() }
    };
    let rows: Vec<Row> = kinds.iter().map(row).collect();
    if rows.is_empty() {
        return None;
    }
    let title = "What hosts do";
    let mut explanation =
        "Each bar divides the time of all hosts of one kind in one plan; at its end stand how many there are \
                           and the share of the time in service in which they are in use. The busiest come first."
            .to_owned();
    if left_out > 0 {
        explanation += &format!(" The {ROWS_MAX} busiest kinds are shown; {left_out} more are in hosts.csv.");
    }
    let colours = HostUse::ALL.map(look);
    let is_shown = |place: &usize| {
        rows.iter().flat_map(|row| &row.bars).any(|(_, shares, _)| shares.get(*place).is_some_and(|share| *share > 0.0))
    };
    let keys = (0..colours.len()).filter(is_shown).map(|place| {
        let (colour, label) = colours[place];
        (Sign::Fill(colour), label.to_owned())
    });
    let (keys, colours) = (keys.collect(), colours.map(|(colour, _)| colour));
    let axis = Axis::of_shares("share of the hosts' time");
    Some(picture(result, ("hosts", title, explanation), rows, axis, &colours, keys))
}

fn look(host_use: HostUse) -> (RGBColor, &'static str) {
    match host_use {
        HostUse::Testing => (BLUE, "running tests"),
        HostUse::Preparing => (ORANGE, "verify, cleanup, reset"),
        HostUse::Provisioning => (YELLOW, "provisioning"),
        HostUse::Held => (PURPLE, "held for a job"),
        HostUse::Repairing => (VERMILION, "repair"),
        HostUse::Locked => (QUIET_INK, "out of service"),
        HostUse::Idle => (GREY, "idle"),
    }
}

fn picture(
    result: &PlanResult,
    names: (&'static str, &'static str, String),
    rows: Vec<Row>,
    axis: Axis,
    colours: &[RGBColor],
    keys: Vec<(Sign, String)>,
) -> Picture {
    let height = rows.len() as u32 * row_height(result) + BOTTOM;
    let labels: Vec<String> = rows.iter().map(|row| fitted(&row.name, &theme::axis(), NAME)).collect();
    let figures = rows.iter().flat_map(|row| &row.bars).map(|bar| text_width(&end(result, bar), &theme::axis()));
    let widest = figures.max().unwrap_or_default();
    let room = Room { left: axis_room(&labels), below: BOTTOM, right: RIGHT + widest + 24 };
    let legend = Legend::new((CANVAS - room.left - RIGHT) as i32, keys);
    Picture::new(names, height + legend.height(), |canvas| {
        let chart = chart(&canvas.split_vertically(height).0, room, axis, Axis::of_rows(labels))?;
        for (number, row) in (0..).zip(&rows) {
            for (lane, bar) in (0..).zip(&row.bars) {
                let top = GAP / 2 + lane * BAR;
                let part = |units: u32| f64::from(number) + f64::from(units) / f64::from(row_height(result));
                let at = |value: f64, units: u32| place(canvas, &chart, (value, part(units)));
                draw_bar(canvas, result, bar, colours, |value| [at(value, top + 3), at(value, top + BAR - 3)])?;
            }
        }
        legend.draw(&Pen(canvas), (room.left as i32, height as i32))
    })
}

fn row_height(result: &PlanResult) -> u32 {
    details(result).count() as u32 * BAR + GAP
}

/// What stands at the end of a bar.
fn end(result: &PlanResult, (which, _, figure): &(Which, Vec<f64>, String)) -> String {
    match result.after {
        Some(_) => format!("{}: {figure}", which.words(result)),
        None => figure.clone(),
    }
}

fn draw_bar(
    canvas: &Canvas<'_>,
    result: &PlanResult,
    bar: &(Which, Vec<f64>, String),
    colours: &[RGBColor],
    ends: impl Fn(f64) -> [(i32, i32); 2],
) -> Drawn {
    let pen = Pen(canvas);
    let mut from = 0.0;
    for (part, colour) in bar.1.iter().zip(colours) {
        let to = from + part;
        if *part > 0.0 {
            pen.rectangle([ends(from)[0], ends(to)[1]], colour.filled())?;
        }
        from = to;
    }
    let style = theme::axis().pos(Pos::new(HPos::Right, VPos::Center));
    let [top, bottom] = ends(0.0);
    let right = (canvas.dim_in_pixel().0 - RIGHT) as i32;
    let style = plotters::style::TextStyle { color: INK.to_backend_color(), ..style };
    pen.text(&end(result, bar), (right, (top.1 + bottom.1) / 2 + theme::SINK), &style)
}
