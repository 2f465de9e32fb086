//! A machine to type commands on.

use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// A user's machine: a home of its own, nothing else in the environment.
pub(crate) struct Machine {
    pub(crate) home: TempDir,
}

/// Exit status, standard output and standard error.
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Machine {
    pub(crate) fn new() -> Machine {
        Machine { home: TempDir::new().expect("a folder") }
    }

    /// With tables, user alice, platform eve and hosts dut01 to dut04.
    pub(crate) fn with_lab() -> Machine {
        let machine = Machine::new();
        machine.ok("db migrate");
        machine.ok("user add alice");
        machine.ok("label add eve --platform");
        machine.ok("host add dut[01-04] --label eve");
        machine
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("yardmaster"));
        command.env_clear().env("HOME", self.home.path()).env("USER", "alice").env("TZ", "UTC");
        command.current_dir(self.home.path());
        command
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        fs::write(&path, text).expect("written");
        path
    }

    /// Runs a command line; arguments are separated by blanks.
    pub(crate) fn run(&self, line: &str) -> Ran {
        self.run_with(line, |_| {})
    }

    pub(crate) fn run_with(&self, line: &str, change: impl FnOnce(&mut Command)) -> Ran {
        let mut command = self.command();
        command.args(line.split_whitespace());
        change(&mut command);
        let output = command.output().expect("started");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let status = output.status.code().unwrap_or_else(|| panic!("{line}: {}", output.status));
        Ran { status, out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    pub(crate) fn ok(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{line}: {}", ran.out);
        ran.out
    }

    #[track_caller]
    pub(crate) fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(&format!("{line} --json"))).expect("JSON")
    }

    #[track_caller]
    pub(crate) fn fails(&self, line: &str, status: i32, parts: &[&str]) {
        let ran = self.run(line);
        assert_eq!(ran.status, status, "{line}: {}{}", ran.out, ran.err);
        for part in parts {
            assert!(ran.err.contains(part), "{line}: {:?} does not say {part:?}", ran.err);
        }
    }
}

/// The names of an object's fields.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}
