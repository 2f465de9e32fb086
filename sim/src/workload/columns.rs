//! Which column of a CSV trace holds what.

use csv::StringRecord;

use super::error::{ScenarioError, nearest};
use super::file::{BackgroundSpec, LabSpec, MatchSpec, TraceSpec};
use super::source::{DataFile, Source};

/// A table's header.
pub(super) struct Table<'a> {
    pub(super) source: &'a Source,
    pub(super) file: &'a DataFile,
    pub(super) header: &'a StringRecord,
}

impl Table<'_> {
    /// Index of the column called `name`; `key` is where the scenario names it.
    pub(super) fn column(&self, key: &str, name: &str) -> Result<usize, ScenarioError> {
        self.header.iter().position(|column| column == name).ok_or_else(|| {
            let problem = format_args!("no column {name:?} in {}", self.file.path.display()).to_string();
            self.source.wrong_name(key, problem, nearest(name, self.header))
        })
    }

    fn optional(&self, key: &str, name: &Option<String>) -> Result<Option<usize>, ScenarioError> {
        let key = format!("workload.trace.columns.{key}");
        name.as_ref().map(|name| self.column(&key, name)).transpose()
    }

    fn matcher(&self, key: &str, spec: &MatchSpec) -> Result<Matcher, ScenarioError> {
        let column = self.column(&format!("{key}.column"), &spec.column)?;
        Ok(Matcher { column, values: spec.values.clone() })
    }
}

/// Rows whose column holds one of the values.
pub(super) struct Matcher {
    column: usize,
    values: Vec<String>,
}

impl Matcher {
    pub(super) fn matches(&self, record: &StringRecord) -> bool {
        record.get(self.column).is_some_and(|value| self.values.iter().any(|known| known == value))
    }
}

/// Where everything is found.
pub(super) struct Columns {
    pub(super) submit: usize,
    pub(super) start: Option<usize>,
    pub(super) end: Option<usize>,
    pub(super) runtime: Option<usize>,
    pub(super) host: Option<usize>,
    pub(super) host_type: Option<usize>,
    pub(super) profile: Option<usize>,
    pub(super) class: Option<usize>,
    pub(super) owner: Option<usize>,
    pub(super) priority: Option<usize>,
    pub(super) outcome: Option<usize>,
    pub(super) tests_failed: Option<usize>,
    pub(super) burst: Option<usize>,
    pub(super) id: Option<usize>,
    pub(super) job_labels: Vec<usize>,
    pub(super) host_labels: Vec<usize>,
    pub(super) skip: Vec<Matcher>,
    pub(super) pinned: Option<Matcher>,
    pub(super) pattern: Option<Matcher>,
}

impl Columns {
    pub(super) fn new(
        table: &Table<'_>,
        spec: &TraceSpec,
        lab: &LabSpec,
        background: Option<&BackgroundSpec>,
    ) -> Result<Columns, ScenarioError> {
        let names = &spec.columns;
        let submit = names.submit.as_deref().unwrap_or("submit");
        let list = |key: &str, names: &[String]| -> Result<Vec<usize>, ScenarioError> {
            (0..).zip(names).map(|(i, name): (usize, _)| table.column(&format!("{key}[{i}]"), name)).collect()
        };
        let skip = spec.skip.iter().enumerate();
        let columns = Columns {
            submit: table.column("workload.trace.columns.submit", submit)?,
            start: table.optional("start", &names.start)?,
            end: table.optional("end", &names.end)?,
            runtime: table.optional("runtime", &names.runtime)?,
            host: table.optional("host", &names.host)?,
            host_type: table.optional("host_type", &names.host_type)?,
            profile: table.optional("profile", &names.profile)?,
            class: table.optional("class", &names.class)?,
            owner: table.optional("owner", &names.owner)?,
            priority: table.optional("priority", &names.priority)?,
            outcome: table.optional("outcome", &names.outcome)?,
            tests_failed: table.optional("tests_failed", &names.tests_failed)?,
            burst: table.optional("burst", &names.burst)?,
            id: table.optional("id", &names.id)?,
            job_labels: list("workload.trace.job_labels", &spec.job_labels)?,
            host_labels: list("lab.host_labels", &lab.host_labels)?,
            skip: skip
                .map(|(i, skip)| table.matcher(&format!("workload.trace.skip[{i}]"), skip))
                .collect::<Result<_, _>>()?,
            pinned: spec.pinned.as_ref().map(|spec| table.matcher("workload.trace.pinned", spec)).transpose()?,
            pattern: background.map(|spec| table.matcher("workload.background.like", &spec.like)).transpose()?,
        };
        columns.complete(table.source, lab, background.is_some())?;
        Ok(columns)
    }

    /// Checks that columns which go together are all there.
    fn complete(&self, source: &Source, lab: &LabSpec, background: bool) -> Result<(), ScenarioError> {
        let missing = |key: &str, why: &str| Err(source.wrong(&format!("workload.trace.columns.{key}"), why));
        if self.host_type.is_none() {
            return missing("host_type", "is needed: the type of host that a job asks for");
        }
        if self.host.is_none() && (lab.from_trace || self.pinned.is_some()) {
            return missing("host", "is needed for lab.from_trace and for pinned jobs: the host that ran the job");
        }
        if self.end.is_some() && self.start.is_none() {
            return missing("start", "is needed where end is given");
        }
        if self.id.is_none() && background {
            return missing(
                "id",
                "is needed for [workload.background]: a number that counts all jobs, unseen ones, too",
            );
        }
        Ok(())
    }
}
