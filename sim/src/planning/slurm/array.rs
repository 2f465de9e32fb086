//! A job array: what its elements simulate, and of what.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use yardmaster_engine::Span;

use super::error::ArrayError;
use super::foreseen::foreseen;
use super::script::{Script, text};
use super::split::{ArraySpecification, Share, split};
use crate::planning::cache::{Cache, SOURCE_DIGEST, data_files};
use crate::planning::error::PlanError;
use crate::planning::evaluate::Part;
use crate::planning::pilot::find_warm_up;
use crate::planning::result::PlanResult;
use crate::planning::study::Study;

const VERSION: u32 = 1;
const CONTENTS: &str = "parts.json";
const SCRIPT: &str = "array.sbatch";
const RESULTS: &str = "results";

/// A file that results depend on, and what was in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Input {
    /// From the root.
    path: PathBuf,
    /// BLAKE3.
    digest: String,
}

impl Input {
    fn of(path: &Path) -> Result<Input, ArrayError> {
        let path = absolute(path)?;
        let bytes = fs::read(&path).map_err(|error| failed(&path, "read", error))?;
        Ok(Input { path, digest: blake3::hash(&bytes).to_hex().to_string() })
    }

    /// Fails if the file is another one now, or none.
    fn check(&self, what: &'static str) -> Result<(), ArrayError> {
        match Input::of(&self.path)? == *self {
            true => Ok(()),
            false => Err(ArrayError::Changed { what, file: self.path.clone() }),
        }
    }
}

pub(super) fn failed(path: &Path, action: &'static str, error: std::io::Error) -> ArrayError {
    ArrayError::File { path: path.to_owned(), action, error }
}

fn absolute(path: &Path) -> Result<PathBuf, ArrayError> {
    std::path::absolute(path).map_err(|error| failed(path, "found", error))
}

/// `parts.json`
#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    version: u32,
    /// The digest of the program's source.
    program: String,
    plan: Input,
    /// The plan's path as it was given, which results tell.
    plan_given: PathBuf,
    scenario: Input,
    /// The scenario's path, beside the plan's.
    scenario_given: PathBuf,
    data: BTreeSet<Input>,
    seed: u64,
    /// So much of each run's beginning is left out.
    warm_up: Span,
    /// Arrays of the same plan whose results are needed, too.
    earlier: Vec<PathBuf>,
    elements: Vec<Vec<Share>>,
}

/// Elements of an array whose results are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The array's batch script.
    pub script: PathBuf,
    /// Which of its elements.
    pub elements: ArraySpecification,
    /// How many elements it has.
    pub of: usize,
}

/// A plan's replications, or some of them, as a folder that a Slurm cluster works on.
#[derive(Debug)]
pub struct JobArray {
    folder: PathBuf,
    contents: Contents,
}

impl JobArray {
    /// Writes an array of at most so many elements to a folder, which is made, with all replications of a plan that can be told
    /// beforehand. Where the plan leaves it to the rule how much of a run's beginning is left out, its pilot runs are simulated
    /// now. Elements will run `program`.
    ///
    /// # Errors
    /// The folder holds an array already or cannot be written, a path cannot stand in a batch script, or the plan's scenario makes
    /// no sense.
    pub fn write(study: &Study, elements: u32, folder: &Path, program: &Path) -> Result<JobArray, PlanError> {
        let folder = prepared(folder)?;
        let pilots = Cache::new(Some(&folder.join("pilots")), &[])?;
        let warm_up = find_warm_up(study, &pilots)?.length;
        let given = (study.file.clone(), study.scenario_file.clone());
        write(study, given, &foreseen(study), warm_up, Vec::new(), elements, (&folder, program))
    }

