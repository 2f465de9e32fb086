//! A plan, read and checked: what is asked, of which lab.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Table;
use yardmaster_engine::Span;

use super::change::{Change, Given, Level, Lever, Point};
use super::checking::{Checking, probes};
use super::error::PlanError;
use super::file::{File, SearchSpec};
use super::objective::ObjectiveRule;
use super::patch;
use crate::workload::{Scenario, Source};

/// The most plans that a grid may have.
const POINTS_MAX: usize = 10_000;

/// Which plans are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Search {
    /// The cheapest one that meets all objectives is looked for.
    Cheapest,
    /// All combinations of all levels.
    Grid,
    /// Each level of each change by itself.
    Single,
}

/// How long and how often is simulated.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Simulation {
    /// Length of the time of which jobs count.
    pub window: Span,
    /// Length of the time before it; `None`: found by a rule.
    pub warm_up: Option<Span>,
    /// Length of the time after it, in which jobs go on arriving and those that count may still start and end.
    pub drain: Span,
    /// Replications of a plan at least …
    pub replications_min: u32,
    /// … and at most.
    pub replications_max: u32,
    /// Of every interval: 0.95.
    pub confidence: f64,
    /// No further replication of a plan that misses an objective once its interval is this narrow, as half its width: for shares
    /// absolute, for times relative.
    pub precision: f64,
}

/// A plan, read and checked.
#[derive(Debug)]
pub struct Study {
    /// Its name.
    pub name: String,
    /// What it is about, one sentence.
    pub about: String,
    /// Seed of all randomness.
    pub seed: u64,
    /// The plan's file.
    pub file: PathBuf,
    /// The scenario's file.
    pub scenario_file: PathBuf,
    /// Which plans are tried.
    pub search: Search,
    /// How they are simulated.
    pub simulation: Simulation,
    /// What holds in every plan, how things are included, in words.
    pub given: Vec<String>,
    /// What may be different.
    pub changes: Vec<Change>,
    /// The two changes of the heat map, if any were named.
    pub heat_map: Option<[usize; 2]>,
    /// What costs are counted in.
    pub unit: String,
    pub(super) rules: Vec<ObjectiveRule>,
    /// The scenario as a table, ready to be changed.
    table: Table,
}

impl Study {
    /// Reads the plan at `path`; the scenario's path in it is relative to it.
    ///
    /// # Errors
    /// The plan or the scenario cannot be read, or something in them is wrong: the error names the file, the line and the key.
    pub fn read(path: &Path) -> Result<Study, PlanError> {
        let source = Source::read(path)?;
        let file: File = source.parse()?;
        let scenario_file = source.beside(&file.scenario);
        let table = Source::read(&scenario_file)?.parse::<Table>()?;
        // Before anything is changed: the same generators go on in every plan.
        let table = Scenario::without_end(table, &scenario_file)?;
        let (table, given) = with_given(&source, &file, table, &scenario_file)?;
        let scenario = one_day(table.clone(), &scenario_file)?;
        let checking = Checking { source: &source, table: &table, scenario: &scenario };
        let mut changes = checking.changes(&file)?;
        changes.extend(probes(&scenario, &table));
        let rules = checking.rules(&file.objective)?;
        let simulation = checking.simulation(&file.simulation, &rules)?;
        let search = match file.search {
            SearchSpec::Cheapest => Search::Cheapest,
            SearchSpec::Grid => Search::Grid,
            SearchSpec::Single => Search::Single,
        };
        let heat_map = file.report.heat_map.as_ref().map(|names| heat_map(&source, &changes, names)).transpose()?;
        let study = Study {
            name: file.name,
            about: file.about,
            seed: file.seed,
            file: path.to_owned(),
            scenario_file,
            search,
            simulation,
            given,
            changes,
            heat_map,
            unit: file.report.unit.unwrap_or_else(|| "cost".to_owned()),
            rules,
            table,
        };
        if search == Search::Grid && study.grid_size().is_none_or(|size| size > POINTS_MAX) {
            return Err(source.wrong("search", format_args!("a grid of more than {POINTS_MAX} plans")).into());
        }
        study.check_levels(&source)?;
        Ok(study)
    }

