//! Nonsense never makes anything panic: neither in files, nor in pidfiles, nor in the rows that the engine is told of.

mod common;

use std::fs;
use std::path::Path;

use common::rows::{entry, job, start};
use proptest::prelude::*;
use yardmaster_engine::{
    Clock, Drone, DroneId, Entry, EntryId, EntryStatus, Host, HostId, Ineligible, Job, JobId, LabelId, PidfileContents,
    RowChange, ShardId, SpecialTask, Subdir, TaskId, TaskKind, TickReport, Time,
};
use yardmaster_sim::host_list::{EXPANSION_LIMIT, host_list};
use yardmaster_sim::script::{self, FakeEngine, Player, Script};
use yardmaster_sim::store::MemoryStore;
use yardmaster_sim::{frontend, workload};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases: common::cases(cases), failure_persistence: None, ..ProptestConfig::default() }
}

/// A text with some of it replaced, doubled or left out.
fn spoilt(text: String) -> impl Strategy<Value = Vec<u8>> {
    let scrap = prop_oneof![
        any::<Vec<u8>>().prop_map(|mut bytes| {
            bytes.truncate(8);
            bytes
        }),
        prop::sample::select(vec![
            "-1",
            "1e999",
            "\"\"",
            "[]",
            "{}",
            "nan",
            "99999999999999999999",
            "true",
            "[[",
            "host[1-999999999]",
            "\0"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    let edit = (any::<prop::sample::Index>(), 0..12_usize, scrap);
    prop::collection::vec(edit, 1..4).prop_map(move |edits| {
        let mut bytes = text.clone().into_bytes();
        for (place, length, scrap) in edits {
            let start = place.index(bytes.len() + 1);
            let end = (start + length).min(bytes.len());
            bytes.splice(start..end, scrap);
        }
        bytes
    })
}

fn a_scripted_scenario() -> impl Strategy<Value = String> {
    prop::sample::select(common::library()).prop_map(|file| fs::read_to_string(file).expect("readable"))
}

fn a_recording() -> impl Strategy<Value = String> {
    let step = r#"{"name":"r","host":[{"name":"host[1-2]"}],"drone":[{"name":"d","max_processes":2}],"step":[{"do":[
        {"submit":{"job":"j","hosts":["host1"]}},{"advance":{"seconds":5}}],"expect":{"entries":{"j#0":"Resetting"}}},
        {"do":[{"finish":{"process":"reset host1"}}],"ticks":2}]}"#;
    Just(step.replace('\n', ""))
}

/// Plays what can be understood. However it ends, it ends.
fn play_all(scripts: Result<Vec<script::LoadedScript>, script::FormatError>) {
    for loaded in scripts.iter().flatten() {
        // A spoilt number may ask for a million ticks: that is not nonsense, only patience.
        let ticks: u64 = loaded.script.step.iter().map(|step| u64::from(step.ticks.unwrap_or(40))).sum();
        let hosts: usize =
            loaded.script.host.iter().map(|host| host_list(&host.name).map_or(0, |names| names.len())).sum();
        if ticks < 2_000 && hosts < 1_000 {
            let _ = script::play(&loaded.script);
        }
    }
}

fn load_bytes(name: &str, bytes: &[u8]) -> Result<Vec<script::LoadedScript>, script::FormatError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join(name);
    fs::write(&file, bytes).expect("written");
    script::load(&file)
}

const WORKLOAD: &str = r#"name = "small"
about = "x"
start = 0
[[host]]
name = "host[1-3]"
labels = ["board:eve"]
[[workload.generate]]
name = "more"
count = 5
arrivals = { poisson = { per_hour = 100 } }
[[workload.generate.mix]]
profile = "boot"
label = "board:eve"
runtime = { lognormal = { median = 60, p95 = 90 } }
[workload.trace]
file = "trace.csv"
[workload.trace.columns]
submit = "submit"
host_type = "type"
[processes.reset]
runtime = 5
failure = 0.5
"#;

