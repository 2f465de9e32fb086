//! Lists of values in statements, as in `id IN (?, ?, …)`.

use super::Value;

/// How many ids one statement names.
pub(crate) const CHUNK: usize = 1024;

/// `?, ?, …`, `count` of them.
pub(crate) fn marks(count: usize) -> String {
    let mut marks = "?, ".repeat(count);
    marks.truncate(marks.len().saturating_sub(2));
    marks
}

/// A chunk of ids as parameters, its last one repeated up to a power of two: so that there are few different statements,
/// each prepared once.
pub(crate) fn padded(ids: &[u32]) -> Vec<Value> {
    let mut values: Vec<Value> = ids.iter().map(|id| Value::from(*id)).collect();
    if let Some(last) = values.last().cloned() {
        values.resize(values.len().next_power_of_two(), last);
    }
    values
}
