//! Whatever happens to a lab, in whatever order, some things always hold, and, once nothing bad happens any more, every
//! job ends and every host is free again.
//!
//! | file | story |
//! | --- | --- |
//! | `world` | random labs and random events, as proptest makes them |
//! | `story` | a lab that lives through events, tick by tick |
//! | `checks` | what holds after every tick |
//! | `transitions` | the statuses that may follow each other |
//! | `peace` | the end of all faults, and what must come of it |
//!
//! A failure prints the lab and everything that happened to it, shrunk. More, and others each time, are tried by
//! `PROPTEST_CASES=5000 cargo test -p yardmaster-sim --test invariants`.

#[path = "../common/mod.rs"]
mod common;

mod checks;
mod peace;
mod story;
mod transitions;
mod world;

use proptest::prelude::*;

use story::Story;
use world::{Deed, Lab};

fn live(lab: &Lab, deeds: &[Deed]) -> Result<(), TestCaseError> {
    let mut story = Story::new(lab);
    let lived = deeds.iter().try_for_each(|deed| story.live_through(deed)).and_then(|()| peace::settle(&mut story));
    lived.map_err(|problem| TestCaseError::fail(format!("{problem}\n{}", story.told())))
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases: common::cases(cases),
        max_shrink_iters: 4_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(60))]

    /// The dispatcher gives hosts to entries itself.
    #[test]
    fn a_lab_survives_everything(lab in world::lab(true), deeds in prop::collection::vec(world::deed(true), 10..70)) {
        live(&lab, &deeds)?;
    }

    /// A host scheduler of its own does.
    #[test]
    fn a_lab_with_a_host_scheduler_survives_everything(
        lab in world::lab(false),
        deeds in prop::collection::vec(world::deed(true), 10..70),
    ) {
        live(&lab, &deeds)?;
    }

    /// Drones keep silent for longer than is waited for them, and are back.
    #[test]
    fn a_lab_survives_silent_drones(
        lab in world::roomy_lab(),
        deeds in prop::collection::vec(world::silence(), 20..60),
    ) {
        live(&lab, &deeds)?;
    }

    /// People and programs only: no drone, process, pidfile or commit goes wrong. A failure here is easier to read.
    #[test]
    fn a_lab_without_faults_survives_its_users(
        lab in any::<bool>().prop_flat_map(world::lab),
        deeds in prop::collection::vec(world::deed(false), 10..70),
    ) {
        live(&lab, &deeds)?;
    }
}
