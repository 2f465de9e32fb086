//! The engine does what the original scheduler did: in every step of every recording, to the last status.

mod common;

use yardmaster_sim::script::play;

#[test]
fn all_recordings_of_the_original_pass() {
    let scripts = common::scenarios(&common::data("recorded.jsonl.gz"));
    let steps: usize = scripts.iter().map(|loaded| loaded.script.step.len()).sum();
    assert!(scripts.len() >= 800 && steps >= 5_000, "{} recordings of {steps} steps: some are missing", scripts.len());
    let mut failures = Vec::new();
    for loaded in &scripts {
        if let Err(problem) = play(&loaded.script) {
            failures.push(format!("{}: {}: {problem:?}", loaded.source, loaded.script.name));
        }
    }
    assert!(failures.is_empty(), "{} of {} differ:\n{}", failures.len(), scripts.len(), failures.join("\n"));
}
