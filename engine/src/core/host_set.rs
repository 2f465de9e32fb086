//! Sets of hosts, made for one question: which idle hosts have all of these labels?

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
        for block in first_word / 64..self.summary.len() {
            let mut summary = self.summary(block);
            for other in others {
                summary &= other.summary(block);
            }
            if block == first_word / 64 {
                summary &= u64::MAX << (first_word % 64);
            }
            while summary != 0 {
                let index = block * 64 + summary.trailing_zeros() as usize;
                summary &= summary - 1;
                let mut word = self.word(index);
                if index == first_word {
                    word &= u64::MAX << (from % 64);
                }
                for other in others {
                    if word == 0 {
                        break;
                    }
                    word &= other.word(index);
                }
                if word != 0 {
                    return Some(index as u32 * 64 + word.trailing_zeros());
                }
            }
        }
        None
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
