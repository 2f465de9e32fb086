//! Changes of a scenario, made to its table before it is read: what a plan changes, a person could have written.

use std::collections::BTreeSet;
use std::fmt::Display;

use toml::{Table, Value};

use crate::host_list::host_list;

/// Why a scenario cannot be changed so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatchError(String);

impl PatchError {
    pub(super) fn new(problem: impl Display) -> PatchError {
        PatchError(problem.to_string())
    }
}

fn tables<'a>(scenario: &'a mut Table, key: &str) -> Result<&'a mut Vec<Value>, PatchError> {
    let list = scenario.entry(key).or_insert_with(|| Value::Array(Vec::new()));
    list.as_array_mut().ok_or_else(|| PatchError::new(format_args!("{key} is not a list of tables in the scenario")))
}

fn names(entry: &Table) -> Result<Vec<String>, PatchError> {
    let text = entry.get("name").and_then(Value::as_str).unwrap_or_default();
    host_list(text).map_err(|problem| PatchError::new(format_args!("the host list {text:?} {problem}")))
}

/// The kind of the hosts of an entry, as the scenario's reader has it: given, or the first `board:` or `type:` label.
fn kind(entry: &Table) -> &str {
    let labels = entry.get("labels").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let of_label = |label: &'_ str| match label.split_once(':') {
        Some(("board" | "type", kind)) => Some(kind.len()),
        _ => None,
    };
    let by_label = labels.clone().find_map(|label| of_label(label).map(|length| &label[label.len() - length..]));
    entry.get("kind").and_then(Value::as_str).or(by_label).unwrap_or("host")
}

/// Whether an entry names hosts of a kind that can be used: those that are locked from the start are no capacity.
fn is_usable(value: &Value, kind_wanted: &str) -> bool {
    let is_locked = |entry: &Table| entry.get("locked").and_then(Value::as_bool).unwrap_or(false);
    value.as_table().is_some_and(|entry| kind(entry) == kind_wanted && !is_locked(entry))
}

/// Whether an entry names this machine.
fn has_name(value: &Value, name: &str) -> bool {
    let names = value.as_table().and_then(|entry| names(entry).ok());
    names.is_some_and(|names| names.iter().any(|other| other == name))
}

/// How many machines the entries name for which this holds.
fn count(scenario: &Table, key: &str, is_meant: impl Fn(&Value) -> bool) -> u32 {
    let entries = scenario.get(key).and_then(Value::as_array).into_iter().flatten();
    let meant = entries.filter(|entry| is_meant(entry)).filter_map(Value::as_table);
    meant.filter_map(|entry| names(entry).ok()).map(|names| names.len() as u32).sum()
}

/// How many usable hosts of a kind the scenario names: what [`set_hosts`] counts.
pub(super) fn count_hosts(scenario: &Table, kind_wanted: &str) -> u32 {
    count(scenario, "host", |entry| is_usable(entry, kind_wanted))
}

/// How many drones like this one there are, those that are written in one entry with it: what [`set_drones`] counts.
pub(super) fn count_drones(scenario: &Table, drone: &str) -> u32 {
    count(scenario, "drone", |entry| has_name(entry, drone)).max(1)
}

/// Whether two drones are written in one entry: more like the one are more like the other.
pub(super) fn are_drones_alike(scenario: &Table, one: &str, other: &str) -> bool {
    let entries = scenario.get("drone").and_then(Value::as_array);
    one == other || entries.into_iter().flatten().any(|entry| has_name(entry, one) && has_name(entry, other))
}

/// Lets there be so many usable hosts of a kind: more like the last of them but for these labels, or fewer, the last ones
/// first.
pub(super) fn set_hosts(
    scenario: &mut Table,
    kind_wanted: &str,
    count: u32,
    added_labels: &[String],
) -> Result<(), PatchError> {
    let entries = tables(scenario, "host")?;
    let places: Vec<usize> = (0..entries.len()).filter(|place| is_usable(&entries[*place], kind_wanted)).collect();
    resize(entries, &places, kind_wanted, count, |added| {
        if !added_labels.is_empty() {
            added.insert("kind".to_owned(), Value::from(kind_wanted));
            relabel(added, added_labels);
        }
    })
}

