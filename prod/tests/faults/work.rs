//! What a lab is given to do: jobs of all kinds, and how each must end.

use yardmaster::frontend::MetaHost;
use yardmaster::frontend::jobs::JobRequest;
use yardmaster_engine::{RebootAfter, RebootBefore};

use super::dice::Dice;

/// Who submits the jobs.
pub(crate) const OWNER: &str = "tester";
/// The label of all hosts.
pub(crate) const BOARD: &str = "board:test";

/// How all entries of a job must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing stands in its way.
    Completed,
    /// Its test fails.
    Failed,
    /// It is aborted before it can end.
    Aborted,
    /// It is aborted at some moment, or what it needs is broken: it ends in whatever way.
    Ended,
}

/// A job for one host, whose test does what the practice driver is told.
pub(crate) fn simple(name: &str, control: &str) -> JobRequest {
    let mut job = JobRequest::new(OWNER, name);
    job.control_file = control.to_owned();
    job.meta_hosts = vec![MetaHost { label: BOARD.to_owned(), count: 1 }];
    job
}

/// A job for one host with nothing before or after its test.
pub(crate) fn bare(name: &str, control: &str) -> JobRequest {
    let mut job = simple(name, control);
    job.run_reset = false;
    job.reboot_before = RebootBefore::Never;
    job
}

/// A job of the mix: with a Reset, a Verify, a Cleanup before or after, for two hosts at once, for none, failing.
pub(crate) fn mixed(number: u64, dice: &mut Dice) -> (JobRequest, Fate) {
    let fails = number % 8 == 5;
    let seconds = 0.1 + dice.below(900) as f64 / 1000.0;
    let control = format!("seconds = {seconds}\nexit = {}\n", u8::from(fails));
    let mut job = simple(&format!("mixed {number}"), &control);
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
    match number % 10 {
        4 => {
            job.meta_hosts[0].count = 2;
            job.synch_count = 2;
        }
        7 => {
            job.meta_hosts.clear();
            job.hostless = true;
        }
        _ => {}
    }
    (job, if fails { Fate::Failed } else { Fate::Completed })
}
