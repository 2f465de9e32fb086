//! Reading rows by their ids, in bulk.

use crate::database::{CHUNK, DatabaseError, Row, Transaction, marks, padded};

/// Which rows to read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which<'a> {
    /// All that matter.
    All,
    /// These.
    Ids(&'a [u32]),
}

/// The rows whose column is one of the ids. `sql` ends where the condition goes, `more` follows it.
pub(crate) async fn by_ids(
    transaction: &mut Transaction,
    sql: &str,
    column: &str,
    ids: &[u32],
    more: &str,
) -> Result<Vec<Row>, DatabaseError> {
    let mut rows = Vec::new();
    for chunk in ids.chunks(CHUNK) {
        let values = padded(chunk);
        let sql = format!("{sql} {column} IN ({}) {more}", marks(values.len()));
        rows.extend(transaction.query(&sql, values).await?);
    }
    Ok(rows)
}

/// Pairs of two ids, by `which` of the first.
pub(crate) async fn pairs(
    transaction: &mut Transaction,
    sql: &str,
    column: &str,
    which: Which<'_>,
) -> Result<Vec<(u32, u32)>, DatabaseError> {
    let rows = match which {
        Which::All => transaction.query(&format!("{sql} 1 = 1"), Vec::new()).await?,
        Which::Ids(ids) => by_ids(transaction, sql, column, ids, "").await?,
    };
    // A pair of which one side is missing or out of range belongs to nothing.
    Ok(rows.iter().filter_map(|row| Some((row.get(0).ok()?, row.get(1).ok()?))).collect())
}

/// What a row's columns hold, with their names for whoever has to mend it.
pub(crate) struct Columns<'a>(pub(super) &'a Row);

impl Columns<'_> {
    pub(crate) fn get<T: crate::database::FromValue>(&self, index: usize, name: &str) -> Result<T, String> {
        self.0.get(index).map_err(|error| match error {
            DatabaseError::BadRow { expected, found, .. } => {
                format!("{name} should hold {expected}, but holds {found}")
            }
            other => other.to_string(),
        })
    }

    /// A truth that Autotest's schema lets be NULL.
    pub(crate) fn flag(&self, index: usize, name: &str, default: bool) -> Result<bool, String> {
        Ok(self.get::<Option<bool>>(index, name)?.unwrap_or(default))
    }

    pub(crate) fn word<T: std::str::FromStr<Err = yardmaster_engine::UnknownWord>>(
        &self,
        index: usize,
        name: &str,
    ) -> Result<T, String> {
        self.get::<String>(index, name)?
            .parse()
            .map_err(|error: yardmaster_engine::UnknownWord| format!("{name}: {error}"))
    }

    /// A level that the database keeps as its place in a vocabulary.
    pub(crate) fn level<T: Copy>(&self, index: usize, name: &str, levels: &[T]) -> Result<T, String> {
        let code: i64 = self.get(index, name)?;
        let level = usize::try_from(code).ok().and_then(|code| levels.get(code).copied());
        level.ok_or_else(|| format!("{name} should be 0 to {}, but is {code}", levels.len() - 1))
    }
}
