//! How special tasks go.

use std::collections::BTreeMap;
use std::sync::Arc;

use yardmaster_engine::{Span, TaskKind};

use crate::history::{HistoricOutage, HistoricTask, History};

use super::model::{TaskHabit, Tasks};
use super::sample::Fitted;

/// A kind of host with fewer tasks is not told from the others.
const TASKS_ENOUGH: usize = 30;
/// Nor is one whose tasks take as long: the largest difference between the two distributions.
const DIFFERENT: f64 = 0.1;
/// Nor one that fails as often, give or take so much.
const FAILS_DIFFERENTLY: f64 = 0.03;
/// An outage that begins so soon after a failed repair is taken for its consequence.
const SOON: Span = Span::from_minutes(10);

/// Every kind of task that there was, and how many failed repairs became outages.
pub(super) fn tasks(history: &History, kept: &[bool]) -> (Vec<Tasks>, usize) {
    let mut outages: BTreeMap<u32, Vec<&HistoricOutage>> = BTreeMap::new();
    history.outages.iter().for_each(|outage| outages.entry(outage.host).or_default().push(outage));
    let mut by_kind: BTreeMap<TaskKind, Vec<&HistoricTask>> = BTreeMap::new();
    let mut became_outages = 0;
    for task in &history.tasks {
        if !kept.get(task.host as usize).copied().unwrap_or(false) {
            continue;
        }
        let outages = outages.get(&task.host).map_or(&[][..], Vec::as_slice);
        if task.kind == TaskKind::Repair && !task.success && outages.iter().any(|outage| follows(outage, task)) {
            became_outages += 1;
        } else if !outages.iter().any(|outage| is_within(outage, task)) {
            by_kind.entry(task.kind).or_default().push(task);
        }
    }
    (by_kind.into_iter().filter_map(|(kind, tasks)| of_kind(history, kind, &tasks)).collect(), became_outages)
}

/// Whether the history counts the time after a failed repair as an outage: then the outage is drawn, and the repair must not fail
/// besides.
fn follows(outage: &HistoricOutage, repair: &HistoricTask) -> bool {
    outage.from >= repair.ended && outage.from <= repair.ended + SOON
}

/// Whether somebody tried, in vain, to bring the host back while it was out of service: again and again, it may be, which
/// says nothing of hosts in service.
fn is_within(outage: &HistoricOutage, task: &HistoricTask) -> bool {
    !task.success && outage.from <= task.started && outage.to.is_none_or(|end| task.ended <= end)
}

fn of_kind(history: &History, kind: TaskKind, tasks: &[&HistoricTask]) -> Option<Tasks> {
    let usual = TaskHabit::of(tasks)?;
    let mut by_host: BTreeMap<Arc<str>, Vec<&HistoricTask>> = BTreeMap::new();
    for task in tasks {
        let host = history.hosts.get(task.host as usize)?;
        by_host.entry(host.kind.clone()).or_default().push(task);
    }
    let mut by_host_kind = Vec::new();
    if by_host.len() > 1 {
        for (host_kind, of_host) in by_host.into_iter().filter(|(_, tasks)| tasks.len() >= TASKS_ENOUGH) {
            let Some(habit) = TaskHabit::of(&of_host) else { continue };
            let fails = |habit: &TaskHabit| habit.failed as f64 / habit.ended as f64;
            let lengths = [&of_host[..], tasks].map(seconds);
            if difference(lengths) > DIFFERENT || (fails(&habit) - fails(&usual)).abs() > FAILS_DIFFERENTLY {
                by_host_kind.push((host_kind, habit));
            }
        }
    }
    Some(Tasks { kind, usual, by_host_kind })
}

impl TaskHabit {
    fn of(tasks: &[&HistoricTask]) -> Option<TaskHabit> {
        let failed = tasks.iter().filter(|task| !task.success).count();
        Some(TaskHabit { runtime: Fitted::of(&seconds(tasks), 1.0)?, ended: tasks.len(), failed })
    }
}

fn seconds(tasks: &[&HistoricTask]) -> Vec<f64> {
    tasks.iter().map(|task| (task.ended - task.started).as_seconds_f64().max(0.0)).collect()
}

/// Kolmogorov–Smirnov distance of two samples.
fn difference([mut one, mut other]: [Vec<f64>; 2]) -> f64 {
    one.sort_by(f64::total_cmp);
    other.sort_by(f64::total_cmp);
    let share = |sorted: &[f64], x: f64| sorted.partition_point(|value| *value <= x) as f64 / sorted.len() as f64;
    one.iter().chain(&other).map(|x| (share(&one, *x) - share(&other, *x)).abs()).fold(0.0, f64::max)
}
