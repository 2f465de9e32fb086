//! Random labs, and random things that happen to them. Numbers stand for whatever there is at the moment: job 7 of three
//! jobs is the second.

use proptest::prelude::*;
use yardmaster_engine::{Protection, RebootAfter, RebootBefore, Settings, TaskKind};
use yardmaster_sim::script::{Script, ScriptDrone, ScriptHost, ScriptUser};

/// Labels that jobs ask for; a host may have any of them. For the third kind hosts are provisioned.
pub(crate) const LABELS: [&str; 3] = ["board:eve", "pool:x", "cros-version:R1"];
/// The first may use every host, the others not those of `lab`.
pub(crate) const USERS: [&str; 3] = ["autotest_system", "bob", "carol"];

/// A lab.
#[derive(Debug, Clone)]
pub(crate) struct Lab(pub(crate) Script);

pub(crate) fn lab(inline: bool) -> impl Strategy<Value = Lab> {
    let labels = prop::sample::subsequence(LABELS.map(str::to_owned).to_vec(), 0..=3);
    let host =
        (labels, prop::bool::weighted(0.3), prop::bool::weighted(0.15), protection(), prop::bool::weighted(0.15));
    let drone = (
        prop_oneof![1 => Just(0_u32), 6 => 1..5_u32, 2 => Just(20)],
        prop::option::weighted(0.2, 1..3_usize),
        any::<bool>(),
    );
    let settings = (0..2_u32, 1..3_u32, prop_oneof![Just(1), Just(2), Just(100)], prop::bool::weighted(0.2));
    (prop::collection::vec(host, 1..6), prop::collection::vec(drone, 1..4), settings).prop_map(
        move |(hosts, drones, settings)| {
            let (max_provision_retries, max_repair_limit, max_parse_processes, drone_sets_enabled) = settings;
            let named = |number: usize, kind: &str| format!("{kind}{}", number + 1);
            let host = |(number, (labels, dirty, locked, protection, private)): (
                usize,
                (Vec<String>, bool, bool, _, bool),
            )| ScriptHost {
                name: named(number, "host"),
                labels,
                status: None,
                protection: Some(protection),
                dirty,
                locked,
                leased: false,
                invalid: false,
                acls: private.then(|| vec!["lab".to_owned()]),
                subnet: None,
            };
            let drone = |(number, (max_processes, users, fast)): (usize, (u32, Option<usize>, bool))| ScriptDrone {
                name: named(number, "drone"),
                max_processes: Some(max_processes),
                users: users.map(|count| USERS[..count].iter().map(|user| (*user).to_owned()).collect()),
                enabled: true,
                set: Some(if fast { "fast" } else { "slow" }.to_owned()),
                subnet: None,
            };
            let user = |(number, name): (usize, &&str)| ScriptUser {
                name: (*name).to_owned(),
                acls: (number == 0).then(|| vec!["everyone".to_owned(), "lab".to_owned()]),
                drone_set: None,
            };
            let default_drone_set = Some(if drones[0].2 { "fast" } else { "slow" }.to_owned());
            Lab(Script {
                name: "random".to_owned(),
                about: String::new(),
                tick_sec: 1.0,
                settings: Settings {
                    inline_host_acquisition: inline,
                    max_provision_retries,
                    max_repair_limit,
                    max_parse_processes,
                    drone_sets_enabled,
                    default_drone_set,
                    pidfile_timeout_mins: 5,
                    ..Settings::default()
                },
                drone: drones.into_iter().enumerate().map(drone).collect(),
                host: hosts.into_iter().enumerate().map(host).collect(),
                label: Vec::new(),
                user: USERS.iter().enumerate().map(user).collect(),
                step: Vec::new(),
            })
        },
    )
}

fn protection() -> impl Strategy<Value = Protection> {
    prop_oneof![6 => Just(Protection::None), 1 => Just(Protection::DoNotVerify), 1 => Just(Protection::DoNotRepair)]
}

/// On what a job runs.
#[derive(Debug, Clone)]
pub(crate) enum Where {
    Hosts(Vec<u8>),
    Any(Vec<u8>),
    Both(Vec<u8>, Vec<u8>),
    Nowhere,
}