    /// Writes an array of replications that turned out to be missing when this one was merged.
    ///
    /// # Errors
    /// As [`JobArray::write`]; or nothing is missing.
    pub fn write_next(
        &self,
        study: &Study,
        missing: Vec<Part>,
        elements: u32,
        folder: &Path,
        program: &Path,
    ) -> Result<JobArray, PlanError> {
        if missing.is_empty() {
            return Err(ArrayError::NothingMissing.into());
        }
        let folder = prepared(folder)?;
        let given = (self.contents.plan_given.clone(), self.contents.scenario_given.clone());
        let earlier = self.contents.earlier.iter().cloned().chain([self.folder.clone()]).collect();
        let missing = missing.into_iter().collect();
        write(study, given, &missing, self.contents.warm_up, earlier, elements, (&folder, program))
    }

    /// Reads an array.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn read(folder: &Path) -> Result<JobArray, PlanError> {
        let folder = absolute(folder)?;
        let file = folder.join(CONTENTS);
        let nonsense = |problem: String| ArrayError::Nonsense { file: file.clone(), problem };
        let bytes = fs::read(&file).map_err(|error| failed(&file, "read", error))?;
        let json: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| nonsense(error.to_string()))?;
        let version = json.get("version").and_then(serde_json::Value::as_u64);
        if version != Some(u64::from(VERSION)) {
            let version = version.map_or_else(|| "none".to_owned(), |version| version.to_string());
            return Err(nonsense(format!("its version is {version}, not {VERSION}")).into());
        }
        let contents = serde_json::from_value(json).map_err(|error| nonsense(error.to_string()))?;
        Ok(JobArray { folder, contents })
    }

    /// The plan that it is a part of.
    ///
    /// # Errors
    /// The plan, its scenario, a data file or the program is not what it was when the array was written; or the plan cannot be
    /// read.
    pub fn study(&self) -> Result<Study, PlanError> {
        let Contents { program, plan, scenario, data, .. } = &self.contents;
        if program != SOURCE_DIGEST {
            return Err(ArrayError::OtherProgram(self.folder.join(CONTENTS)).into());
        }
        plan.check("the plan")?;
        scenario.check("the scenario")?;
        data.iter().try_for_each(|data| data.check("the data file"))?;
        let mut study = Study::read(&plan.path)?;
        study.seed = self.contents.seed;
        let fits = |share: &Share| {
            let is_level = |(level, change): (&usize, &crate::planning::Change)| *level < change.levels.len();
            share.point.0.len() == study.changes.len() && share.point.0.iter().zip(&study.changes).all(is_level)
        };
        if !self.contents.elements.iter().flatten().all(fits) {
            let problem = "it names levels that the plan does not have".to_owned();
            return Err(ArrayError::Nonsense { file: self.folder.join(CONTENTS), problem }.into());
        }
        Ok(study)
    }

    /// The plan's path as it was given when the first array was written.
    pub fn plan_given(&self) -> &Path {
        &self.contents.plan_given
    }

    /// Names the plan and the scenario in a result as they would be named had the plan been run by itself.
    pub fn name_as_given(&self, result: &mut PlanResult) {
        result.file.clone_from(&self.contents.plan_given);
        result.scenario_file.clone_from(&self.contents.scenario_given);
    }

    /// Where it is, from the root.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The array's batch script.
    pub fn script(&self) -> PathBuf {
        self.folder.join(SCRIPT)
    }

    /// How many elements it has.
    pub fn elements(&self) -> usize {
        self.contents.elements.len()
    }

    /// How many replications they simulate, all of them together.
    pub fn replications(&self) -> usize {
        self.contents.elements.iter().flatten().map(|share| share.replications.len()).sum()
    }

    /// Where results are that a merge reads: of this array, and of those that it follows on.
    ///
    /// # Errors
    /// An earlier array cannot be read.
    pub fn results(&self) -> Result<Vec<PathBuf>, PlanError> {
        let mut folders = Vec::new();
        for earlier in &self.contents.earlier {
            folders.extend(JobArray::read(earlier)?.own_results());
        }
        folders.extend(self.own_results());
        Ok(folders)
    }

    fn own_results(&self) -> Vec<PathBuf> {
        let elements = (0..self.elements() as u32).map(|element| self.result(element));
        [self.folder.join("pilots")].into_iter().chain(elements).collect()
    }

    /// The elements whose results are not all there, of this array and of those that it follows on.
    ///
    /// # Errors
    /// Results or an earlier array cannot be read.
    pub fn unfinished(&self, study: &Study) -> Result<Vec<Unfinished>, PlanError> {
        let mut unfinished = Vec::new();
        for earlier in &self.contents.earlier {
            unfinished.extend(JobArray::read(earlier)?.own_unfinished(study)?);
        }
        unfinished.extend(self.own_unfinished(study)?);
        Ok(unfinished)
    }

    fn own_unfinished(&self, study: &Study) -> Result<Option<Unfinished>, PlanError> {
        let mut missing = Vec::new();
        for element in 0..self.elements() as u32 {
            if !self.is_whole(study, element, &self.result(element))? {
                missing.push(element);
            }
        }
        let elements: ArraySpecification = missing.into_iter().collect();
        let unfinished = || Unfinished { script: self.script(), elements: elements.clone(), of: self.elements() };
        Ok((!elements.is_empty()).then(unfinished))
    }

    /// Where elements put their results.
    pub(super) fn results_folder(&self) -> PathBuf {
        self.folder.join(RESULTS)
    }

    /// Where an element's results are once they are all there.
    pub(super) fn result(&self, element: u32) -> PathBuf {
        self.results_folder().join(format!("element-{element}"))
    }

    /// What an element simulates.
    pub(super) fn shares(&self, element: u32) -> Result<&[Share], ArrayError> {
        let last = self.elements().saturating_sub(1) as u32;
        let shares = self.contents.elements.get(element as usize);
        shares.map(Vec::as_slice).ok_or(ArrayError::NoElement { element, last })
    }

    pub(super) fn warm_up(&self) -> Span {
        self.contents.warm_up
    }
}

