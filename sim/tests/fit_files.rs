//! `yardmaster-sim fit` on files: the CIP board farm as it stands in scenarios/, other sources, and mistakes.

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use yardmaster_engine::Time;
use yardmaster_sim::fit::{Arrivals, FitError, FitOptions, fit, pseudonymised, read};
use yardmaster_sim::history::{History, Snapshot};
use yardmaster_sim::workload::{Scenario, load};

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn written(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("a file");
    path
}

fn command() -> Command {
    Command::cargo_bin("yardmaster-sim").expect("the program")
}

/// A lab of two hosts that were checked every hour for 40 hours and ran a job for somebody in between.
fn trace() -> String {
    let mut trace = String::from("submit,start,end,device,type,kind,user,verdict\n");
    for hour in 0..40 {
        let at = 1_700_000_000 + hour * 3600;
        trace += &format!("{at},{},{},a-1,a,check,,complete\n", at + 5, at + 65 + hour);
        trace += &format!("{},{},{},a-2,a,boot,eve,{}\n", at + 60, at + 70, at + 370, ["complete", "bad"][hour % 2]);
    }
    trace
}

#[test]
fn a_window_that_the_data_do_not_fill_is_told() {
    let folder = folder();
    let file = written(&folder, "trace.csv", &trace());
    let fitted = |from_to: &[&str]| {
        let output = command().arg("fit").arg(&file).args(from_to).output().expect("runs");
        String::from_utf8(output.stdout).expect("text")
    };
    assert!(!fitted(&[]).contains("no job came in"));
    let early = fitted(&["--from", "2023-10-01", "--to", "2023-11-16"]);
    assert!(early.contains("no job came in the first 45 days") && !early.contains("in the last"), "{early}");
}

#[test]
fn the_cip_lab_is_what_fit_makes_of_the_second_half_of_2022() {
    let folder = folder();
    let out = folder.path().join("cip-fitted.toml");
    let from_to = ["--from", "2022-07-01", "--to", "2023-01-01"];
    command()
        .arg("fit")
        .arg(common::repository("scenarios/cip-year.toml"))
        .args(from_to)
        .arg("-o")
        .arg(&out)
        .assert()
        .success();
    let (made, kept) = [&out, &common::repository("scenarios/cip-fitted.toml")]
        .map(|path| std::fs::read_to_string(path).expect("readable"))
        .into();
    let differs = made.lines().zip(kept.lines()).find(|(made, kept)| made != kept);
    assert!(made == kept, "scenarios/cip-fitted.toml is another one; the first line that differs: {differs:?}");
}

#[test]
fn a_month_of_the_fitted_cip_lab_has_about_as_many_jobs_as_the_recorded_ones() {
    let scenario = Scenario::read(&common::repository("scenarios/cip-fitted.toml")).expect("a scenario");
    let jobs: Vec<usize> = (0..12).map(|seed| scenario.plan(seed).expect("a plan").jobs.len()).collect();
    let mean = jobs.iter().sum::<usize>() as f64 / 12.0;
    // 41,639 in 184 days.
    assert!((5_800.0..6_900.0).contains(&mean), "{jobs:?}");
    assert!(jobs.iter().any(|count| *count != jobs[0]));
}

#[test]
fn a_trace_with_usual_names_of_columns_needs_no_scenario() {
    let folder = folder();
    let past = read(&written(&folder, "trace.csv", &trace()), None, None).expect("a past");
    assert_eq!((past.history.jobs.len(), past.history.hosts.len()), (80, 2));
    let lab = fit(&past, &FitOptions::named("lab")).expect("a lab");
    let boot = lab.generators.iter().flat_map(|one| &one.mix).find(|one| &*one.profile == "boot").expect("boot");
    assert_eq!((&*boot.manner.owner, boot.failed, boot.ended), ("eve", 20, 40));
    assert!(matches!(lab.generators[0].arrivals[0], Arrivals::Single(_)));
}

#[test]
fn a_gzipped_trace_is_read_and_a_window_is_cut_out() {
    let folder = folder();
    let path = folder.path().join("trace.csv.gz");
    let mut zip = GzEncoder::new(std::fs::File::create(&path).expect("a file"), Compression::fast());
    zip.write_all(trace().as_bytes()).expect("written");
    zip.finish().expect("written");
    let (from, to) = (1_700_000_000 + 36_000, 1_700_000_000 + 72_000);
    let past = read(&path, Some(Time::from_seconds(from)), Some(Time::from_seconds(to))).expect("a past");
    assert_eq!(past.history.jobs.len(), 20);
    assert_eq!((past.history.from.as_seconds(), past.history.to.as_seconds()), (from, to));
}

#[test]
fn a_standard_workload_log_makes_a_lab_that_runs() {
    let out = folder();
    let file = out.path().join("kth.toml");
    command()
        .arg("fit")
        .arg(common::repository("scenarios/data/KTH-SP2-1996-2.1-cln.swf.gz"))
        .args(["--days", "7", "--to", "1996-12-01", "-o"])
        .arg(&file)
        .assert()
        .success();
    let plan = load(&file, 1).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(plan.hosts.len(), 100);
    assert!((300..1_200).contains(&plan.jobs.len()), "{}", plan.jobs.len());
    assert!(plan.jobs.iter().any(|job| job.synch_count > 1));
}

