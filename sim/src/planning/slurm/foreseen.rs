//! Which replications a plan will need, as far as that can be told before any of them is known.

use std::collections::BTreeSet;

use crate::planning::change::{Lever, Point};
use crate::planning::evaluate::Part;
use crate::planning::objective::{Grouping, ObjectiveRule};
use crate::planning::search::{grid, single};
use crate::planning::study::{Search, Study};

/// Combinations of alternatives of which a search's beginning is foreseen, at most.
const COMBINATIONS_MAX: usize = 100;

/// Of a grid, and of changes one by one: every replication that the stopping rule may ask for. Of a search: how things are, and
/// what it tries as long as every kind of host answers alike, with the least and the most of everything among it.
pub(super) fn foreseen(study: &Study) -> BTreeSet<Part> {
    let simulation = &study.simulation;
    let points = match study.search {
        Search::Grid => grid(study, &study.searched()),
        Search::Single => single(study),
        Search::Cheapest => search_alike(study),
    };
    let up_to =
        |point: Point, count: u32| (0..count).map(move |replication| Part { point: point.clone(), replication });
    let tried = points.into_iter().chain([study.base()]).flat_map(|point| up_to(point, simulation.replications_max));
    let probes = study.probes().into_iter().flat_map(|(_, point)| up_to(point, simulation.replications_min));
    tried.chain(probes).collect()
}

fn search_alike(study: &Study) -> Vec<Point> {
    let (ordered, alternatives): (Vec<usize>, Vec<usize>) =
        study.searched().into_iter().partition(|index| study.changes[*index].lever.is_monotone());
    let mut own: Vec<usize> = ordered.iter().copied().filter(|change| has_own_objective(study, *change)).collect();
    if own.is_empty() {
        // Then changes are bisected one after the other, all later ones at their top.
        own.extend(ordered.first());
    }
    let mut combinations = grid(study, &alternatives);
    combinations.sort_by(|one, other| study.preferred(one, other));
    let top = |combination: &Point| {
        let last = |change: usize| study.changes[change].levels.len() - 1;
        ordered.iter().fold(combination.clone(), |point, change| point.with(*change, last(*change)))
    };
    let tops = combinations.iter().take(COMBINATIONS_MAX).map(top);
    tops.flat_map(|top| bisected_alike(&top, &own)).collect()
}

fn has_own_objective(study: &Study, change: usize) -> bool {
    let Lever::Hosts { kind, .. } = &study.changes[change].lever else { return false };
    let speaks_of = |rule: &ObjectiveRule| {
        let mut of_kinds = rule.only.iter().filter(|only| only.grouping == Grouping::HostKind);
        match rule.each {
            Some(Grouping::HostKind) => of_kinds.all(|only| only.values.contains(kind)),
            _ => of_kinds.any(|only| only.values == [kind.clone()]),
        }
    };
    study.rules.iter().any(speaks_of)
}

/// All that a bisection of these changes at once can try, if each step turns out the same for all of them.
fn bisected_alike(top: &Point, changes: &[usize]) -> Vec<Point> {
    let mut points = vec![top.clone()];
    let mut open: Vec<Vec<(usize, usize)>> = vec![changes.iter().map(|change| (0, top.0[*change])).collect()];
    while let Some(bounds) = open.pop() {
        let levels = bounds.iter().map(|(low, high)| (low + high) / 2);
        points.push(changes.iter().zip(levels).fold(top.clone(), |point, (change, level)| point.with(*change, level)));
        if bounds.iter().all(|(low, high)| low >= high) {
            continue;
        }
        let halved = |suffices: bool| {
            let half = move |(low, high): &(usize, usize)| match (low < high, suffices) {
                (false, _) => (*low, *high),
                (true, true) => (*low, (low + high) / 2),
                (true, false) => ((low + high) / 2 + 1, *high),
            };
            bounds.iter().map(half).collect()
        };
        open.extend([halved(true), halved(false)]);
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bisection_of_equal_changes_is_foreseen_whole() {
        let points: BTreeSet<Point> = bisected_alike(&Point(vec![3, 1, 3]), &[0, 2]).into_iter().collect();
        let expected = (0..4).map(|level| Point(vec![level, 1, level])).collect();
        assert_eq!(points, expected, "the change between them stays at its top");
    }

    #[test]
    fn a_shorter_change_stays_where_its_bisection_ends() {
        let points: BTreeSet<Point> = bisected_alike(&Point(vec![4, 1]), &[0, 1]).into_iter().collect();
        let expected = [[0, 0], [1, 0], [2, 0], [3, 1], [4, 1]].map(|levels| Point(levels.to_vec())).into();
        assert_eq!(points, expected);
    }
}
