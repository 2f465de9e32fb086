//! A start that is stuck half-way on its drone while the scheduler has to begin anew: it is decided again, and runs once.

use std::fs::File;

use rustix::process::Signal;
use tempfile::TempDir;
use yardmaster::database::schema::migrate;
use yardmaster::database::{Database, DatabaseAddress};
use yardmaster::drones::{Commands, Drones};
use yardmaster::service::SqlBriefings;
use yardmaster::store::{SqlStore, StoreOptions};
use yardmaster_engine::{Clock, DroneId, Engine, EntryId, Role, Setup, Span, TickReport, Time, WaitReason};
use yardmaster_sim::clock::VirtualClock;
use yardmaster_sim::script::{Action, Player, Script, tables};
use yardmaster_sim::store::{CommitFault, MemoryStore};

use super::drones::{AGENT, RealDrones, until};
use super::surroundings::{ShakyDrones, ShakyStore};
use super::tables::{copy, empty, real_time};

const FIRST: DroneId = DroneId(1);
const SECOND: DroneId = DroneId(2);
/// More than anything here needs.
const TICKS_MAX: u32 = 2000;

struct Lab {
    /// Knows what people do as rows.
    people: Player,
    engine: Engine<VirtualClock, ShakyDrones, ShakyStore>,
    drones: RealDrones,
    database: Database,
    _directory: TempDir,
}

impl Lab {
    async fn new() -> Lab {
        let script: Script = toml::from_str(
            r#"
            name = "reload"
            about = "two drones, of which the first is taken first"
            drone = [{ name = "drone1", max_processes = 10 }, { name = "drone2", max_processes = 5 }]
            host = [{ name = "host[1-2]" }]
            step = []
            "#,
        )
        .expect("a valid script");
        let directory = TempDir::new().expect("a directory");
        let address = DatabaseAddress::Sqlite(directory.path().join("lab.db"));
        let database = Database::open(&address).await.expect("the database opens");
        migrate(&database).await.expect("it migrates");
        let lab = tables(&script).expect("a valid lab");
        empty(&database).await;
        copy(&database, &MemoryStore::default(), &lab, None).await;
        let drones = RealDrones::new(lab.drones.iter().cloned());
        let fleet = drones.fleet();
        drones.reach(&fleet, |_| false).await.expect("all answer");
        let mut store = SqlStore::new(database.clone(), StoreOptions::default());
        let term = store.begin_term("a test").await.expect("a term");
        let commands = Commands::practice(AGENT).expect("command lines");
        let real = Drones::new(fleet, SqlBriefings::new(database.clone()), commands);
        let real = ShakyDrones { drones: real, lost_replies: Default::default() };
        let settings = script.settings.clone();
        let setup = Setup { settings, role: Role::Whole, term, recover_hosts: false, journal: None };
        let clock = VirtualClock::new(real_time(Time(0)));
        let engine = Engine::start(clock, real, ShakyStore { store, faults: Vec::new() }, setup).await;
        let people = Player::new(&script, false).expect("a valid lab");
        Lab { people, engine: engine.expect("it starts"), drones, database, _directory: directory }
    }

    /// People do something.
    async fn act(&mut self, action: &str) {
        let action: Action = serde_json::from_str(action).expect("a valid action");
        let before = self.people.engine().store().clone();
        self.people.act(&action).expect("it is done");
        copy(&self.database, &before, self.people.engine().store(), Some(&Default::default())).await;
    }

    async fn tick(&mut self) -> TickReport {
        let next = self.engine.clock_mut().now() + Span::from_seconds(1);
        self.engine.clock_mut().advance_to(next);
        self.engine.tick().await.expect("the engine goes on")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_stuck_half_way_outlives_a_refused_commit() {
    let mut lab = Lab::new().await;
    let entry = EntryId(1);
    let lock = File::open(lab.drones.results(FIRST).join(".yardmaster/term.lock")).expect("the lock");
    lock.lock().expect("locked");
    lab.act(r#"{"submit":{"job":"j","hosts":["host1"],"run_reset":false}}"#).await;
    // The launcher is stopped before its claim, and the connection cut: the tick that orders the start waits for that.
    let results = lab.drones.results(FIRST);
    let cut = tokio::spawn(async move {
        until(|| "a launcher".to_owned(), || RealDrones::signal(&results, "launch", Signal::STOP)).await?;
        until(|| "it to stop".to_owned(), || RealDrones::is_stopped(&results, "launch")).await?;
        drop(lock);
        RealDrones::signal(&results, "serve", Signal::KILL);
        Ok::<(), String>(())
    });
    while !cut.is_finished() {
        lab.tick().await;
    }
    cut.await.expect("no panic").expect("it is cut");
    assert_eq!(lab.engine.core().why(entry), WaitReason::Nothing);
    // A decision that does not reach the database; and the first drone gets nothing new.
    lab.act(r#"{"set_drone":{"drone":"drone1","enabled":false}}"#).await;
    lab.act(r#"{"submit":{"job":"k","hosts":["host2"],"run_reset":false}}"#).await;
    lab.engine.store_mut().faults.push(CommitFault::Refused);
    let mut ticks = 0;
    while !matches!(lab.tick().await, TickReport::NotCommitted(_)) {
        ticks += 1;
        assert!(ticks < TICKS_MAX, "nothing was decided");
    }
    while lab.drones.marks(SECOND).len() < 2 {
        lab.tick().await;
        ticks += 1;
        assert!(ticks < TICKS_MAX, "not started elsewhere: {:?}", lab.engine.core().why(entry));
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let results = lab.drones.results(FIRST);
    assert!(RealDrones::signal(&results, "launch", Signal::CONT), "the old launcher is there still");
    until(|| "the launcher to end".to_owned(), || !RealDrones::signal(&results, "launch", Signal::CONT))
        .await
        .expect("it ends");
    assert_eq!(lab.drones.marks(FIRST), Vec::<String>::new(), "it ran on both drones");
}