/// A snapshot with this history; what is alive plays no part in learning.
fn snapshot(history: History) -> Snapshot {
    Snapshot { taken_at: history.to, live: yardmaster_engine::LiveRows::default(), history }
}

#[test]
fn a_snapshot_gives_what_its_history_gives() {
    let folder = folder();
    let past = read(&written(&folder, "trace.csv", &trace()), None, None).expect("a past");
    let json = serde_json::to_string(&snapshot(past.history.clone())).expect("JSON");
    let again = read(&written(&folder, "snapshot.json", &json), None, None).expect("a past");
    assert_eq!(again.history, past.history);
    let later = past.history.from + yardmaster_engine::Span::from_hours(20);
    let half = read(&folder.path().join("snapshot.json"), Some(later), None).expect("a past");
    assert_eq!((half.history.jobs.len(), half.history.from), (40, later));
    let broken = read(&written(&folder, "broken.json", &json.replace("\"kind\":\"a\"", "\"kind\":7")), None, None);
    let message = broken.expect_err("broken").to_string();
    assert!(message.contains("broken.json") && message.contains("history.hosts[0].kind"), "{message}");
}

#[test]
fn what_the_scheduler_adds_to_a_test_is_taken_off() {
    let folder = folder();
    written(&folder, "trace.csv", &trace());
    let scenario = |shorten: &str| {
        format!(
            "name = \"x\"\n[lab]\nfrom_trace = true\n[workload.trace]\nfile = \"trace.csv\"\n{shorten}\n\
             [workload.trace.columns]\nstart = \"start\"\nend = \"end\"\nhost = \"device\"\nhost_type = \"type\"\nprofile = \"kind\"\n\
             [processes.gather]\nruntime = 7\n[processes.test]\nfailure = 0.5\n"
        )
    };
    let length = |shorten: &str| {
        let past = read(&written(&folder, "x.toml", &scenario(shorten)), None, None).expect("a past");
        let job = past.history.jobs.iter().find(|job| &*job.profile == "boot").expect("a job");
        let lab = fit(&past, &FitOptions::named("lab")).expect("a lab").to_string();
        assert!(lab.contains("[processes.gather]\nruntime = 7") && !lab.contains("failure = 0.5\n"), "{lab}");
        ((job.ended.expect("an end") - job.started.expect("a start")).as_seconds_f64(), lab)
    };
    assert_eq!(length("").0, 300.0);
    let (shorter, lab) = length("shorten_sec = 40");
    assert_eq!(shorter, 260.0);
    assert!(lab.contains("40 s shorter than recorded"), "{lab}");
}

#[test]
fn names_in_the_file_can_be_replaced() {
    let folder = folder();
    let path = written(&folder, "trace.csv", &trace());
    let output = command().arg("fit").arg(&path).args(["--pseudonyms", "--salt", "s"]).output().expect("a run");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && text.contains("user") && text.contains("host"), "{text}");
    assert!(!text.contains("\"eve\"") && !text.contains("a-1") && !text.contains("trace.csv"), "{text}");
    let past = read(&path, None, None).expect("a past");
    assert_eq!(pseudonymised(&past.history, "s").jobs.len(), past.history.jobs.len());
    command().arg("fit").arg(&path).args(["--salt", "s"]).assert().code(2);
}

#[track_caller]
fn refused(path: &Path, from: Option<Time>) -> String {
    match read(path, from, None).and_then(|past| fit(&past, &FitOptions::named("lab"))) {
        Ok(_) => panic!("{} is accepted", path.display()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn mistakes_say_what_is_wrong_and_what_to_do() {
    let folder = folder();
    let odd = written(&folder, "odd.csv", &trace().replace("submit,", "sent,").replace(",type,", ",model,"));
    let message = refused(&odd, None);
    assert!(
        message.contains("usual names for: submit, host_type") && message.contains("sent, start, end"),
        "{message}"
    );
    assert!(message.contains("[workload.trace.columns]") && message.contains("file = \"odd.csv\""), "{message}");
    let message = refused(&written(&folder, "lab.txt", "x"), None);
    assert!(message.contains("lab.txt") && message.contains(".toml") && message.contains(".json"), "{message}");
    let message = refused(&common::repository("scenarios/poisson-lab.toml"), None);
    assert!(
        message.contains("workload.trace") && message.contains("only a scenario with a trace has a past"),
        "{message}"
    );
    let message = refused(&folder.path().join("none.csv"), None);
    assert!(message.contains("none.csv"), "{message}");
    let empty = refused(&written(&folder, "trace.csv", &trace()), Some(Time::from_seconds(2_000_000_000)));
    assert!(empty.contains("no job"), "{empty}");
}

#[test]
fn a_history_without_jobs_or_hosts_is_no_lab() {
    let folder = folder();
    let mut past = read(&written(&folder, "trace.csv", &trace()), None, None).expect("a past");
    past.history.hosts.iter_mut().for_each(|host| host.until = Some(past.history.to));
    assert!(matches!(fit(&past, &FitOptions::named("lab")), Err(FitError::NoHosts { .. })));
    past.history.jobs.clear();
    assert!(matches!(fit(&past, &FitOptions::named("lab")), Err(FitError::NoJobs { .. })));
}
