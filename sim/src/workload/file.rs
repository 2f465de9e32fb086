//! A scenario file as it is written: types are checked here, meaning elsewhere. `docs/workloads.md` explains every key.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use yardmaster_engine::{Protection, RebootAfter, RebootBefore, Settings, Span, Time};

use super::distribution::DistributionSpec;

/// So many hours a generator may go on at most: more than a hundred years.
pub(super) const HOURS_MAX: f64 = 1e6;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: String,
    #[serde(default)]
    pub(super) about: String,
    pub(super) start: Option<Moment>,
    pub(super) end: Option<Moment>,
    #[serde(default)]
    pub(super) settings: Settings,
    #[serde(default)]
    pub(super) lab: LabSpec,
    #[serde(default)]
    pub(super) host: Vec<HostSpec>,
    #[serde(default)]
    pub(super) drone: Vec<DroneSpec>,
    #[serde(default)]
    pub(super) workload: WorkloadSpec,
    #[serde(default)]
    pub(super) processes: ProcessesSpec,
    #[serde(default)]
    pub(super) outage: Vec<OutageSpec>,
}

impl File {
    /// The generators with `hours` that stop when no other goes on any more: with the scenario's `end`, where others go on until then.
    /// None if recorded jobs say how long it lasts.
    pub(super) fn generators_to_the_end(&self) -> Vec<usize> {
        if self.workload.trace.is_some() {
            return Vec::new();
        }
        let stop = |generator: &GenerateSpec| {
            let hours = generator.hours.filter(|hours| *hours > 0.0 && *hours <= HOURS_MAX)?;
            let from = generator.from.or(self.start).map_or(Time(0), |from| from.time);
            Some(from + Span::from_seconds_f64(hours * 3600.0))
        };
        let stops = || self.workload.generate.iter().map(stop);
        let goes_on = |generator: &GenerateSpec| generator.hours.is_none() && generator.count.is_none();
        let last = match self.workload.generate.iter().any(goes_on) {
            true => self.end.map(|end| end.time),
            false => stops().flatten().max(),
        };
        (0..).zip(stops()).filter(|(_, stop)| stop.is_some() && *stop >= last).map(|(index, _)| index).collect()
    }
}

/// `[lab]`: the hosts that a trace saw.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LabSpec {
    #[serde(default)]
    pub(super) from_trace: bool,
    pub(super) pool: Option<f64>,
    #[serde(default)]
    pub(super) host_labels: Vec<String>,
    pub(super) protection: Option<Protection>,
    pub(super) availability: Option<AvailabilitySpec>,
}

/// `[lab.availability]`: when boards of a trace were out of service.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AvailabilitySpec {
    pub(super) silence_hours: f64,
    #[serde(default)]
    pub(super) after_failed_check: bool,
}

/// `[[host]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HostSpec {
    pub(super) name: String,
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) labels: Vec<String>,
    #[serde(default)]
    pub(super) locked: bool,
    #[serde(default)]
    pub(super) dirty: bool,
    pub(super) protection: Option<Protection>,
    #[serde(default)]
    pub(super) acls: Vec<String>,
}

/// `[[drone]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DroneSpec {
    pub(super) name: String,
    pub(super) max_processes: u32,
}

/// `[workload]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkloadSpec {
    #[serde(default)]
    pub(super) job: JobSpec,
    pub(super) trace: Option<TraceSpec>,
    pub(super) background: Option<BackgroundSpec>,
    #[serde(default)]
    pub(super) bursts: Vec<SharedBurstsSpec>,
    #[serde(default)]
    pub(super) generate: Vec<GenerateSpec>,
}

/// `[workload.job]`, and `job` of a job type: what jobs are like where nothing else says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobSpec {
    pub(super) owner: Option<String>,
    pub(super) class: Option<String>,
    pub(super) priority: Option<i32>,
    pub(super) synch_count: Option<u32>,
    pub(super) labels: Option<Vec<String>>,
    pub(super) run_verify: Option<bool>,
    pub(super) run_reset: Option<bool>,
    pub(super) reboot_before: Option<RebootBefore>,
    pub(super) reboot_after: Option<RebootAfter>,
    pub(super) timeout_mins: Option<u32>,
    pub(super) max_runtime_mins: Option<u32>,
}

/// `[workload.trace]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TraceSpec {
    pub(super) file: PathBuf,
    pub(super) format: Option<Format>,
    pub(super) from: Option<Moment>,
    pub(super) to: Option<Moment>,
    pub(super) compress: Option<f64>,
    pub(super) shorten_sec: Option<f64>,
    #[serde(default)]
    pub(super) columns: ColumnsSpec,
    #[serde(default)]
    pub(super) skip: Vec<MatchSpec>,
    pub(super) pinned: Option<MatchSpec>,
    pub(super) success: Option<Vec<String>>,
    #[serde(default)]
    pub(super) priorities: BTreeMap<String, i32>,
    #[serde(default)]
    pub(super) job_labels: Vec<String>,
    #[serde(default)]
    pub(super) swf: SwfSpec,
}

