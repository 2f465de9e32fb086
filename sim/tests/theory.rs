//! In an ideal lab, the simulator agrees with what queueing theory and arithmetic say. Ideal: nothing has to be done before
//! or after a test, nothing fails, and the scheduler looks every millisecond.

mod common;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, Exp};
use statrs::distribution::{Continuous, ContinuousCDF, Normal};
use yardmaster_engine::{EntryStatus, Protection, RebootAfter, RebootBefore, Settings, Span, Time};
use yardmaster_sim::recording::{JobRecord, ProcessKind, Recording};
use yardmaster_sim::simulate;
use yardmaster_sim::workload::{Behaviour, DronePlan, Ending, HostPlan, JobPlan, Placement, Plan, ProcessStart};

const TICK: Span = Span(1_000);

/// Tests run as long as their job says; everything else takes no time.
struct Ideal(Vec<Span>);

impl Behaviour for Ideal {
    fn ending(&self, start: &ProcessStart<'_>) -> Ending {
        let test = start.job.filter(|_| start.kind == ProcessKind::Test);
        let runtime = test.map_or(Span::ZERO, |job| self.0[job as usize]);
        Ending { startup: Span::ZERO, runtime, exit_status: 0, tests_failed: 0 }
    }
}

/// An ideal lab of so many equal hosts, and jobs: when they are submitted, and how long they run.
fn ideal_lab(hosts: u32, jobs: &[(Time, Span)]) -> Plan {
    let label: Arc<str> = "pool:all".into();
    let host = |number: u32| HostPlan {
        name: format!("host{number}").into(),
        kind: "host".into(),
        labels: vec![label.clone()],
        locked: false,
        dirty: false,
        protection: Protection::None,
        acls: Vec::new(),
    };
    let job = |submit: &Time| JobPlan {
        submit: *submit,
        name: "job".into(),
        workload: "theory".into(),
        profile: "".into(),
        class: "".into(),
        owner: "lab".into(),
        priority: 40,
        placement: Placement::Any { count: 1, label: label.clone() },
        synch_count: 1,
        labels: Vec::new(),
        parent: None,
        suite_min_hosts: 0,
        run_verify: false,
        run_reset: false,
        reboot_before: RebootBefore::Never,
        reboot_after: RebootAfter::Never,
        timeout: Span::from_hours(1_000_000),
        max_runtime: Span::from_hours(1_000_000),
        recorded: None,
    };
    Plan {
        name: "theory".to_owned(),
        about: String::new(),
        settings: Settings { minimum_tick_sec: TICK.as_seconds_f64(), ..Settings::default() },
        start: Time(0),
        end: None,
        unix_time: false,
        hosts: (1..=hosts).map(host).collect(),
        drones: vec![DronePlan { name: "drone1".into(), max_processes: 10 * hosts }],
        jobs: jobs.iter().map(|(submit, _)| job(submit)).collect(),
        behaviour: Arc::new(Ideal(jobs.iter().map(|(_, runtime)| *runtime).collect())),
        outages: Vec::new(),
    }
}

fn run(hosts: u32, jobs: &[(Time, Span)]) -> Recording {
    run_plan(&ideal_lab(hosts, jobs))
}

fn run_plan(plan: &Plan) -> Recording {
    let recording = simulate(plan, 1, |_| {}).expect("simulated");
    assert_eq!(recording.jobs.len(), plan.jobs.len());
    assert!(recording.jobs.iter().all(|job| job.final_status == EntryStatus::Completed));
    recording
}

// ---- M/M/c

/// Arrivals at random, exponential run times of one minute on average.
fn markov(hosts: u32, load: f64, jobs: usize, seed: u64) -> Vec<(Time, Span)> {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let between = Exp::new(f64::from(hosts) * load / 60.0).expect("a positive rate");
    let service = Exp::new(1.0 / 60.0).expect("a positive rate");
    let mut now = 0.0;
    let job = |_| {
        now += between.sample(&mut random);
        (Time(0) + Span::from_seconds_f64(now), Span::from_seconds_f64(service.sample(&mut random)))
    };
    (0..jobs).map(job).collect()
}

/// Erlang's C formula: the mean wait of M/M/c, in seconds, at one minute of service.
fn erlang_c_wait(hosts: u32, load: f64) -> f64 {
    let offered = f64::from(hosts) * load;
    // Erlang B by its recursion, and C from it.
    let blocked = (1..=hosts).fold(1.0, |blocked, n| offered * blocked / (f64::from(n) + offered * blocked));
    let waits = blocked / (1.0 - load * (1.0 - blocked));
    waits * 60.0 / (f64::from(hosts) - offered)
}

