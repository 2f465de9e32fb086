//! What can be asked of a forecast: what never runs, who is late, what if, and what others bring.

use assert_cmd::Command;
use serde_json::Value;
use yardmaster_engine::{EntryStatus, JobId, Span, Time};
use yardmaster_sim::forecast::{
    ArrivalModel, Change, Comparison, Forecast, ForecastError, Options, Outcomes, forecast, write_snapshot,
};
use yardmaster_sim::history::Snapshot;

use crate::lab::{Lab, Law, Nature, Order};

/// A lab that has seen some jobs, with a queue of five stress tests of 900 s for two kevins.
fn queued() -> (Lab, Vec<JobId>) {
    let mut lab = Lab::new(&Nature::constant());
    for _ in 0..12 {
        lab.submit(&Order::of(0, "eve"));
        lab.submit(&Order::of(1, "kevin"));
    }
    lab.run_until(Time::from_seconds(30_000));
    let jobs = (0..5).map(|_| lab.submit(&Order::of(1, "kevin"))).collect();
    lab.run_until(Time::from_seconds(30_100));
    (lab, jobs)
}

fn options(changes: &[Change]) -> Options {
    Options { replications: 12, changes: changes.to_vec(), ..Options::default() }
}

fn outcomes(snapshot: &Snapshot, options: &Options) -> Outcomes {
    forecast(snapshot, options, |_| true).expect("a forecast")
}

fn said(snapshot: &Snapshot, options: &Options) -> Forecast {
    Forecast::of(&outcomes(snapshot, options), &snapshot.history)
}

fn compared(snapshot: &Snapshot, change: Change) -> Comparison {
    let (before, after) = (outcomes(snapshot, &options(&[])), outcomes(snapshot, &options(&[change])));
    Comparison::of(&before, &after, &snapshot.history).expect("a comparison")
}

fn seconds(span: Option<Span>) -> f64 {
    span.expect("it happens").as_seconds_f64()
}

#[test]
fn what_no_host_can_serve_is_named_with_the_reason() {
    let (mut lab, jobs) = queued();
    let nobody = lab.submit(&Order::of(0, "samus"));
    let stranger = lab.submit(&Order::of(0, "eve"));
    let owner = lab.store_mut().add_user("mallory", &[]);
    lab.store_mut().edit_job(stranger, |job| job.owner = owner);
    let moment = lab.moment();
    lab.run_until(moment);
    let said = said(&lab.snapshot(), &options(&[]));
    let named: Vec<_> = said.never.iter().map(|never| (JobId(never.job), never.reason.words())).collect();
    assert_eq!(named.iter().map(|(job, _)| *job).collect::<Vec<_>>(), [nobody, stranger]);
    assert!(named[0].1.contains("no valid host") && named[1].1.contains("ACL group"), "{named:?}");
    let hopeless = said.job(nobody.0).expect("it is alive");
    assert_eq!((hopeless.start.map(|start| start.p05), hopeless.does_not_start), (Some(None), Some(1.0)));
    // Its own limit of 24 hours ends it, and nobody else waits for that.
    assert_eq!(hopeless.hits_time_limit, 1.0);
    assert!(seconds(said.drain.last_end.p95) < 4000.0, "{:?}", said.drain);
    assert_eq!(said.job(jobs[0].0).map(|job| job.status), Some(EntryStatus::Running));
}

#[test]
fn suites_miss_deadlines_and_jobs_their_limits() {
    let (mut lab, _) = queued();
    let suite = lab.submit(&Order { timeout: Span::from_minutes(40), ..Order::of(0, "eve") });
    let short = |timeout| Order { parent: Some(suite), timeout, ..Order::of(1, "kevin") };
    // The queue takes some 3 · 961 s on each kevin: the child cannot be done 40 minutes after its suite began.
    let child = lab.submit(&short(Span::from_hours(24)));
    let hasty = lab.submit(&Order { timeout: Span::from_minutes(20), ..Order::of(1, "kevin") });
    let calm = lab.submit(&Order { timeout: Span::from_hours(24), ..Order::of(0, "eve") });
    let moment = lab.moment();
    lab.run_until(moment);
    let said = said(&lab.snapshot(), &options(&[]));
    let found = said.suites.iter().find(|known| known.suite == suite.0).expect("the suite");
    assert_eq!((found.jobs, found.misses_deadline), (1, Some(1.0)));
    assert!((2390.0..=2400.0).contains(&seconds(found.deadline)), "{found:?}");
    assert_eq!(said.job(child.0).and_then(|job| job.suite), Some(suite.0));
    assert_eq!(said.job(hasty.0).map(|job| job.hits_time_limit), Some(1.0));
    let calm = said.job(calm.0).expect("it is alive");
    assert_eq!((calm.hits_time_limit, calm.starts_within_10_min), (0.0, Some(1.0)));
}

