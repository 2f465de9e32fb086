//! `yardmaster job`.

use std::io::Read;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;
use yardmaster_engine::{EntryId, EntryStatus, JobId, RebootAfter, RebootBefore};

use super::Outcome;
use super::arguments::{Actor, entry_status, job_id, keyval, reboot_after, reboot_before, since};
use super::context::Context;
use super::host_names::{HostNames, names_of};
use super::output::{Table, or_dash};
use crate::frontend::abort::{AbortRequest, abort};
use crate::frontend::jobs::{JobRequest, submit};
use crate::frontend::view::{self, JobDetail, JobFilter, JobView, Moment};
use crate::frontend::{ControlType, FrontendError, MetaHost, Priority, Thing};

#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Submit a job.
    Submit(Box<SubmitArgs>),
    /// List jobs, the latest first.
    List(ListArgs),
    /// Show everything about a job.
    #[command(after_help = "\
Examples:
  yardmaster job show 1234
  yardmaster job show 1234 --json | jq -r .control_file")]
    Show {
        /// The job's number.
        #[arg(value_name = "JOB", value_parser = job_id)]
        job: JobId,
    },
    /// Abort jobs with their children, or single entries.
    #[command(group = ArgGroup::new("what").required(true).args(["jobs", "entries"]))]
    #[command(after_help = "\
Examples:
  yardmaster job abort 1234
  yardmaster job abort --entry 99001 --entry 99002 --as alice

Exit status: 0 entries were marked, 3 there was none left to abort.")]
    Abort {
        /// The jobs' numbers.
        #[arg(value_name = "JOB", value_parser = job_id)]
        jobs: Vec<JobId>,
        /// A single entry's number; may be given several times.
        #[arg(long = "entry", value_name = "ENTRY")]
        entries: Vec<u32>,
        #[command(flatten)]
        actor: Actor,
    },
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("hosts_of_the_job").required(true).multiple(true).args(["hosts", "labels", "hostless"]))]
#[command(after_help = "\
Examples:
  yardmaster job submit --name smoke --control smoke.py --host 'dut[001-010]'
  yardmaster job submit --name perf --control perf.py --label 'board:eve*3' --depends pool:perf --priority Build
  yardmaster job submit --name pair --control pair.py --label 'board:eve*2' --synch-count 2
  echo \"job.run_test('sleeptest')\" | yardmaster job submit --name sleep --control - --label board:eve")]
