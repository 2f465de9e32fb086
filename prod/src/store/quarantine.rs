//! Rows that make no sense: set aside, told once, tried again when they change.

use std::collections::BTreeMap;

/// A row that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quarantined {
    /// Its table.
    pub table: &'static str,
    /// Its id.
    pub id: i64,
    /// What is wrong with it, and what would mend it.
    pub why: String,
}

/// The rows that are set aside now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Quarantine {
    rows: BTreeMap<(&'static str, i64), String>,
    untold: Vec<Quarantined>,
}

impl Quarantine {
    pub(super) fn put(&mut self, table: &'static str, id: i64, why: String) {
        if self.rows.get(&(table, id)) != Some(&why) {
            self.untold.push(Quarantined { table, id, why: why.clone() });
            self.rows.insert((table, id), why);
        }
    }

    /// It makes sense now, or is gone.
    pub(super) fn mended(&mut self, table: &'static str, id: u32) {
        if !self.rows.is_empty() {
            self.rows.remove(&(table, i64::from(id)));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The ids of a table's rows that are set aside.
    pub(super) fn ids_of(&self, table: &'static str) -> Vec<u32> {
        let rows = self.rows.range((table, i64::MIN)..=(table, i64::MAX));
        rows.filter_map(|((_, id), _)| u32::try_from(*id).ok()).collect()
    }

    /// Those that nobody has been told of.
    pub(crate) fn take_untold(&mut self) -> Vec<Quarantined> {
        std::mem::take(&mut self.untold)
    }

    /// All of them, for a comparison after everything was read anew.
    pub(super) fn replace_with(&mut self, fresh: Quarantine) {
        self.untold.retain(|row| fresh.rows.contains_key(&(row.table, row.id)));
        let known = std::mem::take(&mut self.rows);
        self.untold.extend(fresh.untold.into_iter().filter(|row| known.get(&(row.table, row.id)) != Some(&row.why)));
        self.rows = fresh.rows;
    }
}