/// Lets there be so many drones like this one.
pub(super) fn set_drones(scenario: &mut Table, drone: &str, count: u32) -> Result<(), PatchError> {
    let entries = tables(scenario, "drone")?;
    if entries.is_empty() {
        entries.push(default_drone(1000));
    }
    let places: Vec<usize> = (0..entries.len()).filter(|place| has_name(&entries[*place], drone)).collect();
    resize(entries, &places, drone, count, |_| {})
}

/// Gives labels to an entry. Each takes the place of those with the same word before the colon: `site:b` of `site:a`.
fn relabel(entry: &mut Table, new: &[String]) {
    let word = |label: &str| label.split_once(':').map(|(word, _)| word.to_owned());
    let is_replaced =
        |old: &str| new.iter().any(|label| label == old || (word(old).is_some() && word(label) == word(old)));
    let labels = entry.get("labels").and_then(Value::as_array).into_iter().flatten();
    let kept = labels.filter(|label| !label.as_str().is_some_and(is_replaced)).cloned();
    let labels = kept.chain(new.iter().map(|label| Value::from(label.as_str()))).collect();
    entry.insert("labels".to_owned(), Value::Array(labels));
}

/// Makes the entries at these places name so many machines in all. Those that are added are like the last one, and then
/// adapted.
fn resize(
    entries: &mut Vec<Value>,
    places: &[usize],
    what: &str,
    count: u32,
    adapt: impl FnOnce(&mut Table),
) -> Result<(), PatchError> {
    let Some(last) = places.last().copied() else {
        return Err(PatchError::new(format_args!(
            "the scenario has no [[host]] (unlocked) or [[drone]] {what:?} that could be had more or fewer of"
        )));
    };
    let mut left = count as usize;
    for place in places {
        let Some(entry) = entries[*place].as_table_mut() else { continue };
        let mut kept = names(entry)?;
        kept.truncate(left);
        left -= kept.len();
        entry.insert("name".to_owned(), Value::String(kept.join(",")));
    }
    if left > 0
        && let Some(model) = entries[last].as_table().cloned()
    {
        let taken: BTreeSet<String> =
            entries.iter().filter_map(Value::as_table).filter_map(|entry| names(entry).ok()).flatten().collect();
        let new = (1..).map(|number| format!("{what}-added{number}")).filter(|name| !taken.contains(name));
        // At the end, so that the hosts that are there keep their numbers.
        let mut added = named(model, new.take(left).collect::<Vec<_>>().join(","));
        adapt(&mut added);
        entries.push(Value::Table(added));
    }
    entries.retain(|entry| !is_empty(entry));
    Ok(())
}

/// The drone that a scenario has which names none.
const DEFAULT_DRONE: &str = "drone1";

fn default_drone(max_processes: u32) -> Value {
    let drone = [("name", Value::from(DEFAULT_DRONE)), ("max_processes", Value::from(i64::from(max_processes)))];
    Value::Table(drone.map(|(key, value)| (key.to_owned(), value)).into_iter().collect())
}

