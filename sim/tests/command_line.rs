//! The command line: exit statuses, what is printed, what is written.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use assert_cmd::Command;
use rustix::process::{Pid, Signal};
use tempfile::TempDir;

fn yardmaster_sim() -> Command {
    Command::new(assert_cmd::cargo::cargo_bin!("yardmaster-sim"))
}

/// Status, standard output and standard error of `yardmaster-sim …`.
fn run<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> (i32, String, String) {
    let output = yardmaster_sim().args(arguments).output().expect("started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("ended by itself"), text(output.stdout), text(output.stderr))
}

fn file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).expect("written");
    path
}

fn check(files: &[&Path]) -> (i32, String, String) {
    let mut arguments = vec!["check".as_ref()];
    arguments.extend(files.iter().map(|file| file.as_os_str()));
    run(&arguments)
}

const GOOD: &str = r#"name = "good"
[[host]]
name = "host1"
[[step]]
name = "a reset"
do = [{ submit = { job = "j", hosts = ["host1"] } }]
[step.expect]
entries = { "j#0" = "Resetting" }
"#;

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

#[test]
fn what_passes_ends_with_0() {
    let folder = TempDir::new().expect("a folder");
    let good = file(&folder, "good.toml", GOOD);
    let (status, out, err) = check(&[&good, &good]);
    assert_eq!((status, last_line(&out), err.as_str()), (0, "2 passed, 0 failed", ""));
}

#[test]
fn what_fails_ends_with_1_and_is_told_with_step_key_and_difference() {
    let folder = TempDir::new().expect("a folder");
    let good = file(&folder, "good.toml", GOOD);
    let wrong = file(&folder, "wrong.toml", &GOOD.replace("Resetting", "Verifying"));
    let idle = file(
        &folder,
        "idle.toml",
        &format!("{GOOD}[[step]]\ndo = [{{ finish = {{ process = \"verify host1\" }} }}]\n"),
    );
    let (status, out, _) = check(&[&wrong, &good, &idle]);
    assert_eq!((status, last_line(&out)), (1, "1 passed, 2 failed"));
    for part in
        ["wrong.toml", "step 1 (a reset)", "entries.j#0", "Verifying", "Resetting", "\"verify host1\" is not running"]
    {
        assert!(out.contains(part), "{part:?} is not in\n{out}");
    }
}

/// Bad input ends with 2; its text names the file and whatever else is given.
#[track_caller]
fn bad(name: &str, text: &str, parts: &[&str]) {
    let folder = TempDir::new().expect("a folder");
    let (status, out, err) = check(&[&file(&folder, name, text)]);
    assert_eq!((status, last_line(&out)), (2, "0 passed, 0 failed"), "{err}");
    for part in parts.iter().chain(&[name]) {
        assert!(err.contains(part), "{part:?} is not in\n{err}");
    }
}

#[test]
fn bad_input_ends_with_2_and_names_file_step_and_key() {
    bad("syntax.toml", "name = ", &["syntax.toml:1"]);
    bad("key.toml", &GOOD.replace("hosts =", "hots ="), &["step 1: do 1: submit.hots"]);
    bad("word.toml", &GOOD.replace("Resetting", "Resting"), &["step 1 (a reset)", "Resting", "Resetting"]);
    bad(
        "host.toml",
        &GOOD.replace("hosts = [\"host1\"]", "hosts = [\"host9\"]"),
        &["step 1 (a reset): do 1: submit.hosts", "host9"],
    );
    bad("entry.toml", &GOOD.replace("j#0", "j#1"), &["step 1 (a reset)", "expect.entries", "j#1"]);
    bad(
        "process.toml",
        &GOOD.replace("entries = { \"j#0\" = \"Resetting\" }", "running = [\"reset hst1\"]"),
        &["expect.running"],
    );
    bad(
        "setting.toml",
        &GOOD.replace("[[host]]", "[settings]\nmax_repairs = 1\n[[host]]"),
        &["settings", "max_repairs"],
    );
    bad("type.toml", &GOOD.replace("hosts = [\"host1\"]", "hosts = 7"), &["step 1: do 1: submit.hosts"]);
    bad("empty.toml", "name = \"x\"\n", &["without steps"]);
    bad("lines.jsonl", "{\"name\":\"a\",\"step\":[{}]}\n{\"name\":\"b\",\"stop\":[]}\n", &["lines.jsonl:2", "stop"]);
}

#[test]
fn bad_input_does_not_keep_the_rest_from_being_played() {
    let folder = TempDir::new().expect("a folder");
    let good = file(&folder, "good.toml", GOOD);
    let (status, out, err) = check(&[&folder.path().join("nowhere.toml"), &good]);
    assert_eq!((status, last_line(&out)), (2, "1 passed, 0 failed"));
    assert!(err.contains("nowhere.toml") && err.contains("cannot be read"), "{err}");
}

#[test]
fn a_trace_shows_what_changes() {
    let (status, out, _) =
        run(&["check", "--trace", common::repository("scenarios/scripted/throttling.toml").to_str().expect("plain")]);
    assert_eq!((status, last_line(&out)), (0, "1 passed, 0 failed"));
    assert!(out.contains("starts on drone1"), "{out}");
    assert!(out.contains("  do submit job=") && !out.contains("None"), "{out}");
}

#[test]
fn no_arguments_and_unknown_ones_end_with_2() {
    assert_eq!(run::<&str>(&[]).0, 2);
    assert_eq!(run(&["check"]).0, 2);
    assert_eq!(run(&["chek", "x"]).0, 2);
}

