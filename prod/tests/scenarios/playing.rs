//! Many scenarios at once: each player has a thread, a runtime and a database of its own.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use tempfile::TempDir;
use yardmaster::database::schema::migrate;
use yardmaster::database::{Database, DatabaseAddress};
use yardmaster_sim::replay::{JournalWriter, replay};
use yardmaster_sim::script::{LoadedScript, Script, load};

use super::database_server::DatabaseServer;
use super::duel::play;
use super::excused::{EXCUSED, is_possible, mistakes};

/// More players than processors: they wait for processes most of the time.
const PLAYERS: usize = 6;
/// Of the recordings every so many is played, unless all are asked for.
const SAMPLE: usize = 20;
const ALL_RECORDINGS: &str = "YARDMASTER_ALL_RECORDINGS";

/// Where databases are made.
#[derive(Clone)]
enum Place {
    Sqlite(Arc<TempDir>),
    Server(Arc<DatabaseServer>),
}

impl Place {
    fn sqlite() -> Place {
        Place::Sqlite(Arc::new(TempDir::new().expect("a directory")))
    }

    /// On a server that does not wait for the disk: no test here lets it die.
    fn server() -> Place {
        let server = DatabaseServer::shared();
        let hurry = async {
            let sql = "SET GLOBAL innodb_flush_log_at_trx_commit = 0";
            server.administrator().await.execute(sql, Vec::new()).await.expect("root may do that");
        };
        runtime().block_on(hurry);
        Place::Server(server)
    }

    /// A new database with all tables.
    async fn database(&self, number: usize) -> Database {
        let address = match self {
            Place::Sqlite(directory) => DatabaseAddress::Sqlite(directory.path().join(format!("lab{number}.db"))),
            Place::Server(server) => server.fresh_database().await,
        };
        let database = Database::open(&address).await.expect("the database opens");
        migrate(&database).await.expect("it migrates");
        database
    }
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(path: &Path) -> Vec<LoadedScript> {
    load(path).unwrap_or_else(|error| panic!("{error}"))
}

fn library() -> Vec<LoadedScript> {
    let folder = std::fs::read_dir(repository("scenarios/scripted")).expect("the library is part of the repository");
    let mut files: Vec<PathBuf> = folder.map(|file| file.expect("readable").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files.iter().flat_map(|file| read(file)).collect()
}

fn recordings() -> Vec<LoadedScript> {
    let all = read(&repository("sim/tests/data/recorded.jsonl.gz"));
    assert!(all.len() >= 800, "only {} recordings", all.len());
    let step = if std::env::var_os(ALL_RECORDINGS).is_some_and(|value| value == "1") { 1 } else { SAMPLE };
    all.into_iter().step_by(step).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Plays all of them and fails with all differences.
fn play_all(place: &Place, scripts: Vec<LoadedScript>, at_least: usize) {
    let began = SystemTime::now();
    let waiting = Mutex::new(scripts.into_iter());
    let (failures, totals) = (Mutex::new(Vec::new()), Mutex::new((0, 0)));
    std::thread::scope(|scope| {
        for number in 0..PLAYERS {
            let (waiting, failures, totals) = (&waiting, &failures, &totals);
            scope.spawn(move || {
                let runtime = runtime();
                let database = runtime.block_on(place.database(number));
                loop {
                    let next = waiting.lock().expect("no player panics here").next();
                    let Some(LoadedScript { source, script }) = next else { return };
                    let outcome = runtime.block_on(play(&script, database.clone(), None));
                    let mut totals = totals.lock().expect("no player panics here");
                    totals.0 += 1;
                    match outcome {
                        Ok(processes) => totals.1 += processes,
                        Err(problem) => {
                            let failure = format!("{source}: {}: {problem}", script.name);
                            failures.lock().expect("no player panics here").push(failure);
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no player panics here");
    let (scenarios, processes) = totals.into_inner().expect("no player panics here");
    let seconds = began.elapsed().unwrap_or_default().as_secs_f64();
    println!("{scenarios} scenarios, {processes} processes, {seconds:.1} s");
    assert!(failures.is_empty(), "{} of {scenarios} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(scenarios >= at_least, "only {scenarios} scenarios were played");
}

/// All of the library that can be played.
fn comparable() -> Vec<LoadedScript> {
    library().into_iter().filter(|loaded| is_possible(&loaded.script)).collect()
}

fn of_name<'a>(scripts: &'a [LoadedScript], name: &str) -> &'a Script {
    let named = scripts.iter().find(|loaded| loaded.script.name == name);
    &named.unwrap_or_else(|| panic!("{name} is not in the library")).script
}

#[test]
fn what_is_excused_cannot_be_played_and_all_else_can() {
    let scripts = library();
    assert_eq!(mistakes(scripts.iter().map(|loaded| &loaded.script)), [""; 0]);
    let names: Vec<&str> = scripts.iter().map(|loaded| loaded.script.name.as_str()).collect();
    let unknown: Vec<_> = EXCUSED.iter().filter(|(name, _)| !names.contains(name)).collect();
    assert!(unknown.is_empty(), "excused and not in the library: {unknown:?}");
}

#[test]
fn the_library_shows_the_same_on_sqlite() {
    play_all(&Place::sqlite(), comparable(), 100);
}

#[test]
fn half_of_the_library_shows_the_same_on_a_server() {
    let half = comparable().into_iter().step_by(2).collect();
    play_all(&Place::server(), half, 50);
}

#[test]
fn recordings_of_the_original_show_the_same_on_sqlite() {
    play_all(&Place::sqlite(), recordings(), 40);
}

#[test]
fn recordings_of_the_original_show_the_same_on_a_server() {
    play_all(&Place::server(), recordings(), 40);
}

/// The journal of real schedulers, restarts included, is decided again in the simulator.
#[test]
fn what_real_schedulers_decided_is_decided_again_from_their_journal() {
    let scripts = library();
    let restarts = ["hand-off-of-a-job", "recovery-of-jobs", "recovery-of-pre-job-work", "refused-commit"];
    let runtime = runtime();
    let place = Place::sqlite();
    let database = runtime.block_on(place.database(0));
    for name in restarts {
        let script = of_name(&scripts, name);
        let writer = JournalWriter::new(Vec::new());
        let shared = writer.clone();
        let journals = Box::new(move || Box::new(shared.clone()) as Box<dyn yardmaster_engine::Journal>);
        let played = runtime.block_on(play(script, database.clone(), Some(journals)));
        played.unwrap_or_else(|problem| panic!("{name}: {problem}"));
        assert_eq!(writer.failure(), None);
        let text = writer.into_inner().expect("the schedulers are gone");
        let replayed = replay(text.as_slice()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(replayed.undecided, 0, "{name}");
        assert!(replayed.beginnings >= 2, "{name}: {} schedulers began", replayed.beginnings);
        assert!(replayed.ticks > 10, "{name}: only {} ticks", replayed.ticks);
    }
}
