//! Writing everything into a folder.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::performance::Performance;
use super::plots::{self, Picture};
use super::report::report;
use super::summary::Summary;
use super::tables::TABLES;
use crate::recording::Recording;

/// Why outputs could not be written. The cause is the error's source.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The folder does not exist and could not be created.
    #[error("failed to create the folder {}", path.display())]
    CreateFolder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file could not be written completely.
    #[error("failed to write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A picture left over from an earlier run, which this run does not have, could not be removed.
    #[error("failed to remove the outdated {}", path.display())]
    Remove {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A picture could not be rendered.
    #[error("failed to draw {}: {reason}", path.display())]
    Draw {
        /// The file that was to have it.
        path: PathBuf,
        /// What the renderer said.
        reason: String,
    },
    /// The page could not be composed.
    #[error("failed to compose {}", path.display())]
    Compose {
        /// The file that was to have it.
        path: PathBuf,
        /// What the template said.
        source: askama::Error,
    },
}

/// What was written, and what it says.
#[derive(Debug, Clone)]
pub struct RunSummary {
    /// The figures of the run.
    pub summary: Summary,
    /// All files that were written, in the order of writing.
    pub files: Vec<PathBuf>,
}

/// Writes all outputs of a run into `directory`, which is created where it does not exist: the CSV tables,
/// `summary.json`, `report.html`, and, with `plots`, every picture as SVG and PNG in its folder `plots`. (The report
/// shows the pictures in any case.) `progress` is told the name of each file before it is written.
///
/// Files of an earlier run are overwritten; pictures that this run does not have are removed, lest they be taken for
/// its own.
pub fn write_all(
    recording: &Recording,
    directory: &Path,
    plots: bool,
    mut progress: impl FnMut(&str),
) -> Result<RunSummary, OutputError> {
    let mut folder = Folder::create(directory)?;
    for table in &TABLES {
        progress(table.file);
        folder.write(table.file, |output| (table.write)(recording, output))?;
    }
    let summary = Summary::of(recording);
    progress("summary.json");
    folder.write("summary.json", |output| write_json(&summary, output))?;

    let pictures = plots::pictures(recording, &summary);
    progress("report.html");
    let page = report(&summary, &pictures)
        .map_err(|source| OutputError::Compose { path: directory.join("report.html"), source })?;
    folder.write("report.html", |output| output.write_all(page.as_bytes()))?;

    let kept: &[Picture] = if plots { &pictures } else { &[] };
    write_pictures(&mut folder, &plots::NAMES, kept, &mut progress)?;
    Ok(RunSummary { summary, files: folder.files })
}

/// Writes `performance.json` into `directory`: how fast this machine simulated the run.
pub fn write_performance(performance: &Performance, directory: &Path) -> Result<(), OutputError> {
    Folder::create(directory)?.write("performance.json", |output| write_json(performance, output))
}

/// Writes the pictures as SVG and PNG, and removes those of these names that an earlier run left.
pub(crate) fn write_pictures(
    folder: &mut Folder,
    names: &[&str],
    pictures: &[Picture],
    progress: &mut impl FnMut(&str),
) -> Result<(), OutputError> {
    for &name in names {
        let (svg, png) = (format!("plots/{name}.svg"), format!("plots/{name}.png"));
        let Some(picture) = pictures.iter().find(|picture| picture.name == name) else {
            folder.remove(&svg)?;
            folder.remove(&png)?;
            continue;
        };
        progress(&svg);
        folder.write(&svg, |output| output.write_all(picture.standalone_svg().as_bytes()))?;
        progress(&png);
        let bytes = picture.png().map_err(|reason| OutputError::Draw { path: folder.directory.join(&png), reason })?;
        folder.write(&png, |output| output.write_all(&bytes))?;
    }
    Ok(())
}

pub(crate) fn write_json(value: &impl Serialize, output: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *output, value)?;
    output.write_all(b"\n")
}

/// The folder that is being filled.
pub(crate) struct Folder {
    directory: PathBuf,
    /// What was written, in the order of writing.
    pub(crate) files: Vec<PathBuf>,
}

impl Folder {
    pub(crate) fn create(directory: &Path) -> Result<Folder, OutputError> {
        create_folder(directory)?;
        Ok(Folder { directory: directory.to_owned(), files: Vec::new() })
    }

    pub(crate) fn write(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), OutputError> {
        let path = self.directory.join(name);
        if let Some(parent) = path.parent() {
            create_folder(parent)?;
        }
        let written = File::create(&path).and_then(|file| {
            let mut output = BufWriter::with_capacity(1 << 16, file);
            write(&mut output)?;
            output.flush()
        });
        match written {
            Ok(()) => {
                self.files.push(path);
                Ok(())
            }
            Err(source) => Err(OutputError::Write { path, source }),
        }
    }

    fn remove(&self, name: &str) -> Result<(), OutputError> {
        let path = self.directory.join(name);
        match fs::remove_file(&path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(OutputError::Remove { path, source }),
        }
    }
}

fn create_folder(path: &Path) -> Result<(), OutputError> {
    fs::create_dir_all(path).map_err(|source| OutputError::CreateFolder { path: path.to_owned(), source })
}
