//! From the objectives of a plan as they are written to what is to hold; what is wrong is named by its key.

use toml::Value;
use yardmaster_engine::Span;

use super::checking::Checking;
use super::error::PlanError;
use super::file::{GroupingSpec, ObjectiveSpec};
use super::objective::{Grouping, ObjectiveRule, Restriction, Target};

impl Checking<'_> {
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
        let each = spec.each.map(grouping_of);
        let tells_apart = |grouping: Grouping| match target {
            Target::HostUse { .. } => grouping == Grouping::HostKind,
            Target::DroneUse { .. } => false,
            Target::StartWithin { .. }
            | Target::EndWithin { .. }
            | Target::SuitesEndWithin { .. }
            | Target::WaitQuantile { .. }
            | Target::TurnaroundQuantile { .. } => true,
        };
        let problem = "hosts are told apart by host_kind alone, drones not at all";
        if each.is_some_and(|each| !tells_apart(each)) {
            return Err(self.wrong(&format!("{key}.each"), problem));
        }
        if !spec.only.keys().copied().map(grouping_of).all(tells_apart) {
            return Err(self.wrong(&format!("{key}.where"), problem));
        }
        Ok(ObjectiveRule {
            key: key.to_owned(),
            name: spec.name.clone().unwrap_or_default(),
            target,
            each,
            only: spec.only.iter().map(restriction).collect(),
        })
    }

    fn target(&self, key: &str, spec: &ObjectiveSpec) -> Result<Target, PlanError> {
        // Times are counted in seconds, rounded up: a part of one could not be told from none.
        let seconds = |name: &str, value: f64| {
            let fine = (1.0..=1e9).contains(&value) && value.fract() == 0.0;
            if fine {
                Ok(Span::from_seconds_f64(value))
            } else {
                let problem = format_args!("must be a whole number of seconds > 0, not {value}");
                Err(self.wrong(&format!("{key}.{name}"), problem))
            }
        };
        let share = |name: &str, value: Option<f64>| match value {
            Some(share) if share > 0.0 && share <= 1.0 => Ok(share),
            Some(share) => {
                Err(self.wrong(&format!("{key}.{name}"), format_args!("must be > 0 and at most 1, not {share}")))
            }
            None => Err(self.wrong(key, "needs a share, as share = 0.95")),
        };
        // That all jobs are on time can be refuted by some, but is shown by none.
        let floor = || match share("share", spec.share)? {
            share if share < 1.0 => Ok(share),
            _ => Err(self
                .wrong(&format!("{key}.share"), "must be less than 1, as 0.999: no number of jobs shows that all are")),
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
            targets.push(Target::StartWithin { limit: seconds("start_within", limit)?, share: floor()? });
        }
        if let Some(limit) = spec.end_within {
            targets.push(Target::EndWithin { limit: seconds("end_within", limit)?, share: floor()? });
        }
        if let Some(limit) = spec.suites_end_within {
            let limit = seconds("suites_end_within", limit)?;
            targets.push(Target::SuitesEndWithin { limit, share: floor()? });
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
