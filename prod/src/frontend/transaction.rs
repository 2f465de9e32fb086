//! One transaction for each thing that people do, tried again when somebody else was in the way.

use std::time::Duration;

use super::FrontendError;
use crate::database::{Executed, Transaction, Value, marks};

/// How often a transaction is tried before the database counts as too busy.
const ATTEMPTS: u32 = 6;
/// The pause before the second attempt; it doubles with each.
const PAUSE: Duration = Duration::from_millis(20);
/// Rows that one statement inserts, or ids that one names: well below every server's limits.
pub(super) const CHUNK: usize = 500;

/// Does a block in a transaction, under the name given for it, and commits; a transaction that met a deadlock is done again
/// from its beginning. The block's value is a `Result<_, FrontendError>`, and `?` leaves the block. (A function that took
/// an async closure would make futures of which the compiler cannot see that they may be sent to another thread.)
macro_rules! transact {
    ($database:expr, |$transaction:ident| $body:expr) => {{
        let mut attempt = 1;
        loop {
            let once = async {
                let mut transaction = $database.begin().await?;
                let $transaction = &mut transaction;
                let outcome: Result<_, $crate::frontend::FrontendError> = $body;
                let outcome = outcome?;
                transaction.commit().await?;
                Ok::<_, $crate::frontend::FrontendError>(outcome)
            };
            match once.await {
                Err(error) if $crate::frontend::transaction::try_again(&error, attempt).await => attempt += 1,
                outcome => break outcome,
            }
        }
    }};
}
pub(super) use transact;

/// Whether a transaction that failed is worth another attempt; waits until it is time for it.
pub(super) async fn try_again(error: &FrontendError, attempt: u32) -> bool {
    let busy = matches!(error, FrontendError::Database(error) if error.is_busy());
    let again = busy && attempt < ATTEMPTS;
    if again {
        tokio::time::sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
    }
    again
}

/// The id of the row that was inserted.
pub(super) fn new_id(inserted: Executed) -> Result<u32, FrontendError> {
    let why = |_| FrontendError::Senseless(format!("the database numbered a new row {}", inserted.last_id));
    u32::try_from(inserted.last_id).map_err(why)
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
