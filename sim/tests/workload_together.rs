//! What happens together: bursts that several generators share, outages of many hosts, checks that every host gets.

use std::collections::BTreeSet;
use std::path::Path;

use yardmaster_engine::Time;
use yardmaster_sim::workload::{JobPlan, Placement, Plan, Scenario};

const LAB: &str = r#"
name = "together"
start = 2026-01-05
end = 2026-02-04
[[host]]
name = "arm[1-4]"
labels = ["type:arm", "site:north"]
[[host]]
name = "x86-[1-4]"
labels = ["type:x86", "site:north"]
[[host]]
name = "x86-[5-6]"
labels = ["type:x86", "site:south"]
"#;

const CHECKS: &str = r#"
[[workload.generate]]
name = "checks"
arrivals = { every = { minutes = { uniform = [350, 370] } } }
only_in_service = true
[[workload.generate.mix]]
profile = "check-arm"
each_host_of_kind = "arm"
[[workload.generate.mix]]
profile = "check-x86"
each_host_of_kind = "x86"
"#;

const PUSHES: &str = r#"
[[workload.bursts]]
name = "pushes"
per_hour = 0.4
[[workload.generate]]
name = "arm"
arrivals = { on = { bursts = "pushes", chance = 0.5, size = { uniform = [2, 10] }, spread_sec = { uniform = [0, 60] } } }
mix = [{ profile = "boot", label = "type:arm" }]
[[workload.generate]]
name = "x86"
arrivals = { on = { bursts = "pushes", size = 3, delay_sec = 120 } }
mix = [{ profile = "boot", label = "type:x86" }]
"#;

fn scenario(more: &str) -> Result<Scenario, String> {
    let table: toml::Table = format!("{LAB}{more}").parse().expect("a table");
    Scenario::from_table(table, Path::new("lab.toml")).map_err(|error| error.to_string())
}

#[track_caller]
fn plan(more: &str) -> Plan {
    scenario(more).unwrap_or_else(|error| panic!("{error}")).plan(1).unwrap_or_else(|error| panic!("{error}"))
}

fn of<'a>(plan: &'a Plan, workload: &'a str) -> impl Iterator<Item = &'a JobPlan> {
    plan.jobs.iter().filter(move |job| &*job.workload == workload)
}

/// Whether the plan has this host out at this moment.
fn is_out(plan: &Plan, host: u32, at: Time) -> bool {
    let mut last = plan.outages.iter().filter(|outage| outage.host == host && outage.time <= at).collect::<Vec<_>>();
    last.pop().is_some_and(|outage| outage.broken)
}

#[test]
fn parts_of_a_burst_come_at_the_same_time() {
    let plan = plan(PUSHES);
    let pushes: BTreeSet<i64> = of(&plan, "x86").map(|job| job.submit.0 - 120_000_000).collect();
    // 720 hours of 0.4 pushes; of each, three jobs.
    assert!((235..345).contains(&pushes.len()), "{}", pushes.len());
    assert_eq!(of(&plan, "x86").count(), 3 * pushes.len());
    let mut met = BTreeSet::new();
    for job in of(&plan, "arm") {
        let push = pushes.range(..=job.submit.0).next_back().expect("a push before");
        assert!(job.submit.0 - push <= 60_000_000);
        met.insert(push);
    }
    let share = met.len() as f64 / pushes.len() as f64;
    assert!((0.38..0.62).contains(&share), "{share}");
}

#[test]
fn a_generator_more_moves_no_other() {
    let more = "[[workload.generate]]\nname = \"late\"\nfrom = 2026-01-20\nmix = [{ profile = \"boot\", hostless = true }]\n\
                arrivals = { on = { bursts = \"pushes\", size = 1 } }\n";
    let (few, many) = (plan(PUSHES), plan(&format!("{PUSHES}{more}")));
    for workload in ["arm", "x86"] {
        assert!(of(&few, workload).eq(of(&many, workload)), "{workload}");
    }
    let start = many.jobs[0].submit;
    assert!(of(&many, "late").all(|job| (job.submit - start).as_seconds_f64() > 14.0 * 86_400.0));
}

