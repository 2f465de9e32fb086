//! What the demonstration shows while it runs: on a terminal a bar and three lines that change, elsewhere a line whenever
//! something has changed.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::database::{Database, DatabaseError};

/// How a lab stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Jobs of which every entry has ended.
    pub(super) jobs_ended: u64,
    /// Words and counts of the hosts' statuses.
    hosts: String,
    /// Words and counts of the statuses of entries that have not ended.
    entries: String,
    /// Processes that run at this moment.
    processes: Vec<String>,
}

impl Standing {
    /// Asks the database, and this machine for processes of the results directory.
    pub(super) async fn read(database: &Database, results: &Path) -> Result<Standing, DatabaseError> {
        let ended = "SELECT COUNT(*) FROM afe_jobs j WHERE NOT EXISTS (SELECT 1 FROM afe_host_queue_entries e \
                     WHERE e.job_id = j.id AND e.complete = 0)";
        let jobs_ended =
            database.query(ended, Vec::new()).await?.first().map(|row| row.get(0)).transpose()?.unwrap_or(0);
        let hosts = "SELECT status, COUNT(*) FROM afe_hosts GROUP BY status ORDER BY 2 DESC, 1";
        let entries =
            "SELECT status, COUNT(*) FROM afe_host_queue_entries WHERE complete = 0 GROUP BY status ORDER BY 2 DESC, 1";
        Ok(Standing {
            jobs_ended: jobs_ended as u64,
            hosts: counts(database, hosts).await?,
            entries: counts(database, entries).await?,
            processes: processes(results),
        })
    }

    fn processes_in_words(&self) -> String {
        if self.processes.is_empty() {
            return "none at this moment".to_owned();
        }
        let some: Vec<&str> = self.processes.iter().take(3).map(String::as_str).collect();
        let more = if self.processes.len() > some.len() { ", …" } else { "" };
        format!("{} ({}{more})", self.processes.len(), some.join(", "))
    }
}

async fn counts(database: &Database, sql: &str) -> Result<String, DatabaseError> {
    let rows = database.query(sql, Vec::new()).await?;
    let count = |row: &crate::database::Row| Ok(format!("{} {}", row.get::<i64>(1)?, row.get::<String>(0)?));
    Ok(rows.iter().map(count).collect::<Result<Vec<_>, DatabaseError>>()?.join(", "))
}

/// The processes of test drivers that work in a results directory, as `pid 4711 in 12-demo/dut01`.
fn processes(results: &Path) -> Vec<String> {
    let Ok(all) = procfs::process::all_processes() else { return Vec::new() };
    let prefix = format!("{}/", results.display());
    let mut found: Vec<String> = all
        .flatten()
        .filter_map(|process| {
            let line = process.cmdline().ok()?;
            line.iter().find(|word| *word == "practice")?;
            let path = line.iter().find_map(|word| word.strip_prefix(&prefix))?;
            Some(format!("pid {} in {path}", process.pid))
        })
        .collect();
    found.sort();
    found
}

/// The lines on the screen.
pub(super) struct Screen {
    bars: Option<Bars>,
    last: Standing,
    jobs: u64,
}

struct Bars {
    jobs: ProgressBar,
    hosts: ProgressBar,
    entries: ProgressBar,
    processes: ProgressBar,
}

impl Screen {
    pub(super) fn new(jobs: u64) -> Screen {
        let bars = std::io::stderr().is_terminal().then(|| {
            let all = MultiProgress::new();
            let line = |template: &str, length| {
                let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
                all.add(ProgressBar::new(length).with_style(style))
            };
            let bars = Bars {
                jobs: line("  jobs      {bar:40} {pos}/{len} ended, {elapsed}", jobs),
                hosts: line("  hosts     {msg}", 0),
                entries: line("  entries   {msg}", 0),
                processes: line("  processes {msg}", 0),
            };
            bars.jobs.enable_steady_tick(Duration::from_millis(500));
            bars
        });
        Screen { bars, last: Standing::default(), jobs }
    }

    /// Tells whether anything has changed.
    pub(super) fn show(&mut self, standing: Standing) -> bool {
        if standing == self.last {
            return false;
        }
        match &self.bars {
            Some(bars) => {
                bars.jobs.set_position(standing.jobs_ended);
                bars.hosts.set_message(standing.hosts.clone());
                bars.entries.set_message(standing.entries.clone());
                bars.processes.set_message(standing.processes_in_words());
            }
            None => eprintln!(
                "jobs ended {}/{}; hosts: {}; entries: {}; processes: {}",
                standing.jobs_ended,
                self.jobs,
                standing.hosts,
                if standing.entries.is_empty() { "none" } else { &standing.entries },
                standing.processes_in_words(),
            ),
        }
        self.last = standing;
        true
    }

    pub(super) fn finish(self) {
        if let Some(bars) = self.bars {
            bars.jobs.finish();
            for line in [bars.hosts, bars.entries, bars.processes] {
                line.finish_and_clear();
            }
        }
    }
}
