//! Results of replications, kept by content: what has been simulated once is not simulated again, be it that a plan was
//! changed, that it was interrupted, or that other machines did a part of it.
//!
//! A *key* is a hash over everything that a replication depends on: the scenario as changed, the data files that it names, the
//! seed, the time that is measured, and the program's own source. Each key has one file, a gzipped JSON line for each
//! replication, appended as they come; a line that was cut off by a crash is left out and written again.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::error::PlanError;

/// A digest of all source that a replication depends on.
pub(super) const SOURCE_DIGEST: &str = env!("YARDMASTER_SOURCE_DIGEST");

/// Names what a replication depends on, apart from its number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Key(String);

impl Key {
    /// Of a scenario as changed, whose paths are relative to the folder of `file`; `rest` is what else matters.
    pub(super) fn of(scenario: &Table, file: &Path, rest: &impl Serialize) -> Result<Key, PlanError> {
        let mut hasher = blake3::Hasher::new_derive_key("yardmaster-sim replication v2");
        // Each with its length: what ends one must not begin the next.
        let mut update = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        update(SOURCE_DIGEST.as_bytes());
        update(scenario.to_string().as_bytes());
        let folder = file.parent().unwrap_or(Path::new(""));
        for data in data_files(scenario) {
            let path = folder.join(data);
            update(&fs::read(&path).map_err(|error| failed(&path, "cannot be read", &error))?);
        }
        let rest = serde_json::to_string(rest).map_err(|error| failed(file, "cannot be described", &error))?;
        update(rest.as_bytes());
        Ok(Key(hasher.finalize().to_hex().to_string()))
    }

    /// Whether data files are still what they were when this key was made of the same.
    pub(super) fn check(&self, scenario: &Table, file: &Path, rest: &impl Serialize) -> Result<(), PlanError> {
        if Key::of(scenario, file, rest)? == *self {
            return Ok(());
        }
        Err(PlanError::Changed { scenario: file.to_owned() })
    }

    fn file_name(&self) -> String {
        format!("{}.jsonl.gz", &self.0[..40])
    }

    fn file(&self, folder: &Path) -> PathBuf {
        folder.join(self.file_name())
    }
}

fn failed(file: &Path, problem: &str, error: &impl std::fmt::Display) -> PlanError {
    PlanError::Cache { file: file.to_owned(), problem: format!("{problem}: {error}") }
}

/// The data files that a scenario names: traces, and measured distributions.
pub(super) fn data_files(scenario: &Table) -> Vec<&str> {
    let mut files = Vec::new();
    for (key, value) in scenario {
        match value {
            Value::String(file) if key == "file" => files.push(file.as_str()),
            Value::Table(table) => files.extend(data_files(table)),
            Value::Array(list) => files.extend(list.iter().filter_map(Value::as_table).flat_map(data_files)),
            Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
        }
    }
    files
}

#[derive(Serialize, Deserialize)]
struct Line<T> {
    replication: u32,
    result: T,
}

/// Folders with results: one that is read and written, and others that are only read.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    own: Option<PathBuf>,
    /// The files of the others by name: there may be a folder for each of a thousand elements of a job array.
    others: BTreeMap<OsString, Vec<PathBuf>>,
}

impl Cache {
    /// Keeps results in `own`, which is made, if there is one, and finds in `others`, too, what is there now.
    pub(super) fn new(own: Option<&Path>, others: &[PathBuf]) -> Result<Cache, PlanError> {
        if let Some(folder) = own {
            fs::create_dir_all(folder).map_err(|error| failed(folder, "cannot be made", &error))?;
        }
        let mut files: BTreeMap<OsString, Vec<PathBuf>> = BTreeMap::new();
        for folder in others {
            let entries = match fs::read_dir(folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(folder, "cannot be read", &error)),
            };
            for entry in entries {
                let entry = entry.map_err(|error| failed(folder, "cannot be read", &error))?;
                files.entry(entry.file_name()).or_default().push(entry.path());
            }
        }
        Ok(Cache { own: own.map(Path::to_owned), others: files })
    }

    fn elsewhere(&self, key: &Key) -> impl Iterator<Item = &PathBuf> {
        self.others.get(&OsString::from(key.file_name())).into_iter().flatten()
    }

    /// All replications of this key that there are. A file of ours that ends in the middle of a line is written anew.
    pub(super) fn read<T: Serialize + DeserializeOwned>(&self, key: &Key) -> Result<BTreeMap<u32, T>, PlanError> {
        let mut found = BTreeMap::new();
        for file in self.elsewhere(key) {
            read_file(file, &mut found)?;
        }
        if let Some(folder) = &self.own {
            let path = key.file(folder);
            let mut own = BTreeMap::new();
            if read_file(&path, &mut own)? == State::CutOff {
                fs::remove_file(&path).map_err(|error| failed(&path, "cannot be replaced", &error))?;
                self.append(key, &own.iter().map(|(replication, result)| (*replication, result)).collect::<Vec<_>>())?;
            }
            found.extend(own);
        }
        Ok(found)
    }

    /// The first so many replications of this key, in order: what is missing is simulated on all processors, and kept.
    pub(super) fn complete<T: Serialize + DeserializeOwned + Send>(
        &self,
        key: &Key,
        replications: u32,
        simulate: impl Fn(u32) -> Result<T, PlanError> + Sync,
    ) -> Result<Vec<T>, PlanError> {
        let mut known: BTreeMap<u32, T> = self.read(key)?;
        known.retain(|replication, _| *replication < replications);
        let unknown: Vec<u32> = (0..replications).filter(|replication| !known.contains_key(replication)).collect();
        let simulated: Vec<T> =
            unknown.par_iter().map(|replication| simulate(*replication)).collect::<Result<_, _>>()?;
        self.append(key, &unknown.iter().copied().zip(&simulated).collect::<Vec<_>>())?;
        known.extend(unknown.into_iter().zip(simulated));
        Ok(known.into_values().collect())
    }

    /// Keeps what was found elsewhere, too.
    pub(super) fn adopt<T: Serialize + DeserializeOwned>(&self, key: &Key) -> Result<(), PlanError> {
        let mut found: BTreeMap<u32, T> = BTreeMap::new();
        for file in self.elsewhere(key) {
            read_file(file, &mut found)?;
        }
        self.append(key, &found.iter().map(|(replication, result)| (*replication, result)).collect::<Vec<_>>())
    }

    /// Keeps results. Each call appends whole compressed members, so that what was there stays readable.
    pub(super) fn append<T: Serialize>(&self, key: &Key, results: &[(u32, &T)]) -> Result<(), PlanError> {
        let Some(folder) = &self.own else { return Ok(()) };
        if results.is_empty() {
            return Ok(());
        }
        let path = key.file(folder);
        let write = || -> std::io::Result<()> {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            for (replication, result) in results {
                serde_json::to_writer(&mut encoder, &Line { replication: *replication, result })?;
                encoder.write_all(b"\n")?;
            }
            let bytes = encoder.finish()?;
            OpenOptions::new().create(true).append(true).open(&path)?.write_all(&bytes)
        };
        write().map_err(|error| failed(&path, "cannot be written; --no-cache goes without", &error))
    }
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Whole,
    CutOff,
}

