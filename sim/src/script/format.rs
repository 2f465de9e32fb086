//! The files of scripted scenarios, as they are written.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use yardmaster_engine::{EntryStatus, HostStatus, Protection, RebootAfter, RebootBefore, Settings, TaskKind};

use super::values::{self, Keyval};
use super::why::Why;

/// A scripted scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Its name.
    pub name: String,
    /// Its story.
    #[serde(default)]
    pub about: String,
    /// How far each tick moves the clock, in seconds.
    #[serde(default = "one")]
    pub tick_sec: f64,
    /// The scheduler's settings.
    #[serde(default)]
    pub settings: Settings,
    /// The drones; none = one of 100 processes.
    #[serde(default)]
    pub drone: Vec<ScriptDrone>,
    /// The hosts.
    #[serde(default)]
    pub host: Vec<ScriptHost>,
    /// Labels with more than a name.
    #[serde(default)]
    pub label: Vec<ScriptLabel>,
    /// Users; none = one, who belongs to the group of all hosts.
    #[serde(default)]
    pub user: Vec<ScriptUser>,
    /// What happens.
    #[serde(default)]
    pub step: Vec<Step>,
}

fn one() -> f64 {
    1.0
}

fn yes() -> bool {
    true
}

/// A drone.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptDrone {
    /// Its name.
    pub name: String,
    /// Processes it may run.
    #[serde(default)]
    pub max_processes: Option<u32>,
    /// Whose jobs it runs; absent = everybody's.
    #[serde(default)]
    pub users: Option<Vec<String>>,
    /// Whether new processes may be started there.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The drone set that it belongs to.
    #[serde(default)]
    pub set: Option<String>,
    /// The restricted subnet that it is in.
    #[serde(default)]
    pub subnet: Option<String>,
}

/// Hosts of one kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptHost {
    /// A host list.
    pub name: String,
    /// Their labels.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Their status.
    #[serde(default)]
    pub status: Option<HostStatus>,
    /// Their protection.
    #[serde(default)]
    pub protection: Option<Protection>,
    /// Whether they are dirty.
    #[serde(default)]
    pub dirty: bool,
    /// Whether they are locked.
    #[serde(default)]
    pub locked: bool,
    /// Whether they are leased.
    #[serde(default)]
    pub leased: bool,
    /// Whether they are deleted.
    #[serde(default)]
    pub invalid: bool,
    /// Their ACL groups; absent = `everyone`.
    #[serde(default)]
    pub acls: Option<Vec<String>>,
    /// The restricted subnet that they are in.
    #[serde(default)]
    pub subnet: Option<String>,
}

/// A label.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptLabel {
    /// Its name.
    pub name: String,
    /// It names the kind of device.
    #[serde(default)]
    pub platform: bool,
    /// Accepted, without effect.
    #[serde(default)]
    pub only_if_needed: bool,
}

/// A user.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptUser {
    /// The login.
    pub name: String,
    /// The ACL groups; absent = `everyone`.
    #[serde(default)]
    pub acls: Option<Vec<String>>,
    /// The drone set of their jobs that name none.
    #[serde(default)]
    pub drone_set: Option<String>,
}

/// Something happens, the scheduler runs, something must hold.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What it shows.
    #[serde(default)]
    pub name: String,
    /// What happens first, in order.
    #[serde(default, rename = "do", deserialize_with = "values::actions")]
    pub actions: Vec<Action>,
    /// How many ticks then run; absent = until nothing changes any more.
    #[serde(default)]
    pub ticks: Option<u32>,
    /// What must hold then.
    #[serde(default)]
    pub expect: Expect,
}

