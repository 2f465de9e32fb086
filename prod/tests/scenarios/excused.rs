//! Scenarios that are about something that real parts do not have.

use yardmaster_sim::script::{Action, Script};

/// Their names, and why.
pub(crate) const EXCUSED: &[(&str, &str)] = &[
    (
        "late-pidfiles",
        "a pidfile that exists and is not shown, as on a network file system: an agent reads local files, and a process that \
         it has started shows at once by its claim",
    ),
    ("pidfile-timeout", "the same, until the time limit"),
];

/// Whether everything that happens in a scenario can happen to real parts.
pub(crate) fn is_possible(script: &Script) -> bool {
    let hides = |action: &Action| match action {
        Action::ShowPidfiles { .. } => true,
        Action::SetDrone { late_pidfiles, .. } => late_pidfiles.is_some(),
        Action::Submit(_)
        | Action::Abort { .. }
        | Action::RequestTask { .. }
        | Action::AbortTask { .. }
        | Action::Finish { .. }
        | Action::Lose { .. }
        | Action::CorruptPidfile { .. }
        | Action::SetHost { .. }
        | Action::SetJob { .. }
        | Action::SetEntry { .. }
        | Action::StartTest { .. }
        | Action::Set(_)
        | Action::Advance { .. }
        | Action::Restart { .. }
        | Action::DroneDown { .. }
        | Action::DroneUp { .. }
        | Action::RebootDrone { .. }
        | Action::LoseReplies { .. }
        | Action::RefuseCommit { .. } => false,
    };
    !script.step.iter().flat_map(|step| &step.actions).any(hides)
}

/// What is wrong with the list: scenarios that are missing in it, or there without need.
pub(crate) fn mistakes<'a>(scripts: impl Iterator<Item = &'a Script>) -> Vec<String> {
    let is_excused = |name: &str| EXCUSED.iter().any(|(excused, _)| *excused == name);
    let mistake = |script: &Script| match (is_possible(script), is_excused(&script.name)) {
        (true, true) => Some(format!("{} is excused without need", script.name)),
        (false, false) => Some(format!("{} cannot be played and is not excused", script.name)),
        (true, false) | (false, true) => None,
    };
    scripts.filter_map(mistake).collect()
}
