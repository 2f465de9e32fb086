//! All replications of a forecast, on all cores.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;
use rustc_hash::FxHashMap;
use yardmaster_engine::{Drone, DroneId, Entry, JobId, LiveRows, Settings, Span, Time};

use super::arrivals::Arrivals;
use super::experience::{Experience, Ground, Subject};
use super::fate::Likeness;
use super::present::{self, Present, Standing};
use super::replication::{Course, Stage, play};
use super::{Change, ForecastError};
use crate::history::Snapshot;

/// Whether jobs come while those of the snapshot are at work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalModel {
    /// Nothing comes: what is there is worked off. Jobs of low priority are forecast too early where others keep coming.
    #[default]
    None,
    /// Days of the history come again.
    History,
}

/// How to forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How often to simulate.
    pub replications: u32,
    /// Seed of all randomness.
    pub seed: u64,
    /// Whether jobs come.
    pub arrivals: ArrivalModel,
    /// How far to look ahead.
    pub horizon: Span,
    /// Settings to use instead of those of the snapshot.
    pub settings: Option<Settings>,
    /// Changes to make before, in this order.
    pub changes: Vec<Change>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            replications: 200,
            seed: 1,
            arrivals: ArrivalModel::None,
            horizon: Span::from_hours(24 * 7),
            settings: None,
            changes: Vec::new(),
        }
    }
}

/// What became of every job in every replication.
#[derive(Debug, Clone)]
pub struct Outcomes {
    pub(super) taken_at: Time,
    pub(super) options: Options,
    pub(super) settings: Settings,
    /// The live rows with the changes made.
    pub(super) rows: LiveRows,
    /// The jobs, ascending by id.
    pub(super) jobs: Vec<JobId>,
    /// By replication, then by job.
    pub(super) courses: Vec<Vec<Course>>,
    /// What was assumed, in sentences.
    pub(super) assumptions: Vec<String>,
    pub(super) unix_time: bool,
}

impl Outcomes {
    /// How many replications there are: fewer than were asked for where time ran out.
    pub fn replications(&self) -> usize {
        self.courses.len()
    }

    /// In each replication, when the first test of a job starts, after the snapshot; `None` where it never does within the
    /// horizon. `None` as a whole for a job that is not part of the forecast.
    pub fn starts(&self, job: JobId) -> Option<Vec<Option<Span>>> {
        let place = self.jobs.binary_search(&job).ok()?;
        Some(self.courses.iter().map(|courses| courses[place].started.map(milliseconds)).collect())
    }

    /// In each replication, when the last entry of a job ends, after the snapshot.
    pub fn ends(&self, job: JobId) -> Option<Vec<Option<Span>>> {
        let place = self.jobs.binary_search(&job).ok()?;
        Some(self.courses.iter().map(|courses| courses[place].ended.map(milliseconds)).collect())
    }
}

/// A moment of a [`Course`].
pub(super) fn milliseconds(milliseconds: u32) -> Span {
    Span(i64::from(milliseconds) * 1000)
}

/// Simulates a lab forward as often as is wanted, or as long as `go_on` says; it is told how many replications have
/// ended. The numbers are the same for any number of threads, as long as all replications are done.
///
/// # Errors
/// If a change speaks of what is not there, arrivals have no history to come from, or no replication ends.
pub fn forecast(
    snapshot: &Snapshot,
    options: &Options,
    go_on: impl Fn(usize) -> bool + Sync,
) -> Result<Outcomes, ForecastError> {
    if options.replications == 0 {
        return Err(ForecastError::NoReplications);
    }
    let settings = options.settings.clone().unwrap_or_else(|| snapshot.history.settings.clone());
    let mut rows = snapshot.live.clone();
    let mut assumptions = Vec::new();
    // What was started anew is put on any drone: one that has a stray in truth would not have it here.
    rows.strays.clear();
    ensure_drone(&mut rows, &settings, &mut assumptions);
    // What runs is found before the changes: a lock or an abort does not undo a start.
    let present = present::processes(&rows, &settings);
    for change in &options.changes {
        change.make(&mut rows)?;
    }
    let likeness = Likeness::of(&rows);
    let experience = Experience::of(&snapshot.history);
    let arrivals = match options.arrivals {
        ArrivalModel::None => None,
        ArrivalModel::History => Some(Arrivals::of(&snapshot.history, &rows, snapshot.taken_at)?),
    };
    let (jobs, open_entries) = open_jobs(&rows);
    let places: FxHashMap<JobId, u32> = jobs.iter().zip(0..).map(|(job, place)| (*job, place)).collect();
    let stage = Stage {
        rows: &rows,
        settings: &settings,
        taken_at: snapshot.taken_at,
        horizon: options.horizon,
        present: &present,
        experience: &experience,
        likeness: &likeness,
        arrivals: arrivals.as_ref(),
        jobs: &places,
        open_entries: &open_entries,
        seed: options.seed,
    };
    let courses = play_all(&stage, options.replications, go_on)?;
    assumptions.extend(said_of(&snapshot.history.remarks, &present, &experience, &likeness, &jobs, snapshot.taken_at));
    if let Some(dropped) = arrivals.as_ref().map(|arrivals| arrivals.dropped).filter(|dropped| *dropped > 0) {
        assumptions.push(format!("{dropped} jobs of the history do not come again: what they ask for is gone"));
    }
    let options = options.clone();
    let (taken_at, unix_time) = (snapshot.taken_at, snapshot.history.unix_time);
    Ok(Outcomes { taken_at, options, settings, rows, jobs, courses, assumptions, unix_time })
}

