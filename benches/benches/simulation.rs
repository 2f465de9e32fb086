//! What a simulated lifecycle costs, beside a bare event queue; and what a plan's replication costs.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use yardmaster_benches::{LIFECYCLE_PROCESSES, lifecycle_plan, month, month_window, run_bare_events};
use yardmaster_sim::{attribute, measure, simulate};

const JOBS: u32 = 50_000;
const HOSTS: u32 = 1_000;

fn lifecycles(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lifecycles");
    group.sample_size(10).throughput(Throughput::Elements(u64::from(JOBS)));
    let plan = lifecycle_plan(JOBS, HOSTS);
    group.bench_function("simulated", |bencher| {
        bencher.iter(|| black_box(simulate(&plan, 1, |_| {}).expect("fake drones and stores do not fail")));
    });
    group.bench_function("bare event queue", |bencher| {
        bencher.iter(|| black_box(run_bare_events(JOBS, HOSTS, LIFECYCLE_PROCESSES)));
    });
    group.finish();
}

fn replications(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("replications of a month");
    let plan = month(1);
    group.sample_size(20).throughput(Throughput::Elements(plan.jobs.len() as u64));
    group.bench_function("drawn and measured", |bencher| {
        bencher.iter(|| {
            let plan = month(1);
            black_box(measure(&plan, month_window(&plan)).expect("fake drones and stores do not fail"))
        });
    });
    group.bench_function("measured", |bencher| {
        bencher.iter(|| black_box(measure(&plan, month_window(&plan)).expect("fake drones and stores do not fail")));
    });
    group.bench_function("measured, and waits attributed", |bencher| {
        bencher.iter(|| black_box(attribute(&plan, month_window(&plan)).expect("fake drones and stores do not fail")));
    });
    group.finish();
}

criterion_group!(benches, lifecycles, replications);
criterion_main!(benches);
