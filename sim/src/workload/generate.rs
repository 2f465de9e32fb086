//! Generated workloads: arrivals, and for each of them a job type drawn from a mix.

use std::collections::BTreeMap;
use std::sync::Arc;

use yardmaster_engine::{Span, Time};

use super::arrivals::{Arrivals, Extent, First, Luck};
use super::distribution::Distribution;
use super::draw::chance;
use super::error::{ScenarioError, nearest};
use super::file::{ArrivalsList, GenerateSpec, HOURS_MAX, MixSpec, SharedBurstsSpec, SuiteSpec};
use super::jobs::{Draft, JOBS_MAX, JobDefaults, TestRun};
use super::lab::Lab;
use super::plan::{HostPlan, Placement};
use super::random::{Concern, Stream};
use super::rates::TooMany;
use super::source::Source;
use super::trace::EXIT_1;
use crate::host_list::host_list;

/// What a generator needs to know of the rest of the scenario.
pub(super) struct Surroundings<'a> {
    pub(super) source: &'a Source,
    pub(super) defaults: &'a JobDefaults,
    pub(super) lab: &'a Lab,
    pub(super) bursts: &'a [SharedBurstsSpec],
    /// Where arrivals begin, unless the generator says otherwise.
    pub(super) start: Time,
    /// Where they end, unless the generator says otherwise.
    pub(super) end: Option<Time>,
}

/// A host with arrivals of its own.
#[derive(Debug)]
struct EachHost {
    index: u32,
    name: Arc<str>,
    /// The job types for hosts of its kind: indices into `Generator::types`.
    types: Vec<usize>,
}

/// A job type, checked.
#[derive(Debug)]
struct JobType {
    profile: Arc<str>,
    weight: f64,
    /// For each host of this kind.
    each_of_kind: Option<Arc<str>>,
    placement: Placement,
    defaults: JobDefaults,
    runtime: Option<Distribution>,
    failure: Option<f64>,
    tests_failed: Option<Distribution>,
    suite: Option<Suite>,
}

/// The children of a job type.
#[derive(Debug)]
struct Suite {
    /// Job types of the children, indices, each with its weight; one at least has a weight.
    child: Vec<(usize, f64)>,
    children: Distribution,
    delay: Distribution,
    min_hosts: u32,
}

/// A `[[workload.generate]]`, checked.
#[derive(Debug)]
pub(super) struct Generator {
    /// Where it stands.
    key: String,
    name: Arc<str>,
    /// Never empty.
    pub(super) arrivals: Vec<Arrivals>,
    pub(super) extent: Extent,
    /// At least one has a weight.
    types: Vec<JobType>,
    /// Where every host has arrivals of its own: the hosts.
    each_host: Vec<EachHost>,
    /// Nothing arrives for a host that is out of service.
    pub(super) only_in_service: bool,
}

/// What generators need to know before they draw.
pub(super) struct Drawn<'a> {
    pub(super) seed: u64,
    /// The moments of the shared bursts, in their order.
    pub(super) bursts: &'a [Vec<Time>],
    /// When hosts are out of service; looked at by those who serve only hosts that are not.
    pub(super) away: &'a BTreeMap<u32, Vec<(Time, Time)>>,
}

impl Generator {
    /// Checks the generator at `workload.generate[index]`.
    pub(super) fn checked(
        surroundings: &Surroundings<'_>,
        index: usize,
        spec: &GenerateSpec,
    ) -> Result<Generator, ScenarioError> {
        let (source, key) = (surroundings.source, format!("workload.generate[{index}]"));
        let types = surroundings.types(&key, spec)?;
        let each_host = surroundings.each_host(&key, spec, &types)?;
        if spec.only_in_service && each_host.is_empty() {
            let problem = "has a meaning only where the mix says each_host_of_kind";
            return Err(source.wrong(&format!("{key}.only_in_service"), problem));
        }
        if spec.only_in_service && spec.hours.is_none() && surroundings.end.is_none() {
            let problem = "needs hours (or the scenario an end): until when are hosts in service?";
            return Err(source.wrong(&format!("{key}.only_in_service"), problem));
        }
        Ok(Generator {
            arrivals: surroundings.arrivals(&format!("{key}.arrivals"), &spec.arrivals)?,
            extent: surroundings.extent(&key, spec)?,
            name: spec.name.as_str().into(),
            only_in_service: spec.only_in_service,
            types,
            each_host,
            key,
        })
    }