const TRACE: &str = "submit,type\n10,board:eve\n20,board:eve\n1e3,board:eve\n";

fn load_workload(scenario: &[u8], trace: &[u8]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("written");
    write("scenario.toml", scenario);
    write("trace.csv", trace);
    write("trace.swf", trace);
    let _ = workload::load(&folder.path().join("scenario.toml"), 1).map(|plan| plan.jobs.len());
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn spoilt_scripted_scenarios(bytes in a_scripted_scenario().prop_flat_map(spoilt)) {
        play_all(load_bytes("s.toml", &bytes));
    }

    #[test]
    fn spoilt_lines_of_scenarios(bytes in a_recording().prop_flat_map(spoilt)) {
        play_all(load_bytes("s.jsonl", &bytes));
    }

    #[test]
    fn random_bytes_are_no_scenario(bytes in any::<Vec<u8>>()) {
        for name in ["s.toml", "s.jsonl", "s.jsonl.gz", "s"] {
            play_all(load_bytes(name, &bytes));
        }
        load_workload(&bytes, &bytes);
    }

    #[test]
    fn spoilt_workloads(scenario in spoilt(WORKLOAD.to_owned()), trace in spoilt(TRACE.to_owned())) {
        load_workload(&scenario, TRACE.as_bytes());
        load_workload(WORKLOAD.as_bytes(), &trace);
    }
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn pidfiles(text in prop_oneof![any::<String>(), "[0-9\\-\n ]{0,30}"]) {
        match PidfileContents::parse(&text) {
            PidfileContents::Empty => prop_assert!(text.trim().is_empty()),
            PidfileContents::Running => prop_assert!((1..=2).contains(&text.lines().count())),
            PidfileContents::Ended { .. } => prop_assert_eq!(text.lines().count(), 3),
            PidfileContents::Corrupt(what) => prop_assert!(!what.is_empty()),
        }
    }

    #[test]
    fn host_lists(text in prop_oneof![any::<String>(), "[a-z0-9,\\[\\]\\- ]{0,20}"]) {
        if text.len() < 100 && let Ok(names) = host_list(&text) {
            prop_assert!(!names.is_empty() && names.len() <= EXPANSION_LIMIT);
            prop_assert!(names.iter().all(|name| !name.is_empty() && !name.contains(char::is_whitespace)));
        }
    }
}

// ---- Rows that make no sense

/// A lab of two hosts, one job on each of them, and whatever else is there by then.
fn lab() -> Player {
    let toml = "name = \"lab\"\n[[host]]\nname = \"host[1-2]\"\nlabels = [\"board:eve\"]\n[[step]]\n";
    let script: Script = script::parse_toml("lab", toml).expect("a valid lab").remove(0).script;
    Player::new(&script, false).expect("a valid lab")
}

fn task(id: u32, host: u32, entry: Option<u32>, active: bool) -> SpecialTask {
    SpecialTask {
        id: TaskId(id),
        kind: TaskKind::Verify,
        host: HostId(host),
        entry: entry.map(EntryId),
        requested_by: None,
        requested_at: Time(0),
        active,
        complete: false,
        aborted: false,
        success: false,
        started_at: None,
        finished_at: None,
    }
}

fn tick(engine: &mut FakeEngine) -> u32 {
    let next = engine.clock_mut().now() + yardmaster_engine::Span::from_seconds(1);
    engine.clock_mut().advance_to(next);
    let quarantined = match pollster::block_on(engine.tick()).expect("the engine goes on") {
        TickReport::Done(output) => output.stats.quarantined,
        other => panic!("{other:?}"),
    };
    engine.core().validate_links().expect("rows know of each other");
    quarantined
}