/// Seconds that a job waited.
fn wait(job: &JobRecord) -> f64 {
    (job.started.expect("ran") - job.submitted).as_seconds_f64()
}

/// The mean of a figure of the jobs of a run, the first fifth, in which the lab fills, left out.
fn mean_of<'a>(jobs: impl Iterator<Item = &'a JobRecord>, figure: impl Fn(&JobRecord) -> f64) -> f64 {
    let figures: Vec<f64> = jobs.map(figure).collect();
    let counted = &figures[figures.len() / 5..];
    counted.iter().sum::<f64>() / counted.len() as f64
}

/// Ten independent runs: the mean lies within the 99 % confidence interval (Student's t, nine degrees of freedom) around
/// theory. Every job loses about two ticks on its way; with ticks of a millisecond that is far below the interval.
#[track_caller]
fn agrees(what: &str, theory: f64, run: impl Fn(u64) -> f64) {
    const RUNS: usize = 10;
    const T_99: f64 = 3.250;
    let means: Vec<f64> = (0..RUNS).map(|seed| run(1_000 + seed as u64)).collect();
    let mean = means.iter().sum::<f64>() / RUNS as f64;
    let variance = means.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (RUNS - 1) as f64;
    let half = T_99 * (variance / RUNS as f64).sqrt();
    assert!((mean - theory).abs() <= half, "{what}: {mean:.3} ± {half:.3}, theory says {theory:.3}");
    assert!(half < 0.35 * theory + 0.3, "{what}: too wide to say anything: ± {half:.3} around {theory:.3}");
}

fn agrees_with_erlang(hosts: u32, load: f64, jobs: usize) {
    let mean_wait = |seed| mean_of(run(hosts, &markov(hosts, load, jobs, seed)).jobs.iter(), wait);
    agrees(&format!("M/M/{hosts} at load {load}"), erlang_c_wait(hosts, load), mean_wait);
}

#[test]
fn one_server_waits_as_erlang_says() {
    assert!((erlang_c_wait(1, 0.5) - 60.0).abs() < 1e-9, "M/M/1 waits ρ/(1 − ρ) services");
    agrees_with_erlang(1, 0.5, 2_500);
    agrees_with_erlang(1, 0.7, 3_000);
}

#[test]
fn several_servers_wait_as_erlang_says() {
    agrees_with_erlang(2, 0.7, 2_500);
    agrees_with_erlang(5, 0.8, 2_000);
}

#[test]
fn many_servers_wait_as_erlang_says() {
    agrees_with_erlang(20, 0.9, 3_000);
}

// ---- M/G/1 with priorities

/// Two classes of jobs for one host: one in a hundred seconds of exactly 25 s with priority, and one in two hundred seconds
/// of a minute on average, exponential. The first one's mean wait, or the second one's.
fn mean_wait_of_class(urgent: bool, jobs: usize, seed: u64) -> f64 {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let mut arrive = |between: f64, runtime: &mut dyn FnMut(&mut ChaCha12Rng) -> f64, priority: i32, jobs: usize| {
        let between = Exp::new(1.0 / between).expect("a positive rate");
        let mut now = 0.0;
        let mut job = |_| {
            now += between.sample(&mut random);
            (Time(0) + Span::from_seconds_f64(now), Span::from_seconds_f64(runtime(&mut random)), priority)
        };
        (0..jobs).map(&mut job).collect::<Vec<_>>()
    };
    let service = Exp::new(1.0 / 60.0).expect("a positive rate");
    let mut all = arrive(100.0, &mut |_| 25.0, 80, 2 * jobs);
    all.extend(arrive(200.0, &mut |random| service.sample(random), 20, jobs));
    all.sort();
    let mut plan = ideal_lab(1, &all.iter().map(|(submit, runtime, _)| (*submit, *runtime)).collect::<Vec<_>>());
    for (job, (_, _, priority)) in plan.jobs.iter_mut().zip(&all) {
        job.priority = *priority;
    }
    mean_of(run_plan(&plan).jobs.iter().filter(|job| (job.priority == 80) == urgent), wait)
}