    /// Appends the jobs of this seed.
    ///
    /// # Errors
    /// There are more than a scenario may have.
    pub(super) fn append(
        &self,
        source: &Source,
        drawn: &Drawn<'_>,
        drafts: &mut Vec<Draft>,
    ) -> Result<(), ScenarioError> {
        let too_many = |problem: TooMany| Err(source.wrong(&format!("{}.arrivals", self.key), problem));
        if self.each_host.is_empty() {
            let luck = Luck { seed: drawn.seed, name: &self.name };
            let all: Vec<usize> = (0..self.types.len()).collect();
            let all_along = [(self.extent.from, self.extent.to)];
            return match self.times(&all_along, First::AtOnce, luck, drawn) {
                Ok(times) => self.append_arrivals(luck, &times, &all, None, drafts).or_else(too_many),
                Err(problem) => too_many(problem),
            };
        }
        for host in &self.each_host {
            self.append_of_host(drawn, host, drafts).or_else(too_many)?;
        }
        Ok(())
    }

    /// Appends the jobs of one host, whose luck is its own.
    fn append_of_host(&self, drawn: &Drawn<'_>, host: &EachHost, drafts: &mut Vec<Draft>) -> Result<(), TooMany> {
        let name = format!("{} on {}", self.name, host.name);
        let luck = Luck { seed: drawn.seed, name: &name };
        let away = drawn.away.get(&host.index).filter(|_| self.only_in_service).map_or(&[][..], Vec::as_slice);
        let (in_service, first) = in_service(self.extent, away);
        let times = self.times(&in_service, first, luck, drawn)?;
        self.append_arrivals(luck, &times, &host.types, Some(host.index), drafts)
    }

    /// All arrivals within these intervals, ascending.
    fn times(
        &self,
        intervals: &[(Time, Time)],
        first: First,
        luck: Luck<'_>,
        drawn: &Drawn<'_>,
    ) -> Result<Vec<Time>, TooMany> {
        let Luck { seed, name } = luck;
        let mut times = Vec::new();
        for (index, arrivals) in self.arrivals.iter().enumerate() {
            // The first of several is as lucky as it would be alone.
            let name = if index == 0 { name.to_owned() } else { format!("{name} ({index})") };
            let luck = Luck { seed, name: &name };
            times.extend(arrivals.times(intervals, self.extent.count, first, luck, drawn.bursts)?);
        }
        times.sort();
        times.truncate(self.extent.count);
        Ok(times)
    }

    /// Appends a job of one of these types for each arrival.
    fn append_arrivals(
        &self,
        luck: Luck<'_>,
        times: &[Time],
        types: &[usize],
        host: Option<u32>,
        drafts: &mut Vec<Draft>,
    ) -> Result<(), TooMany> {
        let concern = Concern::new(luck.seed, &format!("jobs {}", luck.name));
        let total: f64 = types.iter().map(|one| self.types[*one].weight).sum();
        for (number, submit) in (0..).zip(times) {
            let mut stream = concern.stream([number, 0, 0]);
            if let Some(chosen) = self.pick(types, stream.unit() * total) {
                self.append_arrival(&concern, number, *submit, chosen, stream, drafts);
            }
            if let (Some(host), Some(draft)) = (host, drafts.last_mut()) {
                draft.job.placement = Placement::Hosts(vec![host]);
            }
            if drafts.len() > JOBS_MAX {
                return Err(TooMany);
            }
        }
        Ok(())
    }