/// The keys of an action with their values, absent ones as null.
type Keys = Vec<(&'static str, Value)>;

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

macro_rules! submit {
    ($($(#[$attribute:meta])* $field:ident: $type:ty),* $(,)?) => {
        /// A job to be submitted.
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(missing_docs, reason = "keys are documented in docs/scenario-format.md, for whoever writes scenarios")]
        pub struct Submit {
            $($(#[$attribute])* pub $field: $type),*
        }

        impl Submit {
            fn keys(&self) -> Keys {
                vec![$((stringify!($field), json(&self.$field))),*]
            }
        }
    };
}

submit! {
    job: String,
    #[serde(default)] owner: Option<String>,
    #[serde(default)] priority: Option<i32>,
    #[serde(default)] hosts: Vec<String>,
    #[serde(default)] metahosts: Vec<String>,
    #[serde(default)] hostless: bool,
    #[serde(default)] synch_count: Option<NonZeroU32>,
    #[serde(default)] run_verify: Option<bool>,
    #[serde(default)] run_reset: Option<bool>,
    #[serde(default)] reboot_before: Option<RebootBefore>,
    #[serde(default)] reboot_after: Option<RebootAfter>,
    #[serde(default)] labels: Vec<String>,
    #[serde(default)] parent: Option<String>,
    #[serde(default)] keyvals: BTreeMap<String, Keyval>,
    #[serde(default)] timeout_mins: Option<u32>,
    #[serde(default)] max_runtime_mins: Option<u32>,
    #[serde(default)] drone_set: Option<String>,
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:literal $variant:ident { $($(#[$attribute:meta])* $field:ident: $type:ty),* $(,)? })*) => {
        /// Something that happens to the lab between two ticks.
        #[derive(Debug, Clone, Deserialize)]
        #[serde(rename_all = "snake_case", deny_unknown_fields)]
        #[allow(missing_docs, reason = "keys are documented in docs/scenario-format.md, for whoever writes scenarios")]
        pub enum Action {
            /// A job is submitted.
            Submit(Submit),
            $($(#[$doc])* #[serde(rename = $name)] $variant { $($(#[$attribute])* $field: $type),* },)*
            /// Settings are changed.
            Set(Map<String, Value>),
        }

        impl Action {
            /// Its name, as scenarios write it.
            pub(super) fn name(&self) -> &'static str {
                self.parts().0
            }

            /// Its name and its keys, as scenarios write them.
            fn parts(&self) -> (&'static str, Keys) {
                match self {
                    Action::Submit(submit) => ("submit", submit.keys()),
                    $(Action::$variant { $($field),* } => ($name, vec![$((stringify!($field), json($field))),*]),)*
                    Action::Set(settings) => ("set", vec![("", Value::Object(settings.clone()))]),
                }
            }
        }
    };
}

actions! {
    /// A job or an entry is aborted.
    "abort" Abort { #[serde(default)] job: Option<String>, #[serde(default)] entry: Option<String> }
    /// A person asks for a special task.
    "request_task" RequestTask { host: String, #[serde(deserialize_with = "values::requestable")] task: TaskKind }
    /// A person aborts a running special task.
    "abort_task" AbortTask { process: String }
    /// A process ends.
    "finish" Finish { process: String, #[serde(default)] exit: i32, #[serde(default)] tests_failed: u32 }
    /// A process vanishes without an exit status.
    "lose" Lose { process: String }
    /// A drone is changed.
    "set_drone" SetDrone {
        drone: String,
        #[serde(default)] max_processes: Option<u32>,
        #[serde(default)] enabled: Option<bool>,
        #[serde(default)] users: Option<Vec<String>>,
        #[serde(default)] late_pidfiles: Option<bool>,
    }
    /// A host is changed.
    "set_host" SetHost {
        host: String,
        #[serde(default)] locked: Option<bool>,
        #[serde(default)] protection: Option<Protection>,
        #[serde(default)] dirty: Option<bool>,
        #[serde(default)] status: Option<HostStatus>,
        #[serde(default)] invalid: Option<bool>,
        #[serde(default)] labels: Option<Vec<String>>,
        #[serde(default)] acls: Option<Vec<String>>,
    }
    /// A job is changed.
    "set_job" SetJob { job: String, #[serde(default)] priority: Option<i32> }
    /// Somebody else than the scheduler, as a job's own runner, moves an entry on.
    "set_entry" SetEntry { entry: String, status: EntryStatus }
    /// The runner of a job that was handed off starts its test.
    "start_test" StartTest { entry: String }
    /// The clock moves before the next tick.
    "advance" Advance { #[serde(deserialize_with = "values::seconds")] seconds: f64 }
    /// The scheduler stops and starts again.
    "restart" Restart { #[serde(default)] recover_hosts: bool }
    /// A drone stops answering; its processes go on.
    "drone_down" DroneDown { drone: String }
    /// A drone answers again.
    "drone_up" DroneUp { drone: String }
    /// All processes of a drone vanish.
    "reboot_drone" RebootDrone { drone: String }
    /// A drone carries out its next batches and loses the replies.
    "lose_replies" LoseReplies { drone: String, #[serde(default = "once")] count: u32 }
    /// Pidfiles that stayed away appear.
    "show_pidfiles" ShowPidfiles { drone: String }
    /// A pidfile is overwritten with nonsense.
    "corrupt_pidfile" CorruptPidfile { process: String }
    /// The next commits go wrong.
    "refuse_commit" RefuseCommit {
        #[serde(default = "once")] count: u32,
        #[serde(default)] reply_lost: bool,
        #[serde(default)] landed: bool,
    }
}

/// What a key that may be left out is then; such keys are not shown.
const DEFAULTS: [(&str, &str); 7] = [
    ("hostless", "false"),
    ("exit", "0"),
    ("tests_failed", "0"),
    ("recover_hosts", "false"),
    ("count", "1"),
    ("reply_lost", "false"),
    ("landed", "false"),
];

/// `submit job=low hosts=host1 priority=10`: the name and the keys that say anything.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, keys) = self.parts();
        f.write_str(name)?;
        for (key, value) in &keys {
            match value {
                // The settings of `set` stand beside each other like keys of its own.
                Value::Object(settings) if key.is_empty() => {
                    settings.iter().try_for_each(|(key, value)| write!(f, " {key}={}", Shown(value)))?;
                }
                Value::Null => {}
                Value::Array(values) if values.is_empty() && name == "submit" => {}
                Value::Object(values) if values.is_empty() => {}
                value if DEFAULTS.contains(&(key, value.to_string().as_str())) => {}
                value => write!(f, " {key}={}", Shown(value))?,
            }
        }
        Ok(())
    }
}

/// A value as people write it: words without quotes, lists joined by commas.
struct Shown<'a>(&'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) if !text.is_empty() && !text.contains([' ', ',', '=']) => f.write_str(text),
            Value::Array(values) if values.is_empty() => f.write_str("none"),
            Value::Array(values) => values.iter().enumerate().try_for_each(|(number, value)| {
                f.write_str(if number == 0 { "" } else { "," })?;
                Shown(value).fmt(f)
            }),
            Value::Object(values) => values.iter().enumerate().try_for_each(|(number, (key, value))| {
                write!(f, "{}{key}:{}", if number == 0 { "" } else { "," }, Shown(value))
            }),
            value => value.fmt(f),
        }
    }
}

fn once() -> u32 {
    1
}

/// What must hold after a step; each key exact for what it names.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// Status of entries; `Queued*` = Queued with active set.
    pub entries: BTreeMap<String, String>,
    /// Hosts of entries; empty = none.
    pub on: BTreeMap<String, String>,
    /// Status of hosts.
    pub hosts: BTreeMap<String, HostStatus>,
    /// Exactly these hosts are locked.
    pub locked: Option<Vec<String>>,
    /// Exactly these hosts are leased.
    pub leased: Option<Vec<String>>,
    /// Exactly these hosts are dirty.
    pub dirty: Option<Vec<String>>,
    /// Exactly these processes run.
    pub running: Option<Vec<String>>,
    /// At least these processes have been sent a kill.
    pub killed: Vec<String>,
    /// Exactly these special tasks are queued.
    pub tasks: Option<Vec<String>>,
    /// Drones of running processes.
    pub drone_of: BTreeMap<String, String>,
    /// Why entries wait.
    pub why: BTreeMap<String, Why>,
}