pub(crate) struct SubmitArgs {
    /// What people call it.
    #[arg(long)]
    name: String,
    /// The control file; - reads it from standard input.
    #[arg(long, value_name = "FILE")]
    control: PathBuf,
    /// What runs it: server or client.
    #[arg(long, default_value = "server")]
    control_type: ControlType,
    /// Weekly, Daily, PostBuild, Default, Build, PFQ, CQ, Super, or a number; higher first.
    #[arg(long, default_value = "Default", allow_hyphen_values = true)]
    priority: Priority,
    /// Hosts by name.
    #[arg(long = "host", value_name = "LIST")]
    hosts: Vec<HostNames>,
    /// Any host with a label, or several of them: board:eve*3.
    #[arg(long = "label", value_name = "LABEL[*COUNT]")]
    labels: Vec<MetaHost>,
    /// It needs no host.
    #[arg(long, conflicts_with_all = ["hosts", "labels"])]
    hostless: bool,
    /// How many hosts run it together.
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    synch_count: u32,
    /// A label that its hosts must have, or be provisioned for.
    #[arg(long = "depends", value_name = "LABEL")]
    dependencies: Vec<String>,
    /// When hosts are cleaned before the test: never, if-dirty, always.
    #[arg(long, default_value = "if-dirty", value_parser = reboot_before)]
    reboot_before: RebootBefore,
    /// When hosts are cleaned after the test: never, if-all-tests-passed, always.
    #[arg(long, default_value = "never", value_parser = reboot_after)]
    reboot_after: RebootAfter,
    /// Verify hosts before the test.
    #[arg(long)]
    run_verify: bool,
    /// Do not reset hosts before the test.
    #[arg(long)]
    no_reset: bool,
    /// Abort it so many minutes after its submission.
    #[arg(long, default_value_t = 24 * 60, value_name = "MINUTES")]
    timeout: u32,
    /// Abort its entries so many minutes after their start.
    #[arg(long, default_value_t = 72 * 60, value_name = "MINUTES")]
    max_runtime: u32,
    /// What the test driver finds in its keyval file.
    #[arg(long = "keyval", value_name = "KEY=VALUE", value_parser = keyval)]
    keyvals: Vec<(String, String)>,
    /// The suite that it belongs to.
    #[arg(long, value_name = "JOB", value_parser = job_id)]
    parent: Option<JobId>,
    /// The drones that may run it.
    #[arg(long, value_name = "SET")]
    drone_set: Option<String>,
    /// Who is told by mail when it has ended.
    #[arg(long = "email", value_name = "ADDRESS")]
    email: Vec<String>,
    /// How often the test driver may repeat failed tests.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    test_retry: u32,
    /// Whether the server side must be packaged [default: the test driver decides].
    #[arg(long, value_name = "true|false")]
    require_ssp: Option<bool>,
    #[command(flatten)]
    actor: Actor,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  yardmaster job list --unfinished --owner alice
  yardmaster job list --status Failed --since 24h --json
  yardmaster job list --label board:eve --limit 500")]
pub(crate) struct ListArgs {
    /// Jobs of this user.
    #[arg(long, value_name = "LOGIN")]
    owner: Option<String>,
    /// Jobs with an entry in this status; may be given several times.
    #[arg(long = "status", value_name = "STATUS", value_parser = entry_status)]
    statuses: Vec<EntryStatus>,
    /// Jobs that ask for this label.
    #[arg(long)]
    label: Option<String>,
    /// Jobs with an entry on this host.
    #[arg(long)]
    host: Option<String>,
    /// Jobs of this suite.
    #[arg(long, value_name = "JOB", value_parser = job_id)]
    parent: Option<JobId>,
    /// Jobs submitted since: 2h, 3days, 2026-11-22.
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Moment>,
    /// Jobs with an entry that has not ended.
    #[arg(long)]
    unfinished: bool,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    limit: u32,
}

impl JobCommand {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self {
            JobCommand::Submit(args) => args.run(context),
            JobCommand::List(args) => args.run(context),
            JobCommand::Show { job } => show(context, job),
            JobCommand::Abort { jobs, entries, actor } => {
                let request = match jobs.as_slice() {
                    [] => AbortRequest::Entries(entries.into_iter().map(EntryId).collect()),
                    _ => AbortRequest::Jobs(jobs),
                };
                run_abort(context, &actor.login()?, &request)
            }
        }
    }
}

/// The text of a control file.
pub(crate) fn control_file(path: &std::path::Path) -> anyhow::Result<String> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("control file {}", path.display()))
}

impl SubmitArgs {
    fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let request = JobRequest {
            owner: self.actor.login()?,
            name: self.name,
            priority: self.priority,
            control_file: control_file(&self.control)?,
            control_type: self.control_type,
            hosts: names_of(&self.hosts),
            meta_hosts: self.labels,
            hostless: self.hostless,
            synch_count: self.synch_count,
            dependencies: self.dependencies,
            reboot_before: self.reboot_before,
            reboot_after: self.reboot_after,
            run_verify: self.run_verify,
            run_reset: !self.no_reset,
            timeout_mins: self.timeout,
            max_runtime_mins: self.max_runtime,
            keyvals: self.keyvals,
            parent: self.parent,
            drone_set: self.drone_set,
            email: self.email,
            test_retry: self.test_retry,
            require_ssp: self.require_ssp,
        };
        context.with_database(async |database, _| {
            let submitted = submit(&database, &request).await?;
            context.output.one(&submitted, || {
                let entries = submitted.entries.len();
                format!("job {}: {entries} {}", submitted.job, if entries == 1 { "entry" } else { "entries" })
            })
        })
    }
}