/// A job to be submitted.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) place: Where,
    pub(crate) synch_count: u32,
    pub(crate) run_verify: bool,
    pub(crate) run_reset: bool,
    pub(crate) reboot_before: RebootBefore,
    pub(crate) reboot_after: RebootAfter,
    pub(crate) labels: Vec<u8>,
    pub(crate) priority: i32,
    pub(crate) owner: u8,
    pub(crate) parent: Option<u8>,
    pub(crate) minimum: u32,
    pub(crate) timeout_mins: u32,
}

/// How a process ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Success,
    FailedTests,
    Exit(i32),
    Lost,
    Corrupt,
}

/// Something that happens.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    Submit(Order),
    AbortJob(u8),
    AbortEntry(u8),
    RequestTask(u8, TaskKind),
    AbortTask(u8),
    Finish(u8, End),
    /// All processes end well.
    FinishAll,
    Lock(u8, bool),
    Protect(u8, Protection),
    Dirty(u8, bool),
    Relabel(u8, Vec<u8>),
    SetDrone(u8, Option<u32>, Option<bool>),
    Prioritise(u8, i32),
    Restart(bool),
    DroneDown(u8),
    DroneUp(u8),
    Reboot(u8),
    LoseReplies(u8, u32),
    MissBatches(u8, u32),
    SlowKills(u8, bool),
    /// A scheduler starts while a drone is silent, and waits for it in vain.
    LongSilence(u8),
    LatePidfiles(u8),
    ShowPidfiles(u8),
    RefuseCommit {
        count: u32,
        reply_lost: bool,
        landed: bool,
    },
    Advance(u32),
    Tick(u8),
}

fn order() -> impl Strategy<Value = Order> {
    let some = || prop::collection::vec(any::<u8>(), 1..4);
    let place = prop_oneof![
        4 => some().prop_map(Where::Hosts),
        4 => some().prop_map(Where::Any),
        1 => (some(), some()).prop_map(|(hosts, labels)| Where::Both(hosts, labels)),
        1 => Just(Where::Nowhere),
    ];
    let before =
        prop_oneof![3 => Just(RebootBefore::Never), 3 => Just(RebootBefore::IfDirty), 1 => Just(RebootBefore::Always)];
    let after = prop_oneof![3 => Just(RebootAfter::Never), 1 => Just(RebootAfter::IfAllTestsPassed), 1 => Just(RebootAfter::Always)];
    let shape =
        (place, prop_oneof![3 => Just(1_u32), 2 => Just(2), 1 => Just(3)], any::<bool>(), any::<bool>(), before, after);
    let labels = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(any::<u8>(), 1..2)];
    let rest = (
        labels,
        prop_oneof![Just(20), Just(40), Just(60)],
        any::<u8>(),
        prop::option::weighted(0.4, any::<u8>()),
        0..3_u32,
    );
    let timeout = prop_oneof![9 => Just(1440_u32), 1 => Just(6)];
    (shape, rest, timeout).prop_map(|(shape, rest, timeout_mins)| {
        let (place, synch_count, run_verify, run_reset, reboot_before, reboot_after) = shape;
        let (labels, priority, owner, parent, minimum) = rest;
        let rest = (labels, priority, owner, parent, minimum, timeout_mins);
        let (labels, priority, owner, parent, minimum, timeout_mins) = rest;
        Order {
            place,
            synch_count,
            run_verify,
            run_reset,
            reboot_before,
            reboot_after,
            labels,
            priority,
            owner,
            parent,
            minimum,
            timeout_mins,
        }
    })
}

fn end(faults: bool) -> impl Strategy<Value = End> {
    let faulty = u32::from(faults);
    prop_oneof![
        6 => Just(End::Success),
        1 => Just(End::FailedTests),
        3 => Just(End::Exit(256)),
        1 => Just(End::Exit(9)),
        faulty => Just(End::Lost),
        faulty => Just(End::Corrupt),
    ]
}

/// A lab whose drones have room for everything.
pub(crate) fn roomy_lab() -> impl Strategy<Value = Lab> {
    any::<bool>().prop_flat_map(lab).prop_map(|mut lab| {
        while lab.0.drone.len() < 2 {
            lab.0.drone.push(ScriptDrone { name: "drone2".to_owned(), ..lab.0.drone[0].clone() });
        }
        for drone in &mut lab.0.drone {
            (drone.max_processes, drone.users) = (Some(20), None);
        }
        lab.0.settings.drone_sets_enabled = false;
        lab
    })
}

