//! Results on their way: what the scheduler has put together on a drone is also fetched.

mod common;

use std::sync::{Arc, Mutex};

use yardmaster_engine::{Beginning, Command, DroneId, Journal, Settings, TickInput, TickOutput, Time};
use yardmaster_sim::script::Player;

/// Keeps the commands of all ticks, in order.
#[derive(Debug, Clone, Default)]
struct Commands(Arc<Mutex<Vec<(DroneId, Command)>>>);

impl Journal for Commands {
    fn begun(&mut self, _: &Beginning<'_>) {}

    fn heard(&mut self, _: Time, _: &TickInput) {}

    fn decided(&mut self, output: &TickOutput) {
        let all = output.commands.iter();
        let all = all.flat_map(|batch| batch.commands.iter().map(|command| (batch.drone, command.clone())));
        self.0.lock().expect("no panic in here").extend(all);
    }

    fn settings_changed(&mut self, _: &Settings) {}
}

#[test]
fn the_results_of_an_entry_that_failed_before_its_test_are_fetched_with_their_notes() {
    let mut copied = 0;
    for loaded in common::library().iter().flat_map(|file| common::scenarios(file)) {
        let commands = Commands::default();
        let mut player = Player::recorded(&loaded.script, commands.clone()).expect("the scenario begins");
        for (number, step) in loaded.script.step.iter().enumerate() {
            player.step(number, step).expect("the scenario passes");
        }
        let commands = commands.0.lock().expect("no panic in here");
        for (place, (drone, command)) in commands.iter().enumerate() {
            let Command::CopyOnDrone { to, .. } = command else { continue };
            copied += 1;
            let later = commands[place..].iter().filter(|(of, _)| of == drone).map(|(_, command)| command);
            let about: Vec<&Command> = later.filter(|command| matches!(command, Command::Write { path, .. } | Command::CopyToRepository { path } if path == to)).collect();
            let is_fetched_last = matches!(about.last(), Some(Command::CopyToRepository { .. }));
            assert!(is_fetched_last && about.len() > 1, "{}: {to} on {drone}: {about:?}", loaded.script.name);
        }
    }
    assert!(copied > 3, "only {copied} entries of the library failed before their tests");
}
