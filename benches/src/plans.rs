//! Plans of any size: so many points, replications and days of the month.

use yardmaster_sim::planning::{Carrying, Study, carry_out};

use super::month::month_file;

/// How much a plan asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanSize {
    /// Plans that are tried.
    pub points: u32,
    /// Replications of each of them, neither more nor fewer.
    pub replications: u32,
    /// Days of which jobs count; one more comes before them and one after.
    pub days: u32,
    /// In what they differ.
    pub differ: Differ,
}

/// In what the points of a plan differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Differ {
    /// In how many hosts there are of two kinds, up to ten numbers of the second.
    InHosts,
    /// In something on which every job depends.
    InEverything,
}

/// Carries out a plan of this size on all processors, keeping nothing on disk. It also tries one more of each resource. Gives the
/// number of days that are asked for altogether, those before and after included.
pub fn run_plan(size: PlanSize) -> u32 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    month_file(folder.path());
    let file = folder.path().join("plan.toml");
    std::fs::write(&file, plan(size)).expect("room for a temporary file");
    let study = Study::read(&file).unwrap_or_else(|error| panic!("{error}"));
    let result = carry_out(&study, &Carrying::default(), &|_| {}).unwrap_or_else(|error| panic!("{error}"));
    let asked = result.points.iter().filter(|point| !result.is_probe(point)).count();
    assert_eq!(asked, size.points as usize, "points");
    size.points * size.replications * (size.days + 2)
}

fn plan(size: PlanSize) -> String {
    let PlanSize { points, replications, days, differ } = size;
    let changes = match differ {
        Differ::InHosts => {
            let bob = points.min(10);
            let hosts = |kind: &str, numbers: u32| {
                format!("[[change]]\nhosts = \"{kind}\"\nadd = [0, {}]\ncost = 1\n", numbers - 1)
            };
            hosts("eve", points / bob) + &hosts("bob", bob)
        }
        Differ::InEverything => {
            // How things are, 900 seconds, is one of them.
            let values: Vec<String> = (1..points).map(|point| (900 + point).to_string()).collect();
            format!("[[change]]\nkey = \"processes.repair.runtime\"\nvalues = [{}]\n", values.join(", "))
        }
    };
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
{changes}"#
    )
}
