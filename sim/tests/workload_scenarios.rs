//! The scenario files that come with Yardmaster load, and say what their comments say.

use std::path::{Path, PathBuf};

use yardmaster_sim::workload::{Placement, Plan, load};

fn scenario(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name)
}

fn plan(name: &str) -> Plan {
    load(&scenario(name), 1).unwrap_or_else(|error| panic!("{error}"))
}

/// What holds for every plan, wherever it comes from.
fn validate(plan: &Plan) {
    let labelled =
        |label: &str| plan.hosts.iter().filter(|host| host.labels.iter().any(|known| &**known == label)).count();
    let mut enough = std::collections::BTreeMap::new();
    for (index, job) in plan.jobs.iter().enumerate() {
        assert!(job.submit >= plan.start);
        assert!(index == 0 || plan.jobs[index - 1].submit <= job.submit);
        if let Some(parent) = job.parent {
            assert!((parent as usize) < index);
            assert!(plan.jobs[parent as usize].parent.is_none());
        }
        match &job.placement {
            Placement::Hosts(hosts) => assert!(hosts.iter().all(|host| (*host as usize) < plan.hosts.len())),
            Placement::Any { count, label } => {
                let there = *enough.entry(label.clone()).or_insert_with(|| labelled(label));
                assert!(there >= *count as usize && job.synch_count <= *count);
            }
            Placement::Hostless => {}
        }
    }
    assert!(plan.outages.is_sorted_by_key(|outage| outage.time));
    let mut out = std::collections::BTreeSet::new();
    for outage in &plan.outages {
        let changed = if outage.broken {
            out.insert((outage.host, outage.effect))
        } else {
            out.remove(&(outage.host, outage.effect))
        };
        assert!(changed, "{outage:?} begins twice or ends without a beginning");
    }
}

#[test]
fn every_scenario_loads() {
    for name in ["cip-fitted.toml", "cip-lab.toml", "kth-sp2.toml", "poisson-lab.toml", "push-bursts.toml"] {
        validate(&plan(name));
    }
}

#[test]
fn the_cip_lab_is_the_one_of_july_2022() {
    let plan = plan("cip-lab.toml");
    // 6,694 rows; two of them were canceled.
    assert_eq!((plan.hosts.len(), plan.jobs.len(), plan.drones.len()), (32, 6_692, 4));
    assert!(plan.unix_time && plan.jobs.iter().all(|job| job.recorded.is_some()));
    assert_eq!(plan.start.as_seconds(), 1_656_633_600);
    for job in &plan.jobs {
        let pinned = matches!(job.placement, Placement::Hosts(_));
        assert_eq!(pinned, &*job.class == "health");
    }
    let types: std::collections::BTreeSet<_> = plan.hosts.iter().map(|host| host.kind.clone()).collect();
    assert_eq!(types.len(), 11);
    let cases: std::collections::BTreeMap<i32, usize> = plan.jobs.iter().fold(Default::default(), |mut count, job| {
        *count.entry(job.priority).or_default() += 1;
        count
    });
    assert_eq!(cases.into_iter().collect::<Vec<_>>(), [(40, 4_823), (60, 1_869)]);
}

#[test]
fn the_kth_log_becomes_synchronous_jobs() {
    let plan = plan("kth-sp2.toml");
    assert_eq!((plan.hosts.len(), plan.jobs.len()), (100, 27_992));
    assert_eq!(plan.jobs.iter().map(|job| job.synch_count).max(), Some(100));
    assert!(
        plan.jobs
            .iter()
            .all(|job| job.placement == Placement::Any { count: job.synch_count, label: "pool:swf".into() })
    );
}

#[test]
fn a_seed_is_a_plan() {
    let jobs = |seed| load(&scenario("poisson-lab.toml"), seed).unwrap_or_else(|error| panic!("{error}")).jobs;
    assert!(jobs(1) == jobs(1));
    assert!(jobs(1) != jobs(2));
}
