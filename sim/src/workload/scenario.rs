//! A scenario that has been read and checked: everything about it that needs no luck. A seed makes a plan of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use yardmaster_engine::{Settings, Span, Time};

use super::arrivals::Arrivals;
use super::background::Background;
use super::behaviour::{Habits, WorkloadBehaviour};
use super::error::ScenarioError;
use super::generate::{Drawn, Generator};
use super::jobs::{Draft, JOBS_MAX, in_order};
use super::load;
use super::outages::OutagePlan;
use super::plan::{DronePlan, HostPlan, JobPlan, Plan};
use super::random::Concern;
use super::rates::{Rates, TooMany};
use super::source::Source;

/// A workload scenario, read and checked, data files included. Threads may share it, each drawing plans from seeds of
/// its own: what is drawn depends on the scenario and the seed only.
#[derive(Debug)]
pub struct Scenario {
    pub(super) source: Source,
    pub(super) name: String,
    pub(super) about: String,
    pub(super) settings: Settings,
    pub(super) start: Time,
    pub(super) end: Option<Time>,
    pub(super) unix_time: bool,
    pub(super) hosts: Vec<HostPlan>,
    pub(super) drones: Vec<DronePlan>,
    /// The jobs of a trace.
    pub(super) recorded: Vec<Draft>,
    pub(super) background: Option<Background>,
    pub(super) bursts: Vec<SharedBursts>,
    pub(super) generators: Vec<Generator>,
    pub(super) outages: OutagePlan,
    pub(super) habits: Arc<[Habits]>,
}

/// `[[workload.bursts]]`, checked.
#[derive(Debug)]
pub(super) struct SharedBursts {
    /// Where it stands.
    pub(super) key: String,
    pub(super) name: String,
    pub(super) rates: Rates,
}

impl Scenario {
    /// Reads the workload scenario at `path`, and the data files that it names; paths within it are relative to it.
    ///
    /// # Errors
    /// A file cannot be read, or something in it is wrong: the error names the file, the line and the key or column.
    pub fn read(path: &Path) -> Result<Scenario, ScenarioError> {
        let source = Source::read(path)?;
        let file = source.parse()?;
        load::check(source, file, None)
    }

    /// The same for a table that a program has made, or read and changed. `path` is the file that it stands for: paths
    /// in the table are relative to the folder of that file, which need not exist.
    ///
    /// # Errors
    /// As for [`Scenario::read`]; what is wrong with the table is named by its key, without a line.
    pub fn from_table(table: toml::Table, path: &Path) -> Result<Scenario, ScenarioError> {
        let source = Source::of_table(path);
        let file = source.parse_table(table)?;
        load::check(source, file, None)
    }

    /// The same with an end so long after its start, whatever the table says.
    ///
    /// # Errors
    /// As for [`Scenario::from_table`].
    pub fn lasting(table: toml::Table, path: &Path, span: Span) -> Result<Scenario, ScenarioError> {
        let source = Source::of_table(path);
        let file = source.parse_table(table)?;
        load::check(source, file, Some(span))
    }

    /// Takes its own end from a scenario's table, for whoever says how long it is to last: the `hours` of the generators that go on
    /// until the scenario ends. What others say of theirs stays.
    ///
    /// # Errors
    /// As for [`Scenario::from_table`], as far as types of values go.
    pub fn without_end(mut table: toml::Table, path: &Path) -> Result<toml::Table, ScenarioError> {
        let to_the_end = Source::of_table(path).parse_table(table.clone())?.generators_to_the_end();
        let generators = table.get_mut("workload").and_then(|workload| workload.get_mut("generate"));
        if let Some(generators) = generators.and_then(toml::Value::as_array_mut) {
            for index in to_the_end {
                generators
                    .get_mut(index)
                    .and_then(toml::Value::as_table_mut)
                    .map(|generator| generator.remove("hours"));
            }
        }
        Ok(table)
    }

