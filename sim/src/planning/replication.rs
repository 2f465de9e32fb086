//! One replication of a plan: put together from the lab's independent parts, of which most are known from other plans, where they
//! stay below its limits together; else simulated whole. Either way it comes to the same, to the last digit.

use std::hash::Hasher;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustc_hash::FxHashMap;
use yardmaster_engine::EngineError;

use super::observation::{Observation, PartObservation};
use crate::run::{Load, Window, fit, identify, measure, measure_to_the_end, parts};
use crate::workload::Plan;

/// How much memory parts may take that are kept for other plans (bytes). Where it does not suffice, they are simulated again.
const MEMORY_MAX: usize = 16 << 20;
/// By how much more often plans of the same limits may have failed to be put together than not, before none is tried any more.
const FAILURES_MAX: i64 = 4;

/// Simulates replications, and remembers parts of them.
#[derive(Debug, Default)]
pub(super) struct Replications {
    known: Mutex<Known>,
    /// By how much more often plans of these limits could not be put together than they could.
    failures: Mutex<FxHashMap<Limits, i64>>,
}

type Observed = Arc<OnceLock<Result<Arc<PartObservation>, EngineError>>>;

#[derive(Debug, Default)]
struct Known {
    parts: FxHashMap<[u8; 32], Observed>,
    size: usize,
}

/// The limits of a plan: room on all drones, parsers, and hosts that are verified again at once.
type Limits = (u64, u32, u32);

/// What makes two parts the same besides what their plans say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Luck<'a> {
    /// `[processes]`: how processes go.
    pub(super) processes: &'a str,
    pub(super) seed: u64,
}

impl Replications {
    /// What a plan needs of this replication.
    pub(super) fn observe(&self, plan: &Plan, window: Window, luck: Luck<'_>) -> Result<Observation, EngineError> {
        if let Some(parts) = self.in_parts(plan, window, luck)? {
            return Ok(Observation::of(plan, &parts));
        }
        let whole = PartObservation::of(plan, &measure(plan, window)?);
        Ok(Observation::of(plan, &[whole]))
    }

    /// Its parts, if together they stay below its limits.
    fn in_parts(
        &self,
        plan: &Plan,
        window: Window,
        luck: Luck<'_>,
    ) -> Result<Option<Vec<Arc<PartObservation>>>, EngineError> {
        let settings = &plan.settings;
        let limits = (plan.room(), settings.max_parse_processes, settings.reverify_max_hosts_at_once);
        // Which replications are put together may depend on which thread comes first; what they come to does not.
        if self.failures().get(&limits).is_some_and(|failures| *failures >= FAILURES_MAX) {
            return Ok(None);
        }
        let Some(parts) = parts(plan) else { return Ok(None) };
        let observed: Vec<Arc<PartObservation>> =
            parts.iter().map(|part| self.observe_part(part, window, luck)).collect::<Result<_, _>>()?;
        let loads: Vec<&Load> = observed.iter().map(|part| &part.load).collect();
        let is_good = fit(plan, &loads);
        *self.failures().entry(limits).or_default() += if is_good { -1 } else { 1 };
        Ok(is_good.then_some(observed))
    }

    fn failures(&self) -> MutexGuard<'_, FxHashMap<Limits, i64>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observe_part(&self, part: &Plan, window: Window, luck: Luck<'_>) -> Result<Arc<PartObservation>, EngineError> {
        let place = self.place(key(part, window, luck));
        let simulate = || {
            let observed = PartObservation::of(part, &measure_to_the_end(part, window)?);
            self.known().size += observed.size();
            Ok(Arc::new(observed))
        };
        // Another thread that needs the same part meanwhile waits for it.
        place.get_or_init(simulate).clone()
    }

    fn place(&self, key: [u8; 32]) -> Observed {
        let mut known = self.known();
        if known.size > MEMORY_MAX {
            *known = Known::default();
        }
        known.parts.entry(key).or_default().clone()
    }
}

/// By which a part is known: it depends on nothing else.
fn key(part: &Plan, window: Window, luck: Luck<'_>) -> [u8; 32] {
    let mut digest = Digest::default();
    identify(part, &mut digest);
    for number in [window.from.0, window.to.0, luck.seed as i64] {
        digest.write_i64(number);
    }
    digest.write(luck.processes.as_bytes());
    digest.finish_whole()
}

/// Digests what it is fed, much at a time: what comes are numbers and short texts.
#[derive(Default)]
struct Digest {
    waiting: Vec<u8>,
    hasher: blake3::Hasher,
}

impl Digest {
    const PORTION: usize = 16 << 10;