    /// The job that arrives as the `number`-th, and, if it is a suite, its children.
    fn append_arrival(
        &self,
        concern: &Concern,
        number: u64,
        submit: Time,
        chosen: &JobType,
        mut stream: Stream,
        drafts: &mut Vec<Draft>,
    ) {
        let parent = u32::try_from(drafts.len()).ok();
        drafts.push(chosen.draft(submit, &self.name, &mut stream));
        let Some(suite) = &chosen.suite else { return };
        for child in 0..suite.children.next_count(&mut stream) {
            let mut stream = concern.stream([number, 1, child.into()]);
            let submit = submit + suite.delay.next_span(&mut stream);
            let mut draft = self.types[suite.pick(&mut stream)].draft(submit, &self.name, &mut stream);
            draft.job.parent = parent;
            drafts.push(draft);
            if drafts.len() > JOBS_MAX {
                return;
            }
        }
    }

    /// Of these job types the one at this point of their weights, laid end to end.
    fn pick(&self, types: &[usize], mut point: f64) -> Option<&JobType> {
        let mut chosen = None;
        for one in types.iter().map(|index| &self.types[*index]).filter(|one| one.weight > 0.0) {
            chosen = Some(one);
            if point < one.weight {
                break;
            }
            point -= one.weight;
        }
        chosen
    }
}

/// When a host is in service within the extent, and how its first series begins.
fn in_service(extent: Extent, away: &[(Time, Time)]) -> (Vec<(Time, Time)>, First) {
    let (mut intervals, mut from, mut first) = (Vec::new(), extent.from, First::Underway);
    for (begin, end) in away.iter().filter(|(begin, end)| *begin < extent.to && extent.from < *end) {
        if from < *begin {
            intervals.push((from, *begin));
        } else if *begin <= extent.from {
            first = First::AtOnce;
        }
        from = *end;
    }
    if from < extent.to {
        intervals.push((from, extent.to));
    }
    (intervals, first)
}

