//! Prints the README's table of figures: each beside what it is to reach. With arguments, only those sections: `busy`,
//! `scale`, `placement`, `simulation`, `replication`, `plans`, `year`. Memory is measured by `--bin memory`, since counting bytes costs time.

use std::path::Path;
use std::time::{Duration, SystemTime};

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use cpu_time::{ProcessTime, ThreadTime};
use yardmaster_benches::{
    BusyLab, Differ, LIFECYCLE_PROCESSES, LabSize, PlanSize, lifecycle_plan, month, month_window, placement_problem,
    run_bare_events, run_plan,
};
use yardmaster_sim::{attribute, measure, output, simulate, workload};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Row<'a> = dyn FnMut(&str, String, &str) + 'a;

/// Measures a group of figures.
type Measure = fn(&mut Row<'_>) -> anyhow::Result<()>;

/// Groups of figures, each with the name by which it can be asked for alone.
const SECTIONS: &[(&str, Measure)] = &[
    ("busy", measure_busy_ticks),
    ("scale", measure_scale),
    ("placement", measure_placement),
    ("simulation", measure_simulations),
    ("replication", measure_replication),
    ("plans", measure_plans),
    ("year", measure_year),
];

fn main() -> anyhow::Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_header(["figure", "measured", "to reach"]);
    for (_, measure) in
        SECTIONS.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name))
    {
        measure(&mut |figure, measured, goal| {
            eprintln!("{figure}: {measured}");
            table.add_row([figure.to_owned(), measured, goal.to_owned()]);
        })?;
    }
    table.column_mut(1).into_iter().for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    println!("{table}");
    Ok(())
}

fn measure_busy_ticks(row: &mut Row<'_>) -> anyhow::Result<()> {
    let mut lab = BusyLab::new(LabSize { hosts: 10_000, queued: 30_000 });
    let processes = lab.processes();
    let ticks = sorted((0..300).map(|_| lab.tick(lab.processes() / 10)).collect());
    let figure = format!("busy tick, 10,000 hosts, 30,000 queued, {processes} processes, a tenth ends: p50 (p99)");
    row(&figure, format!("{} ({})", show(ticks[150]), show(ticks[297])), "3 ms (10 ms: a defect)");
    Ok(())
}

fn measure_scale(row: &mut Row<'_>) -> anyhow::Result<()> {
    let mut lab = BusyLab::new(LabSize { hosts: 1_000, queued: 5_000 });
    let small = median((0..300).map(|_| lab.tick(100)).collect());
    drop(lab);
    row("100 processes end, 1,000 hosts, 5,000 queued: p50", show(small), "");
    let mut lab = BusyLab::new(LabSize { hosts: 100_000, queued: 1_000_000 });
    let large = median((0..300).map(|_| lab.tick(100)).collect());
    let ratio = large.as_secs_f64() / small.as_secs_f64();
    row("the same, 100,000 hosts, 1,000,000 queued: p50", format!("{} ({})", show(large), times(ratio)), "2 ×");
    for _ in 0..10 {
        lab.tick(0);
    }
    let idle = median((0..300).map(|_| lab.tick(0)).collect());
    row("tick in which nothing happens, same lab: p50", show(idle), "10 µs");
    Ok(())
}

fn measure_placement(row: &mut Row<'_>) -> anyhow::Result<()> {
    let problem = placement_problem(5_000, 100_000);
    let placement = median((0..9).map(|_| place(problem.clone())).collect());
    row("first pass over 5,000 idle hosts and 100,000 jobs", show(placement), "30 ms");
    Ok(())
}

fn measure_simulations(row: &mut Row<'_>) -> anyhow::Result<()> {
    let (jobs, hosts) = (200_000, 1_000);
    let plan = lifecycle_plan(jobs, hosts);
    let start = ThreadTime::now();
    simulate(&plan, 1, |_| {})?;
    let rate = f64::from(jobs) / start.elapsed().as_secs_f64();
    row("simulated lifecycles a second", format!("{rate:.0}"), "100,000 (50,000: a defect)");
    let start = ThreadTime::now();
    std::hint::black_box(run_bare_events(jobs, hosts, LIFECYCLE_PROCESSES));
    let bare = f64::from(jobs) / start.elapsed().as_secs_f64();
    row("a bare event queue, as many events: lifecycles a second", format!("{bare:.0}"), "");
    Ok(())
}

