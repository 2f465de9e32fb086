//! The tables of the page.

use super::view::{Which, cost_title, details, differences, is_unstable, same_jobs, set_name, shown_sets};
use super::words::{estimate, joined, judgement, of_objective, share_points, time};
use crate::output::grouped_count;
use crate::output::plots::scales::readable_number;
use crate::planning::figures::{Judgement, WaitFigures};
use crate::planning::objective::Objective;
use crate::planning::result::{Detail, HostFigures, ObjectiveResult, PlanResult, PointResult, plain};
use crate::run::HostUse;

/// Rows of a table at most, and of the one of all plans; the others are in the CSV files.
const ROWS_MAX: usize = 60;
const PLANS_MAX: usize = 300;
/// Causes of a set of jobs that are named.
const CAUSES_SHOWN: usize = 4;

/// A table for people.
pub(super) struct Sheet {
    pub(super) title: String,
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Row>,
    /// What stands below it.
    pub(super) note: String,
}

impl Sheet {
    /// Whether a column has words, not figures.
    pub(super) fn has_words(&self, column: &usize) -> bool {
        self.rows.first().and_then(|row| row.cells.get(*column)).is_some_and(|cell| cell.class == "words")
    }
}

/// A row; some are marked.
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    pub(super) is_marked: bool,
}

/// A cell and how it looks: a class of the page's style sheet, or nothing.
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) class: &'static str,
}

fn cell(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), class: "" }
}

fn words(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), class: "words" }
}

fn row(cells: Vec<Cell>) -> Row {
    Row { cells, is_marked: false }
}

fn header(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Keeps so many rows, and says where the others are.
fn cut(mut rows: Vec<Row>, rows_max: usize, file: &str) -> (Vec<Row>, String) {
    let left_out = rows.len().saturating_sub(rows_max);
    rows.truncate(rows_max);
    (rows, if left_out > 0 { format!("{} more in {file}.", grouped_count(left_out as u64)) } else { String::new() })
}

fn class(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Met => "met",
        Judgement::Unclear => "unclear",
        Judgement::Missed | Judgement::Unstable => "missed",
    }
}

fn found(objective: &Objective, found: Option<ObjectiveResult>) -> Cell {
    match found {
        Some(found) => {
            let word = judgement(found.judgement);
            let estimate = found.estimate.map(|estimate| of_objective(objective, estimate));
            let text = estimate.map_or_else(|| word.to_owned(), |estimate| format!("{estimate} {word}"));
            Cell { text, class: class(found.judgement) }
        }
        None => cell("no jobs"),
    }
}

/// What is to be changed, and what it costs; `None` where nothing is.
pub(super) fn changes(result: &PlanResult) -> Option<Sheet> {
    let point = result.points.get(result.chosen())?;
    let changed = |(number, change): (usize, &crate::planning::ChangeResult)| {
        let level = *point.point.0.get(number)?;
        (level != change.base).then_some(())?;
        let label = |level: usize| change.levels.get(level).cloned().unwrap_or_default();
        let price = |level: usize| change.costs.get(level).copied().unwrap_or_default();
        let price = plain(price(level) - price(change.base));
        Some(row(vec![cell(&change.name), cell(label(change.base)), cell(label(level)), cell(price)]))
    };
    let mut rows: Vec<Row> = result.changes.iter().enumerate().filter_map(changed).collect();
    if rows.is_empty() {
        return None;
    }
    if rows.len() > 1 {
        let all = vec![cell("together"), cell(""), cell(""), cell(plain(point.cost))];
        rows.push(Row { cells: all, is_marked: true });
    }
    let title = format!("What is different: {}", Which::After.words(result));
    let header = ["change", "as it is", "then", &cost_title(result, "cost")].map(str::to_owned).to_vec();
    Some(Sheet { title, header, rows, note: String::new() })
}

/// Every objective before and after.
pub(super) fn objectives(result: &PlanResult) -> Sheet {
    let plans: Vec<(Which, Option<&PointResult>)> =
        details(result).map(|(which, detail)| (which, result.points.get(detail.point))).collect();
    let of_objective = |(number, objective): (usize, &Objective)| {
        let mut cells = vec![words(&objective.name), words(objective.target.to_string())];
        cells.extend(plans.iter().map(|(_, point)| {
            found(objective, point.and_then(|point| point.objectives_to_quote().get(number).copied().flatten()))
        }));
        row(cells)
    };
    let rows = result.objectives.iter().enumerate().map(of_objective).collect();
    let mut header = header(&["objective", "what is to hold"]);
    header.extend(plans.iter().map(|(which, point)| {
        let is_judged = point.is_some_and(|point| point.confirmation.is_some());
        format!("{}{}", which.words(result), if is_judged { ", judged anew" } else { "" })
    }));
    let (rows, note) = cut(rows, ROWS_MAX, "objectives.csv");
    Sheet { title: "Objectives".to_owned(), header, rows, note }
}

