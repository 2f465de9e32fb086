//! `yardmaster-sim replay`.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use yardmaster_sim::replay::{ReplayError, replay};

/// Decides again what a production scheduler decided, and compares.
pub(crate) fn run(file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let name = file.display();
    let journal = File::open(file).with_context(|| format!("cannot open {name}"))?;
    match replay(BufReader::new(journal)) {
        Ok(replayed) if json => println!("{}", serde_json::to_string(&replayed)?),
        Ok(replayed) => {
            println!("{} ticks decided as recorded, {} beginnings", replayed.ticks, replayed.beginnings);
            if replayed.undecided > 0 {
                println!("{} ticks without a recorded decision: the scheduler was stopped there", replayed.undecided);
            }
            println!("digest {}", replayed.digest);
        }
        Err(error @ ReplayError::Differs { .. }) => {
            eprintln!("yardmaster-sim: {name}: {error}");
            return Ok(ExitCode::from(1));
        }
        Err(error) => return Err(error).context(name.to_string()),
    }
    Ok(ExitCode::SUCCESS)
}
