//! Mistakes in workload scenarios and traces are answered with file, line, key and, where there is one, a suggestion;
//! and whatever stands in a file, reading it does not panic.

use std::fs;
use std::io::Write;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;
use yardmaster_sim::workload::load;

/// A valid scenario, of which each test spoils a part.
const SCENARIO: &str = r#"name = "small"

[lab]
from_trace = true
host_labels = ["site"]

[lab.availability]
silence_hours = 10

[workload.trace]
file = "trace.csv"
priorities = { high = 60, low = 20 }
pinned = { column = "class", values = ["check"] }
skip = [{ column = "id", values = ["13"] }]

[workload.trace.columns]
submit = "submit"
start = "start"
end = "end"
host = "board"
host_type = "type"
class = "class"
priority = "prio"
outcome = "verdict"
id = "id"

[workload.background]
share = 0.5
like = { column = "class", values = ["ci"] }

[[host]]
name = "spare[1-2]"
labels = ["type:spare"]

[[workload.generate]]
name = "more"
count = 5
arrivals = { bursts = { per_hour = 1, size = { uniform = [1, 3] } } }
[[workload.generate.mix]]
profile = "suite"
hostless = true
suite = { child = "boot", children = 3, min_duts = 1 }
[[workload.generate.mix]]
profile = "boot"
label = "type:spare"
runtime = { lognormal = { median = 60, p95 = 90 } }

[processes.test]
runtime = { empirical = { file = "trace.csv", column = "id" } }
kind.spare = { failure = 0.5 }

[[outage]]
kind = "spare"
hours_between = { exponential = { mean = 10 } }
hours_lasting = 1
"#;

const TRACE: &str = "\
submit,start,end,board,type,class,prio,verdict,site,id
1000,1010,1100,a-1,a,check,high,complete,north,1
1000,1020,1200,a-2,a,ci,low,incomplete,north,4
2000,2000,2060,a-1,a,ci,7,complete,north,9
2022-07-01T00:00:00Z,1656633700,1656633800.5,b-1,b,ci,low,complete,,13
";

const SWF: &str = "; UnixStartTime: 1000\n; MaxProcs: 4\n\
1 0 5 60 2 -1 -1 2 100 -1 1 1 1 1 1 1 -1 -1\n2 10 -1 -1 -1 -1 -1 4 -1 -1 5 -1 -1 -1 -1 -1 1 5\n";

const SWF_SCENARIO: &str = r#"name = "log"
lab = { from_trace = true }
[workload.trace]
file = "log.swf"
skip = [{ column = "status", values = ["0"] }]
[workload.trace.swf]
processors_per_host = 2
"#;

/// A directory with a scenario and its traces.
struct Files(TempDir);

impl Files {
    fn new(scenario: &[u8], trace: &[u8], swf: &[u8]) -> Files {
        let files = Files(tempfile::tempdir().expect("a temporary directory"));
        for (name, content) in [("lab.toml", scenario), ("trace.csv", trace), ("log.swf", swf)] {
            fs::write(files.0.path().join(name), content).expect("a file");
        }
        files
    }

    /// What reading says, without the directory's name.
    fn message(&self) -> String {
        match load(&self.0.path().join("lab.toml"), 1) {
            Ok(plan) => format!("{} jobs", plan.jobs.len()),
            Err(error) => error.to_string().replace(&format!("{}/", self.0.path().display()), ""),
        }
    }
}

/// Replaces a part of the scenario and compares the whole message.
#[track_caller]
fn check(part: &str, spoiled: &str, expected: &str) {
    assert!(SCENARIO.contains(part), "{part}");
    let files = Files::new(SCENARIO.replacen(part, spoiled, 1).as_bytes(), TRACE.as_bytes(), b"");
    assert_eq!(files.message(), expected);
}

/// The same with a part of the trace.
#[track_caller]
fn check_trace(part: &str, spoiled: &str, expected: &str) {
    assert!(TRACE.contains(part), "{part}");
    let files = Files::new(SCENARIO.as_bytes(), TRACE.replacen(part, spoiled, 1).as_bytes(), b"");
    assert_eq!(files.message(), expected);
}

#[track_caller]
fn check_swf(part: &str, spoiled: &str, expected: &str) {
    assert!(SWF.contains(part), "{part}");
    let files = Files::new(SWF_SCENARIO.as_bytes(), b"", SWF.replacen(part, spoiled, 1).as_bytes());
    assert_eq!(files.message(), expected);
}

