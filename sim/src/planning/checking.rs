//! From a plan as it is written to what it means; what is wrong is named by its key.

use std::collections::BTreeSet;
use std::fmt::Display;

use toml::{Table, Value};
use yardmaster_engine::Span;

use super::change::{Change, Given, Level, Lever, Setting};
use super::error::PlanError;
use super::file::{ChangeSpec, File, GivenSpec, OptionSpec, SearchSpec, SimulationSpec};
use super::objective::ObjectiveRule;
use super::patch;
use super::study::Simulation;
use crate::workload::{Scenario, Source};

/// The most levels that a change may have.
const LEVELS_MAX: usize = 1000;

/// One more of each resource that a lab has.
pub(super) fn probes(scenario: &Scenario, table: &Table) -> Vec<Change> {
    let one_more = |name: String, lever: Lever, count: u32, setting: fn(u32) -> Setting| {
        let level = |count: u32| Level { label: count.to_string(), cost: 0.0, setting: setting(count) };
        Change { name, levels: vec![level(count), level(count + 1)], base: 0, is_probe: true, lever }
    };
    let kinds: BTreeSet<&str> = scenario.hosts().iter().map(|host| &*host.kind).collect();
    let hosts = kinds.into_iter().map(|kind| {
        let count = patch::count_hosts(table, kind);
        one_more(
            format!("one more {kind}"),
            Lever::Hosts { kind: kind.to_owned(), added_labels: Vec::new() },
            count,
            Setting::Count,
        )
    });
    let drones = scenario.drones().first().into_iter().flat_map(|drone| {
        let name = drone.name.to_string();
        let like_it = patch::count_drones(table, &name);
        [
            one_more(format!("one more drone like {name}"), Lever::Drones(name.clone()), like_it, Setting::Count),
            one_more(
                format!("one more process on {name}"),
                Lever::DroneProcesses(Some(name)),
                drone.max_processes,
                Setting::Count,
            ),
        ]
    });
    let parsers = scenario.settings().max_parse_processes;
    let key = Lever::Key("settings.max_parse_processes".to_owned());
    let value = |count: u32| Setting::Value(Value::Integer(i64::from(count)));
    let parser = one_more("one more parser".to_owned(), key, parsers, value);
    // Hosts that only a trace names cannot be had more of.
    let is_possible = |change: &Change| change.lever.set(&mut table.clone(), &change.levels[1].setting).is_ok();
    hosts.chain(drones).chain([parser]).filter(is_possible).collect()
}

/// What is checked against what.
pub(super) struct Checking<'a> {
    pub(super) source: &'a Source,
    pub(super) table: &'a Table,
    pub(super) scenario: &'a Scenario,
}