/// How a trace is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    Csv,
    Swf,
}

/// `[workload.trace.columns]`: which column of a CSV trace holds what.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ColumnsSpec {
    pub(super) submit: Option<String>,
    pub(super) start: Option<String>,
    pub(super) end: Option<String>,
    pub(super) runtime: Option<String>,
    pub(super) host: Option<String>,
    pub(super) host_type: Option<String>,
    pub(super) profile: Option<String>,
    pub(super) class: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) priority: Option<String>,
    pub(super) outcome: Option<String>,
    pub(super) tests_failed: Option<String>,
    pub(super) burst: Option<String>,
    pub(super) id: Option<String>,
}

/// Rows whose column holds one of these values.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MatchSpec {
    pub(super) column: String,
    pub(super) values: Vec<String>,
}

/// `[workload.trace.swf]`
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SwfSpec {
    pub(super) label: Option<String>,
    pub(super) processors: Option<u32>,
    pub(super) processors_per_host: Option<u32>,
    #[serde(default)]
    pub(super) one_host_per_job: bool,
    #[serde(default)]
    pub(super) enforce_requested_time: bool,
}

/// `[workload.background]`: the jobs that a trace does not show.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackgroundSpec {
    pub(super) share: f64,
    pub(super) like: MatchSpec,
    pub(super) class: Option<String>,
    pub(super) gap_max: Option<u32>,
}

/// `[[workload.bursts]]`: moments that several generators have in common.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SharedBurstsSpec {
    pub(super) name: String,
    pub(super) per_hour: RatesSpec,
    pub(super) day_factor: Option<DistributionSpec>,
}

/// One rate for all hours, or one for each hour of the day or of the week.
#[derive(Debug)]
pub(super) struct RatesSpec(pub(super) Vec<f64>);

impl<'de> Deserialize<'de> for RatesSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rate = |value: &toml::Value| match value {
            toml::Value::Integer(rate) => Some(*rate as f64),
            toml::Value::Float(rate) => Some(*rate),
            _ => None,
        };
        let value = toml::Value::deserialize(deserializer)?;
        let rates = match &value {
            toml::Value::Array(values) => values.iter().map(rate).collect(),
            single => rate(single).map(|rate| vec![rate]),
        };
        rates.map(RatesSpec).ok_or_else(|| {
            serde::de::Error::custom(format!("expected a rate, or a list of 24 or 168 of them; found {value}"))
        })
    }
}

/// `[[workload.generate]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GenerateSpec {
    pub(super) name: String,
    pub(super) from: Option<Moment>,
    pub(super) hours: Option<f64>,
    pub(super) count: Option<u32>,
    pub(super) arrivals: ArrivalsList,
    #[serde(default)]
    pub(super) only_in_service: bool,
    pub(super) mix: Vec<MixSpec>,
}

/// One way of arriving, or several at once.
#[derive(Debug)]
pub(super) enum ArrivalsList {
    One(ArrivalsSpec),
    Several(Vec<ArrivalsSpec>),
}

impl<'de> Deserialize<'de> for ArrivalsList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TableOrList;
        impl<'de> Visitor<'de> for TableOrList {
            type Value = ArrivalsList;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("arrivals such as { poisson = { per_hour = 6 } }, or a list of such")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ArrivalsList, A::Error> {
                ArrivalsSpec::deserialize(MapAccessDeserializer::new(map)).map(ArrivalsList::One)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<ArrivalsList, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(ArrivalsList::Several)
            }
        }
        deserializer.deserialize_any(TableOrList)
    }
}