#[test]
fn locking_keeps_what_runs_and_nothing_else() {
    let (lab, jobs) = queued();
    let locked = compared(&lab.snapshot(), Change::Lock("kevin[1-2]".to_owned()));
    let ends = |said: &Forecast, job: JobId| said.job(job.0).expect("it is alive").end.p50;
    assert_eq!(ends(&locked.before, jobs[0]), ends(&locked.after, jobs[0]), "it runs already");
    assert_eq!(locked.after.never.iter().map(|never| never.job).collect::<Vec<_>>(), [jobs[2].0, jobs[3].0, jobs[4].0]);
    assert!(locked.jobs.iter().all(|job| (job.start.pairs, job.start.lost) == (0, 12)), "{:?}", locked.jobs);
    // One host for all that is left instead of two.
    let one = compared(&lab.snapshot(), Change::Lock("kevin2".to_owned()));
    assert!(one.last_end.mean_seconds.is_some_and(|mean| mean > 900.0), "{:?}", one.last_end);
    assert_eq!(one.last_end.half_width_seconds, Some(0.0), "everything takes the same time every time");
}

#[test]
fn more_hosts_end_the_queue_sooner_and_aborts_empty_it() {
    let (mut lab, jobs) = queued();
    let more = compared(&lab.snapshot(), Change::AddHosts { kind: "kevin".to_owned(), count: 3 });
    assert!(more.mean_wait.mean_seconds.is_some_and(|mean| mean < -500.0), "{:?}", more.mean_wait);
    assert!(more.after.jobs.iter().filter_map(|job| job.starts_within_10_min).all(|chance| chance == 1.0));
    let room = compared(&lab.snapshot(), Change::DroneProcesses(1));
    assert!(room.last_end.mean_seconds.is_some_and(|mean| mean > 900.0), "{:?}", room.last_end);
    let aborted = compared(&lab.snapshot(), Change::Abort(jobs[0]));
    assert!(seconds(aborted.after.job(jobs[0].0).expect("it is there").end.p95) < 60.0);
    assert_eq!(aborted.after.job(jobs[0].0).map(|job| job.hits_time_limit), Some(0.0), "somebody asked for it");
    assert!(
        aborted.jobs[0].median.is_some_and(|median| median < Span::from_seconds(-500)),
        "the next one is served sooner"
    );
    // Locked by somebody, unlocked in thought.
    lab.store_mut().edit_host(yardmaster_engine::HostId(5), |host| host.locked = true);
    let freed = compared(&lab.snapshot(), Change::Unlock("kevin2".to_owned()));
    assert!(freed.mean_wait.mean_seconds.is_some_and(|mean| mean < 0.0), "{:?}", freed.mean_wait);
}

#[test]
fn changes_of_what_is_not_there_are_refused() {
    let (lab, _) = queued();
    let refused = |change| forecast(&lab.snapshot(), &options(&[change]), |_| true).expect_err("refused").to_string();
    assert!(refused(Change::Lock("kevin9".to_owned())).contains("did you mean \"kevin1\"?"));
    assert!(refused(Change::AddHosts { kind: "kevn".to_owned(), count: 1 }).contains("did you mean \"kevin\"?"));
    assert!(refused(Change::Abort(JobId(4711))).contains("job 4711 does not exist, or has ended"));
    assert!(refused(Change::Unlock("a[".to_owned())).contains("unbalanced"));
    let none = Options { replications: 0, ..Options::default() };
    assert!(matches!(forecast(&lab.snapshot(), &none, |_| true), Err(ForecastError::NoReplications)));
}

