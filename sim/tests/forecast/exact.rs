//! Where everything takes the same time every time, a forecast is what will happen.

use yardmaster_engine::{Entry, EntryStatus, ExecutionPath, JobId, PidfileName, Span, Stray, Time};
use yardmaster_sim::forecast::{Forecast, Options, forecast};
use yardmaster_sim::history::Snapshot;

use crate::lab::{Lab, Law, Nature, Order};

/// A lab that has seen each profile on each kind of host some times, and has a queue.
fn busy(nature: &Nature) -> Lab {
    let mut lab = Lab::new(nature);
    for _ in 0..6 {
        for kind in ["eve", "kevin"] {
            lab.submit(&Order::of(0, kind));
            lab.submit(&Order::of(1, kind));
        }
    }
    lab.run_until(Time::from_seconds(20_000));
    for number in 0..12 {
        lab.submit(&Order::of(number % 2, if number % 3 == 0 { "kevin" } else { "eve" }));
        lab.run_until(lab.moment() + Span::from_seconds(37));
    }
    lab.submit(&Order { hosts: 2, synch_count: 2, ..Order::of(0, "eve") });
    lab.submit(&Order { priority: 60, ..Order::of(1, "eve") });
    lab.run_until(lab.moment() + Span::from_seconds(5));
    lab
}

/// Compares what is forecast from `moment` on with what happens, to the tick, in every replication.
fn is_exact(nature: &Nature, moment: Span) {
    let mut lab = busy(nature);
    lab.run_until(lab.moment() + moment);
    let snapshot = lab.snapshot();
    let options = Options { replications: 5, ..Options::default() };
    let outcomes = forecast(&snapshot, &options, |_| true).expect("a forecast");
    lab.run_until(lab.moment() + Span::from_hours(12));
    let said = Forecast::of(&outcomes, &snapshot.history);
    assert!(!said.jobs.is_empty(), "nothing to forecast");
    for job in &said.jobs {
        let id = JobId(job.job);
        for end in outcomes.ends(id).expect("it is forecast") {
            if job.status == EntryStatus::Parsing {
                // No row tells since when it is parsed.
                let late = snapshot.taken_at + end.expect("it ends") - lab.ends[&id];
                assert!((0..5).contains(&(late.0 / 1_000_000)), "{late:?}");
                continue;
            }
            assert_eq!(end.map(|end| snapshot.taken_at + end), lab.ends.get(&id).copied(), "end of job {id}: {job:?}");
        }
        if job.start.is_some() {
            for start in outcomes.starts(id).expect("it is forecast") {
                assert_eq!(
                    start.map(|start| snapshot.taken_at + start),
                    lab.starts.get(&id).copied(),
                    "start of job {id}"
                );
            }
        }
    }
    let last = said.jobs.iter().filter_map(|job| lab.ends.get(&JobId(job.job))).max().copied();
    assert_eq!(said.drain.last_end.p50.map(|end| snapshot.taken_at + end), last);
    assert_eq!(said.drain.last_end.p95, said.drain.last_end.p05);
}

#[test]
fn a_lab_of_constant_times_is_forecast_to_the_tick() {
    // In the middle of tests, of Resets, of parsing, and between them.
    for seconds in [0, 1, 17, 60, 61, 62, 63, 90, 125, 182, 185, 186, 188, 400, 905, 961, 964, 966, 1500] {
        is_exact(&Nature::constant(), Span::from_seconds(seconds));
    }
}

#[test]
fn drones_without_room_are_part_of_it() {
    for seconds in [0, 100, 333, 1000] {
        is_exact(&Nature { max_processes: 3, ..Nature::constant() }, Span::from_seconds(seconds));
    }
}

/// Special tasks alone decide: tests take no time worth mentioning.
#[test]
fn running_special_tasks_go_on_from_where_they_are() {
    let nature = Nature {
        profiles: vec![("boot", Law::Constant(2.0)), ("stress", Law::Constant(3.0))],
        reset: (Law::Constant(500.0), 0.0),
        ..Nature::constant()
    };
    for seconds in [0, 250, 499, 777] {
        is_exact(&nature, Span::from_seconds(seconds));
    }
}

/// Processes are put on some drone: that a drone has a stray of one must not be taken for a reason to kill it.
#[test]
fn strays_change_nothing() {
    let mut lab = busy(&Nature::constant());
    lab.run_until(lab.moment() + Span::from_seconds(90));
    let mut snapshot = lab.snapshot();
    let options = Options { replications: 2, ..Options::default() };
    let forecast_ends = |snapshot: &Snapshot| {
        let outcomes = forecast(snapshot, &options, |_| true).expect("a forecast");
        let jobs = Forecast::of(&outcomes, &snapshot.history).jobs;
        jobs.iter().map(|job| outcomes.ends(JobId(job.job)).expect("it is forecast")).collect::<Vec<_>>()
    };
    let without = forecast_ends(&snapshot);
    let running = snapshot.live.entries.iter().filter(|entry| entry.status == EntryStatus::Running);
    let jobs = &snapshot.live.jobs;
    let users = &snapshot.live.users;
    let path = |entry: &Entry| {
        let owner = jobs.iter().find(|job| job.id == entry.job).expect("its job").owner;
        let owner = users.iter().find(|user| user.id == owner).expect("its owner").login.clone();
        ExecutionPath::Entry { job: entry.job, owner, subdir: entry.subdir.clone() }
    };
    let strays: Vec<Stray> = running
        .flat_map(|entry| snapshot.live.drones.iter().map(move |drone| (entry, drone.id)))
        .map(|(entry, drone)| Stray { path: path(entry), name: PidfileName::Execute, drone })
        .collect();
    assert!(strays.len() > 1, "nothing runs");
    snapshot.live.strays = strays;
    assert_eq!(forecast_ends(&snapshot), without);
}
