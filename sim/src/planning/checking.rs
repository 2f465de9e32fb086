//! From a plan as it is written to what it means; what is wrong is named by its key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use toml::{Table, Value};
use yardmaster_engine::Span;

use super::change::{Change, Level, Lever, Setting};
use super::error::PlanError;
use super::file::{ChangeSpec, File, GroupingSpec, ObjectiveSpec, OptionSpec, SearchSpec, SimulationSpec};
use super::objective::{Grouping, ObjectiveRule, Restriction, Target};
use super::patch;
use super::study::Simulation;
use crate::workload::{DronePlan, Scenario, Source};

/// The most levels that a change may have.
const LEVELS_MAX: usize = 1000;

/// One more of each resource that a lab has.
pub(super) fn probes(scenario: &Scenario, table: &Table) -> Vec<Change> {
    let one_more = |name: String, lever: Lever, count: u32, setting: fn(u32) -> Setting| {
        let level = |count: u32| Level { label: count.to_string(), cost: 0.0, setting: setting(count) };
        Change { name, levels: vec![level(count), level(count + 1)], base: 0, is_probe: true, lever }
    };
    let mut kinds: BTreeMap<&str, u32> = BTreeMap::new();
    for host in scenario.hosts() {
        *kinds.entry(&host.kind).or_default() += 1;
    }
    let hosts = kinds.into_iter().map(|(kind, count)| {
        one_more(format!("one more {kind}"), Lever::Hosts(kind.to_owned()), count, Setting::Count)
    });
    let drone = scenario.drones().first().map(|drone| {
        one_more(
            format!("one more drone like {}", drone.name),
            Lever::Drones(drone.name.to_string()),
            1,
            Setting::Count,
        )
    });
    let parsers = scenario.settings().max_parse_processes;
    let key = Lever::Key("settings.max_parse_processes".to_owned());
    let value = |count: u32| Setting::Value(Value::Integer(i64::from(count)));
    let parser = one_more("one more parser".to_owned(), key, parsers, value);
    // Hosts that only a trace names cannot be had more of.
    let is_possible = |change: &Change| change.lever.set(&mut table.clone(), &change.levels[1].setting).is_ok();
    hosts.chain(drone).chain([parser]).filter(is_possible).collect()
}

/// What is checked against what.
pub(super) struct Checking<'a> {
    pub(super) source: &'a Source,
    pub(super) table: &'a Table,
    pub(super) scenario: &'a Scenario,
}

