//! Commands that do not arrive, or of which nobody knows whether they did, and a scheduler that has to begin anew meanwhile:
//! nothing is started twice, and nothing waits without need.

use yardmaster_engine::{Clock, DroneId, EntryId, EntryStatus, TickReport, WaitReason};
use yardmaster_sim::script::{Action, Player, Script};
use yardmaster_sim::store::CommitFault;

const FIRST: DroneId = DroneId(1);
const SECOND: DroneId = DroneId(2);

/// Two drones, of which the first is taken first.
struct Lab {
    player: Player,
}

impl Lab {
    fn new() -> Lab {
        let script: Script = toml::from_str(
            r#"
            name = "delivery"
            about = "two drones"
            drone = [{ name = "drone1", max_processes = 10 }, { name = "drone2", max_processes = 1 }]
            host = [{ name = "host[1-3]" }]
            step = []
            "#,
        )
        .expect("a valid script");
        Lab { player: Player::new(&script, false).expect("a valid lab") }
    }

    fn act(&mut self, action: &str) {
        let action: Action = serde_json::from_str(action).expect("a valid action");
        self.player.act(&action).expect("it is done");
    }

    /// A job for one host, without anything before its test.
    fn submit(&mut self, host: u32) -> EntryId {
        self.act(&format!(r#"{{"submit":{{"job":"j{host}","hosts":["host{host}"],"run_reset":false}}}}"#));
        let entries = &self.player.engine().store().entries;
        entries.iter().map(|entry| entry.id).max().expect("its entry")
    }

    fn tick(&mut self) -> TickReport {
        let engine = self.player.engine_mut();
        let next = engine.clock_mut().now() + yardmaster_engine::Span::from_seconds(1);
        engine.clock_mut().advance_to(next);
        let report = pollster::block_on(engine.tick()).expect("the engine goes on");
        engine.core().validate().expect("the core agrees with itself");
        report
    }

    fn ticks(&mut self, count: u32) {
        for _ in 0..count {
            self.tick();
        }
    }

    /// A tick decides something, which does not reach the database.
    fn refused_tick(&mut self) {
        self.player.engine_mut().store_mut().faults.push(CommitFault::Refused);
        let report = self.tick();
        assert!(matches!(report, TickReport::NotCommitted(_)), "{report:?}");
    }

    fn drones(&mut self) -> &mut yardmaster_sim::drones::FakeDrones<yardmaster_sim::drones::UntilTold> {
        self.player.engine_mut().drones_mut()
    }

    /// Where the processes run, in the order of their start.
    fn running(&mut self) -> Vec<DroneId> {
        self.drones().running().into_iter().map(|(_, process)| process.drone).collect()
    }

    fn why(&self, entry: EntryId) -> WaitReason {
        self.player.engine().core().why(entry)
    }

    fn status(&self, entry: EntryId) -> EntryStatus {
        let entries = &self.player.engine().store().entries;
        entries.iter().find(|row| row.id == entry).expect("an entry").status
    }
}

#[test]
fn a_start_that_reached_nobody_goes_elsewhere() {
    let mut lab = Lab::new();
    lab.drones().miss_batches(FIRST, 1);
    lab.submit(1);
    lab.ticks(4);
    assert_eq!(lab.running(), [SECOND]);
}

/// The first drone goes on refusing what it is told; the second has no room for more than one.
#[test]
fn a_start_that_reached_nobody_is_tried_again_where_there_is_room() {
    let mut lab = Lab::new();
    lab.submit(1);
    lab.act(r#"{"drone_down":{"drone":"drone1"}}"#);
    lab.ticks(4);
    assert_eq!(lab.running(), [SECOND]);
    lab.act(r#"{"drone_up":{"drone":"drone1"}}"#);
    lab.tick();
    lab.drones().miss_batches(FIRST, 3);
    lab.submit(2);
    lab.ticks(12);
    assert_eq!(lab.running(), [SECOND, FIRST]);
}

/// A special task and its host go elsewhere in the same way.
#[test]
fn a_task_that_reached_nobody_goes_elsewhere() {
    let mut lab = Lab::new();
    lab.drones().miss_batches(FIRST, 1);
    lab.act(r#"{"request_task":{"host":"host1","task":"Verify"}}"#);
    lab.ticks(4);
    assert_eq!(lab.running(), [SECOND]);
    let (key, _) = lab.drones().running()[0];
    lab.drones().finish(key, 0, 0);
    lab.ticks(2);
    assert!(lab.player.engine().store().tasks.iter().all(|task| task.complete && task.success));
}

#[test]
fn a_start_that_may_have_arrived_waits_for_its_drone() {
    let mut lab = Lab::new();
    lab.drones().lose_replies(FIRST, 1);
    lab.submit(1);
    while lab.running().is_empty() {
        lab.tick();
    }
    lab.drones().set_silent(FIRST, true);
    lab.ticks(10);
    assert_eq!(lab.running(), [FIRST]);
    lab.drones().set_silent(FIRST, false);
    lab.ticks(2);
    assert_eq!(lab.running(), [FIRST]);
}

/// The same, with a scheduler that begins anew before the drone is heard: it must not forget what it has sent.
#[test]
fn a_start_that_may_have_arrived_outlives_a_refused_commit() {
    let mut lab = Lab::new();
    lab.drones().lose_replies(FIRST, 1);
    let entry = lab.submit(1);
    while lab.running().is_empty() {
        lab.tick();
    }
    lab.drones().set_silent(FIRST, true);
    for host in [2, 3] {
        lab.submit(host);
        lab.refused_tick();
        lab.tick();
        assert_eq!(lab.why(entry), WaitReason::DroneSilent);
    }
    lab.ticks(10);
    // The second drone has taken another job instead.
    assert_eq!(lab.running(), [FIRST, SECOND]);
    assert_eq!(lab.why(entry), WaitReason::DroneSilent);
    lab.drones().set_silent(FIRST, false);
    lab.ticks(2);
    assert_eq!(lab.why(entry), WaitReason::Nothing);
    let first = lab.drones().running()[0].0;
    lab.drones().finish(first, 0, 0);
    lab.ticks(6);
    assert_eq!(lab.status(entry), EntryStatus::Parsing);
}

/// What only waits for room is not held back by a drone that is down: nothing was ever started for it.
#[test]
fn what_was_never_started_does_not_wait_for_a_silent_drone() {
    let mut lab = Lab::new();
    lab.drones().set_silent(FIRST, true);
    lab.submit(1);
    lab.ticks(4);
    assert_eq!(lab.running(), [SECOND]);
    let waiting = lab.submit(2);
    lab.ticks(4);
    assert_eq!(lab.why(waiting), WaitReason::DronesFull);
    lab.submit(3);
    lab.refused_tick();
    lab.ticks(3);
    assert_eq!(lab.why(waiting), WaitReason::DronesFull);
    let (key, _) = lab.drones().running()[0];
    lab.drones().finish(key, 0, 0);
    lab.ticks(3);
    // The test, its parser, and then the next test; the parser does not count.
    assert_eq!(lab.why(waiting), WaitReason::Nothing);
}

/// An end that was heard in a tick that never was, from a drone that is gone by the next: it was, and is not done again.
#[test]
fn an_end_that_was_heard_in_a_refused_tick_is_not_forgotten() {
    let mut lab = Lab::new();
    lab.act(r#"{"request_task":{"host":"host1","task":"Verify"}}"#);
    lab.ticks(3);
    assert_eq!(lab.running(), [FIRST]);
    let (key, _) = lab.drones().running()[0];
    lab.drones().finish(key, 0, 0);
    lab.refused_tick();
    lab.drones().set_silent(FIRST, true);
    lab.ticks(10);
    assert_eq!(lab.running(), [], "it was started again, although it has ended");
    lab.drones().set_silent(FIRST, false);
    lab.ticks(3);
    assert!(lab.player.engine().store().tasks.iter().all(|task| task.complete && task.success));
}

/// A job whose test has ended on a drone that is silent now keeps its results: parsing waits until it can be told where.
#[test]
fn parsing_waits_for_the_drone_of_the_test() {
    let mut lab = Lab::new();
    let entry = lab.submit(1);
    lab.ticks(4);
    assert_eq!(lab.running(), [FIRST]);
    let (test, _) = lab.drones().running()[0];
    lab.drones().finish(test, 0, 0);
    while lab.status(entry) != EntryStatus::Parsing {
        lab.tick();
    }
    lab.drones().set_silent(FIRST, true);
    lab.submit(2);
    lab.refused_tick();
    lab.ticks(10);
    assert_eq!(lab.status(entry), EntryStatus::Parsing);
    lab.drones().set_silent(FIRST, false);
    lab.ticks(3);
    let parsers = lab
        .drones()
        .running()
        .into_iter()
        .filter(|(_, process)| process.work.kind == yardmaster_engine::WorkKind::Parse);
    let parsers: Vec<_> = parsers.map(|(key, _)| key).collect();
    assert_eq!(parsers.len(), 1);
    lab.drones().finish(parsers[0], 0, 0);
    lab.ticks(2);
    assert_eq!(lab.status(entry), EntryStatus::Completed);
}