impl Surroundings<'_> {
    fn arrivals(&self, key: &str, spec: &ArrivalsList) -> Result<Vec<Arrivals>, ScenarioError> {
        let checked = |key: &str, spec| Arrivals::checked(self.source, key, spec, self.bursts);
        match spec {
            ArrivalsList::One(one) => Ok(vec![checked(key, one)?]),
            ArrivalsList::Several(several) if several.is_empty() => Err(self.source.wrong(key, "lists none")),
            ArrivalsList::Several(several) => {
                several.iter().enumerate().map(|(index, one)| checked(&format!("{key}[{index}]"), one)).collect()
            }
        }
    }

    fn extent(&self, key: &str, spec: &GenerateSpec) -> Result<Extent, ScenarioError> {
        let from = spec.from.map_or(self.start, |from| from.time);
        let to = match spec.hours {
            Some(hours) if hours > 0.0 && hours <= HOURS_MAX => Some(from + Span::from_seconds_f64(hours * 3600.0)),
            Some(hours) => {
                let problem = format_args!("must be > 0 and at most 1,000,000, not {hours}");
                return Err(self.source.wrong(&format!("{key}.hours"), problem));
            }
            None => self.end,
        };
        if to.is_none() && spec.count.is_none() {
            return Err(self
                .source
                .wrong(key, "needs hours or count (or the scenario an end): when do its jobs stop?"));
        }
        let count = spec.count.map_or(usize::MAX, |count| count as usize);
        // Without an end the count stops the arrivals, unless they are so rare that time runs out.
        Ok(Extent { from, to: to.unwrap_or(from + Span::from_hours(1_000_000)), count })
    }

    fn types(&self, key: &str, spec: &GenerateSpec) -> Result<Vec<JobType>, ScenarioError> {
        let mut types = Vec::with_capacity(spec.mix.len());
        for (index, mix) in spec.mix.iter().enumerate() {
            types.push(self.job_type(&format!("{key}.mix[{index}]"), mix, &spec.mix)?);
        }
        let total: f64 = types.iter().map(|one| one.weight).sum();
        if total > 0.0 && total.is_finite() {
            Ok(types)
        } else {
            Err(self.source.wrong(&format!("{key}.mix"), "no job type has a weight above 0"))
        }
    }

    fn job_type(&self, key: &str, mix: &MixSpec, all: &[MixSpec]) -> Result<JobType, ScenarioError> {
        let within = |name: &str| format!("{key}.{name}");
        let weight = mix.weight.unwrap_or(1.0);
        if !(0.0..=1e12).contains(&weight) {
            return Err(self.source.wrong(&within("weight"), format_args!("must be a number ≥ 0, not {weight}")));
        }
        let mut defaults = self.defaults.with(self.source, &within("job"), &mix.job)?;
        let placement = self.placement(key, mix, &defaults.labels)?;
        // Jobs for each host of a kind have that host yet to come.
        let hosts = placement.entries().max(1);
        if mix.job.synch_count.is_some() && defaults.synch_count > hosts {
            let problem = format_args!("the job asks for {hosts} host(s), fewer than synch_count");
            return Err(self.source.wrong(&within("job.synch_count"), problem));
        }
        defaults.synch_count = defaults.synch_count.min(hosts);
        Ok(JobType {
            profile: mix.profile.as_str().into(),
            weight,
            each_of_kind: mix.each_host_of_kind.as_deref().map(Arc::from),
            placement,
            defaults,
            runtime: Distribution::optional(self.source, &within("runtime"), mix.runtime.as_ref())?,
            failure: chance(self.source, &within("failure"), mix.failure)?,
            tests_failed: Distribution::optional(self.source, &within("tests_failed"), mix.tests_failed.as_ref())?,
            suite: mix.suite.as_ref().map(|suite| self.suite(&within("suite"), suite, all)).transpose()?,
        })
    }

    /// The hosts that have arrivals of their own; none where the mix asks for hosts in the usual ways.
    fn each_host(&self, key: &str, spec: &GenerateSpec, types: &[JobType]) -> Result<Vec<EachHost>, ScenarioError> {
        if types.iter().all(|one| one.each_of_kind.is_none()) {
            return Ok(Vec::new());
        }
        for (index, (one, mix)) in types.iter().zip(&spec.mix).enumerate() {
            let key = format!("{key}.mix[{index}]");
            if one.each_of_kind.is_none() {
                return Err(self.source.wrong(&key, "needs each_host_of_kind, as another job type of this mix has it"));
            }
            if mix.suite.is_some() {
                return Err(self.source.wrong(&format!("{key}.suite"), "cannot stand beside each_host_of_kind"));
            }
        }
        let of_kind = |(index, host): (u32, &HostPlan)| {
            let fitting =
                |(_, one): &(usize, &JobType)| one.each_of_kind.as_ref() == Some(&host.kind) && one.weight > 0.0;
            let types: Vec<usize> = types.iter().enumerate().filter(fitting).map(|(index, _)| index).collect();
            (!types.is_empty()).then(|| EachHost { index, name: host.name.clone(), types })
        };
        Ok((0..).zip(&self.lab.hosts).filter_map(of_kind).collect())
    }

    fn placement(&self, key: &str, mix: &MixSpec, depends: &[Arc<str>]) -> Result<Placement, ScenarioError> {
        let count = mix.count.unwrap_or(1);
        if let (Some(kind), None, None, None, false) =
            (&mix.each_host_of_kind, &mix.count, &mix.label, &mix.hosts, mix.hostless)
        {
            self.lab.check_kind(self.source, &format!("{key}.each_host_of_kind"), kind)?;
            // Every draft gets its own host.
            return Ok(Placement::Hosts(Vec::new()));
        }
        if mix.each_host_of_kind.is_some() {
            let problem = "stands alone: without label, count, hosts and hostless";
            return Err(self.source.wrong(&format!("{key}.each_host_of_kind"), problem));
        }
        match (&mix.label, &mix.hosts, mix.hostless) {
            (Some(label), None, false) => {
                self.lab
                    .check_request(count, label, depends)
                    .map_err(|(problem, like)| self.source.wrong_name(&format!("{key}.label"), problem, like))?;
                Ok(Placement::Any { count, label: label.as_str().into() })
            }
            (None, Some(list), false) => {
                let key = format!("{key}.hosts");
                let mut hosts = Vec::new();
                for name in host_list(list).map_err(|error| self.source.wrong(&key, error))? {
                    let host = self.lab.host(&name).ok_or_else(|| {
                        let problem = format!("the lab has no host {name:?}");
                        self.source.wrong_name(&key, problem, self.lab.host_like(&name))
                    })?;
                    hosts.push(host);
                }
                let distinct: std::collections::BTreeSet<_> = hosts.iter().collect();
                if distinct.len() < hosts.len() {
                    return Err(self.source.wrong(&key, "names a host twice"));
                }
                Ok(Placement::Hosts(hosts))
            }
            (None, None, true) => Ok(Placement::Hostless),
            _ => {
                let problem = "needs exactly one of label, hosts, hostless = true and each_host_of_kind";
                Err(self.source.wrong(key, problem))
            }
        }
    }

    fn suite(&self, key: &str, suite: &SuiteSpec, all: &[MixSpec]) -> Result<Suite, ScenarioError> {
        let child_key = format!("{key}.child");
        let mut types = Vec::with_capacity(suite.child.0.len());
        for (name, weight) in &suite.child.0 {
            let child = all.iter().position(|mix| mix.profile == *name).ok_or_else(|| {
                let problem = format!("the mix has no job type {name:?}");
                let like = nearest(name, all.iter().map(|mix| mix.profile.as_str()));
                self.source.wrong_name(&child_key, problem, like)
            })?;
            if all[child + 1..].iter().any(|mix| mix.profile == *name) {
                return Err(self.source.wrong(&child_key, "names more than one job type of the mix"));
            }
            if all[child].suite.is_some() {
                return Err(self.source.wrong(&child_key, "is a suite itself; children have no children"));
            }
            if !(0.0..=1e12).contains(weight) {
                return Err(self.source.wrong(&child_key, format_args!("has the weight {weight}; it must be ≥ 0")));
            }
            types.push((child, *weight));
        }
        if types.iter().all(|(_, weight)| *weight <= 0.0) {
            return Err(self.source.wrong(&child_key, "gives no job type a weight above 0"));
        }
        Ok(Suite {
            child: types,
            children: Distribution::checked(self.source, &format!("{key}.children"), &suite.children)?,
            delay: Distribution::optional(self.source, &format!("{key}.delay_sec"), suite.delay_sec.as_ref())?
                .unwrap_or(Distribution::Constant(0.0)),
            min_hosts: suite.min_duts,
        })
    }
}

