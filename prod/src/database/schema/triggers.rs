//! The triggers that write down which rows others change.
//!
//! A trigger runs inside a stranger's transaction and must not hurt it: it adds rows and touches none that anybody else
//! writes. It uses `INSERT … VALUES` for each consumer, since `INSERT … SELECT` holds MySQL's lock on auto-increment to the
//! end of the statement, where two strangers could wait for each other. An UPDATE that changes no column that matters to
//! scheduling logs nothing.

use std::str::FromStr;

use crate::database::Dialect;

/// What a row of the change log is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ChangeKind {
    /// A host, its labels or its groups.
    Host,
    /// A label, or who schedules it.
    Label,
    /// The hosts of a label: it became, or is no longer, replaced by a static one.
    LabelHosts,
    /// The hosts of a static label.
    StaticLabel,
    /// A user or their groups.
    User,
    /// A drone.
    Drone,
    /// A set of drones.
    DroneSet,
    /// A job or its dependency labels.
    Job,
    /// The minimum of a suite: its children.
    Suite,
    /// An entry.
    Entry,
    /// A special task.
    Task,
    /// An ineligible row: job and host.
    Ineligible,
}

impl ChangeKind {
    const ALL: [(ChangeKind, &str); 12] = [
        (ChangeKind::Host, "host"),
        (ChangeKind::Label, "label"),
        (ChangeKind::LabelHosts, "label_hosts"),
        (ChangeKind::StaticLabel, "static_label"),
        (ChangeKind::User, "user"),
        (ChangeKind::Drone, "drone"),
        (ChangeKind::DroneSet, "drone_set"),
        (ChangeKind::Job, "job"),
        (ChangeKind::Suite, "suite"),
        (ChangeKind::Entry, "entry"),
        (ChangeKind::Task, "task"),
        (ChangeKind::Ineligible, "ineligible"),
    ];

    fn word(self) -> &'static str {
        ChangeKind::ALL.iter().find(|(kind, _)| *kind == self).map_or("host", |(_, word)| word)
    }
}

impl FromStr for ChangeKind {
    type Err = String;
    fn from_str(word: &str) -> Result<ChangeKind, String> {
        let known = ChangeKind::ALL.iter().find(|(_, known)| *known == word);
        known.map(|(kind, _)| *kind).ok_or_else(|| format!("unknown kind of change {word:?}"))
    }
}

/// The consumers that there can be. Only those in `yardmaster_consumers` are written for.
const CONSUMERS: [u32; 2] = [1, 2];

/// One table that is watched.
struct Watched {
    table: &'static str,
    /// Columns whose change matters.
    columns: &'static [&'static str],
    kind: ChangeKind,
    /// The column that says which row of that kind it is.
    row: &'static str,
    other: Option<&'static str>,
    /// Rows that matter: column and value.
    only: Option<(&'static str, &'static str)>,
}

const fn watched(
    table: &'static str,
    kind: ChangeKind,
    row: &'static str,
    columns: &'static [&'static str],
) -> Watched {
    Watched { table, columns, kind, row, other: None, only: None }
}

const WATCHED: [Watched; 20] = [
    watched(
        "afe_hosts",
        ChangeKind::Host,
        "id",
        &["hostname", "locked", "status", "invalid", "protection", "dirty", "leased", "shard_id"],
    ),
    watched("afe_hosts_labels", ChangeKind::Host, "host_id", &["host_id", "label_id"]),
    watched("afe_static_hosts_labels", ChangeKind::Host, "host_id", &["host_id", "staticlabel_id"]),
    watched("afe_acl_groups_hosts", ChangeKind::Host, "host_id", &["host_id", "aclgroup_id"]),
    watched("afe_labels", ChangeKind::Label, "id", &["name", "platform", "invalid"]),
    watched("afe_shards_labels", ChangeKind::Label, "label_id", &["shard_id", "label_id"]),
    watched("afe_replaced_labels", ChangeKind::LabelHosts, "label_id", &["label_id"]),
    watched("afe_static_labels", ChangeKind::StaticLabel, "id", &["name"]),
    watched("afe_users", ChangeKind::User, "id", &["login", "drone_set_id"]),
    watched("afe_acl_groups_users", ChangeKind::User, "user_id", &["user_id", "aclgroup_id"]),
    watched("afe_drones", ChangeKind::Drone, "id", &["hostname"]),
    watched("yardmaster_drones", ChangeKind::Drone, "drone_id", &["drone_id", "enabled", "max_processes", "users"]),
    watched("afe_drone_sets", ChangeKind::DroneSet, "id", &["name"]),
    watched("afe_drone_sets_drones", ChangeKind::DroneSet, "droneset_id", &["droneset_id", "drone_id"]),
    watched(
        "afe_jobs",
        ChangeKind::Job,
        "id",
        &[
            "owner",
            "name",
            "priority",
            "created_on",
            "synch_count",
            "run_verify",
            "run_reset",
            "reboot_before",
            "reboot_after",
            "timeout_mins",
            "max_runtime_mins",
            "drone_set_id",
            "parent_job_id",
            "shard_id",
        ],
    ),
    watched("afe_jobs_dependency_labels", ChangeKind::Job, "job_id", &["job_id", "label_id"]),
    Watched {
        only: Some(("key", "suite_min_duts")),
        ..watched("afe_job_keyvals", ChangeKind::Suite, "job_id", &["job_id", "key", "value"])
    },
    watched(
        "afe_host_queue_entries",
        ChangeKind::Entry,
        "id",
        &[
            "job_id",
            "host_id",
            "status",
            "meta_host",
            "active",
            "complete",
            "deleted",
            "execution_subdir",
            "aborted",
            "started_on",
            "finished_on",
        ],
    ),
    watched(
        "afe_special_tasks",
        ChangeKind::Task,
        "id",
        &[
            "host_id",
            "task",
            "time_requested",
            "is_active",
            "is_complete",
            "time_started",
            "queue_entry_id",
            "success",
            "requested_by_id",
            "is_aborted",
            "time_finished",
        ],
    ),
    Watched {
        other: Some("host_id"),
        ..watched("afe_ineligible_host_queues", ChangeKind::Ineligible, "job_id", &["job_id", "host_id"])
    },
];