fn play_all(
    stage: &Stage<'_>,
    replications: u32,
    go_on: impl Fn(usize) -> bool + Sync,
) -> Result<Vec<Vec<Course>>, ForecastError> {
    let (stopped, ended) = (AtomicBool::new(false), AtomicUsize::new(0));
    let played: Vec<Option<Vec<Course>>> = (0..u64::from(replications))
        .into_par_iter()
        .map(|number| {
            if stopped.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let courses = play(stage, number)?;
            if !go_on(ended.fetch_add(1, Ordering::Relaxed) + 1) {
                stopped.store(true, Ordering::Relaxed);
            }
            Ok::<_, ForecastError>(Some(courses))
        })
        .collect::<Result<_, _>>()?;
    let courses: Vec<Vec<Course>> = played.into_iter().flatten().collect();
    if courses.is_empty() { Err(ForecastError::OutOfTime) } else { Ok(courses) }
}

/// An installation whose drones are only in its configuration file has no rows of them.
fn ensure_drone(rows: &mut LiveRows, settings: &Settings, assumptions: &mut Vec<String>) {
    if !rows.drones.is_empty() {
        return;
    }
    let max_processes = settings.max_processes_per_drone;
    let name = "assumed".into();
    rows.drones.push(Drone { id: DroneId(1), name, enabled: true, max_processes, users: Vec::new() });
    assumptions.push(format!("no drone is in the snapshot: one with room for {max_processes} processes is assumed"));
}

/// The jobs that have not ended, ascending, and how many entries of each have not.
fn open_jobs(rows: &LiveRows) -> (Vec<JobId>, Vec<u32>) {
    let mut jobs: Vec<JobId> = rows.entries.iter().filter(|entry| is_open(entry)).map(|entry| entry.job).collect();
    jobs.sort_unstable();
    let mut counts: Vec<(JobId, u32)> = Vec::new();
    for job in jobs {
        match counts.last_mut() {
            Some((last, count)) if *last == job => *count += 1,
            _ => counts.push((job, 1)),
        }
    }
    counts.into_iter().unzip()
}

pub(super) fn is_open(entry: &Entry) -> bool {
    !entry.status.is_complete()
}

/// What was assumed of jobs, and of the processes that run.
fn said_of(
    remarks: &[String],
    present: &[Present],
    experience: &Experience,
    likeness: &Likeness,
    jobs: &[JobId],
    taken_at: Time,
) -> Vec<String> {
    let mut said = remarks.to_vec();
    if experience.split_jobs > 0 {
        said.push(format!(
            "{} jobs of the history say nothing of durations: their hosts ran them one by one",
            experience.split_jobs
        ));
    }
    let profiles = jobs.iter().filter_map(|job| likeness.profile(*job));
    let strangers = profiles.filter(|profile| !experience.knows_tests(Some(profile))).count();
    if !jobs.is_empty() && !experience.knows_tests(None) {
        said.push("the history has no test that ended: ten minutes are assumed of each".to_owned());
    } else if strangers > 0 {
        said.push(format!(
            "{strangers} jobs are of profiles that the history does not know: they are judged by other tests"
        ));
    }
    let count = |ground: Ground| {
        let on = |process: &&Present| match (process.standing, subject(process, likeness)) {
            (Standing::Runs { since }, Some(subject)) => {
                let age = since.map_or(0.0, |since| (taken_at - since).as_seconds_f64());
                experience.ground(&subject, Some(age.max(0.0))) == ground
            }
            _ => false,
        };
        present.iter().filter(on).count()
    };
    let (similar, beyond, assumed) = (count(Ground::Similar), count(Ground::BeyondAll), count(Ground::Assumed));
    if similar > 0 {
        said.push(format!(
            "running processes judged by similar ones, since too few of their own profile and kind of host have been seen to \
             last so long: {similar}"
        ));
    }
    if beyond > 0 {
        said.push(format!(
            "running processes that have lasted longer than anything like them in the history, and are taken to last as long \
             again on average, up to their time limits: {beyond}"
        ));
    }
    if assumed > 0 {
        said.push(format!(
            "running processes of kinds of which the history knows nothing, whose usual times are assumed: {assumed}"
        ));
    }
    said
}

fn subject(process: &Present, likeness: &Likeness) -> Option<Subject> {
    use yardmaster_engine::WorkKind;
    let kind = process.work.hosts.first().and_then(|host| likeness.kind(*host));
    let kind = kind.cloned().unwrap_or_else(|| "".into());
    match process.work.kind {
        WorkKind::Special(task) => Some(Subject::Task { task, kind }),
        WorkKind::Test | WorkKind::HandOff => {
            Some(Subject::Test { profile: likeness.profile(process.work.job?)?.clone(), kind })
        }
        WorkKind::Gather | WorkKind::Parse => None,
    }
}