/// What happens where drones keep silent and schedulers start again.
pub(crate) fn silence() -> impl Strategy<Value = Deed> {
    let some = any::<u8>;
    prop_oneof![
        4 => order().prop_map(Deed::Submit),
        8 => (1..3_u8).prop_map(Deed::Tick),
        4 => some().prop_map(Deed::LongSilence),
        2 => some().prop_map(Deed::DroneDown),
        6 => some().prop_map(Deed::DroneUp),
        4 => Just(Deed::Restart(false)),
        2 => (some(), end(true)).prop_map(|(process, end)| Deed::Finish(process, end)),
        1 => some().prop_map(Deed::AbortJob),
        1 => (some(), 1..3_u32).prop_map(|(drone, count)| Deed::MissBatches(drone, count)),
        1 => (some(), any::<bool>()).prop_map(|(drone, slow)| Deed::SlowKills(drone, slow)),
        1 => (1..3_u32, any::<bool>(), any::<bool>())
            .prop_map(|(count, reply_lost, landed)| Deed::RefuseCommit { count, reply_lost, landed }),
        1 => Just(Deed::Advance(301)),
    ]
}

pub(crate) fn deed(faults: bool) -> impl Strategy<Value = Deed> {
    let some = any::<u8>;
    let tasks = prop::sample::select(vec![TaskKind::Verify, TaskKind::Cleanup, TaskKind::Reset, TaskKind::Repair]);
    let people = prop_oneof![
        8 => order().prop_map(Deed::Submit),
        2 => some().prop_map(Deed::AbortJob),
        2 => some().prop_map(Deed::AbortEntry),
        2 => (some(), tasks).prop_map(|(host, kind)| Deed::RequestTask(host, kind)),
        1 => some().prop_map(Deed::AbortTask),
        2 => (some(), any::<bool>()).prop_map(|(host, locked)| Deed::Lock(host, locked)),
        1 => (some(), protection()).prop_map(|(host, level)| Deed::Protect(host, level)),
        1 => (some(), any::<bool>()).prop_map(|(host, dirty)| Deed::Dirty(host, dirty)),
        1 => (some(), prop::collection::vec(some(), 0..3)).prop_map(|(host, labels)| Deed::Relabel(host, labels)),
        1 => (some(), prop::option::of(0..6_u32), prop::option::weighted(0.3, any::<bool>()))
            .prop_map(|(drone, limit, enabled)| Deed::SetDrone(drone, limit, enabled)),
        1 => (some(), 10..80_i32).prop_map(|(job, priority)| Deed::Prioritise(job, priority)),
    ];
    let programs = prop_oneof![
        10 => (some(), end(faults)).prop_map(|(process, end)| Deed::Finish(process, end)),
        3 => Just(Deed::FinishAll),
        8 => (1..4_u8).prop_map(Deed::Tick),
        1 => prop_oneof![Just(30_u32), Just(301), Just(1_000), Just(40_000)].prop_map(Deed::Advance),
    ];
    let trouble = prop_oneof![
        3 => any::<bool>().prop_map(Deed::Restart),
        1 => some().prop_map(Deed::DroneDown),
        2 => some().prop_map(Deed::DroneUp),
        1 => some().prop_map(Deed::Reboot),
        1 => (some(), 1..3_u32).prop_map(|(drone, count)| Deed::LoseReplies(drone, count)),
        1 => (some(), 1..3_u32).prop_map(|(drone, count)| Deed::MissBatches(drone, count)),
        1 => (some(), any::<bool>()).prop_map(|(drone, slow)| Deed::SlowKills(drone, slow)),
        1 => some().prop_map(Deed::LongSilence),
        1 => some().prop_map(Deed::LatePidfiles),
        2 => some().prop_map(Deed::ShowPidfiles),
        3 => (1..3_u32, any::<bool>(), any::<bool>())
            .prop_map(|(count, reply_lost, landed)| Deed::RefuseCommit { count, reply_lost, landed }),
    ];
    let trouble_weight = if faults { 5 } else { 0 };
    prop_oneof![8 => people, 12 => programs, trouble_weight => trouble]
}