    /// A level that makes nonsense of the scenario is found now, not after an hour. Of numbers of machines that is the first or
    /// the last, if any.
    fn check_levels(&self, source: &Source) -> Result<(), PlanError> {
        for (index, change) in self.changes.iter().enumerate() {
            let last = change.levels.len() - 1;
            let levels: Vec<usize> = if change.lever.is_number() { vec![0, last] } else { (0..=last).collect() };
            for level in levels {
                self.scenario(&self.base().with(index, level)).map_err(|error| {
                    let label = &change.levels[level].label;
                    source.wrong(&format!("change[{index}]"), format_args!("{} = {label}: {error}", change.name))
                })?;
            }
        }
        Ok(())
    }

    fn grid_size(&self) -> Option<usize> {
        self.searched()
            .iter()
            .map(|index| &self.changes[*index])
            .try_fold(1_usize, |size, change| size.checked_mul(change.levels.len()))
    }

    /// The changes that are asked about, by index.
    pub(super) fn searched(&self) -> Vec<usize> {
        (0..self.changes.len()).filter(|index| !self.changes[*index].is_probe).collect()
    }

    /// Whether a plan differs from how things are in nothing but what is asked about.
    pub(super) fn is_asked(&self, point: &Point) -> bool {
        self.changes.iter().zip(&point.0).all(|(change, level)| !change.is_probe || *level == change.base)
    }

    /// For each resource of the lab how things would be with one more of it, as the change and the level.
    pub(super) fn probes(&self) -> Vec<(usize, Point)> {
        let probes = (0..self.changes.len()).filter(|index| self.changes[*index].is_probe);
        probes.map(|index| (index, self.base().with(index, 1))).collect()
    }

    /// Whether the jobs of the scenario were recorded.
    pub(super) fn has_trace(&self) -> bool {
        patch::get_key(&self.table, "workload.trace").is_some()
    }

    /// The labels of hosts that are added where they are not like others of their kind, each with the kinds of which that is so.
    pub(super) fn moved(&self) -> BTreeMap<&[String], Vec<&str>> {
        let mut moved: BTreeMap<&[String], Vec<&str>> = BTreeMap::new();
        for change in &self.changes {
            if let Lever::Hosts { kind, added_labels } = &change.lever
                && !added_labels.is_empty()
            {
                moved.entry(added_labels).or_default().push(kind);
            }
        }
        moved
    }

    /// How things are.
    pub fn base(&self) -> Point {
        Point(self.changes.iter().map(|change| change.base).collect())
    }

    /// What a plan costs, compared with how things are.
    pub fn cost(&self, point: &Point) -> f64 {
        let cost = |(change, level): (&Change, &usize)| change.levels[*level].cost - change.levels[change.base].cost;
        let sum: f64 = self.changes.iter().zip(&point.0).map(cost).sum();
        // Sums of tenths that are equal are to be told so, and there is but one zero.
        (sum * 1e6).round() / 1e6 + 0.0
    }

    /// How far a plan is from how things are: steps of what has an order, and one for each other change.
    pub(super) fn distance(&self, point: &Point) -> usize {
        let steps = |(change, level): (&Change, &usize)| match change.lever.is_monotone() {
            true => level.abs_diff(change.base),
            false => usize::from(*level != change.base),
        };
        self.changes.iter().zip(&point.0).map(steps).sum()
    }

    /// Of two plans the cheaper one comes first, then the one that changes less.
    pub(super) fn preferred(&self, one: &Point, other: &Point) -> Ordering {
        let by_cost = self.cost(one).total_cmp(&self.cost(other));
        by_cost.then_with(|| self.distance(one).cmp(&self.distance(other)))
    }

    /// Each alternative by itself: another setting, or tables that are merged.
    pub(super) fn alternatives(&self) -> Vec<Point> {
        let is_alternative = |lever: &Lever| matches!(lever, Lever::Options | Lever::Key(_));
        let changes = self.searched().into_iter().filter(|index| is_alternative(&self.changes[*index].lever));
        let others = changes.flat_map(|index| (0..self.changes[index].levels.len()).map(move |level| (index, level)));
        others
            .filter(|(index, level)| self.changes[*index].base != *level)
            .map(|(index, level)| self.base().with(index, level))
            .collect()
    }