/// Gives a drone, or each, room for so many processes.
pub(super) fn set_drone_processes(scenario: &mut Table, drone: Option<&str>, count: u32) -> Result<(), PatchError> {
    let entries = tables(scenario, "drone")?;
    if entries.is_empty() && drone.is_none_or(|drone| drone == DEFAULT_DRONE) {
        entries.push(default_drone(count));
        return Ok(());
    }
    let Some(drone) = drone else {
        entries.iter_mut().filter_map(Value::as_table_mut).for_each(|entry| set_room(entry, count));
        return Ok(());
    };
    let Some(place) = entries.iter().position(|entry| has_name(entry, drone)) else {
        return Err(PatchError::new(format_args!("the scenario has no [[drone]] {drone:?}")));
    };
    let Some(entry) = entries[place].as_table().cloned() else { return Ok(()) };
    // Others that are written in one entry with it stay as they are, and all of them in their order.
    let all = names(&entry)?;
    let split = all.split(|name| name == drone).map(|others| others.join(","));
    let mut parts: Vec<Value> = split.map(|names| Value::Table(named(entry.clone(), names))).collect();
    let mut it = named(entry, drone.to_owned());
    set_room(&mut it, count);
    parts.insert(1, Value::Table(it));
    parts.retain(|part| !is_empty(part));
    entries.splice(place..=place, parts);
    Ok(())
}

fn set_room(drone: &mut Table, count: u32) {
    drone.insert("max_processes".to_owned(), Value::Integer(i64::from(count)));
}

fn named(mut entry: Table, names: String) -> Table {
    entry.insert("name".to_owned(), Value::String(names));
    entry
}

fn is_empty(entry: &Value) -> bool {
    entry.get("name").and_then(Value::as_str) == Some("")
}

/// Lets more or less arrive, of a generator or of shared bursts by name, or of all of them.
///
/// Generators that only take part in shared bursts arrive as these do: they are not multiplied a second time.
pub(super) fn scale_arrivals(scenario: &mut Table, name: Option<&str>, factor: f64) -> Result<(), PatchError> {
    let Some(workload) = scenario.get_mut("workload").and_then(Value::as_table_mut) else {
        return Err(PatchError::new("the scenario has no [workload]"));
    };
    let mut scaled = false;
    let is_meant = |entry: &Table| name.is_none_or(|name| entry.get("name").and_then(Value::as_str) == Some(name));
    for list in ["generate", "bursts"] {
        let entries = workload.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for entry in entries.filter_map(Value::as_table_mut).filter(|entry| is_meant(entry)) {
            scaled |= scale_rates(entry, factor);
        }
    }
    if scaled {
        return Ok(());
    }
    Err(PatchError::new(match name {
        Some(name) => format!("no generator and no bursts called {name:?} have rates (per_hour, minutes, chance)"),
        None => "a recorded workload cannot be multiplied: fit it first (yardmaster-sim fit)".to_owned(),
    }))
}

/// Multiplies the rates of a generator or of bursts.
fn scale_rates(entry: &mut Table, factor: f64) -> bool {
    if let Some(rate) = entry.get_mut("per_hour") {
        scale(rate, factor);
        return true;
    }
    let Some((arrivals, spec)) =
        entry.get_mut("arrivals").and_then(Value::as_table_mut).and_then(|kinds| kinds.iter_mut().next())
    else {
        return false;
    };
    match arrivals.as_str() {
        "every" => match spec.get_mut("minutes") {
            Some(minutes) => scale(minutes, 1.0 / factor),
            None => return false,
        },
        _ => match spec.get_mut("per_hour") {
            Some(rate) => scale(rate, factor),
            None => return false,
        },
    }
    true
}

/// Multiplies a number, or all of a list.
fn scale(value: &mut Value, factor: f64) {
    match value {
        Value::Integer(number) => *value = Value::Float(*number as f64 * factor),
        Value::Float(number) => *number *= factor,
        Value::Array(numbers) => numbers.iter_mut().for_each(|number| scale(number, factor)),
        Value::String(_) | Value::Boolean(_) | Value::Datetime(_) | Value::Table(_) => {}
    }
}

