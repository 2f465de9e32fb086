//! Jobs that are handed off to a runner of their own, with the runner that comes with Yardmaster: it ends them as the
//! scheduler would, whatever happens to either.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use yardmaster::drones::Template;
use yardmaster::frontend::abort::{AbortRequest, abort};
use yardmaster_engine::{HandOffLevel, JobId};

use super::lab::{Kind, Lab, Place, Plan, in_each_place};
use super::processes::{self, Process};
use super::service::PATIENCE;
use super::work::{Fate, OWNER, bare, simple};

in_each_place!(
    jobs_end_as_any_others,
    a_runner_needs_no_scheduler,
    a_dead_runner_is_found,
    aborts_reach_a_handed_off_job,
    everything_dies_now_and_then,
);

const PLAN: Plan = Plan { hosts: 6, drones: 2, kind: Kind::Local, broken_host: false };

impl Lab {
    /// A lab whose jobs are handed off to the built-in runner.
    async fn handing_off(place: Place, plan: Plan, level: HandOffLevel) -> Lab {
        let mut lab = Lab::new(place, plan).await;
        lab.config.scheduler.hand_off_level = level;
        let line = vec![
            env!("CARGO_BIN_EXE_yardmaster").to_owned(),
            format!("--config {}", lab.config_file().display()),
            "run-job {job_id} --drone {drone}".to_owned(),
        ];
        lab.run_instead(line);
        lab
    }

    fn run_instead(&mut self, line: Vec<String>) {
        self.config.commands.handoff = Template::try_from(line).expect("a command line");
        self.write_configuration();
    }

    /// The rows of hand-offs: how many there are, and how many of them are over.
    async fn hand_offs(&self) -> (i64, i64) {
        let all = self.number("SELECT COUNT(*) FROM afe_job_handoffs WHERE drone LIKE 'drone%'", Vec::new()).await;
        let over = self.number("SELECT COUNT(*) FROM afe_job_handoffs WHERE completed = 1", Vec::new()).await;
        (all, over)
    }

    /// The processes of all runners that live.
    fn runners(&self) -> Vec<Process> {
        let is_runner = |process: &Process| process.words.iter().any(|word| word == "run-job");
        processes::all(self.folder()).into_iter().filter(is_runner).collect()
    }

