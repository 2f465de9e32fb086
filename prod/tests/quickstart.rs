//! The first run, as a newcomer has it: `cargo run` has built the main program and nothing else.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

#[test]
fn the_first_run_needs_the_main_program_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("yardmaster");
    let built = env!("CARGO_BIN_EXE_yardmaster");
    fs::hard_link(built, &program).or_else(|_| fs::copy(built, &program).map(drop)).expect("the program");
    let lab = folder.path().join("lab");
    let output = Command::new(&program)
        .args(["quickstart", "--json", "--hosts", "6", "--jobs", "8", "--keep"])
        .arg(&lab)
        .env_remove("YARDMASTER_CONFIG")
        .output()
        .expect("it runs");
    let log = || fs::read_to_string(lab.join("serve.log")).unwrap_or_default();
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), log());
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    // One of its eight jobs is for two hosts, and one has a test that fails.
    assert_eq!(summary["entries"]["Completed"], 8, "{summary}");
    assert_eq!(summary["entries"]["Failed"], 1, "{summary}");
    assert_eq!(summary["ran_twice"], serde_json::json!([]), "{summary}");
    for kind in ["Verify", "Reset", "Cleanup"] {
        assert!(summary["tasks"][kind][0].as_u64() > Some(0), "no {kind} in {summary}");
    }
    assert!(summary["processes"].as_u64() > Some(20), "{summary}");
}

/// Pids of processes whose command line names a folder.
fn processes_of(folder: &Path) -> Vec<i32> {
    let name = folder.to_string_lossy().into_owned();
    let pids = fs::read_dir("/proc").expect("a process table").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let names_it = |pid: &i32| {
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(&name))
    };
    pids.filter(names_it).collect()
}

#[test]
fn a_signal_ends_all_of_it() {
    let folder = tempfile::tempdir().expect("a directory");
    let lab = folder.path().join("lab");
    let mut child = Command::new(env!("CARGO_BIN_EXE_yardmaster"))
        .args(["quickstart", "--hosts", "4", "--jobs", "1000", "--keep"])
        .arg(&lab)
        .env_remove("YARDMASTER_CONFIG")
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let began = SystemTime::now();
    let patience = |what: &str| {
        assert!(began.elapsed().unwrap_or_default() < Duration::from_secs(120), "not seen: {what}");
        std::thread::sleep(Duration::from_millis(50));
    };
    while !fs::read_to_string(lab.join("serve.log")).is_ok_and(|log| log.contains("scheduling")) {
        patience("the service at work");
    }
    let pid = Pid::from_raw(child.id().cast_signed()).expect("a pid");
    kill_process(pid, Signal::TERM).expect("it is there");
    while child.try_wait().expect("a child").is_none() {
        patience("its end");
    }
    // What is left are tests, which end by themselves.
    let is_service = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == b"serve")
    };
    while processes_of(&lab).iter().any(is_service) {
        patience("the end of the service and its agent");
    }
}