impl ListArgs {
    fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let filter = JobFilter {
            owner: self.owner,
            statuses: self.statuses,
            label: self.label,
            host: self.host,
            parent: self.parent.map(|job| job.0),
            since: self.since,
            unfinished: self.unfinished,
            limit: self.limit,
        };
        context.with_database(async |database, _| {
            let jobs = view::jobs(&database, &filter).await?;
            context.output.list(&jobs, || table(&jobs))
        })
    }
}

fn table(jobs: &[JobView]) -> Table {
    let mut table = Table::new(&["job", "name", "owner", "priority", "created", "parent", "entries"]);
    for job in jobs {
        table.row([
            job.id.to_string(),
            job.name.clone(),
            job.owner.clone(),
            job.priority.to_string(),
            or_dash(job.created.as_ref()),
            or_dash(job.parent.as_ref()),
            counts(job),
        ]);
    }
    table
}

fn counts(job: &JobView) -> String {
    job.entries.iter().map(|(status, count)| format!("{count} {status}")).collect::<Vec<_>>().join(", ")
}

fn show(context: &Context, job: JobId) -> anyhow::Result<Outcome> {
    context.with_database(async |database, _| {
        let found = view::job(&database, job).await?;
        let found = found.ok_or_else(|| FrontendError::Unknown {
            thing: Thing::Job,
            name: job.to_string(),
            suggestion: None,
        })?;
        context.output.one(&found, || described(&found))
    })
}

fn described(detail: &JobDetail) -> String {
    let job = &detail.job;
    let mut text = format!("job           {} {}\n", job.id, job.name);
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            text += &format!("{name:<13} {value}\n");
        }
    };
    line("owner", job.owner.clone());
    line("priority", job.priority.to_string());
    line("created", or_dash(job.created.as_ref()));
    line("suite", job.parent.map(|parent| parent.to_string()).unwrap_or_default());
    line("children", detail.children.iter().map(u32::to_string).collect::<Vec<_>>().join(", "));
    line("synch count", detail.synch_count.to_string());
    line("depends on", detail.dependencies.join(", "));
    line("keyvals", detail.keyvals.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", "));
    line("limits", format!("{} min in all, {} min a run", detail.timeout_mins, detail.max_runtime_mins));
    line("entries", counts(job));
    let mut table = Table::new(&["entry", "host", "label", "status", "started", "finished", "results"]);
    for entry in &detail.host_queue_entries {
        let aborted = match (&entry.aborted_by, entry.aborted) {
            (Some(login), _) => format!(" (aborted by {login})"),
            (None, true) => " (aborted)".to_owned(),
            (None, false) => String::new(),
        };
        table.row([
            entry.id.to_string(),
            or_dash(entry.host.as_ref()),
            or_dash(entry.meta_host.as_ref()),
            format!("{}{aborted}", entry.status),
            or_dash(entry.started.as_ref()),
            or_dash(entry.finished.as_ref()),
            or_dash(entry.results.as_ref()),
        ]);
    }
    format!("{text}\n{}", table.aligned())
}

fn run_abort(context: &Context, login: &str, request: &AbortRequest) -> anyhow::Result<Outcome> {
    context.with_database(async |database, _| {
        let marked = abort(&database, login, request).await?;
        context.output.one(&json!({ "entries": marked }), || match marked.len() {
            0 => "nothing was left to abort".to_owned(),
            count => format!("{count} entries are marked; the scheduler ends them"),
        })?;
        Ok(if marked.is_empty() { Outcome::NothingFound } else { Outcome::Done })
    })
}
