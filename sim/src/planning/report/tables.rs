//! The CSV files of a plan: the data behind its pictures and tables. Columns and units are in `docs/plans.md`.

use std::io::{self, Write};

use super::view::{details, set_keys};
use super::words::{joined, judgement};
use crate::planning::figures::{JobSet, Judgement};
use crate::planning::result::{Answer, PlanResult, PointResult};
use crate::planning::statistics::Estimate;

/// A CSV file.
pub(super) struct Table {
    /// Its name.
    pub(super) file: &'static str,
    header: &'static [&'static str],
    rows: fn(&PlanResult) -> Vec<Vec<String>>,
}

/// All of them, in the order in which they are written.
pub(super) const TABLES: [Table; 10] = [
    Table { file: "points.csv", header: POINTS, rows: points },
    Table { file: "objectives.csv", header: OBJECTIVES, rows: objectives },
    Table { file: "gains.csv", header: GAINS, rows: gains },
    Table { file: "heat_map.csv", header: HEAT_MAP, rows: heat_map },
    Table { file: "waits.csv", header: WAITS, rows: waits },
    Table { file: "distribution.csv", header: DISTRIBUTION, rows: distribution },
    Table { file: "week.csv", header: WEEK, rows: week },
    Table { file: "week_hosts.csv", header: WEEK_HOSTS, rows: week_hosts },
    Table { file: "causes.csv", header: CAUSES, rows: causes },
    Table { file: "hosts.csv", header: HOSTS, rows: hosts },
];

impl Table {
    /// Writes it, headed by the names of its columns.
    pub(super) fn write(&self, result: &PlanResult, output: &mut dyn Write) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(output);
        writer.write_record(self.header)?;
        for row in (self.rows)(result) {
            writer.write_record(&row)?;
        }
        writer.flush()
    }
}

