//! What the demonstration says at its end.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use crate::database::{Database, Row};

/// How it went.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Summary {
    /// From the first submission until every job had ended and every host was at rest, in seconds.
    seconds: f64,
    /// Entries by final status.
    entries: BTreeMap<String, u32>,
    /// Hosts by status.
    hosts: BTreeMap<String, u32>,
    /// Special tasks by kind: how many succeeded, how many failed.
    tasks: BTreeMap<String, (u32, u32)>,
    /// Processes that ran, by the mark that each has left.
    processes: usize,
    /// Execution paths and pidfiles with more than one process: there must be none.
    ran_twice: Vec<String>,
    /// From submission to the start of the test, in seconds: the middle one of all.
    median_wait: Option<i64>,
    /// The longest.
    longest_wait: Option<i64>,
}

impl Summary {
    pub(super) async fn read(database: &Database, results: &Path, took: Duration) -> anyhow::Result<Summary> {
        let counts = async |sql: &str| -> anyhow::Result<BTreeMap<String, u32>> {
            let rows = database.query(sql, Vec::new()).await?;
            rows.iter().map(|row: &Row| Ok((row.get(0)?, row.get(1)?))).collect()
        };
        let tasks = "SELECT task, SUM(success), COUNT(*) FROM afe_special_tasks GROUP BY task";
        let mut by_kind = BTreeMap::new();
        for row in database.query(tasks, Vec::new()).await? {
            let (good, all): (u32, u32) = (row.get(1)?, row.get(2)?);
            by_kind.insert(row.get::<String>(0)?, (good, all - good));
        }
        let (created, started) =
            (database.dialect().seconds_of("j.created_on"), database.dialect().seconds_of("e.started_on"));
        let waits = format!(
            "SELECT {started} - {created} FROM afe_host_queue_entries e JOIN afe_jobs j ON j.id = e.job_id \
             WHERE e.started_on IS NOT NULL ORDER BY 1"
        );
        let waits: Vec<i64> =
            database.query(&waits, Vec::new()).await?.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
        let (processes, ran_twice) = marks(results)?;
        Ok(Summary {
            seconds: (took.as_secs_f64() * 10.0).round() / 10.0,
            entries: counts("SELECT status, COUNT(*) FROM afe_host_queue_entries GROUP BY status").await?,
            hosts: counts("SELECT status, COUNT(*) FROM afe_hosts GROUP BY status").await?,
            tasks: by_kind,
            processes,
            ran_twice,
            median_wait: waits.get(waits.len() / 2).copied(),
            longest_wait: waits.last().copied(),
        })
    }
}

/// How many processes ran, and what ran more than once: each has left a line `PATH NAME PID`.
fn marks(results: &Path) -> anyhow::Result<(usize, Vec<String>)> {
    let file = results.join(".practice/marks");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut runs = BTreeMap::<&str, usize>::new();
    for line in text.lines() {
        *runs.entry(line.rsplit_once(' ').map_or(line, |(run, _pid)| run)).or_default() += 1;
    }
    let twice = runs.iter().filter(|(_, count)| **count > 1).map(|(run, _)| (*run).to_owned()).collect();
    Ok((text.lines().count(), twice))
}

fn list(counts: &BTreeMap<String, u32>) -> String {
    counts.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "All jobs have ended after {:.1} s.", self.seconds)?;
        writeln!(f, "  entries        {}", list(&self.entries))?;
        writeln!(f, "  hosts          {}", list(&self.hosts))?;
        let task = |(kind, (good, bad)): (&String, &(u32, u32))| match bad {
            0 => format!("{good} {kind}"),
            bad => format!("{} {kind} ({bad} failed)", good + bad),
        };
        writeln!(f, "  special tasks  {}", self.tasks.iter().map(task).collect::<Vec<_>>().join(", "))?;
        let twice = match self.ran_twice.as_slice() {
            [] => "each exactly once".to_owned(),
            some => format!("MORE THAN ONCE: {}", some.join(", ")),
        };
        writeln!(f, "  processes      {}, {twice}", self.processes)?;
        if let (Some(median), Some(longest)) = (self.median_wait, self.longest_wait) {
            writeln!(f, "  waits          {median} s in the middle, {longest} s at most, from submission to test")?;
        }
        Ok(())
    }
}