/// Makes the folder of a new array.
fn prepared(folder: &Path) -> Result<PathBuf, ArrayError> {
    let folder = absolute(folder)?;
    text(&folder)?;
    if folder.join(CONTENTS).exists() {
        return Err(ArrayError::Occupied(folder));
    }
    for inner in ["logs", RESULTS] {
        let path = folder.join(inner);
        fs::create_dir_all(&path).map_err(|error| failed(&path, "made", error))?;
    }
    Ok(folder)
}

fn write(
    study: &Study,
    (plan_given, scenario_given): (PathBuf, PathBuf),
    parts: &BTreeSet<Part>,
    warm_up: Span,
    earlier: Vec<PathBuf>,
    elements: u32,
    (folder, program): (&Path, &Path),
) -> Result<JobArray, PlanError> {
    let folder_of_scenario = study.scenario_file.parent().unwrap_or(Path::new(""));
    let mut data = BTreeSet::new();
    let points: BTreeSet<_> = parts.iter().map(|part| &part.point).collect();
    for point in points {
        let table = study.table(point)?;
        data.extend(data_files(&table).into_iter().map(|file| folder_of_scenario.join(file)));
    }
    let contents = Contents {
        version: VERSION,
        program: SOURCE_DIGEST.to_owned(),
        plan: Input::of(&study.file)?,
        plan_given,
        scenario: Input::of(&study.scenario_file)?,
        scenario_given,
        data: data.iter().map(|file| Input::of(file)).collect::<Result<_, _>>()?,
        seed: study.seed,
        warm_up,
        earlier,
        elements: split(parts, elements),
    };
    let script = Script {
        name: &study.name,
        folder: text(folder)?,
        program: text(program)?,
        elements: contents.elements.len() as u32,
    };
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).map_err(|error| failed(&path, "written", error))
    };
    write(SCRIPT, script.write().as_bytes())?;
    // The last file, and whole from its first moment: where it is there is an array.
    let file = folder.join(CONTENTS);
    let unnamed = "parts.json.new";
    let json = serde_json::to_vec(&contents)
        .map_err(|error| ArrayError::Nonsense { file: file.clone(), problem: error.to_string() })?;
    write(unnamed, &json)?;
    fs::rename(folder.join(unnamed), &file).map_err(|error| failed(&file, "written", error))?;
    Ok(JobArray { folder: folder.to_owned(), contents })
}