fn read_file<T: DeserializeOwned>(path: &Path, found: &mut BTreeMap<u32, T>) -> Result<State, PlanError> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(State::Whole),
        Err(error) => return Err(failed(path, "cannot be opened", &error)),
    };
    for line in BufReader::new(MultiGzDecoder::new(file)).lines() {
        let Ok(line) = line else { return Ok(State::CutOff) };
        let Ok(Line { replication, result }) = serde_json::from_str(&line) else { return Ok(State::CutOff) };
        found.insert(replication, result);
    }
    Ok(State::Whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str, rest: u32) -> Key {
        let table = text.parse().expect("TOML");
        Key::of(&table, Path::new("nowhere/lab.toml"), &rest).expect("no data files")
    }

    #[test]
    fn keys_tell_apart_what_matters() {
        assert_eq!(key("a = 1\nb = 2", 7), key("b = 2\na = 1", 7), "the order of keys means nothing");
        assert_ne!(key("a = 1", 7), key("a = 2", 7));
        assert_ne!(key("a = 1", 7), key("a = 1", 8));
    }

    #[test]
    fn a_changed_data_file_is_another_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let of = |contents: &str| {
            fs::write(folder.path().join("x.csv"), contents).expect("written");
            let table = "[workload.trace]\nfile = \"x.csv\"".parse().expect("TOML");
            Key::of(&table, &folder.path().join("lab.toml"), &1).expect("readable")
        };
        assert_eq!(of("one"), of("one"));
        assert_ne!(of("one"), of("two"));
    }

    #[test]
    fn what_was_written_is_found_and_what_was_cut_off_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(Some(folder.path()), &[]).expect("a folder");
        let key = key("a = 1", 1);
        cache.append(&key, &[(0, &"zero".to_owned()), (1, &"one".to_owned())]).expect("written");
        cache.append(&key, &[(2, &"two".to_owned())]).expect("written");
        let read = |cache: &Cache| cache.read::<String>(&key).expect("readable").into_values().collect::<Vec<_>>();
        assert_eq!(read(&cache), ["zero", "one", "two"]);
        let path = key.file(folder.path());
        let bytes = fs::read(&path).expect("readable");
        fs::write(&path, &bytes[..bytes.len() - 9]).expect("written");
        assert_eq!(read(&cache), ["zero", "one"]);
        let others = Cache::new(None, &[folder.path().to_owned()]).expect("nothing to make");
        assert_eq!(read(&others), ["zero", "one"]);
        cache.append(&key, &[(2, &"two".to_owned())]).expect("written");
        assert_eq!(read(&cache), ["zero", "one", "two"]);
    }
    #[test]
    fn what_was_found_elsewhere_can_be_kept() {
        let (elsewhere, own) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let key = key("a = 1", 1);
        let other = Cache::new(Some(elsewhere.path()), &[]).expect("a folder");
        other.append(&key, &[(0, &"zero".to_owned())]).expect("written");
        let both = Cache::new(Some(own.path()), &[elsewhere.path().to_owned()]).expect("a folder");
        both.adopt::<String>(&key).expect("readable");
        let own = Cache::new(Some(own.path()), &[]).expect("a folder");
        assert_eq!(own.read::<String>(&key).expect("readable"), [(0, "zero".to_owned())].into());
    }
    proptest::proptest! {
        /// Else a result that was kept would differ from one that was not, in the last digit.
        #[test]
        fn numbers_come_back_as_they_went(number in proptest::num::f64::NORMAL) {
            let folder = tempfile::tempdir().expect("a folder");
            let key = key("a = 1", 1);
            let cache = Cache::new(Some(folder.path()), &[]).expect("a folder");
            cache.append(&key, &[(0, &number)]).expect("written");
            proptest::prop_assert_eq!(cache.read::<f64>(&key).expect("readable")[&0].to_bits(), number.to_bits());
        }
    }
}