#[test]
fn the_untouched_files_are_fine() {
    let files = Files::new(SCENARIO.as_bytes(), TRACE.as_bytes(), b"");
    let plan = load(&files.0.path().join("lab.toml"), 1).expect("a valid scenario");
    assert_eq!(plan.jobs.iter().filter(|job| &*job.workload == "trace").count(), 3);
    assert_eq!(plan.jobs.iter().filter(|job| &*job.workload == "more" && job.parent.is_none()).count(), 5);
    check_swf("MaxProcs", "MaxProcs", "2 jobs");
}

#[test]
fn mistyped_keys_are_named_with_a_suggestion() {
    let expected = "expected one of `from_trace`, `pool`, `host_labels`, `protection`, `availability`";
    check(
        "from_trace = true",
        "from_trac = true",
        &format!("lab.toml:4: lab.from_trac: unknown field `from_trac`, {expected}; did you mean \"from_trace\"?"),
    );
}

#[test]
fn mistakes_in_a_scenario_name_line_and_key() {
    check(
        "[workload.background]",
        "[workload.job]\nreboot_after = \"never\"\n[workload.background]",
        "lab.toml:28: workload.job.reboot_after: unknown reboot_after \"never\": \
         expected one of Never, If all tests passed, Always; did you mean \"Never\"?",
    );
    check(
        "{ lognormal =",
        "{ lognorml =",
        "lab.toml:46: workload.generate[0].mix[1].runtime.lognorml: unknown variant `lognorml`, expected one of `constant`, \
         `uniform`, `exponential`, `lognormal`, `weibull`, `empirical`, `quantiles`; did you mean \"lognormal\"?",
    );
    check("name = \"small\"", "", "lab.toml:1: missing field `name`");
    check("[lab]", "[lab", "lab.toml:3: unclosed table, expected `]`");
    check(
        "submit = \"submit\"",
        "submit = \"submitt\"",
        "lab.toml:17: workload.trace.columns.submit: no column \"submitt\" in trace.csv; did you mean \"submit\"?",
    );
    check(
        "column = \"class\", values = [\"check\"]",
        "column = \"clas\", values = []",
        "lab.toml:13: workload.trace.pinned.column: no column \"clas\" in trace.csv; did you mean \"class\"?",
    );
    check(
        "file = \"trace.csv\"",
        "file = \"tracee.csv\"",
        "lab.toml:11: workload.trace.file: cannot read tracee.csv: No such file or directory (os error 2)",
    );
    check(
        "label = \"type:spare\"",
        "label = \"type:spaer\"",
        "lab.toml:45: workload.generate[0].mix[1].label: no host of the lab has label \"type:spaer\"; \
         did you mean \"type:spare\"?",
    );
    check(
        "child = \"boot\"",
        "child = \"bot\"",
        "lab.toml:42: workload.generate[0].mix[0].suite.child: the mix has no job type \"bot\"; did you mean \"boot\"?",
    );
    check(
        "p95 = 90",
        "p95 = 9",
        "lab.toml:46: workload.generate[0].mix[1].runtime.lognormal.p95: must not be below the median, 60; it is 9",
    );
    check(
        "kind.spare = { failure = 0.5 }",
        "kind.spore = { failure = 0.5 }",
        "lab.toml:50: processes.test.kind.spore: no host is of kind \"spore\"; did you mean \"spare\"?",
    );
    check(
        "failure = 0.5",
        "failure = 5",
        "lab.toml:50: processes.test.kind.spare.failure: must be a chance within 0 and 1, not 5",
    );
    check(
        "name = \"spare[1-2]\"",
        "name = \"spare[1-2\"",
        "lab.toml:32: host[0].name: unbalanced brackets in \"spare[1-2\"",
    );
    check(
        "silence_hours = 10",
        "silence_hours = 0",
        "lab.toml:8: lab.availability.silence_hours: must be > 0 and at most 1,000,000",
    );
    check(
        "count = 5",
        "",
        "lab.toml:35: workload.generate[0]: needs hours or count (or the scenario an end): when do its jobs stop?",
    );
    check("share = 0.5", "share = [1]", "lab.toml:28: workload.background.share: invalid type: sequence, expected f64");
    check("share = 0.5", "share = 1\nshare = 1", "lab.toml:29: duplicate key");
}

