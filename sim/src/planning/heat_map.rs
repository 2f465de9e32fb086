//! Which plans a heat map shows: two changes against each other, the others as in the answer.

use super::change::Point;
use super::error::PlanError;
use super::evaluate::Evaluator;
use super::study::{Search, Study};

/// Levels of a change that a heat map shows at most …
const HEAT_LEVELS_MAX: usize = 5;
/// … and of a grid, all of whose plans are tried anyway.
const GRID_LEVELS_MAX: usize = 10;

/// Two changes against each other, as indices of changes and their levels, and the plans row by row.
pub(super) struct HeatPoints {
    pub(super) x: (usize, Vec<usize>),
    pub(super) y: (usize, Vec<usize>),
    pub(super) points: Vec<Point>,
}

/// Tries the plans of the heat map: of the two changes that the plan names, else of those that differ most in the answer.
/// `None` where there are no two changes.
pub(super) fn heat_map(
    evaluator: &mut Evaluator<'_>,
    study: &Study,
    answer: &Point,
) -> Result<Option<HeatPoints>, PlanError> {
    let base = study.base();
    let searched = study.searched();
    let differs = |change: &usize| answer.0[*change].abs_diff(base.0[*change]);
    let Some([x, y]) = study.heat_map.or_else(|| {
        let mut by_difference = searched.clone();
        by_difference.sort_by_key(|change| (std::cmp::Reverse(differs(change)), *change));
        by_difference.first_chunk().copied()
    }) else {
        return Ok(None);
    };
    let most = if study.search == Search::Grid { GRID_LEVELS_MAX } else { HEAT_LEVELS_MAX };
    let shown = |change: usize| -> Vec<usize> {
        let last = study.changes[change].levels.len() - 1;
        let all: Vec<usize> = (0..=last).collect();
        if all.len() <= most {
            return all;
        }
        // Evenly over the range, with how things are and the answer among them.
        let evenly = (0..most - 2).map(|step| step * last / (most - 3));
        let mut levels: Vec<usize> = evenly.chain([base.0[change], answer.0[change]]).collect();
        levels.sort_unstable();
        levels.dedup();
        levels
    };
    let (columns, rows) = (shown(x), shown(y));
    let row = |row: usize| columns.iter().map(move |column| (row, *column));
    let cells = rows.iter().flat_map(|level| row(*level));
    let points: Vec<Point> = cells.map(|(row, column)| answer.with(y, row).with(x, column)).collect();
    evaluator.evaluate(&points)?;
    Ok(Some(HeatPoints { x: (x, columns), y: (y, rows), points }))
}
