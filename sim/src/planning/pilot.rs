//! Pilot runs: how much of the beginning of a run is to be left out.

use yardmaster_engine::Span;

use super::cache::{Cache, Key};
use super::error::PlanError;
use super::evaluate::replication_seed;
use super::result::WarmUpResult;
use super::statistics::warm_up;
use super::study::Study;
use crate::run::{Window, measure};

const DAY: Span = Span::from_hours(24);

/// How much of the beginning is to be left out: as the plan says, or by the rule, from pilot runs of the lab as it is.
pub(super) fn find_warm_up(study: &Study, cache: &Cache) -> Result<WarmUpResult, PlanError> {
    if let Some(length) = study.simulation.warm_up {
        return Ok(WarmUpResult { length, by_rule: false, settled: true });
    }
    let table = study.table(&study.base())?;
    let scenario = study.lasting(table.clone(), study.simulation.window)?;
    let key = Key::of(&table, &study.scenario_file, &("pilot", study.seed, study.simulation.window))?;
    let loads: Vec<Vec<f64>> = cache.complete(&key, study.simulation.replications_min, |pilot| {
        let plan = scenario.plan(replication_seed(study.seed, pilot))?;
        let measured = measure(&plan, Window { from: plan.start, to: plan.start + study.simulation.window })?;
        let hours = measured.hourly.waiting.hours().zip(measured.hourly.busy.hours());
        Ok(hours.map(|(waiting, busy)| waiting.iter().chain(busy).sum::<i64>() as f64 / 3.6e9).collect())
    })?;
    let hours = loads.iter().map(Vec::len).min().unwrap_or_default();
    let count = loads.len().max(1) as f64;
    let mean: Vec<f64> = (0..hours).map(|hour| loads.iter().map(|load| load[hour]).sum::<f64>() / count).collect();
    let found = warm_up(&mean);
    // Whole days, one at least: labs differ by the hour of the day, and hosts take a day to be used for the first time.
    let days = found.values.div_ceil(24).max(1);
    Ok(WarmUpResult { length: DAY * days as i64, by_rule: true, settled: found.settled })
}