/// Lets processes of a kind take longer or shorter, wherever the scenario says how long they take.
pub(super) fn scale_runtimes(scenario: &mut Table, kind: &str, factor: f64) -> Result<(), PatchError> {
    let mut scaled = false;
    if let Some(process) =
        scenario.get_mut("processes").and_then(|processes| processes.get_mut(kind)).and_then(Value::as_table_mut)
    {
        scaled |= scale_runtime(process, factor)?;
        let by_kind = process.get_mut("kind").and_then(Value::as_table_mut).into_iter().flat_map(Table::iter_mut);
        for (_, of_kind) in by_kind {
            scaled |= of_kind.as_table_mut().map_or(Ok(false), |of_kind| scale_runtime(of_kind, factor))?;
        }
    }
    if kind == "test" {
        let generators = scenario.get_mut("workload").and_then(|workload| workload.get_mut("generate"));
        for generator in generators.and_then(Value::as_array_mut).into_iter().flatten() {
            let mix = generator.get_mut("mix").and_then(Value::as_array_mut).into_iter().flatten();
            for job_type in mix.filter_map(Value::as_table_mut) {
                scaled |= scale_runtime(job_type, factor)?;
            }
        }
    }
    if scaled {
        return Ok(());
    }
    Err(PatchError::new(format_args!(
        "the scenario does not say how long a {kind} takes; give [processes.{kind}] a runtime"
    )))
}

fn scale_runtime(holder: &mut Table, factor: f64) -> Result<bool, PatchError> {
    let Some(runtime) = holder.get_mut("runtime") else { return Ok(false) };
    let Some((kind, spec)) = runtime.as_table_mut().and_then(|kinds| kinds.iter_mut().next()) else {
        scale(runtime, factor);
        return Ok(true);
    };
    let in_seconds: &[&str] = match kind.as_str() {
        "exponential" => &["mean", "max"],
        "lognormal" => &["median", "p95", "max"],
        "weibull" => &["scale", "max"],
        "constant" | "uniform" | "quantiles" => {
            scale(spec, factor);
            return Ok(true);
        }
        other => {
            return Err(PatchError::new(format_args!(
                "a runtime of the distribution {other:?} cannot be multiplied; write it as quantiles"
            )));
        }
    };
    for key in in_seconds {
        if let Some(value) = spec.get_mut(key) {
            scale(value, factor);
        }
    }
    Ok(true)
}

/// Sets a dotted key; `host[0].locked` means one of a list.
pub(super) fn set_key(scenario: &mut Table, key: &str, value: Value) -> Result<(), PatchError> {
    let mut segments: Vec<&str> = key.split(['.', '[']).map(|segment| segment.trim_end_matches(']')).collect();
    let Some(last) = segments.pop().filter(|last| !last.is_empty()) else {
        return Err(PatchError::new("the key is empty"));
    };
    let mut table = scenario;
    let mut segments = segments.into_iter().peekable();
    while let Some(segment) = segments.next() {
        let next = table.entry(segment).or_insert_with(|| Value::Table(Table::new()));
        let next = match (next, segments.peek().and_then(|index| index.parse::<usize>().ok())) {
            (Value::Array(list), Some(index)) => {
                segments.next();
                list.get_mut(index)
            }
            (other, _) => Some(other),
        };
        let missing = || PatchError::new(format_args!("the scenario has no table at {segment:?} of {key}"));
        table = next.and_then(Value::as_table_mut).ok_or_else(missing)?;
    }
    table.insert(last.to_owned(), value);
    Ok(())
}

/// What stands at a dotted key.
pub(super) fn get_key<'a>(scenario: &'a Table, key: &str) -> Option<&'a Value> {
    let mut segments = key.split(['.', '[']).map(|segment| segment.trim_end_matches(']'));
    let first = scenario.get(segments.next()?)?;
    segments.try_fold(first, |value, segment| match value {
        Value::Array(list) => list.get(segment.parse::<usize>().ok()?),
        Value::Table(table) => table.get(segment),
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => None,
    })
}