impl Checking<'_> {
    fn wrong(&self, key: &str, problem: impl Display) -> PlanError {
        self.source.wrong(key, problem).into()
    }

    pub(super) fn simulation(&self, spec: &SimulationSpec) -> Result<Simulation, PlanError> {
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
            drain: days("drain_days", spec.drain_days, 0.0)?.unwrap_or(Span::from_hours(48)),
            replications_min: least,
            replications_max: most,
            confidence: share("confidence", spec.confidence, 0.95)?,
            precision: share("precision", spec.precision, 0.01)?,
        })
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
            spec.hosts.as_ref().map(|kind| (Lever::Hosts(kind.clone()), kind.clone())),
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
            Lever::Hosts(_) | Lever::DroneProcesses(_) | Lever::Drones(_) => {
                let base = self.present_count(key, &lever)?;
                self.counted(key, base, spec)?
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

    /// How many there are now.
    fn present_count(&self, key: &str, lever: &Lever) -> Result<u32, PlanError> {
        let count = match lever {
            Lever::Hosts(kind) => self.scenario.hosts().iter().filter(|host| *host.kind == **kind).count(),
            Lever::Drones(name) => usize::from(self.scenario.drones().iter().any(|drone| *drone.name == **name)),
            Lever::DroneProcesses(name) => {
                let mut drones = self.scenario.drones().iter();
                let is_meant = |drone: &&DronePlan| name.as_ref().is_none_or(|name| **name == *drone.name);
                drones.find(is_meant).map_or(0, |drone| drone.max_processes as usize)
            }
            Lever::Arrivals(_) | Lever::Runtimes(_) | Lever::Key(_) | Lever::Options => 0,
        };
        match lever {
            Lever::Hosts(kind) if count == 0 => {
                let kinds: BTreeSet<&str> = self.scenario.hosts().iter().map(|host| &*host.kind).collect();
                let kinds = kinds.into_iter().collect::<Vec<_>>().join(", ");
                Err(self.wrong(
                    &format!("{key}.hosts"),
                    format_args!("there is no host of kind {kind:?}; kinds are {kinds}"),
                ))
            }
            Lever::Drones(name) | Lever::DroneProcesses(Some(name)) if count == 0 => {
                Err(self.wrong(key, format_args!("there is no drone {name:?}")))
            }
            _ => Ok(count as u32),
        }
    }

    fn counted(&self, key: &str, base: u32, spec: &ChangeSpec) -> Result<(Level, Vec<Level>), PlanError> {
        let cost = self.cost_by_unit(key, spec)?;
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
            (None, Some([from, to])) if from <= to && to - from < LEVELS_MAX as i64 => {
                (from..=to).map(|add| i64::from(base) + add).collect()
            }
            (None, Some(_)) => {
                return Err(self.wrong(&format!("{key}.add"), "must be [from, to], from the smaller one"));
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
        let cost = self.cost_by_unit(key, spec)?;
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
        let cost = spec.cost.unwrap_or(0.0);
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
        let option = |option: &OptionSpec| Level {
            label: option.name.clone(),
            cost: option.cost,
            setting: if option.set.is_empty() { Setting::AsItIs } else { Setting::Merge(option.set.clone()) },
        };
        let levels: Vec<Level> = spec.options.iter().map(option).collect();
        let as_it_is = levels.iter().find(|level| level.setting == Setting::AsItIs).cloned();
        Ok((as_it_is.unwrap_or(base), levels))
    }

    fn cost_by_unit(&self, key: &str, spec: &ChangeSpec) -> Result<f64, PlanError> {
        match spec.cost {
            None => Ok(0.0),
            Some(cost) if cost >= 0.0 && cost.is_finite() => Ok(cost),
            Some(cost) => Err(self.wrong(&format!("{key}.cost"), format_args!("must be a number ≥ 0, not {cost}"))),
        }
    }

    pub(super) fn rules(&self, specs: &[ObjectiveSpec]) -> Result<Vec<ObjectiveRule>, PlanError> {
        if specs.is_empty() {
            return Err(self.wrong("objective", "nothing is asked for: give an [[objective]]"));
        }
        specs.iter().enumerate().map(|(index, spec)| self.rule(&format!("objective[{index}]"), spec)).collect()
    }

    fn rule(&self, key: &str, spec: &ObjectiveSpec) -> Result<ObjectiveRule, PlanError> {
        let target = self.target(key, spec)?;
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let restriction = |(grouping, values): (&GroupingSpec, &Vec<Value>)| Restriction {
            grouping: grouping_of(*grouping),
            values: values.iter().map(text).collect(),
        };
        let of_jobs = !matches!(target, Target::HostUse { .. } | Target::DroneUse { .. });
        let each = spec.each.map(grouping_of);
        if !of_jobs && each.is_some_and(|each| each != Grouping::HostKind || matches!(target, Target::DroneUse { .. }))
        {
            return Err(self.wrong(&format!("{key}.each"), "hosts are told apart by host_kind, drones not at all"));
        }
        Ok(ObjectiveRule {
            name: spec.name.clone().unwrap_or_default(),
            target,
            each,
            only: spec.only.iter().map(restriction).collect(),
        })
    }

    fn target(&self, key: &str, spec: &ObjectiveSpec) -> Result<Target, PlanError> {
        let seconds = |name: &str, value: f64| {
            let fine = value > 0.0 && value <= 1e9;
            if fine {
                Ok(Span::from_seconds_f64(value))
            } else {
                Err(self.wrong(&format!("{key}.{name}"), format_args!("must be a number of seconds > 0, not {value}")))
            }
        };
        let share = |name: &str, value: Option<f64>| match value {
            Some(share) if share > 0.0 && share <= 1.0 => Ok(share),
            Some(share) => {
                Err(self.wrong(&format!("{key}.{name}"), format_args!("must be > 0 and at most 1, not {share}")))
            }
            None => Err(self.wrong(key, "needs a share, as share = 0.95")),
        };
        let percent = || match spec.percentile {
            Some(percent) if percent > 0.0 && percent < 100.0 => Ok(percent),
            Some(percent) => {
                Err(self.wrong(&format!("{key}.percentile"), format_args!("must be between 0 and 100, not {percent}")))
            }
            None => Err(self.wrong(key, "needs a percentile, as percentile = 95")),
        };
        let mut targets = Vec::new();
        if let Some(limit) = spec.start_within {
            targets.push(Target::StartWithin {
                limit: seconds("start_within", limit)?,
                share: share("share", spec.share)?,
            });
        }
        if let Some(limit) = spec.end_within {
            targets
                .push(Target::EndWithin { limit: seconds("end_within", limit)?, share: share("share", spec.share)? });
        }
        if let Some(limit) = spec.suites_end_within {
            let limit = seconds("suites_end_within", limit)?;
            targets.push(Target::SuitesEndWithin { limit, share: share("share", spec.share)? });
        }
        if let Some(limit) = spec.wait_at_most {
            targets.push(Target::WaitQuantile { percent: percent()?, limit: seconds("wait_at_most", limit)? });
        }
        if let Some(limit) = spec.turnaround_at_most {
            targets
                .push(Target::TurnaroundQuantile { percent: percent()?, limit: seconds("turnaround_at_most", limit)? });
        }
        if spec.host_use_at_most.is_some() {
            targets.push(Target::HostUse { at_most: share("host_use_at_most", spec.host_use_at_most)? });
        }
        if spec.drone_use_at_most.is_some() {
            targets.push(Target::DroneUse { at_most: share("drone_use_at_most", spec.drone_use_at_most)? });
        }
        match targets[..] {
            [target] => Ok(target),
            _ => Err(self.wrong(
                key,
                "needs exactly one of start_within, end_within, suites_end_within, wait_at_most, turnaround_at_most, \
                 host_use_at_most and drone_use_at_most",
            )),
        }
    }
}

fn grouping_of(spec: GroupingSpec) -> Grouping {
    match spec {
        GroupingSpec::HostKind => Grouping::HostKind,
        GroupingSpec::Class => Grouping::Class,
        GroupingSpec::Priority => Grouping::Priority,
        GroupingSpec::Profile => Grouping::Profile,
        GroupingSpec::Workload => Grouping::Workload,
    }
}
