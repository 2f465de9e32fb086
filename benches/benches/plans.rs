//! What plans cost as they grow: with their points, with their replications and with their days.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use yardmaster_benches::{Differ, PlanSize, run_plan};

const SMALL: PlanSize = PlanSize { points: 4, replications: 4, days: 6, differ: Differ::InEverything };

fn plans(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plans");
    group.sample_size(10);
    let sizes = [
        ("small", SMALL),
        ("4 × the points", PlanSize { points: 16, ..SMALL }),
        ("4 × the replications", PlanSize { replications: 16, ..SMALL }),
        ("4 × the days", PlanSize { days: 30, ..SMALL }),
    ];
    for (name, size) in sizes {
        group.throughput(Throughput::Elements(u64::from(run_plan(size))));
        group.bench_with_input(BenchmarkId::from_parameter(name), &size, |bencher, size| {
            bencher.iter(|| run_plan(*size));
        });
    }
    group.finish();
}

criterion_group!(benches, plans);
criterion_main!(benches);
