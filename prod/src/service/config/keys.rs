//! Every setting described once, for people.

use super::words::{LogFormat, MailTls};

/// What kind of value a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number, 0 or more.
    Whole,
    /// A number, with decimals if need be.
    Number,
    /// `true` or `false`.
    Truth,
    /// A text.
    Text,
    /// A path.
    Path,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of texts.
    Texts,
}

impl Kind {
    /// What a message says that it expected.
    pub fn expected(self) -> String {
        match self {
            Kind::Whole => "a whole number, 0 or more".to_owned(),
            Kind::Number => "a number".to_owned(),
            Kind::Truth => "true or false".to_owned(),
            Kind::Text => "a text, in quotes".to_owned(),
            Kind::Path => "a path, in quotes".to_owned(),
            Kind::Word(words) => format!("one of {}", words.join(", ")),
            Kind::Texts => "a list of texts, as [\"one\", \"two\"]".to_owned(),
        }
    }
}

/// A setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The section that it stands in.
    pub section: &'static str,
    /// Its name within the section.
    pub name: &'static str,
    /// What kind of value it takes.
    pub kind: Kind,
    /// What it is for, with the unit.
    pub help: &'static str,
    /// A value for the example file, as TOML, where there is no default.
    pub sample: Option<&'static str>,
}

impl Key {
    /// `section.name`
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// The variable that overrides it.
    pub fn variable(&self) -> String {
        format!("YARDMASTER_{}__{}", self.section.to_uppercase(), self.name.to_uppercase())
    }
}

const fn key(section: &'static str, name: &'static str, kind: Kind, help: &'static str) -> Key {
    Key { section, name, kind, help, sample: None }
}

const fn unset(section: &'static str, name: &'static str, kind: Kind, help: &'static str, sample: &'static str) -> Key {
    Key { section, name, kind, help, sample: Some(sample) }
}

/// What each section is about, in the order of the example file.
pub(super) const SECTIONS: &[(&str, &str)] = &[
    ("database", "Where the rows are."),
    ("scheduler", "The rules of scheduling, under the names that an Autotest installation knows them by."),
    ("results", "Where results are."),
    ("drones", "How drones are reached. The drones themselves are rows: see `yardmaster drone`."),
    (
        "commands",
        "What is run for which work. Each text is split at blanks into arguments; what {braces} stand for is not, and a text\n\
         whose braces stand for nothing is left out. No shell reads the line. Known: {results_dir} {hosts} {owner} {job_name}\n\
         {control_file} {control_type} {tag} {require_ssp} {parent_job} {job_labels} {protection} {test_retry} {job_id} {drone}.",
    ),
    ("notify", "Mail about jobs and inconsistencies."),
    ("log", "Log lines."),
    ("service", "The service as a process."),
];