    /// Waits until a query gives this number.
    async fn until_number(&self, sql: &str, wanted: i64) {
        let began = SystemTime::now();
        loop {
            let found = self.number(sql, Vec::new()).await;
            if found == wanted {
                return;
            }
            assert!(began.elapsed().unwrap_or_default() < PATIENCE, "{sql}: {found}, not {wanted}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn until_ended(&self, job: JobId) {
        let sql = format!("SELECT COUNT(*) FROM afe_host_queue_entries WHERE job_id = {job} AND complete = 0");
        self.until_number(&sql, 0).await;
    }
}

fn finish(path: &Path, how: &str) {
    fs::write(path.join(".finish"), how).expect("written");
}

/// The process that looks after a runner, as its claim names it.
fn guardian(path: &Path) -> Pid {
    let claim = fs::read_to_string(path.join(".yardmaster/.handoff_execute.claim")).expect("a claim");
    let claim: serde_json::Value = serde_json::from_str(&claim).expect("JSON");
    let pid = claim["process"]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    pid.and_then(Pid::from_raw).expect("a pid")
}

async fn jobs_end_as_any_others(place: Place) {
    let mut lab = Lab::handing_off(place, PLAN, HandOffLevel::Starting).await;
    lab.submit_mixed(10).await;
    let mut service = lab.serve();
    lab.rest(&mut service).await;
    assert_eq!(lab.hand_offs().await, (10, 10), "every job was handed off, and every runner is done");
    lab.until_number("SELECT COUNT(*) FROM yardmaster_handoffs", 0).await;
    service.stop().await;

    for level in [HandOffLevel::Gathering, HandOffLevel::Parsing] {
        let before = lab.hand_offs().await.0;
        lab.config.scheduler.hand_off_level = level;
        lab.write_configuration();
        lab.submit_mixed(5).await;
        let mut service = lab.serve();
        lab.rest(&mut service).await;
        assert_eq!(lab.hand_offs().await, (before + 5, before + 5), "from {level} on");
        service.stop().await;
    }
    let job = lab.submit(&bare("whole", "seconds = 0.2\n"), Fate::Completed).await;
    let service = lab.serve();
    lab.until_ended(job).await;
    // The scheduler fetches what the runner leaves behind.
    let (_, results) = lab.test_of(job).await;
    let place = results.strip_prefix(results.parent().and_then(Path::parent).expect("a root")).expect("below it");
    let fetched = lab.folder().join("repository").join(place);
    lab.until("the results in the repository", || fetched.join("status.log").exists()).await;
    let keyvals = fs::read_to_string(fetched.join("keyval")).expect("keyvals");
    assert!(keyvals.contains("job_queued=") && keyvals.contains("job_finished="), "{keyvals}");
    lab.all_is_well(service).await;
}

/// Its runners reach the database from the drones, as they would on machines of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_are_handed_off_to_drones_over_ssh() {
    let plan = Plan { kind: Kind::Ssh, ..PLAN };
    let mut lab = Lab::handing_off(Place::server().await, plan, HandOffLevel::Starting).await;
    lab.submit_mixed(10).await;
    let mut service = lab.serve();
    lab.rest(&mut service).await;
    assert_eq!(lab.hand_offs().await, (10, 10), "every job was handed off, and every runner is done");
    lab.all_is_well(service).await;
}

async fn a_runner_needs_no_scheduler(place: Place) {
    let mut lab = Lab::handing_off(place, PLAN, HandOffLevel::Starting).await;
    let service = lab.serve();
    let ends = lab.submit(&simple("ends alone", "wait = true\n"), Fate::Completed).await;
    let fails = lab.submit(&bare("fails alone", "wait = true\n"), Fate::Failed).await;
    let aborted = lab.submit(&bare("aborted alone", "wait = true\n"), Fate::Aborted).await;
    let goes_on = lab.submit(&bare("goes on", "wait = true\n"), Fate::Completed).await;
    let mut paths = Vec::new();
    for job in [ends, fails, aborted, goes_on] {
        paths.push(lab.test_of(job).await.1);
        lab.until_status(job, "Running").await;
    }
    // With it go its agents on all drones.
    service.kill();
    lab.free_term().await;
    finish(&paths[0], "0");
    finish(&paths[1], "status 256 1");
    abort(&lab.database, OWNER, &AbortRequest::Jobs(vec![aborted])).await.expect("an abort");
    for job in [ends, fails, aborted] {
        lab.until_ended(job).await;
    }
    assert_eq!(lab.entries(goes_on, "Running").await, 1, "nobody has touched it");
    lab.until("the end of the other runners", || lab.runners().len() == 1).await;

    let before = lab.runners()[0].pid;
    let mut service = lab.serve();
    service.until_said("scheduling", 1).await;
    // Agents come and go; the runner has one of its own.
    for drone in 1..=PLAN.drones {
        processes::signal(&lab.results(drone), processes::Part::Agent, Signal::KILL);
    }
    finish(&paths[3], "0");
    lab.until_ended(goes_on).await;
    assert!(lab.runners().iter().all(|runner| runner.pid == before), "no second runner came");
    lab.all_is_well(service).await;
}

async fn a_dead_runner_is_found(place: Place) {
    let mut lab = Lab::handing_off(place, PLAN, HandOffLevel::Starting).await;
    let service = lab.serve();
    let killed = lab.submit(&bare("its runner is killed", "wait = true\n"), Fate::Completed).await;
    let vanished = lab.submit(&bare("its runner vanishes", "wait = true\n"), Fate::Completed).await;
    let unseen = lab.submit(&bare("its runner dies unseen", "wait = true\n"), Fate::Completed).await;
    let mut paths = Vec::new();
    for job in [killed, vanished, unseen] {
        paths.push(lab.test_of(job).await.1);
        lab.until_status(job, "Running").await;
    }
    let runner_of = |job: JobId| {
        let number = job.to_string();
        let runners = lab.runners();
        runners.into_iter().find(|runner| runner.words.contains(&number)).expect("a runner").pid
    };
    kill_process(runner_of(killed), Signal::KILL).expect("it lives");
    // First whoever would write down how it ended.
    kill_process(guardian(&paths[1]), Signal::KILL).expect("it lives");
    kill_process(runner_of(vanished), Signal::KILL).expect("it lives");
    service.kill();
    lab.free_term().await;
    kill_process(runner_of(unseen), Signal::KILL).expect("it lives");

    let mut service = lab.serve();
    lab.until_number("SELECT COUNT(*) FROM afe_job_handoffs WHERE completed = 1", 3).await;
    // Their tests have gone on, and the scheduler sees them to their ends.
    paths.iter().for_each(|path| finish(path, "0"));
    for job in [killed, vanished, unseen] {
        lab.until_ended(job).await;
    }
    service.must_live();
    service.stop().await;

    // A runner that never comes to the test: nothing ran, and nothing will.
    lab.run_instead(vec!["/bin/false".to_owned()]);
    let service = lab.serve();
    for job in [bare("no runner at all", ""), simple("nor for this one", "")] {
        lab.submit(&job, Fate::Failed).await;
    }
    let mut hostless = bare("without a host", "");
    hostless.meta_hosts.clear();
    hostless.hostless = true;
    lab.submit(&hostless, Fate::Failed).await;
    lab.all_is_well(service).await;
    let is_test = |(path, name): &&(String, String)| name == ".autoserv_execute" && !path.starts_with("hosts/");
    assert_eq!(lab.marks().keys().filter(is_test).count(), 3, "only those of the runners that had died");
}

async fn aborts_reach_a_handed_off_job(place: Place) {
    let mut lab = Lab::handing_off(place, PLAN, HandOffLevel::Starting).await;
    let service = lab.serve();
    let job = lab.submit(&bare("endless", "wait = true\n"), Fate::Aborted).await;
    let mut pair = bare("both of them", "wait = true\n");
    (pair.meta_hosts[0].count, pair.synch_count) = (2, 2);
    let pair = lab.submit(&pair, Fate::Aborted).await;
    let (_, path) = lab.test_of(job).await;
    for job in [job, pair] {
        lab.test_of(job).await;
        lab.until_status(job, "Running").await;
    }
    abort(&lab.database, OWNER, &AbortRequest::Jobs(vec![job, pair])).await.expect("an abort");
    for job in [job, pair] {
        lab.until_ended(job).await;
    }
    let keyvals = fs::read_to_string(path.join("keyval")).expect("keyvals");
    assert!(keyvals.contains(&format!("aborted_by={OWNER}")), "{keyvals}");
    lab.until("the end of the runners", || lab.runners().is_empty()).await;

    // A runner that does nothing for its job.
    service.stop().await;
    lab.run_instead(vec!["/bin/sleep".to_owned(), "1000".to_owned()]);
    let service = lab.serve();
    let job = lab.submit(&bare("nothing happens", "wait = true\n"), Fate::Aborted).await;
    lab.until_status(job, "Starting").await;
    lab.until_number("SELECT COUNT(*) FROM yardmaster_handoffs", 1).await;
    abort(&lab.database, OWNER, &AbortRequest::Jobs(vec![job])).await.expect("an abort");
    lab.all_is_well(service).await;
}

/// Schedulers and runners are killed while jobs run: nothing runs twice, nothing is lost.
async fn everything_dies_now_and_then(place: Place) {
    let (rounds, all_jobs) = if super::dice::is_full() { (60, 180) } else { (10, 40) };
    let mut lab = Lab::handing_off(place, PLAN, HandOffLevel::Starting).await;
    let mut killed = 0;
    for round in 1..=rounds {
        lab.submit_mixed(all_jobs * round / rounds - lab.fates.len() as u64).await;
        let service = lab.serve();
        let pause = lab.dice.between(300, 2500);
        tokio::time::sleep(pause).await;
        // A job whose runner dies before its test has started has failed.
        let runners = lab.runners();
        if !runners.is_empty() {
            let victim = lab.dice.below(runners.len() as u64) as usize;
            runners[victim].signal(Signal::KILL);
            killed += 1;
        }
        service.kill();
        lab.free_term().await;
    }
    lab.fates.values_mut().for_each(|fate| *fate = Fate::Ended);
    let service = lab.serve();
    lab.all_is_well(service).await;
    let failed = "SELECT COUNT(*) FROM afe_host_queue_entries WHERE status = 'Failed'";
    let failed = lab.number(failed, Vec::new()).await;
    println!("{all_jobs} jobs, {rounds} schedulers and {killed} runners killed, {failed} entries failed");
}
