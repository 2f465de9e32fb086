//! Why something could not be done.

use std::fmt;

use crate::database::DatabaseError;
use crate::suggestion::did_you_mean;

/// The kinds of things that people name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// A device under test.
    Host,
    /// A property of hosts.
    Label,
    /// Somebody who owns jobs.
    User,
    /// A group of users and the hosts that they may use.
    AclGroup,
    /// A machine that runs processes.
    Drone,
    /// A named set of drones.
    DroneSet,
    /// A request to run a test.
    Job,
    /// One job on one host.
    Entry,
    /// A Verify, Cleanup, Reset or Repair.
    Task,
}

impl Thing {
    /// Where to look for the right name.
    fn advice(self) -> &'static str {
        match self {
            Thing::Host => "`yardmaster host list` shows all",
            Thing::Label => "`yardmaster label list` shows all",
            Thing::User => "`yardmaster user list` shows all, `yardmaster user add` adds one",
            Thing::AclGroup => "`yardmaster acl list` shows all",
            Thing::Drone | Thing::DroneSet => "`yardmaster drone list` shows all",
            Thing::Job | Thing::Entry => "`yardmaster job list` shows the latest",
            Thing::Task => "`yardmaster task list` shows those that have not ended",
        }
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Thing::Host => "host",
            Thing::Label => "label",
            Thing::User => "user",
            Thing::AclGroup => "ACL group",
            Thing::Drone => "drone",
            Thing::DroneSet => "drone set",
            Thing::Job => "job",
            Thing::Entry => "entry",
            Thing::Task => "special task",
        })
    }
}

/// Why something could not be done. Nothing of it was done then.
#[derive(Debug, thiserror::Error)]
pub enum FrontendError {
    /// There is no such thing.
    #[error("there is no {thing} {name:?}{}; {}", did_you_mean(suggestion.as_deref()), thing.advice())]
    Unknown {
        /// What kind of thing was named.
        thing: Thing,
        /// The name.
        name: String,
        /// The nearest name that exists.
        suggestion: Option<String>,
    },
    /// There is one already.
    #[error("{thing} {name:?} is there already")]
    Exists {
        /// What kind of thing was named.
        thing: Thing,
        /// The name.
        name: String,
    },
    /// What was asked for makes no sense, or not now. The text says what would.
    #[error("{0}")]
    Senseless(String),
    /// The database did not do it.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
