//! The result of a plan on a terminal.

use comfy_table::modifiers::UTF8_ROUND_CORNERS;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};

use super::view::{at_bounds, confirmation, is_unstable};
use super::words::{judgement, of_objective, time};
use crate::planning::objective::Grouping;
use crate::planning::result::{Detail, PlanResult, plain};
use crate::planning::{JobSet, WaitFigures};

/// Plans and resources that are shown at most; all of them are in the report and in `plan.json`.
const ROWS_MAX: usize = 12;

/// What a plan came to: the answer, the objectives before and after, waits, what one more of each resource would bring. Ends
/// with a line feed.
pub fn terminal_tables(result: &PlanResult) -> String {
    let mut text = format!("{}\n", result.sentence());
    for sentence in [confirmation(result), at_bounds(result), result.bottleneck()].into_iter().flatten() {
        text += &format!("{sentence}\n");
    }
    text.push('\n');
    push(&mut text, "Objectives", &objectives(result));
    push(&mut text, "Waits from submission to start, before and after", &waits(result));
    if !result.gains.is_empty() {
        push(&mut text, "One more of each resource, in the lab as it is", &gains(result));
    }
    text += &format!("{}\n", result.extent());
    text
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).apply_modifier(UTF8_ROUND_CORNERS);
    table.set_header(aligned(header.iter().map(|name| (*name).to_owned())));
    table
}

fn aligned(row: impl Iterator<Item = String>) -> impl Iterator<Item = Cell> {
    row.enumerate().map(|(index, text)| {
        Cell::new(text).set_alignment(if index == 0 { CellAlignment::Left } else { CellAlignment::Right })
    })
}

fn push(text: &mut String, title: &str, table: &Table) {
    *text += &format!("{title}\n{table}\n\n");
}

fn objectives(result: &PlanResult) -> Table {
    let (before, after) = (&result.points[result.base], &result.points[result.chosen()]);
    let then = if after.confirmation.is_some() { "then, judged anew" } else { "then" };
    let mut table = table(&["objective", "of", "as it is", "", then, ""]);
    for (number, objective) in result.objectives.iter().enumerate() {
        let cells = |point: &crate::planning::PointResult| match point.objectives_to_quote()[number] {
            Some(found) => {
                let estimate = found.estimate.map_or_else(|| "–".to_owned(), |found| of_objective(objective, found));
                [estimate, judgement(found.judgement).to_owned()]
            }
            None => ["no jobs".to_owned(), String::new()],
        };
        let of = objective.of.as_ref().map_or_else(String::new, |(_, value)| value.clone());
        let row = [objective.target.to_string(), of].into_iter().chain(cells(before)).chain(cells(after));
        table.add_row(aligned(row));
    }
    let cost = |point: &crate::planning::PointResult| [plain(point.cost), String::new()];
    let row = [format!("cost in {}", result.unit), String::new()].into_iter().chain(cost(before)).chain(cost(after));
    table.add_row(aligned(row));
    table
}

fn waits(result: &PlanResult) -> Table {
    let mut table = table(&["jobs", "count", "p50", "p90", "p95", "p95 then"]);
    let after = result.after.as_ref().unwrap_or(&result.before);
    for waits in result.before.waits.iter().filter(|waits| is_shown(&waits.jobs)).take(2 * ROWS_MAX) {
        let percentile = |detail: &Detail, waits: Option<&WaitFigures>, index: usize| {
            if is_unstable(result, detail, &waits.map_or(JobSet::All, |waits| waits.jobs.clone())) {
                return "unstable".to_owned();
            }
            waits.and_then(|waits| waits.percentiles[index]).map_or_else(|| "–".to_owned(), |value| time(value.value))
        };
        let then = same_jobs(after, &waits.jobs);
        table.add_row(aligned(
            [
                name(&waits.jobs),
                format!("{:.0}", waits.count),
                percentile(&result.before, Some(waits), 0),
                percentile(&result.before, Some(waits), 1),
                percentile(&result.before, Some(waits), 2),
                percentile(after, then, 2),
            ]
            .into_iter(),
        ));
    }
    table
}

fn is_shown(jobs: &JobSet) -> bool {
    match jobs {
        JobSet::All | JobSet::Of(Grouping::HostKind | Grouping::Class, _) | JobSet::Asked(_) => true,
        JobSet::Of(Grouping::Priority | Grouping::Profile | Grouping::Workload, _) => false,
    }
}

fn name(jobs: &JobSet) -> String {
    match jobs {
        JobSet::All => "all".to_owned(),
        JobSet::Of(grouping, value) => {
            format!("{} {}", grouping.words(), if value.is_empty() { "(none)" } else { value })
        }
        JobSet::Asked(_) => jobs.words(),
    }
}

fn same_jobs<'a>(detail: &'a Detail, jobs: &JobSet) -> Option<&'a WaitFigures> {
    detail.waits.iter().find(|waits| waits.jobs == *jobs)
}

fn gains(result: &PlanResult) -> Table {
    let mut table = table(&["resource", "more jobs on time", "share on time, percentage points"]);
    for gain in result.gains.iter().take(ROWS_MAX) {
        let points = |share: f64| format!("{:+.2}", share * 100.0);
        let interval =
            format!("{} ({} to {})", points(gain.on_time.value), points(gain.on_time.low), points(gain.on_time.high));
        table.add_row(aligned([gain.resource.clone(), format!("{:+.0}", gain.jobs), interval].into_iter()));
    }
    table
}