/// When a trigger runs.
#[derive(Clone, Copy)]
enum Event {
    Insert,
    Update,
    Delete,
}

/// A trigger's name, its table and the statement that makes it.
pub(super) struct Trigger {
    pub(super) name: String,
    pub(super) table: &'static str,
    pub(super) create: String,
}

/// All triggers.
pub(super) fn triggers(dialect: Dialect) -> Vec<Trigger> {
    let events = [Event::Insert, Event::Update, Event::Delete];
    WATCHED.iter().flat_map(|watched| events.map(|event| trigger(watched, event, dialect))).collect()
}

fn trigger(watched: &Watched, event: Event, dialect: Dialect) -> Trigger {
    let (word, when) = match event {
        Event::Insert => ("insert", "INSERT"),
        Event::Update => ("update", "UPDATE"),
        Event::Delete => ("delete", "DELETE"),
    };
    let name = format!("yardmaster_{}_{word}", watched.table.trim_start_matches("yardmaster_"));
    let head = format!("CREATE TRIGGER `{name}` AFTER {when} ON `{}` FOR EACH ROW", watched.table);
    let condition = condition(watched, event, dialect);
    let logged = logged(watched, event, dialect).join(" ");
    let create = match dialect {
        Dialect::MySql => format!("{head} BEGIN IF {condition} THEN {logged} END IF; END"),
        Dialect::Sqlite => format!("{head} WHEN {condition} BEGIN {logged} END"),
    };
    Trigger { name, table: watched.table, create }
}

/// Whether there is anything to log.
fn condition(watched: &Watched, event: Event, dialect: Dialect) -> String {
    let mut conditions = Vec::new();
    if let Event::Update = event {
        let differs = |column: &&str| match dialect {
            Dialect::MySql => format!("NOT (OLD.`{column}` <=> NEW.`{column}`)"),
            Dialect::Sqlite => format!("OLD.`{column}` IS NOT NEW.`{column}`"),
        };
        conditions.push(format!("({})", watched.columns.iter().map(differs).collect::<Vec<_>>().join(" OR ")));
    }
    if let Some((column, value)) = watched.only {
        let matters: Vec<String> = sides(event).iter().map(|side| format!("{side}.`{column}` = '{value}'")).collect();
        conditions.push(format!("({})", matters.join(" OR ")));
    }
    if conditions.is_empty() { "1 = 1".to_owned() } else { conditions.join(" AND ") }
}

fn sides(event: Event) -> &'static [&'static str] {
    match event {
        Event::Insert => &["NEW"],
        Event::Update => &["NEW", "OLD"],
        Event::Delete => &["OLD"],
    }
}

/// The statements that log: for an UPDATE also the row that it moved away from.
fn logged(watched: &Watched, event: Event, dialect: Dialect) -> Vec<String> {
    let mut statements = Vec::new();
    for side in sides(event) {
        let moved = matches!((event, *side), (Event::Update, "OLD"));
        // The row's own id does not change.
        if moved && matches!(watched.row, "id") {
            continue;
        }
        let other = watched.other.map_or("NULL".to_owned(), |column| format!("{side}.`{column}`"));
        let values = format!("'{}', {side}.`{}`, {other}", watched.kind.word(), watched.row);
        let named = format!("{side}.`{}` IS NOT NULL", watched.row);
        statements.extend(CONSUMERS.map(|consumer| log_for(consumer, &values, &named, dialect)));
    }
    statements
}

fn log_for(consumer: u32, values: &str, named: &str, dialect: Dialect) -> String {
    const COLUMNS: &str = "INSERT INTO yardmaster_changes (consumer, kind, row_id, other_id)";
    match dialect {
        Dialect::MySql => format!(
            "IF {named} AND NOT (@yardmaster_consumer <=> {consumer}) \
             AND EXISTS (SELECT 1 FROM yardmaster_consumers WHERE id = {consumer}) \
             THEN {COLUMNS} VALUES ({consumer}, {values}); END IF;"
        ),
        Dialect::Sqlite => format!(
            "{COLUMNS} SELECT {consumer}, {values} WHERE {named} \
             AND EXISTS (SELECT 1 FROM yardmaster_consumers WHERE id = {consumer}) \
             AND NOT EXISTS (SELECT 1 FROM yardmaster_writer WHERE consumer = {consumer});"
        ),
    }
}