fn measure_replication(row: &mut Row<'_>) -> anyhow::Result<()> {
    let mut jobs = 0;
    let mut costs = [const { Vec::new() }; 3];
    for seed in 0..10 {
        let start = ThreadTime::now();
        let plan = month(seed);
        costs[0].push(start.elapsed());
        jobs = plan.jobs.len();
        let start = ThreadTime::now();
        std::hint::black_box(measure(&plan, month_window(&plan))?);
        costs[1].push(start.elapsed());
        let start = ThreadTime::now();
        std::hint::black_box(attribute(&plan, month_window(&plan))?);
        costs[2].push(start.elapsed());
    }
    let a_job = |costs: &Vec<Duration>| median(costs.clone()) / jobs as u32;
    let [drawn, measured, attributed] = [a_job(&costs[0]), a_job(&costs[1]), a_job(&costs[2])];
    let figure = format!("a month of {jobs} jobs, drawn and measured: a job (of that drawing)");
    row(&figure, format!("{} ({})", show(drawn + measured), show(drawn)), "12 µs");
    row("the same, and to what its waits are owed: a job", show(drawn + attributed), "");
    Ok(())
}

fn measure_plans(row: &mut Row<'_>) -> anyhow::Result<()> {
    let small = PlanSize { points: 4, replications: 8, days: 6, differ: Differ::InEverything };
    let base = cost_of_day(small);
    for (what, size) in [
        ("4 × the points", PlanSize { points: 16, ..small }),
        ("4 × the replications", PlanSize { replications: 32, ..small }),
        ("4 × the days", PlanSize { days: 30, ..small }),
    ] {
        let ratio = cost_of_day(size).as_secs_f64() / base.as_secs_f64();
        row(
            &format!("a plan of {what}: the cost of a day that is asked for, to that in a small plan"),
            times(ratio),
            "1 ×",
        );
    }
    for (differ, how) in [
        (Differ::InHosts, "points differ in hosts of two of three kinds"),
        (Differ::InEverything, "points differ in something on which every job depends"),
    ] {
        let (start, cpu) = (SystemTime::now(), ProcessTime::now());
        run_plan(PlanSize { points: 50, replications: 20, days: 28, differ });
        let took = format!("{:.0} s ({:.0} s)", start.elapsed()?.as_secs_f64(), cpu.elapsed().as_secs_f64());
        let figure = format!(
            "a plan of 50 points × 20 replications × a month of 10,500 jobs, and one more of each resource; {how}: on all processors (CPU)"
        );
        row(&figure, took, "60 s on two");
    }
    Ok(())
}

/// CPU time by day that is asked for, the least of three.
fn cost_of_day(size: PlanSize) -> Duration {
    let cost = |_| {
        let start = ProcessTime::now();
        let days = run_plan(size);
        start.elapsed() / days
    };
    (0..3).map(cost).min().unwrap_or_default()
}

fn times(ratio: f64) -> String {
    format!("{ratio:.2} ×")
}

fn measure_year(row: &mut Row<'_>) -> anyhow::Result<()> {
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/cip-year.toml");
    let directory = tempfile::tempdir()?;
    let start = ThreadTime::now();
    let plan = workload::load(&scenario, 1)?;
    let recording = simulate(&plan, 1, |_| {})?;
    output::write_all(&recording, directory.path(), false, |_| {})?;
    let figure = format!("the CIP farm's year 2022 ({} jobs), all outputs but plots", recording.jobs.len());
    row(&figure, format!("{:.2} s", start.elapsed().as_secs_f64()), "3 s");
    Ok(())
}

fn place(
    (mut core, now, input): (yardmaster_engine::Core, yardmaster_engine::Time, yardmaster_engine::TickInput),
) -> Duration {
    let start = ThreadTime::now();
    let output = core.tick(now, input);
    let took = start.elapsed();
    assert!(output.stats.hosts_assigned > 0, "some of the jobs find a host");
    took
}

fn sorted(mut times: Vec<Duration>) -> Vec<Duration> {
    times.sort_unstable();
    times
}

fn median(times: Vec<Duration>) -> Duration {
    let times = sorted(times);
    times[times.len() / 2]
}

fn show(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros >= 1000.0 { format!("{:.2} ms", micros / 1000.0) } else { format!("{micros:.1} µs") }
}