/// Waits of all jobs, and by kind of host and class.
pub(super) fn waits(result: &PlanResult) -> Sheet {
    let (sets, left_out) = shown_sets(result, ROWS_MAX / 2);
    let mut rows = Vec::new();
    for set in sets {
        for (which, detail) in details(result) {
            let Some(waits) = same_jobs(detail, &set.jobs) else { continue };
            rows.push(waits_row(result, which, detail, waits));
        }
    }
    let note = match left_out {
        0 => "Per replication; sets with the longest waits first.".to_owned(),
        _ => format!("Per replication; sets with the longest waits first. {left_out} more in waits.csv."),
    };
    let header = header(&["jobs", "plan", "count", "never started", "mean", "p50", "p90", "p95", "p99"]);
    Sheet { title: "Waits from submission to start".to_owned(), header, rows, note }
}

/// An estimate that may be broken before its interval and within it, but not within a time.
fn with_breaks(text: &str) -> String {
    text.replace(' ', "\u{a0}").replace("\u{a0}(", " (").replace("\u{a0}to\u{a0}", " to\u{a0}")
}

fn waits_row(result: &PlanResult, which: Which, detail: &Detail, waits: &WaitFigures) -> Row {
    let mut cells = vec![cell(set_name(&waits.jobs)), cell(which.words(result)), cell(readable_number(waits.count, 0))];
    if is_unstable(result, detail, &waits.jobs) {
        cells.extend((0..2 + waits.percentiles.len()).map(|_| cell("unstable")));
        return Row { cells, is_marked: which == Which::After };
    }
    cells.push(cell(waits.never.map_or_else(|| "–".to_owned(), |never| format!("{:.1} %", never * 100.0))));
    cells.push(cell(waits.mean.map_or_else(|| "–".to_owned(), time)));
    let of_percentile = |found: &Option<_>| Cell {
        text: found.map_or_else(|| "–".to_owned(), |found| with_breaks(&estimate(found, false))),
        class: "wrapped",
    };
    cells.extend(waits.percentiles.iter().map(of_percentile));
    Row { cells, is_marked: which == Which::After }
}

/// To what waits are owed; `None` where that is not known.
pub(super) fn causes(result: &PlanResult) -> Option<Sheet> {
    let (sets, left_out) = shown_sets(result, ROWS_MAX / 2);
    let mut rows = Vec::new();
    for set in sets {
        for (which, detail) in details(result) {
            let Some(owed) = detail.causes.iter().find(|owed| owed.jobs == set.jobs) else { continue };
            let mut causes: Vec<&(String, f64)> = owed.causes.iter().filter(|(_, seconds)| *seconds > 0.0).collect();
            causes.sort_by(|one, other| other.1.total_cmp(&one.1));
            let all: f64 = causes.iter().map(|(_, seconds)| seconds).sum();
            let greatest = causes.iter().take(CAUSES_SHOWN);
            let greatest: Vec<String> =
                greatest.map(|(cause, seconds)| format!("{:.0} % {cause}", seconds / all * 100.0)).collect();
            let cells = vec![
                cell(set_name(&set.jobs)),
                cell(which.words(result)),
                cell(time(all)),
                words(greatest.join(", ")),
                cell(time(owed.parser)),
            ];
            rows.push(Row { cells, is_marked: which == Which::After });
        }
    }
    let note = match left_out {
        0 => String::new(),
        _ => format!("{left_out} more sets of jobs in causes.csv."),
    };
    let title = "What jobs wait for: greatest causes, and their shares of the mean wait".to_owned();
    let header = header(&["jobs", "plan", "mean wait", "owed to", "after the test, for a parser"]);
    (!rows.is_empty()).then_some(Sheet { title, header, rows, note })
}

/// What one more of each resource would bring; `None` where nothing was tried.
pub(super) fn gains(result: &PlanResult) -> Option<Sheet> {
    let of_gain = |gain: &crate::planning::Gain| {
        row(vec![cell(&gain.resource), cell(share_points(gain.on_time)), cell(readable_number(gain.jobs, 0))])
    };
    let (rows, note) = cut(result.gains.iter().map(of_gain).collect(), ROWS_MAX, "gains.csv");
    let title = "One more of each resource, in the lab as it is".to_owned();
    let header = header(&["resource", "more jobs on time, percentage points", "more jobs on time, in one replication"]);
    (!rows.is_empty()).then_some(Sheet { title, header, rows, note })
}

