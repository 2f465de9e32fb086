//! `yardmaster run-job`: sees a job that was handed off to its end, on the drone to which it was handed.
//!
//! It is the engine once more, in a lab of one job: its store knows the rows of that job alone, its only drone is the
//! machine that it runs on, spoken to by an agent of its own. So a test is claimed, watched, killed, gathered and parsed
//! exactly as the scheduler does it, and rows go the same way. Schedulers and their agents may come and go meanwhile.
//!
//! It stops when the job has ended, or when its rows say that the job is no longer its own.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use tracing::{info, warn};
use yardmaster_engine::{DroneId, Engine, EngineError, HandOffLevel, JobId, Role, Settings, Setup, Term, TickReport};

use crate::agent::PROGRAM;
use crate::database::{Database, schema};
use crate::drones::{Connection, DroneAddress, DroneSettings, Drones, Fleet};
use crate::frontend::view;
use crate::service::config::{Config, Sources, load};
use crate::service::{SqlBriefings, SystemClock, logging, open_database};
use crate::store::{JobStore, Standing};

/// The results directory of whoever was started by an agent.
const RESULTS_VARIABLE: &str = "YARDMASTER_RESULTS";
/// A runner looks at its job's rows no more often than this, in seconds: there may be a thousand of them.
const SHORTEST_TICK: f64 = 1.0;
/// Terms order schedulers; a runner has none, and its agent asks for none.
const TERM: Term = Term(1);
/// Once its job has ended, its drone gets so many ticks to carry out what is left: notes beside the results.
const LAST_TICKS: u32 = 60;
/// The pause between two attempts to load the job from a database that does not answer.
const RETRY: Duration = Duration::from_secs(1);

/// Which job, and where.
#[derive(Debug, Clone)]
pub struct RunJob {
    /// The job.
    pub job: u32,
    /// The drone on which this program runs, if the caller knows it: it must be the one to which the job was handed.
    pub drone: Option<String>,
}

/// How a runner ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunnerEnding {
    /// The job has ended.
    Finished,
    /// The job is not this runner's any more: its scheduler, or another runner, sees to it.
    NotOurs,
}

/// Sees a job to its end.
///
/// # Errors
/// If the job was not handed off to this drone, or something is wrong that waiting would not mend.
pub async fn run_job(sources: Sources, which: RunJob) -> anyhow::Result<RunnerEnding> {
    let config = load(&sources)?.config;
    logging::start(&config.log).map_err(anyhow::Error::msg)?;
    let database = open_database(&config.database_address()?).await?;
    schema::require(&database).await?;
    let job = JobId(which.job);
    let drone = drone_of(&database, job, which.drone.as_deref(), &config).await?;
    info!(job = job.0, drone = drone.name, "running the job that was handed off");
    let links = tempfile::tempdir().context("no place for the agent's name")?;
    let drone = DroneAddress { connection: Connection::Local, agent: own_agent(&links)?, ..drone };
    let ending = see_to_its_end(&config, &database, job, &drone).await?;
    match ending {
        RunnerEnding::Finished => info!(job = job.0, "the job has ended"),
        RunnerEnding::NotOurs => warn!(job = job.0, "the job is not this runner's any more"),
    }
    Ok(ending)
}

/// The drone to which a job was handed.
async fn drone_of(
    database: &Database,
    job: JobId,
    named: Option<&str>,
    config: &Config,
) -> anyhow::Result<DroneAddress> {
    let sql = "SELECT y.drone_id FROM yardmaster_handoffs y JOIN afe_job_handoffs f ON f.job_id = y.job_id \
               WHERE y.job_id = ? AND f.completed = 0";
    let rows = database.query(sql, vec![job.0.into()]).await?;
    let Some(row) = rows.first() else {
        bail!(
            "job {job} was not handed off, or has ended since: jobs are handed off by the scheduler (scheduler.hand_off_level)"
        );
    };
    let id = DroneId(row.get(0)?);
    let drones = view::drones(database).await?;
    let Some(drone) = drones.iter().find(|drone| drone.id == id.0) else {
        bail!("job {job} was handed off to drone {id}, which is no drone of this lab any more");
    };
    if let Some(named) = named.filter(|named| *named != drone.name) {
        bail!("job {job} was handed off to drone {}, not to {named}", drone.name);
    }
    let address = drone.address(config);
    let results = std::env::var_os(RESULTS_VARIABLE).map_or(address.results_dir, PathBuf::from);
    Ok(DroneAddress { results_dir: results, ..address })
}