/// Tells the engine of a row, and has it run a good job to its end beside it. Returns how many rows were set aside.
#[track_caller]
fn goes_on_with(rows: Vec<RowChange>) -> u32 {
    let mut player = lab();
    for row in rows {
        player.engine_mut().store_mut().tell(row);
    }
    let mut quarantined = tick(player.engine_mut());
    let good: script::Action =
        serde_json::from_str(r#"{"submit":{"job":"good","hosts":["host2"]}}"#).expect("a valid action");
    player.act(&good).expect("submitted");
    for _ in 0..12 {
        let keys: Vec<u32> = player.engine().drones().running().into_iter().map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| player.engine_mut().drones_mut().finish(key, 0, 0));
        quarantined += tick(player.engine_mut());
    }
    let status = player.engine().store().entries.iter().next().map(|entry| entry.status);
    assert_eq!(status, Some(EntryStatus::Completed), "the good job did not end");
    quarantined
}

const FAR: u32 = 1_000;

#[test]
fn rows_that_refer_to_nothing_are_set_aside_and_counted() {
    use EntryStatus::*;
    let of_job = |row| vec![RowChange::Job(job(FAR, 1, 1)), RowChange::Entry(row)];
    assert_eq!(goes_on_with(vec![RowChange::Entry(entry(FAR, 77, Some(1), Queued))]), 1, "no such job");
    assert_eq!(goes_on_with(of_job(entry(FAR, FAR, Some(99), Queued))), 1, "no such host");
    assert_eq!(goes_on_with(of_job(entry(FAR, FAR, Some(1), Running))), 1, "no execution subdirectory");
    let nowhere = Entry { meta_host: Some(LabelId(1)), ..entry(FAR, FAR, None, Resetting) };
    assert_eq!(goes_on_with(of_job(nowhere)), 1, "active without a host");
    assert_eq!(goes_on_with(vec![RowChange::Task(task(FAR, 99, None, false))]), 1, "no such host");
}

#[test]
fn odd_rows_stop_nothing() {
    use EntryStatus::*;
    let of_job = |row| vec![RowChange::Job(job(FAR, 1, 1)), RowChange::Entry(row)];
    goes_on_with(of_job(Entry { active: true, ..entry(FAR, FAR, Some(1), Completed) }));
    goes_on_with(of_job(Entry { active: true, ..entry(FAR, FAR, Some(1), Aborted) }));
    goes_on_with(of_job(Entry { active: true, ..entry(FAR, FAR, None, Pending) }));
    goes_on_with(of_job(Entry { meta_host: Some(LabelId(99)), ..entry(FAR, FAR, None, Queued) }));
    goes_on_with(vec![RowChange::Job(job(FAR, 99, 99)), RowChange::Entry(entry(FAR, FAR, Some(1), Queued))]);
    goes_on_with(vec![RowChange::Task(task(FAR, 1, Some(99), false))]);
    goes_on_with(vec![RowChange::Task(task(FAR, 1, Some(99), true))]);
    goes_on_with(vec![
        RowChange::EntryGone(EntryId(99)),
        RowChange::TaskGone(TaskId(99)),
        RowChange::DroneGone(DroneId(99)),
    ]);
    goes_on_with(vec![RowChange::Ineligible(Ineligible { job: JobId(99), host: HostId(99) })]);
    let labels = [LabelId(98), LabelId(99)].into_iter().collect();
    goes_on_with(vec![RowChange::Host(Host { id: HostId(50), labels, ..frontend::new_host("odd") })]);
}

#[test]
fn a_row_may_come_back_in_the_tick_in_which_it_ended() {
    use EntryStatus::*;
    let pair = Job { synch_count: 2, ..job(FAR, 1, 1) };
    let row =
        |number, status, subdir| RowChange::Entry(Entry { subdir, ..entry(FAR + number, FAR, Some(number), status) });
    goes_on_with(vec![
        RowChange::Job(pair),
        row(1, Queued, Subdir::Unset),
        row(2, Queued, Subdir::Unset),
        // Stops the other one, which is alone now.
        row(1, Completed, Subdir::Unset),
        row(2, Queued, Subdir::Group(0)),
    ]);
}

