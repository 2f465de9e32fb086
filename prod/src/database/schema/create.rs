//! `CREATE TABLE` and what goes with it, in both dialects.

use super::tables::{Column, ColumnType, Key, Table};
use crate::database::Dialect;

/// The statements that make a table with its keys, where it is missing.
pub(super) fn statements(table: &Table, dialect: Dialect, charset: &str) -> Vec<String> {
    match dialect {
        Dialect::MySql => vec![mysql(table, charset)],
        Dialect::Sqlite => sqlite(table),
    }
}

fn mysql(table: &Table, charset: &str) -> String {
    let mut parts: Vec<String> = table.columns.iter().map(mysql_column).collect();
    parts.extend(table.keys.iter().map(|key| match key {
        Key::Primary(columns) => format!("PRIMARY KEY ({})", quoted(columns)),
        Key::Unique { name, columns } => format!("UNIQUE KEY `{name}` ({})", quoted(columns)),
        Key::Index { name, columns } => format!("KEY `{name}` ({})", quoted(columns)),
        Key::Foreign { name, column, table, referred } => {
            format!("CONSTRAINT `{name}` FOREIGN KEY (`{column}`) REFERENCES `{table}` (`{referred}`)")
        }
    }));
    format!(
        "CREATE TABLE IF NOT EXISTS `{}` ({}) ENGINE=InnoDB DEFAULT CHARSET={charset}",
        table.name,
        parts.join(", ")
    )
}

fn mysql_column(column: &Column) -> String {
    let kind = match column.kind {
        ColumnType::Integer(kind) | ColumnType::Text(kind) | ColumnType::Moment(kind) => kind,
    };
    let mut text = format!("`{}` {kind}{}", column.name, if column.nullable { " NULL" } else { " NOT NULL" });
    match column.default {
        None => {}
        Some(default @ ("NULL" | "current_timestamp()")) => text.push_str(&format!(" DEFAULT {default}")),
        Some(default) => text.push_str(&format!(" DEFAULT '{default}'")),
    }
    if column.on_update {
        text.push_str(" ON UPDATE current_timestamp()");
    }
    if column.auto_increment {
        text.push_str(" AUTO_INCREMENT");
    }
    text
}

fn sqlite(table: &Table) -> Vec<String> {
    let numbered = table.columns.iter().any(|column| column.auto_increment);
    let mut parts: Vec<String> = table.columns.iter().map(sqlite_column).collect();
    let mut statements = Vec::new();
    for key in &table.keys {
        match key {
            Key::Primary(_) if numbered => {}
            Key::Primary(columns) => parts.push(format!("PRIMARY KEY ({})", quoted(columns))),
            Key::Unique { name, columns } => statements.push(index(table.name, "UNIQUE INDEX", name, columns)),
            Key::Index { name, columns } => statements.push(index(table.name, "INDEX", name, columns)),
            Key::Foreign { name, column, table, referred } => {
                parts.push(format!("CONSTRAINT `{name}` FOREIGN KEY (`{column}`) REFERENCES `{table}` (`{referred}`)"))
            }
        }
    }
    statements.insert(0, format!("CREATE TABLE IF NOT EXISTS `{}` ({})", table.name, parts.join(", ")));
    statements
}

/// SQLite's indexes share one space of names.
fn index(table: &str, what: &str, name: &str, columns: &[&str]) -> String {
    let columns: Vec<&str> = columns.iter().map(|column| bare(column)).collect();
    format!("CREATE {what} IF NOT EXISTS `{table}_{name}` ON `{table}` ({})", quoted(&columns))
}

fn sqlite_column(column: &Column) -> String {
    if column.auto_increment {
        return format!("`{}` INTEGER PRIMARY KEY AUTOINCREMENT", column.name);
    }
    let kind = match column.kind {
        ColumnType::Integer(_) => "INTEGER",
        ColumnType::Text(_) | ColumnType::Moment(_) => "TEXT",
    };
    let mut text = format!("`{}` {kind}{}", column.name, if column.nullable { "" } else { " NOT NULL" });
    match column.default {
        None => {}
        Some("NULL") => text.push_str(" DEFAULT NULL"),
        Some("current_timestamp()") => text.push_str(" DEFAULT (datetime('now'))"),
        Some(default) => text.push_str(&format!(" DEFAULT '{default}'")),
    }
    text
}

/// `name` of `name(50)`.
fn bare(column: &str) -> &str {
    column.split('(').next().unwrap_or(column)
}

fn quoted(columns: &[&str]) -> String {
    let quote = |column: &&str| {
        let name = bare(column);
        format!("`{name}`{}", &column[name.len()..])
    };
    columns.iter().map(quote).collect::<Vec<_>>().join(", ")
}
