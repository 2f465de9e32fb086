//! Jobs by the hundred thousand, each through its whole life.

use yardmaster_engine::{Protection, RebootAfter, RebootBefore, Settings, Span, Time};
use yardmaster_sim::workload::{Behaviour, DronePlan, Ending, HostPlan, JobPlan, Placement, Plan, ProcessStart};

/// Processes of one lifecycle: reset, test, parse, cleanup.
pub const LIFECYCLE_PROCESSES: u32 = 4;

/// Every process takes between one and two minutes, by a simple rule, and succeeds.
struct Regular;

impl Behaviour for Regular {
    fn ending(&self, start: &ProcessStart<'_>) -> Ending {
        let salt = start.job.unwrap_or(0).wrapping_mul(2_654_435_761) ^ start.host.unwrap_or(0);
        let runtime = Span::from_seconds(60) + Span(i64::from(salt % 60_000_000));
        Ending { startup: Span::ZERO, runtime, exit_status: 0, tests_failed: 0 }
    }
}

/// A plan of so many jobs on so many hosts of ten types, which keeps nine tenths of the hosts busy.
pub fn lifecycle_plan(jobs: u32, hosts: u32) -> Plan {
    let kind = |number: u32| -> std::sync::Arc<str> { format!("board:b{}", number % 10).into() };
    let hosts_plan = |number: u32| HostPlan {
        name: format!("host{number}").into(),
        kind: kind(number),
        labels: vec![kind(number)],
        locked: false,
        dirty: true,
        protection: Protection::None,
        acls: Vec::new(),
    };
    // A lifecycle occupies its host for four and a half minutes of processes and some seconds of ticks.
    let spacing = 300.0 / f64::from(hosts) / 0.9;
    let job = |number: u32| JobPlan {
        submit: Time(0) + Span::from_seconds_f64(spacing * f64::from(number)),
        name: "lifecycle".into(),
        workload: "lifecycles".into(),
        profile: "lifecycle".into(),
        class: "".into(),
        owner: format!("user{}", number % 20).into(),
        priority: 40,
        placement: Placement::Any { count: 1, label: kind(number) },
        synch_count: 1,
        labels: Vec::new(),
        parent: None,
        suite_min_hosts: 0,
        run_verify: false,
        run_reset: true,
        reboot_before: RebootBefore::IfDirty,
        reboot_after: RebootAfter::Always,
        timeout: Span::from_hours(24),
        max_runtime: Span::from_hours(72),
        recorded: None,
    };
    Plan {
        name: "lifecycles".to_owned(),
        about: "jobs through reset, test, parse and cleanup".to_owned(),
        settings: Settings { minimum_tick_sec: 1.0, max_parse_processes: hosts, ..Settings::default() },
        start: Time(0),
        end: None,
        unix_time: false,
        hosts: (0..hosts).map(hosts_plan).collect(),
        drones: vec![DronePlan { name: "drone1".into(), max_processes: hosts * 2 }],
        jobs: (0..jobs).map(job).collect(),
        behaviour: std::sync::Arc::new(Regular),
        outages: Vec::new(),
    }
}