    /// What is different in a plan, in words; empty for how things are.
    pub fn differences(&self, point: &Point) -> Vec<String> {
        let changed = self.changes.iter().zip(&point.0).filter(|(change, level)| change.base != **level);
        let words = |(change, level): (&Change, &usize)| {
            let (from, to) = (&change.levels[change.base], &change.levels[*level]);
            format!("{} {} → {}", change.called(), from.label, to.label)
        };
        changed.map(words).collect()
    }

    /// The scenario of a plan, as a table.
    pub(super) fn table(&self, point: &Point) -> Result<Table, PlanError> {
        let mut table = self.table.clone();
        let changed = self.changes.iter().zip(&point.0).filter(|(change, level)| change.base != **level);
        set_all(&mut table, changed.map(|(change, level)| (&*change.name, &change.lever, &change.levels[*level])))?;
        Ok(table)
    }

    /// The first day of a plan's scenario: its hosts, drones and settings.
    ///
    /// # Errors
    /// The changed scenario makes no sense.
    pub fn scenario(&self, point: &Point) -> Result<Scenario, PlanError> {
        one_day(self.table(point)?, &self.scenario_file)
    }

    /// A changed scenario, made to last so long.
    pub(super) fn lasting(&self, table: Table, span: Span) -> Result<Scenario, PlanError> {
        Ok(Scenario::lasting(table, &self.scenario_file, span)?)
    }
}

/// The first day of a scenario: how long it lasts otherwise is the plan's business.
fn one_day(table: Table, file: &Path) -> Result<Scenario, PlanError> {
    Ok(Scenario::lasting(table, file, Span::from_hours(24))?)
}

/// Sets levers to levels; each has the name of what it belongs to. Alternatives and keys come first: what they bring can then be
/// counted and multiplied. Then numbers of drones: one that has been given room of its own is no longer one of several.
fn set_all<'a>(
    table: &mut Table,
    levels: impl Iterator<Item = (&'a str, &'a Lever, &'a Level)>,
) -> Result<(), PlanError> {
    let turn = |lever: &Lever| match lever {
        Lever::Options | Lever::Key(_) => 0,
        Lever::Drones(_) => 1,
        Lever::Hosts { .. } | Lever::DroneProcesses(_) | Lever::Arrivals(_) | Lever::Runtimes(_) => 2,
    };
    let mut levels: Vec<_> = levels.collect();
    levels.sort_by_key(|(_, lever, _)| turn(lever));
    for (name, lever, level) in levels {
        lever.set(table, &level.setting).map_err(|problem| PlanError::Change {
            change: name.to_owned(),
            level: level.label.clone(),
            problem,
        })?;
    }
    Ok(())
}

/// The scenario with what is given, and that in words.
fn with_given(
    source: &Source,
    file: &File,
    mut table: Table,
    scenario_file: &Path,
) -> Result<(Table, Vec<String>), PlanError> {
    let scenario = one_day(table.clone(), scenario_file)?;
    let given = Checking { source, table: &table, scenario: &scenario }.given(&file.given)?;
    set_all(&mut table, given.iter().map(|given| (&*given.name, &given.lever, &given.level)))
        .and_then(|()| one_day(table.clone(), scenario_file))
        .map_err(|error| source.wrong("given", error))?;
    let words = |given: &Given| match given.lever {
        Lever::Options => given.name.clone(),
        Lever::Hosts { .. }
        | Lever::DroneProcesses(_)
        | Lever::Drones(_)
        | Lever::Arrivals(_)
        | Lever::Runtimes(_)
        | Lever::Key(_) => format!("{} {}", given.lever.called(&given.name), given.level.label),
    };
    let words = given.iter().map(words).collect();
    Ok((table, words))
}

/// The two changes of these names.
fn heat_map(source: &Source, changes: &[Change], names: &[String; 2]) -> Result<[usize; 2], PlanError> {
    let index_of = |name: &String| {
        let found = changes.iter().position(|change| change.name == *name && !change.is_probe);
        found.ok_or_else(|| source.wrong("report.heat_map", format_args!("there is no change called {name:?}")))
    };
    let [x, y] = [index_of(&names[0])?, index_of(&names[1])?];
    if x == y {
        return Err(source.wrong("report.heat_map", "needs two changes, not the same one twice").into());
    }
    Ok([x, y])
}