/// A wild lab, so that anything that depended on the order of replications would show.
fn wild() -> Lab {
    let nature = Nature {
        profiles: vec![("boot", Law::Lognormal(120.0, 0.5)), ("stress", Law::Lognormal(900.0, 0.8))],
        reset: (Law::Lognormal(60.0, 0.5), 0.1),
        ..Nature::constant()
    };
    let mut lab = Lab::new(&nature);
    for hour in 0..30 {
        for number in 0..8 {
            let kind = if number % 3 == 0 { "kevin" } else { "eve" };
            lab.submit(&Order { priority: 40 + (number % 2) * 20, ..Order::of(number as usize % 2, kind) });
        }
        lab.run_until(Time::from_seconds(3600 * (hour + 1)));
    }
    for _ in 0..10 {
        lab.submit(&Order { priority: 10, ..Order::of(1, "kevin") });
    }
    let moment = lab.moment();
    lab.run_until(moment + Span::from_seconds(30));
    lab
}

#[test]
fn threads_do_not_matter_and_seeds_do() {
    let snapshot = wild().snapshot();
    let with = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let options = Options { replications: 10, seed, arrivals: ArrivalModel::History, ..Options::default() };
        serde_json::to_string(&pool.install(|| said(&snapshot, &options))).expect("JSON")
    };
    let one = with(1, 1);
    assert_eq!(one, with(3, 1));
    assert_ne!(one, with(1, 2));
}

/// Jobs of higher priority come as they did, and go first.
#[test]
fn what_arrives_delays_what_waits() {
    let snapshot = wild().snapshot();
    let waits = |arrivals| {
        let said = said(&snapshot, &Options { replications: 40, arrivals, ..Options::default() });
        let ends: Vec<f64> = said.jobs.iter().filter_map(|job| Some(job.start?.p50?.as_seconds_f64())).collect();
        ends.iter().sum::<f64>() / ends.len() as f64
    };
    let (alone, among_others) = (waits(ArrivalModel::None), waits(ArrivalModel::History));
    assert!(among_others > alone * 1.05, "{alone} s alone, {among_others} s among others");
    let (young, _) = queued();
    let options = Options { arrivals: ArrivalModel::History, ..options(&[]) };
    let short = forecast(&young.snapshot(), &options, |_| true).expect_err("eight hours are no day");
    assert!(short.to_string().contains("needs a history of at least a day; this one has 8.4 hours"), "{short}");
}

/// Whoever has no time gets what there is.
#[test]
fn time_bounds_the_number_of_replications() {
    let (lab, _) = queued();
    let few = forecast(&lab.snapshot(), &Options { replications: 1000, ..Options::default() }, |done| done < 3);
    let count = few.expect("some").replications();
    assert!((1..500).contains(&count), "{count}");
}

#[test]
fn the_command_line_says_it_in_tables_json_and_csv() {
    let (lab, jobs) = queued();
    let folder = tempfile::tempdir().expect("a folder");
    let (file, csv) = (folder.path().join("now.json.gz"), folder.path().join("jobs.csv"));
    write_snapshot(&lab.snapshot(), &file).expect("written");
    let run = |line: &str| {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("yardmaster-sim"));
        command.arg("forecast").arg("--snapshot").arg(&file).args(["--replications", "8", "--quiet"]);
        let output = command.args(line.split_whitespace()).output().expect("started");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (status, out, err) = run(&format!("--csv {}", csv.display()));
    assert_eq!((status, err.as_str()), (Some(0), ""));
    assert!(out.contains("8 replications, seed 1") && out.contains("bvt/stress"), "{out}");
    let mut rows = csv::Reader::from_path(&csv).expect("a table");
    assert_eq!(rows.headers().expect("a header").iter().take(2).collect::<Vec<_>>(), ["job", "name"]);
    assert_eq!(rows.records().count(), 5);
    let (_, out, _) = run("--json");
    let all: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(all["jobs"].as_array().map(Vec::len), Some(5));
    assert_eq!(all["jobs"][4]["job"], jobs[4].0);
    let (_, out, _) = run(&format!("--job {}", jobs[4]));
    assert!(out.contains("start  p50 ") && out.contains("starts within 10 min: –"), "{out}");
    let (_, out, _) = run("--add-hosts kevin=1 --lock eve1");
    assert!(out.contains("what if: add 1 hosts of kind kevin") && out.contains("median difference"), "{out}");
    let (status, _, err) = run("--job 9999");
    assert!(status == Some(2) && err.contains("job 9999 does not exist"), "{err}");
    std::fs::write(&file, "{}").expect("written");
    let (status, _, err) = run("");
    assert!(status == Some(2) && err.contains("is no snapshot of this version: missing field"), "{err}");
}