/// A number with six decimals at most; `inf` and `-inf` are without end, nothing is unknown.
fn number(number: f64) -> String {
    if number.is_nan() {
        return String::new();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let digits = format!("{number:.6}");
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    if digits == "-0" { "0".to_owned() } else { digits.to_owned() }
}

/// Value, lower and upper end; empty without an estimate.
fn estimate(found: Option<Estimate>) -> [String; 3] {
    let Some(Estimate { value, low, high }) = found else { return [const { String::new() }; 3] };
    [value, low, high].map(number)
}

fn flag(flag: bool) -> String {
    u8::from(flag).to_string()
}

const POINTS: &[&str] = &[
    "point",
    "one_more",
    "as_it_is",
    "answer",
    "step",
    "differences",
    "cost",
    "cost_unit",
    "replications",
    "on_time_share",
    "on_time_share_low",
    "on_time_share_high",
    "gain_share",
    "gain_share_low",
    "gain_share_high",
    "objectives_met",
    "objectives_unclear",
    "objectives_missed",
    "objectives_unstable",
    "objectives_without_jobs",
    "suffices",
    "confirmed",
    "unstable",
];

fn points(result: &PlanResult) -> Vec<Vec<String>> {
    let answer = match result.answer {
        Answer::AsItIs | Answer::Cheapest(_) => Some(result.chosen()),
        Answer::None { .. } => None,
    };
    let row = |(index, point): (usize, &PointResult)| {
        let judged = |wanted: Judgement| {
            let found = point.objectives.iter().flatten();
            found.filter(|objective| objective.judgement == wanted).count().to_string()
        };
        let step = result.path.iter().position(|step| *step == index);
        let mut row = vec![
            index.to_string(),
            flag(result.is_probe(point)),
            flag(index == result.base),
            flag(answer == Some(index)),
            step.map_or_else(String::new, |step| step.to_string()),
            point.differences.join("; "),
            if result.is_probe(point) { String::new() } else { number(point.cost) },
            result.unit.clone(),
            point.replications.to_string(),
        ];
        row.extend(estimate(point.on_time).into_iter().chain(estimate(point.gain)));
        row.extend([Judgement::Met, Judgement::Unclear, Judgement::Missed, Judgement::Unstable].map(judged));
        row.push(point.objectives.iter().filter(|objective| objective.is_none()).count().to_string());
        let confirmed = point.confirmation.as_ref().map_or_else(String::new, |confirmation| flag(confirmation.holds));
        row.extend([flag(point.suffices), confirmed, joined(&point.unstable, "; ")]);
        row
    };
    result.points.iter().enumerate().map(row).collect()
}

const OBJECTIVES: &[&str] = &[
    "point",
    "objective",
    "target",
    "grouping",
    "value",
    "unit",
    "bound",
    "estimate",
    "estimate_low",
    "estimate_high",
    "judgement",
    "anew_estimate",
    "anew_low",
    "anew_high",
    "anew_judgement",
];

fn objectives(result: &PlanResult) -> Vec<Vec<String>> {
    let of_point = |(index, point): (usize, &PointResult)| {
        let row = |(number_of, objective): (usize, &crate::planning::Objective)| {
            let found = point.objectives.get(number_of).copied().flatten();
            let of = objective.of.as_ref();
            let keys = set_keys(&of.map_or(JobSet::All, |(grouping, value)| JobSet::Of(*grouping, value.clone())));
            let mut row = vec![index.to_string(), objective.name.clone(), objective.target.to_string()];
            row.extend(keys);
            row.push(if objective.target.is_share() { "share" } else { "s" }.to_owned());
            row.push(number(objective.target.bound()));
            let anew = point.confirmation.as_ref().and_then(|anew| anew.objectives.get(number_of).copied().flatten());
            for found in [found, anew] {
                row.extend(estimate(found.and_then(|found| found.estimate)));
                row.push(found.map_or("", |found| judgement(found.judgement)).to_owned());
            }
            row
        };
        result.objectives.iter().enumerate().map(row).collect::<Vec<_>>()
    };
    result.points.iter().enumerate().flat_map(of_point).collect()
}

const GAINS: &[&str] = &["resource", "on_time_share", "on_time_share_low", "on_time_share_high", "jobs"];

fn gains(result: &PlanResult) -> Vec<Vec<String>> {
    let row = |gain: &crate::planning::Gain| {
        let [value, low, high] = estimate(Some(gain.on_time));
        vec![gain.resource.clone(), value, low, high, number(gain.jobs)]
    };
    result.gains.iter().map(row).collect()
}

const HEAT_MAP: &[&str] = &[
    "x_change",
    "x_level",
    "y_change",
    "y_level",
    "point",
    "cost",
    "cost_unit",
    "on_time_share",
    "on_time_share_low",
    "on_time_share_high",
    "suffices",
    "unstable",
];

fn heat_map(result: &PlanResult) -> Vec<Vec<String>> {
    let Some(map) = &result.heat_map else { return Vec::new() };
    let label = |change: usize, level: usize| {
        let change = result.changes.get(change)?;
        Some([change.name.clone(), change.levels.get(level)?.clone()])
    };
    let places = map.y.1.iter().flat_map(|row| map.x.1.iter().map(move |column| (*column, *row)));
    let row = |((column, row), index): ((usize, usize), &usize)| {
        let point = result.points.get(*index)?;
        let mut cells: Vec<String> = label(map.x.0, column)?.into_iter().chain(label(map.y.0, row)?).collect();
        cells.extend([index.to_string(), number(point.cost), result.unit.clone()]);
        cells.extend(estimate(point.on_time));
        cells.extend([flag(point.suffices), joined(&point.unstable, "; ")]);
        Some(cells)
    };
    places.zip(&map.points).filter_map(row).collect()
}

const WAITS: &[&str] = &[
    "plan",
    "grouping",
    "value",
    "jobs_per_replication",
    "never_share",
    "mean_s",
    "p50_s",
    "p50_low_s",
    "p50_high_s",
    "p90_s",
    "p90_low_s",
    "p90_high_s",
    "p95_s",
    "p95_low_s",
    "p95_high_s",
    "p99_s",
    "p99_low_s",
    "p99_high_s",
];

fn waits(result: &PlanResult) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (which, detail) in details(result) {
        for waits in &detail.waits {
            let mut row = vec![which.key().to_owned()];
            row.extend(set_keys(&waits.jobs));
            row.push(number(waits.count));
            row.extend([waits.never, waits.mean].map(|figure| figure.map_or_else(String::new, number)));
            row.extend(waits.percentiles.iter().flat_map(|percentile| estimate(*percentile)));
            rows.push(row);
        }
    }
    rows
}

