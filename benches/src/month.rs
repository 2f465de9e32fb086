//! A month of a lab, as a plan draws it once for every replication.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use yardmaster_engine::Span;
use yardmaster_sim::run::Window;
use yardmaster_sim::workload::{self, Plan};

/// Thirty hosts of three kinds; pushes that bring bursts of jobs, developers whose jobs go first, hosts that break.
const SCENARIO: &str = r#"
name = "month"
start = 2026-01-05
[settings]
minimum_tick_sec = 5
[[host]]
name = "eve[1-15]"
labels = ["board:eve"]
[[host]]
name = "bob[1-10]"
labels = ["board:bob"]
[[host]]
name = "kim[1-5]"
labels = ["board:kim"]
[[drone]]
name = "drone[1-4]"
max_processes = 12
[[workload.generate]]
name = "pushes"
hours = 720
arrivals = { bursts = { per_hour = 1.5, size = { uniform = [2, 10] }, spread_sec = { uniform = [0, 600] } } }
[[workload.generate.mix]]
profile = "boot"
label = "board:eve"
runtime = { lognormal = { median = 600, p95 = 2400 } }
failure = 0.05
[[workload.generate.mix]]
profile = "smoke"
weight = 0.6
label = "board:bob"
runtime = { lognormal = { median = 700, p95 = 2000 } }
failure = 0.05
[[workload.generate]]
name = "developers"
hours = 720
arrivals = { poisson = { per_hour = 5 } }
[[workload.generate.mix]]
profile = "try"
label = "board:kim"
runtime = { lognormal = { median = 400, p95 = 1500 } }
failure = 0.1
job = { priority = 60 }
[[workload.generate.mix]]
profile = "try"
label = "board:eve"
runtime = { lognormal = { median = 400, p95 = 1500 } }
failure = 0.1
job = { priority = 60 }
[processes.reset]
runtime = { lognormal = { median = 90, p95 = 240 } }
failure = 0.03
[processes.repair]
runtime = 900
failure = 0.1
[[outage]]
hours_between = { exponential = { mean = 300 } }
hours_lasting = { exponential = { mean = 6 } }
"#;

/// The month, drawn with this seed.
pub fn month(seed: u64) -> Plan {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a temporary folder"));
    workload::load(&month_file(folder.path()), seed).unwrap_or_else(|error| panic!("{error}"))
}

/// Writes the month's scenario into this folder: its path.
pub(crate) fn month_file(folder: &Path) -> PathBuf {
    let file = folder.join("month.toml");
    std::fs::write(&file, SCENARIO).expect("room for a temporary file");
    file
}

/// All of the month but its first day, in which the lab fills.
pub fn month_window(plan: &Plan) -> Window {
    Window { from: plan.start + Span::from_hours(24), to: plan.start + Span::from_hours(720) }
}
