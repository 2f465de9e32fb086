//! Writing many rows with few statements.

use std::collections::BTreeMap;

use crate::database::{CHUNK, DatabaseError, Dialect, Transaction, Value, marks, padded};

/// A column that is written, and how its parameter is made into it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// What a column holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Integer,
    Text,
    /// A `datetime`; the parameter is epoch seconds.
    Moment,
}

pub(super) const fn integer(name: &'static str) -> Column {
    Column { name, kind: Kind::Integer }
}

pub(super) const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text }
}

pub(super) const fn moment(name: &'static str) -> Column {
    Column { name, kind: Kind::Moment }
}

impl Column {
    /// Its parameter, where the statement says what type it has.
    fn plain(self, dialect: Dialect) -> String {
        match self.kind {
            Kind::Integer | Kind::Text => "?".to_owned(),
            Kind::Moment => dialect.datetime_of("?"),
        }
    }

    /// Its parameter, where the server could not infer the type: the columns of a derived table take theirs from it.
    fn typed(self, dialect: Dialect) -> String {
        match self.kind {
            Kind::Integer => dialect.integer_parameter().to_owned(),
            Kind::Text => dialect.text_parameter().to_owned(),
            Kind::Moment => dialect.datetime_of(dialect.integer_parameter()),
        }
    }
}

/// From so many rows on that get the same values, they are written by a list of ids.
const ALIKE: usize = 4;
/// Rows of one joined update. A power of two, as all such sizes: there are few different statements.
const JOINED: usize = 128;
/// Rows of one insertion.
const INSERTED: usize = 64;

/// Gives columns of rows new values. A row that is not there any more is passed over.
pub(super) async fn update(
    transaction: &mut Transaction,
    table: &str,
    columns: &[Column],
    rows: Vec<(u32, Vec<Value>)>,
) -> Result<(), DatabaseError> {
    let mut alike: BTreeMap<Vec<Value>, Vec<u32>> = BTreeMap::new();
    for (id, values) in rows {
        alike.entry(values).or_default().push(id);
    }
    let mut single = Vec::new();
    for (values, ids) in alike {
        if ids.len() >= ALIKE {
            update_alike(transaction, table, columns, &values, &ids).await?;
        } else {
            single.extend(ids.into_iter().map(|id| (id, values.clone())));
        }
    }
    single.sort_unstable_by_key(|(id, _)| *id);
    for chunk in single.chunks(JOINED) {
        update_joined(transaction, table, columns, chunk).await?;
    }
    Ok(())
}

async fn update_alike(
    transaction: &mut Transaction,
    table: &str,
    columns: &[Column],
    values: &[Value],
    ids: &[u32],
) -> Result<(), DatabaseError> {
    let dialect = transaction.dialect();
    let set = columns.iter().map(|column| format!("`{}` = {}", column.name, column.plain(dialect)));
    let set = set.collect::<Vec<_>>().join(", ");
    for chunk in ids.chunks(CHUNK) {
        let ids = padded(chunk);
        let sql = format!("UPDATE `{table}` SET {set} WHERE id IN ({})", marks(ids.len()));
        transaction.execute(&sql, values.iter().cloned().chain(ids).collect()).await?;
    }
    Ok(())
}

async fn update_joined(
    transaction: &mut Transaction,
    table: &str,
    columns: &[Column],
    rows: &[(u32, Vec<Value>)],
) -> Result<(), DatabaseError> {
    let dialect = transaction.dialect();
    let Some(last) = rows.last() else { return Ok(()) };
    // The last row again, up to a power of two.
    let padding = std::iter::repeat_n(last, rows.len().next_power_of_two() - rows.len());
    let mut values = Vec::new();
    for (id, row) in rows.iter().chain(padding) {
        values.push(Value::from(*id));
        values.extend(row.iter().cloned());
    }
    let typed = columns.iter().enumerate().map(|(place, column)| format!("{} AS c{place}", column.typed(dialect)));
    let typed: Vec<String> = typed.collect();
    let select = format!("SELECT {} AS id, {}", dialect.integer_parameter(), typed.join(", "));
    let selects = vec![select; rows.len().next_power_of_two()].join(" UNION ALL ");
    let set = |prefix: &str| {
        let set = columns.iter().enumerate().map(|(place, column)| format!("{prefix}`{}` = v.c{place}", column.name));
        set.collect::<Vec<_>>().join(", ")
    };
    let sql = match dialect {
        // STRAIGHT_JOIN: the few new values lead, and each finds its row by its id.
        Dialect::MySql => {
            format!("UPDATE ({selects}) v STRAIGHT_JOIN `{table}` t ON t.id = v.id SET {}", set("t."))
        }
        Dialect::Sqlite => format!("UPDATE `{table}` SET {} FROM ({selects}) v WHERE `{table}`.id = v.id", set("")),
    };
    transaction.execute(&sql, values).await.map(drop)
}

/// Adds rows. `verb` is `INSERT INTO` or [`Dialect::insert_ignore`].
pub(super) async fn insert(
    transaction: &mut Transaction,
    verb: &str,
    table: &str,
    columns: &[Column],
    rows: &[Vec<Value>],
) -> Result<(), DatabaseError> {
    let dialect = transaction.dialect();
    let names = columns.iter().map(|column| format!("`{}`", column.name)).collect::<Vec<_>>().join(", ");
    let row = columns.iter().map(|column| column.plain(dialect)).collect::<Vec<_>>().join(", ");
    let mut rest = rows;
    while !rest.is_empty() {
        // The largest power of two that there is.
        let size = INSERTED.min(1 << rest.len().ilog2());
        let (now, later) = rest.split_at(size);
        let values = vec![format!("({row})"); size].join(", ");
        let sql = format!("{verb} `{table}` ({names}) VALUES {values}");
        transaction.execute(&sql, now.iter().flatten().cloned().collect()).await?;
        rest = later;
    }
    Ok(())
}