    fn finish_whole(mut self) -> [u8; 32] {
        self.hasher.update(&self.waiting);
        *self.hasher.finalize().as_bytes()
    }
}

impl Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= Self::PORTION {
            self.hasher.update(&self.waiting);
            self.waiting.clear();
        }
    }

    /// Nobody asks: 64 bits are too few to tell parts apart.
    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use yardmaster_engine::Span;

    use super::*;
    use crate::workload::Scenario;

    /// Limits: processes on each of three drones, parsers, hosts that are verified again, minutes between cleanings.
    #[derive(Debug, Clone, Copy)]
    struct Bounds {
        processes: u32,
        parsers: u32,
        reverified: u32,
        cleaning: u32,
    }

    const WIDE: Bounds = Bounds { processes: 20, parsers: 50, reverified: 30, cleaning: 5 };

    /// Which hosts some jobs may be given.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Asked {
        /// Those of bob and kim.
        Two,
        /// Those of eve, too.
        Three,
        /// All, since they ask for what any host can be provisioned with.
        Any,
    }

    /// A lab of four kinds of hosts of which some jobs can use several; suites, pairs, jobs for one very host, with and without
    /// preparation, hosts that break, time limits.
    fn lab(bounds: Bounds, hosts: [u32; 4], per_hour: u32, asked: Asked) -> String {
        let Bounds { processes, parsers, reverified, cleaning } = bounds;
        let [eve, bob, kim, sam] = hosts;
        let shared = if asked == Asked::Three { "pool:all" } else { "cros-version:R1" };
        let label = if asked == Asked::Any { "cros-version:R1" } else { "pool:all" };
        format!(
            r#"
name = "parts"
start = 2026-01-05T00:03:20
[settings]
minimum_tick_sec = 5
max_parse_processes = {parsers}
reverify_max_hosts_at_once = {reverified}
clean_interval_minutes = {cleaning}
[[host]]
name = "eve[1-{eve}]"
labels = ["board:eve", "{shared}"]
[[host]]
name = "bob[1-{bob}]"
labels = ["board:bob", "pool:all"]
[[host]]
name = "kim[1-{kim}]"
labels = ["board:kim", "pool:all"]
[[host]]
name = "sam[1-{sam}]"
labels = ["board:sam"]
[[drone]]
name = "drone[1-3]"
max_processes = {processes}
[[workload.generate]]
name = "pushes"
hours = 48
arrivals = {{ bursts = {{ per_hour = 2, size = {{ uniform = [2, 6] }}, spread_sec = 300 }} }}
[[workload.generate.mix]]
profile = "boot"
label = "board:eve"
runtime = {{ lognormal = {{ median = 600, p95 = 2400 }} }}
failure = 0.1
job = {{ timeout_mins = 60 }}
[[workload.generate.mix]]
profile = "pair"
label = "board:sam"
count = 2
runtime = 400
job = {{ synch_count = 2, priority = 60 }}
[[workload.generate]]
name = "developers"
hours = 48
arrivals = {{ poisson = {{ per_hour = {per_hour} }} }}
[[workload.generate.mix]]
profile = "anywhere"
label = "{label}"
runtime = 300
[[workload.generate.mix]]
profile = "unprepared"
label = "board:kim"
runtime = 100
job = {{ run_reset = false, run_verify = false, reboot_before = "Never", max_runtime_mins = 10 }}
[[workload.generate.mix]]
profile = "hostless"
hostless = true
weight = 0.2
runtime = 60
[[workload.generate]]
name = "nightly"
hours = 48
arrivals = {{ every = {{ minutes = 720 }} }}
[[workload.generate.mix]]
profile = "suite"
hostless = true
runtime = 20
suite = {{ child = "child", children = 5, min_duts = 2 }}
[[workload.generate.mix]]
profile = "child"
weight = 0
label = "board:kim"
runtime = 200
[[workload.generate]]
name = "health"
hours = 48
arrivals = {{ every = {{ minutes = 360 }} }}
[[workload.generate.mix]]
profile = "check"
each_host_of_kind = "sam"
runtime = 100
[processes.reset]
runtime = {{ exponential = {{ mean = 90 }} }}
failure = 0.1
[processes.repair]
runtime = 600
failure = 0.3
[processes.parse]
runtime = 30
[processes.test]
crash = 0.05
[[outage]]
hours_between = {{ exponential = {{ mean = 20 }} }}
hours_lasting = 3
[[outage]]
kind = "bob"
hours_between = {{ exponential = {{ mean = 40 }} }}
hours_lasting = 2
effect = "offline"
"#
        )
    }

    fn plan_of(text: &str, seed: u64) -> (Plan, Window) {
        let table = text.parse().expect("TOML");
        let scenario = Scenario::lasting(table, Path::new("nowhere/parts.toml"), Span::from_hours(48));
        let plan = scenario.and_then(|scenario| scenario.plan(seed)).unwrap_or_else(|error| panic!("{error}"));
        let window = Window { from: plan.start + Span::from_hours(5), to: plan.start + Span::from_hours(40) };
        (plan, window)
    }

    const LUCK: Luck<'_> = Luck { processes: "", seed: 1 };

    /// Names what differs: as a whole they are too long to be read.
    fn assert_equal(one: &Observation, other: &Observation) {
        for (one, other) in one.groups.iter().zip(&other.groups) {
            assert_eq!(one, other);
        }
        for (one, other) in one.kinds.iter().zip(&other.kinds) {
            assert_eq!(one, other);
        }
        assert_eq!(one.results_backlog, other.results_backlog);
        assert_eq!(one.drones, other.drones);
        assert_eq!([one.processes_peak, one.parsers_peak], [other.processes_peak, other.parsers_peak]);
        assert!(one == other, "suites, weeks, or more groups or kinds differ");
    }

    /// Says whether it could be put together.
    fn assert_same(plan: &Plan, window: Window) -> bool {
        let whole = PartObservation::of(plan, &measure(plan, window).expect("measured"));
        let whole = Observation::of(plan, &[whole]);
        let replications = Replications::default();
        let in_parts = replications.in_parts(plan, window, LUCK).expect("measured");
        if let Some(parts) = &in_parts {
            assert_equal(&Observation::of(plan, parts), &whole);
        }
        assert_equal(&replications.observe(plan, window, LUCK).expect("measured"), &whole);
        in_parts.is_some()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        #[test]
        fn parts_come_to_what_the_whole_comes_to(
            (processes, parsers, reverified, cleaning) in (1_u32..12, 1_u32..12, 0_u32..6, 1_u32..70),
            hosts in [1_u32..6, 1_u32..4, 1_u32..4, 2_u32..5],
            (per_hour, seed) in (1_u32..20, 0_u64..1_000_000),
            asked in prop_oneof![Just(Asked::Two), Just(Asked::Three), Just(Asked::Any)],
        ) {
            let bounds = Bounds { processes, parsers, reverified, cleaning };
            let (plan, window) = plan_of(&lab(bounds, hosts, per_hour, asked), seed);
            assert_same(&plan, window);
        }
    }

    #[test]
    fn a_lab_falls_into_parts_where_there_is_room() {
        let of = |bounds, asked| plan_of(&lab(bounds, [5, 3, 2, 4], 10, asked), 1);
        let sizes = |(plan, _): &(Plan, Window)| -> Vec<usize> {
            parts(plan).iter().flatten().map(|part| part.hosts.len()).collect()
        };
        let are_put_together = |(plan, window): &(Plan, Window)| assert_same(plan, *window);
        let two = of(WIDE, Asked::Two);
        assert_eq!(sizes(&two), [5, 5, 4], "eve; bob and kim, with the suites; sam");
        assert!(are_put_together(&two));
        assert_eq!(sizes(&of(WIDE, Asked::Three)), [10, 4]);
        assert!(are_put_together(&of(WIDE, Asked::Three)));
        assert_eq!(sizes(&of(WIDE, Asked::Any)), [14]);
        for narrow in [Bounds { processes: 2, ..WIDE }, Bounds { parsers: 1, ..WIDE }, Bounds { reverified: 1, ..WIDE }]
        {
            assert!(!are_put_together(&of(narrow, Asked::Two)), "{narrow:?}");
        }
    }

    #[test]
    fn parts_that_are_the_same_are_simulated_once() {
        let replications = Replications::default();
        let count = |bounds, hosts, seed| {
            let (plan, window) = plan_of(&lab(bounds, hosts, 10, Asked::Two), seed);
            replications.observe(&plan, window, LUCK).expect("measured");
            replications.known().parts.len()
        };
        assert_eq!(count(WIDE, [5, 3, 2, 4], 1), 3);
        assert_eq!(count(WIDE, [6, 3, 2, 4], 1), 4, "one kind has one more");
        let wider = Bounds { processes: 30, parsers: 60, reverified: 40, ..WIDE };
        assert_eq!(count(wider, [5, 3, 2, 4], 1), 4, "more room is nothing new");
        assert_eq!(count(WIDE, [5, 3, 2, 4], 2), 7, "other luck is");
    }
}
