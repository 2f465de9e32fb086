//! A restart between any two steps of any scenario of the library changes nothing that the scenario expects later.
//!
//! Where it may, the list below says why. Nothing else is excused, and nothing is excused without need: a scenario of the
//! list that no restart changes any more fails the test, too.

mod common;

use yardmaster_sim::script::{Action, Player, Problem, Script};

/// Scenarios in which a restart shows, and why it must.
const EXCUSED: &[(&str, &str)] = &[
    (
        "requested-task-is-not-queued-twice",
        "queue order under throttling: the verify has its place in line before the cleanup is asked for; lined up anew, \
         the cleanup goes first, as tasks of one host do",
    ),
    (
        "lock-after-a-task-has-its-place",
        "queue order under throttling: a task's place in line is in memory only, and after a restart the lock holds it back",
    ),
    ("dead-hosts-are-verified-again", "phase of a period: it counts from the scheduler's start"),
    (
        "pidfile-timeout",
        "a process without a pidfile leaves nothing to recover from: its task starts as if for the first time, and the time \
         limit begins anew",
    ),
    ("runner-after-a-silent-drone", "how long a silent drone is waited for counts from the scheduler's start"),
];

/// Plays a scenario with a restart before what happens in step `at`. An error carries the step, counted from 0.
fn play_with_restart(script: &Script, at: usize) -> Result<(), (usize, Problem)> {
    let mut player = Player::new(script, false).map_err(|problem| (0, problem))?;
    for (number, step) in script.step.iter().enumerate() {
        let mut step = step.clone();
        if number == at {
            step.actions.insert(0, Action::Restart { recover_hosts: false });
        }
        player.step(number, &step).map_err(|problem| (number, problem))?;
    }
    Ok(())
}

#[test]
fn a_restart_after_any_step_changes_nothing() {
    let mut differences = Vec::new();
    let mut needless: Vec<&str> = EXCUSED.iter().map(|(name, _)| *name).collect();
    let mut played = 0;
    for loaded in common::library().iter().flat_map(|file| common::scenarios(file)) {
        let script = &loaded.script;
        let excused = EXCUSED.iter().any(|(name, _)| *name == script.name);
        for at in 1..script.step.len() {
            played += 1;
            match play_with_restart(script, at) {
                Ok(()) => {}
                Err(_) if excused => needless.retain(|name| *name != script.name),
                Err((_, problem)) => differences.push(format!("{}: restart after step {at}: {problem:?}", script.name)),
            }
        }
    }
    assert!(played > 300, "only {played} places for a restart");
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    assert!(needless.is_empty(), "excused without need: {needless:?}");
}

/// Not only one restart: one after every step.
#[test]
fn a_restart_after_every_step_changes_nothing() {
    let mut differences = Vec::new();
    for loaded in common::library().iter().flat_map(|file| common::scenarios(file)) {
        let script = &loaded.script;
        if EXCUSED.iter().any(|(name, _)| *name == script.name) {
            continue;
        }
        let mut script = script.clone();
        for step in script.step.iter_mut().skip(1) {
            step.actions.insert(0, Action::Restart { recover_hosts: false });
        }
        if let Err(problem) = yardmaster_sim::script::play(&script) {
            differences.push(format!("{}: {problem:?}", script.name));
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}
