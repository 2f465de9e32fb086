//! The lab that the demonstration runs: its hosts, its drone, its jobs, and how its test driver behaves.

use std::fs;
use std::path::Path;

use anyhow::Context;
use yardmaster_engine::{JobId, RebootAfter, RebootBefore};

use crate::database::Database;
use crate::frontend::drones::DroneRequest;
use crate::frontend::hosts::NewHosts;
use crate::frontend::jobs::JobRequest;
use crate::frontend::suites::{self, SuiteRequest};
use crate::frontend::{MetaHost, Priority, drones, hosts, jobs, labels, users};

/// Who submits the jobs.
const OWNER: &str = "demo";
/// Two of three hosts are of the first platform.
const PLATFORMS: [&str; 2] = ["board:alpha", "board:beta"];
/// The tests, and how long each takes, in seconds.
const TESTS: [(&str, f64); 5] = [("boot", 1.0), ("network", 1.6), ("video", 2.4), ("suspend", 1.3), ("storage", 2.0)];
/// How long everything around a test takes, in seconds.
const AROUND: [(&str, f64); 7] = [
    ("verify", 0.5),
    ("cleanup", 0.7),
    ("reset", 0.8),
    ("repair", 1.0),
    ("provision", 1.5),
    ("gather", 0.3),
    ("parse", 0.3),
];

/// Fills an empty database: hosts, a drone on this machine, users and labels.
///
/// # Errors
/// If something of it is there already.
pub(super) async fn set_up(database: &Database, host_count: u32, results: &Path) -> anyhow::Result<()> {
    users::add(database, OWNER, 0).await?;
    for platform in PLATFORMS {
        labels::add(database, platform, true).await?;
    }
    let names = host_names(host_count);
    let split = names.len().div_ceil(3) * 2;
    let (first, second) = names.split_at(split.min(names.len()));
    for (names, platform) in [(first, PLATFORMS[0]), (second, PLATFORMS[1])] {
        if !names.is_empty() {
            let labels = vec![platform.to_owned()];
            hosts::add(database, &NewHosts { labels, ..NewHosts::new(names.to_vec()) }).await?;
        }
    }
    drones::add(database, &DroneRequest::local("localhost")).await?;
    behave(&names, results)
}

/// Tells the practice driver how its processes go. One host is broken for good: whatever prepares it fails, and so does its
/// repair; jobs that do not insist on it move on to others.
fn behave(names: &[String], results: &Path) -> anyhow::Result<()> {
    let folder = results.join(".practice");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let write = |name: String, text: String| {
        fs::write(folder.join(&name), text).with_context(|| format!("cannot write {}", folder.join(name).display()))
    };
    for (kind, seconds) in AROUND {
        write(kind.to_owned(), format!("seconds = {seconds}\n"))?;
    }
    if let Some(broken) = names.get(2) {
        for kind in ["verify", "reset", "cleanup", "repair"] {
            write(format!("{kind}.{broken}"), "seconds = 0.6\nexit = 1\n".to_owned())?;
        }
    }
    Ok(())
}

fn host_names(count: u32) -> Vec<String> {
    let width = count.to_string().len().max(2);
    (1..=count).map(|number| format!("dut{number:0width$}")).collect()
}

/// Submits so many jobs: a suite, jobs for any host of a platform, for two hosts at once, with a Cleanup, a Verify or a
/// Reset before and a Cleanup after, urgent ones, and some whose test fails. Gives their ids.
///
/// # Errors
/// If the database refuses.
pub(super) async fn submit(database: &Database, count: u32, host_count: u32) -> anyhow::Result<Vec<JobId>> {
    let mut ids = Vec::new();
    let in_suite = if count >= 20 { 10 } else { 0 };
    if in_suite > 0 {
        let mut suite = JobRequest::new(OWNER, "nightly");
        suite.hostless = true;
        suite.control_file = "seconds = 0.5\n".to_owned();
        suite.keyvals = vec![("suite_min_duts".to_owned(), "2".to_owned())];
        let children = (0..in_suite - 1).map(|number| job(number, host_count, &["nightly/"])).collect();
        let submitted = suites::submit_suite(database, &SuiteRequest { suite, children }).await?;
        ids.push(submitted.suite);
        ids.extend(submitted.children.iter().map(|child| child.job));
    }
    for number in in_suite..count {
        ids.push(jobs::submit(database, &job(number, host_count, &[])).await?.job);
    }
    Ok(ids)
}

fn job(number: u32, host_count: u32, prefix: &[&str]) -> JobRequest {
    let (test, seconds) = TESTS[number as usize % TESTS.len()];
    let mut job = JobRequest::new(OWNER, &format!("{}{test}", prefix.concat()));
    let fails = number % 12 == 7;
    job.control_file = format!("seconds = {seconds}\nexit = {}\n", u8::from(fails));
    let platform = if number % 3 == 2 && host_count >= 3 { PLATFORMS[1] } else { PLATFORMS[0] };
    let hosts = if number % 10 == 4 && host_count >= 6 { 2 } else { 1 };
    job.meta_hosts = vec![MetaHost { label: platform.to_owned(), count: hosts }];
    job.synch_count = hosts;
    match number % 5 {
        0 => {
            job.run_reset = false;
            job.reboot_before = RebootBefore::Always;
        }
        1 => {
            job.run_reset = false;
            job.run_verify = true;
            job.reboot_before = RebootBefore::Never;
        }
        3 => job.reboot_after = RebootAfter::Always,
        _ => {}
    }
    if number % 9 == 8 {
        job.priority = Priority(50);
    }
    job
}