#[test]
fn requests_that_no_host_can_serve_are_refused() {
    let dependent = |labels: &str| format!("label = \"type:spare\"\njob = {{ labels = {labels} }}");
    check(
        "label = \"type:spare\"",
        &dependent("[\"site:noth\"]"),
        "lab.toml:45: workload.generate[0].mix[1].label: no host of the lab has label \"site:noth\"; \
         did you mean \"site:north\"?",
    );
    check(
        "label = \"type:spare\"",
        &dependent("[\"site:north\"]"),
        "lab.toml:45: workload.generate[0].mix[1].label: asks for 1 host(s) with type:spare, site:north; the lab has 0",
    );
    check(
        "label = \"type:spare\"",
        "label = \"type:spare\"\ncount = 3",
        "lab.toml:45: workload.generate[0].mix[1].label: asks for 3 host(s) with type:spare; the lab has 2",
    );
    // What a host can be provisioned for, it need not have.
    let provisioned = SCENARIO.replacen("label = \"type:spare\"", &dependent("[\"cros-version:R1\"]"), 1);
    let files = Files::new(provisioned.as_bytes(), TRACE.as_bytes(), b"");
    assert!(files.message().ends_with(" jobs"), "{}", files.message());
}

#[test]
fn mistakes_in_a_trace_name_line_and_column() {
    check_trace("1010", "soon", "trace.csv:2: start: \"soon\" is neither Unix seconds nor a date and time");
    check_trace("1020", "999", "trace.csv:3: start: \"999\" lies before the submission");
    check_trace("1200", "1019", "trace.csv:3: end: \"1019\" lies before the start");
    check_trace(
        "1200",
        "99999999999999999",
        "trace.csv:3: end: \"99999999999999999\" is neither Unix seconds nor a date and time",
    );
    check_trace(
        "high",
        "hgih",
        "trace.csv:2: prio: priority \"hgih\" is neither a number nor in workload.trace.priorities; \
         did you mean \"high\"?",
    );
    check_trace("north,4", "north,four", "trace.csv:3: id: \"four\" is no whole number");
    check_trace("north,9", "north", "trace.csv:4: row: the row has 9 fields, the header has 10");
    check_trace("submit,", "queued,", "lab.toml:17: workload.trace.columns.submit: no column \"submit\" in trace.csv");
}

#[test]
fn mistakes_in_a_log_name_line_and_field() {
    check_swf("0 5 60", "0 5 x", "log.swf:3: runtime: \"x\" is no number");
    check_swf(" 1 5\n", " 1\n", "log.swf:4: think_time: the line ends before this field");
    check_swf("-1 -1\n", "-1 -1 7\n", "log.swf:3: row: the line goes on after its 18 fields");
    check_swf("4 -1 -1 5", "9 -1 -1 5", "log.swf:4: label: asks for 5 host(s) with pool:swf; the lab has 2");
}

/// A text with some bytes replaced, left out or repeated.
fn mutated(text: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), 0..4_u8, any::<u8>(), 0..40_usize);
    prop::collection::vec(change, 1..6).prop_map(move |changes| {
        let mut bytes = text.as_bytes().to_vec();
        for (at, how, byte, length) in changes {
            let at = at.index(bytes.len().max(1)).min(bytes.len());
            let end = (at + length).min(bytes.len());
            match how {
                0 => drop(bytes.drain(at..end)),
                1 => bytes.insert(at, byte),
                2 => bytes.insert(at, b"0123456789-.,\"[]{}=\n"[byte as usize % 20]),
                _ => bytes.splice(at..at, bytes[at..end].to_vec()).for_each(drop),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_scenario_panics(scenario in mutated(SCENARIO)) {
        Files::new(&scenario, TRACE.as_bytes(), SWF.as_bytes()).message();
    }

    #[test]
    fn no_trace_panics(trace in mutated(TRACE)) {
        Files::new(SCENARIO.as_bytes(), &trace, b"").message();
    }

    #[test]
    fn no_log_panics(log in mutated(SWF)) {
        Files::new(SWF_SCENARIO.as_bytes(), b"", &log).message();
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), gzipped in any::<bool>()) {
        let mut file = if gzipped { vec![0x1f, 0x8b, 8] } else { Vec::new() };
        file.write_all(&bytes).expect("memory");
        Files::new(SCENARIO.as_bytes(), &file, b"").message();
        Files::new(SWF_SCENARIO.as_bytes(), b"", &file).message();
        Files::new(&file, b"", b"").message();
    }
}

#[test]
fn a_missing_scenario_is_an_error() {
    let error = load(Path::new("nowhere/lab.toml"), 1).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("nowhere/lab.toml: No such file or directory (os error 2)"));
}