const DISTRIBUTION: &[&str] = &["plan", "wait_s", "jobs", "share_no_longer"];

fn distribution(result: &PlanResult) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (which, detail) in details(result) {
        let Some(all) = detail.waits.iter().find(|waits| waits.jobs == JobSet::All) else { continue };
        let started: u64 = all.distribution.iter().map(|(_, jobs)| jobs).sum();
        let mut reached = 0;
        for (wait, jobs) in &all.distribution {
            reached += jobs;
            let share = reached as f64 / started as f64 * (1.0 - all.never.unwrap_or(0.0));
            rows.push(vec![which.key().to_owned(), wait.to_string(), jobs.to_string(), number(share)]);
        }
    }
    rows
}

const WEEK: &[&str] = &["plan", "hour_of_week", "hours_seen", "jobs_submitted_per_h", "entries_waiting", "processes"];

fn week(result: &PlanResult) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (which, detail) in details(result) {
        let week = &detail.week;
        let figures = [&week.arrived, &week.waiting, &week.processes].map(|sums| week.mean(sums));
        for (hour, seen) in week.hours.iter().enumerate() {
            let mut row = vec![which.key().to_owned(), hour.to_string(), seen.to_string()];
            row.extend(figures.iter().map(|means| of_hour(means, hour, *seen)));
            rows.push(row);
        }
    }
    rows
}

const WEEK_HOSTS: &[&str] = &["plan", "kind", "hour_of_week", "hosts", "hosts_in_use"];

fn week_hosts(result: &PlanResult) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (which, detail) in details(result) {
        let week = &detail.week;
        for (kind, busy) in &week.busy {
            let (means, hosts) = (week.mean(busy), week.hosts.get(kind).copied().unwrap_or_default());
            for (hour, seen) in week.hours.iter().enumerate() {
                let names = [which.key().to_owned(), kind.clone(), hour.to_string(), hosts.to_string()];
                rows.push(names.into_iter().chain([of_hour(&means, hour, *seen)]).collect());
            }
        }
    }
    rows
}

/// A mean of an hour; empty where that hour was not seen.
fn of_hour(means: &[f64], hour: usize, seen: u32) -> String {
    means.get(hour).filter(|_| seen > 0).map_or_else(String::new, |mean| number(*mean))
}

const CAUSES: &[&str] = &["plan", "grouping", "value", "cause", "wait_s_per_job", "parser_s_per_job"];

fn causes(result: &PlanResult) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (which, detail) in details(result) {
        for owed in &detail.causes {
            for (cause, seconds) in &owed.causes {
                let [grouping, value] = set_keys(&owed.jobs);
                let names = [which.key().to_owned(), grouping, value, cause.clone()];
                rows.push(names.into_iter().chain([number(*seconds), number(owed.parser)]).collect());
            }
        }
    }
    rows
}

const HOSTS: &[&str] = &[
    "plan",
    "kind",
    "hosts",
    "in_use_share",
    "in_use_share_low",
    "in_use_share_high",
    "testing_share",
    "preparing_share",
    "provisioning_share",
    "held_share",
    "repairing_share",
    "locked_share",
    "idle_share",
];

fn hosts(result: &PlanResult) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (which, detail) in details(result) {
        for hosts in &detail.hosts {
            let mut row = vec![which.key().to_owned(), hosts.kind.clone(), hosts.hosts.to_string()];
            row.extend(estimate(hosts.used));
            let share = |place: usize| hosts.shares.get(place).map_or_else(String::new, |share| number(*share));
            row.extend((0..crate::run::HostUse::ALL.len()).map(share));
            rows.push(row);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_needless_digits() {
        for (value, expected) in
            [(0.5, "0.5"), (-0.0, "0"), (-1e-9, "0"), (1800.0, "1800"), (f64::INFINITY, "inf"), (f64::NAN, "")]
        {
            assert_eq!(number(value), expected);
        }
        let unknown = Estimate { value: 0.5, low: f64::NEG_INFINITY, high: f64::INFINITY };
        assert_eq!(estimate(Some(unknown)), ["0.5", "-inf", "inf"]);
    }
}