const WORKLOAD: &str = r#"name = "small"
about = "Twenty jobs for two hosts."
start = 2026-01-05
[settings]
minimum_tick_sec = 5
[[host]]
name = "eve[1-2]"
labels = ["board:eve"]
[[drone]]
name = "drone1"
max_processes = 8
[[workload.generate]]
name = "developers"
count = 20
arrivals = { poisson = { per_hour = 20 } }
[[workload.generate.mix]]
profile = "smoke"
label = "board:eve"
runtime = { exponential = { mean = 300 } }
"#;

fn files_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable"));
    entries
        .filter(|entry| entry.path().is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn a_run_writes_the_documented_files() {
    let folder = TempDir::new().expect("a folder");
    let scenario = file(&folder, "small.toml", WORKLOAD);
    let out = folder.path().join("out");
    let arguments = ["run".as_ref(), scenario.as_os_str(), "--out".as_ref(), out.as_os_str(), "--quiet".as_ref()];
    let (status, printed, err) = run(&arguments);
    assert_eq!(status, 0, "{err}");
    assert!(printed.contains("digest ") && printed.contains("report.html"), "{printed}");
    let documented = fs::read_to_string(common::repository("docs/outputs.md")).expect("readable");
    let written = files_in(&out);
    assert!(written.len() >= 7, "{written:?}");
    for name in ["jobs.csv", "tasks.csv", "summary.json", "report.html", "performance.json"] {
        assert!(written.contains(name), "{name} is missing: {written:?}");
    }
    for name in &written {
        assert!(documented.contains(name), "{name} is not documented");
    }
    let plots = files_in(&out.join("plots"));
    assert!(
        plots.iter().any(|name| name.ends_with(".svg")) && plots.iter().any(|name| name.ends_with(".png")),
        "{plots:?}"
    );
}

#[test]
fn json_is_json_and_nothing_else() {
    let folder = TempDir::new().expect("a folder");
    let scenario = file(&folder, "small.toml", WORKLOAD);
    let out = folder.path().join("out");
    let arguments = [
        "run".as_ref(),
        scenario.as_os_str(),
        "--json".as_ref(),
        "--no-plots".as_ref(),
        "--out".as_ref(),
        out.as_os_str(),
    ];
    let (status, printed, err) = run(&arguments);
    assert_eq!((status, err.as_str()), (0, ""));
    let summary: serde_json::Value = serde_json::from_str(&printed).expect("valid JSON");
    assert_eq!(summary["digest"].as_str().map(str::len), Some(64));
    assert!(!out.join("plots").exists());
}

#[test]
fn a_bad_workload_ends_with_2_and_names_file_and_key() {
    let folder = TempDir::new().expect("a folder");
    let scenario = file(&folder, "bad.toml", &WORKLOAD.replace("max_processes = 8", "max_procs = 8"));
    let (status, _, err) = run(&["run".as_ref(), scenario.as_os_str()]);
    assert_eq!(status, 2);
    assert!(err.contains("bad.toml") && err.contains("max_procs"), "{err}");
    let (status, _, err) = run(&["run", "nowhere.toml"]);
    assert_eq!(status, 2);
    assert!(err.contains("nowhere.toml"), "{err}");
}

#[test]
fn an_interrupted_plan_says_what_is_kept() {
    let folder = TempDir::new().expect("a folder");
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut plan = std::process::Command::new(assert_cmd::cargo::cargo_bin!("yardmaster-sim"))
        .args(["plan", "--quiet", "--out"])
        .arg(folder.path())
        .arg(scenarios.join("plan-cip.toml"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let kept = || fs::read_dir(folder.path().join("cache")).is_ok_and(|mut files| files.next().is_some());
    while !kept() {
        assert_eq!(plan.try_wait().expect("a child"), None, "it ended by itself");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = Pid::from_child(&plan);
    rustix::process::kill_process(pid, Signal::INT).expect("interrupted");
    let output = plan.wait_with_output().expect("ended");
    let err = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert!(err.starts_with("interrupted after ") && err.ends_with("the same command goes on from there\n"), "{err}");
    assert!(kept());
}

#[test]
fn each_command_points_to_the_other_one() {
    let folder = TempDir::new().expect("a folder");
    let (script, workload) = (file(&folder, "script.toml", GOOD), file(&folder, "workload.toml", WORKLOAD));
    let (status, out, err) = check(&[&workload]);
    assert_eq!((status, last_line(&out)), (2, "0 passed, 0 failed"));
    assert!(err.contains("yardmaster-sim run ") && err.contains("workload.toml"), "{err}");
    let (status, _, err) = run(&["run".as_ref(), script.as_os_str()]);
    assert_eq!(status, 2);
    assert!(err.contains("yardmaster-sim check ") && err.contains("script.toml"), "{err}");
}

#[test]
fn misspelt_words_are_guessed() {
    let status = |word: &str| GOOD.replace("name = \"host1\"", &format!("name = \"host1\"\nstatus = \"{word}\""));
    bad("status.toml", &status("Redy"), &["did you mean \"Ready\"?"]);
    bad("action.toml", &GOOD.replace("submit =", "sumbit ="), &["did you mean \"submit\"?"]);
}

#[test]
fn nobody_need_read_all_of_the_output() {
    let folder = TempDir::new().expect("a folder");
    let scenario = file(&folder, "small.toml", WORKLOAD);
    let script = file(&folder, "good.toml", GOOD);
    let run =
        ["run".as_ref(), scenario.as_os_str(), "--no-plots".as_ref(), "--out".as_ref(), folder.path().as_os_str()];
    for arguments in [&run[..], &["check".as_ref(), "--trace".as_ref(), script.as_os_str()]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("yardmaster-sim"));
        let child = command.args(arguments).stdout(writer).stderr(std::process::Stdio::piped()).spawn();
        let output = child.expect("started").wait_with_output().expect("ended");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !err.contains("panicked"), "{err}");
    }
}
