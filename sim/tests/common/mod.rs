//! What several of the tests need.

#![allow(dead_code, reason = "each test is a crate of its own and uses a part of this")]

pub(crate) mod rows;

use std::path::{Path, PathBuf};

use yardmaster_sim::script::{LoadedScript, load};

/// A file of the repository, by its path from the root.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A file of the tests' own data.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// All scenarios of a file.
#[track_caller]
pub(crate) fn scenarios(path: &Path) -> Vec<LoadedScript> {
    load(path).unwrap_or_else(|error| panic!("{error}"))
}

/// The files of `scenarios/scripted`, in the order of their names.
pub(crate) fn library() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(repository("scenarios/scripted")).expect("the library is part of the repository");
    let mut files: Vec<PathBuf> = folder.map(|file| file.expect("readable").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

/// How many cases a property is tried with: `PROPTEST_CASES`, or so many.
pub(crate) fn cases(default: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