/// What hosts do, by kind.
pub(super) fn hosts(result: &PlanResult) -> Sheet {
    let mut rows = Vec::new();
    for hosts in &result.before.hosts {
        for (which, detail) in details(result) {
            let Some(hosts) = of_kind(detail, &hosts.kind) else { continue };
            let mut cells = vec![cell(&hosts.kind), cell(which.words(result)), cell(hosts.hosts.to_string())];
            cells.push(cell(hosts.used.map_or_else(|| "–".to_owned(), |used| estimate(used, true))));
            let share = |place: usize| hosts.shares.get(place).copied().unwrap_or_default();
            cells.extend((0..HostUse::ALL.len()).map(|place| cell(format!("{:.1} %", share(place) * 100.0))));
            rows.push(Row { cells, is_marked: which == Which::After });
        }
    }
    let header = header(&[
        "kind",
        "plan",
        "hosts",
        "in use",
        "tests",
        "preparing",
        "provisioning",
        "held",
        "repair",
        "out of service",
        "idle",
    ]);
    let (rows, mut note) = cut(rows, ROWS_MAX, "hosts.csv");
    for (which, detail) in details(result) {
        let used = detail.drone_use.map_or_else(|| "–".to_owned(), |used| estimate(used, true));
        note += &format!(
            "{}{}: {used} of the drones' room in use, {} processes and {} parsers at once at most.",
            if note.is_empty() { "" } else { " " },
            capitalised(which.words(result)),
            grouped_count(detail.processes_peak.into()),
            grouped_count(detail.parsers_peak.into())
        );
    }
    Sheet { title: "What hosts do".to_owned(), header, rows, note }
}

fn of_kind<'a>(detail: &'a Detail, kind: &str) -> Option<&'a HostFigures> {
    detail.hosts.iter().find(|hosts| hosts.kind == kind)
}

fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// All plans that were tried, cheapest first.
pub(super) fn points(result: &PlanResult) -> Sheet {
    let mut plans: Vec<(usize, &PointResult)> =
        result.points.iter().enumerate().filter(|(_, point)| !result.is_probe(point)).collect();
    // Stable: plans of one price stay in the order in which they were tried.
    plans.sort_by(|one, other| one.1.cost.total_cmp(&other.1.cost));
    let left_out = plans.len().saturating_sub(PLANS_MAX);
    if left_out > 0 {
        // However many there are: those that the page speaks of must be among them.
        let is_told = |index: &usize| *index == result.base || *index == result.chosen();
        let (told, mut others): (Vec<_>, Vec<_>) = plans.into_iter().partition(|(index, _)| is_told(index));
        others.truncate(PLANS_MAX - told.len());
        plans = told.into_iter().chain(others).collect();
        plans.sort_by(|one, other| one.1.cost.total_cmp(&other.1.cost).then(one.0.cmp(&other.0)));
    }
    let mut header = header(&["plan", "no."]);
    header.push(cost_title(result, "cost"));
    header.extend(["verdict", "on time"].map(str::to_owned));
    header.extend(result.objectives.iter().map(|objective| objective.name.clone()));
    header.extend(["more on time, percentage points", "replications"].map(str::to_owned));
    let note = match left_out {
        0 => String::new(),
        _ => format!("The {PLANS_MAX} cheapest; {} more in points.csv.", grouped_count(left_out as u64)),
    };
    let rows = plans.into_iter().map(|(index, point)| plan_row(result, index, point)).collect();
    Sheet { title: "All plans that were tried, cheapest first".to_owned(), header, rows, note }
}

fn plan_row(result: &PlanResult, index: usize, point: &PointResult) -> Row {
    let is_chosen = index == result.chosen() && index != result.base;
    let name = match is_chosen {
        true => format!("{} ({})", differences(point), Which::After.words(result)),
        false => differences(point),
    };
    let mut cells = vec![
        words(name),
        cell(index.to_string()),
        cell(plain(point.cost)),
        verdict(point),
        cell(point.on_time.map_or_else(|| "–".to_owned(), |share| estimate(share, true))),
    ];
    let objectives = result.objectives.iter().enumerate();
    cells.extend(
        objectives.map(|(number, objective)| found(objective, point.objectives.get(number).copied().flatten())),
    );
    cells.push(cell(point.gain.map_or_else(|| "–".to_owned(), share_points)));
    cells.push(cell(point.replications.to_string()));
    Row { cells, is_marked: is_chosen || index == result.base }
}

fn verdict(point: &PointResult) -> Cell {
    match (point.suffices, &point.unstable[..]) {
        (_, [_, ..]) => Cell { text: format!("unstable: {}", joined(&point.unstable, ", ")), class: "words" },
        (true, []) if point.confirmation.is_some() => Cell { text: "suffices, confirmed".to_owned(), class: "met" },
        (true, []) => Cell { text: "suffices".to_owned(), class: "met" },
        (false, []) if point.objectives.iter().flatten().all(|found| found.judgement == Judgement::Met) => {
            cell("not confirmed")
        }
        (false, []) => cell("does not suffice"),
    }
}