/// A. Cobham, *Priority assignment in waiting line problems* (Operations Research 2, 1954): a job waits for what is being served
/// and for everybody of its own or higher priority who is there or comes, and nobody is interrupted.
#[test]
fn priorities_wait_as_cobham_says() {
    let residual: f64 = 0.01 * 25.0 * 25.0 / 2.0 + 0.005 * 2.0 * 60.0 * 60.0 / 2.0;
    let (urgent, all) = (0.01 * 25.0, 0.01 * 25.0 + 0.005 * 60.0);
    agrees("jobs with priority", residual / (1.0 - urgent), |seed| mean_wait_of_class(true, 1_500, seed));
    let others = residual / ((1.0 - urgent) * (1.0 - all));
    agrees("jobs without", others, |seed| mean_wait_of_class(false, 1_500, seed));
}

// ---- Square-root staffing

/// S. Halfin, W. Whitt, *Heavy-traffic limits for queues with many exponential servers* (Operations Research 29, 1981): with
/// β times the square root of the offered load to spare, the share of jobs that wait at all is this, however large the lab.
fn halfin_whitt(beta: f64) -> f64 {
    let normal = Normal::standard();
    1.0 / (1.0 + beta * normal.cdf(beta) / normal.pdf(beta))
}

#[test]
fn square_root_staffing_keeps_its_promise() {
    for (offered, beta) in [(36.0, 0.5), (64.0, 1.0)] {
        let hosts = offered + beta * f64::sqrt(offered);
        let share_waiting = |seed| {
            let recording = run(hosts as u32, &markov(hosts as u32, offered / hosts, 2_500, seed));
            // Whoever waits for nobody starts within three ticks.
            mean_of(recording.jobs.iter(), |job| f64::from(u8::from(wait(job) > 0.003)))
        };
        // The limit is that of an infinite lab; of one of this size Erlang's formula differs by a few in a hundred.
        let limit = halfin_whitt(beta);
        let exact = erlang_c_wait(hosts as u32, offered / hosts) / 60.0 * (hosts - offered);
        assert!((exact - limit).abs() < 0.05, "{hosts} hosts: {exact}, in the limit {limit}");
        agrees(&format!("{hosts} hosts for a load of {offered}"), exact, share_waiting);
    }
}

// ---- First come, first served

/// The jobs of the extract.
fn recorded_jobs() -> Vec<(i64, i64)> {
    let text = std::fs::read_to_string(common::data("kth-sp2-one-processor.csv")).expect("readable");
    let number = |text: &str| text.parse().expect("a number");
    let rows = text.lines().skip(1).filter_map(|line| line.split_once(','));
    rows.map(|(submit, run)| (number(submit), number(run))).collect()
}

/// First come, first served, in ticks. A job is given a host in the tick of its submission or in which a host is free, and
/// its test starts with the next. A test that ends frees its host for the second tick after: in the first, gathering is
/// over at once, and the host is released.
fn first_come_first_served(hosts: usize, jobs: &[(i64, i64)]) -> Vec<i64> {
    const TO_START: i64 = 1;
    const TO_RELEASE: i64 = 2;
    let mut free: BinaryHeap<Reverse<i64>> = vec![Reverse(0); hosts].into();
    let mut starts = Vec::new();
    for (submit, runtime) in jobs {
        let Reverse(host) = free.pop().expect("there are hosts");
        let start = host.max(*submit) + TO_START;
        free.push(Reverse(start + runtime + TO_RELEASE));
        starts.push(start);
    }
    starts
}

#[track_caller]
fn replays_first_come_first_served(hosts: u32) {
    let ticks_a_second = 1_000_000 / TICK.0;
    let jobs: Vec<(i64, i64)> =
        recorded_jobs().iter().map(|(submit, run)| (submit * ticks_a_second, run * ticks_a_second)).collect();
    let plan: Vec<(Time, Span)> =
        jobs.iter().map(|(submit, run)| (Time(submit * TICK.0), Span(run * TICK.0))).collect();
    let recording = run(hosts, &plan);
    let expected = first_come_first_served(hosts as usize, &jobs);
    for (number, (job, expected)) in recording.jobs.iter().zip(expected).enumerate() {
        let started = job.started.map(|time| time.0 / TICK.0);
        assert_eq!(started, Some(expected), "job {number} of {} started in another tick", recording.jobs.len());
    }
}

#[test]
fn one_host_serves_first_come_first_served_to_the_tick() {
    replays_first_come_first_served(1);
}

#[test]
fn a_few_hosts_serve_first_come_first_served_to_the_tick() {
    replays_first_come_first_served(2);
    replays_first_come_first_served(5);
}