/// This program under the agent's name.
fn own_agent(folder: &tempfile::TempDir) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("this program does not know where it is")?;
    let agent = folder.path().join(PROGRAM);
    std::os::unix::fs::symlink(own, &agent).with_context(|| format!("cannot make {}", agent.display()))?;
    Ok(agent)
}

/// What holds for one job alone: nobody hears its notices, and everything else is the scheduler's business.
fn settings(config: &Config) -> Settings {
    let settings = config.scheduler.clone();
    Settings {
        minimum_tick_sec: settings.minimum_tick_sec.max(SHORTEST_TICK),
        hand_off_level: HandOffLevel::Off,
        reverify_period_minutes: 0,
        die_on_orphans: false,
        drone_sets_enabled: false,
        ..settings
    }
}

type Runner = Engine<SystemClock, Drones<SqlBriefings>, JobStore>;

/// Loads the job; a database that fails meanwhile is waited for. `None`: it is not ours.
async fn start(
    config: &Config,
    database: &Database,
    job: JobId,
    drone: &DroneAddress,
) -> anyhow::Result<Option<Runner>> {
    let lab = schema::lab(database).await?;
    loop {
        // Results stay here: the scheduler fetches them when it hears of the job's end.
        let drones = DroneSettings { for_runner: true, repository: None, ..config.drone_settings() };
        let fleet = Fleet::new(&lab, drones)?;
        fleet.set_drones(vec![drone.clone()]);
        let drones = Drones::new(fleet, SqlBriefings::new(database.clone()), config.commands.clone());
        let store = JobStore::new(database.clone(), job, drone.id, &drone.name);
        let setup =
            Setup { settings: settings(config), role: Role::Runner, term: TERM, recover_hosts: false, journal: None };
        match Engine::start(SystemClock, drones, store, setup).await {
            Ok(engine) => return Ok(Some(engine)),
            Err(EngineError::Superseded { .. }) => return Ok(None),
            Err(error @ EngineError::Orphans) => return Err(error.into()),
            Err(EngineError::Store(cause)) => {
                if drone_of(database, job, Some(&drone.name), config).await.is_err_and(|error| !is_outage(&error)) {
                    return Ok(None);
                }
                warn!(%cause, "not started yet");
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn is_outage(error: &anyhow::Error) -> bool {
    error.downcast_ref::<crate::database::DatabaseError>().is_some_and(crate::database::DatabaseError::is_outage)
}

async fn see_to_its_end(
    config: &Config,
    database: &Database,
    job: JobId,
    drone: &DroneAddress,
) -> anyhow::Result<RunnerEnding> {
    let Some(mut engine) = start(config, database, job, drone).await? else { return Ok(RunnerEnding::NotOurs) };
    let mut last_ticks = 0;
    loop {
        match engine.store().standing() {
            Standing::Ours => {}
            Standing::NotOurs => return Ok(RunnerEnding::NotOurs),
            Standing::Finished if !engine.has_backlog() || last_ticks == LAST_TICKS => {
                return Ok(RunnerEnding::Finished);
            }
            Standing::Finished => last_ticks += 1,
        }
        let pause = Duration::from_micros(engine.core().settings().tick().0.unsigned_abs());
        tokio::time::sleep(pause).await;
        match engine.tick().await {
            Ok(TickReport::Done(_)) => {}
            Ok(TickReport::Skipped(cause)) => warn!(%cause, "nothing was decided"),
            Ok(TickReport::NotCommitted(why)) => warn!(why, "nothing was committed"),
            Err(EngineError::Superseded { .. }) => return Ok(RunnerEnding::NotOurs),
            Err(error @ (EngineError::Orphans | EngineError::Store(_))) => return Err(error.into()),
        }
    }
}
