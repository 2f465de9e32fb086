//! Plans of any size: so many points, replications and days of the month.

use yardmaster_sim::planning::{Carried, Carrying, Study, carry_out};

use super::month::month_file;

/// How much a plan asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanSize {
    /// Plans that are tried: values of one setting.
    pub points: u32,
    /// Replications of each of them, neither more nor fewer.
    pub replications: u32,
    /// Days of which jobs count; one more comes before them and one after.
    pub days: u32,
}

/// Carries out a plan of this size on all processors, keeping nothing on disk. It also tries one more of each resource. Gives the
/// number of days that were simulated altogether.
pub fn run_plan(size: PlanSize) -> u32 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    month_file(folder.path());
    let file = folder.path().join("plan.toml");
    std::fs::write(&file, plan(size)).expect("room for a temporary file");
    let study = Study::read(&file).unwrap_or_else(|error| panic!("{error}"));
    match carry_out(&study, &Carrying::default(), &|_| {}) {
        Ok(Carried::Done(result)) => {
            let asked = result.points.iter().filter(|point| !result.is_probe(point)).count();
            assert_eq!(asked, size.points as usize, "points");
            result.replications as u32 * (size.days + 2)
        }
        Ok(Carried::Missing(parts)) => panic!("{} replications were not simulated", parts.len()),
        Err(error) => panic!("{error}"),
    }
}

fn plan(size: PlanSize) -> String {
    let PlanSize { points, replications, days } = size;
    // How things are is one of them.
    let values: Vec<String> = (1..points).map(|point| (100 + point).to_string()).collect();
    let values = values.join(", ");
    format!(
        r#"
name = "month"
about = "A benchmark."
scenario = "month.toml"
search = "grid"
[simulation]
days = {days}
warm_up_days = 1
drain_days = 1
replications = [{replications}, {replications}]
[[objective]]
start_within = 600
share = 0.95
each = "host_kind"
[[change]]
key = "settings.max_parse_processes"
values = [{values}]
"#
    )
}
