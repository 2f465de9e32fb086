//! The scenarios of the library hold.

mod common;

use std::collections::BTreeSet;

use yardmaster_sim::script::play;

#[test]
fn every_scenario_of_the_library_passes() {
    let files = common::library();
    assert!(files.len() >= 45, "the library has shrunk to {} files", files.len());
    let mut failures = Vec::new();
    for loaded in files.iter().flat_map(|file| common::scenarios(file)) {
        if let Err(problem) = play(&loaded.script) {
            failures.push(format!("{}: {problem:?}", loaded.source));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_scenario_has_the_name_of_its_file_and_a_story() {
    let mut names = BTreeSet::new();
    for file in common::library() {
        for loaded in common::scenarios(&file) {
            let stem = file.file_stem().and_then(|stem| stem.to_str()).expect("plain names");
            assert_eq!(loaded.script.name, stem);
            assert!(!loaded.script.about.is_empty(), "{stem} does not say what it is about");
            assert!(names.insert(loaded.script.name.clone()), "{stem} is there twice");
        }
    }
}

#[test]
fn every_scenario_is_listed_under_the_rules_that_it_touches() {
    let table = std::fs::read_to_string(common::repository("scenarios/scripted/README.md")).expect("readable");
    for file in common::library() {
        let stem = file.file_stem().and_then(|stem| stem.to_str()).expect("plain names");
        assert!(table.contains(stem), "scenarios/scripted/README.md does not list {stem}");
    }
}
