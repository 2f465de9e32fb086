//! Snapshots as files: JSON, compressed with gzip where the name ends in `.gz`.

use std::fs::{File, Permissions};
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::ForecastError;
use crate::history::Snapshot;

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Reads a snapshot, compressed or not.
///
/// # Errors
/// If the file cannot be read, or is no snapshot.
pub fn read_snapshot(file: &Path) -> Result<Snapshot, ForecastError> {
    let failed = |cause| ForecastError::Read { file: file.to_owned(), cause };
    let mut bytes = Vec::new();
    BufReader::new(File::open(file).map_err(failed)?).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.starts_with(&GZIP) {
        let mut plain = Vec::new();
        MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).map_err(failed)?;
        bytes = plain;
    }
    let malformed = |cause: String| ForecastError::Malformed { file: file.to_owned(), cause };
    let text = std::str::from_utf8(&bytes).map_err(|error| malformed(error.to_string()))?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let snapshot: Snapshot =
        serde_path_to_error::deserialize(&mut deserializer).map_err(|error| malformed(error.to_string()))?;
    deserializer.end().map_err(|error| malformed(error.to_string()))?;
    Ok(snapshot)
}

/// Writes a snapshot: readable for its owner alone, and there as a whole or not at all.
///
/// # Errors
/// If it cannot be written.
pub fn write_snapshot(snapshot: &Snapshot, file: &Path) -> Result<(), ForecastError> {
    write(snapshot, file).map_err(|cause| ForecastError::Write { file: file.to_owned(), cause })
}

fn write(snapshot: &Snapshot, file: &Path) -> std::io::Result<()> {
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    // Made with these permissions, so that nobody else can read it at any moment.
    let permissions = Permissions::from_mode(0o600);
    let mut temporary = tempfile::Builder::new().prefix(".snapshot-").permissions(permissions).tempfile_in(folder)?;
    let mut out = BufWriter::new(temporary.as_file_mut());
    if file.extension().is_some_and(|extension| extension == "gz") {
        // JSON comes in bits of a few bytes, each of which would cost the compressor a call.
        let mut plain = BufWriter::new(GzEncoder::new(out, Compression::default()));
        serde_json::to_writer(&mut plain, snapshot)?;
        out = plain.into_inner().map_err(std::io::IntoInnerError::into_error)?.finish()?;
    } else {
        serde_json::to_writer(&mut out, snapshot)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    drop(out);
    temporary.as_file().sync_all()?;
    temporary.persist(file).map_err(|error| error.error)?;
    Ok(())
}
