//! What a tick costs.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use yardmaster_benches::{BusyLab, LabSize, placement_problem};
use yardmaster_engine::TickInput;

fn busy_ticks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("busy tick");
    group.sample_size(20);
    let mut lab = BusyLab::new(LabSize { hosts: 10_000, queued: 30_000 });
    group.bench_function("10,000 hosts, 30,000 queued, a tenth of the processes ends", |bencher| {
        bencher.iter_custom(|ticks| (0..ticks).map(|_| lab.tick(lab.processes() / 10)).sum::<Duration>());
    });
    for (hosts, queued) in [(1_000, 5_000), (100_000, 1_000_000)] {
        let mut lab = BusyLab::new(LabSize { hosts, queued });
        group.bench_function(format!("{hosts} hosts, {queued} queued, 100 processes end"), |bencher| {
            bencher.iter_custom(|ticks| (0..ticks).map(|_| lab.tick(100)).sum::<Duration>());
        });
    }
    group.finish();
}

fn idle_tick(criterion: &mut Criterion) {
    let mut lab = BusyLab::new(LabSize { hosts: 100_000, queued: 1_000_000 });
    for _ in 0..5 {
        lab.tick(0);
    }
    criterion.bench_function("idle tick, 100,000 hosts, 1,000,000 queued", |bencher| {
        bencher.iter_custom(|ticks| (0..ticks).map(|_| lab.tick(0)).sum::<Duration>());
    });
}

fn first_placement(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("first placement");
    group.sample_size(10);
    let problem = placement_problem(5_000, 100_000);
    group.bench_function("5,000 idle hosts, 100,000 jobs", |bencher| {
        bencher.iter_batched(
            || problem.clone(),
            |(mut core, now, input): (_, _, TickInput)| {
                let output = core.tick(now, input);
                black_box(&output);
                // Handed back, so that taking the lab down is not measured.
                (core, output)
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, busy_ticks, idle_tick, first_placement);
criterion_main!(benches);
