//! Sets of hosts, made for one question: which idle hosts have all of these labels?

/// Words that one word of the summary stands for.
const BLOCK: usize = 64;

/// Position of a host among all hosts in the order of ids.
pub(crate) type HostIndex = u32;

/// A set of host positions: a bitmap with a summary, in which one bit stands for 64 hosts, so that intersections skip
/// whatever is empty in any of the sets.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostSet {
    words: Vec<u64>,
    summary: Vec<u64>,
    len: usize,
}

impl HostSet {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn contains(&self, host: HostIndex) -> bool {
        self.word(host as usize / 64) >> (host % 64) & 1 == 1
    }

    /// Puts a host into the set or takes it out; says whether that changed anything.
    pub(crate) fn set(&mut self, host: HostIndex, member: bool) -> bool {
        if self.contains(host) == member {
            return false;
        }
        let (word, bit) = (host as usize / 64, 1u64 << (host % 64));
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
            self.summary.resize(word / 64 + 1, 0);
        }
        self.words[word] ^= bit;
        let summary_bit = 1u64 << (word % 64);
        if self.words[word] == 0 {
            self.summary[word / 64] &= !summary_bit;
        } else {
            self.summary[word / 64] |= summary_bit;
        }
        self.len = if member { self.len + 1 } else { self.len - 1 };
        true
    }

    fn word(&self, index: usize) -> u64 {
        self.words.get(index).copied().unwrap_or(0)
    }

    fn summary(&self, index: usize) -> u64 {
        self.summary.get(index).copied().unwrap_or(0)
    }

    /// Members in ascending order.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = HostIndex> + '_ {
        let mut from = 0;
        std::iter::from_fn(move || {
            let host = self.first_common(&[], from)?;
            from = host + 1;
            Some(host)
        })
    }

    /// The lowest host, not below `from`, that is in this set and in all others.
    pub(crate) fn first_common(&self, others: &[&HostSet], from: HostIndex) -> Option<HostIndex> {
        let first_word = from as usize / 64;
        for block in first_word / BLOCK..self.summary.len() {
            let mut summary = self.summary(block);
            for other in others {
                summary &= other.summary(block);
            }
            if block == first_word / BLOCK {
                summary &= u64::MAX << (first_word % BLOCK);
            }
            if summary == 0 {
                continue;
            }
            let common = self.common_words(others, block);
            while summary != 0 {
                let offset = summary.trailing_zeros() as usize;
                summary &= summary - 1;
                let index = block * BLOCK + offset;
                let mask = if index == first_word { u64::MAX << (from % 64) } else { u64::MAX };
                let word = common[offset] & mask;
                if word != 0 {
                    return Some(index as u32 * 64 + word.trailing_zeros());
                }
            }
        }
        None
    }

    /// All hosts that are in this set and in all others, ascending.
    pub(crate) fn all_common<'a>(&'a self, others: &'a [&'a HostSet]) -> impl Iterator<Item = HostIndex> + 'a {
        (0..self.words.len()).flat_map(move |index| {
            let mut word = others.iter().fold(self.words[index], |word, other| word & other.word(index));
            std::iter::from_fn(move || {
                let offset = (word != 0).then(|| word.trailing_zeros())?;
                word &= word - 1;
                Some(index as u32 * 64 + offset)
            })
        })
    }

    /// The intersection within one block: straight loops over slices, which the compiler turns into vector instructions.
    fn common_words(&self, others: &[&HostSet], block: usize) -> [u64; BLOCK] {
        let mut common = [0; BLOCK];
        let own = self.block(block);
        common[..own.len()].copy_from_slice(own);
        for other in others {
            let words = other.block(block);
            for (word, other) in common.iter_mut().zip(words) {
                *word &= other;
            }
            common[words.len()..].fill(0);
        }
        common
    }

    fn block(&self, block: usize) -> &[u64] {
        let start = (block * BLOCK).min(self.words.len());
        &self.words[start..self.words.len().min(start + BLOCK)]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::HostSet;

    fn sets(members: &BTreeSet<u32>) -> HostSet {
        let mut set = HostSet::default();
        for host in members {
            assert!(set.set(*host, true));
        }
        set
    }

    proptest! {
        #[test]
        fn intersects_like_btree_sets(
            a in prop::collection::btree_set(0u32..9000, 0..200),
            b in prop::collection::btree_set(0u32..9000, 0..2000),
            from in 0u32..9000,
        ) {
            let (left, right) = (sets(&a), sets(&b));
            prop_assert_eq!(left.first_common(&[&right], from), a.intersection(&b).copied().find(|host| *host >= from));
            prop_assert_eq!(left.iter().collect::<Vec<_>>(), a.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(left.len(), a.len());
            prop_assert!(left.all_common(&[&right]).eq(a.intersection(&b).copied()));
        }

        #[test]
        fn forgets_what_is_taken_out(a in prop::collection::btree_set(0u32..9000, 0..200)) {
            let mut set = sets(&a);
            for host in &a {
                prop_assert!(set.set(*host, false));
            }
            prop_assert!(set.is_empty());
            prop_assert_eq!(set.first_common(&[], 0), None);
        }
    }
}