/// How jobs of a generator arrive.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum ArrivalsSpec {
    Poisson(RateSpec),
    Profile(ProfileSpec),
    Bursts(BurstsSpec),
    On(OnSpec),
    Every(EverySpec),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateSpec {
    pub(super) per_hour: f64,
    pub(super) day_factor: Option<DistributionSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileSpec {
    pub(super) per_hour: Vec<f64>,
    pub(super) day_factor: Option<DistributionSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BurstsSpec {
    pub(super) per_hour: f64,
    pub(super) size: DistributionSpec,
    pub(super) spread_sec: Option<DistributionSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnSpec {
    pub(super) bursts: String,
    pub(super) chance: Option<f64>,
    pub(super) size: DistributionSpec,
    pub(super) delay_sec: Option<DistributionSpec>,
    pub(super) spread_sec: Option<DistributionSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EverySpec {
    pub(super) minutes: DistributionSpec,
}

/// `[[workload.generate.mix]]`: a job type.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MixSpec {
    pub(super) profile: String,
    pub(super) weight: Option<f64>,
    pub(super) label: Option<String>,
    pub(super) count: Option<u32>,
    pub(super) hosts: Option<String>,
    #[serde(default)]
    pub(super) hostless: bool,
    pub(super) each_host_of_kind: Option<String>,
    pub(super) runtime: Option<DistributionSpec>,
    pub(super) failure: Option<f64>,
    pub(super) tests_failed: Option<DistributionSpec>,
    pub(super) suite: Option<SuiteSpec>,
    #[serde(default)]
    pub(super) job: JobSpec,
}

/// The children of a suite.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SuiteSpec {
    pub(super) child: ChildSpec,
    pub(super) children: DistributionSpec,
    #[serde(default)]
    pub(super) min_duts: u32,
    pub(super) delay_sec: Option<DistributionSpec>,
}

/// The job type of a suite's children, or several, each with its weight.
#[derive(Debug)]
pub(super) struct ChildSpec(pub(super) Vec<(String, f64)>);

impl<'de> Deserialize<'de> for ChildSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let weight = |value: &toml::Value| match value {
            toml::Value::Integer(weight) => Some(*weight as f64),
            toml::Value::Float(weight) => Some(*weight),
            _ => None,
        };
        let value = toml::Value::deserialize(deserializer)?;
        let children = match &value {
            toml::Value::String(name) => Some(vec![(name.clone(), 1.0)]),
            toml::Value::Table(table) => {
                table.iter().map(|(name, value)| Some((name.clone(), weight(value)?))).collect()
            }
            _ => None,
        };
        children.map(ChildSpec).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "expected the name of a job type, or weights of several such as {{ boot = 3, login = 1 }}; found {value}"
            ))
        })
    }
}

/// `[processes]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProcessesSpec {
    pub(super) startup: Option<DistributionSpec>,
    #[serde(default)]
    pub(super) test: ProcessSpec,
    #[serde(default)]
    pub(super) verify: ProcessSpec,
    #[serde(default)]
    pub(super) cleanup: ProcessSpec,
    #[serde(default)]
    pub(super) reset: ProcessSpec,
    #[serde(default)]
    pub(super) repair: ProcessSpec,
    #[serde(default)]
    pub(super) provision: ProcessSpec,
    #[serde(default)]
    pub(super) gather: ProcessSpec,
    #[serde(default)]
    pub(super) parse: ProcessSpec,
}

/// `[processes.verify]` and its like.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProcessSpec {
    pub(super) runtime: Option<DistributionSpec>,
    pub(super) startup: Option<DistributionSpec>,
    pub(super) failure: Option<f64>,
    pub(super) crash: Option<f64>,
    #[serde(default)]
    pub(super) kind: BTreeMap<String, KindSpec>,
}

/// `[processes.verify.kind.eve]`: what is different on hosts of a kind.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KindSpec {
    pub(super) runtime: Option<DistributionSpec>,
    pub(super) startup: Option<DistributionSpec>,
    pub(super) failure: Option<f64>,
    pub(super) crash: Option<f64>,
}

/// `[[outage]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutageSpec {
    pub(super) hosts: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) label: Option<String>,
    pub(super) except: Option<String>,
    pub(super) effect: Option<EffectSpec>,
    #[serde(default)]
    pub(super) together: bool,
    pub(super) share: Option<f64>,
    pub(super) hours_between: Option<DistributionSpec>,
    pub(super) at: Option<Moment>,
    pub(super) weekly: Option<Vec<[f64; 2]>>,
    pub(super) once_in_weeks: Option<f64>,
    pub(super) hours_lasting: Option<DistributionSpec>,
}

/// What an outage does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum EffectSpec {
    Broken,
    Offline,
}

/// A moment as a scenario writes it: a TOML date or date-time (UTC where it names no offset), the same as a string, or
/// seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub(super) time: Time,
    /// A date was given, not a number of seconds.
    pub(super) calendar: bool,
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match toml::Value::deserialize(deserializer)? {
            toml::Value::Integer(seconds) if seconds.unsigned_abs() <= SECONDS_MAX => {
                return Ok(Moment { time: Time::from_seconds(seconds), calendar: false });
            }
            toml::Value::Integer(seconds) => seconds.to_string(),
            toml::Value::String(text) => text,
            toml::Value::Datetime(datetime) => datetime.to_string(),
            other => other.type_str().to_owned(),
        };
        calendar_time(&text).map(|time| Moment { time, calendar: true }).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "expected a date or time such as 2022-07-01 or 2022-07-01T12:00:00Z, or seconds; found {text}"
            ))
        })
    }
}

/// The farthest moment, either way, in seconds (some 3,000 years); keeps sums of microseconds far from overflow.
pub(super) const SECONDS_MAX: u64 = 100_000_000_000;

/// The moment that an ISO date or date-time names; UTC where it names no offset.
pub(super) fn calendar_time(text: &str) -> Option<Time> {
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Some(Time(timestamp.as_microsecond()));
    }
    let civil = text.parse::<jiff::civil::DateTime>().ok()?;
    Some(Time(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond()))
}
