//! Tables as data, read from two embedded files.

use std::sync::LazyLock;

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Its keys.
    pub keys: Vec<Key>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnType,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// What it holds if nothing is said: `NULL`, a number, a word, or `current_timestamp()`.
    pub default: Option<&'static str>,
    /// The database numbers it.
    pub auto_increment: bool,
    /// Set to now with every change of the row.
    pub on_update: bool,
}

/// The type of a column, in MySQL's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// `tinyint(1)`, `smallint(6)`, `int(11)`, `bigint(20)`
    Integer(&'static str),
    /// `varchar(n)`, `text`, `longtext`
    Text(&'static str),
    /// `datetime`, `timestamp`
    Moment(&'static str),
}

/// A key of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// The primary key.
    Primary(Vec<&'static str>),
    /// A unique key; a column may say how many of its characters count, as `name(50)`.
    Unique {
        /// Its name.
        name: &'static str,
        /// Its columns.
        columns: Vec<&'static str>,
    },
    /// An index.
    Index {
        /// Its name.
        name: &'static str,
        /// Its columns.
        columns: Vec<&'static str>,
    },
    /// A foreign key on one column.
    Foreign {
        /// Its name.
        name: &'static str,
        /// The column.
        column: &'static str,
        /// The table it refers to.
        table: &'static str,
        /// The column it refers to.
        referred: &'static str,
    },
}

static AUTOTEST: LazyLock<Vec<Table>> = LazyLock::new(|| in_order(parse(include_str!("autotest.tsv"))));
static OWN: LazyLock<Vec<Table>> = LazyLock::new(|| in_order(parse(include_str!("yardmaster.tsv"))));

/// Autotest's tables, each after those it refers to.
pub fn autotest_tables() -> &'static [Table] {
    &AUTOTEST
}

/// Yardmaster's own tables.
pub fn own_tables() -> &'static [Table] {
    &OWN
}

impl Table {
    /// The tables that it refers to.
    fn references(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().filter_map(|key| match key {
            Key::Foreign { table, .. } => Some(*table),
            Key::Primary(_) | Key::Unique { .. } | Key::Index { .. } => None,
        })
    }
}

/// Reads the embedded files, which are part of the program: a line that makes no sense is skipped, and a test compares what
/// was read with the number of lines.
fn parse(text: &'static str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&'static str> = line.split('\t').collect();
        match fields.as_slice() {
            ["table", ..] | [""] => {}
            [table, name, kind, nullable, default, extra] => {
                if tables.last().is_none_or(|last| last.name != *table) {
                    tables.push(Table { name: table, columns: Vec::new(), keys: Vec::new() });
                }
                if let Some(last) = tables.last_mut() {
                    last.columns.push(column(name, kind, nullable, default, extra));
                }
            }
            [table, kind, name, columns, references] => {
                if let Some(known) = tables.iter_mut().find(|known| known.name == *table) {
                    known.keys.extend(key(kind, name, columns, references));
                }
            }
            _ => {}
        }
    }
    tables
}

fn column(name: &'static str, kind: &'static str, nullable: &str, default: &'static str, extra: &str) -> Column {
    let kind = if kind.contains("int(") {
        ColumnType::Integer(kind)
    } else if kind.contains("text") || kind.starts_with("varchar") {
        ColumnType::Text(kind)
    } else {
        ColumnType::Moment(kind)
    };
    Column {
        name,
        kind,
        nullable: nullable == "yes",
        default: (!default.is_empty()).then_some(default),
        auto_increment: extra == "auto_increment",
        on_update: extra == "on update",
    }
}

fn key(kind: &str, name: &'static str, columns: &'static str, references: &'static str) -> Option<Key> {
    let list: Vec<&'static str> = columns.split(',').collect();
    match kind {
        "primary" => Some(Key::Primary(list)),
        "unique" => Some(Key::Unique { name, columns: list }),
        "index" => Some(Key::Index { name, columns: list }),
        "foreign" => {
            let (table, referred) = references.split_once('.')?;
            Some(Key::Foreign { name, column: columns, table, referred })
        }
        _ => None,
    }
}

/// Each table after those it refers to; references to tables that are not described are left out.
fn in_order(mut waiting: Vec<Table>) -> Vec<Table> {
    let names: Vec<&'static str> = waiting.iter().map(|table| table.name).collect();
    for table in &mut waiting {
        table.keys.retain(|key| match key {
            Key::Foreign { table, .. } => names.contains(table),
            Key::Primary(_) | Key::Unique { .. } | Key::Index { .. } => true,
        });
    }
    let mut ordered: Vec<Table> = Vec::new();
    while !waiting.is_empty() {
        let known: Vec<&'static str> = ordered.iter().map(|table| table.name).collect();
        let ready = |table: &Table| table.references().all(|name| known.contains(&name) || name == table.name);
        let (now, later): (Vec<Table>, Vec<Table>) = waiting.into_iter().partition(ready);
        if now.is_empty() {
            // Tables that refer to each other in a circle: there are none, and this is no place to wait for one.
            ordered.extend(later);
            return ordered;
        }
        ordered.extend(now);
        waiting = later;
    }
    ordered
}