#[test]
fn every_host_gets_checks_of_its_own() {
    let plan = plan(CHECKS);
    for host in 0..10 {
        let profile = if host < 4 { "check-arm" } else { "check-x86" };
        let checks: Vec<_> = plan.jobs.iter().filter(|job| job.placement == Placement::Hosts(vec![host])).collect();
        // 720 hours, a check every six.
        assert!((115..=125).contains(&checks.len()), "{}", checks.len());
        assert!(checks.iter().all(|job| &*job.profile == profile));
        for pair in checks.windows(2) {
            let minutes = (pair[1].submit - pair[0].submit).as_seconds_f64() / 60.0;
            assert!((350.0..=370.0).contains(&minutes), "{minutes}");
        }
    }
    let first: BTreeSet<_> = plan.jobs.iter().take(10).map(|job| job.submit).collect();
    assert!(first.len() == 10, "hosts are checked at different times");
}

#[test]
fn nobody_checks_a_host_that_is_away_and_everybody_one_that_is_back() {
    let outage = "[[outage]]\nlabel = \"site:north\"\ntogether = true\neffect = \"offline\"\n\
                  hours_between = { exponential = { mean = 100 } }\nhours_lasting = { uniform = [5, 50] }\n";
    let plan = plan(&format!("{CHECKS}{outage}"));
    assert!(plan.jobs.iter().all(|job| match &job.placement {
        Placement::Hosts(hosts) => !is_out(&plan, hosts[0], job.submit),
        Placement::Any { .. } | Placement::Hostless => false,
    }));
    let returns: Vec<_> = plan.outages.iter().filter(|outage| !outage.broken).collect();
    assert!(returns.len() > 8);
    for back in returns {
        let checked = |job: &&JobPlan| job.submit == back.time && job.placement == Placement::Hosts(vec![back.host]);
        assert_eq!(plan.jobs.iter().filter(checked).count(), 1);
    }
    // All eight hosts of the site at once, and no other.
    for times in plan.outages.chunks(8) {
        assert!(times.iter().all(|outage| outage.time == times[0].time && outage.host < 8));
    }
}

#[test]
fn a_share_of_the_hosts_is_hit() {
    let outage = "[[outage]]\ntogether = true\nshare = 0.3\nhours_between = 5\nhours_lasting = 1\n";
    let plan = plan(&format!("{PUSHES}{outage}"));
    let begins: Vec<_> = plan.outages.iter().filter(|outage| outage.broken).collect();
    // 720 hours, an outage every six, three of ten hosts.
    assert!((290..430).contains(&begins.len()), "{}", begins.len());
    let moments: BTreeSet<_> = begins.iter().map(|outage| outage.time).collect();
    assert!((105..=120).contains(&moments.len()), "{}", moments.len());
}

#[test]
fn weekly_outages_begin_at_their_hour_of_the_week() {
    let outage = "[[outage]]\nlabel = \"site:south\"\ntogether = true\neffect = \"offline\"\n\
                  weekly = [[119.5, 60], [31, 4.5]]\nonce_in_weeks = 1\n";
    // The scenario begins on a Monday at midnight, and lasts 30 days.
    let plan = plan(&format!("{PUSHES}{outage}"));
    let hours = |broken| {
        let of_one = plan.outages.iter().filter(|outage| outage.host == 8 && outage.broken == broken);
        of_one.map(|outage| (outage.time - plan.start).as_seconds_f64() / 3600.0).collect::<Vec<f64>>()
    };
    // The Friday before it reaches into it: until Monday at 11:30.
    assert_eq!(hours(true), [0.0, 31.0, 119.5, 199.0, 287.5, 367.0, 455.5, 535.0, 623.5, 703.0]);
    assert_eq!(hours(false), [11.5, 35.5, 179.5, 203.5, 347.5, 371.5, 515.5, 539.5, 683.5, 707.5]);
    let rare = outage.replace("once_in_weeks = 1", "once_in_weeks = 1000");
    let scenario = scenario(&format!("{PUSHES}{rare}")).expect("a scenario");
    assert!(scenario.plan(1).expect("a plan").outages.len() <= 4);
}

