//! Writing everything that is said of a plan into a folder.

use std::path::{Path, PathBuf};

use super::page::page;
use super::plots;
use super::tables::TABLES;
use crate::output::plots::Picture;
use crate::output::{Folder, OutputError, write_json, write_pictures};
use crate::planning::result::PlanResult;

/// Writes all outputs of a plan into `directory`, which is created where it does not exist: `plan.json`, the CSV tables and
/// `report.html`; with `plots` also every picture as SVG and PNG in its folder `plots`. (The report shows the pictures in any
/// case.) The same result gives the same bytes. Returns the files in the order in which they were written.
///
/// Files of an earlier plan are overwritten; pictures that this one does not have are removed, lest they be taken for its own.
///
/// # Errors
/// The folder or a file cannot be written: the error names it.
pub fn write_all(result: &PlanResult, directory: &Path, plots: bool) -> Result<Vec<PathBuf>, OutputError> {
    let mut folder = Folder::create(directory)?;
    folder.write("plan.json", |output| write_json(result, output))?;
    for table in &TABLES {
        folder.write(table.file, |output| table.write(result, output))?;
    }
    let pictures = plots::pictures(result);
    let page = page(result, &pictures)
        .map_err(|source| OutputError::Compose { path: directory.join("report.html"), source })?;
    folder.write("report.html", |output| output.write_all(page.as_bytes()))?;
    let kept: &[Picture] = if plots { &pictures } else { &[] };
    write_pictures(&mut folder, &plots::NAMES, kept, &mut |_| ())?;
    Ok(folder.files)
}
