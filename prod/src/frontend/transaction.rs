//! One transaction for each thing that people do, tried again when somebody else was in the way.

use std::time::Duration;

use super::FrontendError;
use crate::database::{Database, Executed, Transaction, Value};

/// How often a transaction is tried before the database counts as too busy.
const ATTEMPTS: u32 = 6;
/// The pause before the second attempt; it doubles with each.
const PAUSE: Duration = Duration::from_millis(20);
/// Rows that one statement inserts, or ids that one names: well below every server's limits.
pub(super) const CHUNK: usize = 500;

/// Does `body` in a transaction and commits it. A transaction that met a deadlock is done again from its beginning.
pub(super) async fn transact<T>(
    database: &Database,
    mut body: impl AsyncFnMut(&mut Transaction) -> Result<T, FrontendError>,
) -> Result<T, FrontendError> {
    let mut attempt = 1;
    loop {
        match once(database, &mut body).await {
            Err(FrontendError::Database(error)) if error.is_busy() && attempt < ATTEMPTS => {
                tokio::time::sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

async fn once<T>(
    database: &Database,
    body: &mut impl AsyncFnMut(&mut Transaction) -> Result<T, FrontendError>,
) -> Result<T, FrontendError> {
    let mut transaction = database.begin().await?;
    let outcome = body(&mut transaction).await?;
    transaction.commit().await?;
    Ok(outcome)
}

/// The id of the row that was inserted.
pub(super) fn new_id(inserted: Executed) -> Result<u32, FrontendError> {
    let why = |_| FrontendError::Senseless(format!("the database numbered a new row {}", inserted.last_id));
    u32::try_from(inserted.last_id).map_err(why)
}

/// `?, ?, ?`
pub(super) fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

/// Inserts rows of equal shape: `INSERT INTO table (columns) VALUES …`. With `ignore`, rows that are there are left alone.
pub(super) async fn insert_rows(
    transaction: &mut Transaction,
    table: &str,
    columns: &[&str],
    rows: Vec<Vec<Value>>,
    ignore: bool,
) -> Result<(), FrontendError> {
    let verb = if ignore { transaction.dialect().insert_ignore() } else { "INSERT INTO" };
    let quoted = columns.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ");
    let one = format!("({})", marks(columns.len()));
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let chunk: Vec<Vec<Value>> = rows.by_ref().take(CHUNK).collect();
        let places = vec![one.as_str(); chunk.len()].join(", ");
        let sql = format!("{verb} {table} ({quoted}) VALUES {places}");
        transaction.execute(&sql, chunk.into_iter().flatten().collect()).await?;
    }
    Ok(())
}
