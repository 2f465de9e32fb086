//! What was recorded of a scheduler is decided again from the file, tick for tick.

mod common;

use yardmaster_sim::replay::{JournalWriter, ReplayError, replay};
use yardmaster_sim::script::Player;

/// The journal of a scenario, with all its restarts.
fn journal(script: &yardmaster_sim::script::Script) -> String {
    let writer = JournalWriter::new(Vec::new());
    let mut player = Player::recorded(script, writer.clone()).expect("the scenario begins");
    for (number, step) in script.step.iter().enumerate() {
        player.step(number, step).expect("the scenario passes");
    }
    drop(player);
    String::from_utf8(writer.into_inner().expect("the player is gone")).expect("JSON is UTF-8")
}

#[test]
fn every_scenario_is_decided_again_as_it_was() {
    let mut ticks = 0;
    for loaded in common::library().iter().flat_map(|file| common::scenarios(file)) {
        let text = journal(&loaded.script);
        let replayed = replay(text.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", loaded.script.name));
        assert_eq!(replayed.undecided, 0, "{}", loaded.script.name);
        ticks += replayed.ticks;
    }
    assert!(ticks > 500, "only {ticks} ticks were replayed");
}

#[test]
fn another_input_gives_another_decision() {
    let file = common::library().into_iter().find(|file| file.ends_with("life-of-a-job-tick-by-tick.toml"));
    let script = common::scenarios(&file.expect("the scenario is there"))[0].script.clone();
    let text = journal(&script);
    let other = text.replacen("\"Ended\":{\"exit_status\":0", "\"Ended\":{\"exit_status\":256", 1);
    assert_ne!(text, other, "the scenario has a process that ends well");
    assert!(matches!(replay(other.as_bytes()), Err(ReplayError::Differs { .. })));
    let cut = text.trim_end().rsplit_once('\n').expect("more than one line").0;
    assert_eq!(replay(cut.as_bytes()).expect("a journal may end anywhere").undecided, 1);
}
