//! Rows by id: densely stored, found without hashing, walked in the order of ids.

use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

const PAGE: usize = 1024;
const CHUNK: usize = 1024;
const VACANT: u32 = u32::MAX;

/// A map from ids to rows.
///
/// Database ids are mostly consecutive, so a page table finds a row without hashing, whatever the number of rows, and
/// iteration in the order of ids needs no sorting. Ids far apart cost a page of 4 KiB each. Rows lie in chunks and never
/// move: growth copies nothing and leaves no large unused capacity.
#[derive(Debug, Clone)]
pub(crate) struct Table<I, R> {
    chunks: Vec<Vec<Option<R>>>,
    vacant: Vec<u32>,
    pages: Vec<Option<Box<Page>>>,
    len: usize,
    _ids: PhantomData<I>,
}

#[derive(Debug, Clone)]
struct Page {
    slots: [u32; PAGE],
    used: u32,
}

impl<I, R> Default for Table<I, R> {
    fn default() -> Self {
        Table { chunks: Vec::new(), vacant: Vec::new(), pages: Vec::new(), len: 0, _ids: PhantomData }
    }
}

impl<I: Copy + Into<u32> + From<u32>, R> Table<I, R> {
    fn slot(&self, id: I) -> Option<usize> {
        let id = id.into() as usize;
        let slot = self.pages.get(id / PAGE)?.as_ref()?.slots[id % PAGE];
        (slot != VACANT).then_some(slot as usize)
    }

    pub(crate) fn get(&self, id: I) -> Option<&R> {
        let slot = self.slot(id)?;
        self.chunks[slot / CHUNK][slot % CHUNK].as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: I) -> Option<&mut R> {
        let slot = self.slot(id)?;
        self.chunks[slot / CHUNK][slot % CHUNK].as_mut()
    }

    pub(crate) fn contains(&self, id: I) -> bool {
        self.slot(id).is_some()
    }

    /// Adds or replaces a row; gives back the one that was there.
    pub(crate) fn insert(&mut self, id: I, row: R) -> Option<R> {
        if let Some(old) = self.get_mut(id) {
            return Some(std::mem::replace(old, row));
        }
        let slot = match self.vacant.pop() {
            Some(slot) => {
                self.chunks[slot as usize / CHUNK][slot as usize % CHUNK] = Some(row);
                slot
            }
            None => self.push(row),
        };
        self.len += 1;
        let id = id.into() as usize;
        if self.pages.len() <= id / PAGE {
            if let Some(last) = self.pages.last_mut() {
                last.take_if(|page| page.used == 0);
            }
            self.pages.resize_with(id / PAGE + 1, || None);
        }
        let page = self.pages[id / PAGE].get_or_insert_with(|| Box::new(Page { slots: [VACANT; PAGE], used: 0 }));
        page.slots[id % PAGE] = slot;
        page.used += 1;
        None
    }

    /// Puts a row behind all others; gives its slot.
    fn push(&mut self, row: R) -> u32 {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            // A small lab should not pay for a large one's chunks: only those after the first are allocated whole.
            let capacity = if self.chunks.is_empty() { 0 } else { CHUNK };
            self.chunks.push(Vec::with_capacity(capacity));
        }
        let number = self.chunks.len() - 1;
        let chunk = &mut self.chunks[number];
        chunk.push(Some(row));
        (number * CHUNK + chunk.len() - 1) as u32
    }

    pub(crate) fn remove(&mut self, id: I) -> Option<R> {
        let slot = self.slot(id)?;
        let (id, pages) = (id.into() as usize, self.pages.len());
        let entry = &mut self.pages[id / PAGE];
        if let Some(page) = entry {
            page.slots[id % PAGE] = VACANT;
            page.used -= 1;
            // The next id will be on the last page: that one stays.
            if page.used == 0 && id / PAGE + 1 < pages {
                *entry = None;
            }
        }
        self.vacant.push(slot as u32);
        self.len -= 1;
        self.chunks[slot / CHUNK][slot % CHUNK].take()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// All rows, ascending by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (I, &R)> {
        self.ids().filter_map(|id| Some((id, self.get(id)?)))
    }

    /// All ids, ascending.
    pub(crate) fn ids(&self) -> impl Iterator<Item = I> + '_ {
        self.pages.iter().enumerate().filter_map(|(number, page)| Some((number, page.as_ref()?))).flat_map(
            |(number, page)| {
                let used = page.slots.iter().enumerate().filter(|(_, slot)| **slot != VACANT);
                used.map(move |(offset, _)| I::from((number * PAGE + offset) as u32))
            },
        )
    }
}

/// For ids that the caller knows to be live: panics on others, which would be a defect of the core, never of data.
impl<I: Copy + Into<u32> + From<u32>, R> Index<I> for Table<I, R> {
    type Output = R;
    fn index(&self, id: I) -> &R {
        self.get(id).expect("only ids of live rows are kept in other rows")
    }
}

impl<I: Copy + Into<u32> + From<u32>, R> IndexMut<I> for Table<I, R> {
    fn index_mut(&mut self, id: I) -> &mut R {
        self.get_mut(id).expect("only ids of live rows are kept in other rows")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::Table;
    use crate::ids::HostId;

    proptest! {
        #[test]
        fn agrees_with_a_btree_map(steps in prop::collection::vec((0u32..5000, any::<bool>()), 0..300)) {
            let (mut table, mut model) = (Table::<HostId, u32>::default(), BTreeMap::new());
            for (number, (id, insert)) in steps.into_iter().enumerate() {
                if insert {
                    prop_assert_eq!(table.insert(HostId(id), number as u32), model.insert(id, number as u32));
                } else {
                    prop_assert_eq!(table.remove(HostId(id)), model.remove(&id));
                }
                prop_assert_eq!(table.len(), model.len());
            }
            let rows: Vec<_> = table.iter().map(|(id, row)| (id.0, *row)).collect();
            prop_assert_eq!(rows, model.into_iter().collect::<Vec<_>>());
        }
    }
}
