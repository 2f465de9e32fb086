//! The first run, as a newcomer has it: `cargo run` has built the main program and nothing else.

use std::fs;
use std::process::Command;

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