#[test]
fn arrivals_may_be_several_at_once_and_children_of_several_types() {
    let suites = r#"
[[workload.generate]]
name = "suites"
arrivals = [{ every = { minutes = 60 } }, { every = { minutes = 120 } }]
[[workload.generate.mix]]
profile = "suite"
hostless = true
suite = { child = { boot = 3, login = 1 }, children = 10 }
[[workload.generate.mix]]
profile = "boot"
weight = 0
label = "type:arm"
[[workload.generate.mix]]
profile = "login"
weight = 0
label = "type:arm"
"#;
    let plan = plan(suites);
    let count = |profile: &str| plan.jobs.iter().filter(|job| &*job.profile == profile).count();
    // 720 hours.
    assert_eq!((count("suite"), count("boot") + count("login")), (720 + 360, 10_800));
    let share = count("login") as f64 / 10_800.0;
    assert!((0.235..0.265).contains(&share), "{share}");
    let error = |right: &str| scenario(&suites.replace("login = 1", right)).err().expect("a mistake");
    assert!(error("logn = 1").contains("did you mean \"login\""), "{}", error("logn = 1"));
    assert!(error("login = -1").contains("suite.child"));
    assert!(scenario(&suites.replace("minutes = 120", "minuts = 120")).is_err_and(|error| error.contains("arrivals")));
}

#[test]
fn mistakes_are_named() {
    #[track_caller]
    fn check(text: &str, wrong: &str, right: &str) {
        assert!(text.contains(wrong), "{wrong}");
        let error = scenario(&text.replacen(wrong, right, 1)).err().unwrap_or_else(|| panic!("{right} is accepted"));
        names(&error, right);
    }
    #[track_caller]
    fn names(error: &str, right: &str) {
        let key = right.split(" = ").next().unwrap_or_default().trim_start_matches("[[outage]]\n");
        assert!(error.contains(key), "{error:?} does not name {key:?}");
    }
    check(PUSHES, "bursts = \"pushes\", size", "bursts = \"pushed\", size");
    check(PUSHES, "chance = 0.5", "chance = 1.5");
    check(PUSHES, "per_hour = 0.4", "per_hour = [1, 2]");
    check(PUSHES, "per_hour = 0.4", "per_hour = \"often\"");
    check(PUSHES, "delay_sec = 120", "delay_sec = -1");
    check(CHECKS, "each_host_of_kind = \"arm\"", "each_host_of_kind = \"amr\"");
    check(CHECKS, "minutes = { uniform = [350, 370] }", "minutes = 0");
    let outages =
        format!("{PUSHES}[[outage]]\nshare = 0.5\nlabel = \"site:north\"\nhours_between = 5\nhours_lasting = 1\n");
    check(&outages, "share = 0.5", "share = 2");
    check(&outages, "label = \"site:north\"", "label = \"site:nort\"");
    let weekly = format!("{PUSHES}[[outage]]\nweekly = [[5, 3]]\nonce_in_weeks = 2\n");
    check(&weekly, "weekly = [[5, 3]]", "weekly = [[168, 3]]");
    check(&weekly, "once_in_weeks = 2", "once_in_weeks = 0.5");
    let careful = PUSHES.replace("name = \"arm\"", "name = \"arm\"\nonly_in_service = true");
    assert!(scenario(&careful).is_err_and(|error| error.contains("only_in_service")));
    let doubled = format!("{PUSHES}[[workload.bursts]]\nname = \"pushes\"\nper_hour = 1\n");
    assert!(scenario(&doubled).is_err_and(|error| error.contains("workload.bursts[1].name")));
}
