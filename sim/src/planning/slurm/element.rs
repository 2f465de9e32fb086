//! An element of a job array does its part.
//!
//! It works in a folder of its own, which gets its name in the results only once it is whole: an element that is killed leaves
//! nothing that could be taken for a result, one that is requeued goes on where it was killed, and one that runs twice at once
//! comes to the same results twice.

use std::fs;
use std::path::{Path, PathBuf};

use super::array::{JobArray, failed};
use super::error::ArrayError;
use super::split::Share;
use crate::planning::cache::Cache;
use crate::planning::error::PlanError;
use crate::planning::evaluate::{Evaluator, Mode, PlanProgress};
use crate::planning::study::Study;

/// How an element came to its results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// It has simulated them, or those that an interrupted run of it had left.
    Simulated,
    /// They were there.
    Already,
}

impl JobArray {
    /// Does the part of an element: once this succeeds, all its results are there. `progress` is called from several threads.
    ///
    /// # Errors
    /// There is no such element, results cannot be written, or something is not what it was when the array was written.
    pub fn simulate(&self, element: u32, progress: &(dyn Fn(PlanProgress) + Sync)) -> Result<Finished, PlanError> {
        self.shares(element)?;
        let study = self.study()?;
        let result = self.result(element);
        if self.is_whole(&study, element, &result)? {
            return Ok(Finished::Already);
        }
        let left = self.left_over(element)?;
        let working = self.working_folder(element)?;
        let done = self.simulate_in(&working, &left, &study, element, progress);
        if done.is_err() && !self.is_whole(&study, element, &result)? {
            // What is done is left for the next attempt.
            return done.map(|()| Finished::Simulated);
        }
        for folder in left.iter().chain([&working]) {
            remove(folder)?;
        }
        // Somebody else may have been faster, and have cleared our folder away.
        Ok(if done.is_ok() { Finished::Simulated } else { Finished::Already })
    }

    fn simulate_in(
        &self,
        working: &Path,
        left: &[PathBuf],
        study: &Study,
        element: u32,
        progress: &(dyn Fn(PlanProgress) + Sync),
    ) -> Result<(), PlanError> {
        let mut evaluator = Evaluator::new(study, Cache::new(Some(working), left)?, Mode::Simulate, progress);
        evaluator.set_warm_up(self.warm_up());
        evaluator.simulate(self.shares(element)?.iter().flat_map(Share::parts).collect())?;
        if !self.is_whole(study, element, working)? {
            return Err(ArrayError::Lost(working.to_owned()).into());
        }
        let result = self.result(element);
        if !self.is_whole(study, element, &result)? {
            // What is there is damaged.
            remove(&result)?;
        }
        fs::rename(working, &result).map_err(|error| failed(&result, "written", error))?;
        Ok(())
    }

    /// Whether a folder holds all results of an element.
    pub(super) fn is_whole(&self, study: &Study, element: u32, folder: &Path) -> Result<bool, PlanError> {
        if !folder.is_dir() {
            return Ok(false);
        }
        let cache = Cache::new(None, &[folder.to_owned()])?;
        let mut evaluator = Evaluator::new(study, cache, Mode::Collect, &|_| {});
        evaluator.set_warm_up(self.warm_up());
        evaluator.has_all(self.shares(element)?.iter().flat_map(Share::parts))
    }

    /// Folders in which this element has been worked on.
    fn left_over(&self, element: u32) -> Result<Vec<PathBuf>, ArrayError> {
        let results = self.results_folder();
        let entries = fs::read_dir(&results).map_err(|error| failed(&results, "read", error))?;
        let prefix = working_prefix(element);
        let is_left = |path: &PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(&prefix))
        };
        let mut left: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(is_left).collect();
        left.sort();
        Ok(left)
    }

    /// A folder that nobody else has, on any node.
    fn working_folder(&self, element: u32) -> Result<PathBuf, ArrayError> {
        let results = self.results_folder();
        let mut number = 0_u32;
        loop {
            let folder = results.join(format!("{}{number}", working_prefix(element)));
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(folder),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(failed(&folder, "made", error)),
            }
        }
    }
}

/// Removes a folder, if it is there and nobody works in it: whoever does removes it in the end.
fn remove(folder: &Path) -> Result<(), ArrayError> {
    use std::io::ErrorKind::{DirectoryNotEmpty, NotFound};
    match fs::remove_dir_all(folder) {
        Err(error) if !matches!(error.kind(), NotFound | DirectoryNotEmpty) => Err(failed(folder, "removed", error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn working_prefix(element: u32) -> String {
    format!(".element-{element}.")
}