impl Checking<'_> {
    pub(super) fn wrong(&self, key: &str, problem: impl Display) -> PlanError {
        self.source.wrong(key, problem).into()
    }

    pub(super) fn simulation(&self, spec: &SimulationSpec, rules: &[ObjectiveRule]) -> Result<Simulation, PlanError> {
        let days = |key: &str, value: Option<f64>, least: f64| match value {
            Some(days) if days >= least && days <= 3660.0 => Ok(Some(Span::from_seconds_f64(days * 86_400.0))),
            Some(days) => {
                let problem = format_args!("must be a number of days from {least} to 3660, not {days}").to_string();
                Err(self.wrong(&format!("simulation.{key}"), problem))
            }
            None => Ok(None),
        };
        let [least, most] = spec.replications.unwrap_or([8, 40]);
        if least < 2 || most < least || most > 100_000 {
            let problem = "must be two numbers, at least and at most so many, from 2 to 100,000";
            return Err(self.wrong("simulation.replications", problem));
        }
        let share = |key: &str, value: Option<f64>, default: f64| match value.unwrap_or(default) {
            share if share > 0.0 && share < 1.0 => Ok(share),
            other => {
                Err(self.wrong(&format!("simulation.{key}"), format_args!("must be between 0 and 1, not {other}")))
            }
        };
        Ok(Simulation {
            window: days("days", spec.days, 0.01)?.unwrap_or(Span::from_hours(28 * 24)),
            warm_up: days("warm_up_days", spec.warm_up_days, 0.0)?,
            drain: self.drain(days("drain_days", spec.drain_days, 0.0)?, rules)?,
            replications_min: least,
            replications_max: most,
            confidence: share("confidence", spec.confidence, 0.95)?,
            precision: share("precision", spec.precision, 0.01)?,
        })
    }

    /// The time after the window. A job must have all the time that an objective gives it, or the last ones would count as late.
    fn drain(&self, wanted: Option<Span>, rules: &[ObjectiveRule]) -> Result<Span, PlanError> {
        let longest =
            rules.iter().filter_map(|rule| Some((rule.target.limit()?, rule))).max_by_key(|(limit, _)| *limit);
        match (wanted, longest) {
            (Some(drain), Some((limit, rule))) if drain < limit => {
                let days = (limit.as_seconds_f64() / 864.0).ceil() / 100.0;
                let problem = format!(
                    "is shorter than the time that {} gives: jobs from the end of the time that counts could not be seen to meet \
                     it; give {days} at least, or leave it out",
                    rule.key
                );
                Err(self.wrong("simulation.drain_days", problem))
            }
            (Some(drain), _) => Ok(drain),
            (None, longest) => Ok(longest.map_or(Span::ZERO, |(limit, _)| limit).max(Span::from_hours(48))),
        }
    }

    /// What holds in every plan, how things are included.
    pub(super) fn given(&self, specs: &[GivenSpec]) -> Result<Vec<Given>, PlanError> {
        specs.iter().enumerate().map(|(index, spec)| self.one_given(&format!("given[{index}]"), spec)).collect()
    }

    fn one_given(&self, key: &str, spec: &GivenSpec) -> Result<Given, PlanError> {
        if spec.value.is_some() == spec.set.is_some() {
            return Err(self.wrong(key, "needs either a value or, without any other lever, a table: set = { … }"));
        }
        let Change { name, levels, base, lever, .. } = self.change(key, &spec.as_change())?;
        let level = levels.into_iter().enumerate().find(|(index, _)| *index != base);
        level.map(|(_, level)| Given { name, lever, level }).ok_or_else(|| self.wrong(key, "changes nothing"))
    }

    pub(super) fn changes(&self, file: &File) -> Result<Vec<Change>, PlanError> {
        let mut changes: Vec<Change> = Vec::new();
        for (index, spec) in file.change.iter().enumerate() {
            let key = format!("change[{index}]");
            let change = self.change(&key, spec)?;
            if changes.iter().any(|other| other.name == change.name) {
                let problem =
                    format_args!("there is another change called {:?}; give it a name", change.name).to_string();
                return Err(self.wrong(&key, problem));
            }
            if let Some(other) = changes.iter().find(|other| other.lever.is_about_the_same(&change.lever, self.table)) {
                let problem =
                    format_args!("{:?} and {:?} are about the same thing", other.name, change.name).to_string();
                return Err(self.wrong(&key, problem));
            }
            changes.push(change);
        }
        if changes.is_empty() && file.search != SearchSpec::Single {
            return Err(self.wrong("change", "there is nothing that may be different: give a [[change]]"));
        }
        Ok(changes)
    }

    fn lever(&self, key: &str, spec: &ChangeSpec) -> Result<(Lever, String), PlanError> {
        let or_all = |name: &String| (name != "all").then(|| name.clone());
        let runtimes = |kind: &String| (Lever::Runtimes(kind.clone()), format!("length of {kind}"));
        let levers = [
            spec.hosts.as_ref().map(|kind| {
                let added_labels = spec.added_labels.clone();
                (Lever::Hosts { kind: kind.clone(), added_labels }, kind.clone())
            }),
            spec.drone_processes.as_ref().map(|drone| {
                (
                    Lever::DroneProcesses(or_all(drone)),
                    format!("processes on {drone} {}", if drone == "all" { "drones" } else { "" }).trim().to_owned(),
                )
            }),
            spec.drones.as_ref().map(|drone| (Lever::Drones(drone.clone()), format!("drones like {drone}"))),
            spec.arrivals.as_ref().map(|name| (Lever::Arrivals(or_all(name)), format!("arrivals of {name}"))),
            spec.runtimes.as_ref().map(runtimes),
            spec.key.as_ref().map(|key| (Lever::Key(key.clone()), key.clone())),
            (!spec.options.is_empty()).then(|| (Lever::Options, String::new())),
        ];
        let mut given = levers.into_iter().flatten();
        if spec.hosts.is_none() && !spec.added_labels.is_empty() {
            return Err(self.wrong(&format!("{key}.added_labels"), "goes with hosts only"));
        }
        match (given.next(), given.next()) {
            (Some(lever), None) => Ok(lever),
            (None, _) | (Some(_), Some(_)) => Err(self.wrong(
                key,
                "needs exactly one of hosts, drone_processes, drones, arrivals, runtimes, key and options",
            )),
        }
    }

    fn change(&self, key: &str, spec: &ChangeSpec) -> Result<Change, PlanError> {
        let (lever, name) = self.lever(key, spec)?;
        let name = spec.name.clone().unwrap_or(name);
        if name.is_empty() {
            return Err(self.wrong(key, "needs a name"));
        }
        let (base, mut levels) = match &lever {
            Lever::Options => self.options(key, spec)?,
            Lever::Key(path) => self.key_levels(key, path, spec)?,
            Lever::Hosts { .. } | Lever::DroneProcesses(_) | Lever::Drones(_) => {
                let (base, concerned) = self.present(key, &lever)?;
                self.counted(key, base, concerned, spec)?
            }
            Lever::Arrivals(_) | Lever::Runtimes(_) => self.factors(key, spec)?,
        };
        if !levels.contains(&base) {
            levels.push(base.clone());
        }
        // Shorter times are the better ones.
        let order = |level: &Level| match (&lever, &level.setting) {
            (Lever::Runtimes(_), Setting::Factor(factor)) => -factor,
            (_, Setting::Factor(factor)) => *factor,
            (_, Setting::Count(count)) => f64::from(*count),
            (_, Setting::AsItIs | Setting::Value(_) | Setting::Merge(_)) => 0.0,
        };
        levels.sort_by(|one, other| order(one).total_cmp(&order(other)));
        levels.dedup();
        if levels.len() < 2 || levels.len() > LEVELS_MAX {
            let problem =
                format_args!("must have 2 to {LEVELS_MAX} values, how things are included; it has {}", levels.len());
            return Err(self.wrong(key, problem.to_string()));
        }
        let base = levels.iter().position(|level| *level == base).unwrap_or_default();
        Ok(Change { name, levels, base, is_probe: false, lever })
    }

    /// How many there are now, and how many machines one more of it concerns.
    fn present(&self, key: &str, lever: &Lever) -> Result<(u32, u32), PlanError> {
        let drones = self.scenario.drones();
        match lever {
            Lever::Hosts { kind, .. } => match patch::count_hosts(self.table, kind) {
                0 => {
                    let is_possible = |kind: &&str| patch::count_hosts(self.table, kind) > 0;
                    let kinds: BTreeSet<&str> = self.scenario.hosts().iter().map(|host| &*host.kind).collect();
                    let kinds = kinds.into_iter().filter(is_possible).collect::<Vec<_>>().join(", ");
                    let problem =
                        format!("there is no host of kind {kind:?} among the unlocked [[host]]; kinds are {kinds}");
                    Err(self.wrong(&format!("{key}.hosts"), problem))
                }
                count => Ok((count, 1)),
            },
            Lever::Drones(name) | Lever::DroneProcesses(Some(name)) => {
                let Some(drone) = drones.iter().find(|drone| *drone.name == **name) else {
                    return Err(self.wrong(key, format_args!("there is no drone {name:?}")));
                };
                let is_number = matches!(lever, Lever::Drones(_));
                Ok((if is_number { patch::count_drones(self.table, name) } else { drone.max_processes }, 1))
            }
            Lever::DroneProcesses(None) => {
                let room: BTreeSet<u32> = drones.iter().map(|drone| drone.max_processes).collect();
                match (room.first(), room.len()) {
                    (Some(room), 1) => Ok((*room, drones.len() as u32)),
                    _ => Err(self.wrong(
                        &format!("{key}.drone_processes"),
                        "drones have room for different numbers of processes: give each a [[change]] of its own",
                    )),
                }
            }
            Lever::Arrivals(_) | Lever::Runtimes(_) | Lever::Key(_) | Lever::Options => Ok((0, 1)),
        }
    }

    fn counted(
        &self,
        key: &str,
        base: u32,
        concerned: u32,
        spec: &ChangeSpec,
    ) -> Result<(Level, Vec<Level>), PlanError> {
        let cost = self.cost(key, spec.cost)? * f64::from(concerned);
        let level = |count: u32| Level {
            label: count.to_string(),
            cost: cost * (f64::from(count) - f64::from(base)),
            setting: Setting::Count(count),
        };
        let counts: Vec<i64> = match (&spec.values, spec.add) {
            (Some(values), None) => {
                let count = |value: &Value| {
                    value
                        .as_integer()
                        .ok_or_else(|| self.wrong(&format!("{key}.values"), format_args!("{value} is no count")))
                };
                values.iter().map(count).collect::<Result<_, _>>()?
            }
            (None, Some([from, to])) if from <= to && to.abs_diff(from) < LEVELS_MAX as u64 => {
                (from..=to).map(|add| add.saturating_add(i64::from(base))).collect()
            }
            (None, Some(_)) => {
                let problem = format_args!("must be [from, to], from the smaller one, at most {LEVELS_MAX} numbers");
                return Err(self.wrong(&format!("{key}.add"), problem));
            }
            (None, None) | (Some(_), Some(_)) => return Err(self.wrong(key, "needs either values or add")),
        };
        let checked = |count: i64| match u32::try_from(count) {
            Ok(count) if count <= 1_000_000 => Ok(level(count)),
            Ok(_) | Err(_) => Err(self.wrong(key, format_args!("{count} is out of the range 0 to 1,000,000"))),
        };
        Ok((level(base), counts.into_iter().map(checked).collect::<Result<_, _>>()?))
    }

    fn factors(&self, key: &str, spec: &ChangeSpec) -> Result<(Level, Vec<Level>), PlanError> {
        let cost = self.cost(key, spec.cost)?;
        let level = |factor: f64| {
            let percent = ((factor - 1.0) * 1000.0).round() / 10.0;
            let label = match percent {
                0.0 => "as it is".to_owned(),
                less if less < 0.0 => format!("−{} %", -less),
                more => format!("+{more} %"),
            };
            Level { label, cost: cost * (factor - 1.0).abs(), setting: Setting::Factor(factor) }
        };
        let number = |value: &Value| {
            let number = value.as_float().or(value.as_integer().map(|number| number as f64));
            let number = number.filter(|number| *number > 0.0 && number.is_finite());
            number
                .map(level)
                .ok_or_else(|| self.wrong(&format!("{key}.values"), format_args!("{value} is no factor > 0")))
        };
        let values = spec.values.as_ref().ok_or_else(|| self.wrong(key, "needs values, as [1.0, 1.3]"))?;
        Ok((level(1.0), values.iter().map(number).collect::<Result<_, _>>()?))
    }

    fn key_levels(&self, key: &str, path: &str, spec: &ChangeSpec) -> Result<(Level, Vec<Level>), PlanError> {
        let values = spec.values.as_ref().ok_or_else(|| self.wrong(key, "needs values"))?;
        let cost = self.cost(key, spec.cost)?;
        let level = |value: &Value| Level { label: value.to_string(), cost, setting: Setting::Value(value.clone()) };
        let present = patch::get_key(self.table, path).map(|value| Level { cost: 0.0, ..level(value) });
        let base =
            present.unwrap_or_else(|| Level { label: "as it is".to_owned(), cost: 0.0, setting: Setting::AsItIs });
        let others = values.iter().map(level).filter(|level| level.setting != base.setting);
        let mut levels = vec![base.clone()];
        levels.extend(others);
        Ok((base, levels))
    }

    fn options(&self, key: &str, spec: &ChangeSpec) -> Result<(Level, Vec<Level>), PlanError> {
        if spec.cost.is_some() || spec.values.is_some() || spec.add.is_some() {
            return Err(
                self.wrong(key, "options have costs and settings of their own, no values, add or cost beside them")
            );
        }
        let base = Level { label: "as it is".to_owned(), cost: 0.0, setting: Setting::AsItIs };
        if let Some(option) = spec.options.iter().find(|option| !option.cost.is_finite()) {
            let problem = format!("option {:?}: the cost must be a number, not {}", option.name, option.cost);
            return Err(self.wrong(key, problem));
        }
        let option = |option: &OptionSpec| Level {
            label: option.name.clone(),
            cost: option.cost,
            setting: if option.set.is_empty() { Setting::AsItIs } else { Setting::Merge(option.set.clone()) },
        };
        let levels: Vec<Level> = spec.options.iter().map(option).collect();
        let as_it_is = levels.iter().find(|level| level.setting == Setting::AsItIs).cloned();
        Ok((as_it_is.unwrap_or(base), levels))
    }

    fn cost(&self, key: &str, cost: Option<f64>) -> Result<f64, PlanError> {
        match cost {
            None => Ok(0.0),
            Some(cost) if cost >= 0.0 && cost.is_finite() => Ok(cost),
            Some(cost) => Err(self.wrong(&format!("{key}.cost"), format_args!("must be a number ≥ 0, not {cost}"))),
        }
    }
}
