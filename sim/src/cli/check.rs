//! `yardmaster-sim check`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use yardmaster_sim::script::{self, LoadedScript, Player, Problem};

/// Plays all scenarios of all files. Bad input in one of them does not keep the others from being played.
pub(crate) fn check(files: &[PathBuf], trace: bool) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let (mut passed, mut failed, mut bad_input) = (0u32, 0u32, false);
    for file in files {
        let scripts = match script::load(file) {
            Ok(scripts) => scripts,
            Err(error) => {
                if super::has_key(file, "workload") {
                    eprintln!(
                        "yardmaster-sim: {0}: is a workload scenario; to run it: yardmaster-sim run {0}",
                        file.display()
                    );
                } else {
                    eprintln!("yardmaster-sim: {error}");
                }
                bad_input = true;
                continue;
            }
        };
        for loaded in scripts {
            match play(&loaded, trace, &mut out)? {
                Ok(()) => passed += 1,
                Err(Problem::Failed(what)) => {
                    failed += 1;
                    writeln!(out, "{}: {}: {what}", loaded.source, loaded.script.name)?;
                }
                Err(Problem::BadInput(what)) => {
                    eprintln!("yardmaster-sim: {}: {}: {what}", loaded.source, loaded.script.name);
                    bad_input = true;
                }
            }
        }
    }
    writeln!(out, "{passed} passed, {failed} failed")?;
    Ok(match (bad_input, failed) {
        (true, _) => ExitCode::from(2),
        (false, 0) => ExitCode::SUCCESS,
        (false, _) => ExitCode::from(1),
    })
}

fn play(loaded: &LoadedScript, trace: bool, out: &mut impl Write) -> anyhow::Result<Result<(), Problem>> {
    if !trace {
        return Ok(script::play(&loaded.script));
    }
    writeln!(out, "{}: {}", loaded.script.name, loaded.script.about)?;
    let mut player = match Player::new(&loaded.script, true) {
        Ok(player) => player,
        Err(problem) => return Ok(Err(problem)),
    };
    for (number, step) in loaded.script.step.iter().enumerate() {
        let result = player.step(number, step);
        for line in player.take_trace() {
            writeln!(out, "{line}")?;
        }
        if result.is_err() {
            return Ok(result);
        }
    }
    writeln!(out)?;
    Ok(Ok(()))
}