impl Suite {
    /// The job type of the next child. A single one needs no luck.
    fn pick(&self, stream: &mut Stream) -> usize {
        if let [(only, _)] = self.child[..] {
            return only;
        }
        let mut point = stream.unit() * self.child.iter().map(|(_, weight)| weight).sum::<f64>();
        let mut chosen = 0;
        for (child, weight) in self.child.iter().filter(|(_, weight)| *weight > 0.0) {
            chosen = *child;
            if point < *weight {
                break;
            }
            point -= weight;
        }
        chosen
    }
}

impl JobType {
    /// A job of this type. Everything is drawn, needed or not, so that a change to one key changes nothing else.
    fn draft(&self, submit: Time, workload: &Arc<str>, stream: &mut Stream) -> Draft {
        let placement = self.placement.clone();
        let mut job =
            self.defaults.job(submit, self.profile.clone(), workload.clone(), self.profile.clone(), placement);
        job.suite_min_hosts = self.suite.as_ref().map_or(0, |suite| suite.min_hosts);
        let (luck, length, failed) = (stream.unit(), stream.unit(), stream.unit());
        let test = TestRun {
            runtime: self.runtime.as_ref().map(|runtime| Span::from_seconds_f64(runtime.quantile(length).min(1e9))),
            exit_status: self.failure.map(|chance| if luck < chance { EXIT_1 } else { 0 }),
            tests_failed: self.tests_failed.as_ref().map_or(0, |count| count.quantile(failed).round() as u32),
        };
        Draft { job, test, number: stream.bits() }
    }
}