#[test]
fn a_task_does_not_wake_an_entry_that_has_ended() {
    let parsing = Entry { subdir: Subdir::Group(0), ..entry(FAR, FAR, Some(1), EntryStatus::Parsing) };
    let cleanup = SpecialTask { kind: TaskKind::Cleanup, ..task(1, 1, Some(FAR), false) };
    goes_on_with(vec![RowChange::Job(job(FAR, 1, 1)), RowChange::Entry(parsing), RowChange::Task(cleanup)]);
}

fn any_row() -> impl Strategy<Value = RowChange> {
    let id = || prop_oneof![4 => 1..6_u32, 1 => Just(99_u32)];
    let status = prop::sample::select(EntryStatus::ALL.to_vec());
    let subdir = prop_oneof![
        Just(Subdir::Unset),
        Just(Subdir::Hostless),
        (0..2_u32).prop_map(Subdir::Group),
        Just(Subdir::Named("host1".into()))
    ];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let entries = (id(), id(), prop::option::of(id()), prop::option::of(id()), status, subdir, flags);
    let tasks = (
        id(),
        id(),
        prop::option::of(id()),
        prop::sample::select(TaskKind::ALL.to_vec()),
        any::<bool>(),
        any::<bool>(),
    );
    prop_oneof![
        3 => (id(), id(), id(), prop::option::weighted(0.2, Just(ShardId(1))))
            .prop_map(|(id, owner, label, shard)| RowChange::Job(Job { shard, ..job(id, owner, label) })),
        6 => entries.prop_map(|(id, job, host, meta_host, status, subdir, (active, aborted, _))| {
            let meta_host = meta_host.map(LabelId);
            RowChange::Entry(Entry { meta_host, subdir, active, aborted, ..entry(id, job, host, status) })
        }),
        4 => tasks.prop_map(|(id, host, entry, kind, active, aborted)| {
            RowChange::Task(SpecialTask { kind, aborted, ..task(id, host, entry, active) })
        }),
        1 => id().prop_map(|id| RowChange::EntryGone(EntryId(id))),
        1 => id().prop_map(|id| RowChange::TaskGone(TaskId(id))),
        1 => (id(), id()).prop_map(|(job, host)| RowChange::Ineligible(Ineligible { job: JobId(job), host: HostId(host) })),
        1 => (id(), prop::sample::select(yardmaster_engine::HostStatus::ALL.to_vec()))
            .prop_map(|(id, status)| RowChange::Host(Host { id: HostId(id), status, ..frontend::new_host(format!("h{id}")) })),
    ]
}

/// A job that wants two or three hosts at once, with an entry for each: as it was submitted, or as a group under way.
fn a_synchronous_job() -> impl Strategy<Value = Vec<RowChange>> {
    let under_way = prop::option::weighted(0.3, prop::sample::select(EntryStatus::ALL.to_vec()));
    let repair = prop::option::weighted(0.5, 0..2_u32);
    (1..6_u32, 1..4_u32, 2..4_u32, under_way, repair, any::<bool>()).prop_map(
        |(id, first, count, under_way, repair, locked)| {
            let mut rows = vec![RowChange::Job(Job { synch_count: count, ..job(id, 1, 1) })];
            let subdir = under_way.map_or(Subdir::Unset, |_| Subdir::Group(0));
            rows.extend((0..count).map(|number| {
                let status = under_way.unwrap_or(EntryStatus::Queued);
                // Hosts 1 and 2 are there; a third entry takes any.
                let host = (number < 2).then_some(number + 1);
                let row = Entry { subdir: subdir.clone(), ..entry(first + number, id, host, status) };
                RowChange::Entry(Entry { meta_host: host.is_none().then_some(LabelId(1)), ..row })
            }));
            if locked {
                let host = Host { id: HostId(1), locked, ..frontend::new_host("host1") };
                rows.push(RowChange::Host(host));
            }
            rows.extend(repair.map(|number| {
                let waits = task(id, number + 1, Some(first + number), false);
                RowChange::Task(SpecialTask { kind: TaskKind::Repair, ..waits })
            }));
            rows
        },
    )
}

