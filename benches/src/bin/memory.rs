//! Prints how much memory the scheduler's working set takes, and a plan's replications, counted by the allocator.

use yardmaster_benches::{BusyLab, Differ, LabSize, PlanSize, run_plan};

#[global_allocator]
static ALLOCATOR: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

const HOSTS: u32 = 100_000;
const QUEUED: u32 = 1_000_000;

fn main() {
    let idle = memory_of(|| BusyLab::idle(HOSTS));
    println!("a host: {} bytes (to reach: 1 KB)", idle / HOSTS as usize);
    let busy = memory_of(|| BusyLab::new(LabSize { hosts: HOSTS, queued: 0 }));
    let at_work = busy.saturating_sub(idle) / HOSTS as usize;
    println!("what is at work on a host (job, entry, task, agent, process): {at_work} bytes");
    let full = memory_of(|| BusyLab::new(LabSize { hosts: HOSTS, queued: QUEUED }));
    let entry = full.saturating_sub(busy) / QUEUED as usize;
    println!("a queued entry, with its job: {entry} bytes (to reach: 600 bytes)");
    for replications in [32, 64, 128] {
        let peak = peak_of(PlanSize { points: 2, replications, days: 6, differ: Differ::InEverything });
        println!("a plan of {replications} replications: {:.1} MB at most", peak as f64 / 1e6);
    }
}

fn peak_of(size: PlanSize) -> usize {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    run_plan(size);
    ALLOCATOR.peak_usage() - before
}

fn memory_of(lab: impl FnOnce() -> BusyLab) -> usize {
    let before = ALLOCATOR.current_usage();
    let lab = lab();
    let memory = ALLOCATOR.current_usage() - before;
    drop(lab);
    memory
}