/// All settings, in the order of the example file.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    unset("database", "address", Kind::Text,
        "mysql://user@host:3306/database or sqlite:/path/file.db, never with a password. Options of MySQL follow a `?`:\n\
         socket=PATH, tls=required, tls_ca=FILE, connections=N, time_limit=SECONDS. Without an address: an embedded\n\
         SQLite database in $XDG_STATE_HOME/yardmaster.", "\"mysql://yardmaster@db.lab.example:3306/chromeos_autotest_db\""),
    unset("database", "password_file", Kind::Path,
        "A file whose first line is the password of the MySQL account. Its mode must be 0600 or less.", "\"/etc/yardmaster/database-password\""),

    key("scheduler", "max_processes_per_drone", Kind::Whole, "Processes that a drone may run where its own limit is not given."),
    key("scheduler", "max_parse_processes", Kind::Whole, "Parsers that may run at a time, on all drones together."),
    key("scheduler", "max_transfer_processes", Kind::Whole, "Result transfers that may run at a time, on all drones together."),
    key("scheduler", "minimum_tick_sec", Kind::Number, "The shortest time from the start of one tick to the start of the next, in seconds; more than 0."),
    key("scheduler", "tick_pause_sec", Kind::Number, "Accepted for compatibility, without effect. Seconds."),
    key("scheduler", "clean_interval_minutes", Kind::Whole, "How often time limits are enforced and rows tidied up, in minutes; at least 1."),
    key("scheduler", "reverify_period_minutes", Kind::Whole, "How often Repair Failed hosts are verified again, in minutes; 0 = never."),
    key("scheduler", "reverify_max_hosts_at_once", Kind::Whole, "How many hosts are verified again at once; 0 = all."),
    key("scheduler", "max_repair_limit", Kind::Whole, "How many Repairs an entry may cause on one host."),
    key("scheduler", "max_provision_retries", Kind::Whole, "How many failed Provisions an entry may have and still be tried again."),
    key("scheduler", "pidfile_timeout_mins", Kind::Whole, "A process that has written no pidfile for so long counts as lost, in minutes; at least 1."),
    key("scheduler", "max_pidfile_refreshes", Kind::Whole, "A pidfile that nobody asked about for so many refreshes is dropped; at least 1."),
    key("scheduler", "inline_host_acquisition", Kind::Truth, "The scheduler gives hosts to entries itself; false where `yardmaster host-scheduler` runs."),
    key("scheduler", "die_on_orphans", Kind::Truth, "Processes that nobody claims at the start are fatal, not only reported."),
    key("scheduler", "drone_sets_enabled", Kind::Truth, "Jobs and users may be bound to sets of drones."),
    unset("scheduler", "default_drone_set", Kind::Text, "The set of drones for jobs and users that name none.", "\"general\""),
    key("scheduler", "hand_off_level", Kind::Word(yardmaster_engine::HandOffLevel::WORDS),
        "From where on a job is given to a runner of its own, a process on a drone: off, starting (instead of its test),\n\
         gathering (after its test) or parsing (when its hosts are free again)."),
    key("scheduler", "notify_email_statuses", Kind::Text, "Mail is sent when an entry comes to one of these statuses; separated by commas."),
    key("scheduler", "provisionable_labels", Kind::Texts, "Label names before their first `:` for which a host can be provisioned."),
    key("scheduler", "cleanup_labels", Kind::Texts, "Label names before their first `:` that ask for something in a Cleanup and do not restrict the choice of host."),

    unset("results", "directory", Kind::Path,
        "The results directory of drones that name none of their own. Without it: $XDG_STATE_HOME/yardmaster/results.", "\"/usr/local/autotest/results\""),
    unset("results", "repository", Kind::Path, "Where all results end, on this machine. Without it: the results directory.", "\"/srv/results\""),

    key("drones", "refresh_deadline_sec", Kind::Number, "A drone that has not said what is new after so many seconds is silent in this tick."),
    key("drones", "act_deadline_sec", Kind::Number, "A drone that has not carried out its commands after so many seconds is silent."),
    key("drones", "reconnect_min_sec", Kind::Number, "The pause before the first new attempt to reach a drone, in seconds; it doubles with every failure."),
    key("drones", "reconnect_max_sec", Kind::Number, "The longest pause between two attempts, in seconds."),
    key("drones", "connect_timeout_sec", Kind::Whole, "How long ssh may take to connect, in seconds; at least 1."),
    key("drones", "kill_grace_sec", Kind::Whole, "A killed process group gets so many seconds from SIGTERM to SIGKILL."),
    key("drones", "max_transfers_per_drone", Kind::Whole,
        "Results that are fetched from one drone at a time; at least 1. Over SSH each needs one of the server's MaxSessions,\n\
         which are 10 unless told. scheduler.max_transfer_processes counts over all drones."),
    key("drones", "transfer_stall_sec", Kind::Number, "A fetch of results of which nothing has come for so many seconds is tried again later."),
    key("drones", "clean_after_days", Kind::Number,
        "Results on drones in which nothing has changed for so many days are deleted there, unless something of theirs runs, or\n\
         they wait to be fetched, or lie in the repository itself. Looked for once a day. 0 = never."),
    key("drones", "agent_path", Kind::Path, "The agent on drones."),
    unset("drones", "local_agent_path", Kind::Path, "The agent on this machine, which `drone add` copies. Without it: the one beside this program.", "\"/usr/local/bin/yardmaster-drone\""),
    unset("drones", "identity_file", Kind::Path, "The private key with which this machine logs in to drones. Its mode must be 0600 or less. Without it: ssh's own choice.", "\"/etc/yardmaster/drones-key\""),
    unset("drones", "known_hosts", Kind::Path, "The host keys of drones; a drone with another key is refused. Without it: ssh's own file.", "\"/etc/yardmaster/known_hosts\""),
    key("drones", "clean_containers_hours", Kind::Number, "How often orphaned containers on each drone are cleaned, in hours; 0 = never."),
    key("drones", "restricted_subnets", Kind::Texts,
        "Subnets, as [\"10.1.0.0/16\"], whose hosts are driven only from drones in the same; all other hosts only from drones in\n\
         none of them. Hosts and drones are found by their names."),

    key("commands", "test", Kind::Texts, "A test. The texts of this and all others begin with the program's path."),
    key("commands", "verify", Kind::Texts, "Verify."),
    key("commands", "cleanup", Kind::Texts, "Cleanup."),
    key("commands", "reset", Kind::Texts, "Reset."),
    key("commands", "repair", Kind::Texts, "Repair."),
    key("commands", "provision", Kind::Texts, "Provision."),
    key("commands", "gather", Kind::Texts, "The gathering of crash information after a test that was killed or lost."),
    key("commands", "parse", Kind::Texts, "The parser of results."),
    key("commands", "handoff", Kind::Texts, "The runner of a job that is handed off (scheduler.hand_off_level). The agent always writes its pidfile."),
    key("commands", "clean_containers", Kind::Texts, "Cleans containers that tests have left on a drone (drones.clean_containers_hours). Known here: {results_dir} {drone}."),
    key("commands", "nice", Kind::Whole, "Added to the niceness of every process, 0 to 19."),
    key("commands", "supervise", Kind::Texts, "The kinds of work (as named here) whose programs write no pidfile: the agent does it for them."),

    unset("notify", "smtp_server", Kind::Text, "The mail server. Without one, no mail is sent.", "\"mail.lab.example\""),
    key("notify", "smtp_port", Kind::Whole, "Its port; 0 = the usual one for the chosen protection (25, 587, 465)."),
    key("notify", "tls", Kind::Word(MailTls::WORDS), "How the connection is protected: off, starttls or implicit."),
    key("notify", "from", Kind::Text, "The sender of all mail."),
    key("notify", "operators", Kind::Texts, "Who hears of inconsistencies: mail addresses."),
    unset("notify", "login", Kind::Text, "The account on the mail server.", "\"yardmaster\""),
    unset("notify", "password_file", Kind::Path, "A file whose first line is that account's password. Its mode must be 0600 or less.", "\"/etc/yardmaster/mail-password\""),

    key("log", "format", Kind::Word(LogFormat::WORDS), "What lines look like: human, json, or auto (human on a terminal, else json)."),
    key("log", "filter", Kind::Text, "What is worth a line: error, warn, info, debug or trace; by part of the program as \"info,yardmaster::drones=debug\"."),

    key("service", "lifetime_hours", Kind::Number, "The service ends by itself after so many hours; 0 = never."),
    key("service", "recover_hosts", Kind::Truth, "At the start, Repair Failed hosts get a Reset."),
    key("service", "standby_seconds", Kind::Whole, "How many seconds a second scheduler waits for the first to go; 0 = not at all, it is refused."),
    unset("service", "metrics_address", Kind::Text, "Where figures for Prometheus are served, over HTTP at /metrics. Without it: nowhere.", "\"127.0.0.1:9473\""),
];