    /// The plan of this seed: the same one whenever, wherever and on which thread it is drawn.
    ///
    /// # Errors
    /// The seed's jobs or outages come to more than a scenario may have, or nothing could ever bring a job.
    pub fn plan(&self, seed: u64) -> Result<Plan, ScenarioError> {
        let (mut jobs, mut luck) = in_order(self.drafts(seed)?);
        // What comes later is no part of the run: nobody submits it, and nothing counts it.
        let there = self.end.map_or(jobs.len(), |end| jobs.partition_point(|job| job.submit <= end));
        jobs.truncate(there);
        luck.truncate(there);
        if let Some(first) = jobs.first()
            && first.submit < self.start
        {
            return Err(self.source.wrong("start", "is later than the first submission"));
        }
        let horizon = self.end.unwrap_or_else(|| last_moment(&jobs)).max(self.start);
        Ok(Plan {
            name: self.name.clone(),
            about: self.about.clone(),
            settings: self.settings.clone(),
            start: self.start,
            end: self.end,
            unix_time: self.unix_time,
            hosts: self.hosts.clone(),
            drones: self.drones.clone(),
            jobs,
            behaviour: Arc::new(WorkloadBehaviour::new(self.habits.clone(), luck, &self.hosts, seed)),
            outages: self.outages.draw(&self.source, seed, [self.start, horizon])?.into_list([self.start, horizon]),
        })
    }

    fn drafts(&self, seed: u64) -> Result<Vec<Draft>, ScenarioError> {
        let mut drafts = self.recorded.clone();
        if let Some(background) = &self.background {
            background.append(seed, &mut drafts);
        }
        let (bursts, away) = (self.moments(seed)?, self.away(seed)?);
        let drawn = Drawn { seed, bursts: &bursts, away: &away };
        for generator in &self.generators {
            generator.append(&self.source, &drawn, &mut drafts)?;
        }
        if drafts.len() > JOBS_MAX {
            return Err(self.source.wrong("workload", format_args!("comes to more than {JOBS_MAX} jobs")));
        }
        // Generators may well bring nothing for once.
        if drafts.is_empty() && self.generators.is_empty() {
            let problem = "has no jobs: it needs a [workload.trace] or a [[workload.generate]]";
            return Err(self.source.wrong("workload", problem));
        }
        Ok(drafts)
    }

    /// The moments of the shared bursts, up to the end of the last generator that takes part in them.
    fn moments(&self, seed: u64) -> Result<Vec<Vec<Time>>, ScenarioError> {
        let mut moments = Vec::with_capacity(self.bursts.len());
        for (index, bursts) in self.bursts.iter().enumerate() {
            let takes_part = |arrivals: &Arrivals| arrivals.shared_bursts() == Some(index);
            let taking_part = self.generators.iter().filter(|one| one.arrivals.iter().any(takes_part));
            let to = taking_part.map(|one| one.extent.to).max().unwrap_or(self.start);
            let drawn = bursts.moments(self.start, to, seed);
            moments.push(drawn.map_err(|problem| self.source.wrong(&bursts.key, problem))?);
        }
        Ok(moments)
    }

    /// When hosts are out of service, for those generators that leave such hosts alone.
    fn away(&self, seed: u64) -> Result<BTreeMap<u32, Vec<(Time, Time)>>, ScenarioError> {
        let careful = self.generators.iter().filter(|generator| generator.only_in_service);
        let Some(to) = careful.map(|generator| generator.extent.to).max() else { return Ok(BTreeMap::new()) };
        Ok(self.outages.draw(&self.source, seed, [self.start, to])?.by_host())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is about, one sentence.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// The scheduler's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The moment of the first tick.
    pub fn start(&self) -> Time {
        self.start
    }

    /// When a run stops although jobs are left; `None` = it goes on until every job has ended.
    pub fn end(&self) -> Option<Time> {
        self.end
    }

    /// Whether times are Unix time.
    pub fn unix_time(&self) -> bool {
        self.unix_time
    }

    /// The hosts, in the order of [`Plan::hosts`].
    pub fn hosts(&self) -> &[HostPlan] {
        &self.hosts
    }

    /// The drones.
    pub fn drones(&self) -> &[DronePlan] {
        &self.drones
    }
}

impl SharedBursts {
    fn moments(&self, from: Time, to: Time, seed: u64) -> Result<Vec<Time>, TooMany> {
        let name = format!("bursts {}", self.name);
        let mut stream = Concern::new(seed, &name).stream([0; 3]);
        let (mut series, mut moments) = (self.rates.moments(from, seed, &name), Vec::new());
        while let Some(moment) = series.next_before(to, &mut stream)? {
            moments.push(moment);
            if moments.len() > JOBS_MAX {
                return Err(TooMany);
            }
        }
        Ok(moments)
    }
}

/// When the last job will have run into its time limit: nothing can wait longer.
fn last_moment(jobs: &[JobPlan]) -> Time {
    let last = |job: &JobPlan| job.submit + job.timeout + job.max_runtime;
    jobs.iter().map(last).max().unwrap_or(Time(0)) + Span::from_hours(1)
}