/// Entries that vanish together, neighbours more often than not, as those of one job are.
fn entries_gone() -> impl Strategy<Value = Vec<RowChange>> {
    (1..6_u32, 1..4_u32)
        .prop_map(|(first, count)| (first..first + count).map(|id| RowChange::EntryGone(EntryId(id))).collect())
}

/// Entries of one job in one execution subdirectory, each in a status of its own.
fn a_group_at_odds() -> impl Strategy<Value = Vec<RowChange>> {
    let status = || prop::sample::select(EntryStatus::ALL.to_vec());
    (1..6_u32, 1..6_u32, prop::collection::vec((1..3_u32, status()), 1..4)).prop_map(|(id, first, entries)| {
        let member = |(number, (host, status)): (u32, (u32, EntryStatus))| {
            RowChange::Entry(Entry { subdir: Subdir::Group(0), ..entry(first + number, id, Some(host), status) })
        };
        let job = RowChange::Job(job(id, 1, 1));
        std::iter::once(job).chain((0..).zip(entries).map(member)).collect()
    })
}

/// The only drone has room, or none: what would start there waits.
fn a_drone() -> impl Strategy<Value = Vec<RowChange>> {
    any::<bool>().prop_map(|room| {
        let max_processes = if room { 100 } else { 0 };
        vec![RowChange::Drone(Drone {
            id: DroneId(1),
            name: "drone1".into(),
            enabled: true,
            max_processes,
            users: Vec::new(),
        })]
    })
}

/// What somebody writes between two ticks: rows that have nothing to do with each other, or those of one deed.
fn any_rows() -> impl Strategy<Value = Vec<RowChange>> {
    prop_oneof![
        4 => prop::collection::vec(any_row(), 1..5),
        3 => a_synchronous_job(),
        3 => entries_gone(),
        2 => a_group_at_odds(),
        1 => a_drone(),
    ]
}

proptest! {
    #![proptest_config(config(300))]

    /// Whatever rows somebody writes into the database between two ticks: the engine goes on.
    #[test]
    fn random_rows(batches in prop::collection::vec(any_rows(), 1..10)) {
        let mut player = lab();
        for rows in batches {
            for row in rows {
                player.engine_mut().store_mut().tell(row);
            }
            tick(player.engine_mut());
            let keys: Vec<u32> = player.engine().drones().running().into_iter().map(|(key, _)| key).collect();
            keys.into_iter().for_each(|key| player.engine_mut().drones_mut().finish(key, 0, 0));
            tick(player.engine_mut());
        }
    }

    /// The same, found in the database at the start.
    #[test]
    fn random_rows_at_the_start(batches in prop::collection::vec(any_rows(), 1..5)) {
        let mut store = MemoryStore::default();
        let everyone = store.ensure_acl_group("everyone");
        store.add_user("autotest_system", &[everyone]);
        store.add_drone("drone1", 10, true, None, None);
        for row in batches.into_iter().flatten() {
            match row {
                RowChange::Job(row) => store.jobs.put(row.id.0, row),
                RowChange::Entry(row) => store.entries.put(row.id.0, row),
                RowChange::Task(row) => store.tasks.put(row.id.0, row),
                RowChange::Host(row) => store.hosts.put(row.id.0, row),
                RowChange::Ineligible(row) => { store.ineligible.insert(row); }
                _ => {}
            }
        }
        let mut engine = start(store);
        (0..6).for_each(|_| { tick(&mut engine); });
    }
}

#[test]
fn a_folder_is_no_scenario() {
    assert!(script::load(Path::new(env!("CARGO_MANIFEST_DIR"))).is_err());
}