/// Merges a table: tables become one, lists of tables grow, anything else is replaced.
pub(super) fn merge(into: &mut Table, from: &Table) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Table(present)), Value::Table(new)) => merge(present, new),
            (Some(Value::Array(present)), Value::Array(new)) if new.iter().all(Value::is_table) => {
                present.extend(new.iter().cloned());
            }
            (Some(present), new) => *present = new.clone(),
            (None, new) => drop(into.insert(key.clone(), new.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab() -> Table {
        r#"
        name = "lab"
        settings = { max_parse_processes = 5 }
        host = [
          { name = "eve[1-3]", labels = ["pool:a", "board:eve"] },
          { name = "kevin1", kind = "kevin" },
          { name = "eve9", kind = "eve", dirty = true },
        ]
        drone = [{ name = "d[1-2]", max_processes = 10 }]
        processes.repair = { runtime = { lognormal = { median = 100, sigma = 1 } }, kind.eve = { runtime = 30 } }
        [workload]
        bursts = [{ name = "pushes", per_hour = [1, 2] }]
        [[workload.generate]]
        name = "ci"
        arrivals = { on = { bursts = "pushes", chance = 0.5, size = 3 } }
        mix = [{ profile = "boot", runtime = { quantiles = [1, 2.5] } }]
        [[workload.generate]]
        name = "checks"
        arrivals = { every = { minutes = 60 } }
        "#
        .parse()
        .expect("TOML")
    }

    fn machines(lab: &Table, list: &str) -> Vec<String> {
        let entries = lab[list].as_array().expect("a list");
        entries.iter().flat_map(|entry| names(entry.as_table().expect("a table")).expect("host lists")).collect()
    }

    #[test]
    fn hosts_come_and_go_at_the_end() {
        let mut more = lab();
        set_hosts(&mut more, "eve", 6, &[]).expect("possible");
        let expected = ["eve1", "eve2", "eve3", "kevin1", "eve9", "eve-added1", "eve-added2"];
        assert_eq!(machines(&more, "host"), expected);
        assert_eq!(more["host"][3]["dirty"], Value::Boolean(true), "as the last of them");
        let mut fewer = lab();
        set_hosts(&mut fewer, "eve", 2, &[]).expect("possible");
        assert_eq!(machines(&fewer, "host"), ["eve1", "eve2", "kevin1"]);
        set_hosts(&mut fewer, "eve", 0, &[]).expect("possible");
        assert_eq!(machines(&fewer, "host"), ["kevin1"]);
        assert!(set_hosts(&mut fewer, "eve", 1, &[]).is_err(), "there is nothing to clone");
    }

    #[test]
    fn added_hosts_may_stand_elsewhere() {
        let mut more: Table =
            "host = [{ name = \"eve[1-2]\", labels = [\"board:eve\", \"site:a\", \"usb\"] }]".parse().expect("TOML");
        set_hosts(&mut more, "eve", 3, &["site:b".to_owned(), "usb".to_owned()]).expect("possible");
        let labels = |entry: usize| {
            let labels = more["host"][entry]["labels"].as_array().expect("a list").iter();
            labels.map(|label| label.as_str().expect("a label").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(labels(0), ["board:eve", "site:a", "usb"]);
        assert_eq!(labels(1), ["board:eve", "site:b", "usb"]);
    }

    #[test]
    fn drones_come_and_have_room() {
        let mut lab = lab();
        set_drones(&mut lab, "d2", 4).expect("possible");
        assert_eq!(machines(&lab, "drone"), ["d1", "d2", "d2-added1", "d2-added2"]);
        set_drone_processes(&mut lab, None, 7).expect("possible");
        assert_eq!(lab["drone"][1]["max_processes"], Value::Integer(7));
        assert!(set_drone_processes(&mut lab, Some("x"), 7).is_err());
    }

    #[test]
    fn drones_of_a_range_are_counted_and_changed_one_by_one() {
        let mut lab: Table = "drone = [{ name = \"d[1-3]\", max_processes = 10 }]".parse().expect("TOML");
        assert_eq!(count_drones(&lab, "d2"), 3);
        set_drone_processes(&mut lab, Some("d2"), 11).expect("possible");
        let rooms: Vec<_> =
            lab["drone"].as_array().expect("a list").iter().map(|drone| &drone["max_processes"]).collect();
        assert_eq!(
            (machines(&lab, "drone").join(" ").as_str(), rooms),
            ("d1 d2 d3", [10, 11, 10].map(Value::Integer).iter().collect())
        );
    }

    #[test]
    fn locked_hosts_are_no_capacity_and_no_model() {
        let mut lab: Table =
            r#"host = [{ name = "eve[1-2]", kind = "eve" }, { name = "eve3", kind = "eve", locked = true }]"#
                .parse()
                .expect("TOML");
        assert_eq!(count_hosts(&lab, "eve"), 2);
        set_hosts(&mut lab, "eve", 3, &[]).expect("possible");
        assert_eq!(machines(&lab, "host"), ["eve1", "eve2", "eve3", "eve-added1"]);
        assert_eq!(lab["host"][2].get("locked"), None, "it can be used");
        set_hosts(&mut lab, "eve", 1, &[]).expect("possible");
        assert_eq!(machines(&lab, "host"), ["eve1", "eve3"], "the locked one stays");
    }

    #[test]
    fn arrivals_are_multiplied_once() {
        let mut busier = lab();
        scale_arrivals(&mut busier, None, 2.0).expect("possible");
        assert_eq!(
            busier["workload"]["bursts"][0]["per_hour"],
            Value::Array(vec![Value::Float(2.0), Value::Float(4.0)])
        );
        assert_eq!(busier["workload"]["generate"][0], lab()["workload"]["generate"][0]);
        assert_eq!(busier["workload"]["generate"][1]["arrivals"]["every"]["minutes"], Value::Float(30.0));
        assert!(scale_arrivals(&mut busier, Some("nobody"), 2.0).is_err());
    }

    #[test]
    fn runtimes_are_multiplied_wherever_they_stand() {
        let mut slower = lab();
        scale_runtimes(&mut slower, "repair", 2.0).expect("possible");
        scale_runtimes(&mut slower, "test", 2.0).expect("possible");
        let repair = &slower["processes"]["repair"];
        assert_eq!(repair["runtime"]["lognormal"]["median"], Value::Float(200.0));
        assert_eq!(repair["runtime"]["lognormal"]["sigma"], Value::Integer(1), "of the logarithm: it stays");
        assert_eq!(repair["kind"]["eve"]["runtime"], Value::Float(60.0));
        let test = &slower["workload"]["generate"][0]["mix"][0]["runtime"]["quantiles"];
        assert_eq!(*test, Value::Array(vec![Value::Float(2.0), Value::Float(5.0)]));
        assert!(scale_runtimes(&mut slower, "verify", 2.0).is_err());
    }

    #[test]
    fn keys_are_set_and_found() {
        let mut changed = lab();
        for key in ["settings.max_parse_processes", "host[1].locked", "processes.reset.failure"] {
            set_key(&mut changed, key, Value::Integer(9)).expect(key);
            assert_eq!(get_key(&changed, key), Some(&Value::Integer(9)), "{key}");
        }
        assert!(set_key(&mut changed, "host[7].locked", Value::Integer(9)).is_err());
        assert!(set_key(&mut changed, "name.x", Value::Integer(9)).is_err());
        assert_eq!(get_key(&changed, "name.x"), None);
    }

    #[test]
    fn lists_of_tables_grow_when_merged() {
        let mut merged = lab();
        let new = "settings = { max_repair_limit = 3 }\nhost = [{ name = \"new1\" }]\nname = \"other\"";
        merge(&mut merged, &new.parse().expect("TOML"));
        assert_eq!(merged["host"].as_array().map(Vec::len), Some(4));
        assert_eq!(merged["settings"].as_table().map(Table::len), Some(2));
        assert_eq!(merged["name"], Value::from("other"));
    }
}
